//! What the stages come to.

use crate::{problem::Reason, reply::Reply, scheme::RemoteVerification};

/// A decision about a request, before it is a verdict.
pub(super) enum Decision {
    /// Core answers itself.
    Answer(Answer),
    Refuse(Reason),
    Admit,
    /// Somebody must be asked about the credential first.
    Wait(RemoteVerification),
}

/// What core answers, and what explanations call it.
pub(super) struct Answer {
    pub(super) name: &'static str,
    pub(super) reply: Reply,
}
