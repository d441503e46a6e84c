//! The table of paths: which pattern of the policy answers for a path.
//!
//! ```
//! use palisade_core::rule::pattern::Pattern;
//! use palisade_core::rule::table::PathTable;
//!
//! let mut table = PathTable::new();
//! table.insert(&Pattern::parse("/users/{id}")?, "one user")?;
//! table.insert(&Pattern::parse("/users/me")?, "the caller")?;
//! assert_eq!(table.find("/users/me").map(|found| found.template), Some("/users/me"));
//! assert_eq!(table.find("/users/7").map(|found| *found.value), Some("one user"));
//! assert!(table.find("/users/").is_none());
//! # Ok::<(), String>(())
//! ```

use std::collections::HashMap;

use foldhash::fast::RandomState;
use percent_encoding::percent_decode;

use super::pattern::{LONGEST_LITERAL, Pattern, Segment};

/// Values by path pattern; a look-up finds the one of the most specific pattern.
///
/// Patterns are compared segment by segment from the left: a literal goes before a parameter, a parameter before a
/// wildcard. Routers that keep their routes in a trie, as axum and poem do, choose the same way. Their crates are not
/// used here because they compare segments as sent, and a rule must hold for `/u/a%40b` as for `/u/a@b`.
///
/// A look-up takes a path that the [firewall](crate::firewall) accepted and does not allocate. Its time grows with the
/// segments of the path, not with the number of patterns. An encoded slash separates nothing: `%2F` is a part of its
/// segment, and because no literal can contain one, only a parameter or a wildcard can match it.
#[derive(Clone, Debug)]
pub struct PathTable<T> {
    root: Node,
    entries: Vec<Entry<T>>,
}

/// What a look-up found.
#[derive(Debug)]
pub struct Found<'t, T> {
    /// The value of the pattern that matched.
    pub value: &'t T,
    /// The pattern as it was written.
    pub template: &'t str,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    pattern: Pattern,
    value: T,
}

/// One position in the patterns; the numbers are places in the list of entries.
#[derive(Clone, Debug, Default)]
struct Node {
    literals: HashMap<Box<[u8]>, Node, RandomState>,
    parameter: Option<Box<Node>>,
    wildcard: Option<usize>,
    end: Option<usize>,
}

impl<T> PathTable<T> {
    /// An empty table, which matches nothing.
    #[must_use]
    pub fn new() -> PathTable<T> {
        PathTable {
            root: Node::default(),
            entries: Vec::new(),
        }
    }

    /// Adds a pattern.
    ///
    /// # Errors
    /// A tie: another pattern of the table matches the same paths. The message names both; the table is unchanged.
    pub fn insert(&mut self, pattern: &Pattern, value: T) -> Result<(), String> {
        let twin = pattern.twin();
        let ways = || {
            [Some(pattern.segments()), twin.as_deref()]
                .into_iter()
                .flatten()
        };
        let taken = ways().find_map(|segments| self.root.entry(segments));
        if let Some(other) = taken.and_then(|entry| self.entries.get(entry)) {
            return Err(format!(
                "`{}` and `{}` match the same paths: keep one of them",
                other.pattern.template(),
                pattern.template()
            ));
        }
        for segments in ways() {
            *self.root.entry_mut(segments) = Some(self.entries.len());
        }
        self.entries.push(Entry {
            pattern: pattern.clone(),
            value,
        });
        Ok(())
    }

    /// The value of a pattern that matches the same paths as this one, whatever its parameters are called.
    ///
    /// Several rules for one path, told apart by their methods, share a value this way.
    pub fn get_mut(&mut self, pattern: &Pattern) -> Option<&mut T> {
        let entry = self.entries.get_mut(self.root.entry(pattern.segments())?)?;
        entry
            .pattern
            .is_same_as(pattern)
            .then_some(&mut entry.value)
    }

    /// Finds the most specific pattern that matches a path, given as it was sent.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Found<'_, T>> {
        let entry = self
            .root
            .find(path.strip_prefix('/')?.as_bytes(), path.contains('%'))?;
        let Entry { pattern, value } = self.entries.get(entry)?;
        Some(Found {
            value,
            template: pattern.template(),
        })
    }

    /// The patterns and their values, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&Pattern, &T)> {
        self.entries
            .iter()
            .map(|entry| (&entry.pattern, &entry.value))
    }
}

impl<T> Default for PathTable<T> {
    fn default() -> PathTable<T> {
        PathTable::new()
    }
}

impl Node {
    /// Each node is visited at most once, so the patterns bound the work, not the path.
    fn find(&self, rest: &[u8], encoded: bool) -> Option<usize> {
        let mut parts = rest.splitn(2, |byte| *byte == b'/');
        let (segment, tail) = (parts.next()?, parts.next());
        let onwards = |node: &Node| match tail {
            Some(tail) => node.find(tail, encoded),
            None => node.end,
        };
        let literal = self.literal(segment, encoded).and_then(onwards);
        if literal.is_some() || segment.is_empty() {
            return literal;
        }
        self.parameter
            .as_deref()
            .and_then(onwards)
            .or(self.wildcard)
    }

    fn literal(&self, segment: &[u8], encoded: bool) -> Option<&Node> {
        if !encoded || self.literals.is_empty() || !segment.contains(&b'%') {
            return self.literals.get(segment);
        }
        // No literal is longer than the buffer.
        let mut buffer = [0; LONGEST_LITERAL];
        let mut length = 0;
        for byte in percent_decode(segment) {
            *buffer.get_mut(length)? = byte;
            length += 1;
        }
        self.literals.get(buffer.get(..length)?)
    }

    fn entry(&self, segments: &[Segment]) -> Option<usize> {
        match segments {
            [] => self.end,
            [Segment::Wildcard, ..] => self.wildcard,
            [Segment::Parameter, rest @ ..] => self.parameter.as_ref()?.entry(rest),
            [Segment::Literal(text), rest @ ..] => self.literals.get(text.as_bytes())?.entry(rest),
        }
    }

    fn entry_mut(&mut self, segments: &[Segment]) -> &mut Option<usize> {
        match segments {
            [] => &mut self.end,
            [Segment::Wildcard, ..] => &mut self.wildcard,
            [Segment::Parameter, rest @ ..] => {
                self.parameter.get_or_insert_default().entry_mut(rest)
            }
            [Segment::Literal(text), rest @ ..] => self
                .literals
                .entry(text.as_bytes().into())
                .or_default()
                .entry_mut(rest),
        }
    }
}

#[cfg(test)]
mod tests;
