//! Revocations in the memory of this process.

use super::{Revocable, Revocation, Revocations};
use crate::ports::{Clock, Entropy, SourceError, SystemClock, SystemEntropy};
use foldhash::fast::RandomState;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    hash::Hasher,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// How many expired entries one revocation clears away at most, so that none waits long: more than it adds.
const SWEPT_AT_ONCE: usize = 32;

/// How long an entry is kept beyond its end, in seconds: as far as a clock may be set back without being believed.
const GRACE: u64 = 300;

/// Revocations in the memory of this process: gone when it ends, and unknown to other nodes.
///
/// An entry holds for five minutes longer than it is asked to, should the clock be set back. It takes about 100 bytes and
/// names nobody, because only a keyed hash of what it names is kept. As long as nothing is revoked, a request pays for the
/// reading of one number.
///
/// ```
/// use palisade_core::{MemoryRevocations, Policy};
/// use std::sync::Arc;
///
/// let revocations = Arc::new(MemoryRevocations::new()?);
/// let policy = Policy::builder().with_revocations(revocations.clone());
///
/// // A token that was stolen: its `jti`, and its `exp` plus the leeway of the policy.
/// revocations.revoke_token("https://id.example.com", "a8a1…", 1_800_000_060)?;
/// // Alice lost her telephone: whatever she got until now, for as long as the longest-lived token among it.
/// let now = 1_799_996_400;
/// revocations.revoke_subject("https://id.example.com", "alice", now + 1, now + 3_660)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MemoryRevocations {
    max_entries: usize,
    clock: Arc<dyn Clock>,
    hasher: SipHasher13,
    /// How many entries there are, so that an empty list needs no lock.
    count: AtomicUsize,
    entries: RwLock<Entries>,
}

impl MemoryRevocations {
    /// An empty list for at most 100,000 entries.
    ///
    /// # Errors
    /// The system gives no randomness for the secret of the hash.
    pub fn new() -> Result<Self, SourceError> {
        Self::with(100_000, Arc::new(SystemClock::default()), &SystemEntropy)
    }

    /// An empty list for at most `max_entries`, which takes time and randomness from elsewhere.
    ///
    /// # Errors
    /// `entropy` gives nothing.
    pub fn with(
        max_entries: usize,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
    ) -> Result<Self, SourceError> {
        let mut secret = [0; 16];
        entropy.fill(&mut secret)?;
        Ok(Self {
            max_entries,
            clock,
            hasher: SipHasher13::new_with_key(&secret),
            count: AtomicUsize::new(0),
            entries: RwLock::default(),
        })
    }

    /// Takes back one token of `issuer` by its `jti` (RFC 7519 §4.1.7).
    ///
    /// `until`, in Unix seconds, is when the token would have ended: its `exp` plus the leeway of the policy. An entry
    /// that ends sooner lets the token in again.
    ///
    /// # Errors
    /// There are as many entries as there may be: the token is **not** revoked.
    pub fn revoke_token(&self, issuer: &str, jti: &str, until: u64) -> Result<(), RevocationsFull> {
        self.revoke(self.token(issuer, jti), Entry::of_all(until))
    }

    /// Takes back everything that `issuer` gave to `subject` before `issued_before`, in Unix seconds; a credential
    /// that does not say when it was issued counts as issued before.
    ///
    /// Tokens tell the second they were issued in: to take back all there are now, give the next second. `until` is
    /// when the last of them would have ended: now plus the longest lifetime of a token plus the leeway. An API key
    /// has no date either, so its owner's are refused until then; their issuer is `palisade:api_key/NAME`.
    ///
    /// # Errors
    /// There are as many entries as there may be: nothing is revoked.
    pub fn revoke_subject(
        &self,
        issuer: &str,
        subject: &str,
        issued_before: u64,
        until: u64,
    ) -> Result<(), RevocationsFull> {
        let entry = Entry {
            issued_before,
            until,
        };
        self.revoke(self.subject(issuer, subject), entry)
    }

    /// Takes back the API key of this id, for good.
    ///
    /// # Errors
    /// There are as many entries as there may be: the key is **not** revoked.
    pub fn revoke_key(&self, id: &str) -> Result<(), RevocationsFull> {
        self.revoke(self.key(id), Entry::of_all(u64::MAX))
    }

