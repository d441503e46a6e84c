//! Counting what has failed: asked for before, charged after.
//!
//! Whether an attempt fails is known only when it has been made. So [`LimitSet::would_admit`] is asked before, and
//! leaves no trace; an attempt that fails is charged by [`LimitSet::charge_for_failure`], whatever is left by then.
//! Attempts that were made at the same time may so owe more than there is, up to eleven times as much: the next ones
//! wait that much longer.

use std::num::NonZeroU32;

use smallvec::{SmallVec, smallvec};

use super::table::{Found, Slot};
use super::{Decision, KeyHash, LimitId, LimitSet, Report, Row, meter::whole_seconds};

const ONE: NonZeroU32 = NonZeroU32::MIN;

impl LimitSet {
    /// Whether one unit is left for the key. Takes none, and keeps no key; the report is overwritten.
    pub(crate) fn would_admit(
        &self,
        id: LimitId,
        key: KeyHash,
        now: u64,
        report: &mut Report,
    ) -> Decision {
        report.rows.clear();
        report.alarm = None;
        let Some(limit) = self.limit(id) else {
            return Decision::Refuse { retry_after: 1 };
        };
        let (table, shard) = (&*limit.table, limit.table.shard(key.digest));
        let mut words: SmallVec<[u64; 4]> = smallvec![0; table.width()];
        let found =
            table
                .lock(shard)
                .map(|mut shard| match table.find(&mut shard, key.digest, now) {
                    Found::Slot(slot) => {
                        words.copy_from_slice(shard.words(slot, table.width()));
                        true
                    }
                    Found::Room => true,
                    Found::NoRoom => false,
                });
        let shared = found == Some(false);
        // Its failures, if it had any, were counted together with those of others.
        if let (true, Some(mut overflow)) = (shared, table.lock(table.overflow())) {
            words.copy_from_slice(overflow.words(key.family as usize, table.width()));
        }
        let mut wait = None;
        for (index, meter) in (0..).zip(&limit.meters) {
            let words = words.get(meter.words()).unwrap_or_default();
            let verdict = meter.judge(words, now, ONE);
            let own_wait = verdict.err().map(|nanos| nanos + meter.beyond(words, now));
            wait = wait.max(own_wait);
            let (remaining, seconds) = meter.reading(words, now);
            let seconds = own_wait.map_or(seconds, whole_seconds);
            report.rows.push(Row {
                limit: id,
                index,
                quota: meter.quota(),
                remaining,
                seconds,
                violated: verdict.is_err(),
                shadow: false,
                shared,
            });
        }
        wait.map_or(Decision::Admit, |nanos| Decision::Refuse {
            retry_after: whole_seconds(nanos).max(1),
        })
    }

