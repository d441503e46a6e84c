//! What becomes of a key that was found, or is still being looked for.

use crate::{
    api_key::{StoredKey, format::Digest},
    cause::Cause,
    companion::{Answer, KeyStore},
    ports::Clock,
    revocation::Revocations,
    scheme::{Occasion, Outcome, Rejected, Verification, unless_revoked},
};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// What an unknown key is compared with, so that it costs the same as a known one. No text has
/// this SHA-256 as far as anybody knows, and a match would admit nobody.
const NOBODY: Digest = [0; 32];

/// An answer of the store.
type StoreAnswer = Answer<Option<Arc<StoredKey>>>;

/// What keys are judged with; shared with judgements that wait for an answer.
pub(super) struct Judge {
    pub(super) store: Option<Arc<dyn KeyStore>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) revocations: Option<Arc<dyn Revocations>>,
}

impl Judge {
    /// Judges a key that the policy lists.
    pub(super) fn listed(&self, key: &StoredKey, unix_seconds: u64) -> Verification {
        self.judge(key, unix_seconds, None)
    }

    /// Judges the key that the store finds, now or later; `digest` is that of the presented key.
    pub(super) fn stored(
        self: &Arc<Self>,
        answer: StoreAnswer,
        digest: Digest,
        unix_seconds: u64,
        occasion: Occasion,
    ) -> Verification {
        let answer = match answer {
            Answer::Known(found) => {
                return self.found(found.as_deref(), &digest, unix_seconds, occasion);
            }
            Answer::Ask(answer) => answer,
        };
        let judge = Arc::clone(self);
        Verification::Remote(Box::pin(async move {
            let found = match answer.await {
                Ok(found) => found,
                Err(source) => return Outcome::Unavailable(source),
            };
            // The answer may have taken long enough for the key to end.
            let now = unix_seconds.max(judge.clock.unix_millis() / 1000);
            match judge.found(found.as_deref(), &digest, now, occasion) {
                Verification::Done(outcome) => outcome,
                Verification::Remote(outcome) => outcome.await,
            }
        }))
    }

    fn found(
        &self,
        found: Option<&StoredKey>,
        digest: &Digest,
        unix_seconds: u64,
        occasion: Occasion,
    ) -> Verification {
        let store = match occasion {
            Occasion::Request => self.store.as_ref(),
            Occasion::Explanation => None,
        };
        match same(found, digest) {
            Ok(key) => self.judge(key, unix_seconds, store),
            Err(cause) => rejected(cause),
        }
    }

    /// `store` is told that the key was used.
    fn judge(
        &self,
        key: &StoredKey,
        unix_seconds: u64,
        store: Option<&Arc<dyn KeyStore>>,
    ) -> Verification {
        if let Some(cause) = key.refused(unix_seconds) {
            return rejected(cause);
        }
        let verified = Outcome::Verified(key.principal().clone());
        match (unless_revoked(self.revocations.as_deref(), verified), store) {
            (judged, None) => judged,
            (Verification::Done(outcome), Some(store)) => {
                Verification::Done(noted(outcome, key, unix_seconds, store))
            }
            (Verification::Remote(outcome), Some(store)) => {
                let (key, store) = (key.clone(), Arc::clone(store));
                Verification::Remote(Box::pin(async move {
                    noted(outcome.await, &key, unix_seconds, &store)
                }))
            }
        }
    }
}

/// Tells the store of a key that was good for something.
fn noted(
    outcome: Outcome,
    key: &StoredKey,
    unix_seconds: u64,
    store: &Arc<dyn KeyStore>,
) -> Outcome {
    if let Outcome::Verified(_) = outcome {
        store.used(key, unix_seconds);
    }
    outcome
}

/// The key that was found, if it is the one that was presented; else the word for the audit.
pub(super) fn same<'k>(
    found: Option<&'k StoredKey>,
    digest: &Digest,
) -> Result<&'k StoredKey, Cause> {
    let expected = found.map_or(&NOBODY, StoredKey::digest);
    let same = bool::from(expected.ct_eq(digest));
    match found {
        Some(key) if same => Ok(key),
        Some(_) => Err(Cause::KeyMismatch),
        None => Err(Cause::KeyUnknown),
    }
}

pub(super) fn rejected(cause: Cause) -> Verification {
    Verification::Done(Outcome::Rejected(Rejected {
        cause: cause.as_str(),
        hint: None,
        claim: None,
    }))
}

#[cfg(test)]
mod tests;
