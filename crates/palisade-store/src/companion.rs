//! What a policy gets of a database: look-ups from memory, and questions in the background.

use crate::{
    database::Database,
    location::Location,
    memory::{Answered, Memory, Moment, Trust},
    node::{Change, Changes, Node, Table},
    rows::{account, key_entry},
    store::{now, unreadable},
    usage::KeyId,
};
use palisade_core::{
    BoxFuture, SourceError, StoredKey,
    companion::{
        Account, AccountStore, AccountTable, Answer, Companion, Companions, Databases, KeyStore,
        KeyTable, Unfit,
    },
};
use sqlx::{Error, any::AnyRow};
use std::{fmt, sync::Arc};

/// No account has a longer name.
const MAX_NAME_BYTES: usize = 256;

/// How many accounts are kept in memory.
const CACHED_ACCOUNTS: usize = 10_000;

/// What a policy registers so that its schemes may name a `store`.
///
/// ```
/// use palisade_core::Policy;
///
/// let policy = Policy::builder().with(palisade_store::companion());
/// ```
#[must_use = "register it by `Policy::with`"]
pub fn companion() -> Stores {
    Stores
}

/// Opens the databases that a policy names; made by [`companion`].
#[derive(Debug, Clone, Copy)]
pub struct Stores;

impl Companion for Stores {
    fn register(self, companions: &mut Companions) {
        for uri_scheme in ["sqlite", "postgres", "postgresql"] {
            companions.databases(uri_scheme, Arc::new(self));
        }
    }
}

impl Databases for Stores {
    fn api_keys(&self, source: KeyTable) -> Result<Arc<dyn KeyStore>, Unfit> {
        let location = Location::parse(source.url.reveal(), source.folder.as_deref());
        let node = Node::at(location.map_err(|fault| Unfit::new("store", fault))?);
        Ok(Arc::new(SchemeKeys::new(node, source)))
    }

    fn accounts(&self, source: AccountTable) -> Result<Arc<dyn AccountStore>, Unfit> {
        let location = Location::parse(source.url.reveal(), source.folder.as_deref());
        let node = Node::at(location.map_err(|fault| Unfit::new("store", fault))?);
        Ok(Arc::new(Accounts::new(node, source)))
    }
}

/// The API keys of one scheme.
pub(crate) struct SchemeKeys {
    node: Arc<Node>,
    scheme: Arc<str>,
    issuer: Arc<str>,
    memory: Arc<KeyMemory>,
}

struct KeyMemory {
    trust: Trust,
    by_id: Arc<Memory<KeyId, Arc<StoredKey>>>,
    by_digest: Arc<Memory<[u8; 32], Arc<StoredKey>>>,
}

impl SchemeKeys {
    pub(crate) fn new(node: Arc<Node>, source: KeyTable) -> Self {
        let memory = Arc::new(KeyMemory {
            trust: Trust::new(source.clock, source.freshness_seconds),
            by_id: Arc::new(Memory::new(source.cached_keys)),
            by_digest: Arc::new(Memory::new(source.cached_keys)),
        });
        let table: Arc<dyn Table> = memory.clone();
        node.keep_fresh(Arc::downgrade(&table), source.freshness_seconds);
        Self {
            node,
            scheme: source.scheme.into(),
            issuer: source.issuer,
            memory,
        }
    }

    /// Asks the database for the key that `sql` finds by `name`.
    fn question(
        &self,
        sql: &'static str,
        name: String,
    ) -> impl Future<Output = Answered<Arc<StoredKey>>> + Send + 'static {
        let (shared, scheme, issuer) = (
            self.node.shared.clone(),
            self.scheme.clone(),
            self.issuer.clone(),
        );
        async move {
            let by_name = name.clone();
            let find = |database| find(database, sql, by_name, Some(scheme));
            let Some(row) = shared.look_up(find).await? else {
                return Ok(None);
            };
            let entry = key_entry(&row).map_err(|_| unreadable("the key", &name))?;
            let stored = StoredKey::new(&entry, &issuer);
            let unfit = |unfit: Unfit| unreadable(&format!("the {} of the key", unfit.key), &name);
            Ok(Some(Arc::new(stored.map_err(unfit)?)))
        }
    }
}

