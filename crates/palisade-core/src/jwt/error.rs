//! Why a token was refused.

use crate::cause::Cause;
use thiserror::Error;

/// The reason a token was refused: for the audit, never for the client.
///
/// A client only learns `invalid_token` (RFC 6750 §3.1); which check failed would help an attacker more than a caller.
/// No variant holds bytes of the token, so that a reason can be logged as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// More bytes than the policy reads.
    #[error("the token is longer than the policy allows")]
    TooLong,
    /// Bytes that no token can have (RFC 6749 appendix A.12).
    #[error("the token has characters that no token can have")]
    Characters,
    /// Not three parts between two dots (RFC 7515 §3.1).
    #[error("the token does not have three parts")]
    Parts,
    /// Five parts, or an `enc` header: a JWE (RFC 7516), which is not read.
    #[error("the token is encrypted")]
    Encrypted,
    /// Padding, foreign characters or stray bits in base64url (RFC 7515 §2).
    #[error("a part of the token is not base64url without padding")]
    Base64url,
    /// Header or claims are not a JSON object in UTF-8.
    #[error("a part of the token is not a JSON object")]
    Json,
    /// A name twice in one JSON object (RFC 7515 §4, RFC 7519 §4).
    #[error("a name occurs twice in one JSON object of the token")]
    DuplicateMember,
    /// A header member has the wrong JSON type.
    #[error("the header member `{0}` has the wrong type")]
    HeaderType(&'static str),
    /// Any `crit` header: no extension is understood (RFC 7515 §4.1.11).
    #[error("the token has a `crit` header")]
    Critical,
    /// A `zip` header.
    #[error("the token has a `zip` header")]
    Compressed,
    /// A `b64` header (RFC 7797).
    #[error("the token has a `b64` header")]
    Unencoded,
    /// `none`, an unknown algorithm, or one that no key of this issuer is for.
    #[error("no key of this issuer is for the token's algorithm")]
    Algorithm,
    /// The `kid` names no key of this issuer.
    #[error("the token's `kid` names no key of this issuer")]
    UnknownKey,
    /// No `kid`, and more than one key fits.
    #[error("the token names no key and more than one fits")]
    AmbiguousKey,
    /// The signature is not by the key.
    #[error("the signature does not match")]
    Signature,
    /// `iss` is not the configured issuer.
    #[error("the token is from another issuer")]
    Issuer,
    /// No member of `aud` is ours.
    #[error("the token is for another audience")]
    Audience,
    /// The `typ` header says that this is not an access token (RFC 8725 §3.11).
    #[error("the token's `typ` is not that of an access token")]
    Type,
    /// A claim marks another kind of token: an ID token, a refresh token, a security event.
    #[error("a claim says that this is not an access token")]
    TokenUse,
    /// A required claim is missing or empty.
    #[error("the claim `{0}` is missing")]
    ClaimMissing(&'static str),
    /// A claim has the wrong JSON type.
    #[error("the claim `{0}` has the wrong type")]
    ClaimType(&'static str),
    /// A date is negative or beyond 2⁵³.
    #[error("the claim `{0}` is not a date between 0 and 2^53")]
    ClaimRange(&'static str),
    /// A date lies ahead by thousands of years, because it is in milliseconds.
    #[error("the claim `{0}` is in milliseconds, where seconds belong")]
    Milliseconds(&'static str),
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is still to come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iat` is still to come.
    #[error("the token was issued in the future")]
    IssuedInFuture,
    /// `tid` is not the tenant that `iss` speaks for.
    #[error("the token's tenant is not that of its issuer")]
    Tenant,
    /// The authorization server says that the token is not active (RFC 7662 §2.2).
    #[error("the authorization server does not know the token as active")]
    Inactive,
    /// `active` is missing, or no boolean.
    #[error("the authorization server does not say true or false to whether the token is active")]
    ActiveType,
    /// A `cnf` claim: bound to a key or certificate (RFC 7800) that nothing here can check.
    #[error("the token is bound to a key that cannot be checked")]
    SenderConstrained,
}

impl TokenError {
    /// A stable word for the audit, in snake case.
    #[must_use]
    pub fn reason(self) -> &'static str {
        self.cause().as_str()
    }

    fn cause(self) -> Cause {
        match self {
            Self::TooLong => Cause::TooLong,
            Self::Characters => Cause::Characters,
            Self::Parts => Cause::Parts,
            Self::Encrypted => Cause::Encrypted,
            Self::Base64url => Cause::Base64url,
            Self::Json => Cause::Json,
            Self::DuplicateMember => Cause::DuplicateMember,
            Self::HeaderType(_) => Cause::HeaderType,
            Self::Critical => Cause::Crit,
            Self::Compressed => Cause::Zip,
            Self::Unencoded => Cause::B64,
            Self::Algorithm => Cause::Algorithm,
            Self::UnknownKey => Cause::UnknownKid,
            Self::AmbiguousKey => Cause::AmbiguousKey,
            Self::Signature => Cause::Signature,
            Self::Issuer => Cause::Issuer,
            Self::Audience => Cause::Audience,
            Self::Type => Cause::Type,
            Self::TokenUse => Cause::TokenUse,
            Self::ClaimMissing(_) => Cause::ClaimMissing,
            Self::ClaimType(_) => Cause::ClaimType,
            Self::ClaimRange(_) => Cause::ClaimRange,
            Self::Milliseconds(_) => Cause::Milliseconds,
            Self::Expired => Cause::Expired,
            Self::NotYetValid => Cause::NotYetValid,
            Self::IssuedInFuture => Cause::IssuedInFuture,
            Self::Tenant => Cause::Tenant,
            Self::Inactive => Cause::Inactive,
            Self::ActiveType => Cause::IntrospectionActiveType,
            Self::SenderConstrained => Cause::SenderConstrained,
        }
    }

    /// The claim, or the member of the header, that failed the check, by its usual name.
    #[must_use]
    pub fn claim(self) -> Option<&'static str> {
        Some(match self {
            Self::HeaderType(name)
            | Self::ClaimMissing(name)
            | Self::ClaimType(name)
            | Self::ClaimRange(name) => name,
            Self::Critical => "crit",
            Self::Compressed => "zip",
            Self::Unencoded => "b64",
            Self::Algorithm => "alg",
            Self::UnknownKey | Self::AmbiguousKey => "kid",
            Self::Issuer => "iss",
            Self::Audience => "aud",
            Self::Type => "typ",
            Self::Expired => "exp",
            Self::NotYetValid => "nbf",
            Self::IssuedInFuture => "iat",
            Self::SenderConstrained => "cnf",
            _ => return None,
        })
    }

    /// The policy setting that would accept such a token, where a mismatch is more often a configuration than an attack.
    #[must_use]
    pub fn setting(self) -> Option<&'static str> {
        match self {
            Self::Audience => Some("audiences"),
            Self::Type => Some("accepted_types"),
            Self::TokenUse => Some("accepted_token_uses"),
            _ => None,
        }
    }
}
