//! Where the credentials of a scheme travel, and how exactly one of them is read.
//!
//! Every scheme whose credential is a text (a token, a key) reads it here, so that each refuses
//! two credentials, an empty one, and what no client can mean, in the same way.

use super::{Authorization, Carrier, Challenge, Credential, Presented, token68};
use crate::{
    config::{Mistakes, Section, join},
    view::View,
};
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
}

impl Places {
    /// Reads `authorization`, `header`, `query` and `cookie`.
    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
        let headers = Self::read_headers(section);
        Self {
            query: section.optional_string("query"),
            cookie: section.optional_string("cookie"),
            ..headers
        }
    }

    /// Reads `authorization` and `header`, the places of bearer tokens.
    pub(crate) fn read_headers(section: &mut Section<'_, '_>) -> Self {
        Self {
            authorization: section
                .some_strings("authorization", "the usual place")
                .unwrap_or_default(),
            header: section.optional_string("header"),
            ..Self::default()
        }
    }

    /// Checks the names for a bearer token: RFC 6750 §2.3 advises against queries, and a token in
    /// a cookie is a session, which is another scheme.
    pub(crate) fn compile_for_tokens(&self, path: &str, mistakes: &mut Mistakes) -> Carriers {
        for (key, name) in [("query", &self.query), ("cookie", &self.cookie)] {
            if name.is_some() {
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
            return Carriers { all, max_bytes };
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
        // What the browser sends by itself comes last: it counts only if it is alone.
        if let Some(name) = &self.cookie {
            add("cookie", plain(name).map(Carrier::Cookie));
        }
        Carriers { all, max_bytes }
    }
}

fn authorization(name: &str) -> Result<Carrier, &'static str> {
    // RFC 9110 §5.6.2: a token.
    let known = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    match name {
        _ if name.is_empty() || !name.bytes().all(known) => {
            Err("is no scheme name; write one word such as \"Token\"")
        }
        _ if ["basic", "digest"].contains(&&*name.to_ascii_lowercase()) => {
            Err("has a form of its own; for Basic write [basic.NAME], or choose another name")
        }
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
}

impl Carriers {
    /// For [`Scheme::carriers`](super::Scheme::carriers).
    pub(crate) fn as_slice(&self) -> &[Carrier] {
        &self.all
    }

    /// How a refusal asks for the credential: by the scheme name in `Authorization`, or as
    /// `ApiKey`, which no standard knows, where it has none.
    pub(crate) fn challenge(&self, realm: &str) -> Challenge {
        let named = self.all.iter().find_map(|carrier| match carrier {
            Carrier::Authorization(name) => Some(name.clone()),
            _ => None,
        });
        Challenge::new(named.unwrap_or("ApiKey".into())).with("realm", realm)
    }

    /// The one credential of the request.
    pub(crate) fn read<'h>(&self, head: &View<'h>) -> Presented<'h> {
        match self.find(head) {
            Ok(Some(credential)) => Presented::Credential(credential),
            Ok(None) => Presented::Nothing,
            Err(fault) => Presented::Malformed(fault),
        }
    }

    fn find<'h>(&self, head: &View<'h>) -> Result<Option<Credential<'h>>, &'static str> {
        let mut found = None;
        for (carrier, place) in self.all.iter().enumerate() {
            if place.is_ambient() && found.is_some() {
                break;
            }
            let mut add = |bytes: Cow<'h, [u8]>| match bytes.len() {
                0 => Err("empty"),
                length if length > self.max_bytes => Err("too_long"),
                _ if found.is_some() => Err("repeated"),
                _ => {
                    found = Some(Credential { bytes, carrier });
                    Ok(())
                }
            };
            match place {
                Carrier::Authorization(name) => match Authorization::of(head) {
                    Authorization::Present { scheme, rest }
                        if scheme.eq_ignore_ascii_case(name.as_bytes()) =>
                    {
                        // RFC 6750 §2.1: exactly one token68.
                        if !token68(rest) {
                            return Err("bearer_malformed");
                        }
                        add(rest.into())?;
                    }
                    _ => {}
                },
                Carrier::Header(name) => head
                    .header(name)
                    .try_for_each(|value| add(value.trim_ascii().into()))?,
                Carrier::Query(name) => query_values(head.query().unwrap_or_default(), name)
                    .try_for_each(|value| add(decode(value)?))?,
                Carrier::Cookie(name) => {
                    head.cookie(name).try_for_each(|value| add(value.into()))?;
                }
                Carrier::Certificate => {}
            }
        }
        Ok(found)
    }
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
fn decode(text: &str) -> Result<Cow<'_, [u8]>, &'static str> {
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
        let (hex, after) = after.split_first_chunk::<2>().ok_or("encoding")?;
        let digits = hex.map(|digit| char::from(digit).to_digit(16));
        let [Some(high), Some(low)] = digits else {
            return Err("encoding");
        };
        decoded.push(u8::try_from(high << 4 | low).map_err(|_| "encoding")?);
        rest = after;
    }
    Ok(Cow::Owned(decoded))
}

#[cfg(test)]
mod tests;
