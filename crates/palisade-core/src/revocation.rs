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
    companion::BoxFuture,
    ports::SourceError,
    scheme::{Outcome, Rejected, Verification},
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

/// What is left of an outcome once the revocations have been asked about a credential that was found good.
pub(crate) fn unless_revoked(
    revocations: Option<&dyn Revocations>,
    outcome: Outcome,
) -> Verification {
    let (Some(revocations), Outcome::Verified(principal)) = (revocations, &outcome) else {
        return Verification::Done(outcome);
    };
    if principal.unread().id {
        // What cannot be named cannot have been taken back, and must not be good for that.
        return Verification::Done(rejected("claim_type"));
    }
    match revocations.check(&principal.revocable()) {
        Revocation::Known(false) => Verification::Done(outcome),
        Revocation::Known(true) => Verification::Done(rejected("revoked")),
        Revocation::Ask(answer) => Verification::Remote(Box::pin(async move {
            match answer.await {
                Ok(false) => outcome,
                Ok(true) => rejected("revoked"),
                Err(source) => Outcome::Unavailable(source),
            }
        })),
    }
}

fn rejected(cause: &'static str) -> Outcome {
    Outcome::Rejected(Rejected {
        cause,
        hint: None,
        claim: None,
    })
}
