use super::*;
use std::{
    future::{Pending, pending, ready},
    sync::atomic::{AtomicU64, Ordering},
    task::Waker,
};

/// Seconds that a test moves.
#[derive(Debug, Default)]
struct Hand(AtomicU64);

impl Hand {
    fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn unix_millis(&self) -> u64 {
        self.monotonic_nanos() / 1_000_000
    }

    fn monotonic_nanos(&self) -> u64 {
        self.0.load(Ordering::Relaxed) * 1_000_000_000
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A guard of 10 bytes, 30 s of silence and 100 s in all.
fn guard() -> (BodyGuard, Arc<Hand>) {
    let hand = Arc::new(Hand::default());
    let limits = BodyLimits {
        max: Some(10),
        times: Some(BodyTimes {
            idle: seconds(30),
            total: seconds(100),
        }),
    };
    (BodyGuard::new(limits, hand.clone()), hand)
}

#[test]
fn the_limit_holds_across_chunks() {
    let (mut guard, _) = guard();
    assert!(guard.count(6).is_ok() && guard.count(4).is_ok());
    assert_eq!(guard.report().refused(), None);
    let refused = BodyRefused::TooLarge { max: 10 };
    assert_eq!(guard.count(1), Err(refused));
    assert_eq!(guard.report().refused(), Some(refused));
    // Nothing after it passes, nor is it waited for.
    assert_eq!(guard.count(0), Err(refused));
    assert_eq!(guard.wait(), Err(refused));
}

#[test]
fn silence_ends_a_body_and_every_chunk_ends_silence() {
    let (mut guard, hand) = guard();
    assert_eq!(guard.wait(), Ok(Some(seconds(30))));
    hand.advance(29);
    assert_eq!(guard.wait(), Ok(Some(seconds(1))));
    assert_eq!(guard.count(1), Ok(()));
    hand.advance(1000);
    // The application was busy meanwhile: the wait begins when it asks.
    assert_eq!(guard.wait(), Ok(Some(seconds(30))));
    hand.advance(30);
    let refused = BodyRefused::Idle { after: seconds(30) };
    assert_eq!(guard.wait(), Err(refused));
    // A chunk that comes after all does not pass.
    assert_eq!(guard.count(1), Err(refused));
    assert_eq!(guard.report().refused(), Some(refused));
}

#[test]
fn drops_are_waited_for_only_so_long_in_all() {
    let (mut guard, hand) = guard();
    for _ in 0..4 {
        assert!(guard.wait().is_ok());
        hand.advance(24);
        assert_eq!(guard.count(1), Ok(()));
    }
    assert_eq!(guard.wait(), Ok(Some(seconds(4))));
    hand.advance(4);
    let refused = BodyRefused::TooSlow {
        after: seconds(100),
    };
    assert_eq!(guard.wait(), Err(refused));
}

#[test]
fn no_body_is_waited_for_by_any_clock() {
    let (guard, hand) = guard();
    let limits = BodyLimits {
        times: None,
        ..guard.shared.limits
    };
    let mut guard = BodyGuard::new(limits, hand.clone());
    assert_eq!(guard.wait(), Ok(None));
    hand.advance(u64::from(u32::MAX));
    assert_eq!(guard.wait(), Ok(None));
}

#[test]
fn a_timer_is_made_once_and_only_for_a_wait() {
    let (guard, hand) = guard();
    let mut context = Context::from_waker(Waker::noop());
    let mut watch = guard.with_timer(|wait| {
        assert_eq!(wait, seconds(30));
        pending::<()>()
    });
    assert_eq!(watch.count(1), Ok(()));
    assert!(watch.timer.is_none());
    assert!(watch.poll_timeout(&mut context).is_pending());
    hand.advance(10);
    assert_eq!(watch.count(1), Ok(()));
    // A second timer would be one of another length.
    assert!(watch.poll_timeout(&mut context).is_pending());
    hand.advance(30);
    assert!(watch.poll_timeout(&mut context).is_ready());
    let _: &BodyWatch<Pending<()>> = &watch;
}

#[test]
fn a_timer_that_rings_early_is_set_again() {
    let limits = BodyLimits {
        max: None,
        times: Some(BodyTimes {
            idle: Duration::from_nanos(3),
            total: seconds(1),
        }),
    };
    /// Each look takes a nanosecond.
    #[derive(Debug, Default)]
    struct Ticking(AtomicU64);
    impl Clock for Ticking {
        fn unix_millis(&self) -> u64 {
            0
        }
        fn monotonic_nanos(&self) -> u64 {
            self.0.fetch_add(1, Ordering::Relaxed)
        }
    }
    let mut watch =
        BodyGuard::new(limits, Arc::new(Ticking::default())).with_timer(|_| ready::<()>(()));
    let mut context = Context::from_waker(Waker::noop());
    let after = Duration::from_nanos(3);
    assert_eq!(
        watch.poll_timeout(&mut context),
        Poll::Ready(BodyRefused::Idle { after })
    );
}

#[test]
fn the_guards_word_is_found_in_what_frameworks_make_of_it() {
    let word = BodyRefused::TooLarge { max: 1 };
    let plain = io::Error::new(io::ErrorKind::TimedOut, word);
    assert_eq!(refused_in(&plain), Some(word));
    let nested = io::Error::other(io::Error::other(word));
    assert_eq!(refused_in(&nested), Some(word));
    let other = io::Error::from(io::ErrorKind::TimedOut);
    assert_eq!(refused_in(&other), None);
}
