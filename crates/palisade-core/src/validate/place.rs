//! Where in an input a mistake stands, as the client wrote it.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Words;

/// Names that the client chose are cut after so many characters.
pub const MAX_NAME_CHARS: usize = 64;

/// One mistake: where, which rule, and what would be right. Serialises as a member of the problem's `errors`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Where the mistake stands.
    pub place: Place,
    /// A stable word for programs, such as `length`.
    pub code: Cow<'static, str>,
    /// A sentence for people; holds no submitted value.
    pub detail: Cow<'static, str>,
}

/// Where a mistake stands. An empty name means the input as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A JSON Pointer in its URI fragment form (RFC 6901 section 6), such as `#/age`.
    Pointer(String),
    /// A name in the query string.
    Query(String),
    /// A parameter of the path.
    Path(String),
    /// A field of a form.
    Form(String),
}

impl Serialize for FieldError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &self.place {
            Place::Pointer(pointer) => map.serialize_entry("pointer", pointer)?,
            Place::Query(name) => named(&mut map, "query", name)?,
            Place::Path(name) => named(&mut map, "path", name)?,
            Place::Form(name) => named(&mut map, "form", name)?,
        }
        map.serialize_entry("code", &self.code)?;
        map.serialize_entry("detail", &self.detail)?;
        map.end()
    }
}

fn named<M: SerializeMap>(map: &mut M, part: &str, name: &str) -> Result<(), M::Error> {
    map.serialize_entry("in", part)?;
    if name.is_empty() {
        Ok(())
    } else {
        map.serialize_entry("name", name)
    }
}

/// One step from a value to a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    Item(usize),
}

/// What kind of input is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Json,
    Query,
    Form,
    Path,
}

impl Source {
    pub(super) fn is_text(self) -> bool {
        self != Self::Json
    }

    pub(super) fn error(
        self,
        steps: &[Step],
        code: impl Into<Words>,
        detail: impl Into<Words>,
    ) -> FieldError {
        FieldError {
            place: self.place(steps),
            code: code.into(),
            detail: detail.into(),
        }
    }

    fn place(self, steps: &[Step]) -> Place {
        let name = || match steps.first() {
            Some(Step::Member(name)) => name.chars().take(MAX_NAME_CHARS).collect(),
            _ => String::new(),
        };
        match self {
            Self::Json => Place::Pointer(pointer(steps)),
            Self::Query => Place::Query(name()),
            Self::Form => Place::Form(name()),
            Self::Path => Place::Path(name()),
        }
    }
}

fn pointer(steps: &[Step]) -> String {
    let mut out = String::from("#");
    for step in steps {
        out.push('/');
        match step {
            Step::Item(index) => out.push_str(&index.to_string()),
            Step::Member(name) => name
                .chars()
                .take(MAX_NAME_CHARS)
                .for_each(|c| push_escaped(&mut out, c)),
        }
    }
    out
}

/// RFC 6901 section 3 for `~` and `/`; section 6 with RFC 3986 section 3.5 for what a fragment cannot hold.
fn push_escaped(out: &mut String, c: char) {
    match c {
        '~' => out.push_str("~0"),
        '/' => out.push_str("~1"),
        'a'..='z' | 'A'..='Z' | '0'..='9' => out.push(c),
        _ if "-._!$&'()*+,;=:@?".contains(c) => out.push(c),
        _ => {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str) -> Step {
        Step::Member(name.to_owned())
    }

    #[test]
    fn pointers_are_escaped() {
        assert_eq!(pointer(&[]), "#");
        assert_eq!(pointer(&[member("")]), "#/");
        assert_eq!(pointer(&[member("a/b~c"), Step::Item(3)]), "#/a~1b~0c/3");
        assert_eq!(pointer(&[member("a b%\"<ü")]), "#/a%20b%25%22%3C%C3%BC");
    }

    #[test]
    fn long_names_are_cut_by_characters() {
        let long = "ü".repeat(100);
        assert_eq!(
            pointer(&[member(&long)]),
            format!("#/{}", "%C3%BC".repeat(64))
        );
        assert_eq!(
            Source::Query.place(&[member(&long)]),
            Place::Query("ü".repeat(64))
        );
    }

    #[test]
    fn the_form_on_the_wire() {
        let json = |source: Source, steps: &[Step]| {
            serde_json::to_string(&source.error(steps, "range", "must be at most 150")).unwrap()
        };
        assert_eq!(
            json(Source::Json, &[member("age")]),
            r##"{"pointer":"#/age","code":"range","detail":"must be at most 150"}"##
        );
        assert_eq!(
            json(Source::Query, &[member("page"), Step::Item(1)]),
            r#"{"in":"query","name":"page","code":"range","detail":"must be at most 150"}"#
        );
        assert_eq!(
            json(Source::Path, &[]),
            r#"{"in":"path","code":"range","detail":"must be at most 150"}"#
        );
    }
}
