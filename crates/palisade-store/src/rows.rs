//! Keys and users as they are stored.

use crate::store::unreadable;
use palisade_core::{ApiKeyEntry, Principal, PrincipalKind, SourceError, companion::Account};
use sqlx::{Error, Row, any::AnyRow};
use std::{fmt, sync::Arc};

/// A key to be made. Without more it has no scopes, no roles and no end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewKey {
    /// The scheme it is for: `partners` in `[api_key.partners]`.
    pub scheme: String,
    /// What it begins with: the `prefix` of that scheme, `[a-z][a-z0-9]{1,9}`.
    pub prefix: String,
    /// The subject of the principal.
    pub owner: String,
    /// Its scopes.
    pub scopes: Vec<String>,
    /// Its roles.
    pub roles: Vec<String>,
    /// Its tenant.
    pub tenant: Option<String>,
    /// Seconds since 1970-01-01T00:00:00Z from which it is refused.
    pub expires: Option<u64>,
    /// A remark for those who administer keys.
    pub note: Option<String>,
    /// Its own quota beside the limits of the policy, such as `10/second; 1000/day`; at most four.
    pub quota: Option<String>,
}

/// A key, as the database has it; nothing of its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyRecord {
    /// Its id. Of an imported key, which has none: the first 16 digits of its digest.
    pub id: String,
    /// The scheme it is for.
    pub scheme: String,
    /// What it begins with; for an imported key, what its successor begins with.
    pub prefix: String,
    /// Whether it was imported from an earlier system.
    pub legacy: bool,
    /// The subject of the principal.
    pub owner: String,
    /// Its scopes.
    pub scopes: Vec<String>,
    /// Its roles.
    pub roles: Vec<String>,
    /// Its tenant.
    pub tenant: Option<String>,
    /// Seconds since 1970 from which it is refused.
    pub expires: Option<u64>,
    /// False once it was revoked.
    pub active: bool,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it was last used, in seconds since 1970; a few seconds late.
    pub last_used: Option<u64>,
    /// The id of the key that took its place.
    pub replaced_by: Option<String>,
    /// A remark.
    pub note: Option<String>,
    /// Its own quota.
    pub quota: Option<String>,
}

/// Which keys to list: all that fit every field that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyFilter {
    /// Those of this scheme.
    pub scheme: Option<String>,
    /// Those of this owner.
    pub owner: Option<String>,
    /// Those of this tenant.
    pub tenant: Option<String>,
    /// Those that are active, or those that were revoked.
    pub active: Option<bool>,
    /// Those whose ids come after this one: the last of the page before.
    pub after: Option<String>,
    /// So many at most. `None`: 1,000.
    pub limit: Option<u32>,
}

/// A user to be made.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewUser {
    /// The name, without a colon (RFC 7617 §2).
    pub name: String,
    /// The password's hash as a PHC string; core's `password::hash` makes one.
    pub password_hash: String,
    /// Its scopes.
    pub scopes: Vec<String>,
    /// Its roles.
    pub roles: Vec<String>,
    /// Its tenant.
    pub tenant: Option<String>,
}

/// A user, as the database has it, without the password's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserRecord {
    /// The name.
    pub name: String,
    /// Its scopes.
    pub scopes: Vec<String>,
    /// Its roles.
    pub roles: Vec<String>,
    /// Its tenant.
    pub tenant: Option<String>,
    /// Whether it may be used.
    pub active: bool,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it was last changed, in seconds since 1970.
    pub changed: u64,
}

impl NewKey {
    /// A key of `scheme` that begins with `prefix` and speaks for `owner`.
    pub fn new(
        scheme: impl Into<String>,
        prefix: impl Into<String>,
        owner: impl Into<String>,
    ) -> Self {
        Self {
            scheme: scheme.into(),
            prefix: prefix.into(),
            owner: owner.into(),
            scopes: Vec::new(),
            roles: Vec::new(),
            tenant: None,
            expires: None,
            note: None,
            quota: None,
        }
    }

    /// Gives it scopes.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Gives it roles.
    #[must_use]
    pub fn roles<R: Into<String>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Says which tenant it belongs to.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Says when it ends, in seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn expires(mut self, unix_seconds: u64) -> Self {
        self.expires = Some(unix_seconds);
        self
    }

    /// Adds a remark.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Gives it a quota of its own.
    #[must_use]
    pub fn quota(mut self, quota: impl Into<String>) -> Self {
        self.quota = Some(quota.into());
        self
    }
}

