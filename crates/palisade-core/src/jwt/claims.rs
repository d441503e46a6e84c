//! The claims set (RFC 7519 §4), read once and borrowed; only called behind a good signature.

use std::{borrow::Cow, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::{
    error::TokenError,
    json::{self, Members, Scan, Trail, Value},
};

/// The claims that are dates, and so cannot hold names.
pub(super) const DATES: [&str; 4] = ["exp", "nbf", "iat", "auth_time"];

/// The claims that name the client that a token was issued to: `client_id` (RFC 8693 §4.3), `azp` (OpenID Connect),
/// `cid` (Okta), `appid` (Entra, version 1).
pub(super) const CLIENTS: [&str; 4] = ["client_id", "azp", "cid", "appid"];

/// The registered claims the checks need; those at configured places are left in the [`Scan`].
#[derive(Debug, Default)]
pub(super) struct Claims<'a> {
    /// Whether a member that is null counts as absent, whatever it is for: in an answer about a token (RFC 7662 §2.2),
    /// where many servers write all members.
    null_is_absent: bool,
    pub(super) issuer: Option<Cow<'a, str>>,
    pub(super) subject: Option<Cow<'a, str>>,
    pub(super) id: Option<Cow<'a, str>>,
    /// What a revocation calls the token by, where `jti` is no text.
    pub(super) unusual_id: Option<UnusualId>,
    pub(super) expires_at: Option<Date>,
    pub(super) not_before: Option<Date>,
    pub(super) issued_at: Option<Date>,
    pub(super) authenticated_at: Option<Date>,
    pub(super) context_class: Option<Cow<'a, str>>,
    /// The values of [`CLIENTS`].
    pub(super) clients: [Option<Cow<'a, str>>; 4],
    /// Whether one of them cannot be read, so that the caller may be a client and look like a user.
    pub(super) hides_client: bool,
    /// `token_use`, `typ`, `token_type`.
    pub(super) uses: [Option<Cow<'a, str>>; 3],
    /// Entra's `idtyp` and Auth0's `gty`, which say that nobody but the client stands behind the token.
    pub(super) grants: [Option<Cow<'a, str>>; 2],
    /// Whether a mark of an issuer's own says that this is a refresh token.
    pub(super) is_refresh: bool,
    /// The hash of another token or of a value: only ID tokens have one.
    pub(super) has_hash: bool,
    /// `events`: a logout token or another security event (RFC 8417).
    pub(super) is_event: bool,
    /// `active` of an answer about a token (RFC 7662 §2.2), if it is a boolean.
    pub(super) active: Option<bool>,
    /// Whether `username` names a user (RFC 7662 §2.2).
    pub(super) has_username: bool,
    pub(super) is_sender_constrained: bool,
    /// The optional ones that count as absent, because they are null or of a type that nothing here reads. These are
    /// names known here, each at most once.
    pub(super) passed_over: Vec<&'static str>,
}

/// A `jti` that is no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UnusualId {
    /// The digits of a whole number.
    Digits(String),
    /// No revocation could name it.
    Unnameable,
}

/// Which values a claim may have beside a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leniency {
    /// None: what it says decides whether the token is accepted, or who is calling.
    Strict,
    /// Null, which says nothing.
    OrNull,
    /// Any; but only a text says anything.
    Any,
}

impl<'a> Claims<'a> {
    /// None yet; `introspected`: those of an answer about a token.
    pub(super) fn new(introspected: bool) -> Self {
        Self {
            null_is_absent: introspected,
            ..Self::default()
        }
    }

    /// Reads into `self`: returned, it would be copied several times over.
    pub(super) fn read(
        &mut self,
        text: &'a str,
        scan: &mut Scan<'_, 'a>,
    ) -> Result<(), TokenError> {
        json::read(text, scan, self)
    }

    /// Reads a member that is no date and has no place of its own.
    fn other<A: MapAccess<'a>>(
        &mut self,
        scan: &mut Scan<'_, 'a>,
        name: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let value = scan.value(map, Trail::START, name)?;
        let known = |names: &[&'static str]| names.iter().copied().find(|known| *known == name);
        if let Some(mark) = known(&KIND_MARKS) {
            match value {
                Value::Text(text) => self.is_refresh |= means_refresh(&text),
                Value::Null if self.null_is_absent => self.passed_over.push(mark),
                _ => return Err(scan.fail(TokenError::ClaimType(mark))),
            }
        } else if let Some(mark) = known(&REFRESH_MARKS) {
            match value {
                Value::Bool(truth) => self.is_refresh |= truth,
                Value::Null if self.null_is_absent => self.passed_over.push(mark),
                _ => return Err(scan.fail(TokenError::ClaimType(mark))),
            }
        } else if let Some(mark) = known(&ALONE) {
            if value == Value::Null && self.null_is_absent {
                self.passed_over.push(mark);
                return Ok(());
            }
            match mark {
                "events" => self.is_event = true,
                "cnf" => self.is_sender_constrained = true,
                _ => self.has_hash = true,
            }
        } else {
            match (name, value) {
                ("active", Value::Bool(active)) => self.active = Some(active),
                // An empty name is nobody's.
                ("username", Value::Null) => self.passed_over.push("username"),
                ("username", Value::Text(text)) if text.is_empty() => {
                    self.passed_over.push("username");
                }
                ("username", _) => self.has_username = true,
                ("auth_time", Value::Number(seconds)) => {
                    self.authenticated_at = Date::of(seconds);
                    if self.authenticated_at.is_none() {
                        self.passed_over.push("auth_time");
                    }
                }
                ("auth_time", _) => self.passed_over.push("auth_time"),
                ("jti", value) => self.set_id(value),
                _ => {}
            }
        }
        Ok(())
    }

    /// `jti` (RFC 7519 §4.1.7). One that is no text is none for the application, but it must not save a token from a
    /// revocation.
    fn set_id(&mut self, value: Value<'a>) {
        match value {
            Value::Text(text) => self.id = Some(text),
            Value::Null => self.passed_over.push("jti"),
            other => {
                self.passed_over.push("jti");
                self.unusual_id = Some(match other {
                    Value::Number(number) if is_exact(number) => {
                        UnusualId::Digits(format!("{number:.0}"))
                    }
                    _ => UnusualId::Unnameable,
                });
            }
        }
    }

    fn date<A: MapAccess<'a>>(
        &mut self,
        scan: &mut Scan<'_, 'a>,
        name: &'static str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let read = DateSeed {
            null_is_absent: self.null_is_absent,
        };
        let slot = match name {
            "exp" => &mut self.expires_at,
            "nbf" => &mut self.not_before,
            _ => &mut self.issued_at,
        };
        match map.next_value_seed(read) {
            Ok(Stated::Date(date)) => *slot = Some(date),
            Ok(Stated::Null) => self.passed_over.push(name),
            Ok(Stated::Unfit) => return Err(scan.fail(TokenError::ClaimRange(name))),
            Err(_) => return Err(scan.fail(TokenError::ClaimType(name))),
        }
        Ok(())
    }
}

