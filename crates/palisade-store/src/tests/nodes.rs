//! Two processes with one database, and what memory may say.

use super::{
    Folder, Manual, active, connections, execute, in_memory, keys, keys_at, look_up, node,
    other_program, store, until,
};
use crate::{KeyFilter, KeyImport, NewKey, Store};
use palisade_core::{
    ApiKeyEntry,
    companion::{Answer, KeyStore},
};
use std::{fs, sync::Arc};

fn new() -> NewKey {
    NewKey::new("partners", "shop", "service1")
}

/// Memory is trusted all the time, because the clock of the keys stands still.
#[tokio::test]
async fn a_change_of_another_node_is_seen() {
    let folder = Folder::new();
    let (here, there) = (node(&folder.url()), node(&folder.url()));
    let (store, keys) = (store(&there).await, keys(&here, 1));
    let made = store.keys().create(new()).await.unwrap();
    assert!(active(&keys, made.id()).await);
    until("it is in memory", async || in_memory(&keys, made.id())).await;
    store.keys().revoke(made.id()).await.unwrap();
    until("it is revoked here", async || {
        !active(&keys, made.id()).await
    })
    .await;
}

#[tokio::test]
async fn a_change_by_hand_is_seen_too() {
    let folder = Folder::new();
    let node = node(&folder.url());
    let (store, keys) = (store(&node).await, keys(&node, 1));
    let made = store.keys().create(new()).await.unwrap();
    assert!(active(&keys, made.id()).await);
    let mut other = other_program(&folder.file()).await;
    execute(&mut other, "DELETE FROM palisade_api_keys").await;
    let gone = async || look_up(&keys, made.id()).await.unwrap().is_none();
    until("it is gone", gone).await;
}

#[tokio::test]
async fn memory_is_not_trusted_for_longer_than_fresh() {
    let folder = Folder::new();
    let node = node(&folder.url());
    let clock = Arc::new(Manual::default());
    let (store, keys) = (store(&node).await, keys_at(&node, 3_600, clock.clone()));
    let made = store.keys().create(new()).await.unwrap();
    assert!(active(&keys, made.id()).await);
    until("it is in memory", async || in_memory(&keys, made.id())).await;
    fs::remove_file(folder.file()).unwrap();
    until("the database is lost", async || node.ready().await.is_err()).await;
    clock.pass(3_600);
    assert!(in_memory(&keys, made.id()));
    clock.pass(1);
    assert!(
        !in_memory(&keys, made.id()),
        "nobody has said for an hour that it still holds"
    );
}

#[tokio::test]
async fn one_database_is_opened_once_in_a_process() {
    let folder = Folder::new();
    let first = Store::open(&folder.url()).await.unwrap();
    let second = Store::open_in(&folder.0, "sqlite:./keys.db").await.unwrap();
    assert!(Arc::ptr_eq(&first.node, &second.node));
    drop(first);
    second.close().await.unwrap();
    let third = Store::open(&folder.url()).await.unwrap();
    third.keys().create(new()).await.unwrap();
}

#[tokio::test]
async fn many_who_ask_for_one_key_ask_once() {
    let folder = Folder::new();
    let node = node(&folder.url());
    let (store, keys) = (store(&node).await, keys(&node, 5));
    let made = store.keys().create(new()).await.unwrap();
    // Nothing can be answered before all have asked.
    let held = connections(&node).await;
    let asked: Vec<_> = (0..100).map(|_| keys.by_id(made.id())).collect();
    drop(held);
    let mut principals = Vec::new();
    for answer in asked {
        let found = super::settle(answer).await.unwrap().unwrap();
        principals.push(found);
    }
    let first = &principals[0];
    let same = principals
        .iter()
        .filter(|key| Arc::ptr_eq(first, key))
        .count();
    assert_eq!(same, 100);
}

#[tokio::test]
async fn a_flood_of_unknown_ids_is_bounded() {
    let folder = Folder::new();
    let node = node(&folder.url());
    let (_store, keys) = (store(&node).await, keys(&node, 5));
    let held = connections(&node).await;
    let asked: Vec<_> = (0..3_000)
        .map(|n| keys.by_id(&format!("{n:016}")))
        .collect();
    drop(held);
    let mut refused = 0;
    for answer in asked {
        match answer {
            Answer::Known(known) => assert!(known.is_none()),
            Answer::Ask(answer) => match answer.await {
                Ok(found) => assert!(found.is_none()),
                Err(_) => refused += 1,
            },
        }
    }
    let bound = 1_024;
    assert_eq!(refused, 3_000 - bound, "over it, it is 503");
    let remembered = (0..3_000)
        .filter(|n| in_memory(&keys, &format!("{n:016}")))
        .count();
    assert!(remembered <= bound, "{remembered}");
}

#[tokio::test]
async fn more_changes_than_the_log_keeps_are_a_change_of_everything() {
    let folder = Folder::new();
    let (here, there) = (node(&folder.url()), node(&folder.url()));
    let (store, keys) = (store(&there).await, keys(&here, 1));
    let made = store.keys().create(new()).await.unwrap();
    assert!(active(&keys, made.id()).await);
    let mut import = KeyImport::new("partners", "shop");
    for number in 0..3_000 {
        let digest = format!("sha256:{number:08x}{}", "0".repeat(56));
        import = import.key(ApiKeyEntry::new("old", digest));
    }
    assert_eq!(store.keys().import(import).await.unwrap().added, 3_000);
    store.keys().revoke(made.id()).await.unwrap();
    until("it is revoked here", async || {
        !active(&keys, made.id()).await
    })
    .await;
    until("the imported keys are noticed", async || {
        keys.has_legacy_keys()
    })
    .await;
    assert_eq!(
        store.keys().list(KeyFilter::default()).await.unwrap().len(),
        1_000
    );
}

#[tokio::test]
async fn times_of_use_are_written_in_a_batch_and_at_the_end() {
    let folder = Folder::new();
    let url = folder.url();
    let first = node(&url);
    let admin = store(&first).await;
    let mut made = Vec::new();
    for _ in 0..20 {
        made.push(admin.keys().create(new()).await.unwrap());
    }
    let other = node(&url);
    let used = keys(&other, 5);
    for (at, key) in (1_000..).zip(&made) {
        let stored = look_up(&used, key.id()).await.unwrap().unwrap();
        used.used(&stored, at);
        used.used(&stored, at - 1);
    }
    drop(used);
    drop(other);
    for (at, key) in (1_000..).zip(&made) {
        let record = admin.keys().find(key.id()).await.unwrap();
        assert_eq!(
            record.last_used,
            Some(at),
            "written before the last handle was gone"
        );
    }
}

#[tokio::test]
async fn writing_times_of_use_is_no_change() {
    let folder = Folder::new();
    let node = node(&folder.url());
    let (store, keys) = (store(&node).await, keys(&node, 5));
    let made = store.keys().create(new()).await.unwrap();
    let stored = look_up(&keys, made.id()).await.unwrap().unwrap();
    keys.used(&stored, 77);
    store.flush().await.unwrap();
    assert_eq!(
        store.keys().find(made.id()).await.unwrap().last_used,
        Some(77)
    );
    assert!(in_memory(&keys, made.id()));
}