    /// How many entries there are, expired ones that were not cleared away yet included.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn revoke(&self, name: Name, entry: Entry) -> Result<(), RevocationsFull> {
        let now = self.clock.unix_millis() / 1000;
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.sweep(now.saturating_sub(GRACE));
        let added = entries.add(name, entry, self.max_entries);
        self.count.store(entries.named.len(), Ordering::Release);
        added
    }

    fn token(&self, issuer: &str, jti: &str) -> Name {
        self.name(b't', issuer, jti)
    }

    fn subject(&self, issuer: &str, subject: &str) -> Name {
        self.name(b's', issuer, subject)
    }

    fn key(&self, id: &str) -> Name {
        self.name(b'k', "", id)
    }

    fn name(&self, kind: u8, issuer: &str, rest: &str) -> Name {
        let mut hasher = self.hasher;
        hasher.write_u8(kind);
        hasher.write_usize(issuer.len());
        hasher.write(issuer.as_bytes());
        hasher.write(rest.as_bytes());
        hasher.finish128().as_u128()
    }
}

impl Revocations for MemoryRevocations {
    fn check(&self, credential: &Revocable<'_>) -> Revocation {
        if self.is_empty() {
            return Revocation::Known(false);
        }
        let Revocable {
            issuer, subject, ..
        } = *credential;
        let names = [
            credential.token_id.map(|jti| self.token(issuer, jti)),
            Some(self.subject(issuer, subject)),
            credential.key_id.map(|id| self.key(id)),
        ];
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let mut known = names
            .iter()
            .flatten()
            .filter_map(|name| entries.named.get(name));
        let now = || self.clock.unix_millis() / 1000;
        Revocation::Known(known.any(|entry| entry.covers(credential.issued_at, now)))
    }
}

impl fmt::Debug for MemoryRevocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRevocations")
            .field("entries", &self.len())
            .field("max_entries", &self.max_entries)
            .finish_non_exhaustive()
    }
}

/// The list is full, so nothing was added to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "nothing was revoked: there are {max_entries} revocations already, and that is the bound of the list"
)]
pub struct RevocationsFull {
    max_entries: usize,
}

/// A keyed hash of what is revoked, so that memory holds no names and nobody outside can find two that collide.
type Name = u128;

/// What of a name is revoked, and how long that matters.
#[derive(Clone, Copy)]
struct Entry {
    issued_before: u64,
    until: u64,
}

impl Entry {
    /// Whenever it was issued.
    fn of_all(until: u64) -> Self {
        Self {
            issued_before: u64::MAX,
            until,
        }
    }

    fn covers(&self, issued_at: Option<u64>, now: impl FnOnce() -> u64) -> bool {
        issued_at.is_none_or(|issued_at| issued_at < self.issued_before) && now() < self.end()
    }

    /// When it may go, and no longer holds whether or not it is gone.
    fn end(&self) -> u64 {
        self.until.saturating_add(GRACE)
    }
}

#[derive(Default)]
struct Entries {
    named: HashMap<Name, Entry, RandomState>,
    by_end: BTreeSet<(u64, Name)>,
}

impl Entries {
    /// Adds an entry, or widens the one there is: no revocation undoes another.
    fn add(&mut self, name: Name, entry: Entry, most: usize) -> Result<(), RevocationsFull> {
        let room = self.named.len() < most;
        let known = match self.named.get_mut(&name) {
            Some(known) => known,
            None if room => self.named.entry(name).or_insert(entry),
            None => return Err(RevocationsFull { max_entries: most }),
        };
        self.by_end.remove(&(known.until, name));
        known.issued_before = known.issued_before.max(entry.issued_before);
        known.until = known.until.max(entry.until);
        self.by_end.insert((known.until, name));
        Ok(())
    }

    /// Clears some of the entries away that ended by `now`.
    fn sweep(&mut self, now: u64) {
        for _ in 0..SWEPT_AT_ONCE {
            match self.by_end.first() {
                Some(&(until, name)) if until <= now => {
                    self.by_end.pop_first();
                    self.named.remove(&name);
                }
                _ => break,
            }
        }
    }
}

#[cfg(test)]
mod tests;
