//! Passwords that were verified a moment ago.
//!
//! A client sends its password with every request; hashing it each time would cost tens of
//! milliseconds. What is kept is a keyed hash that leads back to no password without the secret
//! of this process, and that no longer fits once the account has another password.

use super::credentials::Credentials;
use crate::ports::{Clock, Entropy, SourceError};
use aws_lc_rs::hmac;
use quick_cache::sync::Cache;
use std::{fmt, sync::Arc};

/// How many are kept.
const CAPACITY: usize = 10_000;

/// How long.
const NANOS: u64 = 60_000_000_000;

/// What stands for a name, a password and a stored hash together.
pub(super) type Tag = [u8; 32];

pub(super) struct Remembered {
    key: hmac::Key,
    clock: Arc<dyn Clock>,
    /// Until when, on the monotonic clock.
    until: Cache<Tag, u64>,
}

impl Remembered {
    pub(super) fn new(clock: Arc<dyn Clock>, entropy: &dyn Entropy) -> Result<Self, SourceError> {
        let mut secret = zeroize::Zeroizing::new([0; 32]);
        entropy.fill(secret.as_mut_slice())?;
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_slice()),
            clock,
            until: Cache::new(CAPACITY),
        })
    }

    pub(super) fn tag(&self, presented: &Credentials, hash: &str) -> Tag {
        let mut context = hmac::Context::with_key(&self.key);
        // Neither a name nor a stored hash holds a NUL, so no two triples make one text.
        for part in [presented.name(), hash, presented.password()] {
            context.update(part.as_bytes());
            context.update(b"\0");
        }
        let mut tag = Tag::default();
        for (own, byte) in tag.iter_mut().zip(context.sign().as_ref()) {
            *own = *byte;
        }
        tag
    }

    pub(super) fn knows(&self, tag: &Tag) -> bool {
        let now = self.clock.monotonic_nanos();
        self.until.get(tag).is_some_and(|until| now < until)
    }

    pub(super) fn add(&self, tag: Tag) {
        let until = self.clock.monotonic_nanos().saturating_add(NANOS);
        self.until.insert(tag, until);
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered")
            .field("count", &self.until.len())
            .finish_non_exhaustive()
    }
}
