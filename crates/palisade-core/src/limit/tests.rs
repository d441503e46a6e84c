//! The promises of a limit, with the clock in hand.

use std::collections::VecDeque;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;
const ADMIT: Decision = Decision::Admit;

fn spec(name: &str, quotas: &str) -> LimitSpec {
    LimitSpec::new(name, Quota::parse_list(quotas).unwrap())
}

fn strict(name: &str, quotas: &str) -> LimitSpec {
    LimitSpec {
        strict: true,
        ..spec(name, quotas)
    }
}

fn set<const N: usize>(specs: [LimitSpec; N]) -> (LimitSet, [LimitId; N]) {
    let set = LimitSet::new(specs.into(), LimitOptions::default()).unwrap();
    let ids: Vec<_> = set.ids().collect();
    (set, ids.try_into().unwrap())
}

fn key(number: u64) -> KeyHash {
    KeyHasher::new(&[5; 16]).hash(Key::Custom(&number.to_be_bytes()))
}

fn cost(units: u32) -> NonZeroU32 {
    NonZeroU32::new(units).unwrap()
}

/// A set of one limit, charged for one key.
struct One(LimitSet, Report);

impl One {
    fn new(spec: LimitSpec) -> Self {
        Self(set([spec]).0, Report::new())
    }

    fn take(&mut self, key: KeyHash, units: u32, now: u64) -> Decision {
        let limit = LimitId(0);
        let cost = cost(units);
        self.0
            .take(&[Charge { limit, key, cost }], now, &mut self.1)
    }

    /// How often a key is admitted at one instant, tried until it is refused.
    fn drain(&mut self, key: KeyHash, now: u64) -> u32 {
        (0..).find(|_| self.take(key, 1, now) != ADMIT).unwrap()
    }

    fn reading(&self) -> Vec<(u32, u32)> {
        self.1
            .rows()
            .iter()
            .map(|row| (row.remaining, row.seconds))
            .collect()
    }
}

/// A quota, and tries: nanoseconds since the one before, and units.
fn tries(most: u32) -> impl Strategy<Value = (Quota, Vec<(u64, u32)>)> {
    let quota = (
        1..=most,
        prop_oneof![Just(1u32), Just(7), Just(60), 1u32..100_000],
    );
    quota.prop_flat_map(|(units, seconds)| {
        let unit = u64::from(seconds) * SECOND / u64::from(units);
        let gap = prop_oneof![
            Just(0),
            0..=unit / 3,
            Just(unit),
            0..=2 * unit,
            0..=unit * u64::from(units)
        ];
        let cost = prop_oneof![3 => Just(1), 1 => 1..=units.min(3)];
        let tries = prop::collection::vec((gap, cost), 1..200);
        (Just(Quota { units, seconds }), tries)
    })
}

