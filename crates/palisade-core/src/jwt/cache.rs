//! Verified tokens, remembered: a signature is paid for once a token, not once a request.
//!
//! A cache belongs to one [`TokenVerifier`], hence to one set of keys and one policy: where these change, another
//! verifier begins with an empty cache. What it remembers is good for as long as a full verification would say so.

use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher},
    sync::Arc,
};

use metrics::Counter;
use quick_cache::{Equivalent, Weighter, sync::Cache};
use siphasher::sip::SipHasher13;

use super::{error::TokenError, token::VerifiedToken, verify::TokenVerifier};
use crate::ports::{Entropy, SourceError};

/// What each token of the bound may weigh, in bytes: with its claims and what belongs to them, a usual one weighs half
/// of it. So 10,000 tokens are at most 40 MiB, and fewer are kept where they are larger.
const BYTES_PER_TOKEN: u64 = 4096;

/// What an entry takes beside token and claims: its place in the table and two counters of owners.
const BYTES_PER_ENTRY: usize = 128;

/// How much of a token is hashed, from its end.
const TAIL: usize = 64;

/// How the tokens of one scheme are remembered.
#[derive(Clone)]
pub(crate) struct TokenCaching {
    max_tokens: usize,
    tails: Tails,
    hits: Counter,
    misses: Counter,
}

impl TokenCaching {
    /// At most `max_tokens` of the scheme; 0 remembers none.
    ///
    /// # Errors
    /// There is no randomness for the secret of its hash.
    pub(crate) fn new(
        scheme: &str,
        max_tokens: usize,
        entropy: &dyn Entropy,
    ) -> Result<Self, SourceError> {
        metrics::describe_counter!(HITS, "tokens that had been verified before");
        metrics::describe_counter!(MISSES, "tokens that were verified in full");
        let mut secret = [0; 16];
        entropy.fill(&mut secret)?;
        let scheme = scheme.to_owned();
        Ok(Self {
            max_tokens,
            tails: Tails(SipHasher13::new_with_key(&secret)),
            hits: metrics::counter!(HITS, "scheme" => scheme.clone()),
            misses: metrics::counter!(MISSES, "scheme" => scheme),
        })
    }

    /// Gives a verifier an empty cache.
    pub(crate) fn of(&self, verifier: TokenVerifier) -> CachedVerifier {
        let most = self.max_tokens as u64;
        let tokens = (most > 0).then(|| {
            let (weigher, tails) = (Weigher, self.tails.clone());
            let bytes = most.saturating_mul(BYTES_PER_TOKEN);
            Cache::with(self.max_tokens, bytes, weigher, tails, Default::default())
        });
        CachedVerifier {
            verifier,
            tokens,
            caching: self.clone(),
        }
    }
}

const HITS: &str = "palisade_token_cache_hits_total";
const MISSES: &str = "palisade_token_cache_misses_total";

impl fmt::Debug for TokenCaching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCaching")
            .field("max_tokens", &self.max_tokens)
            .finish_non_exhaustive()
    }
}

/// A verifier that remembers which tokens it found good.
pub(crate) struct CachedVerifier {
    verifier: TokenVerifier,
    tokens: Option<Cache<Token, Remembered, Weigher, Tails>>,
    caching: TokenCaching,
}

impl CachedVerifier {
    /// The verifier itself.
    pub(crate) fn verifier(&self) -> &TokenVerifier {
        &self.verifier
    }

    /// What [`TokenVerifier::verify`] says of the token at the time `now`.
    ///
    /// # Errors
    /// The first check that failed; nothing is remembered of such a token.
    pub(crate) fn verify(&self, token: &[u8], now: u64) -> Result<Arc<VerifiedToken>, TokenError> {
        let Some(tokens) = &self.tokens else {
            return self.verifier.verify(token, now).map(Arc::new);
        };
        if let Some(known) = tokens.get(&Presented(token)) {
            if known.is_good_at(now) {
                self.caching.hits.increment(1);
                return Ok(known.token);
            }
            tokens.remove(&Presented(token));
        }
        self.caching.misses.increment(1);
        let verified = Arc::new(self.verifier.verify(token, now)?);
        let remembered = Remembered {
            since: now,
            until: verified
                .expires_at()
                .saturating_add(self.verifier.leeway_seconds()),
            token: Arc::clone(&verified),
        };
        tokens.insert(Token(token.into()), remembered);
        Ok(verified)
    }

    /// How many tokens are remembered, and what they weigh.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, u64) {
        let tokens = self.tokens.as_ref();
        tokens.map_or((0, 0), |tokens| (tokens.len(), tokens.weight()))
    }
}

impl fmt::Debug for CachedVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedVerifier")
            .field("verifier", &self.verifier)
            .field("caching", &self.caching)
            .finish_non_exhaustive()
    }
}

/// A good token, and when it is good.
#[derive(Clone)]
struct Remembered {
    token: Arc<VerifiedToken>,
    since: u64,
    until: u64,
}

impl Remembered {
    /// Only `exp` ends what began with a good verification; `nbf` and `iat` are of the past from then on (RFC 7519
    /// §4.1.4 to §4.1.6). On a clock that was set back they may lie ahead again.
    fn is_good_at(&self, now: u64) -> bool {
        (self.since..self.until).contains(&now)
    }
}

/// A token as it is kept.
struct Token(Box<[u8]>);

/// A token as it comes.
struct Presented<'t>(&'t [u8]);

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Presented(&self.0).hash(state);
    }
}

/// The end of a token is its signature, which differs from token to token. Nobody without a key can add a token with a
/// given end to the cache, and two with the same end are still told apart, because they are compared as a whole.
impl Hash for Presented<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let tail = self.0.last_chunk::<TAIL>();
        state.write(tail.map_or(self.0, |tail| tail));
        state.write_usize(self.0.len());
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Token {}

/// No secret is guessed byte by byte here: what is compared differs only in front of a signature that is the same.
impl Equivalent<Token> for Presented<'_> {
    fn equivalent(&self, token: &Token) -> bool {
        *self.0 == *token.0
    }
}

/// Hashes tails under a secret of this process, so that nobody outside can find tokens that share a place.
#[derive(Clone)]
struct Tails(SipHasher13);

impl BuildHasher for Tails {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        self.0
    }
}

/// Weighs an entry in bytes. None weighs less than its part of the whole, which bounds their number too.
#[derive(Clone)]
struct Weigher;

impl Weighter<Token, Remembered> for Weigher {
    fn weight(&self, token: &Token, remembered: &Remembered) -> u64 {
        let bytes = token.0.len() + remembered.token.memory() + BYTES_PER_ENTRY;
        (bytes as u64).max(BYTES_PER_TOKEN)
    }
}
