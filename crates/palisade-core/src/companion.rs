//! What core asks of companion crates: keys from an issuer, answers about opaque tokens, API
//! keys and accounts from a database.
//!
//! Core decides; a companion fetches. [`Policy::with`](crate::Policy::with) registers one, and a
//! policy that names what no companion provides is a mistake that names the crate to add.
//! Whatever a companion hands out is asked on the request's own thread, so its methods must
//! neither wait nor lock for long: what takes time is a future.

pub use crate::config::Unfit;

use crate::{
    api_key::StoredKey,
    jwt::{JwkOptions, KeySet},
    outgoing::Outgoing,
    ports::{BoxFuture, Clock, SourceError},
    principal::Principal,
};
use secrecy::{SecretSlice, SecretString};
use std::{fmt, path::PathBuf, sync::Arc};

/// A crate that does for a policy what core cannot do by itself.
pub trait Companion {
    /// Says what it provides.
    fn register(self, companions: &mut Companions);
}

/// What the companions of a policy provide.
#[derive(Clone, Default)]
pub struct Companions {
    servers: Option<Arc<dyn AuthorizationServers>>,
    databases: Vec<(&'static str, Arc<dyn Databases>)>,
}

impl Companions {
    /// Provides the keys of remote issuers, and introspection.
    pub fn authorization_servers(&mut self, servers: Arc<dyn AuthorizationServers>) {
        self.servers = Some(servers);
    }

    /// Provides databases whose URL begins with `uri_scheme`, such as `sqlite`.
    pub fn databases(&mut self, uri_scheme: &'static str, databases: Arc<dyn Databases>) {
        self.databases.retain(|(known, _)| *known != uri_scheme);
        self.databases.push((uri_scheme, databases));
    }

    /// Who talks to authorization servers.
    pub(crate) fn servers(&self) -> Result<&dyn AuthorizationServers, Unfit> {
        self.servers.as_deref().ok_or_else(|| {
            let message = "needs somebody who asks other servers: add the crate palisade-oauth \
                           and `.with(palisade_oauth::companion())` to the policy";
            Unfit::new("", message)
        })
    }

    /// Who opens the database of this URL.
    pub(crate) fn database(&self, url: &str) -> Result<&dyn Databases, Unfit> {
        let uri_scheme = url.split(':').next().unwrap_or_default();
        let known = self.databases.iter().find(|(own, _)| *own == uri_scheme);
        known
            .map(|(_, databases)| databases.as_ref())
            .ok_or_else(|| {
                Unfit::new(
                    "store",
                    "needs somebody who opens databases: write sqlite:FILE or \
                 postgres://HOST/NAME, and add the crate palisade-store and \
                 `.with(palisade_store::companion())` to the policy",
                )
            })
    }
}

/// Only what is provided, not by whom: the same before and after a reload.
impl fmt::Debug for Companions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let databases: Vec<_> = self.databases.iter().map(|(name, _)| name).collect();
        f.debug_struct("Companions")
            .field("authorization_servers", &self.servers.is_some())
            .field("databases", &databases)
            .finish()
    }
}

/// Talks to the authorization servers of others.
pub trait AuthorizationServers: fmt::Debug + Send + Sync {
    /// Keeps the keys of an issuer fresh from now on, until the feed is dropped.
    ///
    /// # Errors
    /// An address that must not be asked, such as plain HTTP to a host that
    /// [`Outgoing`] does not name.
    fn keys(&self, source: RemoteKeys) -> Result<Arc<dyn KeyFeed>, Unfit>;

    /// Asks an authorization server about opaque tokens (RFC 7662).
    ///
    /// # Errors
    /// As for [`keys`](Self::keys).
    fn introspector(&self, source: RemoteIntrospection) -> Result<Arc<dyn Introspector>, Unfit>;
}

/// Where something of an authorization server is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// In the metadata of the issuer (OpenID Connect Discovery, RFC 8414).
    Discover,
    /// At this URL.
    Url(String),
}

