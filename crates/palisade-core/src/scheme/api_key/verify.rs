//! Finds API keys in requests and judges them.

use super::{
    format::{self, Digest, KeyId},
    stored::{StoredKey, rejected},
};
use crate::{
    scheme::{Carrier, Carriers, Challenge, Credential, Presented, Scheme, Verification},
    view::View,
};
use std::{collections::HashMap, fmt};
use subtle::ConstantTimeEq;

/// What an unknown id is compared with, so that it costs the same as a known one. No text has
/// this SHA-256 as far as anybody knows, and a match would admit nobody.
const NOBODY: Digest = [0; 32];

/// The scheme, ready to verify.
pub(super) struct KeyScheme {
    pub(super) name: String,
    pub(super) prefix: Vec<u8>,
    pub(super) keep: bool,
    pub(super) carriers: Carriers,
    pub(super) challenge: Challenge,
    pub(super) keys: HashMap<KeyId, StoredKey>,
    pub(super) legacy: HashMap<Digest, StoredKey>,
}

impl KeyScheme {
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
        self.carriers.as_slice()
    }

    fn read<'h>(&self, head: &View<'h>) -> Presented<'h> {
        self.carriers.read(head)
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