impl KeyFilter {
    /// The keys of this scheme.
    pub fn of_scheme(scheme: impl Into<String>) -> Self {
        Self {
            scheme: Some(scheme.into()),
            ..Self::default()
        }
    }

    /// Only those of this owner.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Only those of this tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Only those that are active, or only those that are not.
    #[must_use]
    pub fn active(mut self, active: bool) -> Self {
        self.active = Some(active);
        self
    }

    /// Only those after this id.
    #[must_use]
    pub fn after(mut self, id: impl Into<String>) -> Self {
        self.after = Some(id.into());
        self
    }

    /// At most so many.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }
}

impl NewUser {
    /// The user `name`, whose password has this hash (a PHC string).
    pub fn new(name: impl Into<String>, password_hash: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            password_hash: password_hash.into(),
            scopes: Vec::new(),
            roles: Vec::new(),
            tenant: None,
        }
    }

    /// Gives it scopes.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Gives it roles.
    #[must_use]
    pub fn roles<R: Into<String>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Says which tenant it belongs to.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser")
            .field("name", &self.name)
            .field("scopes", &self.scopes)
            .field("roles", &self.roles)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

impl KeyRecord {
    pub(crate) fn from_row(row: &AnyRow) -> Result<Self, Error> {
        Ok(Self {
            id: row.try_get("id")?,
            scheme: row.try_get("scheme")?,
            prefix: row.try_get("prefix")?,
            legacy: flag(row, "legacy")?,
            owner: row.try_get("owner")?,
            scopes: names(row, "scopes")?,
            roles: names(row, "roles")?,
            tenant: row.try_get("tenant")?,
            expires: row.try_get::<Option<i64>, _>("expires")?.map(seconds),
            active: flag(row, "active")?,
            created: seconds(row.try_get("created")?),
            last_used: row.try_get::<Option<i64>, _>("last_used")?.map(seconds),
            replaced_by: row.try_get("replaced_by")?,
            note: row.try_get("note")?,
            quota: row.try_get("quota")?,
        })
    }
}

impl UserRecord {
    pub(crate) fn from_row(row: &AnyRow) -> Result<Self, Error> {
        Ok(Self {
            name: row.try_get("name")?,
            scopes: names(row, "scopes")?,
            roles: names(row, "roles")?,
            tenant: row.try_get("tenant")?,
            active: flag(row, "active")?,
            created: seconds(row.try_get("created")?),
            changed: seconds(row.try_get("changed")?),
        })
    }
}

/// What core needs of a key; an imported one goes by the beginning of its digest.
pub(crate) fn key_entry(row: &AnyRow) -> Result<ApiKeyEntry, Error> {
    let owner: String = row.try_get("owner")?;
    let digest: String = row.try_get("digest")?;
    let id: String = row.try_get("id")?;
    let mut entry = ApiKeyEntry::new(owner, digest).id(id);
    entry.scopes = names(row, "scopes")?;
    entry.roles = names(row, "roles")?;
    entry.tenant = row.try_get("tenant")?;
    entry.expires = row.try_get::<Option<i64>, _>("expires")?.map(seconds);
    entry.active = flag(row, "active")?;
    entry.quota = row.try_get("quota")?;
    Ok(entry)
}

/// What core needs of a user, for whom `issuer` vouches.
pub(crate) fn account(row: &AnyRow, issuer: &Arc<str>) -> Result<Account, Error> {
    let user = UserRecord::from_row(row)?;
    let hash: String = row.try_get("password_hash")?;
    let mut principal = Principal::new(Arc::clone(issuer), user.name.as_str())
        .kind(PrincipalKind::Client)
        .scopes(&user.scopes)
        .roles(&user.roles);
    if let Some(tenant) = user.tenant {
        principal = principal.tenant(tenant);
    }
    Ok(Account {
        password_hash: hash.into(),
        principal,
        active: user.active,
    })
}

/// A list as the database has it.
pub(crate) fn json(names: &[String]) -> String {
    serde_json::Value::from(names).to_string()
}

fn names(row: &AnyRow, column: &'static str) -> Result<Vec<String>, Error> {
    let text: String = row.try_get(column)?;
    serde_json::from_str(&text).map_err(|_| {
        let error: SourceError = unreadable("the list", column);
        Error::Decode(error.into())
    })
}

fn flag(row: &AnyRow, column: &'static str) -> Result<bool, Error> {
    Ok(row.try_get::<i64, _>(column)? != 0)
}

/// A moment before 1970 is as long ago as can be.
fn seconds(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}
