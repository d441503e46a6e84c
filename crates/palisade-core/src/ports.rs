//! What core needs from the world outside, and may be given differently in a test.
//!
//! Core itself reads no clock and draws no randomness: [`Clock`] and [`Entropy`] do, and
//! [`SystemClock`] and [`SystemEntropy`] are what a policy gets unless it says otherwise.

use std::{
    fmt::Debug,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// Tells the time, twice: civil time for tokens and the audit, and a time that never runs
/// backwards for limits and durations.
pub trait Clock: Debug + Send + Sync {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn unix_millis(&self) -> u64;

    /// Nanoseconds since some fixed moment of this process; never decreases.
    fn monotonic_nanos(&self) -> u64;
}

/// Whether a moment in Unix seconds looks as if it had been written in milliseconds: those of 2001 to 5138, which as
/// seconds begin in the year 33658. No date that people write for "never" lies there.
///
/// ```
/// use palisade_core::looks_like_milliseconds;
///
/// assert!(looks_like_milliseconds(1_800_000_000_000));
/// assert!(!looks_like_milliseconds(1_800_000_000));
/// // 9999-12-31T23:59:59Z
/// assert!(!looks_like_milliseconds(253_402_300_799));
/// ```
#[must_use]
pub fn looks_like_milliseconds(unix_seconds: u64) -> bool {
    (1_000_000_000_000..100_000_000_000_000).contains(&unix_seconds)
}

/// Draws unpredictable bytes, good enough for keys and nonces.
pub trait Entropy: Debug + Send + Sync {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// The source is exhausted or broken; the request is then refused.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), SourceError>;
}

/// A dependency (a key source, a store, the entropy pool) that gave no answer.
///
/// The client sees 503 `dependency_unavailable`; the text goes to the audit only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{source_name} is unavailable: {reason}")]
pub struct SourceError {
    source_name: &'static str,
    reason: String,
}

impl SourceError {
    /// `source_name` says which dependency, `reason` what it did; neither may hold a secret.
    pub fn new(source_name: &'static str, reason: impl Into<String>) -> Self {
        Self {
            source_name,
            reason: reason.into(),
        }
    }
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn unix_millis(&self) -> u64 {
        // A clock before 1970 reads as 1970: every token is then in the future, hence refused.
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
        elapsed.map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
    }

    fn monotonic_nanos(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The operating system's random source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), SourceError> {
        getrandom::fill(bytes).map_err(|why| SourceError::new("entropy", why.to_string()))
    }
}
