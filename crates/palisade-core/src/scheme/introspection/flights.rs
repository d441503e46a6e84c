//! One question for each token, however many requests wait for its answer.

use super::{memory::Digest, verify::Answer};
use crate::{companion::BoxFuture, ports::SourceError};
use futures_util::future::{FutureExt, Shared, WeakShared};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// So many tokens may be in question at once; a request with one more is answered with 503.
pub(super) const MOST_FLIGHTS: usize = 1024;

/// So many requests may wait for one answer.
pub(super) const MOST_WAITERS: usize = 256;

/// An answer that several requests wait for.
pub(super) type Flight = Shared<BoxFuture<Answer>>;

/// The questions whose answers are still to come. One that nobody waits for any more is dropped.
#[derive(Default)]
pub(super) struct Flights(Mutex<Begun>);

type Begun = HashMap<Digest, WeakShared<BoxFuture<Answer>>>;

impl Flights {
    /// Waits for the answer about a token; `ask` begins the question if nobody has yet.
    ///
    /// # Errors
    /// Too much is in question already.
    pub(super) fn join(
        self: &Arc<Self>,
        token: Digest,
        ask: impl FnOnce() -> BoxFuture<Answer>,
    ) -> Result<Flight, SourceError> {
        let busy = |what| SourceError::new("introspection", format!("too many requests {what}"));
        let mut begun = self.begun();
        let flight = match begun.get(&token).and_then(WeakShared::upgrade) {
            Some(flight) => flight,
            None if begun.len() >= MOST_FLIGHTS => return Err(busy("with new tokens")),
            None => {
                let flight = self.begin(token, ask());
                begun.extend(flight.downgrade().map(|weak| (token, weak)));
                flight
            }
        };
        // Whoever drops a flight may be the last to do so, and that takes the lock again.
        drop(begun);
        match flight.strong_count() {
            Some(waiters) if waiters > MOST_WAITERS => Err(busy("with the same token")),
            _ => Ok(flight),
        }
    }

    fn begin(self: &Arc<Self>, token: Digest, question: BoxFuture<Answer>) -> Flight {
        let end = End {
            flights: Arc::clone(self),
            token,
        };
        let flight = async move {
            let _end = end;
            question.await
        };
        flight.boxed().shared()
    }

    fn begun(&self) -> MutexGuard<'_, Begun> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Flights").field(&self.begun().len()).finish()
    }
}

/// Forgets a flight when it has landed, or when nobody waits for it any more.
struct End {
    flights: Arc<Flights>,
    token: Digest,
}

impl Drop for End {
    fn drop(&mut self) {
        self.flights.begun().remove(&self.token);
    }
}
