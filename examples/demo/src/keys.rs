//! The keys of the demo: made at the first start, never the same on two machines.

use crate::{Database, DemoUser};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use palisade_core::{
    ApiKey, ApiKeyEntry, Entropy, GeneratedKey, Jwt, Secret, SourceError, Store, SystemEntropy,
    generate_key,
};
use palisade_store::{KeyFilter, NewKey, StoreError};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// The name of the demo's token scheme in the policy.
pub(crate) const TOKENS: &str = "demo";
/// The name of the demo's API key scheme in the policy.
pub(crate) const API_KEYS: &str = "keys";
/// Who vouches for the demo users.
pub(crate) const ISSUER: &str = "urn:palisade:demo:issuer";
/// Whom their tokens are for.
pub(crate) const AUDIENCE: &str = "urn:palisade:demo:api";
/// Whose API key it is.
pub(crate) const API_KEY_OWNER: &str = "service1";
/// How long a token lives, in seconds.
pub(crate) const TOKEN_LIFETIME: u64 = 1800;

/// What its API keys begin with.
pub(crate) const API_KEY_PREFIX: &str = "demo";
const API_KEY_SCOPES: [&str; 2] = ["read", "write"];

const SIGNING_KEY_FILE: &str = "signing.key";
const API_KEY_FILE: &str = "api-key.digest";

/// The key that signs tokens, and what is kept of the API keys.
#[derive(Debug)]
pub(crate) struct Keys {
    /// 256 random bits in hexadecimal. HS256, because who signs here also verifies.
    signing_key: SecretString,
    api_keys: ApiKeys,
    /// The API key itself: only at the start that made it.
    new_api_key: Option<GeneratedKey>,
}

/// Where API keys are looked up.
#[derive(Debug)]
enum ApiKeys {
    /// One in the policy, which knows its id and its digest: a database in memory keeps nothing.
    Policy(ApiKeyEntry),
    Database(Database),
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("the API keys cannot be kept: {0}")]
    Store(#[from] StoreError),
    #[error("{} cannot be used: {why}", path.display())]
    File { path: PathBuf, why: io::Error },
    #[error(transparent)]
    Entropy(#[from] SourceError),
    #[error("a token cannot be signed: {0}")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

impl Keys {
    /// The keys kept in the folder; new ones in place of those that are not there. API keys are
    /// in the database, if it keeps anything.
    pub(crate) fn open(folder: Option<&Path>, database: &Database) -> Result<Self, KeyError> {
        let kept = |name| folder.map_or(Ok(None), |folder| read(folder.join(name)));
        let signing_key = match kept(SIGNING_KEY_FILE)? {
            Some(key) => key.into(),
            None => random_hex(32)?.into(),
        };
        let mut keys = Self {
            signing_key,
            api_keys: ApiKeys::Database(database.clone()),
            new_api_key: None,
        };
        if database.in_memory() {
            let entry = match kept(API_KEY_FILE)? {
                Some(line) => {
                    let (id, digest) = line.split_once(' ').unwrap_or_default();
                    ApiKeyEntry::new(API_KEY_OWNER, digest).id(id)
                }
                None => {
                    let made = generate_key(API_KEY_PREFIX, &SystemEntropy)?;
                    keys.new_api_key.insert(made).entry(API_KEY_OWNER)
                }
            };
            keys.api_keys = ApiKeys::Policy(entry);
        }
        Ok(keys)
    }

    /// Makes an API key if the database has none.
    pub(crate) async fn make_api_key(&mut self) -> Result<(), KeyError> {
        let ApiKeys::Database(database) = &self.api_keys else {
            return Ok(());
        };
        let store = palisade_store::Store::open(database.url()).await?;
        let any = KeyFilter::of_scheme(API_KEYS).active(true).limit(1);
        if store.keys().list(any).await?.is_empty() {
            let new = NewKey::new(API_KEYS, API_KEY_PREFIX, API_KEY_OWNER).scopes(API_KEY_SCOPES);
            self.new_api_key = Some(store.keys().create(new).await?);
        }
        Ok(())
    }

    /// Keeps the keys in the folder, for this user alone; of the API key, its digest.
    pub(crate) fn save(&self, folder: &Path) -> Result<(), KeyError> {
        fs::create_dir_all(folder).map_err(|why| KeyError::File {
            path: folder.to_owned(),
            why,
        })?;
        let signing_key = self.signing_key.expose_secret();
        write_new(folder.join(SIGNING_KEY_FILE), signing_key)?;
        let ApiKeys::Policy(ApiKeyEntry { id, digest, .. }) = &self.api_keys else {
            return Ok(());
        };
        let line = format!("{} {digest}", id.as_deref().unwrap_or_default());
        write_new(folder.join(API_KEY_FILE), &line)
    }

    /// What `[jwt.demo]` would say.
    pub(crate) fn tokens(&self) -> Jwt {
        Jwt::new(TOKENS)
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .secret(Secret::value(self.signing_key.expose_secret()))
    }

    /// What `[api_key.keys]` would say.
    pub(crate) fn api_keys(&self) -> ApiKey {
        let scheme = ApiKey::new(API_KEYS)
            .prefix(API_KEY_PREFIX)
            .header("x-api-key")
            .query("api-key")
            .cookie("api-key");
        match &self.api_keys {
            ApiKeys::Policy(entry) => scheme.key(entry.clone().scopes(API_KEY_SCOPES)),
            ApiKeys::Database(database) => scheme.store(Store::new(Secret::value(database.url()))),
        }
    }

    /// An access token for a demo user, in the form of RFC 9068 §2.
    pub(crate) fn token_for(&self, user: &DemoUser, now: u64) -> Result<String, KeyError> {
        let header = Header {
            typ: Some("at+jwt".to_owned()),
            ..Header::new(Algorithm::HS256)
        };
        let claims = Claims {
            iss: ISSUER,
            aud: AUDIENCE,
            sub: user.name,
            client_id: "palisade-demo",
            iat: now,
            exp: now.saturating_add(TOKEN_LIFETIME),
            jti: random_hex(16)?,
            scope: user.scopes.join(" "),
            roles: user.roles,
        };
        let key = EncodingKey::from_secret(self.signing_key.expose_secret().as_bytes());
        Ok(jsonwebtoken::encode(&header, &claims, &key)?)
    }

    /// The API key, if this start made it: nobody can show it later.
    pub(crate) fn new_api_key(&self) -> Option<&str> {
        self.new_api_key.as_ref().map(GeneratedKey::reveal)
    }
}

/// The claims of an access token (RFC 9068 §2.2).
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'static str,
    aud: &'static str,
    sub: &'a str,
    client_id: &'static str,
    iat: u64,
    exp: u64,
    jti: String,
    scope: String,
    roles: &'a [&'a str],
}

