//! Watching a request's body without reading it.

mod settings;

pub use settings::Body;

use crate::{
    cause::Cause,
    ports::Clock,
    problem::{Code, Reason},
};
use std::{
    error::Error,
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

/// Counts the bytes of a body as they pass, and the time that it is waited for; stops it at the
/// limits of its rule.
///
/// The adapter shows it every chunk before anybody else sees it, so a limit holds for chunked
/// bodies too. A body that went over is remembered: [`Exchange::close`](crate::Exchange::close)
/// then answers 413 or 408, whatever the handler made of the broken body.
///
/// Only the client's time counts: that in which the application asks for more of the body, and
/// there is nothing. An application that reads slowly is not the client's fault.
#[derive(Debug)]
pub struct BodyGuard {
    shared: Arc<Shared>,
    seen: u64,
    /// When the wait began that lasts, in nanoseconds of the clock.
    waiting_since: Option<u64>,
    /// Nanoseconds of all waits before.
    waited: u64,
}

/// What a body may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// Bytes.
    pub(crate) max: Option<u64>,
    /// `None` where there is no body to wait for.
    pub(crate) times: Option<BodyTimes>,
}

/// How long a body may be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BodyTimes {
    /// Until there is more of it.
    pub(crate) idle: Duration,
    /// All in all.
    pub(crate) total: Duration,
}

/// What a rule says of these times itself, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BodyTimeouts {
    pub(crate) idle: Option<u64>,
    pub(crate) total: Option<u64>,
}

impl BodyTimeouts {
    /// With what the policy says where the rule is silent.
    pub(crate) fn within(self, body: &Body) -> BodyTimes {
        BodyTimes {
            idle: Duration::from_secs(self.idle.unwrap_or(body.idle_timeout)),
            total: Duration::from_secs(self.total.unwrap_or(body.total_timeout)),
        }
    }
}

/// What the guard and the exchange know together.
#[derive(Debug)]
struct Shared {
    limits: BodyLimits,
    clock: Arc<dyn Clock>,
    refused: OnceLock<BodyRefused>,
}

/// Why a guarded body ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyRefused {
    /// It is larger than its rule allows.
    #[error("the body is larger than the {max} bytes that the rule allows")]
    TooLarge {
        /// The largest that a body may be, in bytes.
        max: u64,
    },
    /// Nothing more of it came.
    #[error("nothing more of the body came within {} s", .after.as_secs())]
    Idle {
        /// How long was waited.
        after: Duration,
    },
    /// It came too slowly as a whole.
    #[error("the body was waited for longer than {} s", .after.as_secs())]
    TooSlow {
        /// How long was waited, all in all.
        after: Duration,
    },
}

impl BodyGuard {
    pub(crate) fn new(limits: BodyLimits, clock: Arc<dyn Clock>) -> Self {
        Self {
            shared: Arc::new(Shared {
                limits,
                clock,
                refused: OnceLock::new(),
            }),
            seen: 0,
            waiting_since: None,
            waited: 0,
        }
    }

    /// Joins the guard to a timer of the adapter's runtime: `start` makes a future that is ready
    /// after a duration.
    pub fn with_timer<T>(self, start: fn(Duration) -> T) -> BodyWatch<T> {
        BodyWatch {
            guard: self,
            start,
            timer: None,
        }
    }

    /// What became of the body, for the exchange.
    pub(crate) fn report(&self) -> BodyReport {
        BodyReport(Arc::clone(&self.shared))
    }

    fn count(&mut self, length: usize) -> Result<(), BodyRefused> {
        if let Some(&refused) = self.shared.refused.get() {
            return Err(refused);
        }
        if let Some(since) = self.waiting_since.take() {
            let now = self.shared.clock.monotonic_nanos();
            self.waited = self.waited.saturating_add(now.saturating_sub(since));
        }
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        self.seen = self.seen.saturating_add(length);
        match self.shared.limits.max {
            Some(max) if self.seen > max => Err(self.refuse(BodyRefused::TooLarge { max })),
            _ => Ok(()),
        }
    }

    /// How long there may still be nothing; `None`: for ever.
    fn wait(&mut self) -> Result<Option<Duration>, BodyRefused> {
        if let Some(&refused) = self.shared.refused.get() {
            return Err(refused);
        }
        let Some(BodyTimes { idle, total }) = self.shared.limits.times else {
            return Ok(None);
        };
        let now = self.shared.clock.monotonic_nanos();
        let since = *self.waiting_since.get_or_insert(now);
        let quiet = now.saturating_sub(since);
        let (quiet, waited) = (
            Duration::from_nanos(quiet),
            Duration::from_nanos(self.waited.saturating_add(quiet)),
        );
        if waited >= total {
            return Err(self.refuse(BodyRefused::TooSlow { after: total }));
        }
        if quiet >= idle {
            return Err(self.refuse(BodyRefused::Idle { after: idle }));
        }
        Ok(Some((idle - quiet).min(total - waited)))
    }

    fn refuse(&self, refused: BodyRefused) -> BodyRefused {
        *self.shared.refused.get_or_init(|| refused)
    }
}

/// A [`BodyGuard`] with a timer, `T`, that wakes the application where the client does not.
///
/// No timer is made for a body that is there when it is asked for.
pub struct BodyWatch<T> {
    guard: BodyGuard,
    start: fn(Duration) -> T,
    timer: Option<Pin<Box<T>>>,
}

impl<T: Future<Output = ()>> BodyWatch<T> {
    /// Counts a chunk of `length` bytes; 0 for what is no data, such as trailers.
    ///
    /// # Errors
    /// The body is over one of its limits: the chunk must not be passed on, and the body ends
    /// here.
    pub fn count(&mut self, length: usize) -> Result<(), BodyRefused> {
        self.guard.count(length)
    }

    /// Is asked whenever the body has nothing; ready when that lasted too long, and the body ends
    /// here.
    pub fn poll_timeout(&mut self, context: &mut Context<'_>) -> Poll<BodyRefused> {
        loop {
            let wait = match self.guard.wait() {
                Ok(Some(wait)) => wait,
                Ok(None) => return Poll::Pending,
                Err(refused) => return Poll::Ready(refused),
            };
            // A timer that runs already rings no later than is needed: no wait ends before one
            // that began earlier. It is left as it is, because setting one costs more than asking.
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin((self.start)(wait)));
            ready!(timer.as_mut().poll(context));
            self.timer = None;
        }
    }
}

impl<T> fmt::Debug for BodyWatch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyWatch")
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}

/// The exchange's view of the body.
#[derive(Debug)]
pub(crate) struct BodyReport(Arc<Shared>);

impl BodyReport {
    /// Why the body was stopped, if it was.
    pub(crate) fn refused(&self) -> Option<BodyRefused> {
        self.0.refused.get().copied()
    }
}

impl BodyRefused {
    pub(crate) fn reason(self) -> Reason {
        match self {
            BodyRefused::TooLarge { .. } => Reason::new(Code::ContentTooLarge, Cause::BodyTooLarge),
            BodyRefused::Idle { .. } => Reason::new(Code::BodyTimeout, Cause::BodyIdle),
            BodyRefused::TooSlow { .. } => Reason::new(Code::BodyTimeout, Cause::BodyTooSlow),
        }
    }
}

/// The guard's word in an error, or in what caused it.
pub(crate) fn refused_in(error: &(dyn Error + 'static)) -> Option<BodyRefused> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(&refused) = error.downcast_ref::<BodyRefused>() {
            return Some(refused);
        }
        cause = match error.downcast_ref::<io::Error>() {
            // Its `source` is that of the error within.
            Some(outer) => outer.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests;
