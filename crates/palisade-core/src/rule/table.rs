//! The table of paths: which pattern of the policy answers for a path.
//!
//! ```
//! use palisade_core::rule::pattern::Pattern;
//! use palisade_core::rule::table::PathTable;
//!
//! let mut table = PathTable::new();
//! table.insert(&Pattern::parse("/users/{id}")?, "one user")?;
//! table.insert(&Pattern::parse("/users/@me")?, "the caller")?;
//! let template = |path| table.find(path).map(|found| found.map(|found| found.template));
//! assert_eq!(template("/users/@me").unwrap(), Some("/users/@me"));
//! assert_eq!(template("/users/7").unwrap(), Some("/users/{id}"));
//! assert_eq!(template("/users").unwrap(), None);
//!
//! // One router reads this as `/users/@me`, another one as a user of that name.
//! assert!(template("/users/%40me").is_err());
//! # Ok::<(), String>(())
//! ```

use super::{
    pattern::{LONGEST_LITERAL, Pattern, Segment, canonical},
    template::{Part, RouteTemplate},
};
use foldhash::fast::RandomState;
use percent_encoding::percent_decode;
use std::{collections::HashMap, fmt};

/// Values by path pattern; a look-up finds the one of the most specific pattern.
///
/// Patterns are compared segment by segment from the left: a literal goes before a parameter, a parameter before a
/// wildcard. Routers that keep their routes in a trie, as axum and poem do, choose the same way.
///
/// Routers do not agree on which paths are equal. Some compare a segment as it was sent, some decode it, some decode it
/// but for a few characters; a wildcard may match nothing, or must match something; a slash at the end may be taken
/// away before. A look-up reads a path in each of these ways. If they lead to different patterns, the path is
/// [ambiguous](Ambiguous), because no choice would be right for every router. "No pattern" counts as one.
///
/// A look-up takes a path that the [firewall](crate::firewall) accepted and does not allocate. Its time grows with the
/// segments of the path, not with the number of patterns. An encoded slash separates nothing: `%2F` is a part of its
/// segment, and because no literal can contain one, only a parameter or a wildcard can match it.
#[derive(Clone, Debug)]
pub struct PathTable<T> {
    root: Node,
    entries: Vec<Entry<T>>,
    /// Whether a literal has characters that must be sent encoded.
    encoded_literals: bool,
}

/// What a look-up found.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'t, T> {
    /// The value of the pattern that matched.
    pub value: &'t T,
    /// The pattern as it was written.
    pub template: &'t str,
}

/// A path that one router takes for one thing, another router for another.
#[derive(Debug, PartialEq, Eq)]
pub struct Ambiguous<'t, T> {
    /// What it is, read byte for byte.
    pub as_sent: Option<Found<'t, T>>,
    /// What else it can be read as.
    pub otherwise: Option<Found<'t, T>>,
}

/// Both, in words.
impl<T> fmt::Display for Ambiguous<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |found: &Option<Found<'_, T>>| match found {
            Some(found) => found.template.to_owned(),
            None => "a path that no rule lists".to_owned(),
        };
        let (as_sent, otherwise) = (name(&self.as_sent), name(&self.otherwise));
        write!(
            f,
            "read as it was sent, it is {as_sent}; a router may take it for {otherwise}"
        )
    }
}

/// A way to read a path.
#[derive(Clone, Copy)]
struct Reading {
    encoding: Encoding,
    /// Whether a wildcard may match nothing, as in actix-web and poem.
    empty_wildcards: bool,
}

/// Which percent-encoded characters are equal to themselves.
#[derive(Clone, Copy)]
enum Encoding {
    /// None: axum and poem.
    AsSent,
    /// All but `%2B`, `%2F` and `%25`: actix-web.
    Partly,
    /// All.
    Decoded,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    pattern: Pattern,
    /// The pattern, as a route.
    route: RouteTemplate,
    value: T,
}

