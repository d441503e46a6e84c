//! One process's view of a database: opened once, watched in the background, shared by every
//! scheme and every [`Store`](crate::Store) that names it.

mod poll;
mod watch;

use crate::{
    database::Database,
    error::{StoreError, unavailable},
    location::Location,
    usage::Usage,
};
use palisade_core::SourceError;
use palisade_runtime::Background;
pub(crate) use poll::{Change, Changes, Table};
use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, watch as tokio_watch};

/// How long a task of administration may take, and one that moves very much.
const TASK: Duration = Duration::from_secs(30);
const LONG_TASK: Duration = Duration::from_secs(3600);

/// A database that this process uses. Once the last handle is dropped, what was noted is
/// written and the database is closed.
pub(crate) struct Node {
    pub(crate) shared: Arc<Shared>,
    pub(crate) background: Background,
}

/// How long a node waits for its database, and how often it asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How long opening the database for the first time may take: a new file has its tables made.
    pub(crate) first_open: Duration,
    /// How long opening it again may take.
    pub(crate) open: Duration,
    /// How long a look-up may take before the request is refused, with the wait for a connection.
    pub(crate) look_up: Duration,
    /// How often the database is asked for changes, unless a table has to be fresher.
    pub(crate) poll: Duration,
    /// How often times of use are written.
    pub(crate) write: Duration,
    /// How often the log of changes is shortened.
    pub(crate) prune: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_open: Duration::from_secs(30),
            open: Duration::from_secs(5),
            look_up: Duration::from_secs(2),
            poll: Duration::from_millis(2_500),
            write: Duration::from_secs(3),
            prune: Duration::from_secs(60),
        }
    }
}

/// What the background works with; it must not hold its own [`Background`].
pub(crate) struct Shared {
    location: Location,
    pace: Pace,
    state: tokio_watch::Sender<State>,
    /// Who remembers answers.
    tables: Mutex<Vec<Weak<dyn Table>>>,
    /// The version up to which all changes were seen; `None`: everything may have changed.
    position: tokio::sync::Mutex<Option<i64>>,
    /// How often the database is asked for changes.
    poll_millis: AtomicU64,
    /// Asks for changes now.
    wake: Notify,
    /// Whether there may be keys without an id.
    legacy: AtomicBool,
    pub(crate) usage: Usage,
}

/// Whether the database can be asked.
enum State {
    /// Nobody knows yet.
    Opening,
    Open(Database),
    Down(SourceError),
}

/// What this process has open.
static OPEN: Mutex<Vec<Weak<Node>>> = Mutex::new(Vec::new());

