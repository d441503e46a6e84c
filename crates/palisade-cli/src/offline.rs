//! Companions that ask nobody: a policy can be checked where its issuers and databases are out
//! of reach.

use palisade_core::{
    Companion, SourceError, StoredKey,
    companion::{
        Account, AccountStore, AccountTable, Answer, AuthorizationServers, BoxFuture, Companions,
        Databases, Introspector, KeyFeed, KeyStore, KeyTable, RemoteIntrospection, RemoteKeys,
        Unfit,
    },
    jwt::KeySet,
};
use secrecy::SecretString;
use std::sync::Arc;

/// Stands in for everybody who would ask somebody.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offline;

impl Offline {
    fn silence<T: Send + 'static>() -> BoxFuture<Result<T, SourceError>> {
        Box::pin(std::future::ready(Err(Self::error())))
    }

    fn error() -> SourceError {
        SourceError::new("everything outside", "nobody is asked without --online")
    }
}

impl Companion for Offline {
    fn register(self, companions: &mut Companions) {
        companions.authorization_servers(Arc::new(self));
        for uri_scheme in ["sqlite", "postgres", "postgresql"] {
            companions.databases(uri_scheme, Arc::new(self));
        }
    }
}

impl AuthorizationServers for Offline {
    fn keys(&self, _: RemoteKeys) -> Result<Arc<dyn KeyFeed>, Unfit> {
        Ok(Arc::new(*self))
    }

    fn introspector(&self, _: RemoteIntrospection) -> Result<Arc<dyn Introspector>, Unfit> {
        Ok(Arc::new(*self))
    }
}

impl Databases for Offline {
    fn api_keys(&self, _: KeyTable) -> Result<Arc<dyn KeyStore>, Unfit> {
        Ok(Arc::new(*self))
    }

    fn accounts(&self, _: AccountTable) -> Result<Arc<dyn AccountStore>, Unfit> {
        Ok(Arc::new(*self))
    }
}

impl KeyFeed for Offline {
    fn keys(&self) -> Result<Arc<KeySet>, SourceError> {
        Err(Self::error())
    }

    fn renew(&self) -> Option<BoxFuture<()>> {
        None
    }

    fn ready(&self) -> BoxFuture<Result<(), SourceError>> {
        Self::silence()
    }
}

impl Introspector for Offline {
    fn ask(&self, _: SecretString) -> BoxFuture<Result<String, SourceError>> {
        Self::silence()
    }

    fn ready(&self) -> BoxFuture<Result<(), SourceError>> {
        Self::silence()
    }
}

impl KeyStore for Offline {
    fn by_id(&self, _: &str) -> Answer<Option<Arc<StoredKey>>> {
        Answer::Ask(Self::silence())
    }

    fn by_digest(&self, _: &[u8; 32]) -> Answer<Option<Arc<StoredKey>>> {
        Answer::Ask(Self::silence())
    }

    fn has_legacy_keys(&self) -> bool {
        false
    }

    fn used(&self, _: &StoredKey, _: u64) {}

    fn ready(&self) -> BoxFuture<Result<(), SourceError>> {
        Self::silence()
    }
}

impl AccountStore for Offline {
    fn by_name(&self, _: &str) -> BoxFuture<Result<Option<Account>, SourceError>> {
        Self::silence()
    }

    fn upgrade(&self, _: &str, _: &str, _: &str) {}

    fn ready(&self) -> BoxFuture<Result<(), SourceError>> {
        Self::silence()
    }
}
