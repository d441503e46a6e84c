//! Threads of their own for hashing: a login flood may take the cores it is given, never the
//! threads that serve requests, and never more memory than so many hashes at once.

use crate::ports::SourceError;
use futures_channel::oneshot;
use std::{
    collections::VecDeque,
    fmt,
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
};

/// How many may wait for a thread; whoever comes then is refused with 503.
const MAX_WAITING: usize = 64;

/// A few threads, started when they are first needed.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    max_threads: usize,
    max_waiting: usize,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Box<dyn Work>>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Pool {
    pub(crate) fn new(max_threads: usize, max_waiting: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                wake: Condvar::new(),
            }),
            max_threads,
            max_waiting,
        }
    }

    /// The pool of this process: as many threads as cores, whatever number of policies.
    pub(crate) fn shared() -> &'static Self {
        static POOL: OnceLock<Pool> = OnceLock::new();
        POOL.get_or_init(|| {
            let cores = thread::available_parallelism().map_or(1, NonZero::get);
            Pool::new(cores, MAX_WAITING)
        })
    }

    /// Does the work on a thread of the pool. Work that nobody waits for any more when its turn
    /// comes is not done.
    ///
    /// # Errors
    /// Too many wait already, or there is no thread.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, SourceError>> + Send + 'static {
        let (answer, waiting) = oneshot::channel();
        let queued = self.queue(Box::new(Task { work, answer }));
        async move {
            queued?;
            waiting.await.map_err(|_| unavailable("it broke off"))
        }
    }

    fn queue(&self, work: Box<dyn Work>) -> Result<(), SourceError> {
        let mut state = self.shared.lock();
        if state.waiting.len() >= self.max_waiting {
            state.waiting.retain(|work| work.is_wanted());
        }
        if state.waiting.len() >= self.max_waiting {
            return Err(unavailable("too many wait for it"));
        }
        if state.idle <= state.waiting.len() && state.threads < self.max_threads {
            let shared = Arc::clone(&self.shared);
            let started = thread::Builder::new()
                .name("palisade-password".to_owned())
                .spawn(move || shared.serve());
            match started {
                Ok(_) => state.threads += 1,
                Err(_) if state.threads > 0 => {}
                Err(why) => return Err(unavailable(&format!("no thread starts: {why}"))),
            }
        }
        state.waiting.push_back(work);
        self.shared.wake.notify_one();
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each thread does until the pool is dropped.
    fn serve(&self) {
        let mut state = self.lock();
        while !state.closed {
            let Some(work) = state.waiting.pop_front() else {
                state.idle += 1;
                state = self
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            };
            drop(state);
            if work.is_wanted() {
                // Whoever waits for it learns that it broke off; the thread goes on.
                let _ = catch_unwind(AssertUnwindSafe(|| work.run()));
            }
            state = self.lock();
        }
    }
}

/// Something to do, and somebody who waits for it.
trait Work: Send {
    fn is_wanted(&self) -> bool;
    fn run(self: Box<Self>);
}

struct Task<T, F> {
    work: F,
    answer: oneshot::Sender<T>,
}

impl<T: Send, F: FnOnce() -> T + Send> Work for Task<T, F> {
    fn is_wanted(&self) -> bool {
        !self.answer.is_canceled()
    }

    fn run(self: Box<Self>) {
        let done = (self.work)();
        // Nobody may wait any more.
        let _ = self.answer.send(done);
    }
}

fn unavailable(reason: &str) -> SourceError {
    SourceError::new("password hashing", reason)
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("max_threads", &self.max_threads)
            .field("max_waiting", &self.max_waiting)
            .finish_non_exhaustive()
    }
}
