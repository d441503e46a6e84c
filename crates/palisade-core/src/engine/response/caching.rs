//! What caches may do with a response (RFC 9111 §5.2.2).

use super::{HandlerFields, vary};
use crate::{
    engine::{compiled::Compiled, exchange::Exchange},
    head::ResponseHead,
};
use http::header;

impl Exchange {
    /// RFC 9111 §3.5 lets shared caches keep less than most people think, and browsers more.
    pub(super) fn set_caching(
        &self,
        policy: &Compiled,
        fields: HandlerFields,
        response: &mut dyn ResponseHead,
    ) {
        let rule = policy.rule_or_unlisted(self.facts.matched.rule);
        let identified = self
            .grant
            .as_ref()
            .is_some_and(|grant| grant.principal().is_some());
        if identified && !rule.handler_caches {
            let is_private = match fields.may_have(&header::CACHE_CONTROL) {
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
}

/// What all lines of the field say together.
#[derive(Debug, Default)]
pub(in crate::engine) struct Caching {
    keeps: bool,
    shares: bool,
}

impl Caching {
    /// Reads one line of the field.
    pub(in crate::engine) fn note(&mut self, value: &[u8]) {
        self.keeps |= names(value, &[b"private", b"no-cache", b"no-store"]);
        self.shares |= names(value, &[b"public", b"s-maxage"]);
    }

    /// Whether no shared cache may answer others with the response.
    pub(in crate::engine) fn is_private(&self) -> bool {
        self.keeps && !self.shares
    }
}

/// The elements of a comma-separated list, trimmed (RFC 9110 §5.6.1).
pub(in crate::engine) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii)
}

/// Whether a value holds one of these directives.
fn names(value: &[u8], directives: &[&[u8]]) -> bool {
    list(value).any(|element| {
        let end = element.iter().position(|&b| b == b'=');
        let name = element.get(..end.unwrap_or(element.len()));
        let name = name.unwrap_or_default().trim_ascii();
        directives.iter().any(|own| name.eq_ignore_ascii_case(own))
    })
}
