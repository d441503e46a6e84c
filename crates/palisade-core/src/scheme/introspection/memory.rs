//! Answers that are remembered for a while, so that not every request costs a question.

use super::verify::Judged;
use quick_cache::{Weighter, sync::Cache};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The SHA-256 of a token: what is remembered of it.
pub(super) type Digest = [u8; 32];

pub(super) fn digest(token: &[u8]) -> Digest {
    Sha256::digest(token).into()
}

/// All answers of one server together weigh at most this much, in bytes.
const MOST_BYTES: u64 = 32 << 20;

/// What an answer weighs beside its text: its place in the table and what was read from it.
const BYTES_PER_ANSWER: u64 = 512;

/// What one server said of tokens, as far as it still holds. It answers for one policy, so an answer for one audience
/// never serves another.
pub(super) struct Memory {
    answers: Cache<Digest, Remembered, Weight>,
    good_seconds: u64,
    bad_seconds: u64,
}

#[derive(Clone)]
struct Remembered {
    judged: Judged,
    since: u64,
    until: u64,
}

impl Memory {
    pub(super) fn new(good_seconds: u64, bad_seconds: u64) -> Self {
        let usual = usize::try_from(MOST_BYTES / (2 * BYTES_PER_ANSWER)).unwrap_or(usize::MAX);
        Self {
            answers: Cache::with_weighter(usual, MOST_BYTES, Weight),
            good_seconds,
            bad_seconds,
        }
    }

    /// What is still known of the token at the time `now`. A clock that was set back ends what was learnt after it.
    pub(super) fn recall(&self, token: &Digest, now: u64) -> Option<Judged> {
        let known = self.answers.get(token)?;
        (known.since..known.until)
            .contains(&now)
            .then_some(known.judged)
    }

    /// Remembers what was learnt at the time `now`.
    pub(super) fn keep(&self, token: Digest, judged: &Judged, now: u64) {
        let until = match judged {
            Judged::Good { expires_at, .. } => {
                now.saturating_add(self.good_seconds).min(*expires_at)
            }
            Judged::Bad(_) => now.saturating_add(self.bad_seconds),
        };
        if until > now {
            let remembered = Remembered {
                judged: judged.clone(),
                since: now,
                until,
            };
            self.answers.insert(token, remembered);
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("answers", &self.answers.len())
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Weight;

impl Weighter<Digest, Remembered> for Weight {
    fn weight(&self, _: &Digest, known: &Remembered) -> u64 {
        let (text, passed_over) = match &known.judged {
            Judged::Good { principal, .. } => (
                principal.claims_json().map_or(0, str::len),
                principal.passed_over().map(|name| 48 + name.len()).sum(),
            ),
            Judged::Bad(_) => (0, 0),
        };
        // The names that were found in the text take about as much again.
        BYTES_PER_ANSWER + 2 * text as u64 + passed_over as u64
    }
}
