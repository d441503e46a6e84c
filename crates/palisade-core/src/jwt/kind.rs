//! Whom a token speaks for: a person or a program.

/// Whether a principal is a person or a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// A person, or whatever the issuer calls a resource owner.
    User,
    /// A program acting for itself (RFC 6749 §4.4).
    Client,
}