proptest! {
    #[test]
    fn any_window_admits_n_and_what_its_length_gives_back((quota, tries) in tries(40), burst in 1u32..40) {
        let burst = burst.clamp(3.min(quota.units), quota.units);
        let mut one = One::new(LimitSpec { burst: Some(burst), ..LimitSpec::new("l", vec![quota]) });
        let (mut now, mut admitted) = (1, Vec::new());
        for (gap, units) in tries {
            now += gap;
            if one.take(key(1), units, now) == ADMIT {
                admitted.push((now, u128::from(units)));
            }
        }
        let period = u128::from(quota.seconds) * u128::from(SECOND);
        for (i, (start, _)) in admitted.iter().enumerate() {
            let mut sum = 0;
            for (end, units) in &admitted[i..] {
                sum += units;
                let length = u128::from(end - start);
                prop_assert!(sum <= u128::from(burst) + u128::from(quota.units) * length / period);
            }
        }
    }

    #[test]
    fn a_strict_limit_admits_exactly_n_in_every_window((quota, tries) in tries(40)) {
        let mut one = One::new(LimitSpec { strict: true, ..LimitSpec::new("l", vec![quota]) });
        let period = u64::from(quota.seconds) * SECOND;
        let (mut now, mut window) = (1, VecDeque::new());
        for (gap, units) in tries {
            now += gap;
            while window.front().is_some_and(|time| time + period <= now) {
                window.pop_front();
            }
            let fits = window.len() + units as usize <= quota.units as usize;
            prop_assert_eq!(one.take(key(1), units, now) == ADMIT, fits);
            window.extend((0..units).filter(|_| fits).map(|_| now));
            let left = quota.units - window.len() as u32;
            let owed = if left == 0 { window.front() } else { window.back() };
            let seconds = owed.map_or(0, |time| (time + period - now).div_ceil(SECOND));
            prop_assert_eq!(one.reading(), [(left, seconds as u32)]);
        }
    }

    #[test]
    fn a_client_that_waits_as_told_is_admitted((quota, tries) in tries(40), strict: bool) {
        let mut one = One::new(LimitSpec { strict, ..LimitSpec::new("l", vec![quota]) });
        let mut now = 1;
        for (gap, units) in tries {
            now += gap;
            if let Decision::Refuse { retry_after } = one.take(key(1), units, now) {
                prop_assert!(retry_after >= 1);
                now += u64::from(retry_after) * SECOND;
                prop_assert_eq!(one.take(key(1), units, now), ADMIT);
            }
        }
    }

    #[test]
    fn no_time_and_no_cost_can_panic(times in prop::collection::vec(any::<u64>(), 1..20), units in 1..u32::MAX, strict: bool) {
        let mut one = One::new(LimitSpec { strict, ..spec("l", "100/day; 7 per 3 s") });
        for now in times {
            one.take(key(1), 1, now);
            if units > 7 {
                prop_assert_ne!(one.take(key(1), units, now), ADMIT);
            }
        }
    }
}

#[test]
fn the_first_minute_of_100_a_minute_admits_199() {
    let mut one = One::new(spec("l", "100/minute"));
    let tries = (0..60_000).map(|millis| one.take(key(1), 1, millis * 1_000_000));
    assert_eq!(tries.filter(|decision| *decision == ADMIT).count(), 199);
    let mut one = One::new(strict("l", "100/minute"));
    let tries = (0..60_000).map(|millis| one.take(key(1), 1, millis * 1_000_000));
    assert_eq!(tries.filter(|decision| *decision == ADMIT).count(), 100);
}

#[test]
fn remaining_and_seconds_are_those_of_the_fields() {
    let mut one = One::new(spec("l", "10/minute"));
    one.take(key(1), 1, 0);
    assert_eq!(one.reading(), [(9, 6)]);
    one.take(key(1), 8, 1);
    assert_eq!(one.reading(), [(1, 54)]);
    one.take(key(1), 1, 2);
    assert_eq!(one.reading(), [(0, 6)], "until one unit is back");
    assert_eq!(one.take(key(1), 1, 3), Decision::Refuse { retry_after: 6 });
    assert_eq!(one.take(key(1), 3, 3), Decision::Refuse { retry_after: 18 });
    assert_eq!(
        one.take(key(1), 1, 6 * SECOND - 1),
        Decision::Refuse { retry_after: 1 }
    );
    assert_eq!(one.reading(), [(0, 1)], "one nanosecond is a second");
    assert_eq!(
        one.take(key(1), 11, 900 * SECOND),
        Decision::Refuse { retry_after: 60 }
    );
    assert_eq!(one.reading(), [(10, 0)], "nothing owed");
}

#[test]
fn a_clock_that_jumps_locks_nobody_out_for_longer_than_a_period() {
    let mut one = One::new(spec("l", "10/minute"));
    for now in [u64::MAX, u64::MAX - 1, 0] {
        one.take(key(1), 10, now);
    }
    assert_eq!(one.take(key(1), 3, 0), Decision::Refuse { retry_after: 18 });
    assert_eq!(one.reading(), [(0, 6)]);
    assert_ne!(one.take(key(1), u32::MAX, 0), ADMIT);
}

#[test]
fn burst_lowers_what_may_be_taken_at_once_but_not_the_rate() {
    let mut one = One::new(LimitSpec {
        burst: Some(3),
        ..spec("l", "10/minute")
    });
    assert_eq!(one.drain(key(1), 0), 3);
    assert_eq!(one.drain(key(1), 6 * SECOND), 1);
    assert_eq!(one.drain(key(1), 600 * SECOND), 3);
}

