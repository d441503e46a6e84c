//! The database that policies name as `{store}`: an API key in every state, and a user, made anew for every server.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use palisade_core::{ApiKeyEntry, SystemEntropy, generate_key};
use palisade_store::{KeyImport, NewKey, NewUser, Store};
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection, raw_sql};
use tokio::runtime::Builder;

use crate::cells::ManualClock;

/// The scheme whose keys these are: `[api_key.partners]`.
const SCHEME: &str = "partners";

/// The key of an earlier system.
const LEGACY: &str = "legacy-key-of-2019";

/// The user of `[basic.…]`, and the hash of `correct horse`, which takes microseconds.
const USER: &str = "backup";
const HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$M7jw0GQI4Kfcxf+xPldfNRYttP89scc9XVAYAcaZ0U0";

/// A database in a folder of its own, which goes with it.
#[derive(Debug)]
pub(crate) struct Stored {
    folder: PathBuf,
    keys: BTreeMap<&'static str, String>,
}

impl Stored {
    pub(crate) fn start() -> Result<Self, String> {
        static RUN: AtomicU32 = AtomicU32::new(0);
        let run = RUN.fetch_add(1, Ordering::Relaxed);
        let folder = format!("palisade-conformance-store-{}-{run}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir_all(&folder).map_err(|why| why.to_string())?;
        let mut stored = Self {
            folder,
            keys: BTreeMap::new(),
        };
        let filled = block_on(stored.fill())?;
        filled.map_err(|why| format!("no store: {why}"))?;
        Ok(stored)
    }

    /// What `{store}` stands for.
    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.file().display())
    }

    /// What `{stored:NAME}` stands for.
    pub(crate) fn key(&self, name: &str) -> Result<String, String> {
        let key = self.keys.get(name).cloned();
        key.ok_or_else(|| {
            let known: Vec<_> = self.keys.keys().copied().collect();
            format!(
                "there is no stored key `{name}`; there are {}",
                known.join(", ")
            )
        })
    }

    /// Changes the database as another node would: on a connection of its own.
    pub(crate) fn run(&self, sql: &str) -> Result<(), String> {
        block_on(self.change(sql))?.map_err(|why| format!("sql: {why}"))
    }

    async fn change(&self, sql: &str) -> Result<(), sqlx::Error> {
        let mut connection = SqliteConnection::connect(&self.url()).await?;
        let sql = raw_sql(AssertSqlSafe(sql.to_owned()));
        sql.execute(&mut connection).await?;
        connection.close().await
    }

    fn file(&self) -> PathBuf {
        self.folder.join("keys.db")
    }

    async fn fill(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let store = Store::open(&self.url()).await?;
        let keys = store.keys();
        let key = |owner: &str| NewKey::new(SCHEME, "pal", owner).scopes(["items:read"]);
        let start = ManualClock::START_UNIX_SECONDS;
        let good = keys
            .create(key("good").roles(["admin"]).tenant("acme"))
            .await?;
        let metered = keys.create(key("metered").quota("2/minute")).await?;
        let ending = keys.create(key("ending").expires(start + 60)).await?;
        let expired = keys.create(key("expired").expires(start - 1)).await?;
        let revoked = keys.create(key("revoked")).await?;
        keys.revoke(revoked.id()).await?;
        let rotated = keys.create(key("rotated")).await?;
        let overlap = Duration::from_secs(86_400);
        let successor = keys.rotate(rotated.id(), overlap).await?;
        let stranger = NewKey::new("internal", "pal", "stranger");
        let stranger = keys.create(stranger).await?;
        // Another secret than the one that is kept.
        let forged = keys.create(key("forged")).await?;
        let digest = sha256("another");
        self.change(&format!(
            "UPDATE palisade_api_keys SET digest = '{digest}' WHERE owner = 'forged'"
        ))
        .await?;
        let legacy = ApiKeyEntry::new("legacy", sha256(LEGACY)).scopes(["items:read:items:write"]);
        keys.import(KeyImport::new(SCHEME, "pal").key(legacy))
            .await?;
        let user = NewUser::new(USER, HASH)
            .scopes(["items:read"])
            .tenant("acme");
        store.users().create(user).await?;
        store.close().await?;

        let mut wrong_checksum = good.reveal().to_owned();
        let last = wrong_checksum.pop();
        wrong_checksum.push(if last == Some('0') { '1' } else { '0' });
        let unknown = generate_key("pal", &SystemEntropy)?;
        let foreign = generate_key("xyz", &SystemEntropy)?;
        self.keys = [
            ("good", good.reveal()),
            ("metered", metered.reveal()),
            ("ending", ending.reveal()),
            ("expired", expired.reveal()),
            ("revoked", revoked.reveal()),
            ("rotated", rotated.reveal()),
            ("successor", successor.reveal()),
            ("stranger", stranger.reveal()),
            ("forged", forged.reveal()),
            ("legacy", LEGACY),
            ("unknown", unknown.reveal()),
            ("foreign", foreign.reveal()),
            ("wrong_checksum", &wrong_checksum),
        ]
        .map(|(name, key)| (name, key.to_owned()))
        .into();
        Ok(())
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn sha256(text: &str) -> String {
    let digest = Sha256::digest(text);
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

fn block_on<F: Future>(future: F) -> Result<F::Output, String> {
    let runtime = Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|why| why.to_string())?.block_on(future))
}
