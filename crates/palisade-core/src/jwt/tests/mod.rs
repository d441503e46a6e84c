//! Signers and small builders for the tests of this module; the tests stand in the files beside this one.

#![allow(clippy::string_slice, reason = "tokens are ASCII")]

mod cache;
mod caller;
mod claims;
mod header;
mod keys;
mod properties;
mod sets;
mod unread;

use std::sync::OnceLock;

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding, RsaPublicKeyComponents},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64URL},
};
use serde_json::{Value, json};

use super::*;

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const ISSUER: &str = "https://id.example.com";
pub(crate) const SECRET: [u8; 64] = [7; 64];

const EVERY_ALGORITHM: [Algorithm; 13] = [
    Algorithm::HS256,
    Algorithm::HS384,
    Algorithm::HS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::ES512,
    Algorithm::EdDSA,
];

/// The private half of a key.
#[expect(clippy::large_enum_variant, reason = "a handful per test")]
enum Signer {
    Hmac(hmac::Key),
    Rsa(&'static dyn RsaEncoding),
    Ec(EcdsaKeyPair, &'static str),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    fn new(algorithm: Algorithm) -> Self {
        let hmac = |hash| Self::Hmac(hmac::Key::new(hash, &SECRET));
        let ec = |kind, curve| Self::Ec(EcdsaKeyPair::generate(kind).unwrap(), curve);
        match algorithm {
            Algorithm::HS256 => hmac(hmac::HMAC_SHA256),
            Algorithm::HS384 => hmac(hmac::HMAC_SHA384),
            Algorithm::HS512 => hmac(hmac::HMAC_SHA512),
            Algorithm::RS256 => Self::Rsa(&signature::RSA_PKCS1_SHA256),
            Algorithm::RS384 => Self::Rsa(&signature::RSA_PKCS1_SHA384),
            Algorithm::RS512 => Self::Rsa(&signature::RSA_PKCS1_SHA512),
            Algorithm::PS256 => Self::Rsa(&signature::RSA_PSS_SHA256),
            Algorithm::PS384 => Self::Rsa(&signature::RSA_PSS_SHA384),
            Algorithm::PS512 => Self::Rsa(&signature::RSA_PSS_SHA512),
            Algorithm::ES256 => ec(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"),
            Algorithm::ES384 => ec(&signature::ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"),
            Algorithm::ES512 => ec(&signature::ECDSA_P521_SHA512_FIXED_SIGNING, "P-521"),
            Algorithm::EdDSA => Self::Ed25519(Ed25519KeyPair::generate().unwrap()),
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Hmac(key) => hmac::sign(key, message).as_ref().to_vec(),
            Self::Rsa(padding) => {
                let mut signature = vec![0; rsa_key().public_modulus_len()];
                rsa_key()
                    .sign(*padding, &SystemRandom::new(), message, &mut signature)
                    .unwrap();
                signature
            }
            Self::Ec(key, _) => key
                .sign(&SystemRandom::new(), message)
                .unwrap()
                .as_ref()
                .to_vec(),
            Self::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    fn token(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(claims));
        let signature = BASE64URL.encode(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// The public key as a JWK without `kid` and `alg`.
    fn jwk(&self) -> Value {
        match self {
            Self::Hmac(_) => json!({ "kty": "oct", "k": BASE64URL.encode(SECRET) }),
            Self::Rsa(_) => {
                let RsaPublicKeyComponents { n, e }: RsaPublicKeyComponents<Vec<u8>> =
                    rsa_key().public_key().into();
                json!({ "kty": "RSA", "n": BASE64URL.encode(n), "e": BASE64URL.encode(e) })
            }
            Self::Ec(key, curve) => {
                let (x, y) =
                    key.public_key().as_ref()[1..].split_at(key.public_key().as_ref().len() / 2);
                json!({ "kty": "EC", "crv": curve, "x": BASE64URL.encode(x), "y": BASE64URL.encode(y) })
            }
            Self::Ed25519(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64URL.encode(key.public_key().as_ref()) })
            }
        }
    }

    /// The public key in PEM.
    fn pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = match self {
            Self::Hmac(_) => panic!("a secret has no public key"),
            Self::Rsa(_) => rsa_key().public_key().as_der().unwrap(),
            Self::Ec(key, _) => key.public_key().as_der().unwrap(),
            Self::Ed25519(key) => key.public_key().as_der().unwrap(),
        };
        pem("PUBLIC KEY", der.as_ref())
    }

    fn keys(&self, algorithm: Algorithm) -> KeySet {
        match self {
            Self::Hmac(_) => KeySet::from_secret(&SECRET, algorithm).unwrap(),
            _ => KeySet::from_pem(self.pem().as_bytes(), Some(algorithm)).unwrap(),
        }
    }
}

/// One RSA key for all tests: making one takes long.
fn rsa_key() -> &'static RsaKeyPair {
    static KEY: OnceLock<RsaKeyPair> = OnceLock::new();
    KEY.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
}

fn pem(label: &str, der: &[u8]) -> String {
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        STANDARD.encode(der)
    )
}

fn policy() -> TokenPolicy {
    TokenPolicy::new(ISSUER, "urn:api")
}

/// A verifier with the HS256 key of [`hs256`].
fn verifier(policy: TokenPolicy) -> TokenVerifier {
    policy
        .compile(KeySet::from_secret(&SECRET, Algorithm::HS256).unwrap())
        .unwrap()
}

pub(crate) fn hs256(header: &str, claims: &str) -> String {
    Signer::new(Algorithm::HS256).token(header, claims)
}

const HEADER: &str = r#"{"alg":"HS256","typ":"at+jwt"}"#;

/// A good claims set with some members set to other JSON texts, added, or (with an empty text) left out.
pub(crate) fn claims(changes: &[(&str, &str)]) -> String {
    let mut members = vec![
        ("iss", r#""https://id.example.com""#),
        ("sub", r#""alice""#),
        ("aud", r#""urn:api""#),
        ("exp", "1800000300"),
    ];
    for (name, value) in changes {
        match members.iter_mut().find(|(known, _)| known == name) {
            Some(member) => member.1 = value,
            None => members.push((name, value)),
        }
    }
    let texts: Vec<String> = members
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!(r#""{name}":{value}"#))
        .collect();
    format!("{{{}}}", texts.join(","))
}

/// What `policy` says to a well-signed `at+jwt` token with these claims.
fn judge(policy: TokenPolicy, changes: &[(&str, &str)]) -> Result<VerifiedToken, TokenError> {
    verifier(policy).verify(hs256(HEADER, &claims(changes)).as_bytes(), NOW)
}

fn refusal(policy: TokenPolicy, changes: &[(&str, &str)]) -> Option<(&'static str, TokenError)> {
    judge(policy, changes)
        .err()
        .map(|error| (error.reason(), error))
}
