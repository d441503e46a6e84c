//! Credentials that are taken back before they expire.
//!
//! [`MemoryRevocations`] keeps them in this process. Where several nodes must agree, implement [`Revocations`] for the
//! store that they share:
//!
//! ```
//! use palisade_core::{
//!     Policy, SourceError,
//!     revocation::{Revocable, Revocation, Revocations},
//! };
//! use std::sync::Arc;
//!
//! # #[derive(Debug, Clone)]
//! # struct Database;
//! # impl Database {
//! #     async fn holds(self, key: String) -> Result<bool, SourceError> { Ok(false) }
//! # }
//! #[derive(Debug)]
//! struct SharedRevocations(Database);
//!
//! impl Revocations for SharedRevocations {
//!     fn check(&self, credential: &Revocable<'_>) -> Revocation {
//!         let Some(id) = credential.token_id else {
//!             return Revocation::Known(false);
//!         };
//!         let key = format!("revoked:{}:{id}", credential.issuer);
//!         Revocation::Ask(Box::pin(self.0.clone().holds(key)))
//!     }
//! }
//!
//! let policy = Policy::builder().with_revocations(Arc::new(SharedRevocations(Database)));
//! ```

mod memory;

pub use memory::{MemoryRevocations, RevocationsFull};

use crate::{
    ports::{BoxFuture, SourceError},
    principal::Principal,
};
use std::fmt;

/// What a revocation can name of a credential.
#[derive(Clone, Copy)]
pub struct Revocable<'a> {
    /// Who vouches for it.
    pub issuer: &'a str,
    /// Whom it speaks for.
    pub subject: &'a str,
    /// The `jti` of a token (RFC 7519 §4.1.7); of one that is a whole number, its digits. A token whose `jti` is anything
    /// else than a text or such a number is refused before.
    pub token_id: Option<&'a str>,
    /// The `iat` of a token, in Unix seconds.
    pub issued_at: Option<u64>,
    /// The id of an API key.
    pub key_id: Option<&'a str>,
}

impl<'a> Revocable<'a> {
    /// What of a caller's credential a revocation can name.
    pub(crate) fn of(caller: &'a Principal) -> Self {
        let (token_id, issued_at) = caller.token_id_and_time();
        Self {
            issuer: caller.issuer(),
            subject: caller.subject(),
            token_id,
            issued_at,
            key_id: caller.key_id(),
        }
    }
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
