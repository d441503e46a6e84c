//! The memory of one limit: a slot of words per key, bounded whatever clients do.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::key::{Digest, Family};

/// What 1,024 buckets of the standard map hold. A sweep of so many takes some microseconds, so
/// a request can afford one.
const SLOTS_PER_SHARD: usize = 896;

/// Bounds a shard's words, 512 KiB, where a strict limit needs many for each key.
const WORDS_PER_SHARD: usize = 65_536;

/// How long a shard waits after a sweep before the next, in nanoseconds.
const SWEEP_INTERVAL: u64 = 1_000_000_000;

/// The slots of one limit, in shards with a lock each.
///
/// A shard that meets a new key first drops the slots that owe nothing any more, at most once a
/// second. A key that finds its shard full all the same gets no slot.
pub(super) struct Table {
    /// The last one holds the overflow slots, one for each family.
    shards: Box<[Mutex<Shard>]>,
    shard_keys: usize,
    width: usize,
    keys: AtomicUsize,
    alarmed: AtomicBool,
}

impl Table {
    /// A table for at most `max_keys` slots of `width` words each.
    pub(super) fn new(max_keys: usize, width: usize) -> Self {
        let most = (WORDS_PER_SHARD / width.max(1)).clamp(1, SLOTS_PER_SHARD);
        let shards = max_keys.div_ceil(most).max(1);
        let overflow = Shard {
            words: vec![0; width * (Family::Other as usize + 1)],
            ..Shard::default()
        };
        Self {
            shards: (0..shards)
                .map(|_| Shard::default())
                .chain([overflow])
                .map(Mutex::new)
                .collect(),
            shard_keys: max_keys / shards,
            width,
            keys: AtomicUsize::new(0),
            alarmed: AtomicBool::new(false),
        }
    }

    /// The number of the shard that holds a key.
    pub(super) fn shard(&self, digest: Digest) -> usize {
        digest.shard(self.overflow())
    }

    /// The number of the shard that holds the overflow slots, one for each [`Family`] in order.
    pub(super) fn overflow(&self) -> usize {
        self.shards.len() - 1
    }

    /// Locks a shard. A thread that panicked inside has left whole words, so its lock is taken over.
    pub(super) fn lock(&self, shard: usize) -> Option<MutexGuard<'_, Shard>> {
        let shard = self.shards.get(shard)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Finds the slot of a key, or makes it if there is room.
    pub(super) fn slot(&self, shard: &mut Shard, digest: Digest, now: u64) -> Slot {
        match self.find(shard, digest, now) {
            Found::Slot(slot) => Slot::Known(slot),
            Found::NoRoom => Slot::NoRoom,
            Found::Room => {
                self.keys.fetch_add(1, Relaxed);
                Slot::New(shard.insert(digest, self.width))
            }
        }
    }

    /// Finds the slot of a key, or whether there is room for one.
    pub(super) fn find(&self, shard: &mut Shard, digest: Digest, now: u64) -> Found {
        if let Some(slot) = shard.index.get(&digest) {
            return Found::Slot(usize::from(*slot));
        }
        if now >= shard.next_sweep {
            let freed = shard.sweep(self.width, now);
            shard.next_sweep = now.saturating_add(SWEEP_INTERVAL);
            let keys = self.keys.fetch_sub(freed, Relaxed) - freed;
            if keys < self.max_keys() / 4 {
                self.alarmed.store(false, Relaxed);
            }
        }
        match shard.index.len() >= self.shard_keys {
            true => Found::NoRoom,
            false => Found::Room,
        }
    }

    /// How many keys have a slot; a few of them may owe nothing any more.
    pub(super) fn keys(&self) -> usize {
        self.keys.load(Relaxed)
    }

    /// How many words a slot has.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn max_keys(&self) -> usize {
        self.shard_keys * self.overflow()
    }

    /// Whether the table has become half full: true once, and again after it was a quarter full.
    pub(super) fn alarm(&self) -> bool {
        self.keys() > self.max_keys() / 2
            && !self.alarmed.load(Relaxed)
            && !self.alarmed.swap(true, Relaxed)
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("keys", &self.keys())
            .field("max_keys", &self.max_keys())
            .finish_non_exhaustive()
    }
}

/// Where the state of a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Known(usize),
    New(usize),
    NoRoom,
}

/// What is there of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Slot(usize),
    /// Nothing; it would get a slot.
    Room,
    /// Nothing; it would have to share.
    NoRoom,
}

