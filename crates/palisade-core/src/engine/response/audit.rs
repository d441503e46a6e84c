//! The end of an exchange, told once: to the metrics and to the audit.

use crate::{
    audit::{self, AuditEvent, Decision, printable},
    engine::{compiled::Compiled, exchange::Exchange},
    policy::{AddressDetail, PrincipalDetail},
};
use http::StatusCode;
use std::{borrow::Cow, net::IpAddr};

impl Exchange {
    /// A refusal by a guard or an extractor that the handler turned into a success counts as one; so what succeeds
    /// spares the lock.
    pub(super) fn count(&self, status: Option<StatusCode>) {
        if self.facts.record.trace.is_some() {
            // Asked for an explanation; nobody made this request.
            return;
        }
        let counters = &self.policy.counters;
        let Some(status) = status else {
            return counters.aborted();
        };
        let failed = status.is_client_error() || status.is_server_error();
        let by_layer = self
            .facts
            .record
            .refused
            .as_ref()
            .map(|refused| refused.code);
        let code = by_layer.or_else(|| {
            let grant = self.grant.as_ref().filter(|_| failed)?;
            grant.refused().as_ref().map(|refused| refused.code)
        });
        match code {
            Some(code) => counters.refused(code),
            None => counters.admitted(),
        }
    }

    pub(super) fn audit(&self, status: Option<StatusCode>) {
        if !self.facts.record.audited {
            return;
        }
        let refused = self.facts.record.refused.clone().or_else(|| {
            let grant = self.grant.as_ref()?;
            grant.refused().clone()
        });
        let decision = match (&refused, status) {
            (_, None) => Decision::Aborted,
            (Some(_), _) => Decision::Refuse,
            (None, _) => Decision::Admit,
        };
        let policy = &self.policy;
        let method = self
            .facts
            .arrival
            .method
            .map_or("other", |id| policy.methods.name(id));
        let sink = &policy.ports.audit;
        if !sink.wants(audit::level(
            decision,
            method,
            self.facts.record.credential_exposed,
        )) {
            return;
        }

        let rule = policy.rule(self.facts.matched.rule);
        let grant = self.grant.as_ref();
        let caller = self.facts.identity.caller.as_ref();
        let principal = grant
            .and_then(|grant| grant.principal())
            .or(caller.map(|caller| &caller.principal));
        let scheme = self
            .facts
            .identity
            .scheme
            .and_then(|id| policy.schemes.get(id));
        let now = policy.ports.clock.monotonic_nanos();
        sink.record(&AuditEvent {
            schema: 1,
            time_unix_ms: policy.ports.clock.unix_millis(),
            request_id: self.facts.record.request_id.as_str(),
            decision,
            status: status.map(|status| status.as_u16()),
            code: refused.as_ref().map(|refused| refused.code.as_str()),
            reason: refused
                .as_ref()
                .map(|refused| printable(refused.word.as_str())),
            cause: refused.as_ref().and_then(|refused| refused.word.cause()),
            missing: refused
                .as_ref()
                .and_then(|refused| refused.missing.as_deref().map(printable)),
            rule: rule.map(|rule| &*rule.template),
            requirement: rule.map(|rule| Cow::Owned(rule.requirement.to_string())),
            principal: principal.map(|caller| policy.shown_principal(caller.subject())),
            issuer: principal.map(|caller| printable(caller.issuer())),
            tenant: principal
                .and_then(|caller| caller.tenant_name())
                .map(printable),
            scheme: scheme.map(|own| own.scheme.name()),
            credential_id: principal
                .and_then(|caller| caller.credential_name())
                .map(printable),
            claims_passed_over: principal
                .map(|caller| caller.passed_over().map(printable).collect())
                .unwrap_or_default(),
            client: self
                .facts
                .arrival
                .peer
                .and_then(|_| policy.shown_address(self.facts.arrival.client)),
            peer: self
                .facts
                .arrival
                .peer
                .and_then(|peer| policy.shown_address(peer.ip())),
            method,
            uncertain: self.uncertain(),
            shadow_limits: policy.limits.names_of(&self.facts.record.shadow_limits),
            ambient_ignored: self.facts.identity.ambient_ignored,
            credential_exposed: self.facts.record.credential_exposed,
            policy: &policy.fingerprint,
            duration_ns: self.facts.record.nanos_until(now),
        });
    }
}

impl Drop for Exchange {
    /// The client went away before there was a response.
    fn drop(&mut self) {
        if !self.closed {
            self.closed = true;
            self.count(None);
            self.audit(None);
        }
    }
}

impl Compiled {
    fn shown_principal<'a>(&self, subject: &'a str) -> Cow<'a, str> {
        match self.audit.principal {
            PrincipalDetail::Full => printable(subject),
            PrincipalDetail::Hash => Cow::Owned(self.lineage.ids.pseudonym(subject)),
        }
    }

    fn shown_address(&self, address: IpAddr) -> Option<Cow<'static, str>> {
        let address = address.to_canonical();
        let text = match self.audit.address {
            AddressDetail::Full => address.to_string(),
            AddressDetail::Prefix => prefix(address),
            AddressDetail::Hash => self.lineage.ids.pseudonym(&address.to_string()),
            AddressDetail::None => return None,
        };
        Some(Cow::Owned(text))
    }
}

fn prefix(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}
