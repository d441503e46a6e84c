//! The order of the stages, written once.

use super::{
    compiled::Compiled,
    exchange::{Decision, Facts},
    limits::Stage,
    read::{Candidate, Found, Reading},
    rules::{CompiledRule, Listed, Rules},
    trace::Stage as At,
};
use crate::{
    engine::Caller,
    firewall::Target,
    head::RequestHead,
    methods::MethodId,
    misuse,
    policy::{Uncertain, Unlisted},
    problem::{Code, Reason},
    requirement::Requirement,
    scheme::{Carrier, EXPIRES_IN_MILLISECONDS, Outcome, Verification},
    view::View,
};
use http::{HeaderName, HeaderValue, header};

impl Compiled {
    /// Judges a request's head, stage by stage.
    pub(super) fn decide(&self, head: &dyn RequestHead, facts: &mut Facts) -> Decision {
        self.stages(head, facts).unwrap_or_else(Decision::Refuse)
    }

    fn stages(&self, head: &dyn RequestHead, facts: &mut Facts) -> Result<Decision, Reason> {
        let mut view = View::of(head);
        // Every response has these, a refusal by the firewall too.
        self.draw_nonce(facts)?;
        self.note_origin(&view, facts);
        self.note_script(&view, facts);

        // 1
        facts.at(At::Firewall);
        let passed = self.pass_firewall(head, &mut view, facts);
        let target = passed.inspect_err(|_| self.note_host(head, &view, facts))?;
        let method = facts.method.unwrap_or(MethodId::GET);
        let is_metadata = self.is_metadata(target.path);
        facts.path = target.path.as_bytes().into();
        let listed = match is_metadata {
            true => Listed::Unlisted,
            false => self.list(target.path, method, facts),
        };
        if let Listed::Rule(index) = listed {
            facts.rule = Some(index);
        }
        let rule = self.rule_or_unlisted(facts.rule);
        // 2
        facts.at(At::Client);
        if facts.peer.is_none() {
            // Every request would say the same.
            self.lineage
                .told_peer_missing
                .call_once(|| misuse::tell(head.peer_missing()));
            return Err(Reason::new(Code::InternalError, "peer_address_missing"));
        }
        // 3
        facts.at(At::Host);
        let host = self.host(head, &view, &target, rule, facts)?;
        // 4
        facts.at(At::Https);
        self.require_https(&view, &host, rule, facts)?;
        // 5
        facts.at(At::Preflight);
        if self.is_preflight(&view, method) {
            return Ok(Decision::Preflight);
        }
        if is_metadata {
            return self.serve_metadata(method, &view, facts);
        }
        // 6
        facts.at(At::Rule);
        self.apply_rule(&target, rule, &listed, facts)?;
        let reads = self.reads_credentials(rule, &listed, facts);
        facts.credentials_read = reads;
        // 7
        facts.at(At::Read);
        let reading = match reads {
            true => self.read(rule, &view),
            false => Reading {
                found: Found::Nothing,
                ambient_ignored: false,
            },
        };
        facts.ambient_ignored = reading.ambient_ignored;
        // 8
        facts.at(At::CrossOrigin);
        if reads {
            self.block_cross_origin(&view, &host, rule, &reading, facts)?;
        }
        // 9
        facts.at(At::AddressLimits);
        self.charge(Stage::Address, rule, Some(&view), facts)?;
        let found = self.stop_guessing(reading.found, &view, facts)?;
        if self.unlisted == Unlisted::NotFound
            && let Some(reason) = facts.no_rule.take()
        {
            facts.at(At::Judge);
            return Err(*reason);
        }
        // 10 to 12
        match found {
            Found::Nothing | Found::UnknownAuthorization => {
                let cause = match found {
                    Found::Nothing => "no_credential",
                    _ => "unknown_authorization_scheme",
                };
                // An explicit credential that nobody here can verify is not the same as none.
                let unknown = cause == "unknown_authorization_scheme";
                self.settle_anonymous(rule, unknown, cause, facts)
            }
            Found::Malformed { scheme, cause } => {
                facts.at(At::Verify);
                facts.presented = scheme;
                self.count_failure(facts);
                Err(self.invalid_request(self.bearer_presented(rule, &view), cause))
            }
            Found::One(candidate) => Ok(self.verify(candidate, &view, facts)),
        }
    }

