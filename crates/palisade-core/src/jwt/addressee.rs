//! Whom tokens are for, and what is expected of them: for choosing a scheme, and for telling why none fits.

use serde::Serialize;

/// How well a credential fits a scheme that recognises it, as far as it says so itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It says that it is for somebody else.
    Unlikely,
    /// The scheme does not look at whom it is for.
    Possible,
    /// It says that it is for this scheme.
    Exact,
}

/// Tokens of one issuer for one audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressee {
    /// Who issues them.
    pub issuer: String,
    /// The claim that holds the audience.
    pub claim: String,
    /// The audience; `None`: any other.
    pub audience: Option<String>,
}

/// What a scheme expects of every credential, for descriptions of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// The [cause](crate::scheme::Rejected::cause) of a credential in which something else stands.
    pub cause: &'static str,
    /// The claim or the member of the header: a name, or a JSON Pointer.
    pub claim: String,
    /// What may stand there.
    pub values: Vec<String>,
}
