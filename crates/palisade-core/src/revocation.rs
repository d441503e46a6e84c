//! Credentials that are taken back before they expire.

use crate::{companion::BoxFuture, ports::SourceError};
use std::fmt;

/// What a revocation can name of a credential.
#[derive(Clone, Copy)]
pub struct Revocable<'a> {
    /// Who vouches for it.
    pub issuer: &'a str,
    /// Whom it speaks for.
    pub subject: &'a str,
    /// The `jti` of a token (RFC 7519 §4.1.7).
    pub token_id: Option<&'a str>,
    /// The `iat` of a token, in Unix seconds.
    pub issued_at: Option<u64>,
    /// The id of an API key.
    pub key_id: Option<&'a str>,
}

impl fmt::Debug for Revocable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocable")
            .field("issuer", &self.issuer)
            .field("issued_at", &self.issued_at)
            .finish_non_exhaustive()
    }
}

/// Whether a credential was taken back.
pub enum Revocation {
    /// Known at once.
    Known(bool),
    /// Somebody must be asked.
    Ask(BoxFuture<Result<bool, SourceError>>),
}

/// Knows which credentials were taken back. Asked on every request with a good credential,
/// whether or not its verification was remembered.
pub trait Revocations: fmt::Debug + Send + Sync {
    /// Whether this credential was taken back.
    fn check(&self, credential: &Revocable<'_>) -> Revocation;
}

impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Revocation::Known(revoked) => f.debug_tuple("Known").field(revoked).finish(),
            Revocation::Ask(_) => f.write_str("Ask(..)"),
        }
    }
}