/// The keys of a remote issuer.
#[derive(Debug, Clone)]
pub struct RemoteKeys {
    /// The scheme that needs them, for logs.
    pub scheme: String,
    /// The issuer's identifier.
    pub issuer: String,
    /// Where its key set is.
    pub endpoint: Endpoint,
    /// How to read its key set.
    pub options: JwkOptions,
    /// `refresh`: seconds after which the keys are fetched anew, in the background.
    pub refresh_seconds: u64,
    /// `stale`: seconds for which old keys serve while the issuer gives no new ones.
    pub stale_seconds: u64,
    /// What may be asked, and how.
    pub outgoing: Outgoing,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The introspection endpoint of a remote authorization server.
#[derive(Debug, Clone)]
pub struct RemoteIntrospection {
    /// The scheme that needs it, for logs.
    pub scheme: String,
    /// The issuer's identifier.
    pub issuer: String,
    /// Where its endpoint is.
    pub endpoint: Endpoint,
    /// Who we are to the server.
    pub client_id: String,
    /// How we prove it.
    pub client_secret: SecretSlice<u8>,
    /// How client id and secret travel.
    pub client_auth: ClientAuth,
    /// What may be asked, and how.
    pub outgoing: Outgoing,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// How a client proves itself to an authorization server (RFC 6749 §2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub enum ClientAuth {
    /// `basic`: in `Authorization: Basic`, both form-encoded first.
    #[default]
    Basic,
    /// `post`: in the body.
    Post,
}

/// The keys of an issuer, kept fresh by somebody else.
pub trait KeyFeed: fmt::Debug + Send + Sync {
    /// The keys to verify with at this moment: the same `Arc` until they change. Called for each
    /// token.
    ///
    /// # Errors
    /// There never were any keys, or they are too old to be trusted.
    fn keys(&self) -> Result<Arc<KeySet>, SourceError>;

    /// A token names a key that [`keys`](Self::keys) lacks. Ready once they have been fetched
    /// anew, or could not be; `None` if it is too early to ask the issuer again.
    fn renew(&self) -> Option<BoxFuture<()>>;

    /// Ready once the issuer has answered for the first time.
    fn ready(&self) -> BoxFuture<Result<(), SourceError>>;
}

/// Asks about opaque tokens.
pub trait Introspector: fmt::Debug + Send + Sync {
    /// The body of the server's 200 response, at most 64 KiB, not judged yet.
    ///
    /// # Errors
    /// No answer, any other status (401 and 403 mean that the server does not accept us), or a
    /// body that is too large.
    fn ask(&self, token: SecretString) -> BoxFuture<Result<String, SourceError>>;

    /// Ready once the server is known to be there.
    fn ready(&self) -> BoxFuture<Result<(), SourceError>>;
}

/// Opens databases.
pub trait Databases: fmt::Debug + Send + Sync {
    /// The API keys of a scheme.
    ///
    /// # Errors
    /// A URL that cannot be read. A database that cannot be opened is no mistake of the
    /// policy: the store is then unavailable, and says so.
    fn api_keys(&self, source: KeyTable) -> Result<Arc<dyn KeyStore>, Unfit>;

    /// Accounts with passwords.
    ///
    /// # Errors
    /// As for [`api_keys`](Self::api_keys).
    fn accounts(&self, source: AccountTable) -> Result<Arc<dyn AccountStore>, Unfit>;
}

/// The API keys that a scheme finds in a database.
#[derive(Debug, Clone)]
pub struct KeyTable {
    /// The scheme's name: a database may hold the keys of several.
    pub scheme: String,
    /// The URL; may hold a password, which `Debug` does not show.
    pub url: DatabaseUrl,
    /// What a relative path in the URL is relative to: the folder of the policy file.
    pub folder: Option<PathBuf>,
    /// Who vouches for the owners of its keys.
    pub issuer: Arc<str>,
    /// Seconds after which a change that another node made is seen at the latest.
    pub freshness_seconds: u64,
    /// How many keys are kept in memory.
    pub cached_keys: usize,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The accounts that a scheme finds in a database.
#[derive(Debug, Clone)]
pub struct AccountTable {
    /// The scheme's name, for logs.
    pub scheme: String,
    /// The URL.
    pub url: DatabaseUrl,
    /// What a relative path in the URL is relative to: the folder of the policy file.
    pub folder: Option<PathBuf>,
    /// Who vouches for the accounts.
    pub issuer: Arc<str>,
    /// Seconds after which a change that another node made is seen at the latest.
    pub freshness_seconds: u64,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The URL of a database. `Debug` shows only its scheme.
#[derive(Clone)]
pub struct DatabaseUrl(SecretString);

impl DatabaseUrl {
    /// This URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self(SecretString::from(url.into()))
    }

    /// Whether a password stands in it, before the host or among the parameters, or a private key: then it must not be
    /// written where others read it, such as in a policy file or on a command line. Rather yes than no.
    pub fn holds_secret(&self) -> bool {
        let (_, after) = self.reveal().split_once("://").unwrap_or_default();
        let (user, _) = after.rsplit_once('@').unwrap_or_default();
        user.contains(':') || after.contains("password=") || after.contains("-----BEGIN")
    }

    /// The URL with everything in it.
    pub fn reveal(&self) -> &str {
        use secrecy::ExposeSecret;
        self.0.expose_secret()
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.reveal().split(':').next().unwrap_or_default();
        write!(f, "{scheme}:***")
    }
}

/// Finds API keys.
pub trait KeyStore: fmt::Debug + Send + Sync {
    /// The key with this id: 16 characters of base62.
    fn by_id(&self, id: &str) -> Answer<Option<Arc<StoredKey>>>;

