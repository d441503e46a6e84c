//! Stage 4: plain HTTP, where the policy refuses it.

use crate::{
    engine::facts::Arrival,
    firewall::{Claim, claim_of},
    host::Host,
    policy::{Https, HttpsMode},
    problem::{Code, Reason},
    view::View,
};

/// `[https]`.
#[derive(Debug)]
pub(in crate::engine) struct HttpsStage {
    settings: Https,
}

impl HttpsStage {
    pub(in crate::engine) fn new(settings: &Https) -> Self {
        Self {
            settings: settings.clone(),
        }
    }

    /// Whether a request counts as HTTPS.
    pub(in crate::engine) fn is_secure(&self, tls: bool) -> bool {
        self.settings.assumed || tls
    }

    /// Lets HTTPS pass, probes, and what comes from this machine itself.
    pub(in crate::engine) fn judge(
        &self,
        view: &View<'_>,
        host: &Host<'_>,
        arrival: &Arrival,
        probe: bool,
    ) -> Result<(), Reason> {
        if self.settings.mode == HttpsMode::Off || arrival.secure || probe {
            return Ok(());
        }
        // So that curl on the same machine works; nothing forwarded ever takes this way.
        let local = arrival.client.is_loopback() && host.is_loopback();
        let forwarded = view.lines().any(|(name, _)| is_of_a_proxy(name));
        if local && !forwarded {
            return Ok(());
        }
        Err(Reason::new(Code::HttpsRequired, "plain_http"))
    }

    pub(in crate::engine) fn tell(&self, arrival: &Arrival) -> String {
        match (arrival.secure, arrival.tls) {
            (true, true) => "TLS",
            (true, false) => "taken for HTTPS, because the policy says so",
            _ if self.settings.mode == HttpsMode::Off => "plain HTTP, which the policy lets pass",
            _ => "plain HTTP",
        }
        .to_owned()
    }
}

/// Whether only a proxy adds a field of this name to a request (RFC 9110 §7.6.3 for `Via`).
fn is_of_a_proxy(name: &str) -> bool {
    name == "via" || claim_of(name).is_some_and(Claim::is_of_a_proxy)
}
