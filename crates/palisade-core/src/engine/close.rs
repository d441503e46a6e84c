//! The one exit: every response head leaves through [`Exchange::close`].

use super::{
    caching::{Caching, list},
    compiled::Compiled,
    exchange::Exchange,
};
use crate::{
    audit::{self, AuditEvent, Decision, printable},
    body::BodyReport,
    cors::AllowOrigin,
    head::ResponseHead,
    limit::FieldText,
    policy::{AddressDetail, PrincipalDetail},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use std::{borrow::Cow, net::IpAddr};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Fields that tell an attacker which versions to look up.
const NEVER_SENT: [HeaderName; 2] = [header::SERVER, HeaderName::from_static("x-powered-by")];

/// Answers that leave the body, or the rest of it, unread.
const UNREAD: [StatusCode; 2] = [StatusCode::PAYLOAD_TOO_LARGE, StatusCode::REQUEST_TIMEOUT];

impl Exchange {
    /// Finishes the response, whoever made it: a handler, an error, a refusal, a panic.
    ///
    /// Calling it again, as an error that is turned into a response twice does, changes nothing
    /// more and audits nothing more.
    pub fn close(&mut self, response: &mut dyn ResponseHead) {
        if let Some(refused) = self.body.as_ref().and_then(BodyReport::refused) {
            // Left alone, each framework would make another answer of the broken body.
            let reply = self.refuse(refused.reason());
            response.replace(reply);
        }
        let policy = &*self.policy;
        let there = There::of(response);
        response.reserve(policy.known_fields_per_response());
        self.set_security_headers(policy, there, response);
        self.set_cors(policy, there, response);
        self.set_caching(policy, there, response);
        self.set_fresh(policy, response);
        for name in &NEVER_SENT {
            there.remove(response, name);
        }
        let status = response.status();
        let unchanged =
            self.facts.arrival.changes_protocol && status != StatusCode::SWITCHING_PROTOCOLS;
        // HTTP/2 has no such thing (RFC 9113 §8.2.2).
        if (UNREAD.contains(&status) || unchanged) && !self.facts.arrival.http2 {
            response.close_connection();
        }
        if !self.closed {
            self.closed = true;
            self.count(Some(response.status()));
            self.audit(Some(response.status()));
        }
    }

    fn set_cors(&self, policy: &Compiled, there: There, response: &mut dyn ResponseHead) {
        let Some(cors) = &policy.preflight.cors else {
            return;
        };
        if let Some(origin) = &self.facts.effects.allow_origin {
            match origin {
                AllowOrigin::Known(index) => response.insert_known(&policy.known, *index),
                AllowOrigin::Sent(origin) => {
                    response.insert(&header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                }
            }
            for &index in &cors.response_fields {
                response.insert_known(&policy.known, index);
            }
        } else {
            // Whatever a handler says: who may read responses is the policy's word.
            there.remove(response, &header::ACCESS_CONTROL_ALLOW_ORIGIN);
        }
        if self.facts.effects.allow_origin.is_none() || !cors.allows_credentials() {
            there.remove(response, &header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
        }
        match cors.vary {
            Some(_) if there.may_have(&header::VARY) => {
                vary(response, &HeaderValue::from_static("origin"));
            }
            Some(index) => response.insert_known(&policy.known, index),
            None => {}
        }
    }

    fn set_security_headers(
        &self,
        policy: &Compiled,
        there: There,
        response: &mut dyn ResponseHead,
    ) {
        let rule = policy.rule(self.facts.matched.rule);
        let corp = rule.and_then(|rule| rule.corp);
        let corp = corp.filter(|_| !there.has(response, &CORP));
        for field in &policy.headers.fixed {
            if !field.yields || !there.has(response, &field.name) {
                response.insert_known(&policy.known, field.index);
            }
        }
        if let Some(corp) = corp {
            response.insert_known(&policy.known, corp);
        }
        let nonce = match &self.grant {
            Some(grant) => grant.csp_nonce(),
            None => self.facts.effects.nonce.as_deref(),
        };
        for field in &policy.headers.with_nonce {
            let value = nonce.and_then(|nonce| field.value(nonce));
            if let (Some(value), false) = (value, there.has(response, &field.name)) {
                response.insert(&field.name, value);
            }
        }
        match policy.headers.hsts {
            // RFC 6797 §7.2: never over plain HTTP; §8.1.1: never for an address.
            Some(index) if self.facts.arrival.secure && self.facts.arrival.hsts_host => {
                response.insert_known(&policy.known, index);
            }
            _ => there.remove(response, &header::STRICT_TRANSPORT_SECURITY),
        }
    }

    /// RFC 9111 §3.5 lets shared caches keep less than most people think, and browsers more.
    fn set_caching(&self, policy: &Compiled, there: There, response: &mut dyn ResponseHead) {
        let rule = policy.rule_or_unlisted(self.facts.matched.rule);
        let identified = self
            .grant
            .as_ref()
            .is_some_and(|grant| grant.principal().is_some());
        if identified && !rule.handler_caches {
            let is_private = match there.may_have(&header::CACHE_CONTROL) {
                true => {
                    let mut caching = Caching::default();
                    response.values(&header::CACHE_CONTROL, &mut |value| caching.note(value));
                    caching.is_private()
                }
                // There is what the policy says, or nothing.
                false => policy.usually_private,
            };
            if !is_private {
                response.insert_known(&policy.known, policy.no_store);
            }
        }
        if !identified && self.facts.matched.credentials_read {
            for name in &rule.vary {
                vary(response, name);
            }
        }
    }

    /// What is another on every response: its name, and what is left of the quotas. Both values
    /// share an allocation.
    fn set_fresh(&self, policy: &Compiled, response: &mut dyn ResponseHead) {
        let request_id = self.facts.record.request_id.as_str();
        let mut text = FieldText::starting_with(request_id);
        if !self.facts.effects.charged.rows().is_empty() {
            self.set_limit_policy(policy, response);
            policy
                .limits
                .write_field(&self.facts.effects.charged, &mut text);
        }
        let mut left = text.into_bytes();
        response.insert_text(&X_REQUEST_ID, left.split_to(request_id.len()));
        if !left.is_empty() {
            response.insert_text(&RATELIMIT, left);
        }
    }

    /// The quotas of the rule are the same on every response; those of a key are not.
    fn set_limit_policy(&self, policy: &Compiled, response: &mut dyn ResponseHead) {
        let ruled = policy
            .rule_or_unlisted(self.facts.matched.rule)
            .limits
            .policy_field;
        if let Some(own) = policy.limits.own_policy_field(&self.facts.effects.charged) {
            let ruled = ruled.and_then(|index| policy.known.get(index)?.1.to_str().ok());
            let parts: Vec<&str> = ruled.into_iter().chain([&*own]).collect();
            response.insert_text(&RATELIMIT_POLICY, parts.join(", ").into());
        } else if let Some(index) = ruled {
            response.insert_known(&policy.known, index);
        }
    }

    /// A refusal by a guard or an extractor that the handler turned into a success counts as one; so what succeeds
    /// spares the lock.
    fn count(&self, status: Option<StatusCode>) {
        if self.facts.record.trace.is_some() {
            // Asked for an explanation; nobody made this request.
            return;
        }
        let counters = &self.policy.counters;
        let Some(status) = status else {
            return counters.aborted();
        };
        let failed = status.is_client_error() || status.is_server_error();
        let by_layer = self.facts.record.refused.as_ref().map(|(code, _)| *code);
        let code = by_layer.or_else(|| {
            let grant = self.grant.as_ref().filter(|_| failed)?;
            grant.refused().as_ref().map(|(code, _)| *code)
        });
        match code {
            Some(code) => counters.refused(code),
            None => counters.admitted(),
        }
    }

    fn audit(&self, status: Option<StatusCode>) {
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
        if !sink.wants(audit::level(decision, method)) {
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
            .and_then(|index| policy.schemes.get(index));
        let now = policy.ports.clock.monotonic_nanos();
        sink.record(&AuditEvent {
            schema: 1,
            time_unix_ms: policy.ports.clock.unix_millis(),
            request_id: self.facts.record.request_id.as_str(),
            decision,
            status: status.map(|status| status.as_u16()),
            code: refused.as_ref().map(|(code, _)| code.as_str()),
            reason: refused.as_ref().map(|(_, cause)| printable(cause)),
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
    /// How many header lines most responses get.
    fn known_fields_per_response(&self) -> usize {
        self.headers.fixed.len() + 8
    }

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

/// Which of the fields that `close` asks for the handler has set: most handlers set none of
/// them, and one walk over their few lines costs less than a look-up for each.
#[derive(Clone, Copy)]
struct There(u16);

impl There {
    const ASKED: [&'static str; 9] = [
        "access-control-allow-credentials",
        "access-control-allow-origin",
        "cache-control",
        "content-security-policy",
        "cross-origin-resource-policy",
        "server",
        "strict-transport-security",
        "vary",
        "x-powered-by",
    ];

    fn of(response: &dyn ResponseHead) -> Self {
        let mut there = 0;
        response.headers(&mut |name, _| {
            if let Some(bit) = Self::bit(name) {
                there |= bit;
            }
        });
        Self(there)
    }

    fn bit(name: &str) -> Option<u16> {
        let place = Self::ASKED.iter().position(|own| *own == name)?;
        Some(1 << place)
    }

    /// True also for the names that nobody walked for.
    fn may_have(self, name: &HeaderName) -> bool {
        Self::bit(name.as_str()).is_none_or(|bit| self.0 & bit != 0)
    }

    fn remove(self, response: &mut dyn ResponseHead, name: &HeaderName) {
        if self.may_have(name) {
            response.remove(name);
        }
    }

    fn has(self, response: &dyn ResponseHead, name: &HeaderName) -> bool {
        let mut found = false;
        if self.may_have(name) {
            response.values(name, &mut |_| found = true);
        }
        found
    }
}

/// Appends a name to `Vary` unless it is there, or `*` is.
fn vary(response: &mut dyn ResponseHead, name: &HeaderValue) {
    let mut there = false;
    response.values(&header::VARY, &mut |value| {
        there |= list(value).any(|own| own == b"*" || own.eq_ignore_ascii_case(name.as_bytes()));
    });
    if !there {
        response.append(&header::VARY, name.clone());
    }
}
