//! The administration of keys, and what look-ups make of it.

use super::{Folder, active, in_memory, is_active, keys, look_up, node, settle, store, until};
use crate::{KeyFilter, KeyImport, NewKey, Store, StoreError};
use palisade_core::{
    ApiKeyEntry,
    companion::{Answer, KeyStore},
};
use std::time::Duration;

fn new() -> NewKey {
    NewKey::new("partners", "shop", "service1").scopes(["items:read"])
}

#[tokio::test]
async fn a_key_is_made_found_and_taken_back() {
    let folder = Folder::new();
    let node = node(&folder.url());
    let (store, keys) = (store(&node).await, keys(&node, 5));

    let made = store
        .keys()
        .create(new().roles(["partner"]).tenant("acme"))
        .await
        .unwrap();
    let found = look_up(&keys, made.id()).await.unwrap().unwrap();
    let principal = found.principal();
    assert_eq!(principal.issuer(), "palisade:api_key/partners");
    assert_eq!(principal.subject(), "service1");
    assert_eq!(principal.credential_name(), Some(made.id()));
    assert_eq!(principal.tenant_name(), Some("acme"));
    assert!(principal.has_scope("items:read") && principal.has_role("partner"));
    assert!(in_memory(&keys, made.id()));

    store.keys().revoke(made.id()).await.unwrap();
    assert!(
        !active(&keys, made.id()).await,
        "seen at once where it was made"
    );
    assert!(!store.keys().find(made.id()).await.unwrap().active);
}

#[tokio::test]
async fn an_unknown_id_is_remembered_until_it_is_made() {
    let folder = Folder::new();
    let node = node(&folder.url());
    let (store, keys) = (store(&node).await, keys(&node, 5));
    let id = "0123456789abcdef";
    assert!(look_up(&keys, id).await.unwrap().is_none());
    until("it is in memory", async || in_memory(&keys, id)).await;

    let digest = format!("sha256:{}", "ab".repeat(32));
    let import = KeyImport::new("partners", "shop").key(ApiKeyEntry::new("old", digest).id(id));
    store.keys().import(import).await.unwrap();
    assert!(active(&keys, id).await);
    for bad in [
        "",
        "short",
        "\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}9",
    ] {
        assert!(matches!(keys.by_id(bad), Answer::Known(None)), "{bad}");
    }
}

#[tokio::test]
async fn a_scheme_sees_its_own_keys_only() {
    let folder = Folder::new();
    let node = node(&folder.url());
    let (store, keys) = (store(&node).await, keys(&node, 5));
    let other = NewKey::new("internal", "shop", "service1");
    let made = store.keys().create(other).await.unwrap();
    assert!(look_up(&keys, made.id()).await.unwrap().is_none());
}

#[tokio::test]
async fn only_the_digest_is_kept() {
    let folder = Folder::new();
    let node = node(&folder.url());
    let store = store(&node).await;
    let made = store.keys().create(new()).await.unwrap();
    let secret = made.reveal().split('_').nth(2).unwrap().to_owned();
    store.flush().await.unwrap();
    for file in ["keys.db", "keys.db-wal"] {
        let bytes = std::fs::read(folder.0.join(file)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&secret), "{file}");
    }
}

#[tokio::test]
async fn the_old_key_ends_after_the_overlap() {
    let folder = Folder::new();
    let node = node(&folder.url());
    let store = store(&node).await;
    let old = store
        .keys()
        .create(new().note("n").quota("10/minute"))
        .await
        .unwrap();
    let made = store
        .keys()
        .rotate(old.id(), Duration::from_secs(3600))
        .await
        .unwrap();

    let before = store.keys().find(old.id()).await.unwrap();
    let after = store.keys().find(made.id()).await.unwrap();
    assert_eq!(before.replaced_by.as_deref(), Some(made.id()));
    let now = u64::try_from(crate::store::now()).unwrap();
    let end = before.expires.unwrap();
    assert!((before.created + 3600..=now + 3600).contains(&end), "{end}");
    assert_eq!(after.expires, None);
    assert_eq!(
        (&*after.owner, &*after.scopes),
        ("service1", &["items:read".to_owned()][..])
    );
    assert_eq!(
        (after.note.as_deref(), after.quota.as_deref()),
        (Some("n"), Some("10/minute"))
    );
    assert!(made.reveal().starts_with("shop_"));

    let again = store
        .keys()
        .rotate(old.id(), Duration::ZERO)
        .await
        .unwrap_err();
    assert!(again.to_string().contains("was replaced by"), "{again}");
    store.keys().revoke(made.id()).await.unwrap();
    let revoked = store
        .keys()
        .rotate(made.id(), Duration::ZERO)
        .await
        .unwrap_err();
    assert!(revoked.to_string().contains("was revoked"), "{revoked}");
}

