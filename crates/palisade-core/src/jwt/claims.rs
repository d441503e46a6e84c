//! The claims set (RFC 7519 §4), read once and borrowed; only called behind a good signature.

use std::{borrow::Cow, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::{
    error::TokenError,
    json::{self, Members, Scan, Trail, Value},
};

/// The claims that are dates, and so cannot hold names.
pub(super) const DATES: [&str; 4] = ["exp", "nbf", "iat", "auth_time"];

/// The registered claims the checks need; those at configured places are left in the [`Scan`].
#[derive(Debug, Default)]
pub(super) struct Claims<'a> {
    pub(super) issuer: Option<Cow<'a, str>>,
    pub(super) subject: Option<Cow<'a, str>>,
    pub(super) id: Option<Cow<'a, str>>,
    pub(super) expires_at: Option<Date>,
    pub(super) not_before: Option<Date>,
    pub(super) issued_at: Option<Date>,
    pub(super) authenticated_at: Option<Date>,
    pub(super) context_class: Option<Cow<'a, str>>,
    /// `client_id` (RFC 8693 §4.3), `azp` (OpenID Connect), `cid` (Okta), `appid` (Entra, version 1).
    pub(super) clients: [Option<Cow<'a, str>>; 4],
    /// `token_use`, `typ`, `token_type`.
    pub(super) uses: [Option<Cow<'a, str>>; 3],
    /// Entra's `idtyp` and Auth0's `gty`, which say that nobody but the client stands behind the token.
    pub(super) grants: [Option<Cow<'a, str>>; 2],
    /// The hash of another token or of a value: only ID tokens have one.
    pub(super) has_hash: bool,
    /// `events`: a logout token or another security event (RFC 8417).
    pub(super) is_event: bool,
    /// `active` of an answer about a token (RFC 7662 §2.2), if it is a boolean.
    pub(super) active: Option<bool>,
    /// Whether an answer about a token names a user, in whatever way (RFC 7662 §2.2).
    pub(super) has_username: bool,
    pub(super) is_sender_constrained: bool,
}

impl<'a> Claims<'a> {
    /// Reads into `self`: returned, it would be copied several times over.
    pub(super) fn read(
        &mut self,
        text: &'a str,
        scan: &mut Scan<'_, 'a>,
    ) -> Result<(), TokenError> {
        json::read(text, scan, self)
    }
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
        let (known, slot) = match name {
            "exp" => return read_date(scan, map, "exp", &mut self.expires_at),
            "nbf" => return read_date(scan, map, "nbf", &mut self.not_before),
            "iat" => return read_date(scan, map, "iat", &mut self.issued_at),
            "auth_time" => return read_date(scan, map, "auth_time", &mut self.authenticated_at),
            "iss" => ("iss", &mut self.issuer),
            "sub" => ("sub", &mut self.subject),
            "jti" => ("jti", &mut self.id),
            "acr" => ("acr", &mut self.context_class),
            "client_id" => ("client_id", client_id),
            "azp" => ("azp", azp),
            "cid" => ("cid", cid),
            "appid" => ("appid", appid),
            "token_use" => ("token_use", token_use),
            "typ" => ("typ", typ),
            "token_type" => ("token_type", token_type),
            "idtyp" => ("idtyp", idtyp),
            "gty" => ("gty", gty),
            _ => {
                self.has_hash |= matches!(name, "at_hash" | "c_hash" | "s_hash");
                self.is_event |= name == "events";
                self.is_sender_constrained |= name == "cnf";
                self.has_username |= name == "username";
                if let (Value::Bool(active), "active") =
                    (scan.value(map, Trail::START, name)?, name)
                {
                    self.active = Some(active);
                }
                return Ok(());
            }
        };
        match scan.value(map, Trail::START, name)? {
            Value::Text(text) => {
                *slot = Some(text);
                Ok(())
            }
            _ => Err(scan.fail(TokenError::ClaimType(known))),
        }
    }
}

/// A NumericDate (RFC 7519 §2) in seconds, rounded both ways: a fraction must not lengthen a token's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) floor: u64,
    pub(super) ceil: u64,
}

fn read_date<'a, A: MapAccess<'a>>(
    scan: &mut Scan<'_, 'a>,
    map: &mut A,
    name: &'static str,
    slot: &mut Option<Date>,
) -> Result<(), A::Error> {
    match map.next_value_seed(DateSeed) {
        Ok(Some(date)) => {
            *slot = Some(date);
            Ok(())
        }
        Ok(None) => Err(scan.fail(TokenError::ClaimRange(name))),
        Err(_) => Err(scan.fail(TokenError::ClaimType(name))),
    }
}

/// Reads a number; `None` when it is no date. Asks for a number by type, so that the `arbitrary_precision` feature of
/// serde_json, when another crate of the program turns it on, changes nothing here.
struct DateSeed;

/// The last integer that JSON numbers carry exactly between all implementations (RFC 8259 §6).
const LAST: u64 = 1 << 53;

impl<'de> DeserializeSeed<'de> for DateSeed {
    type Value = Option<Date>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_f64(self)
    }
}

impl Visitor<'_> for DateSeed {
    type Value = Option<Date>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds")
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Self::Value, E> {
        Ok((seconds <= LAST).then_some(Date {
            floor: seconds,
            ceil: seconds,
        }))
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(seconds)
            .ok()
            .filter(|date| *date <= LAST)
            .map(|date| Date {
                floor: date,
                ceil: date,
            }))
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Self::Value, E> {
        let is_date = (0.0..=LAST as f64).contains(&seconds);
        Ok(is_date.then_some(Date {
            floor: seconds.floor() as u64,
            ceil: seconds.ceil() as u64,
        }))
    }
}
