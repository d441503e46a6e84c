//! The administration of API keys.

mod import;

pub use import::{ImportReport, KeyImport, KeyMistake};

use crate::{
    database::Database,
    error::StoreError,
    rows::{KeyFilter, KeyRecord, NewKey, json},
    store::{Store, now},
};
use palisade_core::{
    GeneratedKey, Principal, SystemEntropy, generate_key, limit::Quota, looks_like_milliseconds,
};
use sqlx::Executor;
use std::time::Duration;

/// How many keys one list holds at most.
const MAX_LIST: u32 = 1_000;

/// The API keys of a [`Store`]. What is changed here is seen by this process at once.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'s>(pub(crate) &'s Store);

impl Keys<'_> {
    /// Makes a key. The answer shows it once; only its digest is kept.
    ///
    /// # Errors
    /// A prefix that keys cannot begin with, an empty owner or scheme, a quota that cannot be kept; no database or
    /// randomness.
    pub async fn create(&self, key: NewKey) -> Result<GeneratedKey, StoreError> {
        check(&key)?;
        let made = generate_key(&key.prefix, &SystemEntropy)?;
        let row = Row::new(&made, key);
        let task = move |database: Database| async move { row.insert(database.pool()).await };
        self.0.node.run(task).await?;
        Ok(made)
    }

    /// The keys that fit, by id.
    ///
    /// # Errors
    /// No database.
    pub async fn list(&self, filter: KeyFilter) -> Result<Vec<KeyRecord>, StoreError> {
        let limit = filter.limit.unwrap_or(MAX_LIST).min(MAX_LIST);
        let task = move |database: Database| async move {
            let rows = sqlx::query(LIST)
                .bind(filter.scheme)
                .bind(filter.owner)
                .bind(filter.tenant)
                .bind(filter.active.map(i64::from))
                .bind(filter.after.unwrap_or_default())
                .bind(i64::from(limit))
                .fetch_all(database.pool())
                .await?;
            let records: Result<_, _> = rows.iter().map(KeyRecord::from_row).collect();
            Ok(records?)
        };
        self.0.node.run(task).await
    }

    /// The key of this id.
    ///
    /// # Errors
    /// There is none; no database.
    pub async fn find(&self, id: &str) -> Result<KeyRecord, StoreError> {
        let id = id.to_owned();
        self.0.node.run(|database| find(database, id)).await
    }

    /// Makes a key that takes the place of another: for the same owner, with the same rights and
    /// lifetime. The old one ends after `overlap`, unless it ends before.
    ///
    /// # Errors
    /// There is no key of this id, or it was revoked, has expired, or was replaced already; no
    /// database or randomness.
    pub async fn rotate(&self, id: &str, overlap: Duration) -> Result<GeneratedKey, StoreError> {
        let old = self.find(id).await?;
        let now = now();
        let expired = old.expires.is_some_and(|expires| expires <= unsigned(now));
        let fault = match &old.replaced_by {
            _ if !old.active => Some("was revoked".to_owned()),
            _ if expired => Some("has expired".to_owned()),
            Some(successor) => Some(format!("was replaced by {successor:?}")),
            None => None,
        };
        if let Some(fault) = fault {
            return Err(StoreError::Invalid(format!("the key {id:?} {fault}")));
        }
        let made = generate_key(&old.prefix, &SystemEntropy)?;
        let end = now.saturating_add(i64::try_from(overlap.as_secs()).unwrap_or(i64::MAX));
        let lifetime = old
            .expires
            .map(|expires| expires.saturating_sub(old.created));
        let row = Row::new(
            &made,
            NewKey {
                scheme: old.scheme,
                prefix: old.prefix,
                owner: old.owner,
                scopes: old.scopes,
                roles: old.roles,
                tenant: old.tenant,
                expires: lifetime.map(|lifetime| unsigned(now).saturating_add(lifetime)),
                note: old.note,
                quota: old.quota,
            },
        );
        let id = old.id;
        let task = move |database: Database| async move {
            let mut transaction = database.pool().begin().await?;
            let successor = row.id.clone();
            row.insert(&mut *transaction).await?;
            let replaced = sqlx::query(REPLACE).bind(&*id).bind(successor).bind(end);
            let replaced = replaced.execute(&mut *transaction).await?;
            if replaced.rows_affected() == 0 {
                let message = format!("the key {id:?} was replaced or revoked meanwhile");
                return Err(StoreError::Invalid(message));
            }
            Ok(transaction.commit().await?)
        };
        self.0.node.run(task).await?;
        Ok(made)
    }

    /// Takes a key back. It stays in the database, so that one can see that it was there.
    ///
    /// # Errors
    /// There is no key of this id; no database.
    pub async fn revoke(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        let task = move |database: Database| async move {
            let revoked = sqlx::query("UPDATE palisade_api_keys SET active = 0 WHERE id = $1")
                .bind(&*id)
                .execute(database.pool())
                .await?;
            match revoked.rows_affected() {
                0 => Err(StoreError::Missing {
                    kind: "key",
                    name: id,
                }),
                _ => Ok(()),
            }
        };
        self.0.node.run(task).await
    }

    /// Takes over keys of an earlier system, all or none.
    ///
    /// # Errors
    /// What [`KeyImport::mistakes`] finds; an id that another key has already; no database.
    pub async fn import(&self, keys: KeyImport) -> Result<ImportReport, StoreError> {
        keys.check()?;
        self.0.node.run_long(|database| keys.write(database)).await
    }
}

