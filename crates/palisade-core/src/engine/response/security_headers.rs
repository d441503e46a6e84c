//! The fields of `[headers]`, HSTS and `Content-Security-Policy` among them, and `Cross-Origin-Resource-Policy` of the rule.

use super::HandlerFields;
use crate::{
    engine::{compiled::Compiled, exchange::Exchange},
    head::ResponseHead,
};
use http::{HeaderName, header};

const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

impl Exchange {
    pub(super) fn set_security_headers(
        &self,
        policy: &Compiled,
        fields: HandlerFields,
        response: &mut dyn ResponseHead,
    ) {
        let rule = policy.rule(self.facts.matched.rule);
        let corp = rule.and_then(|rule| rule.corp);
        let corp = corp.filter(|_| !fields.has(response, &CORP));
        for field in &policy.headers.fixed {
            if !field.yields || !fields.has(response, &field.name) {
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
            if let (Some(value), false) = (value, fields.has(response, &field.name)) {
                response.insert(&field.name, value);
            }
        }
        match policy.headers.hsts {
            // RFC 6797 §7.2: never over plain HTTP; §8.1.1: never for an address.
            Some(index) if self.facts.arrival.secure && self.facts.arrival.hsts_host => {
                response.insert_known(&policy.known, index);
            }
            _ => fields.remove(response, &header::STRICT_TRANSPORT_SECURITY),
        }
    }
}
