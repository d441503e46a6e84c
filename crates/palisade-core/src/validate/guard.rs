//! One walk over a JSON body that builds nothing: syntax, UTF-8, depth, sizes and duplicate members.
//!
//! `serde_json` keeps the last of two equal members in maps, and a proxy before us may keep the first: what was checked
//! would not be what is used (RFC 8259 section 4).

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::place::{Source, Step};
use super::{Invalid, InvalidKind};

/// How large a JSON body may grow inside the byte limit that the caller sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonLimits {
    /// Objects and arrays inside each other, the outermost counted; 32 by default, 126 at most.
    pub max_depth: usize,
    /// Items of one array; 10 000 by default.
    pub max_items: usize,
    /// Members of one object; 1 000 by default.
    pub max_members: usize,
}

impl Default for JsonLimits {
    fn default() -> Self {
        Self {
            max_depth: 32,
            max_items: 10_000,
            max_members: 1_000,
        }
    }
}

/// Beyond it `serde_json` itself gives up, and calls it bad syntax.
const DEEPEST: usize = 126;

pub(super) fn check(body: &[u8], limits: &JsonLimits) -> Result<(), Invalid> {
    let mut walk = Walk {
        limits,
        open: Vec::new(),
        fault: None,
        trail: Vec::new(),
    };
    let mut json = serde_json::Deserializer::from_slice(body);
    let result = Value {
        walk: &mut walk,
        depth: 0,
    }
    .deserialize(&mut json)
    .and_then(|()| json.end());
    match (result, walk.fault) {
        (Ok(()), _) => Ok(()),
        (Err(_), None) => Err(Invalid::of(InvalidKind::MalformedBody)),
        (Err(_), Some(fault)) => {
            walk.trail.reverse();
            Err(fault.at(&walk.trail, limits))
        }
    }
}

enum Fault {
    TooDeep,
    TooManyItems,
    TooManyMembers,
    Duplicate,
}

impl Fault {
    fn at(self, steps: &[Step], limits: &JsonLimits) -> Invalid {
        let (kind, code, detail) = match self {
            Self::TooDeep => (
                InvalidKind::BodyTooDeep,
                "too_deep",
                format!("may be nested {} deep", limits.max_depth.min(DEEPEST)),
            ),
            Self::Duplicate => (
                InvalidKind::MalformedBody,
                "duplicate_member",
                "a name may stand once in an object".into(),
            ),
            Self::TooManyItems => (
                InvalidKind::Failed,
                "too_many_items",
                format!("must have at most {} items", limits.max_items),
            ),
            Self::TooManyMembers => (
                InvalidKind::Failed,
                "too_many_members",
                format!("must have at most {} members", limits.max_members),
            ),
        };
        Invalid::at(kind, Source::Json.error(steps, code, detail))
    }
}

struct Walk<'a, 'de> {
    limits: &'a JsonLimits,
    /// The member names of all objects that are open now, outermost first.
    open: Vec<Cow<'de, str>>,
    fault: Option<Fault>,
    /// The way to the fault, innermost first: filled only while the walk gives up.
    trail: Vec<Step>,
}

impl Walk<'_, '_> {
    fn give_up<E: Error>(&mut self, fault: Fault, step: Option<Step>) -> E {
        self.fault = Some(fault);
        self.trail.extend(step);
        E::custom("limit")
    }

    fn back<E>(&mut self, error: E, step: impl FnOnce(&Self) -> Option<Step>) -> E {
        if self.fault.is_some() {
            let step = step(self);
            self.trail.extend(step);
        }
        error
    }
}

struct Value<'w, 'a, 'de> {
    walk: &'w mut Walk<'a, 'de>,
    depth: usize,
}

