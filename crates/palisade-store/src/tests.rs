//! Against real databases: SQLite in temporary folders, and a Postgres of their own.

mod faults;
mod keys;
mod nodes;
mod policies;
mod postgres;
mod server;
mod tls;
mod users;

use crate::{
    companion::{Accounts, SchemeKeys},
    location::Location,
    node::{Node, Pace},
    store::Store,
};
use palisade_core::{
    Clock, SourceError, StoredKey,
    companion::{Account, AccountStore, AccountTable, Answer, DatabaseUrl, KeyStore, KeyTable},
};
use server::PATIENCE;
use sqlx::{Any, pool::PoolConnection};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "palisade-store-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("keys.db")
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.file().display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One process with a view of its own.
fn node(url: &str) -> Arc<Node> {
    node_at(url, Pace::default())
}

/// One that asks at this pace, but waits patiently.
fn node_at(url: &str, pace: Pace) -> Arc<Node> {
    let patient = Pace {
        first_open: PATIENCE,
        open: PATIENCE,
        look_up: PATIENCE,
        ..pace
    };
    Node::new(Location::parse(url, None).unwrap(), patient)
}

async fn store(node: &Arc<Node>) -> Store {
    node.ready().await.unwrap();
    Store {
        node: Arc::clone(node),
    }
}

/// Keys whose clock stands still: what was confirmed once is trusted until it changes.
fn keys(node: &Arc<Node>, fresh: u64) -> SchemeKeys {
    keys_at(node, fresh, Arc::new(Manual::default()))
}

fn keys_at(node: &Arc<Node>, fresh: u64, clock: Arc<dyn Clock>) -> SchemeKeys {
    let source = KeyTable {
        scheme: "partners".to_owned(),
        url: DatabaseUrl::new("sqlite:unused"),
        folder: None,
        issuer: "palisade:api_key/partners".into(),
        freshness_seconds: fresh,
        cached_keys: 1_000,
        clock,
    };
    SchemeKeys::new(Arc::clone(node), source)
}

fn accounts(node: &Arc<Node>, fresh: u64) -> Accounts {
    let source = AccountTable {
        scheme: "services".to_owned(),
        url: DatabaseUrl::new("sqlite:unused"),
        folder: None,
        issuer: "palisade:basic/services".into(),
        freshness_seconds: fresh,
        clock: Arc::new(Manual::default()),
    };
    Accounts::new(Arc::clone(node), source)
}

type Found = Result<Option<Arc<StoredKey>>, SourceError>;

async fn look_up(keys: &SchemeKeys, id: &str) -> Found {
    settle(keys.by_id(id)).await
}

async fn settle(answer: Answer<Option<Arc<StoredKey>>>) -> Found {
    match answer {
        Answer::Known(known) => Ok(known),
        Answer::Ask(answer) => answer.await,
    }
}

/// Whether a key may be used, which only core's scheme judges, through `Debug`.
fn is_active(key: &StoredKey) -> bool {
    format!("{key:?}").contains("active: true")
}

async fn active(keys: &SchemeKeys, id: &str) -> bool {
    let key = look_up(keys, id).await.unwrap();
    key.is_some_and(|key| is_active(&key))
}

fn in_memory(keys: &SchemeKeys, id: &str) -> bool {
    matches!(keys.by_id(id), Answer::Known(_))
}

async fn account(accounts: &Accounts, name: &str) -> Option<Account> {
    accounts.by_name(name).await.unwrap()
}

/// Waits until something is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// All connections of a node: whoever asked for one before has let go of it, and as long as they
/// are held, nobody else gets an answer.
async fn connections(node: &Arc<Node>) -> Vec<PoolConnection<Any>> {
    let database = node.shared.database().await.unwrap();
    let mut held = Vec::new();
    for _ in 0..database.pool().options().get_max_connections() {
        held.push(database.pool().acquire().await.unwrap());
    }
    held
}

/// Another program that uses the file, such as `sqlite3`.
async fn other_program(file: &Path) -> sqlx::AnyConnection {
    use sqlx::Connection;
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", file.display());
    sqlx::AnyConnection::connect(&url).await.unwrap()
}

async fn execute(connection: &mut sqlx::AnyConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

/// A time that only the test moves.
#[derive(Debug, Default)]
struct Manual(AtomicU64);

impl Manual {
    fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds * 1_000_000_000, Relaxed);
    }
}

impl Clock for Manual {
    fn unix_millis(&self) -> u64 {
        self.0.load(Relaxed) / 1_000_000
    }

    fn monotonic_nanos(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What was logged about the database of this folder, by any thread.
fn logged(folder: &Folder, line: &str) -> usize {
    let log = LOG.lock().unwrap();
    let text = String::from_utf8_lossy(&log);
    let own = folder.file().display().to_string();
    let lines = text.lines().filter(|text| text.contains(&own));
    lines.filter(|text| text.contains(line)).count()
}

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Keeps what is logged from now on.
fn keep_log() {
    let log = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(|| Keep);
    // Another test may have begun to.
    let _ = log.try_init();
}

struct Keep;

impl std::io::Write for Keep {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
