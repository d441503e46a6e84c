//! The JOSE header (RFC 7515 §4): the only part of a token that is read before its signature is known to be good.

use std::{borrow::Cow, sync::OnceLock};

use serde::de::MapAccess;

use super::{
    error::TokenError,
    json::{self, Members, Scan, Trail, Value},
};

/// What a header says about its own token. Keys it brings or points to (`jwk`, `jku`, `x5c`, `x5u`) are never used.
#[derive(Debug, Default)]
pub(super) struct Header<'a> {
    pub(super) algorithm: Option<Cow<'a, str>>,
    pub(super) kid: Option<Cow<'a, str>>,
    pub(super) kind: Option<Cow<'a, str>>,
}

impl<'a> Header<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, TokenError> {
        let mut header = Self::default();
        json::read(text, &mut Scan::new(&[]), &mut header)?;
        Ok(header)
    }
}

impl<'a> Members<'a> for Header<'a> {
    fn member<A: MapAccess<'a>>(
        &mut self,
        scan: &mut Scan<'_, 'a>,
        name: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let (known, slot) = match name {
            "alg" => ("alg", &mut self.algorithm),
            "kid" => ("kid", &mut self.kid),
            "typ" => ("typ", &mut self.kind),
            "crit" => return Err(scan.fail(TokenError::Critical)),
            "zip" => return Err(scan.fail(TokenError::Compressed)),
            "b64" => return Err(scan.fail(TokenError::Unencoded)),
            "enc" => return Err(scan.fail(TokenError::Encrypted)),
            _ => return scan.value(map, Trail::START, name).map(|_| ()),
        };
        match scan.value(map, Trail::START, name)? {
            Value::Text(text) => {
                *slot = Some(text);
                Ok(())
            }
            _ => Err(scan.fail(TokenError::HeaderType(known))),
        }
    }
}

/// How many headers are remembered: an issuer writes one for each of its keys.
const SEEN_HEADERS: usize = 8;

/// No header of a usual issuer is longer, in bytes as it is sent.
const LONGEST_SEEN: usize = 512;

/// The headers, still encoded, of tokens whose signature was good, each with the number of its key.
///
/// An issuer writes the same few headers over and over. One that has passed every check need not be decoded and read
/// again, as long as the keys and the policy stay the same; whoever cannot sign adds none.
#[derive(Debug, Default)]
pub(super) struct SeenHeaders([OnceLock<(Box<[u8]>, usize)>; SEEN_HEADERS]);

impl SeenHeaders {
    /// The number of the key that this header led to.
    pub(super) fn find(&self, encoded: &[u8]) -> Option<usize> {
        let mut seen = self.0.iter().map_while(OnceLock::get);
        seen.find(|(own, _)| **own == *encoded).map(|(_, key)| *key)
    }

    /// Remembers a header behind a good signature, if there is room.
    pub(super) fn keep(&self, encoded: &[u8], key: usize) {
        let free = self.0.iter().any(|slot| slot.get().is_none());
        if free && encoded.len() <= LONGEST_SEEN {
            let mut entry = (encoded.into(), key);
            for slot in &self.0 {
                match slot.set(entry) {
                    Ok(()) => break,
                    Err(back) => entry = back,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_headers_are_remembered_and_found_byte_for_byte() {
        let seen = SeenHeaders::default();
        seen.keep(&[b'x'; LONGEST_SEEN + 1], 0);
        for key in 0..SEEN_HEADERS + 3 {
            seen.keep(format!("header-{key}").as_bytes(), key);
        }
        assert_eq!(seen.find(b"header-0"), Some(0));
        assert_eq!(seen.find(b"header-7"), Some(7));
        for unknown in [
            &b"header-8"[..],
            b"header-",
            b"header-00",
            b"",
            &[b'x'; LONGEST_SEEN + 1],
        ] {
            assert_eq!(seen.find(unknown), None);
        }
    }
}
