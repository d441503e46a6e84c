//! The administration of users.

use crate::{
    database::Database,
    error::StoreError,
    rows::{NewUser, UserRecord, json},
    store::{Store, now},
};
use secrecy::{ExposeSecret, SecretString};

/// How many users one list holds.
const MAX_LIST: i64 = 1_000;

/// The users of a [`Store`]. What is changed here is seen by this process at once.
#[derive(Debug, Clone, Copy)]
pub struct Users<'s>(pub(crate) &'s Store);

impl Users<'_> {
    /// Makes a user.
    ///
    /// # Errors
    /// There is one of this name; the name is empty or holds a colon or a control character; the
    /// hash is no PHC string; no database.
    pub async fn create(&self, user: NewUser) -> Result<(), StoreError> {
        if user.name.is_empty() || user.name.contains(|c: char| c == ':' || c.is_control()) {
            let right = "RFC 7617 allows neither an empty one, nor colons and control characters";
            return Err(StoreError::Invalid(format!("the name is none; {right}")));
        }
        check_hash(&user.password_hash)?;
        let hash = SecretString::from(user.password_hash);
        let task = move |database: Database| async move {
            let now = now();
            let inserted = sqlx::query(
                "INSERT INTO palisade_users \
                 (name, password_hash, scopes, roles, tenant, active, created, changed) \
                 VALUES ($1, $2, $3, $4, $5, 1, $6, $7) ON CONFLICT DO NOTHING",
            )
            .bind(&*user.name)
            .bind(hash.expose_secret())
            .bind(json(&user.scopes))
            .bind(json(&user.roles))
            .bind(user.tenant)
            .bind(now)
            .bind(now)
            .execute(database.pool())
            .await?;
            match inserted.rows_affected() {
                0 => Err(StoreError::Exists {
                    kind: "user",
                    name: user.name,
                }),
                _ => Ok(()),
            }
        };
        self.0.node.run(task).await
    }

    /// The user of this name.
    ///
    /// # Errors
    /// There is none; no database.
    pub async fn find(&self, name: &str) -> Result<UserRecord, StoreError> {
        let name = name.to_owned();
        let task = move |database: Database| async move {
            let row = sqlx::query(
                "SELECT name, scopes, roles, tenant, active, created, changed \
                 FROM palisade_users WHERE name = $1",
            )
            .bind(&*name)
            .fetch_optional(database.pool())
            .await?;
            let row = row.ok_or(StoreError::Missing { kind: "user", name })?;
            Ok(UserRecord::from_row(&row)?)
        };
        self.0.node.run(task).await
    }

    /// Up to 1,000 users by name, those after `after`.
    ///
    /// # Errors
    /// No database.
    pub async fn list(&self, after: Option<&str>) -> Result<Vec<UserRecord>, StoreError> {
        let after = after.unwrap_or_default().to_owned();
        let task = move |database: Database| async move {
            let rows = sqlx::query(
                "SELECT name, scopes, roles, tenant, active, created, changed \
                 FROM palisade_users WHERE name > $1 ORDER BY name LIMIT $2",
            )
            .bind(after)
            .bind(MAX_LIST)
            .fetch_all(database.pool())
            .await?;
            let records: Result<_, _> = rows.iter().map(UserRecord::from_row).collect();
            Ok(records?)
        };
        self.0.node.run(task).await
    }

    /// Gives a user another password, as a PHC string.
    ///
    /// # Errors
    /// There is no such user; the hash is no PHC string; no database.
    pub async fn set_password(
        &self,
        name: &str,
        password_hash: impl Into<SecretString>,
    ) -> Result<(), StoreError> {
        let hash = password_hash.into();
        check_hash(hash.expose_secret())?;
        let name = name.to_owned();
        let task = move |database: Database| async move {
            let changed = sqlx::query(
                "UPDATE palisade_users SET password_hash = $2, changed = $3 WHERE name = $1",
            )
            .bind(&*name)
            .bind(hash.expose_secret())
            .bind(now())
            .execute(database.pool())
            .await?;
            one(changed.rows_affected(), name)
        };
        self.0.node.run(task).await
    }

    /// Lets nobody in under this name any more.
    ///
    /// # Errors
    /// There is no such user; no database.
    pub async fn disable(&self, name: &str) -> Result<(), StoreError> {
        self.set_active(name, false).await
    }

    /// Lets a disabled user in again.
    ///
    /// # Errors
    /// There is no such user; no database.
    pub async fn enable(&self, name: &str) -> Result<(), StoreError> {
        self.set_active(name, true).await
    }

    async fn set_active(&self, name: &str, active: bool) -> Result<(), StoreError> {
        let name = name.to_owned();
        let task = move |database: Database| async move {
            let changed =
                sqlx::query("UPDATE palisade_users SET active = $2, changed = $3 WHERE name = $1")
                    .bind(&*name)
                    .bind(i64::from(active))
                    .bind(now())
                    .execute(database.pool())
                    .await?;
            one(changed.rows_affected(), name)
        };
        self.0.node.run(task).await
    }
}

fn one(changed: u64, name: String) -> Result<(), StoreError> {
    match changed {
        0 => Err(StoreError::Missing { kind: "user", name }),
        _ => Ok(()),
    }
}

/// A password itself must never be stored by mistake.
fn check_hash(hash: &str) -> Result<(), StoreError> {
    match hash.starts_with('$') && hash.matches('$').count() >= 3 {
        true => Ok(()),
        false => Err(StoreError::Invalid(
            "the password's hash is none; a PHC string such as $argon2id$… is needed".to_owned(),
        )),
    }
}
