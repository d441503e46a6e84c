//! Signature algorithms (RFC 7518 §3.1, RFC 8037, RFC 9864).

use std::{fmt, str::FromStr};

use aws_lc_rs::{
    hmac,
    signature::{self, EcdsaVerificationAlgorithm, RsaParameters},
};

/// A JWS signature algorithm. There is no `none`: what cannot be named cannot be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256.
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PSS with SHA-384.
    PS384,
    /// RSASSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// ECDSA on P-521 with SHA-512.
    ES512,
    /// Ed25519, spelled `EdDSA` (RFC 8037) or `Ed25519` (RFC 9864).
    EdDSA,
}

/// What kind of key an algorithm takes, with what the library needs to verify.
pub(super) enum Family {
    Hmac(hmac::Algorithm),
    Rsa(&'static RsaParameters),
    /// With the bytes of one coordinate.
    Ec(&'static EcdsaVerificationAlgorithm, usize),
    Ed25519,
}

impl Algorithm {
    /// The name in a `alg` header; `EdDSA` for Ed25519.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
        }
    }

    /// Whether it takes an RSA key.
    pub(crate) fn is_rsa(self) -> bool {
        matches!(self.family(), Family::Rsa(_))
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "HS256" => Self::HS256,
            "HS384" => Self::HS384,
            "HS512" => Self::HS512,
            "RS256" => Self::RS256,
            "RS384" => Self::RS384,
            "RS512" => Self::RS512,
            "PS256" => Self::PS256,
            "PS384" => Self::PS384,
            "PS512" => Self::PS512,
            "ES256" => Self::ES256,
            "ES384" => Self::ES384,
            "ES512" => Self::ES512,
            "EdDSA" | "Ed25519" => Self::EdDSA,
            _ => return None,
        })
    }

    pub(super) fn family(self) -> Family {
        match self {
            Self::HS256 => Family::Hmac(hmac::HMAC_SHA256),
            Self::HS384 => Family::Hmac(hmac::HMAC_SHA384),
            Self::HS512 => Family::Hmac(hmac::HMAC_SHA512),
            Self::RS256 => Family::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::RS384 => Family::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::RS512 => Family::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::PS256 => Family::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Self::PS384 => Family::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
            Self::PS512 => Family::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
            Self::ES256 => Family::Ec(&signature::ECDSA_P256_SHA256_FIXED, 32),
            Self::ES384 => Family::Ec(&signature::ECDSA_P384_SHA384_FIXED, 48),
            Self::ES512 => Family::Ec(&signature::ECDSA_P521_SHA512_FIXED, 66),
            Self::EdDSA => Family::Ed25519,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::parse(name).ok_or(UnknownAlgorithm)
    }
}

/// A name that is none of the supported algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a supported algorithm; use HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 or EdDSA"
)]
pub struct UnknownAlgorithm;
