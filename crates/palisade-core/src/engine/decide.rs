//! The order of the stages, written once.

use super::{
    compiled::Compiled,
    facts::Facts,
    stage::{
        Stage, client,
        cross_origin::CrossOrigin,
        judge::Missing,
        limits::{When, Who},
        read::{Found, Reading},
        rule::{CompiledRule, Listed},
    },
};
use crate::{
    engine::decision::Decision, head::RequestHead, methods::MethodId, policy::Unlisted,
    problem::Reason, view::View,
};

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
        let target = record
            .stage(Stage::Firewall, target, |_| self.firewall.tell(head, &view))
            .inspect_err(|_| self.host.note(head, &view, arrival))?;

        let method = arrival.method.unwrap_or(MethodId::GET);
        arrival.path = target.path.as_bytes().into();
        // Looked up first, because host and HTTPS do not concern a probe; judged when its turn comes.
        let listed = self
            .rules
            .look_up(target.path, method, matched, record, &self.lineage);
        let rule = self.rule_or_unlisted(matched.rule);

        let client = client::judge(head, arrival, &self.lineage);
        record.stage(Stage::Client, client, |_| client::tell(arrival))?;

        let host = self.host.judge(head, &view, &target, arrival, rule.probe);
        let host = record.stage(Stage::Host, host, |host| self.host.tell(host))?;

        let https = self.https.judge(&view, &host, arrival, rule.probe);
        let redirect = https.map(|()| None).or_else(|reason| {
            let authorization = !view.authorization().is_empty();
            record.credential_exposed = authorization || self.schemes.are_presented(rule, &view);
            let on_purpose = authorization || self.schemes.are_sent_on_purpose(rule, &view);
            let redirect = self.https.redirect(&view, arrival, on_purpose);
            redirect.map(Some).ok_or(reason)
        });
        let redirect = record.stage(Stage::Https, redirect, |_| self.https.tell(arrival))?;
        if let Some(answer) = redirect {
            return Ok(Decision::Answer(answer));
        }

        let answer = self.preflight.judge(&view, method, effects);
        let answer = record.stage(Stage::Preflight, answer, |answer| {
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
        record.stage(Stage::Rule, listing, |_| self.rules.tell(&listed, matched))?;

        let reading = match matched.credentials_read {
            true => self.schemes.read(rule, &view),
            false => Reading::NOTHING,
        };
        let reading = record.stage(Stage::Read, reading, |reading| {
            match matched.credentials_read {
                true => self.schemes.tell(reading, rule),
                false => "credentials are not read here".to_owned(),
            }
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
        record.stage(Stage::CrossOrigin, judged, |_| site.tell())?;

        let found = self.limit_arrival(reading.found, rule, &view, facts)?;
        if self.rules.answer_unlisted == Unlisted::NotFound
            && let Some(reason) = facts.matched.no_rule.take()
        {
            let told = |_: &Reason| self.rules.tell(&listed, &facts.matched);
            return Err(facts.record.stage(Stage::Judge, *reason, told));
        }

        match found {
            Found::Nothing => self.decide_anonymous(facts, Missing::Nothing),
            Found::UnknownAuthorization => self.decide_anonymous(facts, Missing::Unknown),
            Found::Malformed { scheme, cause } => {
                let told = self.schemes.bearer_presented(rule, &view);
                let reason = self.schemes.invalid_request(told, cause);
                Err(self.refuse_malformed(scheme, reason, facts))
            }
            Found::One(candidate) => self.verify(candidate, &view, facts),
        }
    }

    /// Stage 9.
    fn limit_arrival<'h>(
        &self,
        found: Found<'h>,
        rule: &CompiledRule,
        view: &View<'_>,
        facts: &mut Facts,
    ) -> Result<Found<'h>, Reason> {
        let who = Who {
            client: facts.arrival.client,
            caller: None,
            view: Some(view),
        };
        let (effects, record) = (&mut facts.effects, &mut facts.record);
        let charged = self
            .limits
            .charge(When::Arrival, &rule.limits, who, effects, record);
        let found = charged.and_then(|()| self.stop_guessing(found, view, facts));
        let Facts {
            effects, record, ..
        } = facts;
        record.stage(Stage::AddressLimits, found, |_| {
            self.limits.tell(When::Arrival, &effects.charged)
        })
    }
}
