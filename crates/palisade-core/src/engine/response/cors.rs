//! Who may read the response from another origin.

use super::{HandlerFields, vary};
use crate::{
    cors::AllowOrigin,
    engine::{compiled::Compiled, exchange::Exchange},
    head::ResponseHead,
};
use http::{HeaderValue, header};

impl Exchange {
    pub(super) fn set_cors(
        &self,
        policy: &Compiled,
        fields: HandlerFields,
        response: &mut dyn ResponseHead,
    ) {
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
            fields.remove(response, &header::ACCESS_CONTROL_ALLOW_ORIGIN);
        }
        if self.facts.effects.allow_origin.is_none() || !cors.allows_credentials() {
            fields.remove(response, &header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
        }
        match cors.vary {
            Some(_) if fields.may_have(&header::VARY) => {
                vary(response, &HeaderValue::from_static("origin"));
            }
            Some(index) => response.insert_known(&policy.known, index),
            None => {}
        }
    }
}
