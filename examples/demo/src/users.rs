//! Users: who they are, and what a new one must look like.

use crate::{DomainError, Store};
use palisade_core::validate::rules;
use serde::{Deserialize, Serialize};
use std::fmt;
use validator::{Validate, ValidationError};

/// The roles that a user can have.
const ROLES: [&str; 3] = ["admin", "user", "moderator"];
/// What a list shows at most.
const PAGE: i64 = 100;
/// How many users the demo keeps at most: clients must not fill the memory.
const MAX_USERS: i64 = 10_000;

/// A user, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// The number of the user.
    pub id: i64,
    /// The name to log in with.
    pub username: String,
    /// The e-mail address.
    pub email: String,
    /// What the user may be.
    pub roles: Vec<String>,
}

/// A user about to be created.
#[derive(Clone, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// 3 to 50 letters, digits, `_` or `-`.
    #[validate(custom(function = rules::username))]
    pub username: String,
    /// An e-mail address.
    #[validate(custom(function = rules::email))]
    pub email: String,
    /// Checked for its strength and then forgotten: nobody logs in to the demo yet, and a
    /// password that is not needed is best not kept.
    #[validate(custom(function = rules::password_strength))]
    pub password: String,
    /// Of admin, user and moderator.
    #[serde(default)]
    #[validate(length(max = 3), custom(function = known_roles))]
    pub roles: Vec<String>,
}

fn known_roles(roles: &[String]) -> Result<(), ValidationError> {
    rules::each_of(roles, &ROLES)
}

/// Without the password.
impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser")
            .field("username", &self.username)
            .field("email", &self.email)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// The first hundred users.
    ///
    /// # Errors
    /// The database failed.
    pub async fn users(&self) -> Result<Vec<User>, DomainError> {
        let rows =
            sqlx::query_as("SELECT id, username, email, roles FROM users ORDER BY id LIMIT $1")
                .bind(PAGE)
                .fetch_all(&self.pool)
                .await?;
        Ok(rows.into_iter().map(User::from_row).collect())
    }

    /// Creates a user.
    ///
    /// # Errors
    /// The name or the address is taken, there are too many users, or the database failed.
    pub async fn add_user(&self, new: NewUser) -> Result<User, DomainError> {
        let row = sqlx::query_as(
            "INSERT INTO users (username, email, roles)
             SELECT $1, $2, $3 WHERE (SELECT count(*) FROM users) < $4
             RETURNING id, username, email, roles",
        )
        .bind(new.username)
        .bind(new.email)
        .bind(new.roles.join(" "))
        .bind(MAX_USERS)
        .fetch_optional(&self.pool)
        .await;
        match row {
            Ok(Some(row)) => Ok(User::from_row(row)),
            Ok(None) => Err(DomainError::Full),
            Err(sqlx::Error::Database(why)) if why.is_unique_violation() => Err(DomainError::Taken),
            Err(why) => Err(why.into()),
        }
    }
}

impl User {
    fn from_row((id, username, email, roles): (i64, String, String, String)) -> Self {
        let roles = roles.split_whitespace().map(str::to_owned).collect();
        Self {
            id,
            username,
            email,
            roles,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bob() -> NewUser {
        let bob = json!({
            "username": "bob", "email": "bob@example.com", "password": "Swordfish-7",
            "roles": ["user"],
        });
        serde_json::from_value(bob).unwrap()
    }

    #[test]
    fn every_rule_fires() {
        assert!(bob().validate().is_ok());
        let broken = NewUser {
            username: "b".to_owned(),
            email: "b".to_owned(),
            password: "b".to_owned(),
            roles: vec!["root".to_owned()],
        };
        let errors = broken.validate().unwrap_err();
        let mut fields: Vec<_> = errors.errors().keys().map(AsRef::as_ref).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["email", "password", "roles", "username"]);
        assert!(
            serde_json::from_value::<NewUser>(json!({"username": "bob", "is_admin": true}))
                .is_err()
        );
    }

    #[test]
    fn the_password_is_not_shown() {
        assert!(!format!("{:?}", bob()).contains("Swordfish"));
    }

    #[tokio::test]
    async fn a_name_can_be_taken_once_in_any_case() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        let user = store.add_user(bob()).await.unwrap();
        assert_eq!(
            (user.username.as_str(), &user.roles[..]),
            ("bob", &["user".to_owned()][..])
        );
        let again = NewUser {
            username: "BOB".to_owned(),
            email: "other@example.com".to_owned(),
            ..bob()
        };
        assert!(matches!(
            store.add_user(again).await,
            Err(DomainError::Taken)
        ));
        assert_eq!(store.users().await.unwrap(), [user]);
    }
}
