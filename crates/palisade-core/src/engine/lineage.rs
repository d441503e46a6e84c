//! What goes on when a policy is replaced by a new version of itself.

use super::clock::SteadyClock;
use crate::{
    config::Mistakes,
    limit::KeyHasher,
    methods::{MethodId, Methods},
    outage::Outage,
    ports::Entropy,
};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::{
    collections::HashSet,
    fmt,
    hash::Hasher,
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// So many unlisted paths are worth a warning: enough to find a forgotten rule, too few to fill
/// a log or the memory.
const MOST_WARNINGS: usize = 64;

/// All versions of one policy, from the first build to the last reload.
#[derive(Debug)]
pub(crate) struct Lineage {
    pub(crate) ids: Ids,
    pub(super) clock: SteadyClock,
    /// Hashes what limits count by, so that their memory outlives a version.
    pub(super) limit_keys: KeyHasher,
    /// Whether the log says already that the server tells no peer addresses.
    pub(super) told_peer_missing: Once,
    /// Of the source of randomness.
    pub(super) entropy: Outage,
    warned: Mutex<HashSet<Box<str>>>,
    warned_uncertain: Mutex<HashSet<Box<str>>>,
}

impl Lineage {
    /// A new one, whose hashes are keyed with secrets of its own.
    pub(super) fn new(entropy: &dyn Entropy, mistakes: &mut Mistakes) -> Self {
        let (mut ids, mut limit_keys) = ([0; 16], [0; 16]);
        let drawn = entropy
            .fill(&mut ids)
            .and_then(|()| entropy.fill(&mut limit_keys));
        if let Err(source) = drawn {
            mistakes.add("", source.to_string());
        }
        Self {
            ids: Ids::new(&ids),
            clock: SteadyClock::default(),
            limit_keys: KeyHasher::new(&limit_keys),
            told_peer_missing: Once::new(),
            entropy: Outage::default(),
            warned: Mutex::default(),
            warned_uncertain: Mutex::default(),
        }
    }

    /// Tells the author of a policy once which rule would open a path.
    pub(super) fn warn_unlisted(&self, path: &str, method: Option<MethodId>, methods: &Methods) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() >= MOST_WARNINGS || path.len() > 256 || !warned.insert(path.into()) {
            return;
        }
        let method = method.map_or("GET", |id| methods.name(id));
        tracing::warn!(
            target: "palisade",
            "no rule lists {path}; to open it, add a [[rule]] with path = {path:?}, \
             methods = [{method:?}], require = \"authenticated\""
        );
    }
}

impl Lineage {
    /// Says once what needs looking after, as that rule and route may not agree; `about` names it, without what a client
    /// chooses.
    pub(super) fn tell_once(&self, about: &str, what: &str) {
        let mut warned = self
            .warned_uncertain
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if warned.len() < MOST_WARNINGS && warned.insert(about.into()) {
            tracing::error!(target: "palisade", "{what}");
        }
    }
}

/// Draws request ids and pseudonyms: a keyed hash of a counter under a secret of this process,
/// because asking the system for randomness on every request costs more than a whole stage.
pub(crate) struct Ids {
    hasher: SipHasher13,
    next: AtomicU64,
}

impl Ids {
    fn new(secret: &[u8; 16]) -> Self {
        Self {
            hasher: SipHasher13::new_with_key(secret),
            next: AtomicU64::new(0),
        }
    }

    pub(crate) fn draw(&self) -> [u8; 16] {
        let mut hasher = self.hasher;
        hasher.write_u64(self.next.fetch_add(1, Ordering::Relaxed));
        hasher.finish128().as_bytes()
    }

    /// The same short name for the same text, until the process ends.
    pub(crate) fn pseudonym(&self, text: &str) -> String {
        let mut hasher = self.hasher;
        // Longer than a counter, so that no pseudonym is ever a request id.
        hasher.write(b"pseudonym");
        hasher.write(text.as_bytes());
        format!("{:016x}", hasher.finish128().h1)
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ids")
    }
}
