//! Who is calling.

use crate::{
    jwt::{PrincipalKind, Unread, VerifiedToken},
    limit::{OwnQuotas, Quota},
};
use std::{fmt, sync::Arc};

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
#[derive(Clone)]
pub struct Principal(Source);

/// Where a principal's names are kept.
#[derive(Clone)]
enum Source {
    /// In the text of the token that was verified: nothing is copied on the hot path.
    Token(Arc<VerifiedToken>),
    Given(Arc<Given>),
}

#[derive(Clone)]
struct Given {
    issuer: Arc<str>,
    subject: Box<str>,
    kind: PrincipalKind,
    tenant: Option<Box<str>>,
    credential_id: Option<Box<str>>,
    scopes: Vec<Box<str>>,
    roles: Vec<Box<str>>,
    permissions: Vec<Box<str>>,
    quotas: Option<Arc<OwnQuotas>>,
}

impl Principal {
    /// The user `subject` of `issuer`, without scopes, roles or permissions.
    pub fn new(issuer: impl Into<Arc<str>>, subject: impl Into<Box<str>>) -> Self {
        Self(Source::Given(Arc::new(Given {
            issuer: issuer.into(),
            subject: subject.into(),
            kind: PrincipalKind::User,
            tenant: None,
            credential_id: None,
            scopes: Vec::new(),
            roles: Vec::new(),
            permissions: Vec::new(),
            quotas: None,
        })))
    }

    /// Says whether this is a person or a program.
    #[must_use]
    pub fn kind(self, kind: PrincipalKind) -> Self {
        self.with(|given| given.kind = kind)
    }

    /// Says which tenant the caller belongs to.
    #[must_use]
    pub fn tenant(self, tenant: impl Into<Box<str>>) -> Self {
        self.with(|given| given.tenant = Some(tenant.into()))
    }

    /// Names the credential for the audit and for limits: a key id, never a secret.
    #[must_use]
    pub fn credential_id(self, id: impl Into<Box<str>>) -> Self {
        self.with(|given| given.credential_id = Some(id.into()))
    }