fn random_hex(length: usize) -> Result<String, SourceError> {
    let mut bytes = vec![0; length];
    SystemEntropy.fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn read(path: PathBuf) -> Result<Option<String>, KeyError> {
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim_end().to_owned())),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(KeyError::File { path, why }),
    }
}

/// Writes a file that only this user can read; leaves one that is there as it is.
fn write_new(path: PathBuf, content: &str) -> Result<(), KeyError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options
        .open(&path)
        .and_then(|mut file| writeln!(file, "{content}"));
    match written {
        Err(why) if why.kind() != io::ErrorKind::AlreadyExists => Err(KeyError::File { path, why }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DEMO_USERS;

    fn keys(folder: Option<&Path>) -> Keys {
        Keys::open(folder, &"sqlite::memory:".parse().unwrap()).unwrap()
    }

    fn digest(keys: &Keys) -> &str {
        match &keys.api_keys {
            ApiKeys::Policy(entry) => &entry.digest,
            ApiKeys::Database(_) => panic!("the database keeps nothing"),
        }
    }

    #[test]
    fn keys_are_kept_for_this_user_alone_and_the_api_key_is_not() {
        let folder = std::env::temp_dir().join(format!("palisade-demo-{}", std::process::id()));
        let first = keys(Some(&folder));
        let api_key = first.new_api_key().unwrap();
        first.save(&folder).unwrap();
        for name in [SIGNING_KEY_FILE, API_KEY_FILE] {
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                let mode = fs::metadata(folder.join(name))
                    .unwrap()
                    .permissions()
                    .mode();
                assert_eq!(mode & 0o777, 0o600, "{name}");
            }
            assert!(
                !fs::read_to_string(folder.join(name))
                    .unwrap()
                    .contains(api_key)
            );
        }

        let second = keys(Some(&folder));
        second.save(&folder).unwrap();
        assert_eq!(
            second.signing_key.expose_secret(),
            first.signing_key.expose_secret()
        );
        assert_eq!(digest(&second), digest(&first));
        assert!(second.new_api_key().is_none());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn no_key_is_made_twice_or_shown_by_debug() {
        let (one, other) = (keys(None), keys(None));
        assert_ne!(
            one.signing_key.expose_secret(),
            other.signing_key.expose_secret()
        );
        assert_ne!(digest(&one), digest(&other));
        let shown = format!("{one:?}");
        assert!(!shown.contains(one.signing_key.expose_secret()));
        assert!(!shown.contains(one.new_api_key().unwrap()));
    }

    #[test]
    fn two_tokens_are_never_the_same() {
        let keys = keys(None);
        let token = || keys.token_for(&DEMO_USERS[0], 1_780_272_000).unwrap();
        assert_ne!(token(), token());
    }

    #[tokio::test]
    async fn a_database_keeps_one_api_key_and_never_the_key_itself() {
        let file = std::env::temp_dir().join(format!("palisade-demo-{}.db", std::process::id()));
        let database = format!("sqlite:{}", file.display()).parse().unwrap();
        let mut first = Keys::open(None, &database).unwrap();
        first.make_api_key().await.unwrap();
        let made = first.new_api_key().unwrap();
        let mut second = Keys::open(None, &database).unwrap();
        second.make_api_key().await.unwrap();
        assert!(second.new_api_key().is_none());
        assert!(!format!("{first:?}").contains(made));
        for suffix in ["", "-wal"] {
            let path = format!("{}{suffix}", file.display());
            let kept = fs::read(&path).unwrap_or_default();
            assert!(
                !kept
                    .windows(made.len())
                    .any(|bytes| bytes == made.as_bytes())
            );
            let _ = fs::remove_file(path);
        }
    }
}
