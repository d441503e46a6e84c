//! API keys: `[api_key.NAME]`.
//!
//! A key reads `pfx_<id>_<secret><checksum>`. The policy, or a database, holds its id and the
//! SHA-256 of the whole key, never the key itself; keys of another form, from an earlier system,
//! are found by their digest alone.

mod compile;
mod judge;
mod verify;

use crate::{
    api_key::ApiKeyEntry,
    config::{Mistakes, Section},
    fingerprint::{Content, slow},
    scheme::{BuildContext, Places, Scheme, SchemeConfig, SchemeKind, Store},
};
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

pub(crate) const KIND: SchemeKind = SchemeKind {
    section: "api_key",
    read: |name, section| Box::new(ApiKey::read(name, section)),
};

/// Authentication by API key.
///
/// ```
/// use palisade_core::{ApiKey, Policy, SystemEntropy, generate_key};
///
/// let made = generate_key("shop", &SystemEntropy)?;
/// // Show `made.reveal()` to its owner now: nothing else can ever show it again.
/// let partners = ApiKey::new("partners")
///     .prefix("shop")
///     .key(made.entry("service1").scopes(["items:read"]));
/// let policy = Policy::builder().scheme(partners);
/// # Ok::<(), palisade_core::SourceError>(())
/// ```
#[derive(Debug, Clone, Hash)]
#[non_exhaustive]
pub struct ApiKey {
    /// The scheme's name: `partners` in `[api_key.partners]`.
    pub name: String,
    /// Where clients send the key. Usually in the header `x-api-key`.
    pub places: Places,
    /// `prefix`: what keys of this scheme begin with, `[a-z][a-z0-9]{1,9}`. Default `pal`.
    pub prefix: String,
    /// `keep`: the handler may see the header or the cookie. Default false.
    pub keep: bool,
    /// `[[api_key.NAME.key]]`: the keys.
    pub keys: Vec<ApiKeyEntry>,
    /// `store`, `fresh`: where further keys are.
    pub store: Option<Store>,
    /// `cached_keys`: how many keys of the store are kept in memory. Default 100,000.
    pub cached_keys: usize,
}

impl ApiKey {
    /// The scheme `name`, without any key, in the header `x-api-key`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            places: Places::default(),
            prefix: "pal".to_owned(),
            keep: false,
            keys: Vec::new(),
            store: None,
            cached_keys: 100_000,
        }
    }

    /// Takes keys from `Authorization` with this scheme name.
    #[must_use]
    pub fn authorization(mut self, scheme_name: impl Into<String>) -> Self {
        self.places.authorization.push(scheme_name.into());
        self
    }

    /// Takes keys from this header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>) -> Self {
        self.places.header = Some(name.into());
        self
    }

    /// Takes keys from this query parameter.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>) -> Self {
        self.places.query = Some(name.into());
        self
    }

    /// Takes keys from this cookie.
    #[must_use]
    pub fn cookie(mut self, name: impl Into<String>) -> Self {
        self.places.cookie = Some(name.into());
        self
    }

    /// Takes keys from HTTP Basic, as the name with an empty password.
    #[must_use]
    pub fn basic(mut self, basic: bool) -> Self {
        self.places.basic = basic;
        self
    }

    /// Takes keys from `Sec-WebSocket-Protocol` of a handshake, behind this word and a dot.
    #[must_use]
    pub fn websocket_protocol(mut self, word: impl Into<String>) -> Self {
        self.places.websocket_protocol = Some(word.into());
        self
    }

    /// Says what keys begin with.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Lets the handler see the header or the cookie that carried the key.
    #[must_use]
    pub fn keep(mut self, keep: bool) -> Self {
        self.keep = keep;
        self
    }

    /// Adds a key.
    #[must_use]
    pub fn key(mut self, key: ApiKeyEntry) -> Self {
        self.keys.push(key);
        self
    }

    /// Looks keys up in a database, after those of the policy.
    #[must_use]
    pub fn store(mut self, store: Store) -> Self {
        self.store = Some(store);
        self
    }

    /// Says how many keys of the store are kept in memory.
    #[must_use]
    pub fn cached_keys(mut self, count: usize) -> Self {
        self.cached_keys = count;
        self
    }

    fn read(name: &str, section: &mut Section<'_, '_>) -> Self {
        let default = Self::new(name);
        Self {
            places: Places::read(section),
            prefix: section.optional_string("prefix").unwrap_or(default.prefix),
            keep: section.boolean("keep").unwrap_or(default.keep),
            keys: section.tables("key", ApiKeyEntry::read),
            store: Store::read(section),
            cached_keys: section
                .unsigned("cached_keys")
                .unwrap_or(default.cached_keys),
            name: default.name,
        }
    }
}

impl SchemeConfig for ApiKey {
    fn name(&self) -> &str {
        &self.name
    }

    fn fingerprint(&self, mut content: &mut dyn Hasher) {
        KIND.section.hash(&mut content);
        if self.keys.iter().all(|key| key.id.is_some()) {
            return self.hash(&mut content);
        }
        // A key of an earlier system may be short enough to be guessed.
        let mut own = Content::new();
        self.hash(&mut own);
        slow(own).hash(&mut content);
    }

    fn compile(
        &self,
        context: &BuildContext<'_>,
        mistakes: &mut Mistakes,
    ) -> Option<Arc<dyn Scheme>> {
        let scheme = compile::compile(self, context, mistakes)?;
        Some(Arc::new(scheme))
    }
}
