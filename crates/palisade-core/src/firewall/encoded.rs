//! The characters that a rule may allow in its parameters and wildcards.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// A set of the characters which are refused in a path unless the rule allows them: `/`, `%` and `;`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct EncodedSet(u8);

impl EncodedSet {
    /// None of them.
    pub const NONE: EncodedSet = EncodedSet(0);
    /// `%2F`, which decodes to something that looks like two segments.
    pub const SLASH: EncodedSet = EncodedSet(1);
    /// `%25` before two hex digits, which decodes to something that could be decoded again.
    pub const PERCENT: EncodedSet = EncodedSet(2);
    /// `;` and `%3B`, which some servers take for the start of path parameters.
    pub const SEMICOLON: EncodedSet = EncodedSet(4);

    /// Reads one entry of a policy's `allow_encoded`.
    ///
    /// # Errors
    /// What would be right.
    pub fn parse(entry: &str) -> Result<EncodedSet, String> {
        match entry {
            "/" => Ok(EncodedSet::SLASH),
            "%" => Ok(EncodedSet::PERCENT),
            ";" => Ok(EncodedSet::SEMICOLON),
            _ => Err(format!(
                "`{entry}` cannot be allowed: only `/`, `%` and `;` can"
            )),
        }
    }

    /// Whether every character of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: EncodedSet) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is nothing in this set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for EncodedSet {
    type Output = EncodedSet;

    fn bitor(self, other: EncodedSet) -> EncodedSet {
        EncodedSet(self.0 | other.0)
    }
}

impl BitOrAssign for EncodedSet {
    fn bitor_assign(&mut self, other: EncodedSet) {
        *self = *self | other;
    }
}

impl fmt::Debug for EncodedSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            (Self::SLASH, '/'),
            (Self::PERCENT, '%'),
            (Self::SEMICOLON, ';'),
        ];
        let held = named.iter().filter(|(one, _)| self.contains(*one));
        f.debug_set().entries(held.map(|(_, name)| name)).finish()
    }
}
