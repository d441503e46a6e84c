//! What a charge did to each quota.

use smallvec::SmallVec;

use super::{LimitId, Quota};

/// One quota after a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The limit that the quota belongs to.
    pub limit: LimitId,
    /// Which of the limit's quotas, from 0.
    pub index: u32,
    /// That quota, whose units are what `X-RateLimit-Limit` gives.
    pub quota: Quota,
    /// How many units are left.
    pub remaining: u32,
    /// Seconds, rounded up: until a unit is back if none is left, else until all are.
    pub seconds: u32,
    /// Whether this quota had too little left for the charge.
    pub violated: bool,
    /// Whether the limit only counts: it is for the audit, and no client is told.
    pub shadow: bool,
    /// Whether the key found no room and was counted together with others.
    pub shared: bool,
}

/// What [`LimitSet::take`](super::LimitSet::take) found, quota by quota in the order of the policy. Reusable; holds four
/// quotas without allocating.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub(super) rows: SmallVec<[Row; 4]>,
    pub(super) alarm: Option<LimitId>,
}

impl Report {
    /// An empty report.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a quota that was charged elsewhere.
    pub(crate) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// A row for each quota that was charged.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Adds what another stage charged, so that all rows stand in the order of the policy.
    pub fn join(&mut self, other: &Self) {
        self.rows.extend_from_slice(&other.rows);
        self.rows.sort_unstable_by_key(|row| (row.limit, row.index));
    }

    /// The limit whose memory this charge has made half full: worth a warning. Told once, and
    /// again only after the limit was down to a quarter.
    #[must_use]
    pub fn alarm(&self) -> Option<LimitId> {
        self.alarm
    }

    /// The enforced quota that a client comes up against first: a violated one before others,
    /// then the one with the least left, then the one that takes longest.
    #[must_use]
    pub fn tightest(&self) -> Option<&Row> {
        let enforced = self.rows.iter().filter(|row| !row.shadow);
        enforced.min_by_key(|row| (!row.violated, row.remaining, u32::MAX - row.seconds))
    }
}
