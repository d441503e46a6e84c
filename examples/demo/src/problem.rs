//! What the domain may answer instead of what was asked for.

use palisade_core::problem::{Code, Reason};

/// Why the domain says no.
#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    /// There is no such item.
    #[error("there is no such item")]
    NotFound,
    /// The item belongs to somebody else.
    #[error("the item belongs to somebody else")]
    Forbidden,
    /// The username or the e-mail address is taken.
    #[error("the username or the e-mail address is taken")]
    Taken,
    /// The caller has as many items, or the demo as many users, as it may.
    #[error("no more can be stored")]
    Full,
    /// The database failed; the log says how.
    #[error("the database failed")]
    Database,
}

impl From<sqlx::Error> for DomainError {
    fn from(why: sqlx::Error) -> Self {
        tracing::error!("the database failed: {why}");
        DomainError::Database
    }
}

/// The domain's words in those of the security layer: `Grant::refuse` makes the response of
/// them, the same on the three servers, and the audit tells what happened.
///
/// ```
/// use palisade_core::problem::Reason;
/// use palisade_example_demo::DomainError;
///
/// let reason = Reason::from(DomainError::Forbidden);
/// assert_eq!(reason.code().status().as_u16(), 403);
/// assert_eq!(reason.cause(), "not_the_owner");
/// ```
impl From<DomainError> for Reason {
    fn from(error: DomainError) -> Self {
        // Whoever tries to create something may know what stands in the way.
        let conflict = |cause| Reason::new(Code::Conflict, cause).member("reason", &cause);
        match error {
            DomainError::NotFound => Reason::new(Code::NotFound, "no_such_item"),
            DomainError::Forbidden => Reason::new(Code::Forbidden, "not_the_owner"),
            DomainError::Taken => conflict("already_taken"),
            DomainError::Full => conflict("no_more_room"),
            DomainError::Database => Reason::new(Code::InternalError, "database"),
        }
    }
}
