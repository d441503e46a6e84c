//! A database that is locked, full, gone, corrupt: who is not known to be good is refused, the
//! log says so once, and it heals by itself.

use super::{
    Folder, Manual, active, connections, execute, in_memory, keep_log, keys, keys_at, logged,
    look_up, node, other_program, store, until,
};
use crate::{NewKey, Store, StoreError, companion::SchemeKeys, node::Node};
use palisade_core::{GeneratedKey, companion::KeyStore};
use sqlx::Row;
use std::{fs, path::Path, sync::Arc};

const LOST: &str = "a database is lost";
const BACK: &str = "a database is back";

fn new() -> NewKey {
    NewKey::new("partners", "shop", "service1")
}

struct Scene {
    folder: Folder,
    node: Arc<Node>,
    store: Store,
    keys: SchemeKeys,
    clock: Arc<Manual>,
    made: GeneratedKey,
}

/// A key in memory, in a database that is about to fail.
async fn scene() -> Scene {
    keep_log();
    let folder = Folder::new();
    let node = node(&folder.url());
    let clock = Arc::new(Manual::default());
    let (store, keys) = (store(&node).await, keys_at(&node, 1, clock.clone()));
    let made = store.keys().create(new()).await.unwrap();
    assert!(active(&keys, made.id()).await);
    Scene {
        folder,
        node,
        store,
        keys,
        clock,
        made,
    }
}

impl Scene {
    /// Until the key that is in memory is refused too, for nobody confirms it as time passes.
    async fn is_refused(&self) {
        let refused = async || {
            self.clock.pass(2);
            look_up(&self.keys, self.made.id()).await.is_err()
        };
        until("memory is not trusted any more", refused).await;
    }

    async fn is_back(&self) {
        let back = async || look_up(&self.keys, self.made.id()).await.is_ok();
        until("the database is back", back).await;
        until("the log says so", async || self.logged(BACK) == 1).await;
        assert_eq!(self.logged(LOST), 1, "one line for each outage");
    }

    fn logged(&self, line: &str) -> usize {
        logged(&self.folder, line)
    }
}

#[tokio::test]
async fn a_file_that_is_gone() {
    let scene = scene().await;
    let away = scene.folder.0.join("away.db");
    fs::rename(scene.folder.file(), &away).unwrap();
    until("the log says so", async || scene.logged(LOST) == 1).await;
    scene.clock.pass(1);
    assert!(in_memory(&scene.keys, scene.made.id()), "it is fresh");
    scene.clock.pass(1);
    assert!(look_up(&scene.keys, scene.made.id()).await.is_err());
    let refused = scene.store.keys().revoke(scene.made.id()).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert!(
        !scene.folder.file().exists(),
        "an empty one would know nobody"
    );
    fs::rename(&away, scene.folder.file()).unwrap();
    scene.is_back().await;
    assert!(active(&scene.keys, scene.made.id()).await);
}

#[tokio::test]
async fn a_file_that_is_replaced() {
    let scene = scene().await;
    let other = Folder::new();
    let other_node = node(&other.url());
    let made = store(&other_node).await.keys().create(new()).await.unwrap();
    drop(other_node);
    replace(&scene.folder, &other.file());
    let known = async || {
        look_up(&scene.keys, made.id())
            .await
            .is_ok_and(|key| key.is_some())
    };
    until("the key of the new file is known", known).await;
    assert!(
        look_up(&scene.keys, scene.made.id())
            .await
            .unwrap()
            .is_none()
    );
}

/// As the documentation says: what SQLite keeps beside a file belongs to that file alone.
fn replace(folder: &Folder, with: &Path) {
    for file in ["keys.db-wal", "keys.db-shm"] {
        let _ = fs::remove_file(folder.0.join(file));
    }
    fs::rename(with, folder.file()).unwrap();
}

#[tokio::test]
async fn a_file_that_is_corrupt() {
    let scene = scene().await;
    let good = scene.folder.0.join("good.db");
    let mut other = other_program(&scene.folder.file()).await;
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    until("nothing is in the log of SQLite", async || {
        let row = sqlx::query(checkpoint).fetch_one(&mut other).await.unwrap();
        row.get::<i64, _>("busy") == 0
    })
    .await;
    drop(other);
    fs::copy(scene.folder.file(), &good).unwrap();
    let length = fs::metadata(&good).unwrap().len();
    fs::write(
        scene.folder.file(),
        vec![0xa5; usize::try_from(length).unwrap()],
    )
    .unwrap();
    // What connections know by heart may serve on; nobody else is let in.
    let refused = async || look_up(&scene.keys, "0123456789abcdef").await.is_err();
    until("a look-up fails", refused).await;
    scene.is_refused().await;

    replace(&scene.folder, &good);
    scene.is_back().await;
    assert!(active(&scene.keys, scene.made.id()).await);
}

