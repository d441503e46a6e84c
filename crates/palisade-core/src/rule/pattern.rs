//! Path patterns: `/users/{id}`, `/files/{*rest}`.
//!
//! ```
//! use palisade_core::rule::pattern::Pattern;
//!
//! let admin = Pattern::parse("/admin")?;
//! assert!(admin.covers(&Pattern::parse("/admin/users/{id}")?));
//! assert!(Pattern::parse("/users/:id").unwrap_err().contains("`{id}`"));
//! # Ok::<(), String>(())
//! ```

mod lookalike;

use std::{borrow::Cow, fmt};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use self::lookalike::{explain_braces, explain_lookalike, leading_name};
use crate::firewall;

/// The longest literal segment, in bytes after decoding: the room a look-up has to decode into.
pub(super) const LONGEST_LITERAL: usize = 256;

/// What is encoded when a literal is sent: all but RFC 3986 §3.3 `pchar`, without `;`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// A path pattern of a rule.
///
/// Each segment is a literal, a parameter `{name}` (one segment that is not empty), or, only as the last one, a
/// wildcard `{*name}` (one segment that is not empty, and everything after it). A literal may be written decoded or
/// percent-encoded; a request must send it in its canonical form. Letter case counts.
///
/// `/users/` is another path than `/users`, unless [`with_same_trailing_slash`](Pattern::with_same_trailing_slash)
/// makes them one.
#[derive(Clone)]
pub struct Pattern {
    template: Box<str>,
    segments: Vec<Segment>,
    same_trailing_slash: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// Decoded. Empty only as the last segment, where it stands for a trailing slash.
    Literal(Box<str>),
    Parameter,
    Wildcard,
}

impl Pattern {
    /// Reads a pattern as a policy writes it.
    ///
    /// # Errors
    /// What is wrong with it and what would be right. Patterns in the style of other routers are recognised, and so are
    /// literals that no request can reach because the [firewall] refuses them.
    pub fn parse(template: &str) -> Result<Pattern, String> {
        let Some(path) = template.strip_prefix('/') else {
            // As documentation writes it: `GET /users`.
            if let Some((method, path)) = template.split_once(' ')
                && path.starts_with('/')
                && method.bytes().all(|b| b.is_ascii_uppercase())
            {
                return Err(format!(
                    "`{template}` holds a method: write path = \"{path}\" and methods = [\"{method}\"]"
                ));
            }
            let path = template.split_once("://").map_or(template, |(_, rest)| {
                rest.split_once('/').map_or("", |(_, path)| path)
            });
            return Err(format!(
                "`{template}` does not start with `/`: write `/{path}`"
            ));
        };
        let mut segments = Vec::new();
        let mut names = Vec::new();
        let mut texts = path.split('/').peekable();
        while let Some(text) = texts.next() {
            let last = texts.peek().is_none();
            let (segment, name) =
                parse_segment(text, last).map_err(|wrong| format!("`{template}`: {wrong}"))?;
            if !name.is_empty() && names.contains(&name) {
                return Err(format!(
                    "`{template}`: two parameters are named `{name}`: rename one"
                ));
            }
            names.push(name);
            segments.push(segment);
        }
        Ok(Pattern {
            template: template.into(),
            segments,
            same_trailing_slash: false,
        })
    }

