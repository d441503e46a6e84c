//! Quotas that a caller brings along, such as those of an API key. All of them count in one table of a [`LimitSet`],
//! made when the first of them is charged.

use super::{
    Charge, KeyHash, LimitId, LimitSet, Quota, Report, fields::write_quota, meter::Meter,
    spec::MAX_KEYS, table::Table,
};
use std::{
    num::NonZeroU32,
    sync::{Arc, OnceLock},
};

/// The most quotas that one caller has of its own: each is a word for every key in the table.
const MOST: usize = NAMES.len();

/// What they are called in header fields and audit events, as a limit `key` would call them.
const NAMES: [&str; 4] = ["key", "key-2", "key-3", "key-4"];

/// The quotas of one caller, ready to judge.
#[derive(Debug)]
pub(crate) struct OwnQuotas(Vec<Meter>);

/// Where they are counted.
#[derive(Debug, Default)]
pub(super) struct OwnTable {
    max_keys: usize,
    table: OnceLock<Table>,
}

impl OwnQuotas {
    /// # Errors
    /// None at all, too many, or one that cannot be kept, with what would be right.
    pub(crate) fn new(quotas: &[Quota]) -> Result<Self, String> {
        if !(1..=MOST).contains(&quotas.len()) {
            return Err(format!("{} quotas: write 1 to {MOST}", quotas.len()));
        }
        let meter = |(word, quota): (usize, &Quota)| {
            quota.check()?;
            let burst = NonZeroU32::new(quota.units).unwrap_or(NonZeroU32::MIN);
            Ok(Meter::spread(*quota, burst, word))
        };
        let meters: Result<_, String> = quotas.iter().enumerate().map(meter).collect();
        meters.map(Self)
    }

    pub(super) fn meters(&self) -> &[Meter] {
        &self.0
    }
}

impl OwnTable {
    pub(super) fn new(max_keys: usize) -> Self {
        Self {
            max_keys: max_keys.clamp(1, MAX_KEYS),
            table: OnceLock::new(),
        }
    }

    pub(super) fn table(&self) -> &Table {
        self.table.get_or_init(|| Table::new(self.max_keys, MOST))
    }
}

impl LimitId {
    /// The quotas that callers bring along; after all limits of the policy.
    pub(crate) const OWN: Self = Self(u32::MAX);
}

impl Charge {
    /// A charge against the quotas that a caller brings along.
    pub(crate) fn own(key: KeyHash, cost: NonZeroU32) -> Self {
        let limit = LimitId::OWN;
        Self { limit, key, cost }
    }
}

impl LimitSet {
    /// Goes on counting callers' own quotas where `before` stands; false if what it counted is lost, because there is
    /// room for another number of keys now.
    pub(super) fn go_on_with_own(&mut self, before: &Self) -> bool {
        if self.own.max_keys == before.own.max_keys {
            self.own = Arc::clone(&before.own);
            return true;
        }
        before.own.table.get().is_none()
    }

    /// What `RateLimit-Policy` says of the quotas in the report from the limit `first` on, of which those are the last
    /// that the caller brought along; `None` if there are none.
    pub(crate) fn policy_field_from(&self, first: LimitId, report: &Report) -> Option<String> {
        let mut value = String::new();
        for row in report.rows().iter().filter(|row| row.limit >= first) {
            write_quota(&mut value, self.quota_name(row)?, row.quota);
        }
        (!value.is_empty()).then_some(value)
    }
}

/// What the quota with this number is called.
pub(super) fn name(index: u32) -> Option<&'static str> {
    NAMES.get(index as usize).copied()
}

/// Whether a quota of the policy may not have this name.
pub(super) fn is_name(name: &str) -> bool {
    NAMES.contains(&name)
}
