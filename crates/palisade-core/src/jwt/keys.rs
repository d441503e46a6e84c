//! Verification keys: checked and prepared once, each for one algorithm (RFC 8725 §3.1).

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    hmac, rsa,
    signature::{self, ParsedPublicKey, RsaPublicKeyComponents},
};
use jsonwebtoken::{AlgorithmFamily, DecodingKey, DecodingKeyKind};
use thiserror::Error;

use super::{
    algorithm::{Algorithm, Family},
    error::TokenError,
    rsa as strength,
};

/// How many keys one issuer may have.
pub const MAX_KEYS: usize = 100;

/// The keys of one issuer. `Debug` shows names and algorithms only.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<VerificationKey>,
}

impl KeySet {
    /// One shared secret for HS256, HS384 or HS512, in raw bytes.
    ///
    /// # Errors
    /// When the algorithm is not an HMAC, when the secret is shorter than its hash (RFC 7518 §3.2), and when it is a
    /// key file in PEM: a public key used as a secret would let everybody sign.
    pub fn from_secret(secret: &[u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        let Family::Hmac(hash) = algorithm.family() else {
            return Err(KeyError::NotHmac { algorithm });
        };
        if secret.trim_ascii_start().starts_with(b"-----BEGIN ") {
            return Err(KeyError::PemAsSecret);
        }
        let least = hash.digest_algorithm().output_len();
        if secret.len() < least {
            return Err(KeyError::ShortSecret {
                bytes: secret.len(),
                least,
                algorithm,
            });
        }
        Ok(Self::of(VerificationKey {
            kid: None,
            algorithm,
            prepared: Prepared::Hmac(hmac::Key::new(hash, secret)),
        }))
    }

    /// One public key in PEM: RSA (`PUBLIC KEY` or `RSA PUBLIC KEY`), P-256, P-384, P-521 or Ed25519 (`PUBLIC KEY`).
    ///
    /// Without `algorithm`, RSA means RS256; the other kinds of key have only one.
    ///
    /// # Errors
    /// When the text is not exactly one public key, the key does not fit the algorithm, or it is too weak.
    pub fn from_pem(pem: &[u8], algorithm: Option<Algorithm>) -> Result<Self, KeyError> {
        check_labels(pem)?;
        let key = DecodingKey::from_rsa_pem(pem)
            .or_else(|_| DecodingKey::from_ec_pem(pem))
            .or_else(|_| DecodingKey::from_ed_pem(pem))
            .map_err(|_| KeyError::UnknownPem)?;
        Ok(Self::of(VerificationKey::from_public(
            None,
            algorithm,
            Algorithm::RS256,
            &key,
        )?))
    }

    /// Names the only key of this set, so that tokens find it by `kid`. A set of several keys is left as it is.
    #[must_use]
    pub fn named(mut self, kid: &str) -> Self {
        if let [key] = self.keys.as_mut_slice() {
            key.kid = Some(kid.into());
        }
        self
    }

    /// Both sets in one, as during the rotation of a key. The very same key in both is one.
    ///
    /// # Errors
    /// When two keys have the same `kid` (or none) and algorithm, so that a token could not tell them apart, and
    /// beyond [`MAX_KEYS`].
    pub fn merge(mut self, other: Self) -> Result<Self, KeyError> {
        for key in other.keys {
            match self.keys.iter().find(|known| known.is_alike(&key)) {
                Some(known) if known.is_same(&key) => {}
                Some(_) => return Err(KeyError::Ambiguous),
                None => self.keys.push(key),
            }
        }
        if self.keys.len() > MAX_KEYS {
            Err(KeyError::TooMany)
        } else {
            Ok(self)
        }
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no token can be verified.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The `kid` and algorithm of each key.
    pub fn names(&self) -> impl Iterator<Item = (Option<&str>, Algorithm)> {
        self.keys
            .iter()
            .map(|key| (key.kid.as_deref(), key.algorithm))
    }

    /// The key of this number.
    pub(super) fn get(&self, number: usize) -> Option<&VerificationKey> {
        self.keys.get(number)
    }

    /// The number of a key of this set.
    pub(super) fn position(&self, key: &VerificationKey) -> Option<usize> {
        self.keys.iter().position(|own| std::ptr::eq(own, key))
    }

    pub(super) fn from_keys(keys: Vec<VerificationKey>) -> Self {
        Self { keys }
    }

    fn of(key: VerificationKey) -> Self {
        Self { keys: vec![key] }
    }

    /// The one key that a token with this header may be signed by.
    ///
    /// `kid` is only a hint (RFC 7515 §4.1.4): a key without a name fits any, as long as it is the only one of the
    /// algorithm without a name; a key under two names is one key. The signature decides.
    pub(super) fn select(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<&VerificationKey, TokenError> {
        let mut fitting = self.keys.iter().filter(|key| key.algorithm == algorithm);
        let Some(kid) = kid else {
            let only = fitting.next().ok_or(TokenError::Algorithm)?;
            return if fitting.all(|other| other.is_same(only)) {
                Ok(only)
            } else {
                Err(TokenError::AmbiguousKey)
            };
        };
        let mut nameless = None;
        for key in fitting {
            match &key.kid {
                Some(name) if **name == *kid => return Ok(key),
                Some(_) => {}
                None => nameless = Some(key),
            }
        }
        nameless.ok_or_else(|| {
            let known = self.keys.iter().any(|key| key.kid.as_deref() == Some(kid));
            if known {
                TokenError::Algorithm
            } else {
                TokenError::UnknownKey
            }
        })
    }
}

/// One key, bound to one algorithm.
pub(super) struct VerificationKey {
    pub(super) kid: Option<Arc<str>>,
    pub(super) algorithm: Algorithm,
    prepared: Prepared,
}

#[expect(
    clippy::large_enum_variant,
    reason = "a hundred keys at most, and one pointer less for each token"
)]
enum Prepared {
    Hmac(hmac::Key),
    Public(ParsedPublicKey),
}

impl VerificationKey {
    /// Checks and prepares a public key; an RSA key that states no algorithm gets `rsa_algorithm`.
    pub(super) fn from_public(
        kid: Option<Arc<str>>,
        algorithm: Option<Algorithm>,
        rsa_algorithm: Algorithm,
        key: &DecodingKey,
    ) -> Result<Self, KeyError> {
        let (algorithm, public) = match (key.family(), key.kind()) {
            (AlgorithmFamily::Rsa, kind) => prepare_rsa(algorithm.unwrap_or(rsa_algorithm), kind)?,
            (AlgorithmFamily::Ec, DecodingKeyKind::SecretOrDer(point)) => {
                prepare_ec(algorithm, point)?
            }
            (AlgorithmFamily::Ed, DecodingKeyKind::SecretOrDer(point)) => {
                prepare_ed25519(algorithm, point)?
            }
            _ => return Err(KeyError::Malformed),
        };
        Ok(Self {
            kid,
            algorithm,
            prepared: Prepared::Public(public),
        })
    }

    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.prepared {
            Prepared::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Prepared::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }

