//! Stage 2: the address of the client.

use crate::{
    cause::Cause,
    engine::{facts::Arrival, lineage::Lineage},
    head::RequestHead,
    misuse,
    problem::{Code, Reason},
};

/// Without an address no limit could count: the server is set up wrongly.
pub(in crate::engine) fn judge(
    head: &dyn RequestHead,
    arrival: &Arrival,
    lineage: &Lineage,
) -> Result<(), Reason> {
    if arrival.peer.is_some() {
        return Ok(());
    }
    // Every request would say the same.
    lineage
        .told_peer_missing
        .call_once(|| misuse::tell(head.peer_missing()));
    Err(Reason::new(Code::InternalError, Cause::PeerAddressMissing))
}

pub(in crate::engine) fn tell(arrival: &Arrival) -> String {
    match arrival.peer {
        Some(peer) => format!("the peer {peer}"),
        None => "no address of a peer".to_owned(),
    }
}
