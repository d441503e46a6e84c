//! What is known of a caller once the token has been verified.

use std::{fmt, sync::Arc};

use super::{json::Value, unread::Unread};
use crate::{jwt::PrincipalKind, ports::looks_like_milliseconds};

/// A token that passed every check.
///
/// All its text lives in one buffer, the decoded claims set: names and scopes are places in it, so that verifying
/// costs next to no allocation. `Debug` shows neither claims nor names.
pub struct VerifiedToken {
    pub(super) text: String,
    pub(super) claims_end: usize,
    pub(super) issuer: Arc<str>,
    pub(super) kid: Option<Arc<str>>,
    pub(super) expires_at: u64,
    pub(super) issued_at: Option<u64>,
    pub(super) authenticated_at: Option<u64>,
    pub(super) facts: Facts,
    /// The claims that count as absent, in order. Their names are those that the verifier and its policy know.
    pub(super) passed_over: Box<[Box<str>]>,
}

/// What the claims say of the caller.
pub(super) struct Facts {
    pub(super) kind: PrincipalKind,
    pub(super) subject: Span,
    pub(super) client_id: Option<Span>,
    pub(super) id: Option<Span>,
    pub(super) context_class: Option<Span>,
    pub(super) tenant: Option<Span>,
    pub(super) scopes: Names,
    pub(super) roles: Names,
    pub(super) permissions: Names,
    /// What a revocation calls the token by, where that is not `id`.
    pub(super) unusual_id: Option<Span>,
    pub(super) unread: Unread,
}

impl VerifiedToken {
    /// The issuer: with [`subject`](Self::subject) and [`kind`](Self::kind) the identity of the caller.
    #[must_use]
    pub fn issuer(&self) -> &Arc<str> {
        &self.issuer
    }

    /// The value of the principal claim, `sub` unless configured otherwise. Never empty.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.at(self.facts.subject)
    }

    /// Whether a user or a client stands behind the token.
    #[must_use]
    pub fn kind(&self) -> PrincipalKind {
        self.facts.kind
    }

    /// The client the token was issued to: `client_id`, else `azp`, `cid` or `appid`.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.facts.client_id.map(|span| self.at(span))
    }

    /// The scopes, in the order of the token.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.facts.scopes.iter(&self.text)
    }

    /// Whether the token has the scope; compared byte for byte.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.facts.scopes.contains(&self.text, scope)
    }

    /// The roles, in the order of the token.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.facts.roles.iter(&self.text)
    }

    /// The permissions, in the order of the token.
    pub fn permissions(&self) -> impl Iterator<Item = &str> {
        self.facts.permissions.iter(&self.text)
    }

    /// The tenant, where the policy names a claim for it.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.facts.tenant.map(|span| self.at(span))
    }

    /// `jti`. Hash it before it is logged: it may serve as a credential elsewhere.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.facts.id.map(|span| self.at(span))
    }

    /// `jti` as a revocation names it: of a number, its digits.
    pub(crate) fn revocable_id(&self) -> Option<&str> {
        let id = self.facts.id.or(self.facts.unusual_id);
        id.map(|span| self.at(span))
    }

    /// The optional claims that count as absent, because they are null or of a type that nothing here reads: their names
    /// or paths, in order. They grant nothing, but neither do they say that there is nothing.
    pub fn passed_over(&self) -> impl Iterator<Item = &str> {
        self.passed_over.iter().map(|name| &**name)
    }

    /// What is missing of what a requirement may ask for.
    pub(crate) fn unread(&self) -> Unread {
        self.facts.unread
    }

    /// Whether `exp` looks as if it were in milliseconds, so that the token practically never expires.
    pub(crate) fn expires_in_milliseconds(&self) -> bool {
        looks_like_milliseconds(self.expires_at)
    }

    /// The name of the key that verified the token, as the key set has it.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// `exp` in Unix seconds, rounded down, without leeway; `u64::MAX` for an introspected token whose server names
    /// no end.
    #[must_use]
    pub fn expires_at(&self) -> u64 {
        self.expires_at
    }

    /// `iat` in Unix seconds, rounded down.
    #[must_use]
    pub fn issued_at(&self) -> Option<u64> {
        self.issued_at
    }

    /// `auth_time`, when the user last logged in, in Unix seconds, rounded down (RFC 9470 §6.1).
    #[must_use]
    pub fn authenticated_at(&self) -> Option<u64> {
        self.authenticated_at
    }

    /// `acr`, how the user logged in (RFC 9470 §6.1).
    #[must_use]
    pub fn context_class(&self) -> Option<&str> {
        self.facts.context_class.map(|span| self.at(span))
    }

    /// The claims set as JSON, for claims of the application's own. No name occurs twice in any object of it.
    #[must_use]
    pub fn claims(&self) -> &str {
        self.text.get(..self.claims_end).unwrap_or_default()
    }

    /// How many bytes it occupies.
    pub(super) fn memory(&self) -> usize {
        let Facts {
            scopes,
            roles,
            permissions,
            ..
        } = &self.facts;
        let names = [scopes, roles, permissions].map(Names::memory);
        let passed_over = self.passed_over.iter();
        let passed_over = passed_over.map(|name| size_of::<Box<str>>() + name.len());
        size_of::<Self>()
            + self.text.capacity()
            + names.iter().sum::<usize>()
            + passed_over.sum::<usize>()
    }

    fn at(&self, span: Span) -> &str {
        span.of(&self.text)
    }
}

