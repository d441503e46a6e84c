//! Stage 10: the one credential, judged by its scheme, at once or later.

use super::{
    Stage,
    judge::Missing,
    read::{Candidate, Found},
};
use crate::{
    audit::printable,
    cause::{Cause, Word},
    engine::{
        compiled::Compiled,
        decision::{Decision, Wait},
        facts::{Caller, Facts, Identity, Record},
        schemes::{CompiledScheme, SchemeId},
    },
    head::HeadEdits,
    principal::Principal,
    problem::{Code, Reason},
    scheme::{Carrier, EXPIRES_IN_MILLISECONDS, Outcome, Verification},
    view::View,
};
use http::{HeaderName, HeaderValue, header};

/// What an explanation adds where a cookie was not looked at.
const COOKIE_UNSEEN: &str =
    "too many credentials have failed at this address, so the cookie counts as none";

impl Compiled {
    /// Whether the credential is looked at: what might be guessed is refused where too many credentials have failed, or
    /// counts as none.
    pub(in crate::engine) fn stop_guessing(
        &self,
        found: &Found<'_>,
        facts: &mut Facts,
    ) -> Result<bool, Reason> {
        if !self.schemes.is_guessable(found.scheme()) {
            return Ok(true);
        }
        let client = facts.arrival.client;
        let Some(spent) = self.limits.spent_failures(client, &mut facts.record) else {
            return Ok(true);
        };
        match found {
            // A browser sends a stale cookie along without being asked. Whether this one is stale stays open.
            Found::One(candidate)
                if self.is_cookie(candidate) && self.is_optional(&facts.matched) =>
            {
                facts.identity.ambient_ignored = true;
                facts.record.remark(|| COOKIE_UNSEEN.to_owned());
                Ok(false)
            }
            _ => {
                let (effects, record) = (&mut facts.effects, &mut facts.record);
                Err(self.limits.too_many_failures(&spent, effects, record))
            }
        }
    }

    /// Asks the scheme about the credential.
    pub(in crate::engine) fn verify(
        &self,
        candidate: &Candidate<'_>,
        facts: &mut Facts,
    ) -> Result<Decision, Reason> {
        facts.identity.scheme = Some(candidate.scheme);
        facts.identity.from_cookie = self.is_cookie(candidate);
        let Some(presented) = self.schemes.get(candidate.scheme) else {
            return Err(Reason::new(Code::InternalError, Cause::NoScheme));
        };
        let now = self.lineage.clock.unix_seconds(&*self.ports.clock);
        let verification = match facts.record.explains() {
            false => presented.scheme.verify(&candidate.credential, now),
            true => presented.scheme.rehearse(&candidate.credential, now),
        };
        match verification {
            Verification::Done(outcome) => self.settle(outcome, facts),
            Verification::Remote(remote) => Ok(Decision::Wait(Box::new(Wait::Verify(remote)))),
        }
    }

    /// Goes on once the credential has been judged.
    pub(in crate::engine) fn settle(
        &self,
        outcome: Outcome,
        facts: &mut Facts,
    ) -> Result<Decision, Reason> {
        if let Outcome::Rejected(rejected) = &outcome
            && !rejected.was_genuine()
        {
            self.count_failure(facts);
        }
        self.tell_outage(&outcome, &facts.identity, &mut facts.record);
        let judged = self.identify(outcome, facts);
        let presented = facts.identity.scheme.and_then(|id| self.schemes.get(id));
        let Facts {
            identity, record, ..
        } = facts;
        record.tell(Stage::Verify, || {
            tell(presented, &judged, identity.principal())
        });
        match judged? {
            Some(missing) => self.decide_anonymous(facts, missing),
            None => self.decide_caller(facts),
        }
    }

    /// A malformed credential is refused as what it is.
    pub(in crate::engine) fn refuse_malformed(
        &self,
        scheme: Option<SchemeId>,
        reason: Reason,
        facts: &mut Facts,
    ) -> Reason {
        facts.identity.scheme = scheme;
        self.count_failure(facts);
        let presented = scheme.and_then(|id| self.schemes.get(id));
        facts.record.tell(Stage::Verify, || match presented {
            Some(presented) => named(presented, &printable(reason.cause())),
            None => reason.cause().to_owned(),
        });
        reason
    }

