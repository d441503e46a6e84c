//! Reading JSON strictly and once: names are checked for duplicates in every object, values stay borrowed.
//!
//! RFC 7515 §4 and RFC 7519 §4 let a parser take the last of two members with one name; two parsers that disagree on
//! which one counts are an attack (RFC 8725 §2.5), so a duplicate is refused at every depth.

use std::{borrow::Cow, fmt, mem};

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;

use super::{error::TokenError, path::ClaimPath};

/// How many configured claims one token is searched for: as many as a [`Trail`] has bits.
pub(super) const MAX_PATHS: usize = 16;

/// Up to this many members a duplicate is looked for name by name; a sort is sooner in larger objects.
const FEW_NAMES: usize = 64;

/// A value, as far as the checks need to see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Value<'a> {
    #[default]
    Absent,
    Text(Cow<'a, str>),
    /// An array of strings only.
    List(Vec<Cow<'a, str>>),
    Bool(bool),
    Number(f64),
    Null,
    Object,
    /// Anything else: an array that is not wanted, or not of strings.
    Other,
}

/// One pass over one JSON text.
pub(super) struct Scan<'p, 'a> {
    paths: &'p [ClaimPath],
    /// The [`shape`]s of all names in `paths`: most members are on none of them.
    shapes: u64,
    /// What stood at each of the paths.
    pub(super) found: [Value<'a>; MAX_PATHS],
    /// The names of the objects being read, the innermost last; a usual token needs no allocation for them.
    names: SmallVec<[Cow<'a, str>; USUAL_NAMES]>,
    fault: Option<TokenError>,
}

/// Which of the searched paths led to the object or value being read, one bit each.
#[derive(Clone, Copy)]
pub(super) struct Trail {
    depth: usize,
    open: u16,
}

impl Trail {
    pub(super) const START: Self = Self {
        depth: 0,
        open: u16::MAX,
    };
}

/// How many names a usual token has.
const USUAL_NAMES: usize = 24;

/// What reads the members of the outermost object.
pub(super) trait Members<'a> {
    /// Reads the value of the member `name` from `map`.
    fn member<A: MapAccess<'a>>(
        &mut self,
        scan: &mut Scan<'_, 'a>,
        name: &str,
        map: &mut A,
    ) -> Result<(), A::Error>;
}

/// Reads `text`, one JSON object and nothing behind it, into `object`.
pub(super) fn read<'a>(
    text: &'a str,
    scan: &mut Scan<'_, 'a>,
    object: &mut impl Members<'a>,
) -> Result<(), TokenError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer
        .deserialize_map(Root {
            scan: &mut *scan,
            object,
        })
        .and_then(|()| deserializer.end())
        .map_err(|_| scan.fault.take().unwrap_or(TokenError::Json))
}

impl<'p, 'a> Scan<'p, 'a> {
    pub(super) fn new(paths: &'p [ClaimPath]) -> Self {
        Self {
            paths,
            shapes: paths
                .iter()
                .flat_map(ClaimPath::names)
                .fold(0, |shapes, name| shapes | shape(name)),
            found: Default::default(),
            names: SmallVec::new(),
            fault: None,
        }
    }

