//! Path templates in a form of no framework, and how each framework writes them.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stays as it is when a literal is written canonically: RFC 3986 §3.3 `pchar`, without `;`.
const CANONICAL: &AsciiSet = &NON_ALPHANUMERIC
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

/// What stays as it is when everything is encoded that the firewall lets pass encoded: RFC 3986 §2.3 `unreserved`.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// One segment of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// Decoded. Empty only as the last segment, where it stands for a trailing slash.
    Literal(String, Spelling),
    Parameter,
    /// A parameter that must be digits; axum has no such thing and takes any value.
    Digits,
    /// A parameter of small letters; so does it here.
    Letters,
    /// `v` and a parameter in one segment.
    Prefixed,
    /// The last segment: one that is not empty, and everything after it.
    Wildcard,
}

/// How a literal is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// As the framework's users write it.
    Plain,
    /// With everything encoded that may be.
    Upper,
    /// The same with small hex digits.
    Lower,
}

/// A path template.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Template(pub(super) Vec<Segment>);

/// Who reads a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Axum,
    Actix,
    Poem,
    /// Rules, and reports.
    Palisade,
}

impl Segment {
    pub(super) fn literal(text: &str) -> Self {
        Self::Literal(text.to_owned(), Spelling::Plain)
    }

    /// Whether this is the slash at the end.
    pub(super) fn is_slash(&self) -> bool {
        matches!(self, Self::Literal(text, _) if text.is_empty())
    }

    /// Literals first, wildcards last.
    fn rank(&self) -> u8 {
        match self {
            Self::Literal(..) => 0,
            Self::Wildcard => 2,
            _ => 1,
        }
    }

    fn write(&self, dialect: Dialect, position: usize) -> String {
        match (self, dialect) {
            (Self::Literal(text, Spelling::Plain), Dialect::Actix | Dialect::Palisade) => {
                text.clone()
            }
            // A colon begins a parameter.
            (Self::Literal(text, Spelling::Plain), Dialect::Poem) => {
                canonical(text).replace(':', "%3A")
            }
            (Self::Literal(text, Spelling::Plain), _) => canonical(text),
            (Self::Literal(text, spelling), _) => encoded(text, *spelling),
            (Self::Parameter, Dialect::Poem) => format!(":p{position}"),
            (Self::Digits, Dialect::Poem) => format!(":p{position}<^\\d+$>"),
            (Self::Letters, Dialect::Poem) => format!(":p{position}<[a-z]+>"),
            (Self::Prefixed, Dialect::Poem) => format!("v:p{position}"),
            (Self::Wildcard, Dialect::Poem) => format!("*p{position}"),
            (Self::Digits, Dialect::Actix) => format!("{{p{position}:\\d+}}"),
            (Self::Letters, Dialect::Actix) => format!("{{p{position}:[a-z]+}}"),
            // Both ways that actix-web has to write it.
            (Self::Wildcard, Dialect::Actix) if position % 2 == 1 => format!("{{p{position}}}*"),
            (Self::Wildcard, Dialect::Actix) => format!("{{p{position}:.*}}"),
            (Self::Prefixed, _) => format!("v{{p{position}}}"),
            (Self::Wildcard, _) => format!("{{*p{position}}}"),
            (Self::Parameter | Self::Digits | Self::Letters, _) => format!("{{p{position}}}"),
        }
    }
}

impl Template {
    /// As `dialect` writes it; its first segment is the one at `depth` of the whole path.
    ///
    /// Nothing at all is the empty text: the root of a mount.
    pub(super) fn write(&self, dialect: Dialect, depth: usize) -> String {
        let segments = self.0.iter().enumerate();
        segments
            .map(|(index, segment)| format!("/{}", segment.write(dialect, depth + index)))
            .collect()
    }

    pub(super) fn join(&self, inner: &Self) -> Self {
        Self(self.0.iter().chain(&inner.0).cloned().collect())
    }

    /// Without the slash at the end; what is `/` stays so.
    pub(super) fn stem(&self) -> &[Segment] {
        match self.0.split_last() {
            Some((last, stem)) if last.is_slash() => stem,
            _ => &self.0,
        }
    }

    /// The segments without the slash at the end, or with it. What is `/` or ends in a wildcard has no other form.
    pub(super) fn other_slash(&self) -> Option<Self> {
        let stem = self.stem();
        if stem.is_empty() || stem.last() == Some(&Segment::Wildcard) {
            return None;
        }
        let mut other = stem.to_vec();
        if stem.len() == self.0.len() {
            other.push(Segment::literal(""));
        }
        Some(Self(other))
    }

    /// Whether every path that a route of the template `route` takes is one of this rule's. A route's parameter may
    /// be narrower than a rule's, and a value is never empty.
    pub(super) fn covers(&self, route: &Self) -> bool {
        covers(&self.0, &route.0)
    }

    /// Whether everything that a route of the template `route` takes is this rule's own path or lies beneath it.
    pub(super) fn is_above(&self, route: &Self) -> bool {
        let stem = self.stem();
        let pairs = stem.iter().zip(&route.0);
        route.0.len() >= stem.len()
            && pairs.into_iter().all(|(own, other)| match (own, other) {
                (Segment::Literal(own, _), Segment::Literal(other, _)) => own == other,
                (Segment::Literal(..), _) => false,
                // What begins beneath it: `/a/` lies beneath `/a/{*rest}`.
                (Segment::Wildcard, _) => true,
                (_, Segment::Wildcard) => true,
                (_, other) => !other.is_slash(),
            })
            // A wildcard stands for one segment or more, so what follows it is not sure to be there.
            && !matches!(route.0.iter().position(|segment| *segment == Segment::Wildcard),
                Some(wildcard) if wildcard + 1 < stem.len())
    }

