//! The forms that values of cases have.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// `30s`, `500ms`, `2m`, `1h`, `1d`; with a minus sign the wall clock is set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Advance {
    pub(crate) by: Duration,
    pub(crate) back: bool,
}

impl<'de> Deserialize<'de> for Advance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let unsigned = text.strip_prefix('-').unwrap_or(&text);
        let (number, unit) = unsigned.split_at(
            unsigned
                .find(|char: char| !char.is_ascii_digit())
                .unwrap_or(unsigned.len()),
        );
        let unit = [
            ("ms", 1),
            ("s", 1000),
            ("m", 60_000),
            ("h", 3_600_000),
            ("d", 86_400_000),
        ]
        .into_iter()
        .find(|(name, _)| *name == unit);
        match (number.parse::<u64>(), unit) {
            (Ok(number), Some((_, millis))) => Ok(Self {
                by: Duration::from_millis(number.saturating_mul(millis)),
                back: unsigned.len() < text.len(),
            }),
            _ => Err(D::Error::custom(format!(
                "`{text}` is no duration; write `30s`, `500ms`, `2m`, `1h` or `1d`"
            ))),
        }
    }
}

/// A value that must be met: exactly, or in form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// Byte for byte.
    Exact(String),
    /// `{ matches = "…" }`: `*` is any text, `#` is one or more digits.
    Form(String),
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Form {
            matches: String,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Pattern;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or `{ matches = \"…\" }`")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Pattern, E> {
                Ok(Pattern::Exact(value.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Pattern, A::Error> {
                Form::deserialize(MapAccessDeserializer::new(map))
                    .map(|form| Pattern::Form(form.matches))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// One value, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one value or a list of them")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<OneOrMany<T>, E> {
                T::deserialize(StrDeserializer::new(value)).map(|one| OneOrMany(vec![one]))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneOrMany<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| OneOrMany(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<OneOrMany<T>, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany)
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}
