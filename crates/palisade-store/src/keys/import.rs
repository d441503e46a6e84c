//! Keys of an earlier system, which have no id: found by their digest alone.

use super::{Row, check};
use crate::{database::Database, error::StoreError, rows::NewKey};
use palisade_core::{ApiKeyEntry, StoredKey};
use std::sync::Arc;

/// How many digits of its digest name an imported key.
const NAME: usize = 16;

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

    pub(super) fn rows(self) -> Result<Vec<Row>, StoreError> {
        let issuer: Arc<str> = "".into();
        let row = |(index, entry): (usize, ApiKeyEntry)| {
            let of = |fault: String| StoreError::Invalid(format!("key {}: {fault}", index + 1));
            // Core reads both cases; one of them is stored.
            let digest = entry.digest.to_ascii_lowercase();
            StoredKey::new(&entry, &issuer)
                .map_err(|unfit| of(format!("{}: {}", unfit.key, unfit.message)))?;
            let scopes = match self.split_scopes {
                true => split(&entry.scopes),
                false => entry.scopes,
            };
            let legacy = entry.id.is_none();
            let key = NewKey {
                scheme: self.scheme.clone(),
                prefix: self.prefix.clone(),
                owner: entry.owner,
                scopes,
                roles: entry.roles,
                tenant: entry.tenant,
                expires: entry.expires,
                note: None,
                quota: entry.quota,
            };
            check(&key).map_err(|fault| of(fault.to_string()))?;
            let id = match entry.id {
                Some(id) if is_id(&id) => id,
                Some(_) => {
                    return Err(of(
                        "its id is none; 16 letters and digits are needed".to_owned()
                    ));
                }
                None => digest
                    .bytes()
                    .skip("sha256:".len())
                    .take(NAME)
                    .map(char::from)
                    .collect(),
            };
            Ok(Row {
                id,
                digest,
                legacy,
                active: entry.active,
                key,
            })
        };
        self.keys.into_iter().enumerate().map(row).collect()
    }
}

pub(super) async fn write(database: Database, rows: Vec<Row>) -> Result<ImportReport, StoreError> {
    let mut report = ImportReport::default();
    let mut transaction = database.pool().begin().await?;
    for row in rows {
        match row.insert_new(&mut *transaction).await? {
            true => report.added += 1,
            false => report.known += 1,
        }
    }
    transaction.commit().await?;
    Ok(report)
}

fn is_id(id: &str) -> bool {
    id.len() == NAME && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn split(scopes: &[String]) -> Vec<String> {
    let parts = scopes.iter().flat_map(|scope| scope.split(':'));
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}
