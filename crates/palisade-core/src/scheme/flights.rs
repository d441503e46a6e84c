//! One question for each credential, however many requests wait for its answer.

use crate::{companion::BoxFuture, ports::SourceError};
use futures_util::future::{FutureExt, Shared, WeakShared};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A keyed or cryptographic hash of the credential.
type Digest = [u8; 32];

/// So many credentials may be in question at once; a request with one more is answered with 503.
pub(super) const MOST_FLIGHTS: usize = 1024;

/// So many requests may wait for one answer.
pub(super) const MOST_WAITERS: usize = 256;

/// An answer that several requests wait for.
pub(super) type Flight<A> = Shared<BoxFuture<A>>;

/// The questions whose answers are still to come. One that nobody waits for any more is dropped.
pub(super) struct Flights<A> {
    /// What answers, for errors.
    source: &'static str,
    begun: Mutex<Begun<A>>,
}

type Begun<A> = HashMap<Digest, WeakShared<BoxFuture<A>>>;

impl<A: Clone + Send + Sync + 'static> Flights<A> {
    pub(super) fn new(source: &'static str) -> Arc<Self> {
        let begun = Mutex::default();
        Arc::new(Self { source, begun })
    }

    /// Waits for the answer about a credential; `ask` begins the question if nobody has yet.
    ///
    /// # Errors
    /// Too much is in question already.
    pub(super) fn join(
        self: &Arc<Self>,
        credential: Digest,
        ask: impl FnOnce() -> BoxFuture<A>,
    ) -> Result<Flight<A>, SourceError> {
        let busy = |what| SourceError::new(self.source, format!("too many requests {what}"));
        let mut begun = self.begun();
        let flight = match begun.get(&credential).and_then(WeakShared::upgrade) {
            Some(flight) => flight,
            None if begun.len() >= MOST_FLIGHTS => return Err(busy("with new credentials")),
            None => {
                let flight = self.begin(credential, ask());
                begun.extend(flight.downgrade().map(|weak| (credential, weak)));
                flight
            }
        };
        // Whoever drops a flight may be the last to do so, and that takes the lock again.
        drop(begun);
        match flight.strong_count() {
            Some(waiters) if waiters > MOST_WAITERS => Err(busy("with the same credential")),
            _ => Ok(flight),
        }
    }

    fn begin(self: &Arc<Self>, credential: Digest, question: BoxFuture<A>) -> Flight<A> {
        let end = End {
            flights: Arc::clone(self),
            credential,
        };
        let flight = async move {
            let _end = end;
            question.await
        };
        flight.boxed().shared()
    }
}

impl<A> Flights<A> {
    fn begun(&self) -> MutexGuard<'_, Begun<A>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A> fmt::Debug for Flights<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Flights").field(&self.begun().len()).finish()
    }
}

/// Forgets a flight when it has landed, or when nobody waits for it any more.
struct End<A> {
    flights: Arc<Flights<A>>,
    credential: Digest,
}

impl<A> Drop for End<A> {
    fn drop(&mut self) {
        self.flights.begun().remove(&self.credential);
    }
}