    /// Whether both are the very same public key. Of secrets that is not asked: no set has several.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.prepared, &other.prepared) {
            (Prepared::Public(one), Prepared::Public(two)) => {
                self.algorithm == other.algorithm && one.as_ref() == two.as_ref()
            }
            _ => false,
        }
    }

    /// Whether no token could tell the two apart.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        self.kid == other.kid && self.algorithm == other.algorithm
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

fn prepare_rsa(
    algorithm: Algorithm,
    kind: &DecodingKeyKind,
) -> Result<(Algorithm, ParsedPublicKey), KeyError> {
    let Family::Rsa(parameters) = algorithm.family() else {
        return Err(KeyError::Mismatch {
            key: "an RSA key",
            algorithm,
        });
    };
    let RsaPublicKeyComponents { n, e } = match kind {
        DecodingKeyKind::RsaModulusExponent { n, e } => RsaPublicKeyComponents {
            n: n.clone(),
            e: e.clone(),
        },
        DecodingKeyKind::SecretOrDer(der) => {
            (&rsa::PublicKey::from_der(der).map_err(|_| KeyError::Malformed)?).into()
        }
    };
    // Some issuers write the sign byte of ASN.1 into a JWK (RFC 7518 §6.3.1.1 warns of it).
    let (n, e) = (without_leading_zeros(&n), without_leading_zeros(&e));
    strength::check(n, e)?;
    let public = RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters);
    Ok((algorithm, public.map_err(|_| KeyError::Malformed)?))
}

/// `point` is uncompressed (SEC 1 §2.3.3): its length tells the curve, the library checks that it lies on it.
fn prepare_ec(
    stated: Option<Algorithm>,
    point: &[u8],
) -> Result<(Algorithm, ParsedPublicKey), KeyError> {
    let (key, algorithm) = match point.len() {
        65 => ("a P-256 key", Algorithm::ES256),
        97 => ("a P-384 key", Algorithm::ES384),
        133 => ("a P-521 key", Algorithm::ES512),
        _ => return Err(KeyError::Malformed),
    };
    let Family::Ec(parameters, _) = algorithm.family() else {
        return Err(KeyError::Malformed);
    };
    match stated {
        Some(stated) if stated != algorithm => Err(KeyError::Mismatch {
            key,
            algorithm: stated,
        }),
        _ => Ok((
            algorithm,
            ParsedPublicKey::new(parameters, point).map_err(|_| KeyError::Malformed)?,
        )),
    }
}

