//! The keys that sign the tokens of cases: made anew for every run, so that none is kept in the repository.
//!
//! Public parts and shared secrets lie in a temporary folder, which policies reach as `file:{keys}/NAME.pem`,
//! `file:{keys}/hs.secret`, `file:{keys}/client.secret` and `file:{keys}/jwks.json`. Private parts never leave the
//! process.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use aws_lc_rs::{hmac, rand};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value, json};

/// The names cases use. `other_…` are keys that no policy trusts; `ps` is an RSA key kept for PS256.
pub(crate) const NAMES: [&str; 11] = [
    "hs",
    "rsa",
    "ps",
    "es256",
    "es384",
    "ed",
    "other_hs",
    "other_rsa",
    "other_es256",
    "other_es384",
    "other_ed",
];

/// The keys of one run. The folder goes with the last user.
pub(crate) struct Keys {
    folder: PathBuf,
    keys: Vec<(&'static str, Key)>,
    client_secret: String,
}

impl Keys {
    /// The keys of this process: made by the first caller, shared by the others.
    ///
    /// # Errors
    /// When a key cannot be made or the folder cannot be written.
    pub(crate) fn shared() -> Result<Arc<Self>, String> {
        static SHARED: Mutex<Weak<Keys>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = shared.upgrade() {
            return Ok(keys);
        }
        let keys = Arc::new(Self::generate()?);
        *shared = Arc::downgrade(&keys);
        Ok(keys)
    }

    /// Where the public parts lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What no server may tell: what each is, and the text.
    pub(crate) fn secrets(&self) -> Vec<(&'static str, String)> {
        let hmac = self.keys.iter().filter_map(|(_, key)| match key {
            Key::Hmac(secret) => Some(("an HMAC secret", secret.clone())),
            _ => None,
        });
        let basic = BASE64_STANDARD.encode(format!("api:{}", self.client_secret));
        let client = [
            ("the secret of a client", self.client_secret.clone()),
            ("the credentials of a client", basic),
        ];
        hmac.chain(client).collect()
    }

    /// Signs `message` with the key called `name`.
    ///
    /// An `HS…` algorithm with an asymmetric key uses the text of its public PEM file as the secret: the classic
    /// confusion attack.
    ///
    /// # Errors
    /// When there is no such key, or it cannot sign with `alg`.
    pub(crate) fn sign(&self, name: &str, alg: &str, message: &[u8]) -> Result<Vec<u8>, String> {
        let cannot = || format!("key `{name}` cannot sign with `{alg}`");
        let key = self.get(name)?;
        if let Some(hash) = alg.strip_prefix("HS") {
            let algorithm = match hash {
                "256" => hmac::HMAC_SHA256,
                "384" => hmac::HMAC_SHA384,
                "512" => hmac::HMAC_SHA512,
                _ => return Err(cannot()),
            };
            let secret = match key {
                Key::Hmac(secret) => secret.clone().into_bytes(),
                public => public.pem()?.into_bytes(),
            };
            return Ok(hmac::sign(&hmac::Key::new(algorithm, &secret), message)
                .as_ref()
                .to_vec());
        }
        match (key, alg) {
            (Key::Rsa(pair), _) => {
                let encoding: &'static dyn RsaEncoding = match alg {
                    "RS256" => &RSA_PKCS1_SHA256,
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => return Err(cannot()),
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_| cannot())?;
                Ok(signature)
            }
            (Key::Ec(pair, own), _) if *own == alg => Ok(pair
                .sign(&SystemRandom::new(), message)
                .map_err(|_| cannot())?
                .as_ref()
                .to_vec()),
            (Key::Ed(pair), "EdDSA" | "Ed25519") => Ok(pair.sign(message).as_ref().to_vec()),
            _ => Err(cannot()),
        }
    }

