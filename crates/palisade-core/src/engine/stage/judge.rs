//! Stage 12: what the rule demands, of a caller and of a caller without an identity.

use super::{
    Stage,
    limits::{When, Who},
    rule::CompiledRule,
};
use crate::{
    audit::printable,
    engine::{
        compiled::Compiled,
        decision::{Answer, Decision},
        facts::{Arrival, Facts, Matched},
        schemes::{Asker, SchemeId},
    },
    principal::Principal,
    problem::{Code, Reason},
    requirement::{Judgement, Requirement},
};

impl Compiled {
    /// Compares the caller with what the rule and, beyond it, a route or a guardrail demand.
    pub(in crate::engine) fn judge(
        &self,
        caller: &Principal,
        rule: &CompiledRule,
        more: Option<&Requirement>,
        (scheme, is_script): (Option<SchemeId>, bool),
    ) -> Result<(), Reason> {
        let demands = || std::iter::once(&rule.requirement).chain(more);
        let worst = demands()
            .map(|demand| demand.judge(caller, &self.roles))
            .max()
            .unwrap_or(Judgement::Forbidden);
        match worst {
            Judgement::Met => Ok(()),
            Judgement::Forbidden => Err(Reason::new(Code::Forbidden, "requirement_not_met")),
            Judgement::Unreadable => {
                let asker = Asker {
                    accepted: &rule.schemes,
                    is_script,
                };
                Err(self.schemes.invalid_token(asker, scheme, "claim_type"))
            }
            Judgement::ScopeMissing => {
                let mut scopes = Vec::new();
                for demand in demands() {
                    demand.scopes_needed(caller, &self.roles, &mut scopes);
                }
                Err(self.schemes.insufficient_scope(scheme, &scopes.join(" ")))
            }
        }
    }

    /// Stages 11 and 12 for an authenticated caller.
    pub(in crate::engine) fn decide_caller(&self, facts: &mut Facts) -> Result<Decision, Reason> {
        self.charge_caller(facts)?;
        let judged = self.judge_caller(facts);
        self.note_judged(judged, facts)
    }

    /// Stages 11 and 12 for a caller without an identity.
    pub(in crate::engine) fn decide_anonymous(
        &self,
        facts: &mut Facts,
        missing: Missing,
    ) -> Result<Decision, Reason> {
        if missing == Missing::Unknown || !self.is_optional(&facts.matched) {
            let asker = self.asker(facts.matched.rule, facts.arrival.is_script);
            let refused = self.schemes.credentials_required(asker, missing.cause());
            return self.note_judged(Err(refused), facts);
        }
        self.charge_caller(facts)?;
        let rule = self.rule_or_unlisted(facts.matched.rule);
        let judged = check_body_length(rule, &facts.arrival);
        self.note_judged(judged, facts)
    }

    /// Whether the request may go on without an identity.
    pub(in crate::engine) fn is_optional(&self, matched: &Matched) -> bool {
        let rule = self.rule_or_unlisted(matched.rule);
        let demands = |requirement: &Requirement| !requirement.admits_anonymous();
        !demands(&rule.requirement) && !matched.guardrail.as_ref().is_some_and(demands)
    }

    fn charge_caller(&self, facts: &mut Facts) -> Result<(), Reason> {
        let rule = self.rule_or_unlisted(facts.matched.rule);
        let who = Who {
            client: facts.arrival.client,
            caller: facts.identity.principal(),
            view: None,
        };
        let (effects, record) = (&mut facts.effects, &mut facts.record);
        let charged = self
            .limits
            .charge(When::Caller, &rule.limits, who, effects, record);
        record.stage(Stage::CallerLimits, charged, |_| {
            self.limits.tell(When::Caller, &effects.charged)
        })
    }

    fn judge_caller(&self, facts: &mut Facts) -> Result<(), Reason> {
        if let Some(reason) = facts.matched.no_rule.take() {
            return Err(*reason);
        }
        let rule = self.rule_or_unlisted(facts.matched.rule);
        if let Some(caller) = &facts.identity.caller {
            let shown = (Some(caller.scheme), facts.arrival.is_script);
            self.judge(
                &caller.principal,
                rule,
                facts.matched.guardrail.as_ref(),
                shown,
            )?;
        }
        check_body_length(rule, &facts.arrival)
    }

    fn note_judged(
        &self,
        judged: Result<(), Reason>,
        facts: &mut Facts,
    ) -> Result<Decision, Reason> {
        let Facts {
            arrival,
            matched,
            identity,
            record,
            ..
        } = facts;
        let judged = record.stage(Stage::Judge, judged, |_| {
            self.tell_judged(arrival, matched, identity.principal())
        });
        judged.map(|()| match &self.rule_or_unlisted(matched.rule).endpoint {
            None => Decision::Admit,
            Some(endpoint) => Decision::Answer(Answer {
                name: endpoint.name(),
                reply: endpoint.answer(),
            }),
        })
    }

    fn tell_judged(
        &self,
        arrival: &Arrival,
        matched: &Matched,
        caller: Option<&Principal>,
    ) -> String {
        let Some(rule) = self.rule(matched.rule) else {
            return ANY_CALLER.to_owned();
        };
        let demand = rule.demand(matched);
        let body = match (arrival.content_length, rule.max_body) {
            (Some(length), Some(max)) => format!("; a body of {length} bytes, of {max} allowed"),
            (Some(length), None) => format!("; a body of {length} bytes"),
            (None, _) => String::new(),
        };
        match caller {
            Some(caller) => format!("{demand}, for {}{body}", printable(caller.subject())),
            None => format!("{demand}, for nobody in particular{body}"),
        }
    }
}

/// What an explanation says where no rule lists the path, and any caller may have the answer.
const ANY_CALLER: &str = "no rule; any authenticated caller";

/// Why there is no identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Missing {
    /// No credential was sent.
    Nothing,
    /// An `Authorization` was, which nothing here can verify: that is not the same as none.
    Unknown,
    /// A cookie was, which is not good any more: that counts as none.
    StaleCookie,
}

impl Missing {
    fn cause(self) -> &'static str {
        match self {
            Missing::Nothing => "no_credential",
            Missing::Unknown => "unknown_authorization_scheme",
            Missing::StaleCookie => "stale_cookie",
        }
    }
}

/// A body that says itself that it is too large is refused before anybody reads it.
fn check_body_length(rule: &CompiledRule, arrival: &Arrival) -> Result<(), Reason> {
    match (rule.max_body, arrival.content_length) {
        (Some(max), Some(length)) if length > max => {
            Err(Reason::new(Code::ContentTooLarge, "content_length"))
        }
        _ => Ok(()),
    }
}
