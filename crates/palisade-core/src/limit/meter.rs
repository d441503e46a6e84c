//! How one quota is counted: by governor, spread over the period, or strictly, by its last times.
//!
//! A meter keeps no state. Each key has a slot of words, nanoseconds on the caller's clock, and a
//! meter owns a range of them; a word in the past, as in a slot just made, means nothing is owed.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::ops::Range;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota as Rate, RateLimiter};

use super::Quota;

const SECOND: u64 = 1_000_000_000;

/// How many times the burst may be owed beyond it.
const MOST_BEYOND: u64 = 10;

/// One quota of a limit, ready to judge.
#[derive(Debug)]
pub(super) struct Meter {
    quota: Quota,
    words: Range<usize>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// One word: when the bucket is full again. A unit comes back in `unit` nanoseconds, all of
    /// them in `full`.
    Spread {
        unit: u64,
        full: u64,
        governor: Governor,
    },
    /// A word for each unit, oldest first: when it comes back.
    Strict,
}

impl Meter {
    /// A meter whose words start at `first` in a slot: GCRA with the given burst.
    ///
    /// The time of a unit is rounded up, because rounding it down would admit more than promised.
    pub(super) fn spread(quota: Quota, burst: NonZeroU32, first: usize) -> Self {
        let unit = (u64::from(quota.seconds) * SECOND).div_ceil(u64::from(quota.units.max(1)));
        let rate = Rate::with_period(Duration::from_nanos(unit))
            .unwrap_or(Rate::per_second(NonZeroU32::MIN))
            .allow_burst(burst);
        Self {
            quota,
            words: first..first + 1,
            kind: Kind::Spread {
                unit,
                full: unit * u64::from(burst.get()),
                governor: RateLimiter::new(rate, Relay, Standstill),
            },
        }
    }

    /// A meter whose words start at `first` in a slot: at most `units` in every window.
    pub(super) fn strict(quota: Quota, first: usize) -> Self {
        Self {
            quota,
            words: first..first + quota.units as usize,
            kind: Kind::Strict,
        }
    }

    /// The words of a slot that are this meter's.
    pub(super) fn words(&self) -> Range<usize> {
        self.words.clone()
    }

    /// Whether words that `other` wrote mean the same to this meter.
    pub(super) fn reads_like(&self, other: &Self) -> bool {
        let same_kind = match (&self.kind, &other.kind) {
            (Kind::Spread { full, .. }, Kind::Spread { full: other, .. }) => full == other,
            (Kind::Strict, Kind::Strict) => true,
            _ => false,
        };
        same_kind && self.quota == other.quota && self.words == other.words
    }

    pub(super) fn quota(&self) -> Quota {
        self.quota
    }

    /// When the units would be back that this charge takes, or how many nanoseconds to wait
    /// before it can be made: a period for one that never can.
    pub(super) fn judge(&self, words: &[u64], now: u64, cost: NonZeroU32) -> Result<u64, u64> {
        let period = u64::from(self.quota.seconds) * SECOND;
        match &self.kind {
            Kind::Spread {
                unit,
                full,
                governor,
            } => {
                // Governor multiplies and adds unchecked: what could overflow stops here.
                if unit.saturating_mul(u64::from(cost.get())) > *full {
                    return Err(period);
                }
                let debt = Debt::new(owed(words, now).min(*full));
                match governor.check_key_n(&debt, cost) {
                    Ok(Ok(())) => Ok(now.saturating_add(debt.after.get().as_u64())),
                    Ok(Err(wait)) => Err(wait.earliest_possible().as_u64()),
                    Err(_) => Err(period),
                }
            }
            Kind::Strict => {
                let needed = words.get(cost.get() as usize - 1).ok_or(period)?;
                match needed.saturating_sub(now) {
                    // Requests can arrive here in another order than their clock readings.
                    0 => Ok(now.saturating_add(period).max(full_at(words))),
                    wait => Err(wait),
                }
            }
        }
    }

