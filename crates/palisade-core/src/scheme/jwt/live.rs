//! Keys that a companion keeps fresh, and the verifier that belongs to them.

use crate::{
    companion::KeyFeed,
    jwt::{CachedVerifier, TokenCaching, TokenRules, TokenVerifier},
    ports::{BoxFuture, SourceError},
};
use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// A verifier whose keys change while it is used.
#[derive(Debug)]
pub(super) struct LiveVerifier {
    rules: Arc<TokenRules>,
    feed: Arc<dyn KeyFeed>,
    /// The verifier of the keys that were asked for last. What it remembers holds for these keys alone, so others get
    /// another.
    current: ArcSwapOption<CachedVerifier>,
    caching: TokenCaching,
}

impl LiveVerifier {
    pub(super) fn new(
        rules: Arc<TokenRules>,
        feed: Arc<dyn KeyFeed>,
        caching: TokenCaching,
    ) -> Self {
        Self {
            rules,
            feed,
            current: ArcSwapOption::empty(),
            caching,
        }
    }

    /// Asks the verifier of the keys that hold now.
    ///
    /// # Errors
    /// There are no keys, or only such as are too old to be trusted.
    pub(super) fn ask<T>(&self, ask: impl FnOnce(&CachedVerifier) -> T) -> Result<T, SourceError> {
        let keys = self.feed.keys()?;
        if let Some(current) = &*self.current.load()
            && current.verifier().has(&keys)
        {
            return Ok(ask(current));
        }
        let verifier = TokenVerifier::new(Arc::clone(&self.rules), keys);
        let verifier = Arc::new(self.caching.of(verifier));
        self.current.store(Some(Arc::clone(&verifier)));
        Ok(ask(&verifier))
    }

    pub(super) fn renew(&self) -> Option<BoxFuture<()>> {
        self.feed.renew()
    }

    pub(super) fn ready(&self) -> BoxFuture<Result<(), SourceError>> {
        self.feed.ready()
    }
}
