//! Where the credentials of a scheme travel, and how exactly one of them is read.
//!
//! Every scheme whose credential is a text (a token, a key) reads it here, so that each refuses
//! two credentials, an empty one, and what no client can mean, in the same way.

use super::{Authorization, Carrier, Challenge, Credential, Presented, token68};
use crate::{
    cause::Cause,
    config::{Mistakes, Section, join},
    view::View,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderName;
use std::borrow::Cow;

/// The places where a scheme's credential may travel. Several may be named; a request then uses
/// one of them. If none is, the scheme has a usual one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Places {
    /// `authorization`: scheme names in `Authorization`, such as `Bearer`, in any case. The first
    /// is the one that refusals ask for.
    pub authorization: Vec<String>,
    /// `header`: a header of its own.
    pub header: Option<String>,
    /// `query`: a query parameter. Queries end up in logs and histories.
    pub query: Option<String>,
    /// `cookie`: a cookie. Browsers send it by themselves, so it counts as ambient.
    pub cookie: Option<String>,
    /// `basic`: the name in HTTP Basic, with an empty password. Browsers remember both and send
    /// them by themselves, so it counts as ambient.
    pub basic: bool,
    /// `websocket_protocol`: what the credential stands behind in `Sec-WebSocket-Protocol` of a
    /// WebSocket handshake: of `"bearer"`, `bearer.TOKEN`.
    pub websocket_protocol: Option<String>,
}

impl Places {
    /// Reads the places of keys: those of bearer tokens, `query`, `cookie` and `basic`.
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let headers = Self::read_headers(section);
        Self {
            query: section.optional_string("query"),
            cookie: section.optional_string("cookie"),
            basic: section.boolean("basic").unwrap_or_default(),
            ..headers
        }
    }

    /// Reads `authorization`, `header` and `websocket_protocol`, the places of bearer tokens.
    pub(crate) fn read_headers(section: &mut Section<'_, '_>) -> Self {
        Self {
            authorization: section
                .some_strings("authorization", "the usual place")
                .unwrap_or_default(),
            header: section.optional_string("header"),
            websocket_protocol: section.optional_string("websocket_protocol"),
            ..Self::default()
        }
    }

    /// Checks the names for a bearer token: RFC 6750 §2.3 advises against queries, and a token in
    /// a cookie is a session, which is another scheme.
    pub(crate) fn compile_for_tokens(&self, path: &str, mistakes: &mut Mistakes) -> Carriers {
        for (key, named) in [
            ("query", self.query.is_some()),
            ("cookie", self.cookie.is_some()),
            ("basic", self.basic),
        ] {
            if named {
                let message = "carries no bearer token; name `authorization` or `header`";
                mistakes.add(join(path, key), message);
            }
        }
        let usual = Carrier::Authorization("Bearer".into());
        // How long a token may be is judged with the token.
        self.compile(usual, usize::MAX, path, mistakes)
    }

    /// Checks the names; `usual` is the place if none is named. A longer credential than
    /// `max_bytes` is not read at all.
    pub(crate) fn compile(
        &self,
        usual: Carrier,
        max_bytes: usize,
        path: &str,
        mistakes: &mut Mistakes,
    ) -> Carriers {
        if *self == Self::default() {
            let all = vec![usual];
            return Carriers {
                all,
                max_bytes,
                key_in_basic: false,
            };
        }
        let mut all: Vec<Carrier> = Vec::new();
        let mut add = |key, carrier: Result<Carrier, &'static str>| match carrier {
            Ok(carrier) => all.push(carrier),
            Err(message) => mistakes.add(join(path, key), message),
        };
        for (index, name) in self.authorization.iter().enumerate() {
            let mut earlier = self.authorization.iter().take(index);
            let carrier = match earlier.any(|own| own.eq_ignore_ascii_case(name)) {
                true => Err("names a scheme twice; upper and lower case are the same"),
                false => authorization(name),
            };
            add("authorization", carrier);
        }
        if let Some(name) = &self.header {
            add("header", header(name));
        }
        if let Some(name) = &self.query {
            add("query", plain(name).map(Carrier::Query));
        }
        if let Some(word) = &self.websocket_protocol {
            let carrier = token(word).map(|()| Carrier::WebSocketProtocol(word.clone()));
            let message = "is no word of a protocol; write one such as \"bearer\"";
            add("websocket_protocol", carrier.ok_or(message));
        }
        if self.basic {
            add("basic", Ok(Carrier::Authorization("Basic".into())));
        }
        if let Some(name) = &self.cookie {
            add("cookie", plain(name).map(Carrier::Cookie));
        }
        Carriers {
            all,
            max_bytes,
            key_in_basic: self.basic,
        }
    }
}

