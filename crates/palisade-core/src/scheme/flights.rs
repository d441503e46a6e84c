//! One question for each credential, however many requests wait for its answer.

use crate::{ports::BoxFuture, ports::SourceError};
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

struct Begun<A> {
    /// How many there have been.
    count: u64,
    /// Each with its number: one that ends may have a successor already.
    flights: HashMap<Digest, (u64, WeakShared<BoxFuture<A>>)>,
}

impl<A: Clone + Send + Sync + 'static> Flights<A> {
    pub(super) fn new(source: &'static str) -> Arc<Self> {
        let begun = Mutex::new(Begun {
            count: 0,
            flights: HashMap::new(),
        });
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
        let known = begun.flights.get(&credential);
        let flight = match known.and_then(|(_, flight)| flight.upgrade()) {
            Some(flight) => flight,
            None if begun.flights.len() >= MOST_FLIGHTS => {
                return Err(busy("with new credentials"));
            }
            None => {
                begun.count += 1;
                let number = begun.count;
                let flight = self.begin(credential, number, ask());
                let weak = flight.downgrade().map(|weak| (credential, (number, weak)));
                begun.flights.extend(weak);
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

    fn begin(
        self: &Arc<Self>,
        credential: Digest,
        number: u64,
        question: BoxFuture<A>,
    ) -> Flight<A> {
        let end = End {
            flights: Arc::clone(self),
            credential,
            number,
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
        let count = self.begun().flights.len();
        f.debug_tuple("Flights").field(&count).finish()
    }
}

/// Forgets a flight when it has landed, or when nobody waits for it any more.
struct End<A> {
    flights: Arc<Flights<A>>,
    credential: Digest,
    number: u64,
}

impl<A> Drop for End<A> {
    fn drop(&mut self) {
        let mut begun = self.flights.begun();
        let known = begun.flights.get(&self.credential);
        if known.is_some_and(|(number, _)| *number == self.number) {
            begun.flights.remove(&self.credential);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        pin::Pin,
        task::{Context, Poll, Waker},
    };

    /// A question that is never answered; when it is dropped, somebody else asks the same.
    struct Abandoned {
        flights: Arc<Flights<()>>,
        next: Arc<Mutex<Option<Flight<()>>>>,
    }

    impl Future for Abandoned {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }
    }

    impl Drop for Abandoned {
        fn drop(&mut self) {
            let next = self
                .flights
                .join([7; 32], || Box::pin(std::future::pending()));
            *self.next.lock().unwrap() = next.ok();
        }
    }

    #[test]
    fn the_end_of_a_flight_does_not_hide_the_next_one() {
        let flights = Flights::new("a test");
        let next = Arc::default();
        let abandoned = Abandoned {
            flights: Arc::clone(&flights),
            next: Arc::clone(&next),
        };
        let mut first = flights.join([7; 32], || Box::pin(abandoned)).unwrap();
        let mut nobody = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut first).poll(&mut nobody).is_pending());
        drop(first);

        let next = next.lock().unwrap().take().unwrap();
        let joined = flights.join([7; 32], || unreachable!("it is being asked"));
        assert!(joined.unwrap().ptr_eq(&next));
        drop(next);
        assert_eq!(format!("{flights:?}"), "Flights(0)");
    }
}
