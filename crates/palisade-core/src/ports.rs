//! What core needs from the world outside, and may be given differently in a test.
//!
//! Core itself reads no clock and draws no randomness: [`Clock`] and [`Entropy`] do, and
//! [`SystemClock`] and [`SystemEntropy`] are what a policy gets unless it says otherwise.

use futures_channel::oneshot;
use std::{
    collections::BTreeMap,
    fmt::Debug,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// An answer that comes later.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Tells the time, twice: civil time for tokens and the audit, and a time that never runs
/// backwards for limits and durations.
pub trait Clock: Debug + Send + Sync {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn unix_millis(&self) -> u64;

    /// Nanoseconds since some fixed moment of this process; never decreases.
    fn monotonic_nanos(&self) -> u64;

    /// Ready once [`monotonic_nanos`](Self::monotonic_nanos) says so much. A clock that a test
    /// moves by hand waits for nobody, unless it says otherwise.
    ///
    /// # Errors
    /// The clock cannot wait, or for no more; what should have waited is then refused.
    fn wait_until(&self, _monotonic_nanos: u64) -> BoxFuture<Result<(), SourceError>> {
        Box::pin(std::future::ready(Ok(())))
    }
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

    fn wait_until(&self, monotonic_nanos: u64) -> BoxFuture<Result<(), SourceError>> {
        let time = self
            .start
            .checked_add(Duration::from_nanos(monotonic_nanos));
        let waiting = match time {
            Some(time) => Alarm::shared().set(time),
            None => Err(no_alarm("the time is too far away")),
        };
        Box::pin(async {
            waiting?
                .await
                .map_err(|_| no_alarm("the thread that waits broke off"))
        })
    }
}

/// So many may wait at once: 64 bytes each.
const MOST_WAITING: usize = 65_536;

/// A thread that waits on behalf of others, started when it is first needed.
struct Alarm {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// By time; the number tells apart those of the same time.
    until: BTreeMap<(Instant, u64), oneshot::Sender<()>>,
    count: u64,
    is_served: bool,
}

impl Alarm {
    /// The one of this process.
    fn shared() -> &'static Self {
        static ALARM: Alarm = Alarm {
            waiting: Mutex::new(Waiting {
                until: BTreeMap::new(),
                count: 0,
                is_served: false,
            }),
            changed: Condvar::new(),
        };
        &ALARM
    }

    fn set(&'static self, time: Instant) -> Result<oneshot::Receiver<()>, SourceError> {
        let mut waiting = self.lock();
        if waiting.until.len() >= MOST_WAITING {
            return Err(no_alarm("too many wait"));
        }
        if !waiting.is_served {
            thread::Builder::new()
                .name("palisade-alarm".to_owned())
                .spawn(|| self.serve())
                .map_err(|why| no_alarm(&format!("no thread starts: {why}")))?;
            waiting.is_served = true;
        }
        let (sender, receiver) = oneshot::channel();
        waiting.count += 1;
        let number = waiting.count;
        waiting.until.insert((time, number), sender);
        self.changed.notify_one();
        Ok(receiver)
    }

    fn serve(&self) {
        let mut waiting = self.lock();
        loop {
            let now = Instant::now();
            let later = waiting.until.split_off(&(now, u64::MAX));
            let due = mem::replace(&mut waiting.until, later);
            if !due.is_empty() {
                // Whoever is woken may want to wait again.
                drop(waiting);
                for sender in due.into_values() {
                    // Nobody may wait any more. And whoever does brought its own waker: one that panics must not end the
                    // thread that everybody waits for.
                    let _ = catch_unwind(AssertUnwindSafe(|| sender.send(())));
                }
                waiting = self.lock();
                continue;
            }
            let next = waiting.until.first_key_value().map(|((time, _), _)| *time);
            waiting = match next {
                None => self
                    .changed
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(time) => {
                    let wait = time.saturating_duration_since(now);
                    let woken = self.changed.wait_timeout(waiting, wait);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_alarm(reason: &str) -> SourceError {
    SourceError::new("the clock", reason)
}

/// The operating system's random source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), SourceError> {
        getrandom::fill(bytes).map_err(|why| SourceError::new("entropy", why.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, future::join_all};
    use std::{
        sync::Arc,
        task::{Context, Wake, Waker},
    };

    /// Drives a future on this thread.
    fn wait<T>(future: impl Future<Output = T>) -> T {
        let mut future = Box::pin(future);
        loop {
            if let Some(done) = future.as_mut().now_or_never() {
                return done;
            }
            thread::yield_now();
        }
    }

    /// What comes of it, if anything does within that time.
    fn wait_at_most<T>(time: Duration, mut future: impl Future<Output = T> + Unpin) -> Option<T> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            if let Some(done) = (&mut future).now_or_never() {
                return Some(done);
            }
            thread::yield_now();
        }
        None
    }

    #[test]
    fn nobody_is_woken_before_the_time() {
        let clock = SystemClock::default();
        let now = clock.monotonic_nanos();
        let waits = [3, 1, 2, 1, 0].map(|millis| {
            let until = now + millis * 1_000_000;
            let waiting = clock.wait_until(until);
            async move {
                assert_eq!(waiting.await, Ok(()));
                assert!(clock.monotonic_nanos() >= until, "{millis}");
            }
        });
        wait(join_all(waits));
        // What nobody waits for any more is let go of.
        drop(clock.wait_until(u64::MAX / 4));
        assert_eq!(wait(clock.wait_until(0)), Ok(()));
    }

    #[test]
    fn a_waker_that_panics_wakes_everybody_else() {
        struct Broken;
        impl Wake for Broken {
            fn wake(self: Arc<Self>) {
                panic!("planted")
            }
        }
        // One of its own: who waits in other tests would not show that the thread is gone.
        let alarm: &'static Alarm = Box::leak(Box::new(Alarm {
            waiting: Mutex::default(),
            changed: Condvar::new(),
        }));
        let soon = Instant::now() + Duration::from_millis(50);
        let mut broken = alarm.set(soon).unwrap();
        let waker = Waker::from(Arc::new(Broken));
        assert!(
            broken
                .poll_unpin(&mut Context::from_waker(&waker))
                .is_pending()
        );
        let (same_time, later) = (
            alarm.set(soon).unwrap(),
            alarm.set(soon + Duration::from_millis(1)).unwrap(),
        );
        // The broken one last: to poll it would bring another waker.
        for waiting in [same_time, later, broken] {
            assert_eq!(wait_at_most(Duration::from_secs(20), waiting), Some(Ok(())));
        }
    }

    #[test]
    fn a_clock_moved_by_hand_waits_for_nobody() {
        #[derive(Debug)]
        struct Still;
        impl Clock for Still {
            fn unix_millis(&self) -> u64 {
                0
            }
            fn monotonic_nanos(&self) -> u64 {
                0
            }
        }
        assert_eq!(Still.wait_until(u64::MAX).now_or_never(), Some(Ok(())));
    }
}
