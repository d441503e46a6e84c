//! Watching a request's body without reading it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// Counts the bytes of a body as they pass, and stops it at the limit of its rule.
///
/// The adapter shows it every chunk before anybody else sees it, so a limit holds for chunked
/// bodies too. A body that went over is remembered: [`Exchange::close`](crate::Exchange::close)
/// then answers 413, whatever the handler made of the broken body.
#[derive(Debug, Clone)]
pub struct BodyGuard(Arc<State>);

#[derive(Debug)]
struct State {
    max: u64,
    seen: AtomicU64,
    over: AtomicBool,
}

/// The body is larger than its rule allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is larger than the {max} bytes that the rule allows")]
pub struct BodyTooLarge {
    max: u64,
}

impl BodyGuard {
    pub(crate) fn new(max: u64) -> Self {
        Self(Arc::new(State {
            max,
            seen: AtomicU64::new(0),
            over: AtomicBool::new(false),
        }))
    }

    /// Counts a chunk of `length` bytes.
    ///
    /// # Errors
    /// The body is over its limit: the chunk must not be passed on, and the body ends here.
    pub fn count(&self, length: usize) -> Result<(), BodyTooLarge> {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let before = self.0.seen.fetch_add(length, Ordering::Relaxed);
        if before.saturating_add(length) > self.0.max {
            self.0.over.store(true, Ordering::Relaxed);
            return Err(BodyTooLarge { max: self.0.max });
        }
        Ok(())
    }

    /// Whether the body went over its limit.
    pub(crate) fn is_over(&self) -> bool {
        self.0.over.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_across_chunks() {
        let guard = BodyGuard::new(10);
        assert!(guard.count(6).is_ok() && guard.count(4).is_ok());
        assert!(!guard.is_over());
        assert!(guard.count(1).is_err() && guard.is_over());
        assert!(BodyGuard::new(0).count(usize::MAX).is_err());
    }
}
