//! The one exit: every response head leaves through [`Exchange::close`].

mod audit;
pub(super) mod caching;
mod cors;
mod nonce;
mod quotas;
mod security_headers;

use super::exchange::Exchange;
use crate::{body::BodyReport, head::ResponseHead};
use caching::list;
use http::{HeaderName, HeaderValue, StatusCode, header};

/// Fields that tell an attacker which versions to look up.
const NEVER_SENT: [HeaderName; 2] = [header::SERVER, HeaderName::from_static("x-powered-by")];

/// How many header lines most responses get beside those of `[headers]`.
const OTHER_FIELDS: usize = 8;

/// Answers that leave the body, or the rest of it, unread.
const UNREAD: [StatusCode; 2] = [StatusCode::PAYLOAD_TOO_LARGE, StatusCode::REQUEST_TIMEOUT];

impl Exchange {
    /// Finishes the response, whoever made it: a handler, an error, a refusal, a panic.
    ///
    /// Calling it again, as an error that is turned into a response twice does, changes nothing
    /// more and audits nothing more.
    pub fn close(&mut self, response: &mut dyn ResponseHead) {
        if let Some(refused) = self.body.as_ref().and_then(BodyReport::refused) {
            // Left alone, each framework would make another answer of the broken body.
            let reply = self.refuse(refused.reason());
            response.replace(reply);
        }
        let policy = &*self.policy;
        let fields = HandlerFields::of(response);
        response.reserve(policy.headers.fixed.len() + OTHER_FIELDS);
        self.set_security_headers(policy, fields, response);
        self.set_cors(policy, fields, response);
        self.set_caching(policy, fields, response);
        self.set_fresh(policy, response);
        for name in &NEVER_SENT {
            fields.remove(response, name);
        }
        let status = response.status();
        let unchanged =
            self.facts.arrival.changes_protocol && status != StatusCode::SWITCHING_PROTOCOLS;
        // HTTP/2 has no such thing (RFC 9113 §8.2.2).
        if (UNREAD.contains(&status) || unchanged) && !self.facts.arrival.http2 {
            response.close_connection();
        }
        if !self.closed {
            self.closed = true;
            self.count(Some(response.status()));
            self.audit(Some(response.status()));
        }
    }
}

/// Which of the fields that `close` asks for the handler has set: most handlers set none of
/// them, and one walk over their few lines costs less than a look-up for each.
#[derive(Clone, Copy)]
struct HandlerFields(u16);

impl HandlerFields {
    const ASKED: [&'static str; 9] = [
        "access-control-allow-credentials",
        "access-control-allow-origin",
        "cache-control",
        "content-security-policy",
        "cross-origin-resource-policy",
        "server",
        "strict-transport-security",
        "vary",
        "x-powered-by",
    ];

    fn of(response: &dyn ResponseHead) -> Self {
        let mut fields = 0;
        response.headers(&mut |name, _| {
            if let Some(bit) = Self::bit(name) {
                fields |= bit;
            }
        });
        Self(fields)
    }

    fn bit(name: &str) -> Option<u16> {
        let place = Self::ASKED.iter().position(|own| *own == name)?;
        Some(1 << place)
    }

    /// True also for the names that nobody walked for.
    fn may_have(self, name: &HeaderName) -> bool {
        Self::bit(name.as_str()).is_none_or(|bit| self.0 & bit != 0)
    }

    fn remove(self, response: &mut dyn ResponseHead, name: &HeaderName) {
        if self.may_have(name) {
            response.remove(name);
        }
    }

    fn has(self, response: &dyn ResponseHead, name: &HeaderName) -> bool {
        let mut found = false;
        if self.may_have(name) {
            response.values(name, &mut |_| found = true);
        }
        found
    }
}

/// Appends a name to `Vary` unless it is there, or `*` is.
fn vary(response: &mut dyn ResponseHead, name: &HeaderValue) {
    let mut there = false;
    response.values(&header::VARY, &mut |value| {
        there |= list(value).any(|own| own == b"*" || own.eq_ignore_ascii_case(name.as_bytes()));
    });
    if !there {
        response.append(&header::VARY, name.clone());
    }
}