    /// The algorithm a key signs with unless a token says otherwise.
    ///
    /// # Errors
    /// When there is no such key.
    pub(crate) fn usual_algorithm(&self, name: &str) -> Result<&'static str, String> {
        Ok(match self.get(name)? {
            Key::Hmac(_) => "HS256",
            Key::Rsa(_) if name == "ps" => "PS256",
            Key::Rsa(_) => "RS256",
            Key::Ec(_, alg) => alg,
            Key::Ed(_) => "EdDSA",
        })
    }

    /// The set of the public keys that policies trust, as their issuer publishes it.
    pub(crate) fn trusted_jwks(&self) -> Result<Vec<Value>, String> {
        let names = NAMES
            .iter()
            .filter(|name| !matches!(self.get(name), Ok(Key::Hmac(_))));
        let trusted = names.filter(|name| !name.starts_with("other_"));
        trusted.map(|name| self.jwk(name)).collect()
    }

    /// The set of the keys of these names.
    pub(crate) fn jwks(&self, names: &[String]) -> Result<Value, String> {
        let keys: Result<Vec<_>, _> = names.iter().map(|name| self.jwk(name)).collect();
        Ok(json!({ "keys": keys? }))
    }

    /// The public part of a key; its `kid` is its name.
    pub(crate) fn jwk(&self, name: &str) -> Result<Value, String> {
        self.get(name)?.jwk(name, self.usual_algorithm(name)?)
    }

    /// The shared secret `hs` as a key that has no business in a public set.
    pub(crate) fn secret_jwk(&self) -> Result<Value, String> {
        match self.get("hs")? {
            Key::Hmac(secret) => {
                let text = BASE64_URL_SAFE_NO_PAD.encode(secret);
                Ok(json!({ "kty": "oct", "kid": "oct", "use": "sig", "alg": "HS256", "k": text }))
            }
            _ => Err("`hs` is no shared secret".to_owned()),
        }
    }

    /// What introspection demands of its client: characters that must be encoded on the way (RFC 6749 §2.3.1).
    pub(crate) fn client_secret(&self) -> &str {
        &self.client_secret
    }

    fn get(&self, name: &str) -> Result<&Key, String> {
        let key = self
            .keys
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, key)| key);
        key.ok_or_else(|| format!("there is no key `{name}`; there are {}", NAMES.join(", ")))
    }

    fn generate() -> Result<Self, String> {
        let keys = NAMES
            .into_iter()
            .map(|name| Ok((name, Key::generate(name)?)))
            .collect::<Result<Vec<_>, String>>()?;
        static RUN: AtomicU32 = AtomicU32::new(0);
        let run = RUN.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("palisade-conformance-{}-{run}", std::process::id()));
        let client_secret = format!("{}%:+&= /", random_hex(16)?);
        let keys = Self {
            folder,
            keys,
            client_secret,
        };
        keys.write().map_err(|error| {
            format!("cannot write keys into {}: {error}", keys.folder.display())
        })?;
        Ok(keys)
    }

    fn write(&self) -> Result<(), String> {
        let text = |error: std::io::Error| error.to_string();
        fs::create_dir_all(&self.folder).map_err(text)?;
        for (name, key) in &self.keys {
            let (file, content) = match key {
                Key::Hmac(secret) => (format!("{name}.secret"), secret.clone()),
                public => (format!("{name}.pem"), public.pem()?),
            };
            fs::write(self.folder.join(file), content).map_err(text)?;
        }
        let set = json!({ "keys": self.trusted_jwks()? });
        fs::write(self.folder.join("jwks.json"), set.to_string()).map_err(text)?;
        fs::write(self.folder.join("client.secret"), &self.client_secret).map_err(text)
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

enum Key {
    Hmac(String),
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair, &'static str),
    Ed(Ed25519KeyPair),
}

impl Key {
    fn generate(name: &str) -> Result<Self, String> {
        let failed = |_| format!("cannot make the key `{name}`");
        Ok(match name.strip_prefix("other_").unwrap_or(name) {
            "hs" => Self::Hmac(random_hex(64)?),
            "es256" => Self::Ec(
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?,
                "ES256",
            ),
            "es384" => Self::Ec(
                EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map_err(failed)?,
                "ES384",
            ),
            "ed" => Self::Ed(Ed25519KeyPair::generate().map_err(failed)?),
            _ => Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?),
        })
    }

    /// The public part as SubjectPublicKeyInfo (RFC 7468 §13).
    fn pem(&self) -> Result<String, String> {
        let der = match self {
            Self::Hmac(_) => return Err("a shared secret has no public part".to_owned()),
            Self::Rsa(pair) => pair.public_key().as_der().map(|der| der.as_ref().to_vec()),
            Self::Ec(pair, _) => pair.public_key().as_der().map(|der| der.as_ref().to_vec()),
            Self::Ed(pair) => pair.public_key().as_der().map(|der| der.as_ref().to_vec()),
        };
        let text = BASE64_STANDARD.encode(der.map_err(|_| "cannot encode a public key")?);
        let mut pem = "-----BEGIN PUBLIC KEY-----\n".to_owned();
        for line in text.as_bytes().chunks(64) {
            pem.extend(line.iter().map(|byte| char::from(*byte)));
            pem.push('\n');
        }
        Ok(pem + "-----END PUBLIC KEY-----\n")
    }

    /// The public part as a JSON Web Key (RFC 7518 §6, RFC 8037 §2).
    fn jwk(&self, kid: &str, alg: &str) -> Result<Value, String> {
        let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        Ok(match self {
            Self::Hmac(_) => {
                return Err("a shared secret does not belong into a public key set".to_owned());
            }
            Self::Rsa(pair) => {
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                let (n, e) = (
                    text(n.big_endian_without_leading_zero()),
                    text(e.big_endian_without_leading_zero()),
                );
                json!({ "kty": "RSA", "kid": kid, "use": "sig", "alg": alg, "n": n, "e": e })
            }
            Self::Ec(pair, _) => {
                // An uncompressed point: 0x04, then two coordinates of equal length.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if alg == "ES256" { "P-256" } else { "P-384" };
                json!({ "kty": "EC", "kid": kid, "use": "sig", "alg": alg, "crv": curve, "x": text(x), "y": text(y) })
            }
            Self::Ed(pair) => {
                json!({ "kty": "OKP", "kid": kid, "use": "sig", "alg": alg, "crv": "Ed25519", "x": text(pair.public_key().as_ref()) })
            }
        })
    }
}

