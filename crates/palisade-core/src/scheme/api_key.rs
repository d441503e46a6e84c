//! API keys: `[api_key.NAME]`.
//!
//! A key reads `pfx_<id>_<secret><checksum>`. The policy, or a database, holds its id and the
//! SHA-256 of the whole key, never the key itself; keys of another form, from an earlier system,
//! are found by their digest alone.

mod compile;
mod format;
mod judge;
mod stored;
mod verify;

pub use format::{GeneratedKey, generate_key};
pub use stored::StoredKey;

use crate::{
    config::{Mistakes, Section},
    policy::{
        BuildContext,
        fingerprint::{Content, slow},
    },
    scheme::{Places, Scheme, SchemeConfig, SchemeKind, Store},
};
use std::{
    fmt,
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

/// One API key, as a policy knows it. Its `Debug` does not show the digest: a short key of an
/// earlier system could be guessed from it.
#[derive(Clone, Hash)]
#[non_exhaustive]
pub struct ApiKeyEntry {
    /// `id`: 16 letters and digits. `None` for a key of an earlier system.
    pub id: Option<String>,
    /// `digest`: `sha256:` and the SHA-256 of the whole key in 64 hex digits.
    pub digest: String,
    /// `owner`: the subject of the principal.
    pub owner: String,
    /// `scopes` of the principal.
    pub scopes: Vec<String>,
    /// `roles` of the principal.
    pub roles: Vec<String>,
    /// `tenant` of the principal.
    pub tenant: Option<String>,
    /// `expires`: seconds since 1970-01-01T00:00:00Z from which the key is refused.
    pub expires: Option<u64>,
    /// `active`. Default true.
    pub active: bool,
    /// `quota`: what the key may do beside the limits of the policy, such as `10/second; 1000/day`; at most four.
    pub quota: Option<String>,
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

impl ApiKeyEntry {
    /// The key with this digest (`sha256:` and 64 hex digits of the whole key), which speaks for
    /// `owner`.
    pub fn new(owner: impl Into<String>, digest: impl Into<String>) -> Self {
        Self {
            id: None,
            digest: digest.into(),
            owner: owner.into(),
            scopes: Vec::new(),
            roles: Vec::new(),
            tenant: None,
            expires: None,
            active: true,
            quota: None,
        }
    }

    /// Gives the key its id: the part between the underscores.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Gives its owner scopes.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Gives its owner roles.
    #[must_use]
    pub fn roles<R: Into<String>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Says which tenant its owner belongs to.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Says when it ends, in seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn expires(mut self, unix_seconds: u64) -> Self {
        self.expires = Some(unix_seconds);
        self
    }

    /// Says whether it may be used.
    #[must_use]
    pub fn active(mut self, active: bool) -> Self {
        self.active = active;
        self
    }

    /// Gives it a quota of its own, such as `10/second; 1000/day`.
    #[must_use]
    pub fn quota(mut self, quota: impl Into<String>) -> Self {
        self.quota = Some(quota.into());
        self
    }

    fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            id: section.optional_string("id"),
            digest: section.string("digest").unwrap_or_default(),
            owner: section.string("owner").unwrap_or_default(),
            scopes: section.strings("scopes").unwrap_or_default(),
            roles: section.strings("roles").unwrap_or_default(),
            tenant: section.optional_string("tenant"),
            expires: section.datetime("expires"),
            active: section.boolean("active").unwrap_or(true),
            quota: section.optional_string("quota"),
        }
    }
}

impl fmt::Debug for ApiKeyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyEntry")
            .field("id", &self.id)
            .field("owner", &self.owner)
            .field("scopes", &self.scopes)
            .field("roles", &self.roles)
            .field("tenant", &self.tenant)
            .field("expires", &self.expires)
            .field("active", &self.active)
            .field("quota", &self.quota)
            .finish_non_exhaustive()
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
