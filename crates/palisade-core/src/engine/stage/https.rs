//! Stage 4: plain HTTP, where the policy refuses it or sends browsers to HTTPS.

use crate::{
    cause::Cause,
    config::Mistakes,
    engine::{decision::Answer, facts::Arrival, stage::host::HostStage},
    firewall::{Claim, claim_of},
    host::{Host, parse_host},
    methods::MethodId,
    policy::{Https, HttpsMode},
    problem::{Code, Reason},
    reply::Reply,
    view::View,
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

/// `[https]`.
#[derive(Debug)]
pub(in crate::engine) struct HttpsStage {
    settings: Https,
}

impl HttpsStage {
    /// Checks `[https]`.
    pub(in crate::engine) fn compile(
        settings: &Https,
        hosts: &HostStage,
        mistakes: &mut Mistakes,
    ) -> Self {
        let redirects = settings.mode == HttpsMode::Redirect;
        match &settings.host {
            None if redirects => mistakes.add(
                "https.host",
                "is missing; write the host that browsers are sent to, such as \"www.example.com\"",
            ),
            Some(_) if !redirects => {
                mistakes.add("https.host", "does nothing without mode = \"redirect\"; remove it");
            }
            Some(host) if parse_host(host.as_bytes()).is_err() => mistakes.add(
                "https.host",
                format!("is {host:?}; write a host, with a port if it is not 443, such as \"www.example.com\""),
            ),
            Some(host) if !hosts.lists(host) => mistakes.warn(
                "https.host",
                format!("is {host:?}, which [host] allowed does not list, so that it would be answered with 421 there"),
            ),
            _ => {}
        }
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
        Err(Reason::new(Code::HttpsRequired, Cause::PlainHttp))
    }

    /// The same target over HTTPS (RFC 9110 §15.4.9), instead of a refusal. Not for a method that may change something:
    /// it has been sent in the clear, and the client must learn of it. Not for a client that `sends_credential` on purpose:
    /// it is no browser on its way to a page, and would go on telling its credential to everybody.
    pub(in crate::engine) fn redirect(
        &self,
        view: &View<'_>,
        arrival: &Arrival,
        sends_credential: bool,
    ) -> Option<Answer> {
        let host = self.settings.host.as_ref()?;
        let is_read = matches!(arrival.method, Some(MethodId::GET | MethodId::HEAD));
        if self.settings.mode != HttpsMode::Redirect
            || !is_read
            || sends_credential
            // Behind a proxy that ends TLS it would go round in circles.
            || view.lines().any(|(name, _)| is_of_a_proxy(name))
            || view.asks_for_websocket()
        {
            return None;
        }
        let query = view.query().map(|query| format!("?{query}"));
        let target = format!("https://{host}{}{}", view.path(), query.unwrap_or_default());
        // The firewall lets nothing pass that a field could not hold.
        let location = HeaderValue::try_from(target).ok()?;
        Some(Answer {
            name: "https_redirect",
            reply: Reply {
                status: StatusCode::PERMANENT_REDIRECT,
                headers: vec![
                    (header::LOCATION, location),
                    // Browsers remember by HSTS, which ends when it says.
                    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
                ],
                body: Bytes::new(),
            },
        })
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
