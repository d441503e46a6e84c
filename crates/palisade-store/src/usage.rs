//! When each key was last used: collected in memory, written by somebody else, many at a time.

use crate::{database::Database, location::Kind};
use sqlx::Error;
use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher, RandomState},
    str,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// How many keys one statement writes.
const BATCH: usize = 5_000;

/// How many keys a shard notes between two writings; only good keys get here, and over it the
/// times of further ones are lost, and counted.
const MAX_NOTED: usize = 65_536;

/// Requests of different keys rarely meet in one of these.
const SHARDS: usize = 16;

/// The id of a key.
pub(crate) type KeyId = [u8; 16];

type Noted = HashMap<KeyId, u64>;

/// The times that are not written yet.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    hasher: RandomState,
    shards: [Mutex<Noted>; SHARDS],
    lost: AtomicU64,
}

impl Usage {
    /// Notes that a key was used.
    pub(crate) fn note(&self, id: KeyId, unix_seconds: u64) {
        let Some(mut noted) = self.shard(&id) else {
            return;
        };
        let full = noted.len() >= MAX_NOTED;
        match noted.entry(id) {
            Entry::Occupied(mut last) => {
                let last = last.get_mut();
                *last = unix_seconds.max(*last);
            }
            Entry::Vacant(_) if full => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
            Entry::Vacant(first) => {
                first.insert(unix_seconds);
            }
        }
    }

    /// Whether everything is written.
    pub(crate) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| lock(shard).is_empty())
    }

    /// How many times were lost since this was asked last.
    pub(crate) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    /// Writes what was noted. What could not be written stays noted, also if the writing is cut
    /// off.
    pub(crate) async fn write(&self, database: &Database) -> Result<(), Error> {
        for shard in &self.shards {
            let noted: Vec<_> = lock(shard).iter().map(|(id, time)| (*id, *time)).collect();
            for batch in noted.chunks(BATCH) {
                write(batch, database).await?;
                let mut shard = lock(shard);
                for (id, time) in batch {
                    // Used again meanwhile: that is still to be written.
                    if shard.get(id) == Some(time) {
                        shard.remove(id);
                    }
                }
            }
        }
        Ok(())
    }

    fn shard(&self, id: &KeyId) -> Option<MutexGuard<'_, Noted>> {
        let hash = usize::try_from(self.hasher.hash_one(id) & 0xffff).unwrap_or_default();
        self.shards.get(hash % SHARDS).map(lock)
    }
}

fn lock(shard: &Mutex<Noted>) -> MutexGuard<'_, Noted> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn write(batch: &[(KeyId, u64)], database: &Database) -> Result<(), Error> {
    let times: serde_json::Map<_, _> = batch
        .iter()
        .filter_map(|(id, time)| Some((str::from_utf8(id).ok()?.to_owned(), (*time).into())))
        .collect();
    let sql = match database.kind() {
        Kind::Sqlite => SQLITE,
        Kind::Postgres => POSTGRES,
    };
    let times = serde_json::Value::Object(times).to_string();
    sqlx::query(sql)
        .bind(times)
        .execute(database.pool())
        .await?;
    Ok(())
}

const SQLITE: &str = "UPDATE palisade_api_keys AS k SET last_used = noted.value \
    FROM json_each($1) AS noted \
    WHERE k.id = noted.key AND (k.last_used IS NULL OR k.last_used < noted.value)";

/// In the order of ids, so that two nodes never wait for each other's rows in a circle.
const POSTGRES: &str = "WITH noted AS MATERIALIZED ( \
        SELECT k.id, CAST(n.value AS BIGINT) AS time \
        FROM palisade_api_keys AS k \
        JOIN jsonb_each_text(CAST($1 AS JSONB)) AS n ON n.key = k.id \
        WHERE k.last_used IS NULL OR k.last_used < CAST(n.value AS BIGINT) \
        ORDER BY k.id FOR UPDATE OF k) \
    UPDATE palisade_api_keys AS k SET last_used = noted.time FROM noted WHERE k.id = noted.id";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_time_counts_and_the_number_of_keys_is_bounded() {
        let usage = Usage::default();
        let id = *b"0123456789abcdef";
        usage.note(id, 7);
        usage.note(id, 5);
        assert_eq!(usage.shard(&id).unwrap().get(&id), Some(&7));

        for number in 0..SHARDS * MAX_NOTED + 100_000 {
            let id = format!("{number:016}");
            usage.note(id.as_bytes().try_into().unwrap(), 1);
        }
        let noted: usize = usage.shards.iter().map(|shard| lock(shard).len()).sum();
        assert!(noted <= SHARDS * MAX_NOTED);
        assert_eq!(
            usage.take_lost(),
            (SHARDS * MAX_NOTED + 100_001 - noted) as u64
        );
        assert_eq!(usage.take_lost(), 0);
    }
}