#[test]
fn a_refused_request_takes_from_no_quota() {
    let mut one = One::new(spec("l", "12/minute; 12 per day"));
    assert_eq!(one.drain(key(1), 0), 12);
    let now = 60 * SECOND;
    for _ in 0..100 {
        assert_eq!(
            one.take(key(1), 1, now),
            Decision::Refuse { retry_after: 7_140 }
        );
        assert_eq!(one.reading(), [(12, 0), (0, 7_140)]);
    }
}

#[test]
fn limits_with_different_keys_are_charged_together_or_not_at_all() {
    let (set, [address, caller]) = set([spec("address", "5/minute"), strict("caller", "2/minute")]);
    let mut report = Report::new();
    let mut both = |a, c| {
        let charges = [(caller, c), (address, a)].map(|(id, k)| set.charge(id, key(k)).unwrap());
        let decision = set.take(&charges, 0, &mut report);
        let rows = report.rows().iter();
        (
            decision,
            rows.map(|row| (row.remaining, row.violated))
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(both(1, 1), (ADMIT, vec![(4, false), (1, false)]));
    assert_eq!(both(1, 1), (ADMIT, vec![(3, false), (0, false)]));
    let refuse = Decision::Refuse { retry_after: 60 };
    assert_eq!(both(1, 1), (refuse, vec![(3, false), (0, true)]));
    assert_eq!(both(1, 2), (ADMIT, vec![(2, false), (1, false)]));
}

#[test]
fn eight_threads_take_exactly_what_there_is() {
    let (set, [wide, narrow]) = set([spec("wide", "1000/hour"), strict("narrow", "700/hour")]);
    let (admitted, start) = (AtomicU32::new(0), Barrier::new(8));
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let (set, admitted, start) = (&set, &admitted, &start);
            scope.spawn(move || {
                let mut report = Report::new();
                let limits = if thread % 2 == 0 {
                    [wide, narrow]
                } else {
                    [narrow, wide]
                };
                start.wait();
                for i in 0..1_000 {
                    // Some take many locks, in changing order; all meet in one key of each limit.
                    let mut charges = limits.map(|id| set.charge(id, key(0)).unwrap()).to_vec();
                    charges.extend(
                        (1..4)
                            .map(|k| set.charge(wide, key(1 + (i * k + thread) % 3_000)).unwrap()),
                    );
                    if set.take(&charges, 0, &mut report) == ADMIT {
                        admitted.fetch_add(1, SeqCst);
                    }
                }
            });
        }
    });
    assert_eq!(admitted.into_inner(), 700);
    let mut report = Report::new();
    let charges = [wide, narrow].map(|id| set.charge(id, key(0)).unwrap());
    assert_ne!(set.take(&charges, 0, &mut report), ADMIT);
    assert_eq!(report.rows()[0].remaining, 300);
}

#[test]
fn the_same_key_twice_has_to_fit_twice() {
    for spec in [spec("l", "3/minute"), strict("l", "3/minute")] {
        let (set, [id]) = set([spec]);
        let charges = [set.charge(id, key(1)).unwrap(); 2];
        let mut report = Report::new();
        assert_eq!(set.take(&charges, 0, &mut report), ADMIT);
        assert_eq!(report.rows()[1].remaining, 1);
        assert_ne!(set.take(&charges, 0, &mut report), ADMIT);
        assert_eq!(set.take(&charges[..1], 0, &mut report), ADMIT);
    }
}

