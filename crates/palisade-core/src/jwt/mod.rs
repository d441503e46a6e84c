//! Access tokens in JWT form (RFC 7519), verified with local keys.
//!
//! A [`KeySet`] holds the issuer's keys, checked and prepared once. A [`TokenPolicy`] says what its tokens must look
//! like; [`TokenPolicy::compile`] refuses a policy that leaves a check undecided. The [`TokenVerifier`] then turns
//! bytes into a [`VerifiedToken`]: it splits, picks the one key, checks the signature, and reads the claims once.
//! Nothing here reads a clock, a file or the network.
//!
//! ```
//! use palisade_core::jwt::{Algorithm, KeySet, TokenError, TokenPolicy};
//!
//! let keys = KeySet::from_secret(&[7; 32], Algorithm::HS256)?;
//! let verifier = TokenPolicy::new("https://id.example.com", "urn:api").compile(keys).expect("a complete policy");
//!
//! let now = 1_800_000_000;
//! assert_eq!(verifier.verify(b"not a token", now).unwrap_err(), TokenError::Parts);
//! # Ok::<(), palisade_core::jwt::KeyError>(())
//! ```

mod addressee;
mod algorithm;
mod cache;
mod claims;
mod describe;
mod error;
mod header;
mod json;
mod jwk;
mod keys;
mod kind;
mod path;
mod peek;
mod policy;
mod provider;
mod rsa;
mod rules;
mod token;
mod unread;
mod verify;

#[cfg(test)]
pub(crate) mod tests;

pub use addressee::{Addressee, Expected, Fit};
pub use algorithm::{Algorithm, UnknownAlgorithm};
pub(crate) use cache::{CachedVerifier, TokenCaching};
pub use error::TokenError;
pub use jwk::{JwkOptions, MAX_SET_BYTES, SkippedKey};
pub use keys::{KeyError, KeySet, MAX_KEYS};
pub use kind::PrincipalKind;
pub use path::ClaimPath;
pub use peek::peek_issuer;
pub use policy::{Ignored, PolicyMistake, Profile, TokenPolicy};
pub use provider::{Provider, UnknownProvider};
pub(crate) use rules::TokenRules;
pub use token::VerifiedToken;
pub(crate) use unread::{Reading, Unread};
pub use verify::TokenVerifier;
pub(crate) use verify::has_form;
