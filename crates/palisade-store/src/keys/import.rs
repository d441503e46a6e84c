//! Keys of an earlier system, which have no id: found by their digest alone.

use super::{check_scheme, signed};
use crate::{database::Database, error::StoreError, location::Kind, rows::json, store::now};
use palisade_core::{ApiKeyEntry, StoredKey, looks_like_milliseconds};
use serde_json::{Value, json};
use std::{collections::HashSet, sync::Arc};

/// How many digits of its digest name an imported key.
const NAME: usize = 16;

/// How many keys one statement writes.
const BATCH: usize = 5_000;

/// How many mistakes one error names.
const MOST_NAMED: usize = 100;

/// Keys to be imported. Of each only `sha256:` and its SHA-256 is needed.
///
/// ```
/// use palisade_core::ApiKeyEntry;
/// use palisade_store::KeyImport;
///
/// let digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
/// let keys = KeyImport::new("partners", "shop")
///     .key(ApiKeyEntry::new("service1", digest).scopes(["read:write"]))
///     .split_scopes(true); // read, write
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct KeyImport {
    /// The scheme they are for: `partners` in `[api_key.partners]`.
    pub scheme: String,
    /// What the keys begin with that take their place one day.
    pub prefix: String,
    /// The keys.
    pub keys: Vec<ApiKeyEntry>,
    /// Whether a colon separates scopes: `read:write` is `read` and `write`. Default false.
    pub split_scopes: bool,
}

/// Why a key cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyMistake {
    /// The key's place in [`KeyImport::keys`], from 0.
    pub index: usize,
    /// What is wrong, and what would be right; nothing of the key itself.
    pub message: String,
}

/// What came of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ImportReport {
    /// How many keys are new.
    pub added: u64,
    /// How many were there already, and stayed as they were.
    pub known: u64,
}

impl KeyImport {
    /// No keys yet, for `scheme`.
    pub fn new(scheme: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self {
            scheme: scheme.into(),
            prefix: prefix.into(),
            keys: Vec::new(),
            split_scopes: false,
        }
    }

    /// Adds a key.
    #[must_use]
    pub fn key(mut self, key: ApiKeyEntry) -> Self {
        self.keys.push(key);
        self
    }

    /// Says whether a colon separates scopes.
    #[must_use]
    pub fn split_scopes(mut self, split: bool) -> Self {
        self.split_scopes = split;
        self
    }

    /// Everything that is wrong with the keys, as far as that shows without the database. One
    /// mistake is enough to refuse all of them.
    pub fn mistakes(&self) -> Vec<KeyMistake> {
        let issuer: Arc<str> = "".into();
        let (mut digests, mut ids) = (HashSet::new(), HashSet::new());
        let mut mistakes = Vec::new();
        for (index, key) in self.keys.iter().enumerate() {
            let mut found = |message: &str| {
                let message = message.to_owned();
                mistakes.push(KeyMistake { index, message });
            };
            match StoredKey::new(key, &issuer) {
                // What core says of a quota repeats it, and a list may have anything in any field.
                Err(unfit) if unfit.key == "quota" => found(
                    "its quota is none; one to four are needed, such as `10/second; 1000/day`",
                ),
                Err(unfit) => found(&format!("its {} {}", unfit.key, unfit.message)),
                Ok(_) if !digests.insert(key.digest.to_ascii_lowercase()) => {
                    found("it is the same key as one before it");
                }
                Ok(_) => {}
            }
            match &key.id {
                Some(id) if !is_id(id) => {
                    found("its id is none; 16 letters and digits are needed");
                }
                Some(id) if !ids.insert(id) => found("its id is that of a key before it"),
                _ => {}
            }
            if key.expires.is_some_and(looks_like_milliseconds) {
                found("its expires is in milliseconds; give seconds since 1970");
            }
            if key.owner.is_empty() {
                found("its owner is empty");
            }
            let mut names = key.scopes.iter().chain(&key.roles);
            if names.any(|name| name.is_empty() || name.contains([',', ' '])) {
                found("one of its scopes or roles holds a comma or a space; list each by itself");
            }
            if texts(key).any(|text| text.contains('\0')) {
                found("it holds a zero byte, which databases do not keep");
            }
        }
        mistakes
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        check_scheme(&self.scheme, &self.prefix)?;
        let mistakes = self.mistakes();
        let named = mistakes.iter().take(MOST_NAMED);
        let lines = named.map(|one| format!("key {}: {}", one.index + 1, one.message));
        match mistakes.is_empty() {
            true => Ok(()),
            false => Err(StoreError::Invalid(lines.collect::<Vec<_>>().join("\n"))),
        }
    }