    /// Takes one unit of the key, even if none is left. True if the limit's memory has become half full by it.
    pub(crate) fn charge_for_failure(&self, id: LimitId, key: KeyHash, now: u64) -> bool {
        let Some(limit) = self.limit(id) else {
            return false;
        };
        let (table, shard) = (&*limit.table, limit.table.shard(key.digest));
        let owe = |words: &mut [u64]| {
            for meter in &limit.meters {
                let words = words.get_mut(meter.words()).unwrap_or_default();
                meter.owe(words, ONE, now);
            }
        };
        let Some(mut shard) = table.lock(shard) else {
            return false;
        };
        match table.slot(&mut shard, key.digest, now) {
            Slot::Known(slot) => {
                owe(shard.words(slot, table.width()));
                false
            }
            Slot::New(slot) => {
                owe(shard.words(slot, table.width()));
                table.alarm()
            }
            Slot::NoRoom => {
                drop(shard);
                if let Some(mut overflow) = table.lock(table.overflow()) {
                    owe(overflow.words(key.family as usize, table.width()));
                }
                table.alarm()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Key, KeyHasher, LimitOptions, LimitSpec, Quota};
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn set(quotas: &str, max_keys: usize) -> (LimitSet, LimitId) {
        let quotas = Quota::parse_list(quotas).unwrap();
        let specs = vec![LimitSpec::new("failures", quotas)];
        let set = LimitSet::new(specs, LimitOptions { max_keys }).unwrap();
        let id = set.id("failures").unwrap();
        (set, id)
    }

    fn key(last: u8) -> KeyHash {
        KeyHasher::new(&[7; 16]).hash(Key::Address([192, 0, 2, last].into()))
    }

    fn ask(set: &LimitSet, id: LimitId, key: KeyHash, now: u64) -> Decision {
        set.would_admit(id, key, now, &mut Report::new())
    }

    #[test]
    fn asking_takes_nothing_and_keeps_no_key() {
        let (set, id) = set("2/minute", 100);
        for _ in 0..10 {
            assert_eq!(ask(&set, id, key(1), 0), Decision::Admit);
        }
        assert_eq!(set.occupancy(id).keys, 0);
        set.charge_for_failure(id, key(1), 0);
        assert_eq!(ask(&set, id, key(1), 0), Decision::Admit);
        set.charge_for_failure(id, key(1), 0);
        let spent = Decision::Refuse { retry_after: 30 };
        assert_eq!(ask(&set, id, key(1), 0), spent);
        assert_eq!(ask(&set, id, key(2), 0), Decision::Admit);
        assert_eq!(ask(&set, id, key(1), 30 * SECOND), Decision::Admit);
    }

    #[test]
    fn attempts_at_the_same_time_are_owed_in_full() {
        let (set, id) = set("2/minute; 100/day", 100);
        for _ in 0..5 {
            set.charge_for_failure(id, key(1), 0);
        }
        let mut report = Report::new();
        // Three more than there were: two minutes until one is left.
        let decision = set.would_admit(id, key(1), 0, &mut report);
        assert_eq!(decision, Decision::Refuse { retry_after: 120 });
        let rows: Vec<_> = report.rows().iter().collect();
        assert_eq!(
            (rows[0].remaining, rows[0].seconds, rows[0].violated),
            (0, 120, true)
        );
        assert_eq!((rows[1].remaining, rows[1].violated), (95, false));
        assert_ne!(ask(&set, id, key(1), 119 * SECOND), Decision::Admit);
        assert_eq!(ask(&set, id, key(1), 120 * SECOND), Decision::Admit);
    }

    #[test]
    fn nobody_is_locked_out_for_ever() {
        let (set, id) = set("2/minute", 100);
        for _ in 0..10_000 {
            set.charge_for_failure(id, key(1), 0);
        }
        let spent = Decision::Refuse { retry_after: 630 };
        assert_eq!(ask(&set, id, key(1), 0), spent);
        // Nor where the clock jumps back.
        assert_eq!(ask(&set, id, key(1), 0), spent);
        set.charge_for_failure(id, key(2), u64::MAX / 2);
        assert_eq!(
            ask(&set, id, key(2), 0),
            Decision::Refuse { retry_after: 630 }
        );
    }

    #[test]
    fn a_flood_of_addresses_is_bounded_and_resets_nobody() {
        let (set, id) = set("1/minute", 4);
        for last in 0..100 {
            set.charge_for_failure(id, key(last), 0);
        }
        assert!(set.occupancy(id).keys <= 4);
        for last in 0..110 {
            assert_ne!(ask(&set, id, key(last), 0), Decision::Admit, "{last}");
        }
        let v6 = KeyHasher::new(&[7; 16]).hash(Key::Address("2001:db8::1".parse().unwrap()));
        assert_eq!(ask(&set, id, v6, 0), Decision::Admit);
    }

    #[test]
    fn a_strict_quota_is_owed_too() {
        let spec = LimitSpec {
            strict: true,
            ..LimitSpec::new("failures", Quota::parse_list("2/minute").unwrap())
        };
        let set = LimitSet::new(vec![spec], LimitOptions::default()).unwrap();
        let id = set.id("failures").unwrap();
        for now in [0, 10, 20] {
            set.charge_for_failure(id, key(1), now * SECOND);
        }
        let spent = Decision::Refuse { retry_after: 50 };
        assert_eq!(ask(&set, id, key(1), 20 * SECOND), spent);
    }
}