impl<'w, 'a, 'de> Value<'w, 'a, 'de> {
    fn enter<E: Error>(self) -> Result<(&'w mut Walk<'a, 'de>, usize), E> {
        let depth = self.depth + 1;
        if depth > self.walk.limits.max_depth.min(DEEPEST) {
            return Err(self.walk.give_up(Fault::TooDeep, None));
        }
        Ok((self.walk, depth))
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let (walk, depth) = self.enter()?;
        let mut index = 0;
        loop {
            match items.next_element_seed(Value {
                walk: &mut *walk,
                depth,
            }) {
                Ok(None) => return Ok(()),
                Ok(Some(())) => index += 1,
                Err(error) => return Err(walk.back(error, |_| Some(Step::Item(index)))),
            }
            if index > walk.limits.max_items {
                return Err(walk.give_up(Fault::TooManyItems, None));
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let (walk, depth) = self.enter()?;
        let first = walk.open.len();
        while let Some(name) = members.next_key_seed(Name)? {
            let this = walk.open.len();
            if this - first >= walk.limits.max_members {
                return Err(walk.give_up(Fault::TooManyMembers, None));
            }
            walk.open.push(name);
            if let Err(error) = members.next_value_seed(Value {
                walk: &mut *walk,
                depth,
            }) {
                return Err(walk.back(error, |walk| {
                    walk.open
                        .get(this)
                        .map(|name| Step::Member(name.to_string()))
                }));
            }
        }
        if let Some(twice) = duplicate(walk.open.get_mut(first..).unwrap_or_default()) {
            return Err(walk.give_up(Fault::Duplicate, Some(Step::Member(twice))));
        }
        walk.open.truncate(first);
        Ok(())
    }
}

/// Sorting takes no memory and stays fast however many names the client sends.
fn duplicate(names: &mut [Cow<'_, str>]) -> Option<String> {
    names.sort_unstable();
    names.windows(2).find_map(|pair| match pair {
        [a, b] if a == b => Some(a.to_string()),
        _ => None,
    })
}

/// A member name after unescaping; borrowed where nothing was escaped.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::Place;

    fn refused(body: impl AsRef<[u8]>) -> (InvalidKind, Option<String>) {
        let refused = check(body.as_ref(), &JsonLimits::default()).unwrap_err();
        let pointer = refused
            .errors
            .into_iter()
            .next()
            .map(|error| match error.place {
                Place::Pointer(pointer) => pointer,
                other => panic!("{other:?}"),
            });
        (refused.kind, pointer)
    }

    #[test]
    fn syntax() {
        for body in [
            &b""[..],
            b" ",
            b"{",
            b"{}x",
            b"{} {}",
            b"[1,]",
            b"{\"a\":1,}",
            b"{a:1}",
            b"{'a':1}",
            b"nul",
            b"NaN",
            b"01",
            b"1.",
            b"+1",
            b"1e999",
            b"\"\\ud800\"",
            b"\"\\udc00\\ud800\"",
            b"{\"\\ud800\":1}",
            b"\"\xff\"",
            b"\"\xc0\xaf\"",
            b"\"\xed\xa0\x80\"",
            b"{\"\xff\":1}",
            b"\"\n\"",
            b"\xef\xbb\xbf{}",
            b"// x\n1",
        ] {
            assert_eq!(
                refused(body),
                (InvalidKind::MalformedBody, None),
                "{}",
                body.escape_ascii()
            );
        }
    }

    #[test]
    fn what_is_well_formed_passes() {
        for body in [
            "null",
            " [1, -1, 1.5, 1e3, true, \"\\ud83d\\ude00\"] ",
            r#"{"a":{"b":1},"b":{"a":1,"b":{"a":2}},"":0}"#,
            r#"[{"a":1},{"a":1}]"#,
            "18446744073709551616",
        ] {
            assert_eq!(
                check(body.as_bytes(), &JsonLimits::default()),
                Ok(()),
                "{body}"
            );
        }
    }

    #[test]
    fn duplicates_at_every_level_after_unescaping() {
        let cases = [
            (r#"{"a":1,"a":2}"#, "#/a"),
            (r#"{"a":1,"\u0061":2}"#, "#/a"),
            (r#"{"":1,"":2}"#, "#/"),
            (
                r#"{"x":[0,{"y":{"k/~":1,"z":{},"k/~":1}}]}"#,
                "#/x/1/y/k~1~0",
            ),
            (r#"{"x":{"a":1},"b":{"b":1,"b":1}}"#, "#/b/b"),
            (r#"{"b":{"x":1},"a":2,"b":{"x":1}}"#, "#/b"),
        ];
        for (body, pointer) in cases {
            assert_eq!(
                refused(body),
                (InvalidKind::MalformedBody, Some(pointer.into())),
                "{body}"
            );
        }
    }

    #[test]
    fn depth_is_counted_over_arrays_and_objects() {
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert_eq!(check(nested(32).as_bytes(), &JsonLimits::default()), Ok(()));
        assert_eq!(
            refused(nested(33)),
            (
                InvalidKind::BodyTooDeep,
                Some(format!("#{}", "/0".repeat(32)))
            )
        );
        assert_eq!(refused(nested(100_000)).0, InvalidKind::BodyTooDeep);
        assert_eq!(refused("[".repeat(100_000)).0, InvalidKind::BodyTooDeep);
        assert_eq!(
            refused("{\"a\":".repeat(100_000)).0,
            InvalidKind::BodyTooDeep
        );
        let endless = JsonLimits {
            max_depth: usize::MAX,
            ..JsonLimits::default()
        };
        assert_eq!(check(nested(126).as_bytes(), &endless), Ok(()));
        assert_eq!(
            check(nested(127).as_bytes(), &endless).unwrap_err().kind,
            InvalidKind::BodyTooDeep
        );
        let flat = JsonLimits {
            max_depth: 0,
            ..endless
        };
        assert_eq!(check(b"1", &flat), Ok(()));
        assert_eq!(
            check(b"[]", &flat).unwrap_err().kind,
            InvalidKind::BodyTooDeep
        );
    }

    #[test]
    fn arrays_and_objects_are_bounded() {
        let limits = JsonLimits {
            max_items: 2,
            max_members: 2,
            ..JsonLimits::default()
        };
        assert_eq!(check(br#"{"a":[1,2],"b":{"c":1,"d":2}}"#, &limits), Ok(()));
        let long = check(br#"{"a":[1,2,3]}"#, &limits).unwrap_err();
        assert_eq!(long.kind, InvalidKind::Failed);
        assert_eq!(
            long.errors,
            [Source::Json.error(
                &[Step::Member("a".into())],
                "too_many_items",
                "must have at most 2 items"
            )]
        );
        let wide = check(br#"[{"a":1,"b":1,"c":1}]"#, &limits).unwrap_err();
        assert_eq!(
            wide.errors,
            [Source::Json.error(
                &[Step::Item(0)],
                "too_many_members",
                "must have at most 2 members"
            )]
        );
    }
}