#[tokio::test]
async fn a_successor_lives_as_long_as_its_predecessor_did() {
    let folder = Folder::new();
    let node = node(&folder.url());
    let store = store(&node).await;
    let end = u64::try_from(crate::store::now()).unwrap() + 1_000;
    let old = store.keys().create(new().expires(end)).await.unwrap();
    let made = store
        .keys()
        .rotate(old.id(), Duration::from_secs(5_000))
        .await
        .unwrap();
    let before = store.keys().find(old.id()).await.unwrap();
    assert_eq!(before.expires, Some(end));
    let after = store.keys().find(made.id()).await.unwrap();
    assert_eq!(after.expires.unwrap() - after.created, end - before.created);
}

#[tokio::test]
async fn keys_are_listed_by_page_and_filter() {
    let folder = Folder::new();
    let node = node(&folder.url());
    let store = store(&node).await;
    for owner in ["a", "b", "b"] {
        store
            .keys()
            .create(NewKey::new("partners", "shop", owner))
            .await
            .unwrap();
    }
    let made = store.keys().create(new().tenant("acme")).await.unwrap();
    store.keys().revoke(made.id()).await.unwrap();

    let all = store.keys().list(KeyFilter::default()).await.unwrap();
    assert_eq!(all.len(), 4);
    let count = async |filter| store.keys().list(filter).await.unwrap().len();
    assert_eq!(count(KeyFilter::of_scheme("partners").owner("b")).await, 2);
    assert_eq!(count(KeyFilter::of_scheme("other")).await, 0);
    assert_eq!(count(KeyFilter::default().active(false)).await, 1);
    assert_eq!(
        count(KeyFilter::default().tenant("acme").active(true)).await,
        0
    );
    let page = store
        .keys()
        .list(KeyFilter::default().limit(3))
        .await
        .unwrap();
    assert_eq!(page, all[..3]);
    let rest = KeyFilter::default().after(&*page[2].id);
    assert_eq!(store.keys().list(rest).await.unwrap(), all[3..]);
}

#[tokio::test]
async fn keys_of_an_earlier_system_are_found_by_digest() {
    let folder = Folder::new();
    let node = node(&folder.url());
    let (store, keys) = (store(&node).await, keys(&node, 5));
    let digest = [0xab; 32];
    assert!(settle(keys.by_digest(&digest)).await.unwrap().is_none());
    assert!(!keys.has_legacy_keys());

    let text = format!("sha256:{}", "AB".repeat(32));
    let entry = ApiKeyEntry::new("old", text).scopes(["read:write", "admin"]);
    let import = || {
        KeyImport::new("partners", "shop")
            .key(entry.clone())
            .split_scopes(true)
    };
    let report = store.keys().import(import()).await.unwrap();
    assert_eq!((report.added, report.known), (1, 0));
    let report = store.keys().import(import()).await.unwrap();
    assert_eq!((report.added, report.known), (0, 1));

    assert!(keys.has_legacy_keys());
    let found = settle(keys.by_digest(&digest)).await.unwrap().unwrap();
    let scopes: Vec<_> = found.principal().scope_names().collect();
    assert_eq!(scopes, ["read", "write", "admin"]);
    assert!(matches!(keys.by_digest(&digest), Answer::Known(Some(_))));

    let id = "ab".repeat(8);
    assert_eq!(found.principal().credential_name(), Some(&*id));
    assert!(
        look_up(&keys, &id).await.unwrap().is_none(),
        "its name is no id"
    );
    store.keys().revoke(&id).await.unwrap();
    let found = settle(keys.by_digest(&digest)).await.unwrap().unwrap();
    assert!(!is_active(&found));

    let made = store.keys().rotate(&id, Duration::ZERO).await;
    assert!(made.is_err(), "it was revoked");
}

#[tokio::test]
async fn all_keys_are_imported_or_none() {
    let folder = Folder::new();
    let node = node(&folder.url());
    import_all_or_none(&store(&node).await).await;
}