/// What issuers call the kind of a token, beside the names that always must say `access`. They may say anything else,
/// but not that this is a refresh token.
const KIND_MARKS: [&str; 7] = [
    "type",
    "tokenType",
    "tokenUse",
    "tokenKind",
    "token_kind",
    "use",
    "kind",
];

/// True of a refresh token.
const REFRESH_MARKS: [&str; 2] = ["is_refresh", "isRefresh"];

/// What marks a token by being there, whatever the value.
const ALONE: [&str; 5] = ["at_hash", "c_hash", "s_hash", "events", "cnf"];

/// Whether that is what somebody calls a refresh token: `refresh`, `Refresh`, `refresh_token`, `refreshToken`.
pub(super) fn means_refresh(kind: &str) -> bool {
    let letters = kind.bytes().filter(u8::is_ascii_alphanumeric);
    let letters = letters.map(|letter| letter.to_ascii_lowercase());
    letters.clone().eq(*b"refresh") || letters.eq(*b"refreshtoken")
}

/// Whether it is a whole number that all readers of JSON agree on (RFC 8259 §6).
fn is_exact(number: f64) -> bool {
    number.fract() == 0.0 && number.abs() <= LAST as f64
}

impl<'a> Members<'a> for Claims<'a> {
    fn member<A: MapAccess<'a>>(
        &mut self,
        scan: &mut Scan<'_, 'a>,
        name: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let [client_id, azp, cid, appid] = &mut self.clients;
        let [token_use, typ, token_type] = &mut self.uses;
        let [idtyp, gty] = &mut self.grants;
        let (known, slot, leniency) = match name {
            "exp" => return self.date(scan, "exp", map),
            "nbf" => return self.date(scan, "nbf", map),
            "iat" => return self.date(scan, "iat", map),
            "iss" => ("iss", &mut self.issuer, Leniency::Strict),
            "sub" => ("sub", &mut self.subject, Leniency::Strict),
            "token_use" => ("token_use", token_use, Leniency::Strict),
            "typ" => ("typ", typ, Leniency::Strict),
            "token_type" => ("token_type", token_type, Leniency::Strict),
            "idtyp" => ("idtyp", idtyp, Leniency::OrNull),
            "gty" => ("gty", gty, Leniency::OrNull),
            "acr" => ("acr", &mut self.context_class, Leniency::Any),
            "client_id" => ("client_id", client_id, Leniency::Any),
            "azp" => ("azp", azp, Leniency::Any),
            "cid" => ("cid", cid, Leniency::Any),
            "appid" => ("appid", appid, Leniency::Any),
            _ => return self.other(scan, name, map),
        };
        match scan.value(map, Trail::START, name)? {
            // Some servers have no better subject for a client.
            Value::Text(text) if known == "sub" && self.null_is_absent && text.is_empty() => {
                self.passed_over.push(known);
            }
            Value::Text(text) => *slot = Some(text),
            Value::Null if self.null_is_absent || leniency != Leniency::Strict => {
                self.passed_over.push(known);
            }
            _ if leniency == Leniency::Any => {
                self.passed_over.push(known);
                self.hides_client |= CLIENTS.contains(&known);
            }
            _ => return Err(scan.fail(TokenError::ClaimType(known))),
        }
        Ok(())
    }
}

