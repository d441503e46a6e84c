//! The people of the demo, and what they own.

use crate::Store;

/// Somebody to try the API as.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct DemoUser {
    /// The subject of the token.
    pub name: &'static str,
    /// The e-mail address.
    pub email: &'static str,
    /// The roles of the token.
    pub roles: &'static [&'static str],
    /// The scopes of the token.
    pub scopes: &'static [&'static str],
}

/// John may look around; alice may change things, too.
pub const DEMO_USERS: [DemoUser; 2] = [
    DemoUser {
        name: "john",
        email: "john@example.com",
        roles: &["user"],
        scopes: &["users:read", "items:read"],
    },
    DemoUser {
        name: "alice",
        email: "alice@example.com",
        roles: &["admin"],
        scopes: &["users:read", "items:read", "users:write", "items:write"],
    },
];

/// Owner, whether it is public, name, description.
const ITEMS: [(&str, bool, &str, &str); 4] = [
    (
        "john",
        true,
        "Notebook",
        "Squared paper, for everybody to look at",
    ),
    ("john", false, "Diary", "For john and for administrators"),
    ("alice", true, "Poster", "The opening hours"),
    (
        "alice",
        false,
        "Plan",
        "For alice only: she is the one administrator",
    ),
];

impl Store {
    /// Puts the demo users and their items into an empty database; leaves any other as it is.
    ///
    /// `issuer` is whose tokens the demo users will come with: items belong to a subject of an
    /// issuer.
    ///
    /// # Errors
    /// The database failed.
    pub async fn load_demo_data(&self, issuer: &str) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users")
            .fetch_one(&mut *transaction)
            .await?;
        if users > 0 {
            return Ok(());
        }
        for user in DEMO_USERS {
            sqlx::query("INSERT INTO users (username, email, roles) VALUES ($1, $2, $3)")
                .bind(user.name)
                .bind(user.email)
                .bind(user.roles.join(" "))
                .execute(&mut *transaction)
                .await?;
        }
        for (owner, public, name, description) in ITEMS {
            sqlx::query(
                "INSERT INTO items (issuer, owner, public, name, description)
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(issuer)
            .bind(owner)
            .bind(i64::from(public))
            .bind(name)
            .bind(description)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ItemQuery;
    use palisade_core::Principal;

    #[tokio::test]
    async fn loading_twice_changes_nothing() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        store.load_demo_data("here").await.unwrap();
        store.load_demo_data("here").await.unwrap();
        assert_eq!(store.users().await.unwrap().len(), 2);
        let john = Principal::new("here", "john");
        let items = store.items(&john, &ItemQuery::default()).await.unwrap();
        let names: Vec<_> = items.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, ["Notebook", "Diary", "Poster"]);
    }
}