    /// Makes the pattern match with and without a slash at the end (`trailing_slash = "same"`).
    #[must_use]
    pub fn with_same_trailing_slash(mut self) -> Pattern {
        self.same_trailing_slash = true;
        self
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn template(&self) -> &str {
        &self.template
    }

    /// Whether every path that `other` matches is this pattern's own path or lies beneath it.
    ///
    /// `/admin` covers `/admin`, `/admin/` and `/admin/users/{id}`; `/admin/{*rest}` all of them but `/admin`, because
    /// to some routers a wildcard may match nothing; `/{tenant}/keys` covers `/acme/keys/7`.
    #[must_use]
    pub fn covers(&self, other: &Pattern) -> bool {
        let mut ways = other.ways();
        ways.all(|segments| beneath(self.stem(), &segments, false))
    }

    /// Whether it matches every path that `other` matches, and more.
    pub(crate) fn is_wider_than(&self, other: &Pattern) -> bool {
        let matches = |(own, other): (&Segment, &Segment)| match (own, other) {
            (Segment::Literal(own), Segment::Literal(other)) => own == other,
            (Segment::Parameter, Segment::Literal(other)) => !other.is_empty(),
            (Segment::Parameter, Segment::Parameter) => true,
            _ => false,
        };
        let is_wider = match self.is_wildcard() {
            true => self.covers(other),
            false => {
                self.segments.len() == other.segments.len()
                    && self.segments.iter().zip(&other.segments).all(matches)
            }
        };
        is_wider && self.segments != other.segments
    }

    /// Whether it ends in a wildcard.
    pub(crate) fn is_wildcard(&self) -> bool {
        self.segments.last() == Some(&Segment::Wildcard)
    }

    /// Whether some path that `other` matches is this pattern's own path or lies beneath it.
    ///
    /// Where this holds and [`covers`](Pattern::covers) does not, the path of the request decides:
    /// [`is_above`](Pattern::is_above). So `/admin` overlaps with `/{*rest}`, whose rule answers for `/admin/x` when no
    /// other does.
    #[must_use]
    pub fn overlaps(&self, other: &Pattern) -> bool {
        let mut ways = other.ways();
        ways.any(|segments| beneath(self.stem(), &segments, true))
    }

    /// Whether a path that the firewall accepted is this pattern's own path or lies beneath it. Does not allocate.
    ///
    /// Where a path can be read in two ways, as sent or decoded, with a wildcard that matches something or nothing, one
    /// of them is enough: a guardrail must hold for all.
    #[must_use]
    pub fn is_above(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else {
            return false;
        };
        let mut texts = path.split('/');
        self.stem()
            .iter()
            .all(|segment| match (segment, texts.next()) {
                (_, None) => false,
                (Segment::Literal(own), Some(text)) => {
                    *own.as_bytes() == *text.as_bytes() || percent_decode_str(text).eq(own.bytes())
                }
                (Segment::Parameter, Some(text)) => !text.is_empty(),
                (Segment::Wildcard, Some(_)) => true,
            })
    }

    /// Whether both match the same paths, so that only the names of their parameters differ.
    #[must_use]
    pub fn is_same_as(&self, other: &Pattern) -> bool {
        let segments = |pattern: &Pattern| match self.same_trailing_slash {
            true => pattern.stem() == self.stem(),
            false => pattern.segments == self.segments,
        };
        self.same_trailing_slash == other.same_trailing_slash && segments(other)
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The same segments with the trailing slash taken off, or put on, if both count as one path.
    pub(super) fn twin(&self) -> Option<Vec<Segment>> {
        let stem = self.stem();
        if !self.same_trailing_slash || stem.is_empty() || stem.last() == Some(&Segment::Wildcard) {
            return None;
        }
        let mut twin = stem.to_vec();
        if stem.len() == self.segments.len() {
            twin.push(Segment::Literal("".into()));
        }
        Some(twin)
    }

    /// The place that a wildcard is about: `/svc` of `/svc/{*rest}`; `None` without a wildcard, and for `/{*rest}`.
    pub(crate) fn root_of_wildcard(&self) -> Option<Pattern> {
        let (Segment::Wildcard, root) = self.segments.split_last()? else {
            return None;
        };
        let (template, _) = self.template.rsplit_once('/')?;
        (!root.is_empty()).then(|| Pattern {
            template: template.into(),
            segments: root.to_vec(),
            same_trailing_slash: false,
        })
    }

    /// The segments of each kind of path that it matches: with a slash at the end and without count as one.
    pub(super) fn ways(&self) -> impl Iterator<Item = Cow<'_, [Segment]>> {
        std::iter::once(Cow::Borrowed(self.segments())).chain(self.twin().map(Cow::Owned))
    }

    /// Whether a literal has characters that must be sent encoded.
    pub(super) fn has_encoded_literals(&self) -> bool {
        self.segments.iter().any(|segment| match segment {
            Segment::Literal(text) => canonical(text) != **text,
            Segment::Parameter | Segment::Wildcard => false,
        })
    }

    /// Whether the pattern itself says that a path may end in a slash.
    pub(super) fn ends_in_slash(&self) -> bool {
        self.stem().len() < self.segments.len() || self.twin().is_some()
    }

    /// Whether it is at least as specific as another pattern that matches the same path: from the left, a literal goes
    /// before a parameter, a parameter before a wildcard.
    pub(crate) fn is_as_specific_as(&self, other: &Pattern) -> bool {
        let rank = |segment: &Segment| match segment {
            Segment::Literal(_) => 0,
            Segment::Parameter => 1,
            Segment::Wildcard => 2,
        };
        let ranks = |pattern: &Pattern| pattern.stem().iter().map(rank).collect::<Vec<u8>>();
        ranks(self) <= ranks(other)
    }

    /// A path that it matches, and that hardly any literal does.
    pub(crate) fn example(&self) -> String {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => canonical(text),
            Segment::Parameter => "0~".to_owned(),
            Segment::Wildcard => "0~/0~".to_owned(),
        });
        segments.fold(String::new(), |path, segment| path + "/" + &segment)
    }

    /// Whether it has a literal that clients may well send in more than one spelling: percent-encoded or not.
    pub(crate) fn has_ambiguous_spelling(&self) -> bool {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        self.segments.iter().any(|segment| match segment {
            Segment::Literal(text) => !text.bytes().all(unreserved),
            Segment::Parameter | Segment::Wildcard => false,
        })
    }

    /// The segments without a trailing slash: what everything beneath the pattern begins with.
    pub(super) fn stem(&self) -> &[Segment] {
        match self.segments.split_last() {
            Some((Segment::Literal(last), stem)) if last.is_empty() => stem,
            _ => &self.segments,
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.template).finish()
    }
}

