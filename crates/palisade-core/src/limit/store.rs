//! Counts that are kept elsewhere, so that several processes share them.

use super::Quota;
use crate::ports::{BoxFuture, SourceError};
use std::{fmt, num::NonZeroU32, sync::Arc};

/// Keeps the counts of limits outside of this process.
///
/// [`Policy::limit_store`](crate::Policy::limit_store) gives one a name, which a limit then names as its `store`.
pub trait LimitStore: fmt::Debug + Send + Sync {
    /// Makes all charges, or none if a quota that is enforced has too little left. The answer has a state for each quota of
    /// each charge, in their order.
    ///
    /// Without an answer the request is refused with 503: a limit that nobody counts would be none. The answer must come in
    /// bounded time, because nothing else ends the wait. Limits that this
    /// process counts are charged before, and stay charged.
    fn take(&self, charges: Vec<StoreCharge>) -> BoxFuture<Result<Vec<QuotaState>, SourceError>>;
}

/// What a request owes one limit.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StoreCharge {
    /// The name of the limit.
    pub limit: Arc<str>,
    /// Whom it counts against: a digest, the same in every process, from which nobody can read an address or a name without
    /// trying all of them.
    pub key: [u8; 16],
    /// The quotas.
    pub quotas: Arc<[Quota]>,
    /// How many may come at once; `None`: as many as the quota.
    pub burst: Option<u32>,
    /// Whether no window may ever hold more than the quota.
    pub strict: bool,
    /// Whether it is only watched, so that it refuses nothing.
    pub shadow: bool,
    /// How many units.
    pub cost: NonZeroU32,
}

/// One quota after a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuotaState {
    /// How many units are left.
    pub remaining: u32,
    /// Seconds, rounded up: until a unit is back if none is left, else until all are.
    pub seconds: u32,
    /// Whether it had too little left for the charge.
    pub exceeded: bool,
}

impl QuotaState {
    /// So many units left, seconds until the next one (or all of them), and whether too little was left for the charge.
    pub fn new(remaining: u32, seconds: u32, exceeded: bool) -> Self {
        Self {
            remaining,
            seconds,
            exceeded,
        }
    }
}

/// A limit that a store counts.
#[derive(Debug)]
pub(crate) struct StoredLimit {
    pub(crate) store: Arc<dyn LimitStore>,
    pub(crate) name: Arc<str>,
    pub(crate) quotas: Arc<[Quota]>,
    pub(crate) burst: Option<u32>,
    pub(crate) strict: bool,
    pub(crate) shadow: bool,
}
