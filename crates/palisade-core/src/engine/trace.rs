//! Which stages a request went through, noted only for
//! [`Palisade::explain`](super::Palisade::explain).

use super::exchange::Facts;
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

/// What a stage decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decided {
    /// The next stage was asked.
    Passed,
    /// The request ends here with an answer of core: a preflight.
    Answered,
    /// The request ends here with a refusal.
    Refused,
}

impl Decided {
    /// The stable word: `passed`, `answered` or `refused`.
    pub fn as_str(self) -> &'static str {
        match self {
            Decided::Passed => "passed",
            Decided::Answered => "answered",
            Decided::Refused => "refused",
        }
    }
}

impl fmt::Display for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One stage that a request reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StageReport {
    /// Which one.
    pub stage: Stage,
    /// What it decided.
    pub decided: Decided,
    /// What it saw, for people; never a credential.
    pub saw: String,
}

/// What is noted while a request is decided.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// The stages that were reached, in the order in which they were.
    pub(super) stages: Vec<Stage>,
    /// What only the log would be told: the setting that would accept a credential, or what a
    /// dependency did.
    pub(super) remark: Option<String>,
    /// The claim that failed a check.
    pub(super) claim: Option<&'static str>,
}

impl Facts {
    /// Notes that a stage begins.
    pub(super) fn at(&mut self, stage: Stage) {
        if let Some(trace) = &mut self.trace {
            trace.stages.push(stage);
        }
    }

    /// Notes the claim that failed a check.
    pub(super) fn failed_claim(&mut self, claim: Option<&'static str>) {
        if let Some(trace) = &mut self.trace {
            trace.claim = claim;
        }
    }

    /// Notes what the log is told.
    pub(super) fn remark(&mut self, text: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.remark = Some(text());
        }
    }
}
