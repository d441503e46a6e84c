//! Why the administration of keys and users failed.

use palisade_core::SourceError;

/// Why a [`Store`](crate::Store) did not do what it was asked for. No text holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The URL is none of a database.
    #[error("the database's URL {0}")]
    Url(String),
    /// The database, or the source of randomness, gave no answer.
    #[error(transparent)]
    Unavailable(#[from] SourceError),
    /// There is no key or user of this name.
    #[error("there is no {kind} {name:?}")]
    Missing {
        /// `key` or `user`.
        kind: &'static str,
        /// Its id or name.
        name: String,
    },
    /// There is a user of this name already.
    #[error("there is a {kind} {name:?} already")]
    Exists {
        /// `user`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// What was asked for cannot be stored.
    #[error("{0}")]
    Invalid(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        StoreError::Unavailable(unavailable(&error))
    }
}

/// A failure of the database, as the audit names it.
pub(crate) fn unavailable(error: &sqlx::Error) -> SourceError {
    SourceError::new("the database", error.to_string())
}
