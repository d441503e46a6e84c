//! The stages of a decision, a file for each. A file holds what its stage needs of the policy, how it judges, and what it
//! tells an explanation.

pub(super) mod client;
pub(super) mod cross_origin;
pub(super) mod firewall;
pub(super) mod host;
pub(super) mod https;
pub(super) mod judge;
pub(super) mod limits;
pub(super) mod preflight;
pub(super) mod read;
pub(super) mod rule;
pub(super) mod verify;

use crate::audit::printable;
use serde::Serialize;
use std::fmt;

/// A stage of the decision, in the order of the stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stage {
    /// Target, header values, sizes and method.
    Firewall,
    /// The peer's address.
    Client,
    /// The host that the request names.
    Host,
    /// Plain HTTP, where the policy refuses it.
    Https,
    /// A CORS preflight, which core answers itself.
    Preflight,
    /// The rule for path and method.
    Rule,
    /// What the rule's schemes find in the head.
    Read,
    /// Credentials that a browser sends by itself, on behalf of another site.
    CrossOrigin,
    /// Limits by address, by header, or for all together.
    AddressLimits,
    /// The one credential.
    Verify,
    /// Limits by principal, tenant or credential.
    CallerLimits,
    /// Unlisted path, method, requirement, announced size of the body.
    Judge,
}

impl Stage {
    /// The stable word: `firewall`, `cross_origin`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Firewall => "firewall",
            Stage::Client => "client",
            Stage::Host => "host",
            Stage::Https => "https",
            Stage::Preflight => "preflight",
            Stage::Rule => "rule",
            Stage::Read => "read",
            Stage::CrossOrigin => "cross_origin",
            Stage::AddressLimits => "address_limits",
            Stage::Verify => "verify",
            Stage::CallerLimits => "caller_limits",
            Stage::Judge => "judge",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The longest value of a client that is repeated.
const LONGEST_SHOWN: usize = 200;

/// A client's bytes as text on one line.
pub(super) fn shown(bytes: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(bytes)
        .chars()
        .take(LONGEST_SHOWN)
        .collect();
    printable(&text).into_owned()
}
