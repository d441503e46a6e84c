//! The issuer of this benchmark: keys made at start, tokens with about 500 bytes of claims, and one API key.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    hmac,
    signature::{self, ParsedPublicKey},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, encode};
use palisade_core::{GeneratedKey, SystemEntropy, generate_key};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData};
use serde_json::json;

use crate::rows::Credential;

pub(crate) const ISSUER: &str = "https://id.example.com/realms/shop";
pub(crate) const AUDIENCE: &str = "https://api.example.com";
pub(crate) const KEY_PREFIX: &str = "shop";

/// 32 bytes, what HS256 asks for. It guards nothing but this process.
const SECRET: [u8; 32] = [0x5a; 32];

/// In our form, with its checksum; to the peers it is any text.
pub(crate) static API_KEY: LazyLock<GeneratedKey> =
    LazyLock::new(|| generate_key(KEY_PREFIX, &SystemEntropy).expect("randomness"));

// Made at first use, so that a run of one row under valgrind does not pay for an RSA key it never needs.
static RSA: LazyLock<KeyPair> = LazyLock::new(|| generate(&PKCS_RSA_SHA256));
static P256: LazyLock<KeyPair> = LazyLock::new(|| generate(&PKCS_ECDSA_P256_SHA256));
static ED25519: LazyLock<KeyPair> = LazyLock::new(|| generate(&PKCS_ED25519));

/// A signature algorithm with the key of this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signing(Algorithm);

impl Signing {
    pub(crate) const HS256: Self = Self(Algorithm::HS256);

    /// The signature behind a credential; an API key has none.
    pub(crate) fn of(credential: Credential) -> Option<Self> {
        Some(Self(match credential {
            Credential::Hs256 => Algorithm::HS256,
            Credential::Rs256 => Algorithm::RS256,
            Credential::Es256 => Algorithm::ES256,
            Credential::EdDsa => Algorithm::EdDSA,
            Credential::ApiKey => return None,
        }))
    }

    pub(crate) fn algorithm(self) -> Algorithm {
        self.0
    }

    /// A token as an OAuth 2 server would issue it (RFC 9068), good for one hour.
    pub(crate) fn token(self) -> String {
        let pem = || self.pair().serialize_pem();
        let key = match self.0 {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(pem().as_bytes()),
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem().as_bytes()),
            Algorithm::EdDSA => EncodingKey::from_ed_pem(pem().as_bytes()),
            _ => Ok(EncodingKey::from_secret(&SECRET)),
        };
        let header = Header {
            typ: Some("at+jwt".into()),
            kid: Some("2026-11".into()),
            ..Header::new(self.0)
        };
        encode(&header, &claims(), &key.expect("own key")).expect("own claims")
    }

    /// The key that checks the token: the secret, or the public key in PEM.
    pub(crate) fn key(self) -> Vec<u8> {
        match self {
            Self::HS256 => SECRET.to_vec(),
            _ => self.pair().public_key_pem().into_bytes(),
        }
    }

    /// The same key as `jsonwebtoken` takes it.
    pub(crate) fn decoding_key(self) -> DecodingKey {
        let key = self.key();
        match self.0 {
            Algorithm::RS256 => DecodingKey::from_rsa_pem(&key),
            Algorithm::ES256 => DecodingKey::from_ec_pem(&key),
            Algorithm::EdDSA => DecodingKey::from_ed_pem(&key),
            _ => Ok(DecodingKey::from_secret(&key)),
        }
        .expect("own key")
    }

    /// A check of the token's signature and nothing else, with everything prepared: no verification can cost less.
    pub(crate) fn bare_check(self) -> impl Fn() {
        let token = self.token();
        let (signed, signature) = token.rsplit_once('.').expect("own token");
        let signed = signed.as_bytes().to_vec();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).expect("own token");
        let public: Option<&dyn signature::VerificationAlgorithm> = match self.0 {
            Algorithm::RS256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::ES256 => Some(&signature::ECDSA_P256_SHA256_FIXED),
            Algorithm::EdDSA => Some(&signature::ED25519),
            _ => None,
        };
        let public = public.map(|algorithm| {
            ParsedPublicKey::new(algorithm, self.pair().der_bytes()).expect("own key")
        });
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &SECRET);
        move || {
            let checked = match &public {
                Some(key) => key.verify_sig(&signed, &signature),
                None => hmac::verify(&secret, &signed, &signature),
            };
            checked.expect("own signature");
        }
    }

    fn pair(self) -> &'static KeyPair {
        match self.0 {
            Algorithm::RS256 => &RSA,
            Algorithm::ES256 => &P256,
            _ => &ED25519,
        }
    }
}

fn generate(algorithm: &'static rcgen::SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).expect("a key for an algorithm that the provider has")
}

fn claims() -> serde_json::Value {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed: Duration| elapsed.as_secs());
    json!({
        "iss": ISSUER,
        "sub": "248289761001-5b1f4c3e-7d2a-4e0b",
        "aud": AUDIENCE,
        "exp": now + 3600,
        "iat": now,
        "nbf": now,
        "jti": "f3b0c442-98fc-4c14-9afb-4c8996fb9242",
        "client_id": "shop-frontend",
        "scope": "openid profile items:read orders:read orders:write",
        "roles": ["user", "support"],
        "name": "Alice Wonderland",
        "preferred_username": "alice",
        "email": "alice@example.com",
        "email_verified": true,
        "tenant": "emea-retail",
        "acr": "urn:example:loa:2",
        "amr": ["pwd", "otp"],
        "locale": "en-GB",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_claims_have_the_size_the_report_speaks_of() {
        let length = claims().to_string().len();
        assert!((450..=550).contains(&length), "{length} bytes");
    }
}