impl Node {
    /// The database at this place: the one that is open, so that a change made here is seen
    /// here at once, or a new one.
    pub(crate) fn at(location: Location) -> Arc<Self> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|node| node.strong_count() > 0);
        let mut live = open.iter().filter_map(Weak::upgrade);
        if let Some(node) = live.find(|node| node.shared.location.is(&location)) {
            return node;
        }
        let node = Self::new(location, Pace::default());
        open.push(Arc::downgrade(&node));
        node
    }

    /// A view of its own, as another process would have.
    pub(crate) fn new(location: Location, pace: Pace) -> Arc<Self> {
        let shared = Arc::new(Shared {
            location,
            pace,
            state: tokio_watch::Sender::new(State::Opening),
            tables: Mutex::default(),
            position: tokio::sync::Mutex::new(None),
            poll_millis: AtomicU64::new(millis(pace.poll)),
            wake: Notify::new(),
            legacy: AtomicBool::new(true),
            usage: Usage::default(),
        });
        let background = Background::new("palisade-store");
        let watched = Arc::clone(&shared);
        background.spawn_finishing(|stopping| watch::watch(watched, stopping));
        Arc::new(Self { shared, background })
    }

    /// Keeps what `table` remembers in step with the database from now on.
    pub(crate) fn keep_fresh(&self, table: Weak<dyn Table>, fresh_seconds: u64) {
        let mut tables = self.shared.lock_tables();
        tables.retain(|table| table.strong_count() > 0);
        tables.push(table);
        drop(tables);
        // Twice as often as promised, so that a slow answer does not break the promise.
        let poll = fresh_seconds.saturating_mul(500).max(250);
        self.shared.poll_millis.fetch_min(poll, Ordering::Relaxed);
        self.shared.wake.notify_one();
    }

    /// Does a task of administration in the background, and sees at once what it changed.
    pub(crate) async fn run<T, F>(
        &self,
        task: impl FnOnce(Database) -> F + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send,
    {
        self.run_within(TASK, task).await
    }

    /// Does a task that may take long.
    pub(crate) async fn run_long<T, F>(
        &self,
        task: impl FnOnce(Database) -> F + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send,
    {
        self.run_within(LONG_TASK, task).await
    }

    async fn run_within<T, F>(
        &self,
        limit: Duration,
        task: impl FnOnce(Database) -> F + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send,
    {
        let shared = Arc::clone(&self.shared);
        let work = async move {
            let database = shared.database().await?;
            let done = tokio::time::timeout(limit, task(database.clone())).await;
            let done = done.unwrap_or_else(|_| Err(no_answer(limit).into()));
            // Also after a failure, which may have come after the change. If the changes cannot
            // be read, nothing is trusted for longer than promised anyway. A connection that hangs
            // must not keep the watch from asking by another.
            let patience = shared.pace.look_up;
            let polled = tokio::time::timeout(patience, shared.poll(&database)).await;
            if !matches!(polled, Ok(Ok(()))) {
                shared.wake.notify_one();
            }
            Ok(done)
        };
        self.background.ask("the database", work).await?
    }

    /// Ready once the database was opened, or could not be.
    pub(crate) async fn ready(&self) -> Result<(), SourceError> {
        self.shared.database().await.map(drop)
    }
}

impl Shared {
    /// The open database; waits only while nobody knows yet whether it can be opened.
    pub(crate) async fn database(&self) -> Result<Database, SourceError> {
        let mut state = self.state.subscribe();
        let known = state.wait_for(|state| !matches!(state, State::Opening));
        let closed = || SourceError::new("the database", "it was closed");
        match &*known.await.map_err(|_| closed())? {
            State::Open(database) => Ok(database.clone()),
            State::Down(error) => Err(error.clone()),
            State::Opening => Err(closed()),
        }
    }

    /// Asks the database something short. A failure makes the watch open it anew.
    pub(crate) async fn look_up<T, F>(
        &self,
        question: impl FnOnce(Database) -> F,
    ) -> Result<T, SourceError>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let work = async {
            let database = self.database().await?;
            question(database.clone()).await.map_err(|error| {
                if is_failure(&error) {
                    database.suspect();
                    self.wake.notify_one();
                }
                unavailable(&error)
            })
        };
        let limit = self.pace.look_up;
        let answer = tokio::time::timeout(limit, work).await;
        answer.unwrap_or_else(|_| Err(no_answer(limit)))
    }

    /// Whether there may be keys without an id.
    pub(crate) fn has_legacy_keys(&self) -> bool {
        self.legacy.load(Ordering::Relaxed)
    }

    fn lock_tables(&self) -> std::sync::MutexGuard<'_, Vec<Weak<dyn Table>>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an error is the database's own, not that of a question too many.
fn is_failure(error: &sqlx::Error) -> bool {
    use sqlx::Error::{Database, Io, Protocol, Tls, WorkerCrashed};
    matches!(
        error,
        Database(_) | Io(_) | Protocol(_) | Tls(_) | WorkerCrashed
    )
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn no_answer(after: Duration) -> SourceError {
    let seconds = after.as_secs();
    SourceError::new("the database", format!("no answer within {seconds} s"))
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.shared.location).finish()
    }
}
