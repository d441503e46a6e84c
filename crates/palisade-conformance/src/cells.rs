//! The cells that a server under test shares with what runs the cases: its clock, its audit, its handlers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use palisade_core::Clock;
use palisade_core::audit::{AuditEvent, AuditSink};
use serde_json::Value;

/// A clock that moves only when a case says so.
#[derive(Debug)]
pub struct ManualClock {
    unix_millis: AtomicU64,
    monotonic_nanos: AtomicU64,
}

impl ManualClock {
    /// Where every server's clock starts: 2026-06-01T00:00:00Z.
    pub const START_UNIX_SECONDS: u64 = 1_780_272_000;

    /// Seconds since the Unix epoch.
    pub fn unix_seconds(&self) -> u64 {
        self.unix_millis() / 1000
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        self.unix_millis
            .fetch_add(by.as_millis().try_into().unwrap_or(0), Ordering::SeqCst);
        self.monotonic_nanos
            .fetch_add(by.as_nanos().try_into().unwrap_or(0), Ordering::SeqCst);
    }

    /// Sets the wall clock back, as an administrator or NTP may; the monotonic clock stands still.
    pub fn set_back(&self, by: Duration) {
        let by = by.as_millis().try_into().unwrap_or(u64::MAX);
        let _ = self
            .unix_millis
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| {
                Some(now.saturating_sub(by))
            });
    }
}

impl Clock for ManualClock {
    fn unix_millis(&self) -> u64 {
        self.unix_millis.load(Ordering::SeqCst)
    }

    fn monotonic_nanos(&self) -> u64 {
        self.monotonic_nanos.load(Ordering::SeqCst)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self {
            unix_millis: AtomicU64::new(Self::START_UNIX_SECONDS * 1000),
            // Not zero: code that subtracts a period from the first instant must not be excused.
            monotonic_nanos: AtomicU64::new(1_000_000_000),
        }
    }
}

/// The audit events a server wrote, as JSON.
#[derive(Debug, Default)]
pub struct AuditLog(Mutex<Vec<Value>>);

impl AuditLog {
    /// Appends one event.
    pub fn push(&self, event: Value) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event);
    }

    /// Takes out the events written so far, oldest first.
    pub fn take(&self) -> Vec<Value> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AuditSink for AuditLog {
    fn record(&self, event: &AuditEvent<'_>) {
        // An event that cannot be written shows as `null`, which no case expects.
        self.push(serde_json::to_value(event).unwrap_or_default());
    }
}

/// How many handlers ran.
#[derive(Debug, Default)]
pub struct Handled(AtomicU64);

impl Handled {
    /// Called by every handler of the application under test, first thing.
    pub fn mark(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// Handlers run since the server started.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_never_goes_back() {
        let clock = ManualClock::default();
        let before = clock.monotonic_nanos();
        clock.advance(Duration::from_secs(30));
        clock.set_back(Duration::from_secs(90));
        assert_eq!(clock.unix_seconds(), ManualClock::START_UNIX_SECONDS - 60);
        assert_eq!(clock.monotonic_nanos(), before + 30_000_000_000);
    }
}