impl KeyStore for SchemeKeys {
    fn by_id(&self, id: &str) -> Answer<Option<Arc<StoredKey>>> {
        let Ok(key) = KeyId::try_from(id.as_bytes()) else {
            return Answer::Known(None);
        };
        let memory = &self.memory.by_id;
        if let Some(known) = memory.recall(&key)
            && self.memory.trust.holds()
        {
            return Answer::Known(known);
        }
        let question = || self.question(KEY_BY_ID, id.to_owned());
        Answer::Ask(memory.ask(key, &self.node.background, question))
    }

    fn by_digest(&self, digest: &[u8; 32]) -> Answer<Option<Arc<StoredKey>>> {
        let memory = &self.memory.by_digest;
        if let Some(known) = memory.recall(digest)
            && self.memory.trust.holds()
        {
            return Answer::Known(known);
        }
        let question = || {
            let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            self.question(KEY_BY_DIGEST, format!("sha256:{digits}"))
        };
        Answer::Ask(memory.ask(*digest, &self.node.background, question))
    }

    fn has_legacy_keys(&self) -> bool {
        self.node.shared.has_legacy_keys()
    }

    fn used(&self, key: &StoredKey, unix_seconds: u64) {
        let id = key.principal().credential_name().unwrap_or_default();
        if let Ok(id) = KeyId::try_from(id.as_bytes()) {
            self.node.shared.usage.note(id, unix_seconds);
        }
    }

    fn ready(&self) -> BoxFuture<Result<(), SourceError>> {
        ready(&self.node)
    }
}

impl Table for KeyMemory {
    fn now(&self) -> Moment {
        self.trust.now()
    }

    fn forget(&self, changes: &Changes, moment: Moment) {
        match changes {
            Changes::All => {
                self.by_id.forget_all();
                self.by_digest.forget_all();
            }
            Changes::These(changes) => changes.iter().for_each(|change| match change {
                Change::Key(id) => forget(&self.by_id, id.as_bytes()),
                Change::Legacy(digest) => match parse_digest(digest) {
                    Some(digest) => self.by_digest.forget(&digest),
                    None => self.by_digest.forget_all(),
                },
                Change::User(_) => {}
            }),
        }
        self.trust.confirm(moment);
    }
}

fn forget(memory: &Memory<KeyId, Arc<StoredKey>>, id: &[u8]) {
    if let Ok(id) = KeyId::try_from(id) {
        memory.forget(&id);
    }
}

/// The accounts of one scheme.
pub(crate) struct Accounts {
    node: Arc<Node>,
    issuer: Arc<str>,
    memory: Arc<AccountMemory>,
}

struct AccountMemory {
    trust: Trust,
    by_name: Arc<Memory<String, Account>>,
}

impl Accounts {
    pub(crate) fn new(node: Arc<Node>, source: AccountTable) -> Self {
        let memory = Arc::new(AccountMemory {
            trust: Trust::new(source.clock, source.freshness_seconds),
            by_name: Arc::new(Memory::new(CACHED_ACCOUNTS)),
        });
        let table: Arc<dyn Table> = memory.clone();
        node.keep_fresh(Arc::downgrade(&table), source.freshness_seconds);
        Self {
            node,
            issuer: source.issuer,
            memory,
        }
    }
}

