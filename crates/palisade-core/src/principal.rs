//! Who is calling.

use std::{fmt, sync::Arc};

/// Whether a principal is a person or a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// A person, through some client.
    User,
    /// A program acting for itself (RFC 6749 §4.4).
    Client,
}

/// The authenticated caller, known by issuer and subject together (RFC 7519 §4.1.2: a subject
/// is unique only within its issuer). Cloning one copies no text.
///
/// Made by a [`Scheme`](crate::scheme::Scheme); handlers get it from the adapter's `Principal`
/// extractor.
///
/// ```
/// use palisade_core::{Principal, PrincipalKind};
///
/// let caller = Principal::new("https://id.example.com", "alice")
///     .kind(PrincipalKind::User)
///     .scopes(["items:read", "items:write"]);
/// assert!(caller.has_scope("items:read"));
/// assert!(!caller.has_scope("items"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Principal {
    issuer: Arc<str>,
    subject: Arc<str>,
    kind: PrincipalKind,
    tenant: Option<Arc<str>>,
    scopes: Names,
    roles: Names,
    permissions: Names,
}

impl Principal {
    /// The user `subject` of `issuer`, without scopes, roles or permissions.
    pub fn new(issuer: impl Into<Arc<str>>, subject: impl Into<Arc<str>>) -> Self {
        Self {
            issuer: issuer.into(),
            subject: subject.into(),
            kind: PrincipalKind::User,
            tenant: None,
            scopes: Names::default(),
            roles: Names::default(),
            permissions: Names::default(),
        }
    }

    /// Says whether this is a person or a program.
    #[must_use]
    pub fn kind(mut self, kind: PrincipalKind) -> Self {
        self.kind = kind;
        self
    }

    /// Says which tenant the caller belongs to.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<Arc<str>>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Gives the caller these scopes (RFC 6749 §3.3: case-sensitive, without spaces).
    #[must_use]
    pub fn scopes<S: AsRef<str>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().collect();
        self
    }

    /// Gives the caller these roles.
    #[must_use]
    pub fn roles<S: AsRef<str>>(mut self, roles: impl IntoIterator<Item = S>) -> Self {
        self.roles = roles.into_iter().collect();
        self
    }

    /// Gives the caller these permissions, beside those of its roles.
    #[must_use]
    pub fn permissions<S: AsRef<str>>(mut self, permissions: impl IntoIterator<Item = S>) -> Self {
        self.permissions = permissions.into_iter().collect();
        self
    }

    /// Who vouches for the caller: the `iss` of a token, or the name of a local scheme.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Who the caller is, as the issuer names it.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whether the caller is a person or a program.
    pub fn principal_kind(&self) -> PrincipalKind {
        self.kind
    }

    /// The caller's tenant, where the issuer names one.
    pub fn tenant_name(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// Whether the caller has the scope; compared byte for byte.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.contains(scope)
    }

    /// Whether the caller has the role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.contains(role)
    }

    /// Whether the credential itself carries the permission; the policy's `[roles]` may give
    /// more ([`Grant::has_permission`](crate::Grant::has_permission)).
    pub fn has_own_permission(&self, permission: &str) -> bool {
        self.permissions.contains(permission)
    }

    /// The scopes, in the order of the credential.
    pub fn scope_names(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter()
    }

    /// The roles, in the order of the credential.
    pub fn role_names(&self) -> impl Iterator<Item = &str> {
        self.roles.iter()
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("issuer", &self.issuer)
            .field("subject", &self.subject)
            .field("kind", &self.kind)
            .field("tenant", &self.tenant)
            .field("scopes", &self.scopes)
            .field("roles", &self.roles)
            .field("permissions", &self.permissions)
            .finish()
    }
}

/// A few names in one allocation, separated by line feeds: `has` is asked far more often than
/// names are listed, and a principal is made on every request. A name that holds the separator
/// could pretend to be two, so it is left out.
#[derive(Clone, Default, PartialEq, Eq)]
struct Names(Option<Arc<str>>);

impl Names {
    fn contains(&self, name: &str) -> bool {
        !name.is_empty() && self.iter().any(|own| own == name)
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        let joined = self.0.as_deref().unwrap_or_default();
        joined.split('\n').filter(|name| !name.is_empty())
    }
}

impl<S: AsRef<str>> FromIterator<S> for Names {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        let mut joined = String::new();
        for name in names {
            let name = name.as_ref();
            if name.contains('\n') {
                continue;
            }
            if !joined.is_empty() {
                joined.push('\n');
            }
            joined.push_str(name);
        }
        Self((!joined.is_empty()).then(|| joined.into()))
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_the_separator_is_not_two_names() {
        let caller = Principal::new("i", "s").scopes(["a\nadmin", "b"]);
        assert!(!caller.has_scope("admin"));
        assert!(caller.has_scope("b"));
        assert!(!caller.has_scope(""));
    }
}