    /// The key of an earlier system, which has no id, by its SHA-256.
    fn by_digest(&self, digest: &[u8; 32]) -> Answer<Option<Arc<StoredKey>>>;

    /// Whether there are keys without an id, so that every text may be one.
    fn has_legacy_keys(&self) -> bool;

    /// Notes that a key was used.
    fn used(&self, key: &StoredKey, unix_seconds: u64);

    /// Ready once the database has been opened and read.
    fn ready(&self) -> BoxFuture<Result<(), SourceError>>;
}

/// An answer from memory, or one that takes a question.
pub enum Answer<T> {
    /// It was in memory.
    Known(T),
    /// Somebody must be asked.
    Ask(BoxFuture<Result<T, SourceError>>),
}

impl<T: fmt::Debug> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Known(known) => f.debug_tuple("Known").field(known).finish(),
            Answer::Ask(_) => f.write_str("Ask(..)"),
        }
    }
}

/// Finds accounts.
pub trait AccountStore: fmt::Debug + Send + Sync {
    /// The account of this name, byte for byte.
    fn by_name(&self, name: &str) -> BoxFuture<Result<Option<Account>, SourceError>>;

    /// Replaces the password hash, unless it has been replaced by somebody else.
    fn upgrade(&self, name: &str, old_hash: &str, new_hash: &str);

    /// Ready once the database has been opened.
    fn ready(&self) -> BoxFuture<Result<(), SourceError>>;
}

/// An account with a password.
#[derive(Debug, Clone)]
pub struct Account {
    /// The password's hash as a PHC string.
    pub password_hash: SecretString,
    /// Whom the account speaks for.
    pub principal: Principal,
    /// Whether it may be used.
    pub active: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Principal, SystemClock, generate_key, ports::SystemEntropy};

    #[test]
    fn a_secret_in_the_url_of_a_database_is_seen() {
        for bad in [
            "postgres://shop:swordfish@db/keys",
            "postgres://shop:sword/fish@db",
            "postgres://shop:@db",
            "postgres://db/keys?user=shop&password=swordfish",
            "postgres://db/keys?sslkey=-----BEGIN PRIVATE KEY-----",
        ] {
            assert!(DatabaseUrl::new(bad).holds_secret(), "{bad}");
        }
        for good in [
            "sqlite:palisade.db",
            "sqlite:///var/lib/palisade.db",
            "postgres://shop@db:5432/keys",
            "postgres://db:5432/keys?sslmode=require",
            "env:DATABASE_URL",
        ] {
            assert!(!DatabaseUrl::new(good).holds_secret(), "{good}");
        }
    }

    #[test]
    fn what_crosses_to_companions_and_back_shows_no_secret() {
        const PLANTED: &str = "swordfish";
        let introspection = RemoteIntrospection {
            scheme: "opaque".to_owned(),
            issuer: "https://id.example.com".to_owned(),
            endpoint: Endpoint::Discover,
            client_id: "api".to_owned(),
            client_secret: PLANTED.as_bytes().to_vec().into(),
            client_auth: ClientAuth::Basic,
            outgoing: Outgoing::default(),
            clock: Arc::new(SystemClock::default()),
        };
        let url = DatabaseUrl::new("postgres://palisade:swordfish@db.internal/palisade");
        let table = KeyTable {
            scheme: "partners".to_owned(),
            url: url.clone(),
            folder: None,
            issuer: "urn:keys".into(),
            freshness_seconds: 5,
            cached_keys: 1,
            clock: Arc::new(SystemClock::default()),
        };
        let accounts = AccountTable {
            scheme: "services".to_owned(),
            url: url.clone(),
            folder: None,
            issuer: "urn:accounts".into(),
            freshness_seconds: 5,
            clock: Arc::new(SystemClock::default()),
        };
        let account = Account {
            password_hash: SecretString::from(PLANTED),
            principal: Principal::new("urn:accounts", "backup"),
            active: true,
        };
        let shown =
            format!("{introspection:?}{introspection:#?}{url:?}{table:?}{accounts:?}{account:?}");
        assert!(!shown.contains(PLANTED), "{shown}");
        let bytes = format!("{:?}", PLANTED.as_bytes());
        assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");

        let made = generate_key("pal", &SystemEntropy).unwrap();
        let entry = made.entry("service1");
        let stored = StoredKey::new(&entry, &"urn:keys".into()).unwrap();
        let shown = format!("{made:?}{entry:?}{stored:?}{:?}", Answer::Known(&stored));
        assert!(!shown.contains(made.reveal()), "{shown}");
    }
}
