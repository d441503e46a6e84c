//! Stage 12: what the rule demands, of a caller and of a caller without an identity.

use super::{
    Stage,
    limits::{Charged, When, Who},
    rule::CompiledRule,
};
use crate::{
    audit::printable,
    cause::Cause,
    endpoint::{EndpointAnswer, Opened},
    engine::{
        compiled::Compiled,
        decision::{Answer, Body, Decision, Wait},
        facts::{Arrival, Facts, Matched},
        schemes::{Asker, SchemeId},
    },
    principal::Principal,
    problem::{Code, Reason},
    reply::Reply,
    requirement::{Answers, Asked, Judgement, Requirement},
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

impl Compiled {
    /// Compares the caller with what the rule and, beyond it, a route or a guardrail demand.
    pub(in crate::engine) fn judge(
        &self,
        caller: &Principal,
        rule: &CompiledRule,
        more: Option<&Requirement>,
        shown: Shown<'_>,
    ) -> Result<(), Reason> {
        let judgement = self.judgement(caller, rule, more, shown.answers);
        self.refuse_unless_met(judgement, caller, rule, more, shown)
    }

    /// How far the caller is from meeting all of it.
    fn judgement(
        &self,
        caller: &Principal,
        rule: &CompiledRule,
        more: Option<&Requirement>,
        answers: &Answers,
    ) -> Judgement {
        let judge = |demand: &Requirement| demand.judge(caller, &self.roles, answers);
        let own = judge(&rule.requirement);
        more.map_or(own, |more| own.max(judge(more)))
    }

    /// The refusal that belongs to a judgement.
    fn refuse_unless_met(
        &self,
        judgement: Judgement,
        caller: &Principal,
        rule: &CompiledRule,
        more: Option<&Requirement>,
        shown: Shown<'_>,
    ) -> Result<(), Reason> {
        if judgement == Judgement::Met {
            return Ok(());
        }
        let Shown {
            scheme,
            is_script,
            answers,
            is_told,
        } = shown;
        let demands = || std::iter::once(&rule.requirement).chain(more);
        let missing = || {
            let unmet = |demand: &Requirement| demand.unmet(caller, &self.roles, answers);
            is_told.then(|| {
                let unmet = demands().filter_map(unmet);
                let unmet: Vec<_> = unmet.map(|part| part.to_string()).collect();
                unmet.join(" and ")
            })
        };
        match judgement {
            Judgement::Met => Ok(()),
            // Rules wait for the answer before they come to this; a route cannot.
            Judgement::Unknown => {
                tracing::error!(
                    target: "palisade",
                    "a requirement of a route has to wait for an answer, which only one of a rule can: move it to the rule"
                );
                Err(Reason::new(
                    Code::InternalError,
                    Cause::RequirementCannotWait,
                ))
            }
            Judgement::Unavailable => Err(Reason::new(
                Code::DependencyUnavailable,
                Cause::RequirementUnavailable,
            )
            .header(header::RETRY_AFTER, HeaderValue::from_static("5"))),
            Judgement::Forbidden => {
                Err(Reason::new(Code::Forbidden, Cause::RequirementNotMet).missing(missing()))
            }
            Judgement::Unreadable => {
                let asker = Asker {
                    accepted: &rule.schemes,
                    is_script,
                };
                Err(self.schemes.invalid_token(asker, scheme, Cause::ClaimType))
            }
            Judgement::ScopeMissing => {
                let mut scopes = Vec::new();
                for demand in demands() {
                    demand.scopes_needed(caller, (&self.roles, answers), &mut scopes);
                }
                let reason = self.schemes.insufficient_scope(scheme, &scopes.join(" "));
                Err(reason.missing(missing()))
            }
        }
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
        self.decide_caller(facts)
    }

    /// From the end of stage 11 on.
    pub(in crate::engine) fn go_on_with_caller(
        &self,
        charged: Result<(), Reason>,
        facts: &mut Facts,
    ) -> Result<Decision, Reason> {
        let Facts {
            effects, record, ..
        } = facts;
        record.tell(Stage::CallerLimits, || {
            self.limits.tell(When::Caller, &effects.charged)
        });
        charged?;
        self.judge_or_ask(facts)
    }

    /// Stage 12, as far as what is known goes.
    pub(in crate::engine) fn judge_or_ask(&self, facts: &mut Facts) -> Result<Decision, Reason> {
        if let Some(reason) = facts.matched.no_rule.take() {
            return self.note_judged(Err(*reason), facts);
        }
        let (matched, identity) = (&facts.matched, &facts.identity);
        let rule = self.rule_or_unlisted(matched.rule);
        let Some(caller) = &identity.caller else {
            return self.note_judged(check_body_length(rule, &facts.arrival), facts);
        };
        let (principal, more) = (&caller.principal, matched.guardrail.as_ref());
        let judgement = self.judgement(principal, rule, more, &identity.answers);
        if judgement == Judgement::Unknown
            && let Some(asked) = self.open_question(principal, rule, more, &identity.answers)
        {
            return Ok(Decision::Wait(Box::new(Wait::Judge(asked))));
        }
        let shown = Shown {
            scheme: Some(caller.scheme),
            is_script: facts.arrival.is_script,
            answers: &identity.answers,
            is_told: facts.record.audited || facts.record.explains(),
        };
        let judged = self
            .refuse_unless_met(judgement, principal, rule, more, shown)
            .and_then(|()| check_body_length(rule, &facts.arrival));
        self.note_judged(judged, facts)
    }

    /// Whether the request may go on without an identity.
    pub(in crate::engine) fn is_optional(&self, matched: &Matched) -> bool {
        let rule = self.rule_or_unlisted(matched.rule);
        let demands = |requirement: &Requirement| !requirement.admits_anonymous();
        !demands(&rule.requirement) && !matched.guardrail.as_ref().is_some_and(demands)
    }

    /// Stages 11 and 12 for a caller, or for one who needs no identity.
    pub(in crate::engine) fn decide_caller(&self, facts: &mut Facts) -> Result<Decision, Reason> {
        let rule = self.rule_or_unlisted(facts.matched.rule);
        let who = Who {
            client: facts.arrival.client,
            caller: facts.identity.principal(),
            view: None,
        };
        let (effects, record) = (&mut facts.effects, &mut facts.record);
        match self
            .limits
            .charge(When::Caller, &rule.limits, who, effects, record)
        {
            Charged::Now(charged) => self.go_on_with_caller(charged, facts),
            Charged::Later(counting) => Ok(Decision::Wait(Box::new(Wait::CallerLimits(counting)))),
        }
    }

    /// What somebody must be asked about the caller before the requirement can be judged.
    fn open_question(
        &self,
        caller: &Principal,
        rule: &CompiledRule,
        more: Option<&Requirement>,
        answers: &Answers,
    ) -> Option<Asked> {
        let mut demands = std::iter::once(&rule.requirement).chain(more);
        demands.find_map(|demand| demand.open_question(caller, &self.roles, answers))
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
        record.tell(Stage::Judge, || {
            self.tell_judged(arrival, matched, identity.principal())
        });
        judged?;
        let rule = self.rule_or_unlisted(matched.rule);
        let Some(name) = rule.endpoint.as_ref().map(|endpoint| endpoint.name()) else {
            return Ok(Decision::Admit);
        };
        match matched.opened.take().map(|opened| *opened).transpose()? {
            // Nobody asks an endpoint what it would do.
            None => Ok(Decision::Answer(Answer {
                name,
                reply: Reply {
                    status: StatusCode::OK,
                    headers: Vec::new(),
                    body: Bytes::new(),
                },
            })),
            Some(Opened::Now(reply)) => Ok(Decision::Answer(Answer { name, reply })),
            Some(Opened::Later(answer)) => Ok(Decision::Wait(Box::new(Wait::Endpoint(answer)))),
            Some(Opened::AfterBody { max, then }) => match arrival.content_length {
                Some(length) if length > max => {
                    Err(Reason::new(Code::ContentTooLarge, Cause::ContentLength))
                }
                _ => Ok(Decision::Collect(Body { max, then })),
            },
        }
    }

    /// What an endpoint answered after a while.
    pub(in crate::engine) fn answer_of_endpoint(
        &self,
        answer: EndpointAnswer,
        facts: &mut Facts,
    ) -> Result<Decision, Reason> {
        let rule = self.rule_or_unlisted(facts.matched.rule);
        let name = rule
            .endpoint
            .as_ref()
            .map_or("", |endpoint| endpoint.name());
        match answer {
            EndpointAnswer::Reply(reply) => Ok(Decision::Answer(Answer { name, reply })),
            EndpointAnswer::Refuse(reason) => Err(reason),
            EndpointAnswer::RefuseAs(reason, mut reply) => {
                if !reply
                    .headers
                    .iter()
                    .any(|(name, _)| *name == header::CACHE_CONTROL)
                {
                    let no_store = HeaderValue::from_static("no-store");
                    reply.headers.push((header::CACHE_CONTROL, no_store));
                }
                facts.record.refused = Some(reason.refusal());
                Ok(Decision::Answer(Answer { name, reply }))
            }
        }
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

/// How the caller came, for what a refusal tells.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Shown<'a> {
    /// The scheme whose credential was verified.
    pub(in crate::engine) scheme: Option<SchemeId>,
    /// Whether a page's code sent the request.
    pub(in crate::engine) is_script: bool,
    /// What was answered about the caller.
    pub(in crate::engine) answers: &'a Answers,
    /// Whether anybody is told which part of a requirement is missing.
    pub(in crate::engine) is_told: bool,
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
    fn cause(self) -> Cause {
        match self {
            Missing::Nothing => Cause::NoCredential,
            Missing::Unknown => Cause::UnknownAuthorizationScheme,
            Missing::StaleCookie => Cause::StaleCookie,
        }
    }
}

/// A body that says itself that it is too large is refused before anybody reads it.
fn check_body_length(rule: &CompiledRule, arrival: &Arrival) -> Result<(), Reason> {
    match (rule.max_body, arrival.content_length) {
        (Some(max), Some(length)) if length > max => {
            Err(Reason::new(Code::ContentTooLarge, Cause::ContentLength))
        }
        _ => Ok(()),
    }
}