    /// Writes all of the keys or none, many with each statement.
    pub(super) async fn write(mut self, database: Database) -> Result<ImportReport, StoreError> {
        let (insert, same_id) = match database.kind() {
            Kind::Sqlite => (SQLITE_INSERT, SQLITE_SAME_ID),
            Kind::Postgres => (POSTGRES_INSERT, POSTGRES_SAME_ID),
        };
        // In the order of the table, neighbours go to the same page.
        let order = |key: &ApiKeyEntry, other: &ApiKeyEntry| {
            (&key.id, &key.digest).cmp(&(&other.id, &other.digest))
        };
        self.keys.sort_unstable_by(order);
        let mut report = ImportReport::default();
        let mut taken: Vec<String> = Vec::new();
        let mut transaction = database.pool().begin().await?;
        for batch in self.keys.chunks(BATCH) {
            let list: Value = batch.iter().map(|key| self.row(key)).collect();
            let list = list.to_string();
            let inserted = sqlx::query(insert).bind(&*list).bind(now());
            let added = inserted.execute(&mut *transaction).await?.rows_affected();
            let all = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            report.added += added;
            report.known += all.saturating_sub(added);
            if added < all {
                let ids = sqlx::query_scalar(same_id).bind(list);
                taken.extend(ids.fetch_all(&mut *transaction).await?);
            }
        }
        if !taken.is_empty() {
            taken.truncate(MOST_NAMED);
            let ids = taken.join(", ");
            let message = format!("other keys have these ids already: {ids}");
            return Err(StoreError::Invalid(message));
        }
        transaction.commit().await?;
        Ok(report)
    }

    fn row(&self, key: &ApiKeyEntry) -> Value {
        // Core reads both cases; one of them is stored.
        let digest = key.digest.to_ascii_lowercase();
        let scopes = match self.split_scopes {
            true => json(&split(&key.scopes)),
            false => json(&key.scopes),
        };
        json!({
            "id": key.id.clone().unwrap_or_else(|| name_of(&digest)),
            "scheme": self.scheme,
            "prefix": self.prefix,
            "digest": digest,
            "legacy": i64::from(key.id.is_none()),
            "owner": key.owner,
            "scopes": scopes,
            "roles": json(&key.roles),
            "tenant": key.tenant,
            "expires": key.expires.map(signed),
            "active": i64::from(key.active),
            "quota": key.quota,
        })
    }
}

/// A row that is there already, by its digest or its id, is left alone.
const SQLITE_INSERT: &str = "INSERT INTO palisade_api_keys \
    (id, scheme, prefix, digest, legacy, owner, scopes, roles, tenant, expires, active, quota, created) \
    SELECT value ->> 'id', value ->> 'scheme', value ->> 'prefix', value ->> 'digest', \
    value ->> 'legacy', value ->> 'owner', value ->> 'scopes', value ->> 'roles', \
    value ->> 'tenant', value ->> 'expires', value ->> 'active', value ->> 'quota', $2 \
    FROM json_each($1) WHERE true ON CONFLICT DO NOTHING";

const POSTGRES_INSERT: &str = "INSERT INTO palisade_api_keys \
    (id, scheme, prefix, digest, legacy, owner, scopes, roles, tenant, expires, active, quota, created) \
    SELECT n.id, n.scheme, n.prefix, n.digest, n.legacy, n.owner, n.scopes, n.roles, n.tenant, \
    n.expires, n.active, n.quota, $2 \
    FROM jsonb_to_recordset(CAST($1 AS JSONB)) AS n (id TEXT, scheme TEXT, prefix TEXT, \
    digest TEXT, legacy INTEGER, owner TEXT, scopes TEXT, roles TEXT, tenant TEXT, \
    expires BIGINT, active INTEGER, quota TEXT) ON CONFLICT DO NOTHING";

/// The ids that belong to keys with other digests.
const SQLITE_SAME_ID: &str = "SELECT k.id FROM json_each($1) AS n \
    JOIN palisade_api_keys AS k ON k.id = n.value ->> 'id' \
    WHERE k.digest <> n.value ->> 'digest' ORDER BY k.id";

const POSTGRES_SAME_ID: &str = "SELECT k.id \
    FROM jsonb_to_recordset(CAST($1 AS JSONB)) AS n (id TEXT, digest TEXT) \
    JOIN palisade_api_keys AS k ON k.id = n.id WHERE k.digest <> n.digest ORDER BY k.id";

fn texts(key: &ApiKeyEntry) -> impl Iterator<Item = &String> {
    let lists = key.scopes.iter().chain(&key.roles);
    lists
        .chain(&key.tenant)
        .chain(&key.quota)
        .chain([&key.owner])
}

fn is_id(id: &str) -> bool {
    id.len() == NAME && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The name of a key without an id.
fn name_of(digest: &str) -> String {
    let digits = digest.chars().skip("sha256:".len());
    digits.take(NAME).collect()
}

fn split(scopes: &[String]) -> Vec<String> {
    let parts = scopes.iter().flat_map(|scope| scope.split(':'));
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}