async fn find(database: Database, id: String) -> Result<KeyRecord, StoreError> {
    let row = sqlx::query(
        "SELECT id, scheme, prefix, legacy, owner, scopes, roles, tenant, expires, active, \
         created, last_used, replaced_by, note, quota FROM palisade_api_keys WHERE id = $1",
    )
    .bind(&*id)
    .fetch_optional(database.pool())
    .await?;
    let row = row.ok_or(StoreError::Missing {
        kind: "key",
        name: id,
    })?;
    Ok(KeyRecord::from_row(&row)?)
}

const LIST: &str = "SELECT id, scheme, prefix, legacy, owner, scopes, roles, tenant, expires, \
    active, created, last_used, replaced_by, note, quota FROM palisade_api_keys \
    WHERE (CAST($1 AS TEXT) IS NULL OR scheme = $1) AND (CAST($2 AS TEXT) IS NULL OR owner = $2) \
    AND (CAST($3 AS TEXT) IS NULL OR tenant = $3) \
    AND (CAST($4 AS BIGINT) IS NULL OR active = $4) AND id > $5 ORDER BY id LIMIT $6";

const REPLACE: &str = "UPDATE palisade_api_keys SET replaced_by = $2, \
    expires = CASE WHEN expires < $3 THEN expires ELSE $3 END \
    WHERE id = $1 AND active = 1 AND replaced_by IS NULL";

/// What of a key can be wrong before anybody is asked.
fn check(key: &NewKey) -> Result<(), StoreError> {
    check_scheme(&key.scheme, &key.prefix)?;
    if let Some(quota) = &key.quota {
        let kept = |quotas: Vec<Quota>| Principal::new("", "").quotas(&quotas);
        let unfit = |why| StoreError::Invalid(format!("the quota {why}"));
        Quota::parse_list(quota).and_then(kept).map_err(unfit)?;
    }
    if key.expires.is_some_and(looks_like_milliseconds) {
        let message = "the end is in milliseconds; give seconds since 1970";
        return Err(StoreError::Invalid(message.to_owned()));
    }
    match key.owner.is_empty() {
        true => Err(StoreError::Invalid("the owner is empty".to_owned())),
        false => Ok(()),
    }
}

fn check_scheme(scheme: &str, prefix: &str) -> Result<(), StoreError> {
    let mut letters = prefix.bytes();
    let letter = letters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase());
    let rest = letters.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !letter || !rest || !matches!(prefix.len(), 2..=10) {
        let right = "a letter and one to nine letters or digits in lower case are needed";
        return Err(StoreError::Invalid(format!("the prefix is none; {right}")));
    }
    match scheme.is_empty() {
        true => Err(StoreError::Invalid("the scheme is empty".to_owned())),
        false => Ok(()),
    }
}

/// A key that was just made, as it is inserted.
struct Row {
    id: String,
    digest: String,
    key: NewKey,
}

impl Row {
    fn new(made: &GeneratedKey, key: NewKey) -> Self {
        Self {
            id: made.id().to_owned(),
            digest: made.digest().to_owned(),
            key,
        }
    }

    /// Refuses a key that is there already: nothing draws the same one twice.
    async fn insert<'e>(
        self,
        executor: impl Executor<'e, Database = sqlx::Any>,
    ) -> Result<(), StoreError> {
        let key = self.key;
        let inserted = sqlx::query(
            "INSERT INTO palisade_api_keys (id, scheme, prefix, digest, owner, scopes, roles, \
             tenant, expires, created, note, quota) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
        )
        .bind(self.id)
        .bind(key.scheme)
        .bind(key.prefix)
        .bind(self.digest)
        .bind(key.owner)
        .bind(json(&key.scopes))
        .bind(json(&key.roles))
        .bind(key.tenant)
        .bind(key.expires.map(signed))
        .bind(now())
        .bind(key.note)
        .bind(key.quota)
        .execute(executor)
        .await?;
        match inserted.rows_affected() {
            0 => Err(StoreError::Invalid(
                "the source of randomness repeats itself".to_owned(),
            )),
            _ => Ok(()),
        }
    }
}

fn unsigned(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0)
}

fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