/// Part of a table, behind one lock.
#[derive(Default)]
pub(super) struct Shard {
    index: HashMap<Digest, u16, BuildHasherDefault<Uniform>>,
    words: Vec<u64>,
    free: Vec<u16>,
    next_sweep: u64,
}

impl Shard {
    /// The words of a slot.
    pub(super) fn words(&mut self, slot: usize, width: usize) -> &mut [u64] {
        let start = slot * width;
        self.words.get_mut(start..start + width).unwrap_or_default()
    }

    fn insert(&mut self, digest: Digest, width: usize) -> usize {
        // With nothing free, the slots in use are the numbers below their count.
        let slot = self.free.pop().unwrap_or(self.index.len() as u16);
        let start = usize::from(slot) * width;
        if start == self.words.len() {
            self.words.resize(start + width, 0);
        }
        self.words(slot.into(), width).fill(0);
        self.index.insert(digest, slot);
        slot.into()
    }

    /// Drops the slots that owe nothing any more: no word is in the future. Says how many.
    fn sweep(&mut self, width: usize, now: u64) -> usize {
        let before = self.index.len();
        self.index.retain(|_, slot| {
            let start = usize::from(*slot) * width;
            let words = self.words.get(start..start + width).unwrap_or_default();
            // The last of a strict limit's many words is the latest.
            let owes = words.iter().rev().any(|word| *word > now);
            if !owes {
                self.free.push(*slot);
            }
            owes
        });
        before - self.index.len()
    }
}

/// Passes on a hash that is uniform already.
#[derive(Default)]
struct Uniform(u64);

impl Hasher for Uniform {
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Key, KeyHasher};
    use super::*;

    const LATER: u64 = SWEEP_INTERVAL;

    fn digest(number: u32) -> Digest {
        let key = KeyHasher::new(&[3; 16]).hash(Key::Custom(&number.to_be_bytes()));
        key.digest
    }

    /// Asks for the slot of a key that is then full at the given time.
    fn occupy(table: &Table, number: u32, now: u64, full_at: u64) -> Slot {
        let digest = digest(number);
        let mut shard = table.lock(table.shard(digest)).unwrap();
        let found = table.slot(&mut shard, digest, now);
        if let Slot::New(slot) | Slot::Known(slot) = found {
            shard.words(slot, table.width)[0] = full_at;
        }
        found
    }

    #[test]
    fn only_slots_that_owe_nothing_make_room() {
        let table = Table::new(4, 1);
        for number in 0..4 {
            assert_eq!(
                occupy(&table, number, 0, 10 * LATER),
                Slot::New(number as usize)
            );
        }
        assert_eq!(occupy(&table, 9, LATER, 0), Slot::NoRoom);
        assert_eq!(occupy(&table, 2, LATER, 2 * LATER), Slot::Known(2));
        assert_eq!(occupy(&table, 9, 2 * LATER, 10 * LATER), Slot::New(2));
        assert_eq!(occupy(&table, 10, 3 * LATER, 0), Slot::NoRoom);
        assert_eq!(table.keys(), 4);
    }

    #[test]
    fn a_reused_slot_starts_empty() {
        let table = Table::new(1, 2);
        occupy(&table, 0, 0, 5);
        assert_eq!(occupy(&table, 1, LATER, 0), Slot::New(0));
        let mut shard = table.lock(0).unwrap();
        assert_eq!(shard.words(0, 2), [0, 0]);
    }

    #[test]
    fn a_shard_sweeps_at_most_once_a_second() {
        let table = Table::new(1, 1);
        occupy(&table, 0, 0, 5);
        assert_eq!(occupy(&table, 1, 10, 5), Slot::NoRoom);
        assert_eq!(occupy(&table, 1, LATER, 5), Slot::New(0));
    }

    #[test]
    fn a_wide_slot_makes_small_shards() {
        let table = Table::new(10_000, 1_000);
        assert_eq!(table.shard_keys, 64);
        assert_eq!(table.overflow(), 154);
        assert!(table.max_keys() <= 10_000);
    }

    #[test]
    fn a_panic_under_a_lock_does_not_close_the_shard() {
        let table = Table::new(10, 1);
        occupy(&table, 1, 0, 7);
        let crash = std::thread::scope(|scope| {
            let crash = scope.spawn(|| {
                let _shard = table.lock(0);
                panic!("on purpose");
            });
            crash.join()
        });
        assert!(crash.is_err());
        assert_eq!(occupy(&table, 1, 0, 7), Slot::Known(0));
    }
}