    /// The rule for a path; where one is refused as ambiguous, stage 6 does it.
    fn list(&self, path: &str, method: MethodId, facts: &mut Facts) -> Listed<'_> {
        let listed = self.rules.find(path, method);
        let Listed::Ambiguous(ambiguous) = listed else {
            return listed;
        };
        facts.remark(|| ambiguous.to_string());
        if self.rules.uncertain == Uncertain::Refuse {
            return Listed::Ambiguous(ambiguous);
        }
        facts.uncertain = Some(AMBIGUOUS);
        self.lineage
            .warn_uncertain(&ambiguous.to_string(), &format!("{path:.200}: {ambiguous}"));
        Rules::listed(ambiguous.as_sent, method)
    }

    /// Stage 6: the rule, found before and judged at stage 12.
    fn apply_rule(
        &self,
        target: &Target<'_>,
        rule: &CompiledRule,
        listed: &Listed<'_>,
        facts: &mut Facts,
    ) -> Result<(), Reason> {
        target
            .refuse_unless(rule.allow_encoded)
            .map_err(|refused| Reason::new(Code::RequestRejected, refused.reason()))?;
        facts.guardrail = self.rules.guardrail(rule, target.path);
        facts.no_rule = match listed {
            Listed::Rule(_) => None,
            Listed::Ambiguous(_) => return Err(Reason::new(Code::RequestRejected, AMBIGUOUS)),
            Listed::OtherMethod { allow } => {
                let reason = Reason::new(Code::MethodNotAllowed, "method_not_listed");
                let allow = allow.map(|allow| (header::ALLOW, allow.clone()));
                Some(reason.headers(allow).into())
            }
            Listed::Unlisted => {
                if self.unlisted == Unlisted::NotFound {
                    self.lineage
                        .warn_unlisted(target.path, facts.method, &self.methods);
                }
                match self.unlisted {
                    Unlisted::NotFound => {
                        Some(Reason::new(Code::NotFound, "path_not_listed").into())
                    }
                    Unlisted::Authenticated => None,
                }
            }
        };
        Ok(())
    }

    fn reads_credentials(&self, rule: &CompiledRule, listed: &Listed<'_>, facts: &Facts) -> bool {
        match listed {
            Listed::Rule(_) => !rule.requirement.is_public() || facts.guardrail.is_some(),
            // Who may not even know whether the path exists must not cost a signature.
            _ => self.unlisted == Unlisted::Authenticated,
        }
    }

    /// Stage 9: what might be guessed is not looked at where too many credentials have failed.
    fn stop_guessing<'h>(
        &self,
        found: Found<'h>,
        view: &View<'_>,
        facts: &mut Facts,
    ) -> Result<Found<'h>, Reason> {
        let scheme = match &found {
            Found::One(candidate) => Some(candidate.scheme),
            Found::Malformed { scheme, .. } => *scheme,
            Found::Nothing | Found::UnknownAuthorization => None,
        };
        if !self.is_guessable(scheme) {
            return Ok(found);
        }
        let Some(spent) = self.spent_failures(facts) else {
            return Ok(found);
        };
        match &found {
            // A browser sends a stale cookie along without being asked. Whether this one is stale stays open.
            Found::One(candidate) if self.is_cookie(candidate) && self.is_optional(facts) => {
                self.keep_from_handler(candidate, view, facts);
                facts.ambient_ignored = true;
                facts.remark(|| COOKIE_UNSEEN.to_owned());
                Ok(Found::Nothing)
            }
            _ => Err(self.too_many_failures(&spent, facts)),
        }
    }

    /// Whether trying might hit on a credential of the scheme; a request that presents none is no guess.
    pub(super) fn is_guessable(&self, scheme: Option<usize>) -> bool {
        let own = scheme.and_then(|index| self.schemes.get(index));
        own.is_some_and(|own| own.scheme.is_guessable())
    }

    fn is_cookie(&self, candidate: &Candidate<'_>) -> bool {
        matches!(self.carrier(candidate), Some(Carrier::Cookie(_)))
    }

    /// Stage 10.
    fn verify(&self, candidate: Candidate<'_>, view: &View<'_>, facts: &mut Facts) -> Decision {
        facts.at(At::Verify);
        facts.presented = Some(candidate.scheme);
        facts.presented_cookie = self.is_cookie(&candidate);
        let Some(own) = self.schemes.get(candidate.scheme) else {
            return Decision::Refuse(Reason::new(Code::InternalError, "no_scheme"));
        };
        self.keep_from_handler(&candidate, view, facts);
        let now = self.lineage.clock.unix_seconds(&*self.ports.clock);
        let verification = match facts.trace {
            None => own.scheme.verify(&candidate.credential, now),
            Some(_) => own.scheme.rehearse(&candidate.credential, now),
        };
        match verification {
            Verification::Done(outcome) => self.settle(outcome, facts),
            Verification::Remote(remote) => Decision::Ask(remote),
        }
    }

    /// Takes a credential that is not for the handler out of the head that the handler will see. A key in the query
    /// stays, because the router must get exactly the target that was checked.
    fn keep_from_handler(&self, candidate: &Candidate<'_>, view: &View<'_>, facts: &mut Facts) {
        let carrier = self.carrier(candidate);
        // A handler that chooses a protocol must not echo the credential among them.
        let echoes = matches!(carrier, Some(Carrier::WebSocketProtocol(_)));
        let own = self.schemes.get(candidate.scheme);
        if !echoes && own.is_some_and(|own| own.scheme.shows_credential()) {
            return;
        }
        match carrier {
            Some(Carrier::Header(name)) => facts.edits.remove(name.clone()),
            Some(Carrier::Authorization(_)) => facts.edits.remove(header::AUTHORIZATION),
            Some(Carrier::Cookie(name)) => {
                leave(header::COOKIE, view.cookies_without(name), facts);
            }
            Some(Carrier::WebSocketProtocol(word)) => {
                let rest = view.protocols_without(word);
                leave(header::SEC_WEBSOCKET_PROTOCOL, rest, facts);
            }
            _ => {}
        }
    }

    /// Stages 10 to 12, once the credential has been judged.
    pub(super) fn settle(&self, outcome: Outcome, facts: &mut Facts) -> Decision {
        let scheme = facts.presented.unwrap_or(usize::MAX);
        if let Outcome::Rejected(rejected) = &outcome
            && !rejected.was_genuine()
        {
            self.count_failure(facts);
        }
        self.tell_outage(&outcome, facts);
        let decided = match outcome {
            Outcome::Verified(principal) => {
                if principal.expires_in_milliseconds() {
                    facts.remark(|| EXPIRES_IN_MILLISECONDS.to_owned());
                }
                facts.caller = Some(Caller { principal, scheme });
                let rule = self.rule_or_unlisted(facts.rule);
                self.settle_caller(rule, facts)
            }
            // A browser sends a stale cookie along without being asked.
            Outcome::Rejected(_) if facts.presented_cookie && self.is_optional(facts) => {
                let rule = self.rule_or_unlisted(facts.rule);
                self.settle_anonymous(rule, false, "stale_cookie", facts)
            }
            Outcome::Rejected(rejected) => {
                if let Some(hint) = rejected.hint {
                    tracing::info!(target: "palisade", cause = rejected.cause, "{hint}");
                    facts.remark(|| hint.to_owned());
                }
                facts.failed_claim(rejected.claim);
                Err(self.invalid_token(facts.asker(), scheme, rejected.cause))
            }
            Outcome::Disabled(rejected) => Err(Reason::new(Code::AccountDisabled, rejected.cause)),
            Outcome::Unavailable(source) => {
                facts.remark(|| source.to_string());
                Err(
                    Reason::new(Code::DependencyUnavailable, "source_unavailable")
                        .header(header::RETRY_AFTER, HeaderValue::from_static("5")),
                )
            }
        };
        decided.unwrap_or_else(Decision::Refuse)
    }

    /// What a scheme depends on is down: the log says so once, and once when it is back.
    fn tell_outage(&self, outcome: &Outcome, facts: &mut Facts) {
        let presented = facts.presented.and_then(|index| self.schemes.get(index));
        let Some(own) = presented.filter(|_| facts.trace.is_none()) else {
            return;
        };
        let (scheme, answer) = (own.scheme.name(), facts.answer);
        if let Outcome::Unavailable(source) = outcome {
            if own.outage.begins(answer, facts.now_nanos(self)) {
                let told = "what needs it is answered with 503, and the log says when it is back";
                tracing::warn!(target: "palisade", scheme, "{source}: {told}");
            }
        } else if own.outage.is_on()
            && let Some(requests) = own.outage.is_over(answer, facts.now_nanos(self))
        {
            tracing::info!(target: "palisade", scheme, requests, "what the scheme depends on answers again");
        }
    }

    /// Stages 11 and 12 for an authenticated caller.
    fn settle_caller(&self, rule: &CompiledRule, facts: &mut Facts) -> Result<Decision, Reason> {
        facts.at(At::CallerLimits);
        self.charge(Stage::Principal, rule, None, facts)?;
        facts.at(At::Judge);
        if let Some(reason) = facts.no_rule.take() {
            return Err(*reason);
        }
        if let Some(caller) = &facts.caller {
            let (scheme, more) = (Some(caller.scheme), facts.guardrail.as_ref());
            self.judge(&caller.principal, facts.asker(), scheme, more)?;
        }
        check_body_length(rule, facts)
    }

    /// Stages 11 and 12 for a caller without an identity.
    fn settle_anonymous(
        &self,
        rule: &CompiledRule,
        unknown_credential: bool,
        cause: &'static str,
        facts: &mut Facts,
    ) -> Result<Decision, Reason> {
        if unknown_credential || !self.is_optional(facts) {
            facts.at(At::Judge);
            return Err(self.credentials_required(facts.asker(), cause));
        }
        facts.at(At::CallerLimits);
        self.charge(Stage::Principal, rule, None, facts)?;
        facts.at(At::Judge);
        check_body_length(rule, facts)
    }

    /// Whether the request may go on without an identity.
    fn is_optional(&self, facts: &Facts) -> bool {
        let rule = self.rule_or_unlisted(facts.rule);
        let demands = |requirement: &Requirement| !requirement.admits_anonymous();
        !demands(&rule.requirement) && !facts.guardrail.as_ref().is_some_and(demands)
    }
}

/// What an explanation adds where a cookie was not looked at.
const COOKIE_UNSEEN: &str =
    "too many credentials have failed at this address, so the cookie counts as none";

/// Why a path is refused that one router would take for another one than the next router does.
const AMBIGUOUS: &str = "ambiguous_path";

/// Leaves the handler the rest of a field, or nothing of it.
fn leave(name: HeaderName, rest: Vec<u8>, facts: &mut Facts) {
    match HeaderValue::try_from(rest) {
        Ok(rest) if !rest.is_empty() => facts.edits.set(name, rest),
        _ => facts.edits.remove(name),
    }
}

/// A body that says itself that it is too large is refused before anybody reads it.
fn check_body_length(rule: &CompiledRule, facts: &Facts) -> Result<Decision, Reason> {
    match (rule.max_body, facts.content_length) {
        (Some(max), Some(length)) if length > max => {
            Err(Reason::new(Code::ContentTooLarge, "content_length"))
        }
        _ => Ok(Decision::Admit),
    }
}
