//! Items: each belongs to somebody, who decides whether everybody may read it.
//!
//! The policy decides by scope and role before any of this runs; what depends on the item
//! itself is decided here, in the same statement that reads or writes it.

use crate::{DomainError, Store};
use palisade_core::{Principal, validate::rules};
use serde::{Deserialize, Serialize};
use validator::{Validate, ValidationError};

/// What a list shows at most.
const PAGE: i64 = 100;
/// How many items one owner may have: clients must not fill the memory.
const MAX_PER_OWNER: i64 = 1000;

/// An item, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// The number of the item.
    pub id: i64,
    /// Whose it is.
    pub owner: String,
    /// Whether everybody may read it.
    pub public: bool,
    /// What it is called.
    pub name: String,
    /// What it is.
    pub description: String,
}

/// An item as a client writes it.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewItem {
    /// 1 to 100 characters.
    #[validate(custom(function = rules::name))]
    pub name: String,
    /// At most 1,000 characters.
    #[serde(default)]
    #[validate(length(max = 1000), custom(function = without_nul))]
    pub description: String,
    /// Whether everybody may read it.
    #[serde(default)]
    pub public: bool,
}

/// The `{id}` of `/items/{id}`.
#[derive(Debug, Clone, Copy, Deserialize, Validate)]
pub struct ItemPath {
    /// The number of the item.
    #[validate(range(min = 1))]
    pub id: i64,
}

/// The query of `/items`.
#[derive(Debug, Clone, Default, Deserialize, Validate)]
pub struct ItemQuery {
    /// What name or description must contain; at most 100 characters.
    #[serde(default)]
    #[validate(length(max = 100), custom(function = without_control_characters))]
    pub search: String,
}

/// Postgres keeps no text with one.
fn without_nul(text: &str) -> Result<(), ValidationError> {
    match text.contains('\0') {
        false => Ok(()),
        true => Err(ValidationError::new("nul").with_message("must not hold NUL".into())),
    }
}

/// SQLite's LIKE ends a pattern at its first NUL.
fn without_control_characters(text: &str) -> Result<(), ValidationError> {
    match text.chars().any(char::is_control) {
        false => Ok(()),
        true => Err(ValidationError::new("control_character")
            .with_message("must not hold control characters".into())),
    }
}

impl Store {
    /// The first hundred items that the caller may read and that contain what is searched for.
    ///
    /// # Errors
    /// The database failed.
    pub async fn items(
        &self,
        caller: &Principal,
        query: &ItemQuery,
    ) -> Result<Vec<Item>, DomainError> {
        let rows = sqlx::query_as(
            r"SELECT id, owner, public, name, description FROM items
              WHERE (public = 1 OR (issuer = $1 AND owner = $2) OR $3 = 1)
                AND (lower(name) LIKE lower($4) ESCAPE '\'
                  OR lower(description) LIKE lower($4) ESCAPE '\')
              ORDER BY id LIMIT $5",
        )
        .bind(caller.issuer())
        .bind(caller.subject())
        .bind(is_admin(caller))
        .bind(containing(&query.search))
        .bind(PAGE)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Item::from_row).collect())
    }

    /// One item, for its owner, for administrators, and for everybody if it is public.
    ///
    /// # Errors
    /// There is none, it is somebody else's, or the database failed.
    pub async fn item(&self, caller: &Principal, id: i64) -> Result<Item, DomainError> {
        let row = sqlx::query_as(
            "SELECT id, owner, public, name, description FROM items
             WHERE id = $1 AND (public = 1 OR (issuer = $2 AND owner = $3) OR $4 = 1)",
        )
        .bind(id)
        .bind(caller.issuer())
        .bind(caller.subject())
        .bind(is_admin(caller))
        .fetch_optional(&self.pool)
        .await?;
        match row {
            Some(row) => Ok(Item::from_row(row)),
            None => Err(self.why_not(id).await?),
        }
    }

    /// Creates an item of the caller's.
    ///
    /// # Errors
    /// The caller has too many, or the database failed.
    pub async fn add_item(&self, caller: &Principal, new: NewItem) -> Result<Item, DomainError> {
        let row = sqlx::query_as(
            "INSERT INTO items (issuer, owner, public, name, description)
             SELECT $1, $2, $3, $4, $5
             WHERE (SELECT count(*) FROM items WHERE issuer = $1 AND owner = $2) < $6
             RETURNING id, owner, public, name, description",
        )
        .bind(caller.issuer())
        .bind(caller.subject())
        .bind(i64::from(new.public))
        .bind(new.name)
        .bind(new.description)
        .bind(MAX_PER_OWNER)
        .fetch_optional(&self.pool)
        .await?;
        row.map(Item::from_row).ok_or(DomainError::Full)
    }

    /// Replaces an item, for its owner and for administrators.
    ///
    /// # Errors
    /// There is none, it is somebody else's, or the database failed.
    pub async fn replace_item(
        &self,
        caller: &Principal,
        id: i64,
        new: NewItem,
    ) -> Result<Item, DomainError> {
        let row = sqlx::query_as(
            "UPDATE items SET public = $1, name = $2, description = $3
             WHERE id = $4 AND ((issuer = $5 AND owner = $6) OR $7 = 1)
             RETURNING id, owner, public, name, description",
        )
        .bind(i64::from(new.public))
        .bind(new.name)
        .bind(new.description)
        .bind(id)
        .bind(caller.issuer())
        .bind(caller.subject())
        .bind(is_admin(caller))
        .fetch_optional(&self.pool)
        .await?;
        match row {
            Some(row) => Ok(Item::from_row(row)),
            None => Err(self.why_not(id).await?),
        }
    }

    /// Removes an item. Who may do so does not depend on the item, so the policy decides it.
    ///
    /// # Errors
    /// There is none, or the database failed.
    pub async fn remove_item(&self, id: i64) -> Result<(), DomainError> {
        let removed = sqlx::query("DELETE FROM items WHERE id = $1")
            .bind(id)
            .execute(&self.pool)
            .await?;
        match removed.rows_affected() {
            0 => Err(DomainError::NotFound),
            _ => Ok(()),
        }
    }

    async fn why_not(&self, id: i64) -> Result<DomainError, sqlx::Error> {
        let found: i64 = sqlx::query_scalar("SELECT count(*) FROM items WHERE id = $1")
            .bind(id)
            .fetch_one(&self.pool)
            .await?;
        Ok(match found {
            0 => DomainError::NotFound,
            _ => DomainError::Forbidden,
        })
    }
}

