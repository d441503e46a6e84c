//! Telling of an outage once, however many requests meet it, and once when it is over.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// So long after the last outage that was told, another may be. What fails by turns would fill the log.
const QUIET_NANOS: u64 = 60_000_000_000;

/// Whether a dependency answers, as far as requests have seen.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    /// What nearly every request looks at.
    is_on: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How the last request met it, and when.
    last: Option<(Answer, u64)>,
    told: bool,
    told_at: Option<u64>,
    refused: u64,
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// From memory. It says nothing of a dependency that failed when it was asked.
    AtHand,
    /// From the dependency itself, or after waiting for it.
    Asked,
}

impl Outage {
    /// A request failed; true if that is to be told.
    pub(crate) fn begins(&self, answer: Answer, now: u64) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last = Some((answer, now));
        if self.is_on.swap(true, Relaxed) {
            state.refused += 1;
            return false;
        }
        state.refused = 1;
        let quiet = state.told_at.map(|told| told.saturating_add(QUIET_NANOS));
        state.told = quiet.is_none_or(|quiet| now >= quiet);
        if state.told {
            state.told_at = Some(now);
        }
        state.told
    }

    /// Whether requests fail at present, so far as is known.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Relaxed)
    }

    /// A request got its answer. If that ends an outage that was told: how many requests failed.
    pub(crate) fn is_over(&self, answer: Answer, now: u64) -> Option<u64> {
        if !self.is_on() {
            return None;
        }
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (met, last) = state.last?;
        let proves = answer == met || now >= last.saturating_add(QUIET_NANOS);
        if !proves || !self.is_on.swap(false, Relaxed) {
            return None;
        }
        state.told.then_some(state.refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn an_outage_is_told_once_and_once_more_when_it_is_over() {
        let outage = Outage::default();
        assert_eq!(outage.is_over(Answer::Asked, 0), None);
        assert!(outage.begins(Answer::Asked, 0));
        assert!((1..5).all(|now| !outage.begins(Answer::Asked, now)));
        assert_eq!(outage.is_over(Answer::Asked, 5), Some(5));
        assert_eq!(outage.is_over(Answer::Asked, 6), None);
        assert!(outage.begins(Answer::Asked, 60 * SECOND));
    }

    #[test]
    fn what_fails_by_turns_is_told_once_a_minute() {
        let outage = Outage::default();
        let told = |now: u64| {
            let begins = outage.begins(Answer::Asked, now * SECOND);
            (
                begins,
                outage.is_over(Answer::Asked, now * SECOND).is_some(),
            )
        };
        assert_eq!(told(0), (true, true));
        assert!((1..60).all(|now| told(now) == (false, false)));
        assert_eq!(told(60), (true, true));
    }

    #[test]
    fn an_answer_from_memory_does_not_end_it() {
        let outage = Outage::default();
        assert!(outage.begins(Answer::Asked, 0));
        assert_eq!(outage.is_over(Answer::AtHand, 59 * SECOND), None);
        assert_eq!(outage.is_over(Answer::AtHand, 60 * SECOND), Some(1));
    }
}