    /// Gives the caller these scopes (RFC 6749 §3.3: case-sensitive, without spaces).
    #[must_use]
    pub fn scopes<S: AsRef<str>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.with(|given| given.scopes = names(scopes))
    }

    /// Gives the caller these roles.
    #[must_use]
    pub fn roles<S: AsRef<str>>(self, roles: impl IntoIterator<Item = S>) -> Self {
        self.with(|given| given.roles = names(roles))
    }

    /// Gives the caller these permissions, beside those of its roles.
    #[must_use]
    pub fn permissions<S: AsRef<str>>(self, permissions: impl IntoIterator<Item = S>) -> Self {
        self.with(|given| given.permissions = names(permissions))
    }

    /// Gives the caller's credential quotas of its own, beside the limits of the policy. They are charged by every
    /// rule, at the rule's cost, all together or none.
    ///
    /// # Errors
    /// None at all, more than four, or one that cannot be kept, with what would be right.
    ///
    /// ```
    /// use palisade_core::{Principal, limit::Quota};
    ///
    /// let quotas = Quota::parse_list("10/second; 1000/day")?;
    /// let caller = Principal::new("https://id.example.com", "alice").quotas(&quotas)?;
    /// # Ok::<(), String>(())
    /// ```
    pub fn quotas(self, quotas: &[Quota]) -> Result<Self, String> {
        let quotas = Arc::new(OwnQuotas::new(quotas)?);
        Ok(self.with(|given| given.quotas = Some(quotas)))
    }

    /// Who vouches for the caller: the `iss` of a token, or the name of a local scheme.
    pub fn issuer(&self) -> &str {
        match &self.0 {
            Source::Token(token) => token.issuer(),
            Source::Given(given) => &given.issuer,
        }
    }

    /// Who the caller is, as the issuer names it.
    pub fn subject(&self) -> &str {
        match &self.0 {
            Source::Token(token) => token.subject(),
            Source::Given(given) => &given.subject,
        }
    }

    /// Whether the caller is a person or a program.
    pub fn principal_kind(&self) -> PrincipalKind {
        match &self.0 {
            Source::Token(token) => token.kind(),
            Source::Given(given) => given.kind,
        }
    }

    /// The caller's tenant, where the issuer names one.
    pub fn tenant_name(&self) -> Option<&str> {
        match &self.0 {
            Source::Token(token) => token.tenant(),
            Source::Given(given) => given.tenant.as_deref(),
        }
    }

    /// Names the credential that was used: a key id, or the `kid` of the key that signed.
    pub fn credential_name(&self) -> Option<&str> {
        match &self.0 {
            Source::Token(token) => token.kid(),
            Source::Given(given) => given.credential_id.as_deref(),
        }
    }

    /// The id of the API key that was used; a token has none of its own, because its `kid` names
    /// a key that signs for everybody.
    pub(crate) fn key_id(&self) -> Option<&str> {
        match &self.0 {
            Source::Token(_) => None,
            Source::Given(given) => given.credential_id.as_deref(),
        }
    }

    /// The quotas that the caller brings along.
    pub(crate) fn own_quotas(&self) -> Option<&Arc<OwnQuotas>> {
        self.sources().1?.quotas.as_ref()
    }

    /// The `jti` and the `iat` of a token, by which a revocation may name it.
    pub(crate) fn token_id_and_time(&self) -> (Option<&str>, Option<u64>) {
        let (token, _) = self.sources();
        (
            token.and_then(VerifiedToken::revocable_id),
            token.and_then(VerifiedToken::issued_at),
        )
    }

    /// The claims of a token that count as absent, because they are null or of a type that nothing here reads: their
    /// names or paths, in order, as the audit has them. Whoever refuses callers by a role that they have should know that
    /// the roles could not be read.
    pub fn passed_over(&self) -> impl Iterator<Item = &str> {
        let (token, _) = self.sources();
        token.into_iter().flat_map(VerifiedToken::passed_over)
    }

    /// What could not be read of that which a requirement may ask for.
    pub(crate) fn unread(&self) -> Unread {
        let (token, _) = self.sources();
        token.map(VerifiedToken::unread).unwrap_or_default()
    }

    /// Whether the credential ends so late that the issuer seems to count milliseconds.
    pub(crate) fn expires_in_milliseconds(&self) -> bool {
        let (token, _) = self.sources();
        token.is_some_and(VerifiedToken::expires_in_milliseconds)
    }

    /// The claims as JSON, where the credential has any.
    pub fn claims_json(&self) -> Option<&str> {
        match &self.0 {
            Source::Token(token) => Some(token.claims()),
            Source::Given(_) => None,
        }
    }

    /// Whether the caller has the scope; compared byte for byte.
    pub fn has_scope(&self, scope: &str) -> bool {
        match &self.0 {
            Source::Token(token) => token.has_scope(scope),
            Source::Given(given) => given.scopes.iter().any(|own| **own == *scope),
        }
    }

    /// Whether the caller has the role.
    pub fn has_role(&self, role: &str) -> bool {
        self.role_names().any(|own| own == role)
    }

    /// Whether the credential itself carries the permission; the policy's `[roles]` may give
    /// more ([`Grant::has_permission`](crate::Grant::has_permission)).
    pub fn has_own_permission(&self, permission: &str) -> bool {
        self.permission_names().any(|own| own == permission)
    }

    /// The scopes, in the order of the credential.
    pub fn scope_names(&self) -> impl Iterator<Item = &str> {
        let (token, given) = self.sources();
        let given = given.map(|given| &given.scopes);
        either(token.map(VerifiedToken::scopes), given)
    }

    /// The roles, in the order of the credential.
    pub fn role_names(&self) -> impl Iterator<Item = &str> {
        let (token, given) = self.sources();
        let given = given.map(|given| &given.roles);
        either(token.map(VerifiedToken::roles), given)
    }

    /// The permissions that the credential itself carries, in its order.
    pub fn permission_names(&self) -> impl Iterator<Item = &str> {
        let (token, given) = self.sources();
        let given = given.map(|given| &given.permissions);
        either(token.map(VerifiedToken::permissions), given)
    }

    fn sources(&self) -> (Option<&VerifiedToken>, Option<&Given>) {
        match &self.0 {
            Source::Token(token) => (Some(token), None),
            Source::Given(given) => (None, Some(given)),
        }
    }

    /// Changes a principal that is still being made; one from a token is what the token says.
    fn with(mut self, change: impl FnOnce(&mut Given)) -> Self {
        if let Source::Given(given) = &mut self.0 {
            change(Arc::make_mut(given));
        }
        self
    }
}

impl From<VerifiedToken> for Principal {
    fn from(token: VerifiedToken) -> Self {
        Self::from(Arc::new(token))
    }
}

/// A token that is remembered speaks for its caller again without being copied.
impl From<Arc<VerifiedToken>> for Principal {
    fn from(token: Arc<VerifiedToken>) -> Self {
        Self(Source::Token(token))
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("issuer", &self.issuer())
            .field("subject", &self.subject())
            .field("kind", &self.principal_kind())
            .field("tenant", &self.tenant_name())
            .field("scopes", &self.scope_names().collect::<Vec<_>>())
            .field("roles", &self.role_names().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

fn names<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Vec<Box<str>> {
    names.into_iter().map(|name| name.as_ref().into()).collect()
}

fn either<'a>(
    token: Option<impl Iterator<Item = &'a str>>,
    given: Option<&'a Vec<Box<str>>>,
) -> impl Iterator<Item = &'a str> {
    let given = given.into_iter().flatten().map(|name| &**name);
    token.into_iter().flatten().chain(given)
}
