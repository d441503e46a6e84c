//! Finds API keys in requests and judges them.

use super::{
    format::{self, Digest, KeyId},
    stored::{StoredKey, rejected},
};
use crate::{
    scheme::{Carrier, Challenge, Credential, Presented, Scheme, Verification},
    view::View,
};
use std::{borrow::Cow, collections::HashMap, fmt};
use subtle::ConstantTimeEq;

/// No key is longer; anything more would only be work.
const MAX_KEY_BYTES: usize = 512;

/// What an unknown id is compared with, so that it costs the same as a known one. No text has
/// this SHA-256 as far as anybody knows, and a match would admit nobody.
const NOBODY: Digest = [0; 32];

/// The scheme, ready to verify.
pub(super) struct KeyScheme {
    pub(super) name: String,
    pub(super) prefix: Vec<u8>,
    pub(super) keep: bool,
    pub(super) carriers: Vec<Carrier>,
    pub(super) challenge: Challenge,
    pub(super) keys: HashMap<KeyId, StoredKey>,
    pub(super) legacy: HashMap<Digest, StoredKey>,
}

impl KeyScheme {
    /// The one key of the request; of several places a cookie counts only if it is alone.
    fn find<'h>(&self, head: &View<'h>) -> Result<Option<Credential<'h>>, &'static str> {
        let mut found = None;
        for (carrier, place) in self.carriers.iter().enumerate() {
            if place.is_ambient() && found.is_some() {
                break;
            }
            let mut add = |bytes: Cow<'h, [u8]>| match bytes.len() {
                0 => Err("empty"),
                1..=MAX_KEY_BYTES if found.is_none() => {
                    found = Some(Credential { bytes, carrier });
                    Ok(())
                }
                1..=MAX_KEY_BYTES => Err("repeated"),
                _ => Err("too_long"),
            };
            match place {
                Carrier::Header(name) => head
                    .header(name)
                    .try_for_each(|value| add(value.trim_ascii().into()))?,
                Carrier::Query(name) => query_values(head.query().unwrap_or_default(), name)
                    .try_for_each(|value| add(decode(value)?))?,
                Carrier::Cookie(name) => {
                    head.cookie(name).try_for_each(|value| add(value.into()))?;
                }
                Carrier::Authorization(_) | Carrier::Certificate => {}
            }
        }
        Ok(found)
    }

    /// The stored key that was presented; else the word for the audit.
    fn look_up(&self, presented: &[u8]) -> Result<&StoredKey, &'static str> {
        let id = match format::parse(presented, &self.prefix) {
            Ok(id) => id,
            Err(fault) if self.legacy.is_empty() => return Err(fault),
            Err(_) => return self.look_up_legacy(presented).ok_or("key_unknown"),
        };
        let stored = self.keys.get(&id);
        let expected = stored.map_or(&NOBODY, StoredKey::digest);
        let same = bool::from(expected.ct_eq(&format::digest(presented)));
        match stored {
            Some(stored) if same => Ok(stored),
            Some(_) => Err("key_mismatch"),
            None => Err("key_unknown"),
        }
    }

    /// A key of an earlier system has no id. Finding it by its digest tells by timing at most
    /// how the digest of a wrong key begins, which leads to no right one.
    fn look_up_legacy(&self, presented: &[u8]) -> Option<&StoredKey> {
        self.legacy.get(&format::digest(presented))
    }
}

impl Scheme for KeyScheme {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "api_key"
    }

    fn carriers(&self) -> &[Carrier] {
        &self.carriers
    }

    fn read<'h>(&self, head: &View<'h>) -> Presented<'h> {
        match self.find(head) {
            Ok(Some(credential)) => Presented::Credential(credential),
            Ok(None) => Presented::Nothing,
            Err(fault) => Presented::Malformed(fault),
        }
    }

    fn recognises(&self, credential: &Credential<'_>) -> bool {
        match format::parse(&credential.bytes, &self.prefix) {
            Ok(_) | Err("key_checksum") => true,
            Err(_) => !self.legacy.is_empty() && self.look_up_legacy(&credential.bytes).is_some(),
        }
    }

    fn verify(&self, credential: &Credential<'_>, unix_seconds: u64) -> Verification {
        Verification::Done(match self.look_up(&credential.bytes) {
            Ok(key) => key.judge(unix_seconds),
            Err(cause) => rejected(cause),
        })
    }

    fn shows_credential(&self) -> bool {
        self.keep
    }

    fn challenge(&self) -> Option<Challenge> {
        Some(self.challenge.clone())
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

impl fmt::Debug for KeyScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyScheme")
            .field("name", &self.name)
            .field("carriers", &self.carriers)
            .field("keys", &(self.keys.len() + self.legacy.len()))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