/// One position in the patterns; the numbers are places in the list of entries.
#[derive(Clone, Debug, Default)]
struct Node {
    /// As it must be sent to be this literal to every router.
    canonical: Box<[u8]>,
    /// By their decoded bytes.
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
            encoded_literals: false,
        }
    }

    /// Adds a pattern.
    ///
    /// # Errors
    /// A tie: another pattern of the table matches the same paths. The message names both; the table is unchanged.
    pub fn insert(&mut self, pattern: &Pattern, value: T) -> Result<(), String> {
        let taken = pattern.ways().find_map(|way| self.root.entry(&way));
        if let Some(other) = taken.and_then(|entry| self.entries.get(entry)) {
            return Err(format!(
                "`{}` and `{}` match the same paths: keep one of them",
                other.pattern.template(),
                pattern.template()
            ));
        }
        self.encoded_literals |= pattern.has_encoded_literals();
        for segments in pattern.ways() {
            *self.root.entry_mut(&segments) = Some(self.entries.len());
        }
        self.entries.push(Entry {
            pattern: pattern.clone(),
            route: RouteTemplate::of(pattern),
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
    ///
    /// # Errors
    /// Two ways to read the path lead to different patterns, or one of them to none.
    pub fn find<'t>(&'t self, path: &str) -> Result<Option<Found<'t, T>>, Ambiguous<'t, T>> {
        let Some(segments) = path.strip_prefix('/') else {
            return Ok(None);
        };
        let as_sent = self.read(segments, Encoding::AsSent, false);
        match self.read_otherwise(segments, as_sent) {
            None => Ok(self.found(as_sent)),
            Some(otherwise) => Err(Ambiguous {
                as_sent: self.found(as_sent),
                otherwise: self.found(otherwise),
            }),
        }
    }

    /// The place of the most specific pattern that matches every path of a route.
    pub(crate) fn covering(&self, route: &RouteTemplate) -> Option<usize> {
        self.root.covering(route.parts())
    }

    /// The pattern at a place; places are numbered as [`iter`](Self::iter) goes.
    pub(crate) fn pattern(&self, place: usize) -> Option<&Pattern> {
        Some(&self.entries.get(place)?.pattern)
    }

    /// The places of all patterns that match a path, or would but for a slash at its end.
    pub(crate) fn fitting(&self, path: &str) -> impl Iterator<Item = usize> {
        let entries = self.entries.iter().enumerate();
        entries.filter_map(move |(place, entry)| entry.route.fits_loosely(path).then_some(place))
    }

    /// What is at a place.
    pub(crate) fn at(&self, place: usize) -> Option<Found<'_, T>> {
        self.found(Some(place))
    }

    /// Another way to read the path that leads to something else than its bytes do.
    fn read_otherwise(&self, path: &str, as_sent: Option<usize>) -> Option<Option<usize>> {
        let differs = |entry: &Option<usize>| *entry != as_sent;
        if self.encoded_literals || path.contains('%') {
            let decoded = [Encoding::Partly, Encoding::Decoded];
            let decoded = decoded.map(|encoding| self.read(path, encoding, false));
            if let Some(otherwise) = decoded.into_iter().find(differs) {
                return Some(otherwise);
            }
        }
        let slash = path.is_empty() || path.ends_with('/');
        // From here on, all encodings lead to the same pattern.
        slash.then(|| self.read_without_slash(path, as_sent))?
    }

    /// What a path that ends in a slash is to a router whose wildcards may match nothing, or that takes the slash away.
    ///
    /// A pattern that says itself that a path ends in a slash may stand beside one for the path without, unless that
    /// one is more specific.
    fn read_without_slash(&self, path: &str, as_sent: Option<usize>) -> Option<Option<usize>> {
        let own = as_sent.and_then(|entry| self.entries.get(entry));
        let own = own.map(|entry| &entry.pattern);
        let is_listed = |other: Option<usize>| {
            let other = other.and_then(|entry| self.entries.get(entry));
            own.filter(|own| own.ends_in_slash())
                .is_some_and(|own| other.is_none_or(|other| own.is_as_specific_as(&other.pattern)))
        };
        [Encoding::AsSent, Encoding::Partly, Encoding::Decoded]
            .into_iter()
            .flat_map(|encoding| {
                let stripped = path.strip_suffix('/');
                let stripped = stripped.map(|path| self.read(path, encoding, false));
                [Some(self.read(path, encoding, true)), stripped]
            })
            .flatten()
            .find(|other| *other != as_sent && !is_listed(*other))
    }

    fn read(&self, path: &str, encoding: Encoding, empty_wildcards: bool) -> Option<usize> {
        let reading = Reading {
            encoding,
            empty_wildcards,
        };
        self.root.find(path.as_bytes(), reading)
    }

    fn found(&self, entry: Option<usize>) -> Option<Found<'_, T>> {
        let Entry { pattern, value, .. } = self.entries.get(entry?)?;
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
    fn find(&self, rest: &[u8], reading: Reading) -> Option<usize> {
        let mut parts = rest.splitn(2, |byte| *byte == b'/');
        let (segment, tail) = (parts.next()?, parts.next());
        let onwards = |node: &Node| match tail {
            Some(tail) => node.find(tail, reading),
            None => node.end,
        };
        let literal = self.literal(segment, reading.encoding).and_then(onwards);
        if literal.is_some() {
            return literal;
        }
        if segment.is_empty() {
            let nothing_left = reading.empty_wildcards && tail.is_none();
            return self.wildcard.filter(|_| nothing_left);
        }
        self.parameter
            .as_deref()
            .and_then(onwards)
            .or(self.wildcard)
    }

    fn literal(&self, segment: &[u8], encoding: Encoding) -> Option<&Node> {
        if self.literals.is_empty() {
            return None;
        }
        if !segment.contains(&b'%') {
            let node = self.literals.get(segment)?;
            let as_sent = matches!(encoding, Encoding::AsSent);
            return (!as_sent || *node.canonical == *segment).then_some(node);
        }
        // No literal is longer than the buffer.
        let mut buffer = [0; LONGEST_LITERAL];
        let mut length = 0;
        for byte in percent_decode(segment) {
            *buffer.get_mut(length)? = byte;
            length += 1;
        }
        let node = self.literals.get(buffer.get(..length)?)?;
        let is_same = match encoding {
            Encoding::AsSent => *node.canonical == *segment,
            // No literal holds a slash, and a percent sign is always sent encoded.
            Encoding::Partly => !segment
                .windows(3)
                .any(|code| code.eq_ignore_ascii_case(b"%2b")),
            Encoding::Decoded => true,
        };
        is_same.then_some(node)
    }

    /// The most specific pattern that matches whatever these parts of a route match.
    fn covering(&self, route: &[Part]) -> Option<usize> {
        let Some((part, rest)) = route.split_first() else {
            return self.end;
        };
        let literal = match part {
            Part::Literal(text) => {
                let decoded: Vec<u8> = percent_decode(text.as_bytes()).collect();
                let node = self.literals.get(&*decoded);
                node.filter(|node| *node.canonical == *text.as_bytes())
            }
            Part::Parameter | Part::Mixed | Part::Rest => None,
        };
        if let Some(entry) = literal.and_then(|node| node.covering(rest)) {
            return Some(entry);
        }
        let parameter = match part {
            Part::Literal(text) if text.is_empty() => return None,
            Part::Literal(_) | Part::Parameter | Part::Mixed => self.parameter.as_deref(),
            Part::Rest => None,
        };
        parameter
            .and_then(|node| node.covering(rest))
            .or(self.wildcard)
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
                .or_insert_with(|| Node {
                    canonical: canonical(text).into_bytes().into(),
                    ..Node::default()
                })
                .entry_mut(rest),
        }
    }
}

#[cfg(test)]
mod tests;