    /// Orders templates that cover the same route: the more specific one first.
    pub(super) fn ranks(&self) -> Vec<u8> {
        self.0.iter().map(Segment::rank).collect()
    }

    /// Whether a path, split into decoded segments, is one of the template's.
    pub(super) fn fits(&self, path: &[String]) -> bool {
        fits(&self.0, path)
    }

    /// Whether both are the same but for spelling and what parameters may hold.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(&other.0);
        self.0.len() == other.0.len()
            && pairs.into_iter().all(|(own, other)| match (own, other) {
                (Segment::Literal(own, _), Segment::Literal(other, _)) => own == other,
                (own, other) => own.rank() == other.rank(),
            })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                // These a rule cannot say.
                Segment::Digits => write!(f, "/{{p{position}:\\d+}}")?,
                Segment::Letters => write!(f, "/{{p{position}:[a-z]+}}")?,
                _ => write!(f, "/{}", segment.write(Dialect::Palisade, position))?,
            }
        }
        Ok(())
    }
}

fn covers(rule: &[Segment], route: &[Segment]) -> bool {
    use Segment::{Literal, Parameter, Wildcard};
    match (rule, route) {
        ([], []) => true,
        ([Wildcard], [first, ..]) => !first.is_slash(),
        ([Literal(own, _), rule @ ..], [Literal(other, _), route @ ..]) => {
            own == other && covers(rule, route)
        }
        ([Parameter, rule @ ..], [first, route @ ..]) => {
            *first != Wildcard && !first.is_slash() && covers(rule, route)
        }
        _ => false,
    }
}

fn fits(template: &[Segment], path: &[String]) -> bool {
    match (template, path) {
        ([], []) => true,
        ([Segment::Wildcard], [first, ..]) => !first.is_empty(),
        ([own, template @ ..], [value, path @ ..]) => {
            let fits_one = match own {
                Segment::Literal(text, _) => text == value,
                Segment::Parameter => !value.is_empty(),
                Segment::Digits => !value.is_empty() && value.chars().all(|c| c.is_ascii_digit()),
                Segment::Letters => {
                    !value.is_empty() && value.chars().all(|c| c.is_ascii_lowercase())
                }
                Segment::Prefixed => value.len() > 1 && value.starts_with('v'),
                Segment::Wildcard => false,
            };
            fits_one && fits(template, path)
        }
        _ => false,
    }
}

/// A literal as a client sends it.
pub(super) fn canonical(text: &str) -> String {
    utf8_percent_encode(text, CANONICAL).to_string()
}

/// A literal with everything encoded that may be.
pub(super) fn encoded(text: &str, spelling: Spelling) -> String {
    let upper = utf8_percent_encode(text, UNRESERVED).to_string();
    if spelling != Spelling::Lower {
        return upper;
    }
    let mut parts = upper.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (hex, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        lower.push('%');
        lower.push_str(&hex.to_ascii_lowercase());
        lower.push_str(rest);
    }
    lower
}

/// The decoded segments of a path.
pub(super) fn segments(path: &str) -> Vec<String> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let decoded = |segment| percent_decode_str(segment).decode_utf8_lossy().into_owned();
    path.split('/').map(decoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        let segment = |text: &str| match text {
            "{}" => Segment::Parameter,
            "{*}" => Segment::Wildcard,
            "{d}" => Segment::Digits,
            text => Segment::literal(text),
        };
        Template(text.split('/').skip(1).map(segment).collect())
    }

    #[test]
    fn a_rule_covers_routes() {
        for (rule, route, expected) in [
            ("/a", "/a", true),
            ("/a", "/a/", false),
            ("/{}", "/a", true),
            ("/{}", "/{d}", true),
            ("/a", "/{}", false),
            ("/{*}", "/a/{}", true),
            ("/{*}", "/{*}", true),
            ("/{*}", "/", false),
            ("/a/{*}", "/a/", false),
            ("/{*}", "/a/", true),
            ("/{}/b", "/{*}", false),
        ] {
            assert_eq!(
                template(rule).covers(&template(route)),
                expected,
                "{rule} {route}"
            );
        }
    }

    #[test]
    fn a_guardrail_is_above_routes() {
        for (rule, route, expected) in [
            ("/a", "/a/b", true),
            ("/a", "/a/", true),
            ("/a", "/b", false),
            ("/a", "/{}", false),
            ("/a/{*}", "/a", false),
            ("/a/{*}", "/a/", true),
            ("/a/{*}", "/a/{*}", true),
            ("/a/{}/b", "/a/{*}", false),
            ("/a/{}", "/a/{*}", true),
        ] {
            assert_eq!(
                template(rule).is_above(&template(route)),
                expected,
                "{rule} {route}"
            );
        }
    }

    #[test]
    fn each_framework_writes_it_in_its_own_way() {
        let template = Template(vec![
            Segment::literal("ü+"),
            Segment::Literal("@me".into(), Spelling::Lower),
            Segment::Digits,
            Segment::Wildcard,
        ]);
        assert_eq!(
            template.write(Dialect::Axum, 0),
            "/%C3%BC+/%40me/{p2}/{*p3}"
        );
        assert_eq!(
            template.write(Dialect::Actix, 1),
            "/ü+/%40me/{p3:\\d+}/{p4:.*}"
        );
        assert_eq!(
            template.write(Dialect::Poem, 0),
            "/%C3%BC+/%40me/:p2<^\\d+$>/*p3"
        );
        assert_eq!(encoded("ü", Spelling::Lower), "%c3%bc");
    }
}