    /// Reads the members of one object: `member` is told each name and must read its value.
    fn members<A: MapAccess<'a>>(
        &mut self,
        mut map: A,
        mut member: impl FnMut(&mut Self, &str, &mut A) -> Result<(), A::Error>,
    ) -> Result<(), A::Error> {
        let outer = self.names.len();
        let mut shapes = 0;
        while let Some(Name(name)) = map.next_key()? {
            let seen = self.names.get(outer..).unwrap_or_default();
            if shapes & shape(&name) != 0 && seen.len() < FEW_NAMES && seen.contains(&name) {
                return Err(self.fail(TokenError::DuplicateMember));
            }
            shapes |= shape(&name);
            self.names.push(name.clone());
            member(self, &name, &mut map)?;
        }
        let names = self.names.get_mut(outer..).unwrap_or_default();
        if names.len() > FEW_NAMES {
            names.sort_unstable();
            if names
                .windows(2)
                .any(|pair| matches!(pair, [one, other] if one == other))
            {
                return Err(self.fail(TokenError::DuplicateMember));
            }
        }
        self.names.truncate(outer);
        Ok(())
    }

    /// Reads one value and keeps what a path asks for.
    pub(super) fn value<A: MapAccess<'a>>(
        &mut self,
        map: &mut A,
        trail: Trail,
        name: &str,
    ) -> Result<Value<'a>, A::Error> {
        let (ends, open) = self.follow(trail, name);
        let trail = Trail {
            depth: trail.depth + 1,
            open,
        };
        let value = map.next_value_seed(Node {
            scan: self,
            trail,
            list: ends != 0,
        })?;
        if open != 0 {
            self.miss(open, &value);
        }
        if ends == 0 {
            return Ok(value);
        }
        let places = self.found.iter_mut().enumerate();
        let mut places = places.filter(|(place, _)| ends & (1 << place) != 0);
        let first = places.next();
        for (_, found) in places {
            found.clone_from(&value);
        }
        // Who reads the member beside the paths wants a text or nothing, so no list is copied for it.
        let seen = match &value {
            Value::List(_) => Value::Other,
            other => other.clone(),
        };
        if let Some((_, found)) = first {
            *found = value;
        }
        Ok(seen)
    }

    /// Notes for the paths that lead into `value` that it is no object: what they look for is not absent but cannot be
    /// read, unless `value` is null.
    fn miss(&mut self, paths: u16, value: &Value<'a>) {
        let instead = match value {
            Value::Object => return,
            Value::Null => Value::Null,
            _ => Value::Other,
        };
        for (place, found) in self.found.iter_mut().enumerate() {
            if paths & (1 << place) != 0 {
                *found = instead.clone();
            }
        }
    }

    /// Ends the reading with `error` as its reason.
    pub(super) fn fail<E: de::Error>(&mut self, error: TokenError) -> E {
        self.fault.get_or_insert(error);
        E::custom("")
    }

    /// The value found at path `place`.
    pub(super) fn take(&mut self, place: usize) -> Value<'a> {
        self.found.get_mut(place).map(mem::take).unwrap_or_default()
    }

    fn follow(&self, trail: Trail, name: &str) -> (u16, u16) {
        let (mut ends, mut open) = (0, 0);
        if trail.open != 0 && self.shapes & shape(name) != 0 {
            for (place, path) in self.paths.iter().enumerate() {
                if trail.open & (1 << place) != 0 && path.name_at(trail.depth) == Some(name) {
                    if path.len() == trail.depth + 1 {
                        ends |= 1 << place
                    } else {
                        open |= 1 << place
                    }
                }
            }
        }
        (ends, open)
    }
}

/// One bit for a name, taken from its length and its ends: names with different bits are different.
pub(super) fn shape(name: &str) -> u64 {
    let end = |byte: Option<&u8>| byte.map_or(0, |byte| usize::from(*byte));
    let bytes = name.as_bytes();
    1 << ((bytes.len() ^ (end(bytes.first()) << 1) ^ (end(bytes.last()) << 3)) % 64)
}

/// The outermost object.
struct Root<'s, 'p, 'a, M> {
    scan: &'s mut Scan<'p, 'a>,
    object: &'s mut M,
}

impl<'a, M: Members<'a>> Visitor<'a> for Root<'_, '_, 'a, M> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<(), A::Error> {
        self.scan
            .members(map, |scan, name, map| self.object.member(scan, name, map))
    }
}

/// Any value.
struct Node<'s, 'p, 'a> {
    scan: &'s mut Scan<'p, 'a>,
    trail: Trail,
    /// Whether the strings of an array are wanted.
    list: bool,
}

impl<'a> DeserializeSeed<'a> for Node<'_, '_, 'a> {
    type Value = Value<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Value<'a>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Node<'_, '_, 'a> {
    type Value = Value<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Value<'a>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'a>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut items: A) -> Result<Value<'a>, A::Error> {
        let (mut list, mut pure) = (Vec::new(), true);
        let nowhere = Trail { depth: 0, open: 0 };
        while let Some(item) = items.next_element_seed(Node {
            scan: &mut *self.scan,
            trail: nowhere,
            list: false,
        })? {
            match item {
                Value::Text(text) if self.list => list.push(text),
                Value::Text(_) => {}
                _ => pure = false,
            }
        }
        Ok(if self.list && pure {
            Value::List(list)
        } else {
            Value::Other
        })
    }

    fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<Value<'a>, A::Error> {
        let trail = self.trail;
        self.scan.members(map, |scan, name, map| {
            scan.value(map, trail, name).map(|_| ())
        })?;
        Ok(Value::Object)
    }

    fn visit_unit<E>(self) -> Result<Value<'a>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value<'a>, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'a>, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'a>, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value<'a>, E> {
        Ok(Value::Number(number))
    }
}

/// A member's name, borrowed unless it is written with escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
