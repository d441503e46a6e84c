//! Why the administration of keys and users failed.

use crate::location::Location;
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
    SourceError::new("the database", reason(error))
}

/// Why a database cannot be opened, where nothing else says which one it is.
pub(crate) fn cannot_open(location: &Location, error: &sqlx::Error) -> SourceError {
    SourceError::new("the database", format!("{location}: {}", reason(error)))
}

fn reason(error: &sqlx::Error) -> String {
    let unfit = certificate(error).map(|why| format!("the server's certificate {why}"));
    unfit.unwrap_or_else(|| error.to_string())
}

/// What is wrong with the certificate of a server; the text of the error names types.
fn certificate(error: &sqlx::Error) -> Option<&'static str> {
    use rustls::{CertificateError as Unfit, Error::InvalidCertificate};
    let sqlx::Error::Io(error) = error else {
        return None;
    };
    let InvalidCertificate(unfit) = error.get_ref()?.downcast_ref()? else {
        return None;
    };
    Some(match unfit {
        Unfit::UnknownIssuer | Unfit::BadSignature => {
            "is of an authority that is not trusted; name the right one by sslrootcert=FILE"
        }
        Unfit::NotValidForName | Unfit::NotValidForNameContext { .. } => {
            "is for another host; write the host as the certificate names it"
        }
        Unfit::Expired | Unfit::ExpiredContext { .. } => "has expired; renew it",
        Unfit::NotValidYet | Unfit::NotValidYetContext { .. } => {
            "is not valid yet; look at the clocks"
        }
        _ => "is not acceptable; it must be that of a server, signed by its authority",
    })
}
