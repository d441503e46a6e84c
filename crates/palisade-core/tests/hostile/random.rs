//! Cheap, repeatable randomness: a hundred thousand cases must take seconds.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True once in `n` times.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    /// Up to `most` bytes of any value.
    pub(crate) fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most + 1);
        (0..length).map(|_| self.byte()).collect()
    }

    /// Up to `most` of these characters.
    pub(crate) fn text(&mut self, alphabet: &[u8], most: usize) -> Vec<u8> {
        let length = self.below(most + 1);
        (0..length)
            .map(|_| alphabet[self.below(alphabet.len())])
            .collect()
    }

    /// One small change: a byte replaced, inserted, removed or doubled, or the end cut off.
    pub(crate) fn change(&mut self, bytes: &mut Vec<u8>) {
        let place = self.below(bytes.len() + 1);
        let byte = match self.below(3) {
            0 => self.byte(),
            1 => b"%/.;:,\"\\ =-_\0\r\n\t\x7f\x80\xff"[self.below(19)],
            _ => b"abcXYZ0189"[self.below(10)],
        };
        match (self.below(5), bytes.get(place).copied()) {
            (0, Some(_)) => bytes[place] = byte,
            (1, Some(_)) => drop(bytes.remove(place)),
            (2, Some(own)) => bytes.insert(place, own),
            (3, Some(_)) => bytes.truncate(place),
            _ => bytes.insert(place, byte),
        }
    }
}

/// Runs `case` for `count` seeds; on a failure it says which one.
pub(crate) fn for_each_case(name: &str, count: u64, mut case: impl FnMut(&mut Random)) {
    let only = std::env::var("PALISADE_CASE").ok();
    let only = only.map(|seed| seed.parse().unwrap());
    for seed in only.map_or(0..count, |seed| seed..seed + 1) {
        let run = || case(&mut Random::new(seed));
        if let Err(failure) = catch_unwind(AssertUnwindSafe(run)) {
            eprintln!("{name}: the failing case is PALISADE_CASE={seed}");
            resume_unwind(failure);
        }
    }
}