/// RFC 9110 §5.6.2.
fn token(word: &str) -> Option<()> {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    (!word.is_empty() && word.bytes().all(known)).then_some(())
}

fn authorization(name: &str) -> Result<Carrier, &'static str> {
    match name {
        _ if token(name).is_none() => Err("is no scheme name; write one word such as \"Token\""),
        _ if ["basic", "digest"].contains(&&*name.to_ascii_lowercase()) => Err(
            "has a form of its own; for passwords write [basic.NAME], for a key as the name \
             `basic = true`, or choose another name",
        ),
        _ => Ok(Carrier::Authorization(name.to_owned().into())),
    }
}

fn header(name: &str) -> Result<Carrier, &'static str> {
    match HeaderName::try_from(name) {
        Ok(http::header::AUTHORIZATION | http::header::COOKIE) => {
            Err("belongs to several schemes; write `authorization = \"Token\"` or `cookie`")
        }
        Ok(name) => Ok(Carrier::Header(name)),
        Err(_) => Err("is no header name; write one such as \"x-api-key\""),
    }
}

/// A name that queries and cookies carry unchanged.
fn plain(name: &str) -> Result<String, &'static str> {
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    match !name.is_empty() && name.bytes().all(known) {
        true => Ok(name.to_owned()),
        false => Err("is no usable name; letters, digits, `-`, `.` and `_` are allowed"),
    }
}

/// The places, checked.
#[derive(Debug, Clone)]
pub(crate) struct Carriers {
    all: Vec<Carrier>,
    max_bytes: usize,
    /// Whether what is behind `Basic` is a key and an empty password.
    key_in_basic: bool,
}

impl Carriers {
    /// For [`Scheme::carriers`](super::Scheme::carriers).
    pub(crate) fn as_slice(&self) -> &[Carrier] {
        &self.all
    }

    /// How a refusal asks for the credential: by the scheme name in `Authorization`, or as
    /// `ApiKey`, which no standard knows, where it has none. For Basic only if nothing else will
    /// do, because browsers would ask their users for a password.
    pub(crate) fn challenge(&self, realm: &str) -> Challenge {
        let name_of = |carrier: &Carrier| match carrier {
            Carrier::Authorization(name) => Some(name.clone()),
            _ => None,
        };
        let mut names = self.all.iter().filter_map(name_of);
        match names.find(|name| !is_basic(name)) {
            Some(name) => Challenge::new(name).with("realm", realm),
            None if self.key_in_basic && self.all.len() == 1 => basic_challenge(realm),
            None => Challenge::new("ApiKey").with("realm", realm),
        }
    }