impl AccountStore for Accounts {
    fn by_name(&self, name: &str) -> BoxFuture<Result<Option<Account>, SourceError>> {
        // Postgres has no text with a zero byte.
        if name.len() > MAX_NAME_BYTES || name.contains('\0') {
            return Box::pin(std::future::ready(Ok(None)));
        }
        let memory = &self.memory.by_name;
        if let Some(known) = memory.recall(name)
            && self.memory.trust.holds()
        {
            return Box::pin(std::future::ready(Ok(known)));
        }
        let (shared, issuer) = (self.node.shared.clone(), self.issuer.clone());
        let asked = name.to_owned();
        let question = || async move {
            let by_name = asked.clone();
            let row = shared
                .look_up(|database| find(database, USER_BY_NAME, by_name, None))
                .await?;
            let account = row.map(|row| account(&row, &issuer)).transpose();
            account.map_err(|_| unreadable("the user", &asked))
        };
        memory.ask(name.to_owned(), &self.node.background, question)
    }

    fn upgrade(&self, name: &str, old_hash: &str, new_hash: &str) {
        let shared = self.node.shared.clone();
        let values = [name, new_hash, old_hash].map(str::to_owned);
        self.node.background.spawn(async move {
            let [name, new_hash, old_hash] = values;
            let update = |database: Database| async move {
                let update = sqlx::query(UPGRADE)
                    .bind(name)
                    .bind(new_hash)
                    .bind(old_hash);
                update.bind(now()).execute(database.pool()).await
            };
            // The old hash still serves; the next login tries again.
            if let Err(error) = shared.look_up(update).await {
                tracing::warn!(target: "palisade", %error, "a password's hash was not renewed");
            }
        });
    }

    fn ready(&self) -> BoxFuture<Result<(), SourceError>> {
        ready(&self.node)
    }
}

impl Table for AccountMemory {
    fn now(&self) -> Moment {
        self.trust.now()
    }

    fn forget(&self, changes: &Changes, moment: Moment) {
        match changes {
            Changes::All => self.by_name.forget_all(),
            Changes::These(changes) => changes.iter().for_each(|change| {
                if let Change::User(name) = change {
                    self.by_name.forget(name);
                }
            }),
        }
        self.trust.confirm(moment);
    }
}

const KEY_BY_ID: &str = "SELECT id, digest, owner, scopes, roles, tenant, expires, active, quota \
    FROM palisade_api_keys WHERE id = $1 AND scheme = $2 AND legacy = 0";

const KEY_BY_DIGEST: &str = "SELECT id, digest, owner, scopes, roles, tenant, expires, active, quota \
    FROM palisade_api_keys WHERE digest = $1 AND scheme = $2 AND legacy = 1";

const USER_BY_NAME: &str = "SELECT name, password_hash, scopes, roles, tenant, active, created, \
    changed FROM palisade_users WHERE name = $1";

const UPGRADE: &str = "UPDATE palisade_users SET password_hash = $2, changed = $4 \
    WHERE name = $1 AND password_hash = $3";

/// The row that `sql` finds by `name`, and by the scheme where there is one.
async fn find(
    database: Database,
    sql: &'static str,
    name: String,
    scheme: Option<Arc<str>>,
) -> Result<Option<AnyRow>, Error> {
    let query = sqlx::query(sql).bind(name);
    let query = match scheme {
        Some(scheme) => query.bind(scheme.to_string()),
        None => query,
    };
    query.fetch_optional(database.pool()).await
}

/// Waits on a thread of the node's own, so that whoever asks needs no runtime.
fn ready(node: &Arc<Node>) -> BoxFuture<Result<(), SourceError>> {
    let shared = node.shared.clone();
    node.background.ask(
        "the database",
        async move { shared.database().await.map(drop) },
    )
}

/// Reads `sha256:` and 64 hex digits.
fn parse_digest(text: &str) -> Option<[u8; 32]> {
    let issuer: Arc<str> = "".into();
    let entry = palisade_core::ApiKeyEntry::new("", text);
    StoredKey::new(&entry, &issuer)
        .ok()
        .map(|key| *key.digest())
}

impl fmt::Debug for SchemeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SchemeKeys")
            .field(&self.scheme)
            .field(&self.node)
            .finish()
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Accounts").field(&self.node).finish()
    }
}
