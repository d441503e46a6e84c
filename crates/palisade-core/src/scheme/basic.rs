//! HTTP Basic (RFC 7617) for service accounts: `[basic.NAME]`.
//!
//! Browsers remember a name and a password and send them by themselves, so they count as
//! ambient: other sites cannot use them, and an explicit credential comes before them.

mod compile;
mod credentials;
mod remembered;
mod verify;

use crate::{
    config::{Mistakes, Section},
    scheme::BuildContext,
    scheme::{Scheme, SchemeConfig, SchemeKind, Store},
};
use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

pub(crate) const KIND: SchemeKind = SchemeKind {
    section: "basic",
    read: |name, section| Box::new(Basic::read(name, section)),
};

/// Authentication by name and password.
///
/// ```
/// use palisade_core::{Basic, BasicAccount, Policy, SystemEntropy, password};
///
/// let hash = password::hash("correct horse", password::Cost::default(), &SystemEntropy)?;
/// let services = Basic::new("services")
///     .account(BasicAccount::new("backup", hash).scopes(["read"]));
/// let policy = Policy::builder().scheme(services);
/// # Ok::<(), palisade_core::SourceError>(())
/// ```
#[derive(Debug, Clone, Hash)]
#[non_exhaustive]
pub struct Basic {
    /// The scheme's name: `services` in `[basic.services]`.
    pub name: String,
    /// `[[basic.NAME.account]]`: the accounts.
    pub accounts: Vec<BasicAccount>,
    /// `store`, `fresh`: where further accounts are.
    pub store: Option<Store>,
}

/// One account, as a policy knows it. Its `Debug` does not show the hash: a weak password could
/// be guessed from it.
#[derive(Clone, Hash)]
#[non_exhaustive]
pub struct BasicAccount {
    /// `name`: the user-id of RFC 7617, without a colon; the subject of the principal.
    pub name: String,
    /// `password_hash`: a PHC string.
    pub password_hash: String,
    /// `scopes` of the principal.
    pub scopes: Vec<String>,
    /// `roles` of the principal.
    pub roles: Vec<String>,
    /// `tenant` of the principal.
    pub tenant: Option<String>,
    /// `active`. Default true.
    pub active: bool,
}

impl Basic {
    /// The scheme `name`, without any account.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            accounts: Vec::new(),
            store: None,
        }
    }

    /// Adds an account.
    #[must_use]
    pub fn account(mut self, account: BasicAccount) -> Self {
        self.accounts.push(account);
        self
    }

    /// Looks accounts up in a database, after those of the policy.
    #[must_use]
    pub fn store(mut self, store: Store) -> Self {
        self.store = Some(store);
        self
    }

    fn read(name: &str, section: &mut Section<'_, '_>) -> Self {
        Self {
            name: name.to_owned(),
            accounts: section.tables("account", BasicAccount::read),
            store: Store::read(section),
        }
    }
}

impl BasicAccount {
    /// The account `name`, whose password has this hash.
    pub fn new(name: impl Into<String>, password_hash: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            password_hash: password_hash.into(),
            scopes: Vec::new(),
            roles: Vec::new(),
            tenant: None,
            active: true,
        }
    }

    /// Gives it scopes.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Gives it roles.
    #[must_use]
    pub fn roles<R: Into<String>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Says which tenant it belongs to.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Says whether it may be used.
    #[must_use]
    pub fn active(mut self, active: bool) -> Self {
        self.active = active;
        self
    }

    fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            name: section.string("name").unwrap_or_default(),
            password_hash: section.string("password_hash").unwrap_or_default(),
            scopes: section.strings("scopes").unwrap_or_default(),
            roles: section.strings("roles").unwrap_or_default(),
            tenant: section.optional_string("tenant"),
            active: section.boolean("active").unwrap_or(true),
        }
    }
}

impl fmt::Debug for BasicAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicAccount")
            .field("name", &self.name)
            .field("scopes", &self.scopes)
            .field("roles", &self.roles)
            .field("tenant", &self.tenant)
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}

impl SchemeConfig for Basic {
    fn name(&self) -> &str {
        &self.name
    }

    fn fingerprint(&self, mut content: &mut dyn Hasher) {
        KIND.section.hash(&mut content);
        self.hash(&mut content);
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
