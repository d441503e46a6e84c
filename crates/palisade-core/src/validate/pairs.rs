//! Query strings, forms and path parameters: names with text values.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;
use validator::Validate;

use super::finite::Finite;
use super::place::Source;
use super::{Invalid, InvalidKind, keep_rules, media, shape};

/// Most `name=value` pairs in one query string or form.
pub const MAX_PAIRS: usize = 256;

/// Longest query string, in bytes.
pub const MAX_QUERY_BYTES: usize = 64 * 1024;

/// Longest form, in bytes; the caller's own limit on bodies usually is lower.
pub const MAX_FORM_BYTES: usize = 1024 * 1024;

/// Reads a raw query string (without the `?`) into `T` and checks its rules.
///
/// A name may stand several times where `T` wants a list; where it wants one value that is 422 `repeated`, not 400,
/// because the text is well-formed and only the target decides. Numbers inside a flattened struct cannot be read:
/// `serde` hands them over as strings.
///
/// # Errors
/// [`InvalidKind::MalformedBody`] for a bad `%`, or for bytes that are not UTF-8 once decoded; [`InvalidKind::Failed`]
/// for too many pairs or bytes, for the wrong shape, and for broken rules.
pub fn query<T>(raw_query: &[u8]) -> Result<T, Invalid>
where
    T: DeserializeOwned + Validate + 'static,
{
    read(raw_query, MAX_QUERY_BYTES, Source::Query)
}

/// Reads an `application/x-www-form-urlencoded` body into `T` and checks its rules; otherwise as [`query`].
///
/// # Errors
/// Those of [`query`], and the two for content type and content encoding.
pub fn form<T>(
    content_type: Option<&[u8]>,
    content_encoding: Option<&[u8]>,
    body: &[u8],
) -> Result<T, Invalid>
where
    T: DeserializeOwned + Validate + 'static,
{
    media::require_form(content_type)?;
    media::require_identity(content_encoding)?;
    read(body, MAX_FORM_BYTES, Source::Form)
}

/// Reads the decoded parameters of a path into `T` and checks its rules.
///
/// # Errors
/// [`InvalidKind::Failed`] for the wrong shape and for broken rules.
pub fn path<T>(parameters: &[(Cow<'_, str>, Cow<'_, str>)]) -> Result<T, Invalid>
where
    T: DeserializeOwned + Validate + 'static,
{
    let encoded = serde_html_form::to_string(parameters)
        .map_err(|_| Invalid::of(InvalidKind::MalformedBody))?;
    read(encoded.as_bytes(), usize::MAX, Source::Path)
}

fn read<T>(text: &[u8], max_bytes: usize, source: Source) -> Result<T, Invalid>
where
    T: DeserializeOwned + Validate + 'static,
{
    let too_much = |code: &'static str, most: usize, what: &str| {
        Invalid::at(
            InvalidKind::Failed,
            source.error(&[], code, format!("may have at most {most} {what}")),
        )
    };
    if text.len() > max_bytes {
        return Err(too_much("too_long", max_bytes, "bytes"));
    }
    if text.split(|&b| b == b'&').count() > MAX_PAIRS {
        return Err(too_much("too_many_pairs", MAX_PAIRS, "pairs"));
    }
    if !is_clean(text) {
        return Err(Invalid::at(
            InvalidKind::MalformedBody,
            source.error(
                &[],
                "bad_encoding",
                "must be UTF-8, each % followed by two hexadecimal digits",
            ),
        ));
    }
    let form = serde_html_form::Deserializer::from_bytes(text);
    match T::deserialize(Finite(form)) {
        Ok(value) => keep_rules(value, || tree(text), source),
        Err(_) => Err(shape::explain::<T>(&tree(text)?, source)),
    }
}

/// The parser below us would replace what is not UTF-8 and keep a stray `%`; both are refused here. Decoding everything
/// at once is enough: no separator can stand inside a character.
fn is_clean(text: &[u8]) -> bool {
    if !text.contains(&b'%') {
        return std::str::from_utf8(text).is_ok();
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (Some(high), Some(low)) = (hex(rest.next()), hex(rest.next())) else {
            return false;
        };
        decoded.push(high << 4 | low);
    }
    std::str::from_utf8(&decoded).is_ok()
}

fn hex(digit: Option<&u8>) -> Option<u8> {
    char::from(*digit?)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// Strings, and arrays of strings for names that repeat: what the explanations look at.
fn tree(text: &[u8]) -> Result<Value, Invalid> {
    let pairs: BTreeMap<String, Vec<Value>> =
        serde_html_form::from_bytes(text).map_err(|_| Invalid::of(InvalidKind::MalformedBody))?;
    Ok(pairs
        .into_iter()
        .map(|(name, mut values)| match (values.len(), values.pop()) {
            (1, Some(only)) => (name, only),
            (_, last) => (name, values.into_iter().chain(last).collect()),
        })
        .collect())
}
