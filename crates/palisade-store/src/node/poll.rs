//! What changed since it was last asked.

use super::Shared;
use crate::{database::Database, memory::Moment};
use sqlx::{Error, Row};
use std::sync::{Arc, Weak, atomic::Ordering};

/// More changes than this at once are taken as a change of everything.
const MAX_CHANGES: i64 = 1_000;

/// How many changes stay in the log: a node that has missed more forgets everything.
const KEPT_CHANGES: i64 = 10_000;

/// What remembers answers of the database.
pub(crate) trait Table: Send + Sync {
    /// Now, before the database is asked what changed.
    fn now(&self) -> Moment;

    /// Forgets these answers; what else it remembers was right at `moment`.
    fn forget(&self, changes: &Changes, moment: Moment);
}

/// What changed.
#[derive(Debug)]
pub(crate) enum Changes {
    /// Everything may have.
    All,
    /// These did; often none.
    These(Vec<Change>),
}

/// A row that was made, changed or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// The API key of this id.
    Key(String),
    /// The API key of this digest, which has no id.
    Legacy(String),
    /// The user of this name.
    User(String),
}

impl Shared {
    /// Asks what changed, and has it forgotten.
    pub(super) async fn poll(&self, database: &Database) -> Result<(), Error> {
        // One at a time: an older answer must not undo a newer one.
        let mut position = self.position.lock().await;
        let tables: Vec<Arc<_>> = self
            .lock_tables()
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        let moments: Vec<Moment> = tables.iter().map(|table| table.now()).collect();
        database.check_file(&self.location)?;
        let log = Log::read(database).await?;
        let (changes, reached) = log.since(*position, database).await?;
        self.legacy.store(log.legacy, Ordering::Relaxed);
        *position = Some(reached);
        for (table, moment) in tables.iter().zip(moments) {
            table.forget(&changes, moment);
        }
        Ok(())
    }

    /// Everything may have changed while nobody looked.
    pub(super) async fn lose_position(&self) {
        *self.position.lock().await = None;
    }
}

/// The ends of the log of changes.
struct Log {
    oldest: i64,
    newest: i64,
    legacy: bool,
}

impl Log {
    async fn read(database: &Database) -> Result<Self, Error> {
        let row = sqlx::query(
            "SELECT (SELECT MIN(version) FROM palisade_changes) AS oldest, \
             (SELECT MAX(version) FROM palisade_changes) AS newest, \
             (SELECT COUNT(*) FROM (SELECT 1 FROM palisade_api_keys WHERE legacy = 1 LIMIT 1) AS found) \
             AS legacy",
        )
        .fetch_one(database.pool())
        .await?;
        Ok(Self {
            oldest: row.try_get::<Option<i64>, _>("oldest")?.unwrap_or(0),
            newest: row.try_get::<Option<i64>, _>("newest")?.unwrap_or(0),
            legacy: row.try_get::<i64, _>("legacy")? > 0,
        })
    }

    /// What changed after `position`, and the version up to which it did.
    async fn since(
        &self,
        position: Option<i64>,
        database: &Database,
    ) -> Result<(Changes, i64), Error> {
        let all = (Changes::All, self.newest);
        let position = match position {
            Some(position) if position == self.newest => {
                return Ok((Changes::These(vec![]), position));
            }
            // Restored from a copy, or more was removed from the log than was read.
            Some(position) if position > self.newest || position < self.oldest - 1 => {
                return Ok(all);
            }
            Some(position) => position,
            None => return Ok(all),
        };
        let rows = sqlx::query(
            "SELECT version, kind, name FROM palisade_changes WHERE version > $1 \
             ORDER BY version LIMIT $2",
        )
        .bind(position)
        .bind(MAX_CHANGES + 1)
        .fetch_all(database.pool())
        .await?;
        if i64::try_from(rows.len()).unwrap_or(i64::MAX) > MAX_CHANGES {
            return Ok(all);
        }
        let mut reached = position;
        let mut changes = Vec::with_capacity(rows.len());
        for row in &rows {
            reached = row.try_get("version")?;
            let kind: String = row.try_get("kind")?;
            let name = row.try_get("name")?;
            changes.push(match kind.as_str() {
                "key" => Change::Key(name),
                "legacy" => Change::Legacy(name),
                "user" => Change::User(name),
                _ => return Ok(all),
            });
        }
        Ok((Changes::These(changes), reached))
    }
}

/// Shortens the log, a little at a time, so that nobody waits for it.
pub(super) async fn prune(database: &Database) -> Result<(), Error> {
    sqlx::query(
        "DELETE FROM palisade_changes \
         WHERE version <= (SELECT MAX(version) FROM palisade_changes) - $1 \
         AND version <= (SELECT MIN(version) FROM palisade_changes) + $2",
    )
    .bind(KEPT_CHANGES)
    .bind(KEPT_CHANGES)
    .execute(database.pool())
    .await?;
    Ok(())
}
