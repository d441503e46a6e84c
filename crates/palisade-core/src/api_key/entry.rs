//! A key as a policy or a database knows it.

use crate::config::Section;
use std::fmt;

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

    pub(crate) fn read(section: &mut Section<'_, '_>) -> Self {
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