/// More keys than one statement writes; then some that are there, and one whose id is taken.
pub(super) async fn import_all_or_none(store: &Store) {
    let entry = |number: u32| ApiKeyEntry::new("old", format!("sha256:{number:016x}{:048}", 0));
    let import = |keys: Vec<ApiKeyEntry>| {
        let mut import = KeyImport::new("partners", "shop");
        import.keys = keys;
        async { store.keys().import(import).await }
    };
    let (id, taken) = ("0123456789abcdef", "fedcba9876543210");
    let full = entry(1_000_000)
        .id(id)
        .scopes(["a", "b\"c\""])
        .roles(["admin"])
        .tenant("acme")
        .expires(4_000_000_000)
        .active(false);
    let mut keys: Vec<_> = (0..6_000).map(entry).collect();
    keys.extend([full, entry(1_000_001).id(taken)]);
    let report = import(keys.clone()).await.unwrap();
    assert_eq!((report.added, report.known), (6_002, 0));
    let kept = store.keys().find(id).await.unwrap();
    assert_eq!(
        (kept.scopes, kept.roles),
        (
            vec!["a".to_owned(), "b\"c\"".to_owned()],
            vec!["admin".to_owned()],
        )
    );
    assert_eq!(
        (kept.tenant.as_deref(), kept.expires),
        (Some("acme"), Some(4_000_000_000))
    );
    assert_eq!(
        (kept.legacy, kept.active, &*kept.prefix),
        (false, false, "shop")
    );
    let kept = store.keys().find("0000000000000007").await.unwrap();
    assert!(kept.legacy && kept.active && kept.scopes.is_empty() && kept.tenant.is_none());

    keys.push(entry(6_000));
    let report = import(keys).await.unwrap();
    assert_eq!((report.added, report.known), (1, 6_002));

    let error = import(vec![entry(7_000), entry(8_000).id(taken)])
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Invalid(_)), "{error}");
    assert_eq!(
        error.to_string(),
        format!("other keys have these ids already: {taken}")
    );
    let name = format!("{:016x}", 7_000);
    assert!(store.keys().find(&name).await.is_err(), "none of them");
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused_with_its_place() {
    let folder = Folder::new();
    let node = node(&folder.url());
    let store = store(&node).await;
    for bad in [
        NewKey::new("partners", "Shop", "service1"),
        NewKey::new("partners", "s", "service1"),
        NewKey::new("partners", "shop", ""),
        NewKey::new("", "shop", "service1"),
        NewKey::new("partners", "shop", "service1").expires(1_800_000_000_000),
    ] {
        let error = store.keys().create(bad).await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid(_)), "{error}");
    }
    let digest = |byte: &str| format!("sha256:{}", byte.repeat(32));
    let with_id = |byte, id| ApiKeyEntry::new("a", digest(byte)).id(id);
    let import = KeyImport::new("partners", "shop")
        .key(ApiKeyEntry::new("a", digest("0a")))
        .key(ApiKeyEntry::new("b", "hunter2"))
        .key(ApiKeyEntry::new("b", digest("0A")))
        .key(with_id("01", "0123456789abcdef"))
        .key(with_id("02", "0123456789abcdef"))
        .key(with_id("03", "hunter2"))
        .key(ApiKeyEntry::new("", digest("04")))
        .key(ApiKeyEntry::new("a\0b", digest("05")))
        .key(ApiKeyEntry::new("a", digest("06")).quota("hunter2"))
        .key(ApiKeyEntry::new("a", digest("07")).expires(1_800_000_000_000));
    let found = import.mistakes().into_iter();
    let found: Vec<_> = found.map(|one| (one.index, one.message)).collect();
    let starts = [
        (1, "its digest is no digest"),
        (2, "it is the same key"),
        (4, "its id is that"),
        (5, "its id is none"),
        (6, "its owner is empty"),
        (7, "it holds a zero byte"),
        (8, "its quota is none"),
        (9, "its expires is in milliseconds; give seconds"),
    ];
    assert_eq!(found.len(), starts.len(), "{found:?}");
    for ((index, message), (at, start)) in found.iter().zip(starts) {
        assert!(*index == at && message.starts_with(start), "{found:?}");
    }
    let error = store.keys().import(import).await.unwrap_err().to_string();
    assert!(error.starts_with("key 2: its digest"), "{error}");
    assert!(
        error.lines().count() == 8 && !error.contains("hunter2"),
        "{error}"
    );
    assert!(
        store
            .keys()
            .list(KeyFilter::default())
            .await
            .unwrap()
            .is_empty()
    );

    let missing = store.keys().revoke("0123456789abcdef").await.unwrap_err();
    assert_eq!(missing.to_string(), "there is no key \"0123456789abcdef\"");
}
