//! The JOSE header (RFC 7515 §4): the only part of a token that is read before its signature is known to be good.

use std::borrow::Cow;

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
