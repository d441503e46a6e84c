//! The database: opened once, shared by every request.

use sqlx::{
    AnyPool, Executor,
    any::{AnyPoolOptions, install_default_drivers},
};

/// Readers of SQLite do not wait for the writer, and writers for each other.
const SQLITE: &str = "PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000";

/// Users and items in SQLite or Postgres; cheap to clone. What it does with them stands beside
/// their types, in `users.rs` and `items.rs`, in words that both databases understand.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) pool: AnyPool,
}

impl Store {
    /// Opens the database, creates a missing file, and brings the tables up to date.
    ///
    /// `url` is `sqlite::memory:`, `sqlite:PATH` or `postgres://USER@HOST/NAME`.
    ///
    /// # Errors
    /// The URL is none of these, or the database cannot be used.
    pub async fn open(url: &str) -> Result<Self, sqlx::Error> {
        install_default_drivers();
        let options = AnyPoolOptions::new();
        let pool = match url {
            // Each further connection would see an empty database of its own.
            "sqlite::memory:" => {
                let options = options.max_connections(1).min_connections(1);
                let for_ever = options.idle_timeout(None).max_lifetime(None);
                for_ever.connect(url).await?
            }
            file if file.starts_with("sqlite:") => {
                let options = options.max_connections(4).after_connect(|connection, _| {
                    Box::pin(async move { connection.execute(SQLITE).await.map(drop) })
                });
                options.connect(&format!("{file}?mode=rwc")).await?
            }
            server => options.max_connections(8).connect(server).await?,
        };
        let migrations = match url.starts_with("sqlite:") {
            true => sqlx::migrate!("migrations/sqlite"),
            false => sqlx::migrate!("migrations/postgres"),
        };
        migrations.run(&pool).await?;
        Ok(Self { pool })
    }
}

#[cfg(test)]
mod tests;