fn prepare_ed25519(
    stated: Option<Algorithm>,
    point: &[u8],
) -> Result<(Algorithm, ParsedPublicKey), KeyError> {
    match stated {
        None | Some(Algorithm::EdDSA) => {
            let public = ParsedPublicKey::new(&signature::ED25519, point)
                .map_err(|_| KeyError::Malformed)?;
            Ok((Algorithm::EdDSA, public))
        }
        Some(algorithm) => Err(KeyError::Mismatch {
            key: "an Ed25519 key",
            algorithm,
        }),
    }
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Says what a PEM file holds when that is not one public key.
fn check_labels(pem: &[u8]) -> Result<(), KeyError> {
    let text = std::str::from_utf8(pem).map_err(|_| KeyError::NotPem)?;
    if text.contains("-----BEGIN") && text.contains("\\n") {
        return Err(KeyError::EscapedLines);
    }
    let labels: Vec<&str> = text
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("-----BEGIN ")?
                .strip_suffix("-----")
        })
        .collect();
    if labels.iter().any(|label| label.ends_with("PRIVATE KEY")) {
        return Err(KeyError::PrivateKey);
    }
    match labels.as_slice() {
        [] => Err(KeyError::NotPem),
        ["PUBLIC KEY" | "RSA PUBLIC KEY"] => Ok(()),
        ["CERTIFICATE"] => Err(KeyError::Certificate),
        [_] => Err(KeyError::UnknownPem),
        _ => Err(KeyError::SeveralPem),
    }
}

/// Why a key cannot be used. Never holds key material.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A secret for an algorithm that takes a key pair.
    #[error("{algorithm} does not use a secret; use HS256, HS384 or HS512, or give a public key")]
    NotHmac {
        /// What was asked for.
        algorithm: Algorithm,
    },
    /// A key file where a secret belongs.
    #[error("the secret is a key file in pem; give it as a public key, not as a secret")]
    PemAsSecret,
    /// A secret that could be guessed.
    #[error("the secret has {bytes} bytes; {algorithm} needs at least {least}")]
    ShortSecret {
        /// How long it is, in bytes.
        bytes: usize,
        /// How long it must be, in bytes.
        least: usize,
        /// For which algorithm.
        algorithm: Algorithm,
    },
    /// Not PEM at all.
    #[error("no pem block found; a public key begins with `-----BEGIN PUBLIC KEY-----`")]
    NotPem,
    /// Lines that end in a backslash and an `n`, as in an environment file.
    #[error(
        "the pem block has the two characters `\\n` where lines should end; write real lines, as `printf '%b'` does"
    )]
    EscapedLines,
    /// The private half, which a verifier must not have.
    #[error("this is a private key; a verifier needs only the public key (`openssl pkey -pubout`)")]
    PrivateKey,
    /// A certificate.
    #[error("this is a certificate; take its public key out first (`openssl x509 -pubkey -noout`)")]
    Certificate,
    /// A PEM block of another kind.
    #[error("not a public key of a known kind; use rsa, p-256, p-384, p-521 or ed25519")]
    UnknownPem,
    /// More than one block.
    #[error("more than one pem block; give one public key per file")]
    SeveralPem,
    /// The key does not do that algorithm.
    #[error("{key} cannot be used for {algorithm}")]
    Mismatch {
        /// What kind of key it is.
        key: &'static str,
        /// The algorithm stated for it.
        algorithm: Algorithm,
    },
    /// The key's own numbers are wrong.
    #[error("the key is malformed")]
    Malformed,
    /// An RSA modulus of the wrong size.
    #[error("the rsa modulus has {bits} bits; use 2048 to 8192")]
    RsaSize {
        /// Its size in bits.
        bits: usize,
    },
    /// An even RSA modulus.
    #[error("the rsa modulus is even")]
    RsaModulus,
    /// An RSA exponent that is small, even or huge.
    #[error("the rsa exponent must be odd, at least 65537 and below 2^33")]
    RsaExponent,
    /// CVE-2017-15361.
    #[error("the rsa modulus was made by a broken generator (cve-2017-15361); make a new key")]
    Roca,
    /// Same `kid`, same algorithm.
    #[error("another key has the same kid and algorithm; give each key its own kid")]
    Ambiguous,
    /// More than [`MAX_KEYS`].
    #[error("more than {MAX_KEYS} keys")]
    TooMany,
    /// A JWK set beyond the size limit.
    #[error("the jwk set is larger than 512 KiB")]
    SetTooLarge,
    /// Packed by gzip (RFC 1952).
    #[error(
        "the jwk set is packed by gzip; unpack it first, or have it served without `Content-Encoding`"
    )]
    Packed,
    /// Not a JWK set.
    #[error("not a jwk set; expected a json object with an array `keys`")]
    NotASet,
    /// A symmetric key in a public set.
    #[error("a secret (kty `oct`) is published in the key set: it must be replaced")]
    PublishedSecret,
    /// A private member in a public set.
    #[error("a private key is published in the key set: it must be replaced")]
    PublishedPrivateKey,
    /// A key type that signs no tokens.
    #[error("the key type or curve is not supported")]
    UnknownKeyType,
    /// `use` is not `sig`.
    #[error("`use` is not `sig`")]
    NotForSigning,
    /// `key_ops` lacks `verify`.
    #[error("`key_ops` does not list `verify`")]
    NotForVerifying,
    /// `alg` is not a supported signature algorithm.
    #[error("`alg` is not a supported signature algorithm")]
    UnknownAlgorithm,
    /// A `kid` that is empty, long or no string.
    #[error("`kid` is not a string of 1 to 256 bytes")]
    BadKid,
}