/// A literal segment as a request must send it: percent-encoded where RFC 3986 §3.3 demands it, with upper-case digits,
/// and nowhere else. It is the one form that every router takes for the same segment.
pub(super) fn canonical(decoded: &str) -> String {
    utf8_percent_encode(decoded, ENCODED).to_string()
}

/// Whether all paths, or some, that `theirs` matches begin with something that `stem` matches.
fn beneath(stem: &[Segment], theirs: &[Segment], some: bool) -> bool {
    use Segment::{Literal, Parameter, Wildcard};
    match (stem, theirs) {
        ([], _) => true,
        (_, []) => false,
        ([Literal(own), stem @ ..], [Literal(other), theirs @ ..]) => {
            own == other && beneath(stem, theirs, some)
        }
        ([Parameter, stem @ ..], [Literal(other), theirs @ ..]) => {
            !other.is_empty() && beneath(stem, theirs, some)
        }
        ([Wildcard, stem @ ..], [Literal(_), theirs @ ..]) => beneath(stem, theirs, some),
        ([Parameter | Wildcard, stem @ ..], [Parameter, theirs @ ..]) => {
            beneath(stem, theirs, some)
        }
        ([Literal(_), stem @ ..], [Parameter, theirs @ ..]) => some && beneath(stem, theirs, some),
        // Something not empty, and then anything or nothing.
        ([first, stem @ ..], [Wildcard, ..]) => {
            some || (stem.is_empty() && !matches!(first, Literal(_)))
        }
    }
}

/// Reads one segment, and the name of its parameter, empty for a literal.
fn parse_segment(text: &str, last: bool) -> Result<(Segment, &str), String> {
    let Some(inner) = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
    else {
        return Ok((Segment::Literal(parse_literal(text, last)?), ""));
    };
    let (segment, name) = match inner.strip_prefix('*') {
        Some(name) => (Segment::Wildcard, name),
        None => (Segment::Parameter, inner),
    };
    if name.is_empty() {
        return Err(format!(
            "`{text}` has no name: write `{{{}}}`",
            if inner.is_empty() { "id" } else { "*rest" }
        ));
    }
    if leading_name(name) != name {
        return Err(explain_braces(text, inner));
    }
    if segment == Segment::Wildcard && !last {
        return Err(format!(
            "`{text}` can only be the last segment: write `{{{name}}}` for one segment"
        ));
    }
    Ok((segment, name))
}

