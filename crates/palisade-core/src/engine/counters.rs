//! How many exchanges ended how: `palisade_requests_total{decision, code}`, through the `metrics` facade.

use crate::{audit::Decision, problem::Code};
use metrics::Counter;

const REQUESTS: &str = "palisade_requests_total";

/// A counter for every way in which an exchange may end, taken from the recorder once.
#[derive(Debug)]
pub(crate) struct RequestCounters {
    admitted: Counter,
    aborted: Counter,
    /// In the order of [`Code::ALL`].
    refused: Vec<Counter>,
}

impl RequestCounters {
    pub(crate) fn new() -> Self {
        metrics::describe_counter!(REQUESTS, "exchanges, by what became of them");
        let counter = |decision: Decision, code: &'static str| metrics::counter!(REQUESTS, "decision" => decision.as_str(), "code" => code);
        let refused = Code::ALL.iter();
        Self {
            admitted: counter(Decision::Admit, ""),
            aborted: counter(Decision::Aborted, ""),
            refused: refused
                .map(|code| counter(Decision::Refuse, code.as_str()))
                .collect(),
        }
    }

    pub(crate) fn admitted(&self) {
        self.admitted.increment(1);
    }

    pub(crate) fn aborted(&self) {
        self.aborted.increment(1);
    }

    pub(crate) fn refused(&self, code: Code) {
        if let Some(counter) = self.refused.get(code as usize) {
            counter.increment(1);
        }
    }
}
