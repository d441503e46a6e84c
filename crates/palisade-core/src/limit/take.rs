//! Charging several limits at once, all or nothing.

use std::num::NonZeroU32;
use std::sync::MutexGuard;

use smallvec::SmallVec;

use super::meter::Meter;
use super::meter::whole_seconds;
use super::spec::Limit;
use super::table::{Shard, Slot, Table};
use super::{Charge, Decision, LimitId, LimitSet, OwnQuotas, Report, Row};

impl LimitSet {
    /// Makes the charges of one stage together: either every enforced limit admits them and all
    /// is taken, or nothing is. A shadow limit is charged as a whole, if the request is admitted
    /// and the limit would have admitted it too.
    ///
    /// `now` is in nanoseconds on any clock that does not run backwards. The report is
    /// overwritten. A limit that only another set can have named is refused.
    pub fn take(&self, charges: &[Charge], now: u64, report: &mut Report) -> Decision {
        self.take_with_own(charges, None, now, report)
    }

    /// The same; [`Charge::own`] is charged by the quotas that the caller brought along.
    pub(crate) fn take_with_own(
        &self,
        charges: &[Charge],
        own: Option<&OwnQuotas>,
        now: u64,
        report: &mut Report,
    ) -> Decision {
        report.rows.clear();
        report.alarm = None;
        let mut seats: SmallVec<[Seat<'_>; 4]> = SmallVec::new();
        for charge in charges {
            let seat = match (charge.limit, own) {
                (LimitId::OWN, Some(own)) => Some(Seat::own(own, self.own.table(), charge)),
                (limit, _) => self.limit(limit).map(|limit| Seat::new(limit, charge)),
            };
            match seat {
                Some(seat) => seats.push(seat),
                None => return Decision::Refuse { retry_after: 1 },
            }
        }
        seats.sort_unstable_by_key(|seat| (seat.charge.limit, seat.shard));

        let mut held = Held::default();
        for seat in &mut seats {
            if seat.find(&mut held, now) {
                report.alarm = Some(seat.charge.limit);
            }
        }
        for seat in seats.iter_mut().filter(|seat| seat.shared) {
            seat.share(&mut held);
        }
        add_up(&mut seats);

        let mut verdicts: SmallVec<[Result<u64, u64>; 4]> = SmallVec::new();
        let mut wait = None;
        for seat in &mut seats {
            let words = held.words(seat);
            for meter in seat.meters {
                let words = words.get(meter.words()).unwrap_or_default();
                let verdict = meter.judge(words, now, seat.total);
                seat.violated |= verdict.is_err();
                if !seat.shadow {
                    wait = wait.max(verdict.err());
                }
                verdicts.push(verdict);
            }
        }

        let mut verdicts = verdicts.iter();
        for seat in &seats {
            let words = held.words(seat);
            let judged = seat.meters.iter().zip(&mut verdicts);
            for (index, (meter, verdict)) in (0..).zip(judged) {
                let words = words.get_mut(meter.words()).unwrap_or_default();
                if let (Ok(back), false, None) = (verdict, seat.violated, wait) {
                    meter.take(words, seat.charge.cost, *back);
                }
                let (remaining, seconds) = meter.reading(words, now);
                report.rows.push(Row {
                    limit: seat.charge.limit,
                    index,
                    quota: meter.quota(),
                    remaining,
                    seconds,
                    violated: verdict.is_err(),
                    shadow: seat.shadow,
                    shared: seat.shared,
                });
            }
        }
        wait.map_or(Decision::Admit, |nanos| Decision::Refuse {
            retry_after: whole_seconds(nanos).max(1),
        })
    }
}

/// A charge, and where the state is that it goes against.
struct Seat<'a> {
    charge: &'a Charge,
    meters: &'a [Meter],
    table: &'a Table,
    shadow: bool,
    /// The cost together with earlier charges against the same slot.
    total: NonZeroU32,
    shard: usize,
    guard: usize,
    slot: usize,
    shared: bool,
    violated: bool,
}

impl<'a> Seat<'a> {
    fn new(limit: &'a Limit, charge: &'a Charge) -> Self {
        Self {
            shadow: limit.shadow,
            ..Self::at(&limit.table, &limit.meters, charge)
        }
    }

    fn own(own: &'a OwnQuotas, table: &'a Table, charge: &'a Charge) -> Self {
        Self::at(table, own.meters(), charge)
    }

    fn at(table: &'a Table, meters: &'a [Meter], charge: &'a Charge) -> Self {
        Self {
            charge,
            meters,
            table,
            shadow: false,
            total: charge.cost,
            shard: table.shard(charge.key.digest),
            guard: 0,
            slot: 0,
            shared: false,
            violated: false,
        }
    }

    /// Locks the shard and finds the slot; true if making it was worth an alarm. Where there is
    /// no room, the seat is to share.
    fn find(&mut self, held: &mut Held<'a>, now: u64) -> bool {
        let (table, digest) = (self.table, self.charge.key.digest);
        let Some(shard) = held.lock(self) else {
            return false;
        };
        match table.slot(shard, digest, now) {
            Slot::Known(slot) => {
                self.slot = slot;
                false
            }
            Slot::New(slot) => {
                self.slot = slot;
                table.alarm()
            }
            Slot::NoRoom => {
                self.shared = true;
                table.alarm()
            }
        }
    }

    /// Moves to the overflow slot of the key's family. These locks come after all others and in
    /// the same order among themselves, so that no two requests can wait for each other.
    fn share(&mut self, held: &mut Held<'a>) {
        self.shard = self.table.overflow();
        self.slot = self.charge.key.family as usize;
        held.lock(self);
    }
}

/// Two charges can meet in one slot: the same key twice, or two keys that share. The later then
/// has to fit together with the earlier.
fn add_up(seats: &mut [Seat<'_>]) {
    for i in 1..seats.len() {
        let (earlier, later) = seats.split_at_mut(i);
        let Some(seat) = later.first_mut() else { break };
        for other in earlier {
            if (other.guard, other.slot) == (seat.guard, seat.slot) {
                seat.total = seat.total.saturating_add(other.charge.cost.get());
            }
        }
    }
}

/// The shards locked so far, each once.
#[derive(Default)]
struct Held<'a> {
    guards: SmallVec<[MutexGuard<'a, Shard>; 4]>,
    last: Option<(LimitId, usize)>,
}

impl<'a> Held<'a> {
    /// Locks the shard of a seat, unless the seat before has locked it already.
    fn lock(&mut self, seat: &mut Seat<'a>) -> Option<&mut Shard> {
        let shard = Some((seat.charge.limit, seat.shard));
        if self.last != shard {
            self.guards.push(seat.table.lock(seat.shard)?);
            self.last = shard;
        }
        seat.guard = self.guards.len() - 1;
        self.guards.last_mut().map(|guard| &mut **guard)
    }

    fn words(&mut self, seat: &Seat<'_>) -> &mut [u64] {
        match self.guards.get_mut(seat.guard) {
            Some(shard) => shard.words(seat.slot, seat.table.width()),
            None => Default::default(),
        }
    }
}
