//! Answers that were given before: bounded, forgotten when they change, asked for once however
//! many wait.

use futures_util::{FutureExt, future::Shared};
use palisade_core::{BoxFuture, Clock, SourceError};
use palisade_runtime::Background;
use quick_cache::sync::Cache;
use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::oneshot;

/// How many questions may wait for the database at once; over it they are refused, so that a
/// flood of unknown names fills no memory.
const MAX_QUESTIONS: usize = 1024;

/// How many names are remembered that nothing has.
const MAX_UNKNOWN: usize = 10_000;

/// Whether what is remembered may still be trusted: the database said within the last `fresh`
/// seconds that nothing else has changed.
#[derive(Debug)]
pub(crate) struct Trust {
    clock: Arc<dyn Clock>,
    fresh_nanos: u64,
    confirmed: AtomicU64,
}

/// A moment, to be confirmed later.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(u64);

impl Trust {
    pub(crate) fn new(clock: Arc<dyn Clock>, fresh_seconds: u64) -> Self {
        Self {
            clock,
            fresh_nanos: fresh_seconds.saturating_mul(1_000_000_000),
            confirmed: AtomicU64::new(0),
        }
    }

    /// Now. Zero is kept for what was never confirmed.
    pub(crate) fn now(&self) -> Moment {
        Moment(self.clock.monotonic_nanos().saturating_add(1))
    }

    /// What is remembered was right at this moment.
    pub(crate) fn confirm(&self, moment: Moment) {
        self.confirmed.store(moment.0, Ordering::Release);
    }

    pub(crate) fn holds(&self) -> bool {
        match self.confirmed.load(Ordering::Acquire) {
            0 => false,
            confirmed => self.now().0.saturating_sub(confirmed) <= self.fresh_nanos,
        }
    }
}

/// What a question is answered with.
pub(crate) type Answered<V> = Result<Option<V>, SourceError>;

type Question<V> = Shared<BoxFuture<Answered<V>>>;

/// Remembers the answers to questions by `K`.
pub(crate) struct Memory<K, V> {
    known: Cache<K, V>,
    unknown: Cache<K, ()>,
    asking: Mutex<Asking<K, V>>,
}

struct Asking<K, V> {
    /// Counts how often something was forgotten. An answer to a question of an earlier round may
    /// be out of date, and is not kept.
    round: u64,
    questions: HashMap<K, Question<V>>,
}

impl<K, V> Memory<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            known: Cache::new(capacity),
            unknown: Cache::new(capacity.min(MAX_UNKNOWN)),
            asking: Mutex::new(Asking {
                round: 0,
                questions: HashMap::new(),
            }),
        }
    }

    /// The answer, if it is remembered.
    pub(crate) fn recall<Q>(&self, key: &Q) -> Option<Option<V>>
    where
        Q: Hash + quick_cache::Equivalent<K> + ?Sized,
    {
        let known = self.known.get(key).map(Some);
        known.or_else(|| self.unknown.get(key).map(|()| None))
    }

    /// Asks `question` in the background, unless it is being asked, and remembers the answer.
    pub(crate) fn ask<F>(
        self: &Arc<Self>,
        key: K,
        background: &Background,
        question: impl FnOnce() -> F,
    ) -> BoxFuture<Answered<V>>
    where
        F: Future<Output = Answered<V>> + Send + 'static,
    {
        let mut asking = self.asking();
        if let Some(asked) = asking.questions.get(&key) {
            return Box::pin(asked.clone());
        }
        if asking.questions.len() >= MAX_QUESTIONS {
            let error = SourceError::new("the database", "too many questions wait for it");
            return std::future::ready(Err(error)).boxed();
        }
        let (tell, told) = oneshot::channel();
        let answered = told
            .map(|answer| answer.unwrap_or_else(|_| Err(lost())))
            .boxed()
            .shared();
        asking.questions.insert(key.clone(), answered.clone());
        let asked = Asked {
            memory: Arc::clone(self),
            key,
            round: asking.round,
        };
        drop(asking);
        let question = question();
        background.spawn(async move {
            let answer = question.await;
            asked.remember(&answer);
            drop(asked);
            // Nobody may be left to tell.
            let _ = tell.send(answer);
        });
        Box::pin(answered)
    }

    pub(crate) fn forget(&self, key: &K) {
        let mut asking = self.asking();
        asking.turn();
        self.known.remove(key);
        self.unknown.remove(key);
    }

    pub(crate) fn forget_all(&self) {
        let mut asking = self.asking();
        asking.turn();
        self.known.clear();
        self.unknown.clear();
    }

    fn asking(&self) -> MutexGuard<'_, Asking<K, V>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> Asking<K, V> {
    /// Whoever asks from now on must not get an answer from before.
    fn turn(&mut self) {
        self.round += 1;
        self.questions.clear();
    }
}

fn lost() -> SourceError {
    SourceError::new("the database", "the work in the background ended")
}

/// A question that is being asked. However it ends, nobody waits for it any more.
struct Asked<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    memory: Arc<Memory<K, V>>,
    key: K,
    round: u64,
}

impl<K, V> Asked<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn remember(&self, answer: &Answered<V>) {
        // Under the lock, so that nothing is forgotten between the comparison and the insertion.
        let asking = self.memory.asking();
        if asking.round != self.round {
            return;
        }
        match answer {
            Ok(Some(value)) => self.memory.known.insert(self.key.clone(), value.clone()),
            Ok(None) => self.memory.unknown.insert(self.key.clone(), ()),
            Err(_) => {}
        }
    }
}

impl<K, V> Drop for Asked<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn drop(&mut self) {
        let mut asking = self.memory.asking();
        if asking.round == self.round {
            asking.questions.remove(&self.key);
        }
    }
}

impl<K, V> fmt::Debug for Memory<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}
