use super::*;
use crate::{DomainError, ItemQuery, NewItem, NewUser, keys::Keys};
use palisade_core::Principal;
use server::Server;
use std::{fs, path::PathBuf};

#[allow(dead_code, reason = "the tests of palisade-store do more with it")]
#[path = "../../../../crates/palisade-store/src/tests/server.rs"]
mod server;

/// A folder of the test's own.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("palisade-demo-postgres-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn what_cannot_be_opened_is_an_error() {
    assert!(Store::open("sqlite:/nonexistent/demo.db").await.is_err());
    assert!(Store::open("mysql://localhost/demo").await.is_err());
    assert!(Store::open("sqlite::memory:").await.is_ok());
}

#[tokio::test]
async fn sqlite_and_postgres_answer_the_same() {
    let sqlite = Store::open("sqlite::memory:").await.unwrap();
    answers(&sqlite).await;
    let Some(server) = Server::start() else {
        return;
    };
    let postgres = Store::open(&server.url()).await.unwrap();
    answers(&postgres).await;

    // The API keys stand beside, in tables of their own.
    let database = server.url().parse().unwrap();
    for made in [true, false] {
        let mut keys = Keys::open(None, &database).unwrap();
        keys.make_api_key().await.unwrap();
        assert_eq!(keys.new_api_key().is_some(), made);
    }
}

async fn answers(store: &Store) {
    for _ in 0..2 {
        store.load_demo_data("here").await.unwrap();
    }
    let users = store.users().await.unwrap();
    assert_eq!(users.iter().map(|user| user.id).collect::<Vec<_>>(), [1, 2]);
    let twin = NewUser {
        username: "JOHN".to_owned(),
        email: "other@example.com".to_owned(),
        password: String::new(),
        roles: Vec::new(),
    };
    let taken = store.add_user(twin).await;
    assert!(matches!(taken, Err(DomainError::Taken)), "{taken:?}");

    let john = Principal::new("here", "john");
    let lamp = |public| NewItem {
        name: "50% Lamp".to_owned(),
        description: String::new(),
        public,
    };
    let made = store.add_item(&john, lamp(true)).await.unwrap();
    assert!(made.public);
    for (search, found) in [("", 4), ("LAMP", 1), ("0%", 1), ("5_%", 0), ("o'", 0)] {
        let query = ItemQuery {
            search: search.to_owned(),
        };
        let items = store.items(&john, &query).await.unwrap();
        assert_eq!(items.len(), found, "{search}");
    }
    assert!(
        !store
            .replace_item(&john, made.id, lamp(false))
            .await
            .unwrap()
            .public
    );
    let eve = Principal::new("here", "eve");
    for refused in [
        store.item(&eve, made.id).await,
        store.replace_item(&eve, made.id, lamp(true)).await,
    ] {
        assert!(
            matches!(refused, Err(DomainError::Forbidden)),
            "{refused:?}"
        );
    }
    store.remove_item(made.id).await.unwrap();
    let gone = store.item(&john, made.id).await;
    assert!(matches!(gone, Err(DomainError::NotFound)), "{gone:?}");
}
