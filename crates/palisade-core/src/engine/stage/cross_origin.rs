//! Stage 8: a browser sends ambient credentials whatever page asks it to.

use super::{
    preflight::PreflightStage,
    read::{Found, Reading},
    rule::CompiledRule,
    shown,
};
use crate::{
    cause::Cause,
    engine::{
        facts::{Arrival, Effects},
        schemes::Schemes,
    },
    host::{Host, parse_host},
    methods::MethodId,
    problem::{Code, Reason},
    scheme::Carrier,
    view::View,
};
use http::header;

/// What the stage looks at.
pub(in crate::engine) struct CrossOrigin<'a, 'h> {
    pub(in crate::engine) view: &'a View<'h>,
    pub(in crate::engine) host: &'a Host<'h>,
    pub(in crate::engine) rule: &'a CompiledRule,
    pub(in crate::engine) arrival: &'a Arrival,
    pub(in crate::engine) effects: &'a Effects,
    /// Whether credentials are read at all.
    pub(in crate::engine) credentials_read: bool,
}

impl CrossOrigin<'_, '_> {
    pub(in crate::engine) fn judge(
        &self,
        reading: &Reading<'_>,
        schemes: &Schemes,
        preflight: &PreflightStage,
    ) -> Result<(), Reason> {
        if self.is_safe() || !self.accepts_ambient() {
            return Ok(());
        }
        if let Found::One(candidate) = &reading.found {
            let ambient = schemes.carrier(candidate).is_some_and(Carrier::is_ambient);
            if !ambient {
                return Ok(());
            }
        }
        let trusted = self.effects.allow_origin.is_some() && preflight.allows_credentials();
        let mut sites = self.view.named("sec-fetch-site").peekable();
        let mut origins = self.view.header(&header::ORIGIN);
        let same_site = match sites.peek() {
            Some(_) => sites.all(|site| matches!(site, b"same-origin" | b"none")),
            // Neither header: no browser of the last years, so no ambient credential.
            None => origins.all(|origin| is_own_origin(origin, self.host, self.arrival.secure)),
        };
        if same_site || trusted {
            Ok(())
        } else {
            Err(Reason::new(Code::CrossOriginBlocked, Cause::CrossSite))
        }
    }

    pub(in crate::engine) fn tell(&self) -> String {
        if self.is_safe() {
            return "a safe method".to_owned();
        }
        if !self.accepts_ambient() {
            return "nothing that a browser sends by itself is accepted here".to_owned();
        }
        let lines = ["sec-fetch-site", "origin"].into_iter().flat_map(|name| {
            let values = self.view.named(name);
            values.map(move |value| format!("{name}: {}", shown(value)))
        });
        let lines: Vec<_> = lines.collect();
        match lines.is_empty() {
            true => "no header that says which site asks".to_owned(),
            false => lines.join(", "),
        }
    }

    fn is_safe(&self) -> bool {
        self.arrival.method.is_some_and(MethodId::is_safe) && !self.view.asks_for_websocket()
    }

    fn accepts_ambient(&self) -> bool {
        self.credentials_read && self.rule.accepts_ambient
    }
}

/// Whether an `Origin` names the very host that the request was sent to.
fn is_own_origin(origin: &[u8], host: &Host<'_>, secure: bool) -> bool {
    let scheme: &[u8] = if secure { b"https://" } else { b"http://" };
    let default_port = if secure { 443 } else { 80 };
    origin
        .strip_prefix(scheme)
        .and_then(|authority| parse_host(authority).ok())
        .is_some_and(|own| own.is_same(host, default_port))
}
