//! One open database: a pool of connections, and what both kinds do differently.

use crate::location::{Kind, Location};
use sqlx::{
    AnyConnection, AnyPool, Connection, Error, Executor, SqlSafeStr,
    any::{AnyPoolOptions, install_default_drivers},
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};
use std::{
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Look-ups are short; more connections would only wait for each other.
const CONNECTIONS: u32 = 4;

/// The version of the tables.
const NEWEST: i64 = 1;

/// An open database whose tables are up to date. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pool: AnyPool,
    kind: Kind,
    file: Option<Identity>,
    suspect: Arc<AtomicBool>,
}

impl Database {
    /// Opens the database and brings its tables up to date. `create`: a file that is missing is
    /// made, readable by its owner alone. `patience`: how long anybody waits for a connection;
    /// a look-up gives up before.
    pub(crate) async fn open(
        location: &Location,
        create: bool,
        patience: Duration,
    ) -> Result<Self, Error> {
        install_default_drivers();
        if let Some(file) = location.file()
            && create
        {
            create_file(file)?;
        }
        let file = location.file().map(Identity::of).transpose()?;
        let kind = location.kind();
        // The pool tries again until it gives up, and then cannot say what was wrong.
        AnyConnection::connect(location.reveal())
            .await?
            .close()
            .await?;
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(patience)
            // Whoever polls finds a dead connection; asking before each question costs as much
            // as the question.
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if kind == Kind::Sqlite {
                        connection.execute(SQLITE_SETTINGS).await?;
                    }
                    Ok(())
                })
            })
            .connect(location.reveal())
            .await?;
        let database = Self {
            pool,
            kind,
            file,
            suspect: Arc::default(),
        };
        // Two processes that open a new file at once both begin; the second finds it done.
        if !database.is_migrated().await && database.migrate().await.is_err() {
            let migrated = database.migrate().await;
            migrated.map_err(|error| match error {
                MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error,
                other => Error::Migrate(Box::new(other)),
            })?;
        }
        Ok(database)
    }

    pub(crate) fn pool(&self) -> &AnyPool {
        &self.pool
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// An open file that was moved away or replaced still answers, with what nobody changes any
    /// more.
    pub(crate) fn check_file(&self, location: &Location) -> Result<(), Error> {
        let Some(path) = location.file() else {
            return Ok(());
        };
        if Some(Identity::of(path)?) != self.file {
            return Err(io::Error::other("the file was replaced").into());
        }
        Ok(())
    }

    /// Takes note that a look-up failed, so that the database must be opened anew: connections
    /// that are open may know parts of a broken file by heart.
    pub(crate) fn suspect(&self) {
        self.suspect.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Relaxed)
    }

    /// Closes all connections, but waits no longer than this for one that hangs.
    pub(crate) async fn close(self, limit: Duration) {
        let _ = tokio::time::timeout(limit, self.pool.close()).await;
    }

    /// Whether the tables are there, perhaps with what a newer version added. Whoever may not
    /// make tables can then work with them.
    async fn is_migrated(&self) -> bool {
        let newest = sqlx::query_scalar("SELECT MAX(version) FROM palisade_migrations");
        let newest: Result<Option<i64>, _> = newest.fetch_one(&self.pool).await;
        newest.is_ok_and(|newest| newest >= Some(NEWEST))
    }

    async fn migrate(&self) -> Result<(), MigrateError> {
        let sql = match self.kind {
            Kind::Sqlite => include_str!("../migrations/sqlite/0001_keys_and_users.sql"),
            Kind::Postgres => include_str!("../migrations/postgres/0001_keys_and_users.sql"),
        };
        let migration = Migration::new(
            NEWEST,
            "keys and users".into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        );
        let mut migrator = Migrator::with_migrations(vec![migration]);
        // An application may keep migrations of its own in the same database.
        migrator.dangerous_set_table_name("palisade_migrations");
        migrator.run(&self.pool).await
    }
}

/// Write-ahead logging lets look-ups go on while somebody writes. A crash of the machine may
/// undo the last moments of writing, but breaks nothing (https://sqlite.org/pragma.html).
const SQLITE_SETTINGS: &str = "PRAGMA busy_timeout = 2000; PRAGMA journal_mode = WAL; \
                               PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;";

/// Which file stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity(Option<(u64, u64)>);

impl Identity {
    #[cfg(unix)]
    fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(path)?;
        Ok(Self(Some((metadata.dev(), metadata.ino()))))
    }

    /// Elsewhere an open file cannot be replaced.
    #[cfg(not(unix))]
    fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|_| Self(None))
    }
}

fn create_file(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
