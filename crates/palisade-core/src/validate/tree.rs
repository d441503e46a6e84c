//! Reads a target type a second time, from the tree of a refused input, to learn what the first reading cannot tell:
//! which mistake it was (as a value, not as `serde`'s sentence, which echoes the input) and which wire names each
//! struct asked for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use serde::de::value::{
    BorrowedStrDeserializer, MapAccessDeserializer, MapDeserializer, SeqDeserializer,
};
use serde::de::{Deserializer, Error, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

/// The wire names that structs asked for, by the object they were read from. A struct with flattened fields asks for
/// a map and has none.
#[derive(Debug, Default)]
pub(super) struct Shapes(RefCell<HashMap<*const Value, &'static [&'static str]>>);

impl Shapes {
    pub(super) fn of(&self, object: &Value) -> Option<&'static [&'static str]> {
        self.0.borrow().get(&std::ptr::from_ref(object)).copied()
    }

    fn learn(&self, object: &Value, names: &'static [&'static str]) {
        self.0
            .borrow_mut()
            .insert(std::ptr::from_ref(object), names);
    }
}

/// One value of the tree. In text (forms, queries, paths) numbers and booleans are written as strings, an empty string
/// may be nothing, and one value may be a list.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    pub(super) value: &'a Value,
    pub(super) text: bool,
    pub(super) shapes: &'a Shapes,
}

impl<'a> Node<'a> {
    fn with(self, value: &'a Value) -> Self {
        Self { value, ..self }
    }

    /// The string that stands for a number or a boolean.
    fn written(self) -> Option<Written<'a>> {
        match self.value {
            Value::String(text) if self.text => Some(Written(text)),
            _ => None,
        }
    }

    /// A list where the target wants one value: only text can write that by accident, as a repeated name.
    fn single(self) -> Result<Self, Mistake> {
        if self.text && self.value.is_array() {
            Err(Mistake::Repeated)
        } else {
            Ok(self)
        }
    }
}

impl<'de> IntoDeserializer<'de, Mistake> for Node<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! numbers_and_booleans {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
            match self.single()?.written() {
                Some(written) => written.$method(visitor),
                None => self.deserialize_any(visitor),
            }
        }
    )*};
}

macro_rules! strings {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
            self.single()?.deserialize_any(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), ..) => visitor.visit_u64(value),
                (_, Some(value), _) => visitor.visit_i64(value),
                (.., Some(value)) => visitor.visit_f64(value),
                _ => Err(Mistake::OutOfRange),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => {
                let mut items = SeqDeserializer::new(items.iter().map(|item| self.with(item)));
                let value = visitor.visit_seq(&mut items)?;
                items.end().map(|()| value)
            }
            Value::Object(members) => {
                let mut members = MapDeserializer::new(
                    members
                        .iter()
                        .map(|(name, value)| (Written(name), self.with(value))),
                );
                let value = visitor.visit_map(&mut members)?;
                members.end().map(|()| value)
            }
        }
    }

    numbers_and_booleans! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    strings! { deserialize_char deserialize_str deserialize_string }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.value {
            Value::Null => visitor.visit_none(),
            Value::String(text) if self.text && text.is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.written() {
            Some(_) => visitor.visit_seq(SeqDeserializer::new(std::iter::once(self))),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        if self.value.is_object() {
            self.shapes.learn(self.value, names);
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match self.single()?.value {
            Value::String(text) => visitor.visit_enum(BorrowedStrDeserializer::new(text)),
            Value::Object(members) if members.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(MapDeserializer::new(
                    members
                        .iter()
                        .map(|(name, value)| (Written(name), self.with(value))),
                )))
            }
            _ => Err(Mistake::WrongType("one of the known words")),
        }
    }

    forward_to_deserialize_any! {
        bytes byte_buf unit unit_struct tuple tuple_struct map identifier ignored_any
    }
}

/// A member name, or a value in text: a string that may be read as a number or a boolean.
#[derive(Clone, Copy)]
struct Written<'a>(&'a str);

impl<'de> IntoDeserializer<'de, Mistake> for Written<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($method:ident => $visit:ident($ty:ty) $words:literal,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
            match self.0.parse::<$ty>() {
                Ok(value) => visitor.$visit(value),
                Err(_) if self.0.parse::<i128>().is_ok() => Err(Mistake::OutOfRange),
                Err(_) => Err(Mistake::WrongType($words)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Written<'de> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        visitor.visit_enum(BorrowedStrDeserializer::new(self.0))
    }

    // A boolean written as digits is of the wrong type, but `parsed!` would call it out of range.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.0
            .parse()
            .map_err(|_| Mistake::WrongType("true or false"))
            .and_then(|value| visitor.visit_bool(value))
    }

    parsed! {
        deserialize_i8 => visit_i8(i8) "a whole number",
        deserialize_i16 => visit_i16(i16) "a whole number",
        deserialize_i32 => visit_i32(i32) "a whole number",
        deserialize_i64 => visit_i64(i64) "a whole number",
        deserialize_i128 => visit_i128(i128) "a whole number",
        deserialize_u8 => visit_u8(u8) "a whole number",
        deserialize_u16 => visit_u16(u16) "a whole number",
        deserialize_u32 => visit_u32(u32) "a whole number",
        deserialize_u64 => visit_u64(u64) "a whole number",
        deserialize_u128 => visit_u128(u128) "a whole number",
        deserialize_f32 => visit_f32(f32) "a number",
        deserialize_f64 => visit_f64(f64) "a number",
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// What is wrong with the shape of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistake {
    Missing(&'static str),
    Unknown,
    Twice(&'static str),
    /// What would be right.
    WrongType(&'static str),
    OutOfRange,
    UnknownVariant,
    Length,
    /// A name stands several times where one value is wanted.
    Repeated,
    /// The target's own code refused.
    Refused,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrong shape")
    }
}

impl std::error::Error for Mistake {}

impl Error for Mistake {
    /// The message may hold the input: it is not even kept.
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Refused
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::WrongType(words(&expected.to_string()))
    }

    fn invalid_value(unexpected: Unexpected<'_>, _: &dyn Expected) -> Self {
        match unexpected {
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => {
                Self::OutOfRange
            }
            _ => Self::Refused,
        }
    }

    fn invalid_length(_: usize, _: &dyn Expected) -> Self {
        Self::Length
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self::UnknownVariant
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::Unknown
    }

    fn missing_field(name: &'static str) -> Self {
        Self::Missing(name)
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self::Twice(name)
    }
}

/// What `serde` calls a type, in the wire's terms; Rust's type names stay inside.
fn words(expected: &str) -> &'static str {
    match expected {
        "a string" | "a borrowed string" | "a string or byte array" => "a string",
        "a boolean" => "true or false",
        "a character" => "one character",
        "f32" | "f64" => "a number",
        "unit" => "null",
        "a map" => "an object",
        "a sequence" => "an array",
        _ if expected.starts_with("struct ") => "an object",
        _ if expected.starts_with("tuple ")
            || expected.starts_with("an array ")
            || expected.starts_with("a tuple ") =>
        {
            "an array"
        }
        _ if expected.starts_with("internally tagged enum")
            || expected.starts_with("adjacently tagged enum") =>
        {
            "an object"
        }
        _ if expected.starts_with(['i', 'u'])
            && expected.bytes().skip(1).all(|b| b.is_ascii_digit()) =>
        {
            "a whole number"
        }
        "isize" | "usize" => "a whole number",
        _ if expected.starts_with("a nonzero ") => "a whole number other than 0",
        _ => "of another type",
    }
}
