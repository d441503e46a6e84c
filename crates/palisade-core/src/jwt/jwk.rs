//! Reading a JWK set (RFC 7517) key by key: one that cannot be used does not take the others down.

use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk},
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    algorithm::{Algorithm, Family},
    keys::{KeyError, KeySet, MAX_KEYS, VerificationKey},
};

/// The largest JWK set that is read, in bytes.
pub const MAX_SET_BYTES: usize = 512 * 1024;
const MAX_KID_BYTES: usize = 256;

/// How to read a JWK set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JwkOptions {
    /// What an RSA key without `alg` is for: RS256 by default.
    pub rsa_algorithm: Algorithm,
}

impl Default for JwkOptions {
    fn default() -> Self {
        Self {
            rsa_algorithm: Algorithm::RS256,
        }
    }
}

/// A key of a set that is not used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its place in the set, from 0.
    pub position: usize,
    /// Its name, when it has a usable one.
    pub kid: Option<String>,
    /// What is wrong with it.
    pub why: KeyError,
}

impl SkippedKey {
    /// Whether somebody must act: the set publishes a secret.
    #[must_use]
    pub fn is_alarm(&self) -> bool {
        matches!(
            self.why,
            KeyError::PublishedSecret | KeyError::PublishedPrivateKey
        )
    }
}

impl KeySet {
    /// The public keys of a JWK set, and those that cannot be used.
    ///
    /// A member that is null counts as absent, and the very same key twice is one. Keys with the same `kid` are told apart
    /// by their algorithm; those that still look alike are all skipped, because the set does not say which one a token
    /// means.
    ///
    /// # Errors
    /// When the bytes are not a JWK set, or beyond [`MAX_SET_BYTES`] or [`MAX_KEYS`].
    pub fn from_jwk_set(
        json: &[u8],
        options: JwkOptions,
    ) -> Result<(Self, Vec<SkippedKey>), KeyError> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }

        if json.len() > MAX_SET_BYTES {
            return Err(KeyError::SetTooLarge);
        }
        if json.starts_with(&[0x1f, 0x8b]) {
            return Err(KeyError::Packed);
        }
        let document: Document = serde_json::from_slice(json).map_err(|_| KeyError::NotASet)?;
        if document.keys.len() > MAX_KEYS {
            return Err(KeyError::TooMany);
        }
        let (mut usable, mut skipped) = (Vec::new(), Vec::new());
        for (position, mut value) in document.keys.into_iter().enumerate() {
            drop_nulls(&mut value);
            let kid = read_kid(&value);
            let name = kid.clone().ok().flatten();
            match kid.and_then(|kid| read_key(value, kid, options)) {
                Ok(key) => usable.push((position, key)),
                Err(why) => skipped.push(SkippedKey {
                    position,
                    kid: name,
                    why,
                }),
            }
        }
        // Listed twice, a key is still one; which of the two is meant does not matter.
        let mut once: Vec<(usize, VerificationKey)> = Vec::with_capacity(usable.len());
        for (position, key) in usable {
            if !once
                .iter()
                .any(|(_, known)| known.is_alike(&key) && known.is_same(&key))
            {
                once.push((position, key));
            }
        }
        let alike: Vec<bool> = once
            .iter()
            .map(|(position, key)| {
                once.iter()
                    .any(|(other, known)| other != position && known.is_alike(key))
            })
            .collect();
        let mut keys = Vec::with_capacity(once.len());
        for ((position, key), alike) in once.into_iter().zip(alike) {
            if alike {
                let kid = key.kid.as_deref().map(str::to_owned);
                skipped.push(SkippedKey {
                    position,
                    kid,
                    why: KeyError::Ambiguous,
                });
            } else {
                keys.push(key);
            }
        }
        skipped.sort_by_key(|key| key.position);
        Ok((Self::from_keys(keys), skipped))
    }
}

/// A member that is null is none: some issuers write all that a key may have, the private ones too.
fn drop_nulls(key: &mut Value) {
    if let Value::Object(members) = key {
        members.retain(|_, value| !value.is_null());
    }
}

fn read_kid(key: &Value) -> Result<Option<String>, KeyError> {
    match key.get("kid") {
        None => Ok(None),
        Some(Value::String(kid)) if (1..=MAX_KID_BYTES).contains(&kid.len()) => {
            Ok(Some(kid.clone()))
        }
        Some(_) => Err(KeyError::BadKid),
    }
}

fn read_key(
    key: Value,
    kid: Option<String>,
    options: JwkOptions,
) -> Result<VerificationKey, KeyError> {
    if key.get("kty").and_then(Value::as_str) == Some("oct") || key.get("k").is_some() {
        return Err(KeyError::PublishedSecret);
    }
    if key.get("d").is_some() {
        return Err(KeyError::PublishedPrivateKey);
    }
    if key.get("use").is_some_and(|usage| usage != "sig") {
        return Err(KeyError::NotForSigning);
    }
    if let Some(operations) = key.get("key_ops") {
        let listed = operations
            .as_array()
            .is_some_and(|list| list.iter().any(|operation| operation == "verify"));
        if !listed {
            return Err(KeyError::NotForVerifying);
        }
    }
    // Read here and not from `Jwk`, whose list of names lacks ES512 and RFC 9864's `Ed25519`.
    let algorithm = match key.get("alg") {
        None => None,
        Some(name) => Some(
            name.as_str()
                .and_then(Algorithm::parse)
                .ok_or(KeyError::UnknownAlgorithm)?,
        ),
    };
    let jwk: Jwk = serde_json::from_value(key).map_err(|_| KeyError::UnknownKeyType)?;
    check_curve(&jwk.algorithm)?;
    let public = DecodingKey::from_jwk(&jwk).map_err(|_| KeyError::Malformed)?;
    VerificationKey::from_public(
        kid.map(Into::into),
        algorithm,
        options.rsa_algorithm,
        &public,
    )
}

/// `crv` must fit the key type, and each coordinate must have its full length (RFC 7518 §6.2.1.2): joined together,
/// a short one would borrow from its neighbour.
fn check_curve(parameters: &AlgorithmParameters) -> Result<(), KeyError> {
    match parameters {
        AlgorithmParameters::RSA(_) => Ok(()),
        AlgorithmParameters::EllipticCurve(point) => {
            let algorithm = match point.curve {
                EllipticCurve::P256 => Algorithm::ES256,
                EllipticCurve::P384 => Algorithm::ES384,
                EllipticCurve::P521 => Algorithm::ES512,
                _ => return Err(KeyError::UnknownKeyType),
            };
            let Family::Ec(_, bytes) = algorithm.family() else {
                return Err(KeyError::UnknownKeyType);
            };
            let characters = (bytes * 8).div_ceil(6);
            let full = [&point.x, &point.y]
                .iter()
                .all(|coordinate| coordinate.len() == characters);
            if full {
                Ok(())
            } else {
                Err(KeyError::Malformed)
            }
        }
        AlgorithmParameters::OctetKeyPair(point) if point.curve == EllipticCurve::Ed25519 => Ok(()),
        _ => Err(KeyError::UnknownKeyType),
    }
}