fn parse_literal(text: &str, last: bool) -> Result<Box<str>, String> {
    if text.is_empty() && !last {
        return Err("a segment is empty: write one `/`".into());
    }
    if let Some(right) = explain_lookalike(text) {
        return Err(right);
    }
    if text.contains(['?', '#']) {
        return Err("a pattern is only a path: leave out what follows `?` or `#`".into());
    }
    let hex = |byte: &u8| byte.is_ascii_hexdigit();
    let encoded = |after: &str| {
        after
            .as_bytes()
            .get(..2)
            .is_some_and(|digits| digits.iter().all(hex))
    };
    if !text.split('%').skip(1).all(encoded) {
        return Err(format!(
            "`{text}` has a `%` that encodes nothing: write `%25` for the character"
        ));
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| {
        format!("`{text}` does not decode to utf-8: write the characters themselves")
    })?;
    if decoded.len() > LONGEST_LITERAL {
        return Err(format!(
            "a literal segment has at most {LONGEST_LITERAL} bytes"
        ));
    }
    match firewall::check_path(format!("/{}", canonical(&decoded)).as_bytes()) {
        Ok(needs) if needs.is_empty() => Ok(decoded.into()),
        Ok(_) => Err(format!(
            "`{text}` stands for a `/`, `;` or `%` that only parameters may hold: \
             write a parameter, and `allow_encoded` in the rule"
        )),
        Err(refused) => Err(format!(
            "no request can reach `{text}`: the firewall refuses it ({refused})"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn literals_may_be_written_decoded_or_encoded() {
        for (one, two) in [
            ("/a b", "/a%20b"),
            ("/ü", "/%c3%bc"),
            ("/u/a@b.example", "/u/a%40b.example"),
            ("/100%25", "/%31%30%30%25"),
            ("/{id}", "/{user}"),
            ("/{*rest}", "/{*path}"),
        ] {
            assert!(pattern(one).is_same_as(&pattern(two)), "{one} {two}");
        }
        for (one, two) in [
            ("/a", "/A"),
            ("/a", "/a/"),
            ("/a", "/{a}"),
            ("/{a}", "/{*a}"),
            ("/%7Ba%7D", "/{a}"),
        ] {
            assert!(!pattern(one).is_same_as(&pattern(two)), "{one} {two}");
        }
        let same = pattern("/a/").with_same_trailing_slash();
        assert!(same.is_same_as(&pattern("/a").with_same_trailing_slash()));
        assert!(!same.is_same_as(&pattern("/a/")));
    }

    #[test]
    fn a_wrong_pattern_is_answered_with_the_right_one() {
        let long = format!("/{}", "a".repeat(LONGEST_LITERAL + 1));
        for (wrong, right) in [
            ("", "write `/`"),
            ("users", "write `/users`"),
            (
                "GET /users",
                "write path = \"/users\" and methods = [\"GET\"]",
            ),
            ("https://example.com/users", "write `/users`"),
            ("/users/:id", "write `{id}`"),
            ("/users/<id>", "write `{id}`"),
            ("/users/<int:id>", "write `{id}`"),
            ("/files/<path:rest>", "write `{*rest}`"),
            ("/files/<rest..>", "write `{*rest}`"),
            ("/files/*", "`{*rest}`"),
            ("/files/**", "`{*rest}`"),
            ("/files/*path", "`{*path}`"),
            ("/files/{path}*", "write `{*path}`"),
            ("/files/{path:.*}", "write `{*path}`"),
            ("/files/{**path}", "write `{*path}`"),
            ("/files/{path...}", "write `{*path}`"),
            ("/users/{id:[0-9]+}", "write `{id}`"),
            ("/users/{id:int}", "write `{id}`"),
            ("/users/{id?}", "one rule with `{id}` and one without"),
            ("/users/{}", "write `{id}`"),
            ("/files/{*}", "write `{*rest}`"),
            ("/users/{7}", "such as `{id}`"),
            ("/users/{id}.json", "write `{name}`"),
            ("/files/*.js", "`%2A`"),
            ("/files/a*", "`%2A`"),
            ("/{*rest}/a", "write `{rest}`"),
            ("/{id}/{id}", "rename one"),
            ("/a?b=c", "leave out"),
            ("/a#b", "leave out"),
            ("/a//b", "write one `/`"),
            ("//", "write one `/`"),
            ("/a/../b", "dot_segment"),
            ("/a/%2e%2e", "dot_segment"),
            ("/a\\b", "backslash"),
            ("/a%5Cb", "backslash"),
            ("/a%00", "encoded_control"),
            ("/a%2Fb", "`allow_encoded`"),
            ("/a;b", "`allow_encoded`"),
            ("/%2561", "`allow_encoded`"),
            ("/100%", "`%25`"),
            ("/%C3", "utf-8"),
            (&long, "256 bytes"),
        ] {
            let message = Pattern::parse(wrong).unwrap_err();
            assert!(message.contains(right), "{wrong:?}: {message}");
        }
    }

    #[test]
    fn a_pattern_covers_what_lies_beneath_it() {
        // Beneath: always, sometimes, never.
        for (above, other, covers, overlaps) in [
            ("/admin", "/admin", true, true),
            ("/admin", "/admin/", true, true),
            ("/admin/", "/admin", true, true),
            ("/admin", "/admin/x/{id}", true, true),
            ("/admin", "/admin/{*rest}", true, true),
            ("/admin", "/administrator", false, false),
            ("/admin", "/{page}", false, true),
            ("/admin", "/{*rest}", false, true),
            ("/admin", "/", false, false),
            ("/", "/", true, true),
            ("/", "/{*rest}", true, true),
            ("/admin/{*rest}", "/admin", false, false),
            ("/admin/{*rest}", "/admin/", true, true),
            ("/admin/{*rest}", "/admin/x/y", true, true),
            ("/admin/{*rest}", "/{a}/{b}", false, true),
            ("/{a}", "/x", true, true),
            ("/{a}", "/", false, false),
            ("/{a}", "/{*rest}", true, true),
            ("/{a}/{b}", "/{*rest}", false, true),
            ("/{a}/b", "/{*rest}", false, true),
            ("/x/{a}/b", "/x/y/b/c", true, true),
            ("/x/{a}/b", "/x/{*rest}", false, true),
            ("/users/me", "/users/{id}/posts", false, true),
            ("/users/{id}/posts", "/users/me", false, false),
        ] {
            let (above, other) = (pattern(above), pattern(other));
            assert_eq!(above.covers(&other), covers, "{above:?} {other:?}");
            assert_eq!(above.overlaps(&other), overlaps, "{above:?} {other:?}");
        }
        let both = pattern("/admin").with_same_trailing_slash();
        let above = pattern("/admin/{*rest}");
        assert!(above.overlaps(&both) && !above.covers(&both));
    }

    #[test]
    fn a_path_is_compared_in_its_decoded_segments() {
        let above = pattern("/u/a@b");
        for path in ["/u/a@b", "/u/a%40b", "/u/a%40b/c", "/u/a@b/"] {
            assert!(above.is_above(path), "{path}");
        }
        for path in ["/u", "/u/", "/u/a@b2", "/u/a%2540b", "/u%2Fa@b", "*"] {
            assert!(!above.is_above(path), "{path}");
        }
        assert!(pattern("/").is_above("/") && pattern("/").is_above("/a"));
        assert!(!pattern("/a/{id}").is_above("/a/"));
        assert!(pattern("/a/{*rest}").is_above("/a/"));
        assert!(!pattern("/a/{*rest}").is_above("/a"));
    }
}
