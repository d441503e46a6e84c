//! What is another on every response: its name, and what is left of the quotas.

use crate::{
    engine::{compiled::Compiled, exchange::Exchange},
    head::ResponseHead,
    limit::FieldText,
};
use http::HeaderName;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

impl Exchange {
    /// What is another on every response: its name, and what is left of the quotas. Both values
    /// share an allocation.
    pub(super) fn set_fresh(&self, policy: &Compiled, response: &mut dyn ResponseHead) {
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
}
