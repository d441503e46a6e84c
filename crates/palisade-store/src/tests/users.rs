//! Users, and the accounts that look-ups make of them.

use super::{Folder, account, accounts, connections, node, store, until};
use crate::{NewUser, StoreError};
use palisade_core::companion::AccountStore;
use secrecy::ExposeSecret;

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo";
const NEW_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$bmV3aGFzaG5ld2hhc2g";

#[tokio::test]
async fn an_account_follows_its_user() {
    let folder = Folder::new();
    let node = node(&folder.url());
    let (store, accounts) = (store(&node).await, accounts(&node, 5));
    assert!(account(&accounts, "backup").await.is_none());

    let user = NewUser::new("backup", HASH)
        .scopes(["read"])
        .roles(["service"])
        .tenant("acme");
    store.users().create(user.clone()).await.unwrap();
    let found = account(&accounts, "backup").await.unwrap();
    assert_eq!(found.password_hash.expose_secret(), HASH);
    assert_eq!(found.principal.issuer(), "palisade:basic/services");
    assert_eq!(found.principal.subject(), "backup");
    assert_eq!(found.principal.tenant_name(), Some("acme"));
    assert!(
        found.active && found.principal.has_scope("read") && found.principal.has_role("service")
    );

    store.users().disable("backup").await.unwrap();
    assert!(!account(&accounts, "backup").await.unwrap().active);
    store.users().enable("backup").await.unwrap();
    store
        .users()
        .set_password("backup", NEW_HASH)
        .await
        .unwrap();
    let found = account(&accounts, "backup").await.unwrap();
    assert_eq!(
        (found.password_hash.expose_secret(), found.active),
        (NEW_HASH, true)
    );

    let twice = store.users().create(user).await.unwrap_err();
    assert_eq!(twice.to_string(), "there is a user \"backup\" already");
    assert_eq!(store.users().list(None).await.unwrap().len(), 1);
    assert!(store.users().list(Some("backup")).await.unwrap().is_empty());
    assert_eq!(store.users().find("backup").await.unwrap().scopes, ["read"]);
}

#[tokio::test]
async fn a_hash_is_renewed_unless_somebody_else_did() {
    let folder = Folder::new();
    let node = node(&folder.url());
    let (store, accounts) = (store(&node).await, accounts(&node, 5));
    store
        .users()
        .create(NewUser::new("backup", HASH))
        .await
        .unwrap();
    let hash = async || {
        let found = account(&accounts, "backup").await.unwrap();
        found.password_hash.expose_secret().to_owned()
    };
    until("the hash is renewed", async || {
        // Each login tries, until it is.
        accounts.upgrade("backup", HASH, NEW_HASH);
        hash().await == NEW_HASH
    })
    .await;
    accounts.upgrade("backup", HASH, "$of$another$login");
    drop(connections(&node).await);
    assert_eq!(hash().await, NEW_HASH);
}

#[tokio::test]
async fn no_name_of_a_client_is_an_error() {
    let folder = Folder::new();
    let node = node(&folder.url());
    let accounts = accounts(&node, 5);
    for name in ["", "a\0b", "' OR 1=1 --", "\u{fffd}", &"x".repeat(1_000)] {
        assert!(account(&accounts, name).await.is_none(), "{name}");
    }
}

#[tokio::test]
async fn a_password_is_not_stored_by_mistake() {
    let folder = Folder::new();
    let node = node(&folder.url());
    let store = store(&node).await;
    for (name, hash) in [
        ("backup", "hunter2"),
        ("", HASH),
        ("a:b", HASH),
        ("a\nb", HASH),
    ] {
        let error = store
            .users()
            .create(NewUser::new(name, hash))
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::Invalid(_)), "{name}");
        assert!(!error.to_string().contains("hunter2"));
    }
    let missing = store
        .users()
        .set_password("nobody", HASH)
        .await
        .unwrap_err();
    assert_eq!(missing.to_string(), "there is no user \"nobody\"");
    let user = NewUser::new("backup", HASH);
    assert!(!format!("{user:?}").contains("argon2"));
}
