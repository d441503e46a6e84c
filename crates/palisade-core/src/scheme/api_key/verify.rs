//! Finds API keys in requests and judges them.

use super::judge::{self, Judge, rejected};
use crate::{
    api_key::{
        StoredKey,
        format::{self, Digest, KeyId},
    },
    cause::Cause,
    companion::{Answer, KeyStore},
    ports::{BoxFuture, SourceError},
    scheme::{Carrier, Carriers, Challenge, Credential, Occasion, Presented, Scheme, Verification},
    view::View,
};
use std::{collections::HashMap, fmt, sync::Arc};

/// The scheme, ready to verify.
pub(super) struct KeyScheme {
    pub(super) name: String,
    pub(super) prefix: Vec<u8>,
    pub(super) keep: bool,
    pub(super) carriers: Carriers,
    pub(super) challenge: Challenge,
    pub(super) keys: HashMap<KeyId, StoredKey>,
    pub(super) legacy: HashMap<Digest, StoredKey>,
    pub(super) judge: Arc<Judge>,
}

impl KeyScheme {
    fn judge(
        &self,
        credential: &Credential<'_>,
        unix_seconds: u64,
        occasion: Occasion,
    ) -> Verification {
        let presented = &*credential.bytes;
        match format::parse(presented, &self.prefix) {
            Ok(id) => self.judge_own(id, presented, unix_seconds, occasion),
            Err(fault) => self.judge_legacy(presented, fault, unix_seconds, occasion),
        }
    }

    /// A key with an id.
    fn judge_own(
        &self,
        id: KeyId,
        presented: &[u8],
        unix_seconds: u64,
        occasion: Occasion,
    ) -> Verification {
        let digest = format::digest(presented);
        let listed = self.keys.get(&id);
        if let (None, Some(store), Ok(id)) = (listed, &self.judge.store, std::str::from_utf8(&id)) {
            let answer = store.by_id(id);
            return self.judge.stored(answer, digest, unix_seconds, occasion);
        }
        match judge::same(listed, &digest) {
            Ok(key) => self.judge.listed(key, unix_seconds),
            Err(cause) => rejected(cause),
        }
    }

    /// A key of an earlier system has no id. Finding it by its digest tells by timing at most
    /// how the digest of a wrong key begins, which leads to no right one.
    fn judge_legacy(
        &self,
        presented: &[u8],
        fault: Cause,
        unix_seconds: u64,
        occasion: Occasion,
    ) -> Verification {
        let store = self.legacy_store();
        if self.legacy.is_empty() && store.is_none() {
            return rejected(fault);
        }
        let digest = format::digest(presented);
        match (self.legacy.get(&digest), store) {
            (Some(key), _) => self.judge.listed(key, unix_seconds),
            (None, Some(store)) => {
                let answer = store.by_digest(&digest);
                self.judge.stored(answer, digest, unix_seconds, occasion)
            }
            (None, None) => rejected(Cause::KeyUnknown),
        }
    }

    fn legacy_store(&self) -> Option<&dyn KeyStore> {
        let store = self.judge.store.as_deref();
        store.filter(|store| store.has_legacy_keys())
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

    fn read<'h>(&self, head: &View<'h>, place: usize) -> Presented<'h> {
        self.carriers.read(head, place)
    }

    fn recognises(&self, credential: &Credential<'_>) -> bool {
        if let Ok(_) | Err(Cause::KeyChecksum) = format::parse(&credential.bytes, &self.prefix) {
            return true;
        }
        let store = self.legacy_store();
        if self.legacy.is_empty() && store.is_none() {
            return false;
        }
        let digest = format::digest(&credential.bytes);
        // Who would have to be asked may know it.
        let may_know = |store: &dyn KeyStore| {
            let answer = store.by_digest(&digest);
            !matches!(answer, Answer::Known(None))
        };
        self.legacy.contains_key(&digest) || store.is_some_and(may_know)
    }

    fn verify(&self, credential: &Credential<'_>, unix_seconds: u64) -> Verification {
        self.judge(credential, unix_seconds, Occasion::Request)
    }

    fn rehearse(&self, credential: &Credential<'_>, unix_seconds: u64) -> Verification {
        self.judge(credential, unix_seconds, Occasion::Explanation)
    }

    fn shows_credential(&self) -> bool {
        self.keep
    }

    fn challenge(&self) -> Option<Challenge> {
        Some(self.challenge.clone())
    }

    fn ready(&self) -> Option<BoxFuture<Result<(), SourceError>>> {
        self.judge.store.as_ref().map(|store| store.ready())
    }
}

impl fmt::Debug for KeyScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyScheme")
            .field("name", &self.name)
            .field("carriers", &self.carriers)
            .field("keys", &(self.keys.len() + self.legacy.len()))
            .field("store", &self.judge.store)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
