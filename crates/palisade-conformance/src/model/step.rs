//! One step of a case: what is sent, and what must come back. The meaning of each key is in `cases/README.md`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Advance, IssuerText, OneOrMany, Pattern};

/// One exchange.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    pub(crate) send: Sending,
    pub(crate) expect: Expectation,
}

/// What is done and sent: `send = { … }`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Sending {
    /// The text of the request; a step that is read has one.
    pub(crate) request: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) headers: BTreeMap<String, OneOrMany<String>>,
    pub(crate) raw: bool,
    pub(crate) body: Option<String>,
    pub(crate) body_raw: Option<String>,
    pub(crate) body_repeat: Option<Repeat>,
    pub(crate) chunked: Option<Vec<String>>,
    pub(crate) keep_alive: bool,
    pub(crate) hang_up: bool,
    pub(crate) meanwhile: Option<Advance>,
    pub(crate) drip: Option<String>,
    pub(crate) advance: Option<Advance>,
    pub(crate) issuer: OneOrMany<IssuerText>,
    pub(crate) sql: Option<String>,
    pub(crate) revoke: Option<Revoke>,
    pub(crate) repeat: Option<u32>,
    pub(crate) eventually: bool,
    pub(crate) save: BTreeMap<String, String>,
}

/// What must come back, and what must have happened: `expect = { … }`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Expectation {
    pub(crate) status: Option<u16>,
    pub(crate) headers: BTreeMap<String, OneOrMany<Pattern>>,
    pub(crate) present: Vec<String>,
    pub(crate) absent: Vec<String>,
    pub(crate) code: Option<String>,
    pub(crate) body_is: Option<String>,
    pub(crate) body_contains: OneOrMany<String>,
    pub(crate) body_lacks: OneOrMany<String>,
    pub(crate) json: BTreeMap<String, Value>,
    pub(crate) closes: Option<bool>,
    pub(crate) handler: Option<bool>,
    pub(crate) principal: Option<String>,
    pub(crate) audit: Option<Value>,
    pub(crate) events: Option<usize>,
    pub(crate) issuer_requests: BTreeMap<String, usize>,
    pub(crate) within: Option<Advance>,
}

/// `{ text = "a", times = 100000 }`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Repeat {
    pub(crate) text: String,
    pub(crate) times: usize,
}

/// A credential that is taken back before the request.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "write { token = \"NAME\" }, { subject = \"alice\", before = \"+0\" } or { key = \"ID\" }"
)]
pub(crate) enum Revoke {
    /// The token of this name, by its `jti`.
    Token { token: String },
    /// What the issuer of the case's tokens gave to `subject` before a time that counts from the clock, in seconds.
    Subject {
        subject: String,
        issuer: Option<String>,
        before: String,
    },
    /// The API key of this id.
    Key { key: String },
}
