//! Databases that nobody opens, and stores of counts that nobody asks: a policy can be checked where they are out of reach.

use palisade_core::{
    BoxFuture, Companion, SourceError, StoredKey,
    companion::{
        Account, AccountStore, AccountTable, Answer, Companions, Databases, KeyStore, KeyTable,
        Unfit,
    },
    limit::{LimitStore, QuotaState, StoreCharge},
};
use std::sync::Arc;

/// Stands in for whoever opens databases.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offline;

/// Stands in for a store of counts: every quota is full.
#[derive(Debug)]
pub(crate) struct Uncounted;

impl LimitStore for Uncounted {
    fn take(&self, charges: Vec<StoreCharge>) -> BoxFuture<Result<Vec<QuotaState>, SourceError>> {
        let quotas = charges.iter().flat_map(|charge| charge.quotas.iter());
        let full = quotas.map(|quota| QuotaState::new(quota.units, 0, false));
        Box::pin(std::future::ready(Ok(full.collect())))
    }
}

impl Offline {
    fn silence<T: Send + 'static>() -> BoxFuture<Result<T, SourceError>> {
        let error = SourceError::new("the database", "nobody is asked without --online");
        Box::pin(std::future::ready(Err(error)))
    }
}

impl Companion for Offline {
    fn register(self, companions: &mut Companions) {
        for uri_scheme in ["sqlite", "postgres", "postgresql"] {
            companions.databases(uri_scheme, Arc::new(self));
        }
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