fn random_hex(bytes: usize) -> Result<String, String> {
    let mut random = vec![0; bytes];
    rand::fill(&mut random).map_err(|_| "there is no randomness")?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{
        ECDSA_P384_SHA384_FIXED, ED25519, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
        VerificationAlgorithm,
    };

    use super::*;

    #[test]
    fn signatures_verify_with_the_published_keys() {
        let keys = Keys::shared().unwrap();
        let check = |name: &str, alg: &str, algorithm: &'static dyn VerificationAlgorithm| {
            let pem = fs::read_to_string(keys.folder().join(format!("{name}.pem"))).unwrap();
            let der = BASE64_STANDARD
                .decode(
                    pem.lines()
                        .filter(|line| !line.starts_with('-'))
                        .collect::<String>(),
                )
                .unwrap();
            let signature = keys.sign(name, alg, b"message").unwrap();
            UnparsedPublicKey::new(algorithm, der)
                .verify(b"message", &signature)
                .unwrap();
        };
        check("ps", "PS256", &RSA_PSS_2048_8192_SHA256);
        check("es384", "ES384", &ECDSA_P384_SHA384_FIXED);
        check("other_ed", "EdDSA", &ED25519);
    }

    #[test]
    fn the_published_set_has_every_trusted_key_and_no_secret() {
        let keys = Keys::shared().unwrap();
        let set: Value =
            serde_json::from_str(&fs::read_to_string(keys.folder().join("jwks.json")).unwrap())
                .unwrap();
        let ids: Vec<_> = set["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].as_str().unwrap())
            .collect();
        assert_eq!(ids, ["rsa", "ps", "es256", "es384", "ed"]);
        assert!(
            set["keys"]
                .as_array()
                .unwrap()
                .iter()
                .all(|key| key.get("d").is_none() && key["kty"] != "oct")
        );
        assert_eq!(
            fs::read_to_string(keys.folder().join("hs.secret"))
                .unwrap()
                .len(),
            128
        );
    }

    #[test]
    fn says_what_a_key_cannot_do() {
        let keys = Keys::shared().unwrap();
        assert_eq!(
            keys.sign("ed", "RS256", b"").unwrap_err(),
            "key `ed` cannot sign with `RS256`"
        );
        assert!(
            keys.sign("nobody", "RS256", b"")
                .unwrap_err()
                .starts_with("there is no key `nobody`; there are hs, rsa")
        );
        assert_eq!(
            keys.sign("rsa", "HS256", b"").unwrap().len(),
            32,
            "the confusion attack"
        );
    }
}
