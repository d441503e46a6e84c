//! What the domain may answer instead of what was asked for.

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

/// The content type of [`problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The status and the RFC 9457 document of an error: the one place that turns the domain's
/// words into HTTP, for all three servers.
///
/// ```
/// use palisade_example_demo::{DomainError, problem};
///
/// let (status, body) = problem(&DomainError::Forbidden);
/// assert_eq!(status, 403);
/// assert!(body.contains(r#""code":"forbidden""#));
/// ```
pub fn problem(error: &DomainError) -> (u16, String) {
    let (status, title, detail, code) = match error {
        DomainError::NotFound => (404, "Not found", "There is nothing here.", "not_found"),
        DomainError::Forbidden => (
            403,
            "Forbidden",
            "The caller may not perform this operation.",
            "forbidden",
        ),
        DomainError::Taken => (
            409,
            "Already taken",
            "The username or the e-mail address is taken.",
            "already_taken",
        ),
        DomainError::Full => (
            409,
            "No more room",
            "Remove something before adding more.",
            "no_more_room",
        ),
        DomainError::Database => (
            500,
            "Internal error",
            "The service failed; its operators can find the cause by the request id.",
            "internal_error",
        ),
    };
    let body = format!(
        r#"{{"type":"about:blank","title":"{title}","status":{status},"detail":"{detail}","code":"{code}"}}"#
    );
    (status, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_database_is_not_described_to_the_client() {
        let (status, body) = problem(&sqlx::Error::PoolClosed.into());
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &json["status"]), (500, &500.into()));
        assert!(!body.contains("pool"));
    }
}
