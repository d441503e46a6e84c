//! Passwords, kept as PHC strings: `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`.
//!
//! ```
//! use palisade_core::{SystemEntropy, password};
//!
//! let hash = password::hash("correct horse", password::Cost::default(), &SystemEntropy)?;
//! assert!(password::verify("correct horse", &hash)?);
//! assert!(!password::verify("wrong horse", &hash)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cost;
mod pool;
mod stored;

pub use cost::Cost;
pub(crate) use pool::Pool;
pub(crate) use stored::StoredPassword;

use crate::ports::{Entropy, SourceError};

/// A setting or a stored hash that passwords cannot be checked with; never holds either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PasswordError(String);

/// Whether `hash` is that of `password`. Takes as long as the hash says, tens of milliseconds by
/// default: never on a thread that serves requests.
///
/// The password is compared byte for byte as UTF-8. bcrypt sees its first 72 bytes only.
///
/// # Errors
/// `hash` is no PHC string of argon2id, argon2i, argon2d or bcrypt, or asks for more than 1 GiB
/// of memory, 10 passes or 8 lanes (bcrypt: a cost above 16).
pub fn verify(password: &str, hash: &str) -> Result<bool, PasswordError> {
    StoredPassword::parse(hash)?.verify(password)
}

/// The hash to store for `password`, with a fresh salt. As slow as [`verify`].
///
/// # Errors
/// The source of randomness is broken, or the memory is not there.
pub fn hash(password: &str, cost: Cost, entropy: &dyn Entropy) -> Result<String, SourceError> {
    let mut salt = [0; 16];
    entropy.fill(&mut salt)?;
    cost.hash(password, &salt)
        .map_err(|why| SourceError::new("password hashing", why.to_string()))
}

#[cfg(test)]
mod tests;