/// A row of `items`: SQLite knows no booleans.
type Row = (i64, String, i64, String, String);

impl Item {
    fn from_row((id, owner, public, name, description): Row) -> Self {
        Self {
            id,
            owner,
            public: public == 1,
            name,
            description,
        }
    }
}

fn is_admin(caller: &Principal) -> i64 {
    i64::from(caller.has_role("admin"))
}

/// A LIKE pattern for texts that contain this one, whose own `%` and `_` mean themselves.
fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '\\' | '%' | '_') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    fn john() -> Principal {
        Principal::new("here", "john")
    }

    fn new(name: &str, public: bool) -> NewItem {
        NewItem {
            name: name.to_owned(),
            description: String::new(),
            public,
        }
    }

    async fn store() -> Store {
        Store::open("sqlite::memory:").await.unwrap()
    }

    #[tokio::test]
    async fn a_private_item_is_for_its_owner_and_for_administrators() {
        let store = store().await;
        let id = store
            .add_item(&john(), new("diary", false))
            .await
            .unwrap()
            .id;
        let stranger = Principal::new("here", "eve");
        let namesake = Principal::new("elsewhere", "john");
        let admin = Principal::new("here", "alice").roles(["admin"]);

        for caller in [john(), admin] {
            assert_eq!(store.item(&caller, id).await.unwrap().owner, "john");
            assert!(
                store
                    .replace_item(&caller, id, new("diary", false))
                    .await
                    .is_ok()
            );
            assert_eq!(
                store
                    .items(&caller, &ItemQuery::default())
                    .await
                    .unwrap()
                    .len(),
                1
            );
        }
        for caller in [stranger, namesake] {
            assert!(matches!(
                store.item(&caller, id).await,
                Err(DomainError::Forbidden)
            ));
            let replaced = store.replace_item(&caller, id, new("mine", true)).await;
            assert!(matches!(replaced, Err(DomainError::Forbidden)));
            assert!(
                store
                    .items(&caller, &ItemQuery::default())
                    .await
                    .unwrap()
                    .is_empty()
            );
        }
    }

    #[tokio::test]
    async fn a_public_item_is_for_everybody_to_read() {
        let store = store().await;
        let id = store
            .add_item(&john(), new("poster", true))
            .await
            .unwrap()
            .id;
        let stranger = Principal::new("here", "eve");
        assert!(store.item(&stranger, id).await.is_ok());
        assert_eq!(
            store
                .items(&stranger, &ItemQuery::default())
                .await
                .unwrap()
                .len(),
            1
        );
        let replaced = store.replace_item(&stranger, id, new("mine", true)).await;
        assert!(matches!(replaced, Err(DomainError::Forbidden)));
    }

    #[tokio::test]
    async fn what_is_gone_is_not_found() {
        let store = store().await;
        let id = store
            .add_item(&john(), new("poster", true))
            .await
            .unwrap()
            .id;
        store.remove_item(id).await.unwrap();
        assert!(matches!(
            store.remove_item(id).await,
            Err(DomainError::NotFound)
        ));
        assert!(matches!(
            store.item(&john(), id).await,
            Err(DomainError::NotFound)
        ));
    }

    #[tokio::test]
    async fn a_search_is_text_and_neither_pattern_nor_sql() {
        let store = store().await;
        for name in ["100% wool", "100 pieces", r"back\slash", "it's"] {
            store.add_item(&john(), new(name, true)).await.unwrap();
        }
        for (search, found) in [
            ("", 4),
            ("100", 2),
            ("100%", 1),
            ("_", 0),
            (r"\", 1),
            ("'", 1),
            ("' OR 1=1 --", 0),
        ] {
            let query = ItemQuery {
                search: search.to_owned(),
            };
            assert_eq!(
                store.items(&john(), &query).await.unwrap().len(),
                found,
                "{search}"
            );
        }
    }

    #[tokio::test]
    async fn one_owner_cannot_fill_the_memory() {
        let store = store().await;
        for _ in 0..MAX_PER_OWNER {
            store.add_item(&john(), new("x", false)).await.unwrap();
        }
        let more = store.add_item(&john(), new("x", false)).await;
        assert!(matches!(more, Err(DomainError::Full)));
        let other = Principal::new("here", "eve");
        assert!(store.add_item(&other, new("x", false)).await.is_ok());
    }
}