#[tokio::test]
async fn a_file_that_is_locked_for_writing() {
    let scene = scene().await;
    let stored = look_up(&scene.keys, scene.made.id())
        .await
        .unwrap()
        .unwrap();
    let mut other = other_program(&scene.folder.file()).await;
    execute(&mut other, "BEGIN EXCLUSIVE").await;
    scene.keys.used(&stored, 99);

    assert!(
        look_up(&scene.keys, "0123456789abcdef").await.is_ok(),
        "look-ups go on"
    );
    let revoked = scene
        .store
        .keys()
        .revoke(scene.made.id())
        .await
        .unwrap_err();
    assert!(revoked.to_string().contains("locked"), "{revoked}");
    let cannot = "a database cannot be written";
    until("the log says so", async || scene.logged(cannot) == 1).await;
    assert!(active(&scene.keys, scene.made.id()).await);

    execute(&mut other, "ROLLBACK").await;
    scene.store.keys().revoke(scene.made.id()).await.unwrap();
    let written = async || {
        let record = scene.store.keys().find(scene.made.id()).await.unwrap();
        record.last_used == Some(99)
    };
    until("the time of use is written", written).await;
    until("the log says so", async || {
        scene.logged("can be written again") == 1
    })
    .await;
    assert_eq!((scene.logged(cannot), scene.logged(LOST)), (1, 0));
}

#[tokio::test]
async fn a_file_that_is_locked_for_everybody() {
    let scene = scene().await;
    // Only a program that is alone can take the file for itself.
    let away = scene.folder.0.join("away.db");
    let mut other = loop {
        fs::rename(scene.folder.file(), &away).unwrap();
        scene.is_refused().await;
        fs::rename(&away, scene.folder.file()).unwrap();
        let mut other = other_program(&scene.folder.file()).await;
        let sql = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE";
        if sqlx::raw_sql(sql).execute(&mut other).await.is_ok() {
            break other;
        }
    };
    scene.is_refused().await;
    assert!(look_up(&scene.keys, scene.made.id()).await.is_err());
    execute(&mut other, "ROLLBACK").await;
    drop(other);
    let back = async || look_up(&scene.keys, scene.made.id()).await.is_ok();
    until("the database is back", back).await;
}

#[tokio::test]
async fn a_file_that_is_full() {
    let scene = scene().await;
    let stored = look_up(&scene.keys, scene.made.id())
        .await
        .unwrap()
        .unwrap();
    limit_pages(&scene.node, "PRAGMA max_page_count = 1").await;
    let note = "n".repeat(100_000);
    let full = scene
        .store
        .keys()
        .create(new().note(&*note))
        .await
        .unwrap_err();
    assert!(full.to_string().contains("full"), "{full}");
    scene.keys.used(&stored, 99);
    assert!(
        look_up(&scene.keys, "0123456789abcdef").await.is_ok(),
        "look-ups go on"
    );
    assert!(active(&scene.keys, scene.made.id()).await);

    limit_pages(&scene.node, "PRAGMA max_page_count = 1000000").await;
    scene.store.keys().create(new().note(note)).await.unwrap();
    scene.store.flush().await.unwrap();
    let record = scene.store.keys().find(scene.made.id()).await.unwrap();
    assert_eq!(record.last_used, Some(99));
}

/// The limit holds for each connection by itself.
async fn limit_pages(node: &Arc<Node>, sql: &'static str) {
    for connection in &mut connections(node).await {
        sqlx::raw_sql(sql).execute(&mut **connection).await.unwrap();
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_opened_later() {
    keep_log();
    let folder = Folder::new();
    let missing = folder.0.join("missing");
    let url = format!("sqlite:{}/keys.db", missing.display());
    let node = node(&url);
    let keys = keys(&node, 1);
    assert!(keys.ready().await.is_err());
    assert!(
        keys.has_legacy_keys(),
        "nobody knows: any text may be a key, and is answered 503"
    );
    assert!(look_up(&keys, "0123456789abcdef").await.is_err());
    assert!(Store::open(&url).await.is_err());

    fs::create_dir(&missing).unwrap();
    until("it is open", async || keys.ready().await.is_ok()).await;
    assert!(look_up(&keys, "0123456789abcdef").await.unwrap().is_none());
    until("it is in memory", async || {
        in_memory(&keys, "0123456789abcdef")
    })
    .await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let scene = scene().await;
    for file in ["keys.db", "keys.db-wal", "keys.db-shm"] {
        let metadata = fs::metadata(scene.folder.0.join(file)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{file}");
    }
}
