//! The time by which credentials are judged.

use crate::ports::Clock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A civil clock that does not go back, so that setting it back wakes no credential that has
/// expired, and makes none that was just issued look like one from the future.
#[derive(Debug, Default)]
pub(crate) struct SteadyClock {
    latest: AtomicU64,
}

/// A clock that is set back by more was wrong before: waiting for it would refuse everybody.
/// The longest leeway that a token policy may have.
const LARGEST_STEP: u64 = 300;

impl SteadyClock {
    /// Unix seconds on `clock`, or the latest there were.
    pub(crate) fn unix_seconds(&self, clock: &dyn Clock) -> u64 {
        let now = clock.unix_millis() / 1000;
        let latest = self.latest.load(Relaxed);
        if now == latest {
            return now;
        }
        if now < latest && latest - now <= LARGEST_STEP {
            return latest;
        }
        if now < latest {
            let seconds = latest - now;
            tracing::warn!(target: "palisade", seconds, "the clock was set back; its new time is taken");
        }
        self.latest.store(now, Relaxed);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct At(u64);

    impl Clock for At {
        fn unix_millis(&self) -> u64 {
            self.0 * 1000 + 999
        }

        fn monotonic_nanos(&self) -> u64 {
            0
        }
    }

    #[test]
    fn small_steps_back_are_waited_for_and_large_ones_are_taken() {
        let steady = SteadyClock::default();
        for (now, seen) in [
            (1000, 1000),
            (1030, 1030),
            (1010, 1030),
            (730, 1030),
            (1031, 1031),
            (730, 730),
            (731, 731),
        ] {
            assert_eq!(steady.unix_seconds(&At(now)), seen, "{now}");
        }
    }
}