    /// Writes down a charge that was judged to come back at `back`.
    pub(super) fn take(&self, words: &mut [u64], cost: NonZeroU32, back: u64) {
        if let Kind::Strict = self.kind {
            let count = (cost.get() as usize).min(words.len());
            words.copy_within(count.., 0);
            words
                .iter_mut()
                .rev()
                .take(count)
                .for_each(|word| *word = back);
        } else if let Some(word) = words.last_mut() {
            *word = back;
        }
    }

    /// Writes down a charge for what has happened already, whether or not so much was left. What
    /// is owed beyond that is bounded: no address is locked out for ever.
    pub(super) fn owe(&self, words: &mut [u64], cost: NonZeroU32, now: u64) {
        let back = match &self.kind {
            Kind::Spread { unit, full, .. } => {
                let more = unit.saturating_mul(u64::from(cost.get()));
                let most = full.saturating_mul(MOST_BEYOND + 1);
                let owed = owed(words, now).saturating_add(more).min(most);
                now.saturating_add(owed)
            }
            Kind::Strict => {
                let period = u64::from(self.quota.seconds) * SECOND;
                now.saturating_add(period).max(full_at(words))
            }
        };
        self.take(words, cost, back);
    }

    /// How many nanoseconds it takes until no more is owed than there can be: what
    /// [`owe`](Self::owe) wrote down beyond it.
    pub(super) fn beyond(&self, words: &[u64], now: u64) -> u64 {
        match &self.kind {
            Kind::Spread { full, .. } => {
                let beyond = owed(words, now).saturating_sub(*full);
                beyond.min(full.saturating_mul(MOST_BEYOND))
            }
            Kind::Strict => 0,
        }
    }

    /// How many units are left, and the seconds, rounded up, until one is back if none is, else
    /// until all are.
    pub(super) fn reading(&self, words: &[u64], now: u64) -> (u32, u32) {
        let owed = owed(words, now);
        let (left, next) = match &self.kind {
            Kind::Spread { unit, full, .. } => {
                let spare = full.saturating_sub(owed);
                (spare / unit, unit.saturating_sub(spare))
            }
            Kind::Strict => {
                let oldest = words.first().map_or(0, |word| word.saturating_sub(now));
                (words.partition_point(|word| *word <= now) as u64, oldest)
            }
        };
        let wait = if left == 0 { next } else { owed };
        (u32::try_from(left).unwrap_or(u32::MAX), whole_seconds(wait))
    }
}

/// When nothing is owed any more: the latest time is last.
fn full_at(words: &[u64]) -> u64 {
    words.last().copied().unwrap_or_default()
}

/// Nanoseconds as seconds, rounded up.
pub(super) fn whole_seconds(nanos: u64) -> u32 {
    u32::try_from(nanos.div_ceil(SECOND)).unwrap_or(u32::MAX)
}

fn owed(words: &[u64], now: u64) -> u64 {
    full_at(words).saturating_sub(now)
}

/// Governor computes, and we own the memory: its key is the state itself, its store hands that
/// over and takes it back, and its clock stands still, because the state is given relative to now.
type Governor = RateLimiter<Debt, Relay, Standstill, NoOpMiddleware<Nanos>>;

/// Nanoseconds until the bucket is full, before and after a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Debt {
    before: u64,
    after: Cell<Nanos>,
}

impl Debt {
    fn new(before: u64) -> Self {
        Self {
            before,
            after: Cell::new(Nanos::new(before)),
        }
    }
}

impl Hash for Debt {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.before.hash(state);
    }
}

#[derive(Debug)]
struct Relay;

impl StateStore for Relay {
    type Key = Debt;

    fn measure_and_replace<T, F, E>(&self, debt: &Debt, judge: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, after) = judge(Some(Nanos::new(debt.before)))?;
        debt.after.set(after);
        Ok(outcome)
    }
}

#[derive(Clone, Debug)]
struct Standstill;

impl Clock for Standstill {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(0)
    }
}
