//! The database: opened once, shared by every request.

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};

/// Users and items in SQLite; cheap to clone. What it does with them stands beside their types,
/// in `users.rs` and `items.rs`.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) pool: SqlitePool,
}

impl Store {
    /// Opens the database, creates a missing file, and brings the tables up to date.
    ///
    /// `url` is `sqlite::memory:` or `sqlite:PATH`.
    ///
    /// # Errors
    /// The URL is not one of SQLite's, or the file cannot be used.
    pub async fn open(url: &str) -> Result<Self, sqlx::Error> {
        let options = url.parse::<SqliteConnectOptions>()?.create_if_missing(true);
        let (options, connections) = match in_memory(url) {
            // Each further connection would see an empty database of its own.
            true => (options, 1),
            // Readers do not wait for the writer.
            false => (options.journal_mode(SqliteJournalMode::Wal), 4),
        };
        let pool = SqlitePoolOptions::new()
            .max_connections(connections)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await?;
        sqlx::migrate!().run(&pool).await?;
        Ok(Self { pool })
    }
}

/// Whether the URL means a database that ends with the process.
pub(crate) fn in_memory(url: &str) -> bool {
    url.contains(":memory:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_sqlite_can_be_opened() {
        assert!(Store::open("postgres://localhost/demo").await.is_err());
        assert!(Store::open("sqlite:/nonexistent/demo.db").await.is_err());
        assert!(Store::open("sqlite::memory:").await.is_ok());
    }
}