    /// Who calls, if the credential is good; why nobody does, if it counts as none.
    fn identify(&self, outcome: Outcome, facts: &mut Facts) -> Result<Option<Missing>, Reason> {
        let Some(scheme) = facts.identity.scheme else {
            return Err(Reason::new(Code::InternalError, Cause::NoScheme));
        };
        match outcome {
            Outcome::Verified(principal) => {
                if principal.expires_in_milliseconds() {
                    facts.record.remark(|| EXPIRES_IN_MILLISECONDS.to_owned());
                }
                facts.identity.caller = Some(Caller { principal, scheme });
                Ok(None)
            }
            // A browser sends a stale cookie along without being asked.
            Outcome::Rejected(_)
                if facts.identity.from_cookie && self.is_optional(&facts.matched) =>
            {
                Ok(Some(Missing::StaleCookie))
            }
            Outcome::Rejected(rejected) => {
                if let Some(hint) = rejected.hint {
                    tracing::info!(target: "palisade", cause = rejected.cause, "{hint}");
                    facts.record.remark(|| hint.to_owned());
                }
                facts.record.failed_claim(rejected.claim);
                let asker = self.asker(facts.matched.rule, facts.arrival.is_script);
                Err(self.schemes.invalid_token(
                    asker,
                    Some(scheme),
                    Word::of_scheme(rejected.cause),
                ))
            }
            Outcome::Disabled(rejected) => Err(Reason::new(
                Code::AccountDisabled,
                Word::of_scheme(rejected.cause),
            )),
            Outcome::Unavailable(source) => {
                facts.record.remark(|| source.to_string());
                Err(
                    Reason::new(Code::DependencyUnavailable, Cause::SourceUnavailable)
                        .header(header::RETRY_AFTER, HeaderValue::from_static("5")),
                )
            }
        }
    }

    fn count_failure(&self, facts: &mut Facts) {
        let is_guessable = self.schemes.is_guessable(facts.identity.scheme);
        let client = facts.arrival.client;
        self.limits
            .count_failure(client, is_guessable, &mut facts.record);
    }

    fn is_cookie(&self, candidate: &Candidate<'_>) -> bool {
        matches!(self.schemes.carrier(candidate), Some(Carrier::Cookie(_)))
    }

    /// Takes a credential that is not for the handler out of the head that the handler will see. A key in the query
    /// stays, because the router must get exactly the target that was checked.
    pub(in crate::engine) fn keep_from_handler(
        &self,
        candidate: &Candidate<'_>,
        view: &View<'_>,
        edits: &mut HeadEdits,
    ) {
        let carrier = self.schemes.carrier(candidate);
        // A handler that chooses a protocol must not echo the credential among them.
        let echoes = matches!(carrier, Some(Carrier::WebSocketProtocol(_)));
        let own = self.schemes.get(candidate.scheme);
        if !echoes && own.is_some_and(|own| own.scheme.shows_credential()) {
            return;
        }
        match carrier {
            Some(Carrier::Header(name)) => edits.remove(name.clone()),
            Some(Carrier::Authorization(_)) => edits.remove(header::AUTHORIZATION),
            Some(Carrier::Cookie(name)) => {
                leave(header::COOKIE, view.cookies_without(name), edits);
            }
            Some(Carrier::WebSocketProtocol(word)) => {
                let rest = view.protocols_without(word);
                leave(header::SEC_WEBSOCKET_PROTOCOL, rest, edits);
            }
            _ => {}
        }
    }

    /// What a scheme depends on is down: the log says so once, and once when it is back.
    fn tell_outage(&self, outcome: &Outcome, identity: &Identity, record: &mut Record) {
        let presented = identity.scheme.and_then(|id| self.schemes.get(id));
        let Some(own) = presented.filter(|_| !record.explains()) else {
            return;
        };
        let (scheme, answer) = (own.scheme.name(), record.answer);
        if let Outcome::Unavailable(source) = outcome {
            if own
                .outage
                .begins(answer, record.now_nanos(&*self.ports.clock))
            {
                let told = "what needs it is answered with 503, and the log says when it is back";
                tracing::warn!(target: "palisade", scheme, "{source}: {told}");
            }
        } else if own.outage.is_on()
            && let Some(requests) = own
                .outage
                .is_over(answer, record.now_nanos(&*self.ports.clock))
        {
            tracing::info!(target: "palisade", scheme, requests, "what the scheme depends on answers again");
        }
    }
}

/// What became of a credential, in words.
fn tell(
    presented: Option<&CompiledScheme>,
    judged: &Result<Option<Missing>, Reason>,
    caller: Option<&Principal>,
) -> String {
    let Some(presented) = presented else {
        return String::new();
    };
    match (judged, caller) {
        (Err(reason), _) => named(presented, &printable(reason.cause())),
        (Ok(_), None) => named(presented, "a stale cookie, which counts as none"),
        (Ok(_), Some(caller)) => {
            let passed_over: Vec<_> = caller.passed_over().map(printable).collect();
            let note = match passed_over.is_empty() {
                true => String::new(),
                false => format!("; counted as absent: {}", passed_over.join(", ")),
            };
            let (subject, issuer) = (printable(caller.subject()), printable(caller.issuer()));
            named(
                presented,
                &format!("a good credential of {subject}, by {issuer}{note}"),
            )
        }
    }
}

fn named(presented: &CompiledScheme, what: &str) -> String {
    format!(
        "{} {}: {what}",
        presented.scheme.kind(),
        presented.scheme.name()
    )
}

/// Leaves the handler the rest of a field, or nothing of it.
fn leave(name: HeaderName, rest: Vec<u8>, edits: &mut HeadEdits) {
    match HeaderValue::try_from(rest) {
        Ok(rest) if !rest.is_empty() => edits.set(name, rest),
        _ => edits.remove(name),
    }
}
