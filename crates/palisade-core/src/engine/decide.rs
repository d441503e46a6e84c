//! The order of the stages, written once.

use super::{
    compiled::Compiled,
    facts::Facts,
    stage::{
        Stage, client,
        cross_origin::CrossOrigin,
        judge::Missing,
        limits::{Charged, When, Who},
        read::{Found, Reading},
        rule::Listed,
    },
};
use crate::{
    cause::{Cause, Word},
    engine::decision::{Decision, Heard, Wait},
    head::RequestHead,
    methods::MethodId,
    outage,
    policy::Unlisted,
    problem::{Code, Reason},
    view::View,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

impl Compiled {
    /// Judges a request's head, stage by stage.
    pub(super) fn decide(&self, head: &dyn RequestHead, facts: &mut Facts) -> Decision {
        self.stages(head, facts).unwrap_or_else(Decision::Refuse)
    }

    fn stages(&self, head: &dyn RequestHead, facts: &mut Facts) -> Result<Decision, Reason> {
        let Facts {
            arrival,
            matched,
            identity,
            effects,
            record,
        } = facts;
        let mut view = View::of(head);
        // Every response has these, a refusal by the firewall too.
        effects.nonce = self.draw_nonce(record)?;
        effects.allow_origin = self.preflight.allowed_origin(&view);
        arrival.is_script = self.schemes.is_script(&view);

        let edits = &mut effects.edits;
        let target = self
            .firewall
            .judge(head, &mut view, &self.methods, arrival, edits);
        record.tell(Stage::Firewall, || self.firewall.tell(head, &view));
        let target = target.inspect_err(|_| self.host.note(head, &view, arrival))?;

        let method = arrival.method.unwrap_or(MethodId::GET);
        arrival.path = target.path.as_bytes().into();
        // Looked up first, because host and HTTPS do not concern a probe; judged when its turn comes.
        let listed = self
            .rules
            .look_up(target.path, method, matched, record, &self.lineage);
        let rule = self.rule_or_unlisted(matched.rule);

        let client = client::judge(head, arrival, &self.lineage);
        record.tell(Stage::Client, || client::tell(arrival));
        client?;

        let host = self.host.judge(head, &view, &target, arrival, rule.probe);
        record.tell(Stage::Host, || self.host.tell(&host));
        let host = host?;

        let https = self.https.judge(&view, &host, arrival, rule.probe);
        let redirect = https.map(|()| None).or_else(|reason| {
            let authorization = !view.authorization().is_empty();
            record.credential_exposed = authorization || self.schemes.are_presented(rule, &view);
            let on_purpose = authorization || self.schemes.are_sent_on_purpose(rule, &view);
            let redirect = self.https.redirect(&view, arrival, on_purpose);
            redirect.map(Some).ok_or(reason)
        });
        record.tell(Stage::Https, || self.https.tell(arrival));
        if let Some(answer) = redirect? {
            return Ok(Decision::Answer(answer));
        }

        let answer = self.preflight.judge(&view, method, effects);
        record.tell(Stage::Preflight, || {
            self.preflight.tell(answer.as_ref(), &view, effects)
        });
        if let Some(answer) = answer {
            return Ok(Decision::Answer(answer));
        }
        let listing = self.rules.judge(&target, rule, &listed, matched);
        if matches!(listed, Listed::Unlisted) && self.rules.answer_unlisted == Unlisted::NotFound {
            self.lineage
                .warn_unlisted(target.path, arrival.method, &self.methods);
        }
        record.tell(Stage::Rule, || self.rules.tell(&listed, matched));
        listing?;

        let reading = match matched.credentials_read {
            true => self.schemes.read(rule, &view),
            false => Reading::NOTHING,
        };
        record.tell(Stage::Read, || match matched.credentials_read {
            true => self.schemes.tell(&reading, rule),
            false => "credentials are not read here".to_owned(),
        });
        identity.ambient_ignored = reading.ambient_ignored;

        let site = CrossOrigin {
            view: &view,
            host: &host,
            rule,
            arrival,
            effects,
            credentials_read: matched.credentials_read,
        };
        let judged = site.judge(&reading, &self.schemes, &self.preflight);
        record.tell(Stage::CrossOrigin, || site.tell());
        judged?;

        if let Found::One(candidate) = &reading.found {
            self.keep_from_handler(candidate, &view, &mut effects.edits);
        }
        let who = Who {
            client: arrival.client,
            caller: None,
            view: Some(&view),
        };
        let charged = self
            .limits
            .charge(When::Arrival, &rule.limits, who, effects, record);
        // An endpoint sees the head now or never; one that is refused already is not asked.
        let endpoint = rule.endpoint.as_ref().filter(|_| !record.explains());
        if let Some(endpoint) = endpoint
            && !matches!(charged, Charged::Now(Err(_)))
        {
            matched.opened = Some(Box::new(caught(|| endpoint.open(&view)).flatten()));
        }
        match charged {
            Charged::Now(charged) => self.go_on(charged, &reading.found, facts),
            Charged::Later(counting) => Ok(Decision::Wait(Box::new(Wait::AddressLimits(
                counting,
                reading.found.hold(),
            )))),
        }
    }

    /// From stage 9 on: nothing here looks at the head.
    fn go_on(
        &self,
        charged: Result<(), Reason>,
        found: &Found<'_>,
        facts: &mut Facts,
    ) -> Result<Decision, Reason> {
        let looks = charged.and_then(|()| self.stop_guessing(found, facts));
        let Facts {
            matched,
            effects,
            record,
            ..
        } = facts;
        record.tell(Stage::AddressLimits, || {
            self.limits.tell(When::Arrival, &effects.charged)
        });
        let looks = looks?;
        if self.rules.answer_unlisted == Unlisted::NotFound
            && let Some(reason) = matched.no_rule.take()
        {
            record.tell_again(Stage::Rule, Stage::Judge);
            return Err(*reason);
        }
        match found {
            Found::One(candidate) if looks => self.verify(candidate, facts),
            Found::Nothing | Found::One(_) => self.decide_anonymous(facts, Missing::Nothing),
            Found::UnknownAuthorization => self.decide_anonymous(facts, Missing::Unknown),
            &Found::Malformed {
                scheme,
                told,
                cause,
            } => {
                let reason = self.schemes.invalid_request(told, Word::of_scheme(cause));
                Err(self.refuse_malformed(scheme, reason, facts))
            }
        }
    }

    /// Goes on with what was waited for.
    pub(super) fn resume(&self, wait: Wait, heard: Heard, facts: &mut Facts) -> Decision {
        facts.record.waited(&*self.ports.clock);
        if matches!(heard, Heard::Outcome(_)) {
            facts.record.answer = outage::Answer::Asked;
        }
        let (effects, record) = (&mut facts.effects, &mut facts.record);
        let decided = match (wait, heard) {
            (Wait::AddressLimits(counting, hold), Heard::Counts(answer)) => {
                let charged = self.limits.counted(*counting, answer, effects, record);
                self.go_on(charged, &hold.0, facts)
            }
            (Wait::Verify(_), Heard::Outcome(outcome)) => self.settle(outcome, facts),
            (Wait::CallerLimits(counting), Heard::Counts(answer)) => {
                let charged = self.limits.counted(*counting, answer, effects, record);
                self.go_on_with_caller(charged, facts)
            }
            (Wait::Judge(asked), Heard::Answer(answer)) => {
                let answer = answer.map_err(|source| {
                    record.remark(|| source.to_string());
                    if !record.explains() {
                        self.lineage
                            .tell_once(&source.to_string(), &source.to_string());
                    }
                });
                asked.answered(answer, &mut facts.identity.answers);
                self.judge_or_ask(facts)
            }
            (Wait::Endpoint(_), Heard::Endpoint(answer)) => self.answer_of_endpoint(answer, facts),
            _ => Err(Reason::new(
                Code::InternalError,
                Cause::AnswerToAnotherQuestion,
            )),
        };
        decided.unwrap_or_else(Decision::Refuse)
    }
}

/// What an application's own code makes, unless it panics: then the request is refused as after a panic of a handler.
pub(super) fn caught<T>(make: impl FnOnce() -> T) -> Result<T, Reason> {
    catch_unwind(AssertUnwindSafe(make)).map_err(|_| {
        tracing::error!(target: "palisade", "an endpoint, a scheme or a requirement panicked");
        Reason::new(Code::InternalError, Cause::Panic)
    })
}
