//! The same on Postgres, and what only Postgres can: it notifies, and it restarts.

use super::{
    Manual, account, accounts, active, in_memory, keys, keys_at, look_up, node, node_at,
    server::Server, settle, store, until,
};
use crate::{KeyFilter, KeyImport, NewKey, NewUser, location::Location, node::Pace};
use palisade_core::{ApiKeyEntry, companion::KeyStore};
use std::{sync::Arc, time::Duration};

fn new() -> NewKey {
    NewKey::new("partners", "shop", "service1").scopes(["items:read"])
}

/// One server for all, because it takes seconds to start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_nodes_share_a_postgres() {
    let Some(mut server) = Server::start() else {
        return;
    };
    keys_and_users(&server).await;
    changes_are_notified(&server).await;
    late_commits_are_not_overlooked(&server).await;
    a_role_that_may_not_make_tables(&server).await;
    it_is_found_again_after_a_restart(&mut server).await;
}

async fn keys_and_users(server: &Server) {
    let node = node(&server.url());
    let (store, keys, accounts) = (store(&node).await, keys(&node, 5), accounts(&node, 5));
    let made = store
        .keys()
        .create(new().tenant("acme").expires(4_000_000_000))
        .await
        .unwrap();
    let found = look_up(&keys, made.id()).await.unwrap().unwrap();
    assert_eq!(found.principal().tenant_name(), Some("acme"));
    assert!(in_memory(&keys, made.id()));
    keys.used(&found, 77);
    store.flush().await.unwrap();
    let record = store.keys().find(made.id()).await.unwrap();
    assert_eq!(
        (record.last_used, record.expires),
        (Some(77), Some(4_000_000_000))
    );

    let successor = store
        .keys()
        .rotate(made.id(), Duration::from_secs(60))
        .await
        .unwrap();
    assert!(active(&keys, successor.id()).await);
    store.keys().revoke(made.id()).await.unwrap();
    assert!(!active(&keys, made.id()).await);
    let gone = KeyFilter::of_scheme("partners")
        .owner("service1")
        .active(false);
    assert_eq!(store.keys().list(gone).await.unwrap().len(), 1);

    assert!(!keys.has_legacy_keys());
    let digest = format!("sha256:{}", "ab".repeat(32));
    let import = KeyImport::new("partners", "shop").key(ApiKeyEntry::new("old", digest));
    assert_eq!(store.keys().import(import.clone()).await.unwrap().added, 1);
    assert_eq!(store.keys().import(import).await.unwrap().known, 1);
    assert!(keys.has_legacy_keys());
    assert!(settle(keys.by_digest(&[0xab; 32])).await.unwrap().is_some());

    store
        .users()
        .create(NewUser::new("backup", "$argon2id$a$b$c"))
        .await
        .unwrap();
    assert!(account(&accounts, "backup").await.unwrap().active);
    store.users().disable("backup").await.unwrap();
    assert!(!account(&accounts, "backup").await.unwrap().active);
    for name in ["a\0b", "' OR 1=1 --"] {
        assert!(account(&accounts, name).await.is_none());
    }
    assert!(!format!("{node:?} {keys:?} {accounts:?} {store:?}").contains("swordfish"));
}

async fn changes_are_notified(server: &Server) {
    // So seldom does it ask by itself that only a notification can tell.
    let hour = Duration::from_secs(3_600);
    let seldom = Pace {
        poll: hour,
        write: hour,
        prune: hour,
        ..Pace::default()
    };
    let (here, there) = (node_at(&server.url(), seldom), node(&server.url()));
    let (store, keys) = (store(&there).await, keys(&here, 3_600));
    let made = store.keys().create(new()).await.unwrap();
    assert!(active(&keys, made.id()).await);
    until("it is in memory", async || in_memory(&keys, made.id())).await;
    let listening = "SELECT COUNT(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
    until("all listen", async || server.count(listening).await >= 2).await;
    store.keys().revoke(made.id()).await.unwrap();
    until("it is revoked here", async || {
        !active(&keys, made.id()).await
    })
    .await;

    store
        .users()
        .create(NewUser::new("nightly", "$argon2id$a$b$c"))
        .await
        .unwrap();
    let accounts = accounts(&here, 3_600);
    assert!(account(&accounts, "nightly").await.unwrap().active);
    store.users().disable("nightly").await.unwrap();
    let disabled = async || !account(&accounts, "nightly").await.unwrap().active;
    until("the user is disabled here", disabled).await;
}

async fn a_role_that_may_not_make_tables(server: &Server) {
    server
        .execute(
            "CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; \
             REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        )
        .await;
    let node = node(&server.url().replace("palisade:", "reader:"));
    let store = store(&node).await;
    assert!(
        !store
            .keys()
            .list(KeyFilter::default())
            .await
            .unwrap()
            .is_empty()
    );
    let refused = store.keys().create(new()).await.unwrap_err();
    assert!(
        refused.to_string().contains("permission denied"),
        "{refused}"
    );
}

/// A transaction that took its version first and commits last.
async fn late_commits_are_not_overlooked(server: &Server) {
    use sqlx::Connection;
    let node = node(&server.url());
    let (store, keys) = (store(&node).await, keys(&node, 1));
    let (first, second) = (
        store.keys().create(new()).await.unwrap(),
        store.keys().create(new()).await.unwrap(),
    );
    assert!(active(&keys, first.id()).await && active(&keys, second.id()).await);
    let location = Location::parse(&server.url(), None).unwrap();
    let mut slow = sqlx::AnyConnection::connect(location.reveal())
        .await
        .unwrap();
    let mut quick = sqlx::AnyConnection::connect(location.reveal())
        .await
        .unwrap();
    let revoke = "UPDATE palisade_api_keys SET active = 0 WHERE id = $1";
    let mut late = slow.begin().await.unwrap();
    sqlx::query(revoke)
        .bind(first.id())
        .execute(&mut *late)
        .await
        .unwrap();
    let id = second.id().to_owned();
    let early = tokio::spawn(async move {
        sqlx::query(revoke)
            .bind(id)
            .execute(&mut quick)
            .await
            .unwrap();
    });
    let waiting = "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    until("the second waits for the first", async || {
        server.count(waiting).await == 1
    })
    .await;
    late.commit().await.unwrap();
    early.await.unwrap();
    until("both are revoked", async || {
        !active(&keys, first.id()).await && !active(&keys, second.id()).await
    })
    .await;
}

async fn it_is_found_again_after_a_restart(server: &mut Server) {
    let (here, there) = (node(&server.url()), node(&server.url()));
    let clock = Arc::new(Manual::default());
    let (store, keys) = (store(&there).await, keys_at(&here, 1, clock.clone()));
    let made = store.keys().create(new()).await.unwrap();
    assert!(active(&keys, made.id()).await);
    server.stop();
    let refused = async || {
        clock.pass(2);
        look_up(&keys, made.id()).await.is_err()
    };
    until("memory is not trusted any more", refused).await;
    server.begin();
    until("it is back", async || {
        look_up(&keys, made.id()).await.is_ok()
    })
    .await;
    assert!(active(&keys, made.id()).await);
    until("the other one is back too", async || {
        store.keys().revoke(made.id()).await.is_ok()
    })
    .await;
    until("it is revoked here", async || {
        !active(&keys, made.id()).await
    })
    .await;
}
