//! What a policy says, as data for people and tests.

use crate::{
    config::Note,
    scheme::{Carrier, Expected},
};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a policy says, as it holds. No secret is in it, only references to them.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Description {
    /// Names the version of the policy, as the audit does.
    pub policy: String,
    /// Every setting with the key that it has in the policy file, defaults filled in.
    pub settings: Value,
    /// The header lines of every response; HSTS over HTTPS only.
    pub headers: Vec<(String, String)>,
    /// The ways to authenticate, in the order of the policy.
    pub schemes: Vec<SchemeDescription>,
    /// The permissions that each role gives.
    pub roles: BTreeMap<String, Vec<String>>,
    /// The limits, in the order of the policy.
    pub limits: Vec<LimitDescription>,
    /// The rules, in the order of the policy, and those of what Palisade answers itself.
    pub rules: Vec<RuleDescription>,
    /// What holds for paths that no rule lists.
    pub unlisted: RuleDescription,
    /// What is easily overlooked about it.
    pub notes: Vec<Note>,
}

/// One way to authenticate.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct SchemeDescription {
    /// The name the policy gives it.
    pub name: String,
    /// What kind of scheme it is, such as `jwt`.
    pub kind: &'static str,
    /// The issuers of the tokens that it accepts.
    pub issuers: Vec<String>,
    /// Where its credentials travel: `Authorization: Bearer`, `header x-api-key`.
    pub carriers: Vec<Carrier>,
    /// How a refusal asks for it; `None` where HTTP cannot.
    pub challenge: Option<String>,
    /// What it expects of every credential.
    pub expects: Vec<Expected>,
}

/// One limit.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct LimitDescription {
    /// Its name.
    pub name: String,
    /// The quota as it was written: `100/minute`.
    pub quota: String,
    /// What is counted: `address`, `header:x-tenant`, …
    pub by: String,
    /// How many may come at once; `None`: as many as the quota.
    pub burst: Option<u32>,
    /// Whether no window ever holds more than the quota.
    pub strict: bool,
    /// Whether it is only watched.
    pub shadow: bool,
    /// Whether it holds where a rule names no limits.
    pub default: bool,
    /// The name of the store that counts; `None`: this process.
    pub store: Option<String>,
}

/// One rule as it holds, with what rules above it add.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct RuleDescription {
    /// The path; empty for paths that no rule lists.
    pub path: String,
    /// The methods; empty: all of them.
    pub methods: Vec<String>,
    /// What the caller must be: `scope items:read and role admin`.
    pub requirement: String,
    /// What rules marked `always` add to some of its paths: their path and requirement.
    pub guardrails: Vec<(String, String)>,
    /// The names of the schemes it accepts; empty where no credential is read.
    pub schemes: Vec<String>,
    /// The names of its limits.
    pub limits: Vec<String>,
    /// How much a request takes from each quota.
    pub cost: u32,
    /// The bytes that a body may have.
    pub max_body: Option<u64>,
    /// The seconds that more of a body is waited for, where the rule says so itself.
    pub body_idle_timeout: Option<u64>,
    /// The seconds that a body is waited for in all, where the rule says so itself.
    pub body_total_timeout: Option<u64>,
    /// Whether its requirement holds for everything beneath the path.
    pub always: bool,
    /// Whether it is a health check, which host, HTTPS and limits do not concern.
    pub probe: bool,
    /// Whether the path may also end in a slash.
    pub same_with_slash: bool,
    /// The route that the rule is about a part of.
    pub route: Option<String>,
    /// What parameters of the path may hold percent-encoded.
    pub allow_encoded: Vec<String>,
    /// Whether the handler alone decides on caching.
    pub handler_caches: bool,
    /// Its own `Cross-Origin-Resource-Policy`.
    pub corp: Option<String>,
    /// What Palisade itself answers here; the rule is not one of the policy's then.
    pub endpoint: Option<&'static str>,
}
