//! What a case file may say: the tables as they are written, key by key.
//!
//! Every table refuses unknown keys. The meaning of each key is in `cases/README.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use toml::Spanned;

use crate::harness::App;
use crate::issuer::IssuerText;
use crate::token::Token;

/// The frameworks that `parser` and `except` may name.
pub(crate) const FRAMEWORKS: [&str; 3] = ["axum", "actix", "poem"];

/// A whole case file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileText {
    pub(crate) about: String,
    #[serde(default = "probe")]
    pub(crate) app: App,
    #[serde(default = "standard")]
    pub(crate) policy: String,
    #[serde(default)]
    pub(crate) policy_add: String,
    #[serde(default)]
    pub(crate) http2: bool,
    #[serde(default)]
    pub(crate) guards: Vec<Guard>,
    #[serde(default)]
    pub(crate) except: BTreeMap<String, Except>,
    #[serde(default)]
    pub(crate) token: BTreeMap<String, Token>,
    #[serde(default, rename = "case")]
    pub(crate) cases: Vec<Spanned<CaseText>>,
}

fn probe() -> App {
    App::Probe
}

fn standard() -> String {
    "standard".to_owned()
}

/// One `[[case]]`, and also one `[[case.step]]`, which may use the keys of an exchange only.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CaseText {
    // Of a case.
    pub(crate) name: Option<String>,
    pub(crate) guards: Vec<Guard>,
    pub(crate) parser: Vec<String>,
    pub(crate) except: BTreeMap<String, Except>,
    pub(crate) fresh: bool,
    pub(crate) policy_add: String,
    pub(crate) each: Vec<Row>,
    #[serde(rename = "step")]
    pub(crate) steps: Vec<Spanned<CaseText>>,
    // Of an exchange: what is sent.
    pub(crate) request: Option<String>,
    pub(crate) raw: bool,
    pub(crate) body: Option<String>,
    pub(crate) body_raw: Option<String>,
    pub(crate) body_repeat: Option<Repeat>,
    pub(crate) chunked: Option<Vec<String>>,
    pub(crate) keep_alive: bool,
    pub(crate) hang_up: bool,
    pub(crate) meanwhile: Option<Advance>,
    pub(crate) drip: Option<String>,
    pub(crate) advance: Option<Advance>,
    pub(crate) issuer: OneOrMany<IssuerText>,
    pub(crate) sql: Option<String>,
    pub(crate) revoke: Option<Revoke>,
    pub(crate) repeat: Option<u32>,
    pub(crate) eventually: bool,
    pub(crate) save: BTreeMap<String, String>,
    // Of an exchange: what must come back.
    pub(crate) status: Option<u16>,
    pub(crate) headers: BTreeMap<String, OneOrMany<Pattern>>,
    pub(crate) present: Vec<String>,
    pub(crate) absent: Vec<String>,
    pub(crate) code: Option<String>,
    pub(crate) body_is: Option<String>,
    pub(crate) body_contains: OneOrMany<String>,
    pub(crate) body_lacks: OneOrMany<String>,
    pub(crate) json: BTreeMap<String, Value>,
    pub(crate) closes: Option<bool>,
    pub(crate) handler: Option<bool>,
    pub(crate) principal: Option<String>,
    pub(crate) audit: Option<Value>,
    pub(crate) events: Option<usize>,
    pub(crate) issuer_requests: BTreeMap<String, usize>,
    pub(crate) within: Option<Advance>,
}

/// `{ text = "a", times = 100000 }`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Repeat {
    pub(crate) text: String,
    pub(crate) times: usize,
}

/// A declared difference of one framework.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Except {
    /// Shown in the matrix.
    pub(crate) reason: String,
    /// What this framework answers instead; without it the case is not run there.
    #[serde(default)]
    pub(crate) status: Option<u16>,
}

/// What a case guards: `PITFALLS 19` of `docs/pitfalls.md`, `STANDARDS 1` of `docs/standards.md`, `INVARIANT 4` of
/// `ARCHITECTURE.md`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Guard {
    /// The list it stands in.
    pub list: String,
    /// The number it has there.
    pub number: u16,
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.list, self.number)
    }
}

impl<'de> Deserialize<'de> for Guard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parts = text
            .split_once(' ')
            .and_then(|(list, number)| Some((list, number.parse().ok()?)));
        match parts {
            Some((list @ ("PITFALLS" | "STANDARDS" | "INVARIANT"), number)) => Ok(Self {
                list: list.to_owned(),
                number,
            }),
            _ => Err(D::Error::custom(format!(
                "`{text}` is no guard; write `PITFALLS 19`, `STANDARDS 1` or `INVARIANT 4`"
            ))),
        }
    }
}

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

/// A credential that is taken back before the request.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "write { token = \"NAME\" }, { subject = \"alice\", before = \"+0\" } or { key = \"ID\" }"
)]
pub(crate) enum Revoke {
    /// The token of this name, by its `jti`.
    Token { token: String },
    /// What the issuer of the case's tokens gave to `subject` before a time that counts from the clock, in seconds.
    Subject {
        subject: String,
        issuer: Option<String>,
        before: String,
    },
    /// The API key of this id.
    Key { key: String },
}

/// One value of `each`: a string, or a table that also says what is different for it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RowTable {
    pub(crate) value: String,
    pub(crate) name: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<String>,
    pub(crate) handler: Option<bool>,
    pub(crate) principal: Option<String>,
    pub(crate) body_is: Option<String>,
    pub(crate) audit: Option<Value>,
}

/// See [`RowTable`].
#[derive(Clone, Debug)]
pub(crate) struct Row(pub(crate) RowTable);

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a table with `value`")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Row, E> {
                Ok(Row(RowTable {
                    value: value.to_owned(),
                    ..RowTable::default()
                }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Row, A::Error> {
                RowTable::deserialize(MapAccessDeserializer::new(map)).map(Row)
            }
        }
        deserializer.deserialize_any(Either)
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
#[derive(Clone, Debug)]
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