/// A NumericDate (RFC 7519 §2) in seconds, rounded both ways: a fraction must not lengthen a token's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) floor: u64,
    pub(super) ceil: u64,
}

impl Date {
    /// `None` when it is no date.
    fn of(seconds: f64) -> Option<Self> {
        let is_date = (0.0..=LAST as f64).contains(&seconds);
        is_date.then_some(Self {
            floor: seconds.floor() as u64,
            ceil: seconds.ceil() as u64,
        })
    }
}

/// What stands where a date belongs.
enum Stated {
    Date(Date),
    /// A number that is no date.
    Unfit,
    Null,
}

/// Reads a number. Asks for a number by type, so that the `arbitrary_precision` feature of serde_json, when another
/// crate of the program turns it on, changes nothing here.
struct DateSeed {
    null_is_absent: bool,
}

/// The last integer that JSON numbers carry exactly between all implementations (RFC 8259 §6).
const LAST: u64 = 1 << 53;

impl<'de> DeserializeSeed<'de> for DateSeed {
    type Value = Stated;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.null_is_absent {
            true => deserializer.deserialize_option(self),
            false => deserializer.deserialize_f64(self),
        }
    }
}

impl<'de> Visitor<'de> for DateSeed {
    type Value = Stated;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds")
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Stated::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_f64(self)
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Self::Value, E> {
        let (floor, ceil) = (seconds, seconds);
        Ok(match seconds <= LAST {
            true => Stated::Date(Date { floor, ceil }),
            false => Stated::Unfit,
        })
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Self::Value, E> {
        match u64::try_from(seconds) {
            Ok(seconds) => self.visit_u64(seconds),
            Err(_) => Ok(Stated::Unfit),
        }
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Self::Value, E> {
        Ok(Date::of(seconds).map_or(Stated::Unfit, Stated::Date))
    }
}
