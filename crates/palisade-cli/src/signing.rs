//! Key pairs that sign tokens: made, written as PEM, and read again.

use crate::answer::Failure;
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{self, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair,
    },
};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use clap::ValueEnum;
use jsonwebtoken::{
    Algorithm, EncodingKey,
    jwk::{Jwk, PublicKeyUse, ThumbprintHash},
};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};

/// A signature algorithm of RFC 7518 §3.1 or RFC 8037 §3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
#[allow(clippy::upper_case_acronyms, reason = "the names of the registry")]
pub(crate) enum Alg {
    ES256,
    ES384,
    EdDSA,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    HS256,
    HS384,
    HS512,
}

/// What an RSA key has in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RsaBits {
    #[value(name = "2048")]
    B2048,
    #[value(name = "3072")]
    B3072,
    #[value(name = "4096")]
    B4096,
}

/// Reads a key of one kind.
type FromPem = fn(&[u8]) -> jsonwebtoken::errors::Result<EncodingKey>;

/// A key that signs, and the algorithm it is for.
pub(crate) struct Signer {
    pub(crate) alg: Alg,
    pub(crate) key: EncodingKey,
}

impl Alg {
    pub(crate) fn is_shared_secret(self) -> bool {
        matches!(self, Alg::HS256 | Alg::HS384 | Alg::HS512)
    }

    pub(crate) fn wire(self) -> Algorithm {
        match self {
            Alg::ES256 => Algorithm::ES256,
            Alg::ES384 => Algorithm::ES384,
            Alg::EdDSA => Algorithm::EdDSA,
            Alg::RS256 => Algorithm::RS256,
            Alg::RS384 => Algorithm::RS384,
            Alg::RS512 => Algorithm::RS512,
            Alg::PS256 => Algorithm::PS256,
            Alg::PS384 => Algorithm::PS384,
            Alg::PS512 => Algorithm::PS512,
            Alg::HS256 => Algorithm::HS256,
            Alg::HS384 => Algorithm::HS384,
            Alg::HS512 => Algorithm::HS512,
        }
    }
}

/// Makes a private key, as PEM in PKCS #8 (RFC 5958).
pub(crate) fn generate(alg: Alg, bits: RsaBits) -> Result<SecretString, Failure> {
    let failed = || Failure::Outside("no key could be made".to_owned());
    let ecdsa = |curve| {
        let pair = EcdsaKeyPair::generate(curve).map_err(|_| failed())?;
        Ok(pair.to_pkcs8v1().map_err(|_| failed())?.as_ref().to_vec())
    };
    let der: Vec<u8> = match alg {
        Alg::ES256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING)?,
        Alg::ES384 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING)?,
        Alg::EdDSA => {
            let pair = Ed25519KeyPair::generate().map_err(|_| failed())?;
            let der = pair.to_pkcs8v1().map_err(|_| failed())?;
            der.as_ref().to_vec()
        }
        Alg::HS256 | Alg::HS384 | Alg::HS512 => {
            return Err(Failure::Usage(
                "a shared secret has no public part; choose ES256, EdDSA or RS256 for a key set"
                    .to_owned(),
            ));
        }
        _ => {
            let size = match bits {
                RsaBits::B2048 => KeySize::Rsa2048,
                RsaBits::B3072 => KeySize::Rsa3072,
                RsaBits::B4096 => KeySize::Rsa4096,
            };
            let pair = rsa::KeyPair::generate(size).map_err(|_| failed())?;
            let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair);
            der.map_err(|_| failed())?.as_ref().to_vec()
        }
    };
    Ok(pem(&Zeroizing::new(der)).into())
}

fn pem(der: &[u8]) -> String {
    let text = Zeroizing::new(BASE64_STANDARD.encode(der));
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    for (index, c) in text.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            pem.push('\n');
        }
        pem.push(c);
    }
    pem.push_str("\n-----END PRIVATE KEY-----\n");
    pem
}

impl Signer {
    /// Reads a private key in PEM, or a shared secret where `alg` takes one. Without `alg`, the
    /// usual algorithm of the key's kind.
    pub(crate) fn read(text: &SecretString, alg: Option<Alg>) -> Result<Self, Failure> {
        let text = text.expose_secret().as_bytes();
        if let Some(alg) = alg.filter(|alg| alg.is_shared_secret()) {
            let key = EncodingKey::from_secret(text);
            return Ok(Self { alg, key });
        }
        let kinds: [(&[Alg], FromPem); 3] = [
            (&[Alg::EdDSA], EncodingKey::from_ed_pem),
            (&[Alg::ES256, Alg::ES384], EncodingKey::from_ec_pem),
            (
                &[
                    Alg::RS256,
                    Alg::RS384,
                    Alg::RS512,
                    Alg::PS256,
                    Alg::PS384,
                    Alg::PS512,
                ],
                EncodingKey::from_rsa_pem,
            ),
        ];
        let wanted = |own: &Alg| alg.is_none_or(|alg| alg == *own);
        for (algs, from_pem) in kinds {
            let Ok(key) = from_pem(text) else {
                continue;
            };
            // Of two curves, the one whose public half can be told.
            let fitting = algs.iter().filter(|own| wanted(own)).find(|own| {
                let wire = own.wire();
                Jwk::from_encoding_key(&key, wire).is_ok()
            });
            return match fitting {
                Some(&alg) => Ok(Self { alg, key }),
                None => Err(Failure::Usage(format!(
                    "the key cannot sign with that algorithm; it does {}",
                    algs.iter()
                        .map(|own| format!("{own:?}"))
                        .collect::<Vec<_>>()
                        .join(", "),
                ))),
            };
        }
        if text.starts_with(b"-----BEGIN") && text.windows(2).any(|pair| pair == b"\\n") {
            return Err(Failure::Outside(
                "the key has the two characters \\n where lines should end, as environment files \
                 have them; write real lines, as `printf '%b'` does"
                    .to_owned(),
            ));
        }
        Err(Failure::Outside(
            "there is no private key in pem (p-256, p-384, ed25519 or rsa); for a shared secret \
             give --alg HS256"
                .to_owned(),
        ))
    }

    /// The public half as a JWK, named by its thumbprint (RFC 7638).
    pub(crate) fn public(&self) -> Result<Jwk, Failure> {
        let failed = |why| Failure::Outside(format!("the public key cannot be told: {why}"));
        let mut jwk = Jwk::from_encoding_key(&self.key, self.alg.wire()).map_err(failed)?;
        jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256).map_err(failed)?);
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(jwk)
    }
}
