//! Rate limits in this process, in bounded memory.
//!
//! A [`LimitSet`] is compiled once and shared by all threads. A request names what it owes, as
//! [`Charge`]s, and [`LimitSet::take`] makes the charges of one stage all or nothing: a request
//! that one quota refuses takes from none. A quota of `n` per `d` is GCRA with burst `n`, computed
//! by `governor`: in any window of length `T` at most `n + floor(n * T / d)` units pass, and after
//! a quiet time the first period may admit up to `2n - 1`. A strict limit admits at most `n` in
//! every window, at the price of a time kept for each unit.
//!
//! Keys are hashed under a secret before they are kept. Each limit keeps at most `max_keys` of
//! them apart; a key that owes nothing any more makes room, and no other ever does. Where there is
//! no room, new keys share one bucket for each limit and address family.
//!
//! ```
//! use palisade_core::limit::{Decision, FieldText, Key, KeyHasher, LimitOptions, LimitSet, LimitSpec, Quota, Report};
//!
//! let quotas = Quota::parse_list("2/minute; 100 per day")?;
//! let set = LimitSet::new(vec![LimitSpec::new("burst", quotas)], LimitOptions::default()).unwrap();
//! let keys = KeyHasher::new(&[7; 16]); // in earnest: random bytes
//! let burst = set.id("burst").unwrap();
//! let charge = set.charge(burst, keys.hash(Key::Address([192, 0, 2, 1].into()))).unwrap();
//!
//! let (now, mut report) = (0, Report::new());
//! assert_eq!(set.take(&[charge], now, &mut report), Decision::Admit);
//! assert_eq!(set.take(&[charge], now, &mut report), Decision::Admit);
//! assert_eq!(set.take(&[charge], now, &mut report), Decision::Refuse { retry_after: 30 });
//! assert_eq!(set.policy_field(&[burst]), r#""burst";q=2;w=60, "burst-2";q=100;w=86400"#);
//!
//! let mut field = FieldText::default();
//! set.write_field(&report, &mut field);
//! assert_eq!(field.as_str(), r#""burst";r=0;t=30, "burst-2";r=98;t=1728"#);
//! # Ok::<(), String>(())
//! ```

mod failure;
mod fields;
mod key;
mod meter;
mod own;
mod quota;
mod report;
mod spec;
mod store;
mod table;
mod take;
#[cfg(test)]
mod tests;

use std::{num::NonZeroU32, sync::Arc};

pub use fields::FieldText;
pub(crate) use own::OwnQuotas;

pub use key::{Key, KeyHash, KeyHasher};
pub use quota::Quota;
pub use report::{Report, Row};
pub use spec::{LimitMistake, LimitOptions, LimitSpec};
pub(crate) use store::StoredLimit;
pub use store::{LimitStore, QuotaState, StoreCharge};

use own::OwnTable;
use spec::Limit;

/// All limits of a policy, with the memory of what each key has taken.
#[derive(Debug, Default)]
pub struct LimitSet {
    limits: Vec<Limit>,
    own: Arc<OwnTable>,
}

impl LimitSet {
    /// Compiles limits; their order is the order of reports and header fields.
    ///
    /// # Errors
    ///
    /// Every mistake, each with the limit's name and key and with what would be right.
    pub fn new(limits: Vec<LimitSpec>, options: LimitOptions) -> Result<Self, Vec<LimitMistake>> {
        let limits = spec::compile(limits, options)?;
        let own = Arc::new(OwnTable::new(options.max_keys));
        Ok(Self { limits, own })
    }

    /// Goes on counting where `before` stands, in the same memory, wherever a limit of the same
    /// name counts in the same way and `same_keys` says that it hashes the same keys. Returns
    /// the limits that `before` has, too, but that start anew.
    pub(crate) fn go_on_from(
        &mut self,
        before: &Self,
        same_keys: impl Fn(LimitId, LimitId) -> bool,
    ) -> Vec<LimitId> {
        let mut anew = Vec::new();
        for (id, limit) in self.ids().zip(&mut self.limits) {
            let earlier = before.id(&limit.name);
            match earlier.and_then(|earlier| Some((earlier, before.limit(earlier)?))) {
                Some((earlier, own)) if same_keys(id, earlier) && limit.counts_like(own) => {
                    limit.table = Arc::clone(&own.table);
                }
                Some(_) => anew.push(id),
                None => {}
            }
        }
        if !self.go_on_with_own(before) {
            anew.push(LimitId::OWN);
        }
        anew
    }

    /// The limit of this name.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<LimitId> {
        self.ids().find(|id| self.name(*id) == Some(name))
    }

    /// All limits, in order.
    pub fn ids(&self) -> impl Iterator<Item = LimitId> + use<> {
        (0..self.limits.len()).map(|index| LimitId(index as u32))
    }

    /// The name of a limit.
    #[must_use]
    pub fn name(&self, id: LimitId) -> Option<&str> {
        match id {
            LimitId::OWN => own::name(0),
            _ => Some(&self.limit(id)?.name),
        }
    }

    /// Whether the limit is only watched.
    #[must_use]
    pub fn is_shadow(&self, id: LimitId) -> bool {
        self.limit(id).is_some_and(|limit| limit.shadow)
    }

    /// A charge at the cost that the limit sets.
    #[must_use]
    pub fn charge(&self, limit: LimitId, key: KeyHash) -> Option<Charge> {
        let cost = self.limit(limit)?.cost;
        Some(Charge { limit, key, cost })
    }

    /// How many keys a limit keeps, and how many it can.
    #[must_use]
    pub fn occupancy(&self, id: LimitId) -> Occupancy {
        self.limit(id)
            .map_or_else(Occupancy::default, |limit| Occupancy {
                keys: limit.table.keys(),
                max_keys: limit.table.max_keys(),
            })
    }

    fn limit(&self, id: LimitId) -> Option<&Limit> {
        self.limits.get(id.index())
    }
}

/// A limit of a [`LimitSet`]: its place in the policy, or the quotas that callers bring along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitId(u32);

impl LimitId {
    /// The place of the limit in the policy, from 0; beyond the end for quotas that callers bring along.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a request owes one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The limit that counts it.
    pub limit: LimitId,
    /// Whom it counts against.
    pub key: KeyHash,
    /// How many units. More than the limit's burst are never admitted.
    pub cost: NonZeroU32,
}

/// Whether charges were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// All charges were made.
    Admit,
    /// No charge was made.
    Refuse {
        /// The seconds, rounded up and at least 1, after which the same charges could be made:
        /// the value of `Retry-After`.
        retry_after: u32,
    },
}

/// How full a limit's memory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// The keys that are kept; a few of them may owe nothing any more.
    pub keys: usize,
    /// The most that are kept. Each shard holds its part of them, so some keys share a bucket
    /// from a little below it.
    pub max_keys: usize,
}