    /// The one credential in a place.
    pub(crate) fn read<'h>(&self, head: &View<'h>, place: usize) -> Presented<'h> {
        match self.find(head, place) {
            Ok(Some(credential)) => Presented::Credential(credential),
            Ok(None) => Presented::Nothing,
            Err(fault) => Presented::Malformed(fault.as_str()),
        }
    }

    fn find<'h>(&self, head: &View<'h>, carrier: usize) -> Result<Option<Credential<'h>>, Cause> {
        let mut found = None;
        let mut add = |bytes: Cow<'h, [u8]>| match bytes.len() {
            0 => Err(Cause::Empty),
            length if length > self.max_bytes => Err(Cause::TooLong),
            _ if found.is_some() => Err(Cause::Repeated),
            _ => {
                found = Some(Credential { bytes, carrier });
                Ok(())
            }
        };
        match self.all.get(carrier) {
            Some(Carrier::Authorization(name)) => match Authorization::of(head) {
                Authorization::Present { scheme, rest }
                    if scheme.eq_ignore_ascii_case(name.as_bytes()) =>
                {
                    // RFC 6750 §2.1: exactly one token68.
                    if !token68(rest) {
                        return Err(Cause::BearerMalformed);
                    }
                    match self.key_in_basic && is_basic(name) {
                        true => add(self.name_in_basic(rest)?.into())?,
                        false => add(rest.into())?,
                    }
                }
                _ => {}
            },
            Some(Carrier::Header(name)) => head
                .header(name)
                .try_for_each(|value| add(value.trim_ascii().into()))?,
            Some(Carrier::Query(name)) => query_values(head.query().unwrap_or_default(), name)
                .try_for_each(|value| add(decode(value)?))?,
            Some(Carrier::Cookie(name)) => {
                head.cookie(name).try_for_each(|value| add(value.into()))?;
            }
            Some(Carrier::WebSocketProtocol(word)) => {
                head.websocket_tokens(word).try_for_each(|token| {
                    match token68(token) || token.is_empty() {
                        true => add(token.into()),
                        false => Err(Cause::WebsocketProtocolMalformed),
                    }
                })?;
            }
            Some(Carrier::Certificate) | None => {}
        }
        Ok(found)
    }

    /// The name, which is the key, where the password is empty: `Basic base64(key:)`.
    fn name_in_basic(&self, encoded: &[u8]) -> Result<Vec<u8>, Cause> {
        // Base64 makes four characters of three bytes; one of them is the colon.
        if encoded.len() / 4 * 3 > self.max_bytes.saturating_add(3) {
            return Err(Cause::TooLong);
        }
        let mut pair = STANDARD.decode(encoded).map_err(|_| Cause::BasicBase64)?;
        // RFC 7617 §2: the first colon ends the name.
        let colon = pair.iter().position(|&byte| byte == b':');
        let colon = colon.ok_or(Cause::BasicNoColon)?;
        if pair.len() > colon + 1 {
            return Err(Cause::BasicPassword);
        }
        pair.truncate(colon);
        Ok(pair)
    }
}

/// RFC 7617 §2.1: names and passwords are UTF-8.
pub(super) fn basic_challenge(realm: &str) -> Challenge {
    Challenge::new("Basic")
        .with("realm", realm)
        .with("charset", "UTF-8")
}

fn is_basic(name: &str) -> bool {
    name.eq_ignore_ascii_case("basic")
}

/// The values of every query parameter of this name, still percent-encoded.
fn query_values<'h>(query: &'h str, name: &str) -> impl Iterator<Item = &'h str> {
    query.split('&').filter_map(move |pair| {
        let (own, value) = pair.split_once('=').unwrap_or((pair, ""));
        let same = own == name
            || own.contains('%') && decode(own).is_ok_and(|own| *own == *name.as_bytes());
        same.then_some(value)
    })
}

/// Takes percent-encoding away (RFC 3986 §2.1). A `+` stays: no key of ours holds one, and one
/// of an earlier system may mean it.
fn decode(text: &str) -> Result<Cow<'_, [u8]>, Cause> {
    let mut rest = text.as_bytes();
    if !rest.contains(&b'%') {
        return Ok(Cow::Borrowed(rest));
    }
    let mut decoded = Vec::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'%' {
            decoded.push(byte);
            rest = after;
            continue;
        }
        let (hex, after) = after.split_first_chunk::<2>().ok_or(Cause::Encoding)?;
        let digits = hex.map(|digit| char::from(digit).to_digit(16));
        let [Some(high), Some(low)] = digits else {
            return Err(Cause::Encoding);
        };
        decoded.push(u8::try_from(high << 4 | low).map_err(|_| Cause::Encoding)?);
        rest = after;
    }
    Ok(Cow::Owned(decoded))
}

#[cfg(test)]
mod tests;