#[test]
fn a_shadow_limit_counts_and_refuses_nothing() {
    let shadow = LimitSpec {
        shadow: true,
        ..spec("trial", "2/minute; 9 per day")
    };
    let (set, [real, trial]) = set([spec("real", "4/minute"), shadow]);
    let charges = [real, trial].map(|id| set.charge(id, key(1)).unwrap());
    let mut report = Report::new();
    for violated in [false, false, true, true] {
        assert_eq!(set.take(&charges, 0, &mut report), ADMIT);
        assert_eq!(report.rows()[1].violated, violated);
    }
    assert_eq!(
        report.rows()[2].remaining,
        7,
        "a limit is charged as a whole"
    );
    assert_ne!(set.take(&charges, 0, &mut report), ADMIT);
    let mut field = FieldText::default();
    set.write_field(&report, &mut field);
    assert_eq!(field.as_str(), r#""real";r=0;t=15"#);
}

/// PITFALLS 22, and the last part of PITFALLS 25.
#[test]
fn a_flood_of_keys_is_bounded_and_resets_nobody() {
    const MAX: usize = 5_000;
    let mut one = One::new(LimitSpec {
        max_keys: Some(MAX),
        ..spec("l", "10/hour")
    });
    let held = 50;
    for number in 0..held {
        assert_eq!(one.drain(key(number), 0), 10);
    }
    let (mut shared, mut alarms) = (0, 0);
    for number in 0..10 * MAX as u64 {
        let now = number * SECOND / 1_000;
        one.take(key(1_000_000 + number), 1, now);
        shared += u32::from(one.1.rows()[0].shared);
        alarms += u32::from(one.1.alarm().is_some());
        assert!(one.0.occupancy(LimitId(0)).keys <= MAX);
    }
    assert!(shared > 0);
    assert_eq!(alarms, 1);
    for number in 0..held {
        assert_ne!(one.take(key(number), 1, 300 * SECOND), ADMIT);
    }
    // All that the flood took is back after an hour; new keys find room again.
    assert_eq!(one.drain(key(77_777_777), 8_000 * SECOND), 10);
    assert!(!one.1.rows()[0].shared);
}

#[test]
fn keys_without_room_share_one_bucket_for_each_family() {
    let mut one = One::new(LimitSpec {
        max_keys: Some(1),
        ..spec("l", "3/hour")
    });
    let keys = KeyHasher::new(&[6; 16]);
    let address = |text: &str| keys.hash(Key::Address(text.parse().unwrap()));
    assert_eq!(one.drain(address("192.0.2.1"), 0), 3);
    assert_eq!(one.drain(address("192.0.2.2"), 0), 3);
    assert!(one.1.rows()[0].shared);
    for last in 3..=255 {
        assert_eq!(one.drain(address(&format!("192.0.2.{last}")), 0), 0);
    }
    assert_eq!(one.drain(address("2001:db8::1"), 0), 3);
    assert_eq!(one.drain(address("2001:db8:1::1"), 0), 0);
    assert_eq!(one.drain(keys.hash(Key::Global), 0), 3);
    // Two that share are charged as one bucket, also within one request.
    let now = 1_200 * SECOND;
    let charges = ["192.0.2.8", "192.0.2.9"].map(|a| one.0.charge(LimitId(0), address(a)).unwrap());
    assert_ne!(one.0.take(&charges, now, &mut Report::new()), ADMIT);
    assert_eq!(one.0.take(&charges[..1], now, &mut Report::new()), ADMIT);
}

#[test]
fn callers_with_other_quotas_of_their_own_reset_nobody() {
    let options = LimitOptions { max_keys: 2 };
    let set = LimitSet::new(Vec::new(), options).unwrap();
    let quotas = |text| OwnQuotas::new(&Quota::parse_list(text).unwrap()).unwrap();
    let (mut report, both, one) = (Report::new(), quotas("1/s; 2/day"), quotas("1/s"));
    let mut take = |own, number, now| {
        let charge = Charge::own(key(number), cost(1));
        let decision = set.take_with_own(&[charge], Some(own), now, &mut report);
        (decision == ADMIT, report.rows()[0].shared)
    };
    assert_eq!(take(&both, 1, 0), (true, false));
    assert_eq!(take(&both, 1, 2 * SECOND), (true, false));
    // Its first quota owes nothing any more; the second does, so the slot is not for others.
    for number in 2..100 {
        take(&one, number, 10 * SECOND);
    }
    assert_eq!(take(&both, 1, 20 * SECOND), (false, false));
    assert_eq!(OwnQuotas::new(&[]).unwrap_err(), "0 quotas: write 1 to 4");
}

#[test]
fn a_limit_of_another_set_is_refused() {
    let one = One::new(spec("l", "3/hour"));
    let charge = Charge {
        limit: LimitId(1),
        key: key(1),
        cost: cost(1),
    };
    let decision = one.0.take(&[charge], 0, &mut Report::new());
    assert_eq!(decision, Decision::Refuse { retry_after: 1 });
}
