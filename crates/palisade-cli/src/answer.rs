//! What a command comes back with.

use serde::Serialize;

/// What a command prints on standard output.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    /// Whether that is a yes; a no is exit code 1.
    pub(crate) yes: bool,
}

/// Why a command has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// Something outside stands in the way.
    Outside(String),
}

/// What a command comes back with.
pub(crate) type Outcome = Result<Answer, Failure>;

impl Answer {
    /// Done, or yes.
    pub(crate) fn yes(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            yes: true,
        }
    }

    /// No.
    pub(crate) fn no(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            yes: false,
        }
    }

    /// The same as JSON.
    pub(crate) fn json(value: &impl Serialize, yes: bool) -> Outcome {
        let text = serde_json::to_string_pretty(value)
            .map_err(|why| Failure::Outside(format!("the answer cannot be written: {why}")))?;
        Ok(Self {
            text: text + "\n",
            yes,
        })
    }
}