impl fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedToken")
            .field("issuer", &self.issuer)
            .field("kid", &self.kid)
            .field("kind", &self.facts.kind)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// A place in the text of a token.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    start: usize,
    end: usize,
}

impl Span {
    fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// Several names.
#[derive(Debug)]
pub(super) enum Names {
    /// In one string, between spaces (RFC 6749 §3.3).
    Spaced(Span),
    /// Each by itself.
    Listed(Vec<Span>),
}

impl Default for Names {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl Names {
    fn iter<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> {
        let (spaced, listed) = match self {
            Self::Spaced(span) => (span.of(text), &[][..]),
            Self::Listed(spans) => ("", &**spans),
        };
        spaced
            .split(' ')
            .chain(listed.iter().map(|span| span.of(text)))
            .filter(|name| !name.is_empty())
    }

    /// Whether `name` is one of them.
    fn contains(&self, text: &str, name: &str) -> bool {
        match self {
            // Most requests ask for a scope, and bytes are quicker to split than characters.
            Self::Spaced(span) => {
                let mut names = span.of(text).as_bytes().split(|&b| b == b' ');
                !name.is_empty() && names.any(|own| own == name.as_bytes())
            }
            Self::Listed(_) => self.iter(text).any(|own| own == name),
        }
    }

    /// How many bytes it occupies beside itself.
    fn memory(&self) -> usize {
        match self {
            Self::Spaced(_) => 0,
            Self::Listed(spans) => size_of::<Span>() * spans.capacity(),
        }
    }
}

/// Turns borrowed values into places: most lie in the claims set already, those written with escapes are put behind it.
pub(super) struct Placement<'a> {
    claims: &'a str,
    pub(super) behind: String,
}

impl<'a> Placement<'a> {
    pub(super) fn new(claims: &'a str) -> Self {
        Self {
            claims,
            behind: String::new(),
        }
    }

    /// A value that serde_json lends out is a part of the text it reads; where it is not, the comparison shows it.
    pub(super) fn place(&mut self, value: &str) -> Span {
        let start = value
            .as_ptr()
            .addr()
            .checked_sub(self.claims.as_ptr().addr());
        match start.map(|start| Span {
            start,
            end: start.saturating_add(value.len()),
        }) {
            Some(span) if span.of(self.claims) == value => span,
            _ => {
                let start = self.claims.len() + self.behind.len();
                self.behind.push_str(value);
                Span {
                    start,
                    end: start + value.len(),
                }
            }
        }
    }

    /// Names in a string between spaces or in a list; `None` for another type.
    pub(super) fn spaced(&mut self, value: Value<'_>) -> Option<Names> {
        match value {
            Value::Text(text) => Some(Names::Spaced(self.place(&text))),
            other => self.listed(other).map(Names::Listed),
        }
    }

    /// Names in a list, or a single one, which may contain spaces; `None` for another type.
    pub(super) fn listed(&mut self, value: Value<'_>) -> Option<Vec<Span>> {
        match value {
            Value::Text(name) => Some(vec![self.place(&name)]),
            // Collected by value, the places take over the memory of the names.
            Value::List(names) => Some(names.into_iter().map(|name| self.place(&name)).collect()),
            _ => None,
        }
    }
}
