//! Which stages a request went through, noted only for
//! [`Palisade::explain`](super::Palisade::explain).

use super::stage::Stage;
use serde::Serialize;
use std::fmt;

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
    /// The stages that were reached, in the order in which they were, and what each saw.
    pub(super) stages: Vec<(Stage, String)>,
    /// What only the log would be told: the setting that would accept a credential, or what a
    /// dependency did.
    pub(super) remark: Option<String>,
    /// The claim that failed a check.
    pub(super) claim: Option<&'static str>,
}
