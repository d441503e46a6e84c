//! From the bytes of a token to its claims: nothing is read but the header until the signature is good.

use std::{fmt, sync::Arc};

use base64_simd::{AsOut, URL_SAFE_NO_PAD as BASE64URL};

use super::{
    algorithm::Algorithm,
    error::TokenError,
    header::{Header, SeenHeaders},
    keys::{KeySet, VerificationKey},
    policy::Profile,
    rules::TokenRules,
    token::VerifiedToken,
};

/// A signature up to this size, decoded, needs no allocation: all but those of RSA, which take long anyway.
const SIGNATURE_BYTES: usize = 136;

/// A header up to this size, decoded, needs no allocation.
const HEADER_BYTES: usize = 512;

/// Verifies the tokens of one issuer with one set of its keys. Made by [`TokenPolicy::compile`], which leaves no check
/// undecided.
///
/// [`TokenPolicy::compile`]: super::TokenPolicy::compile
pub struct TokenVerifier {
    rules: Arc<TokenRules>,
    keys: Arc<KeySet>,
    seen: SeenHeaders,
}

impl TokenVerifier {
    pub(crate) fn new(rules: Arc<TokenRules>, keys: Arc<KeySet>) -> Self {
        Self {
            rules,
            keys,
            seen: SeenHeaders::default(),
        }
    }

    /// The issuer whose tokens this verifies, as the policy names it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.rules.issuer()
    }

    /// Whether a token that says it is from `issuer` (see [`peek_issuer`](super::peek_issuer)) should be given to this verifier.
    #[must_use]
    pub fn is_for(&self, issuer: Option<&str>) -> bool {
        self.rules.is_for(issuer)
    }

    /// Whether these are the very keys it verifies with.
    pub(crate) fn has(&self, keys: &Arc<KeySet>) -> bool {
        Arc::ptr_eq(&self.keys, keys)
    }

    /// How far clocks may be apart, in seconds.
    pub(super) fn leeway_seconds(&self) -> u64 {
        self.rules.policy.leeway_seconds
    }

    /// Verifies one token at the time `now`, in Unix seconds.
    ///
    /// # Errors
    /// The first check that failed. The claims are not even parsed unless the signature is good.
    pub fn verify(&self, token: &[u8], now: u64) -> Result<VerifiedToken, TokenError> {
        let parts = Parts::split(token, self.rules.policy.max_bytes)?;
        let key = self.check_signature(&parts)?;
        self.rules
            .read(parts.decode_claims()?, key.kid.as_ref(), now)
    }

    /// The header's own checks, the key, the signature.
    fn check_signature(&self, parts: &Parts<'_>) -> Result<&VerificationKey, TokenError> {
        let seen = self.seen.find(parts.header);
        let key = match seen.and_then(|key| self.keys.get(key)) {
            Some(key) => key,
            None => self.check_header(parts.header)?,
        };

        let mut near = [0; SIGNATURE_BYTES];
        let mut far = Vec::new();
        let signature = decode(parts.signature, &mut near, &mut far)?;
        if !key.has_signed(parts.signed, signature) {
            return Err(TokenError::Signature);
        }
        if let (None, Some(key)) = (seen, self.keys.position(key)) {
            self.seen.keep(parts.header, key);
        }
        Ok(key)
    }

    /// The header's own checks, and the key that it leads to.
    fn check_header(&self, encoded: &[u8]) -> Result<&VerificationKey, TokenError> {
        let mut near = [0; HEADER_BYTES];
        let mut far = Vec::new();
        let header = Header::read(utf8(decode(encoded, &mut near, &mut far)?)?)?;
        let algorithm = header
            .algorithm
            .as_deref()
            .and_then(Algorithm::parse)
            .ok_or(TokenError::Algorithm)?;
        self.check_type(header.kind.as_deref())?;
        self.keys.select(header.kid.as_deref(), algorithm)
    }

    /// `typ` (RFC 9068 §4, RFC 8725 §3.11).
    fn check_type(&self, stated: Option<&str>) -> Result<(), TokenError> {
        let is = |expected: &str| stated.is_some_and(|stated| is_media_type(stated, expected));
        let plain = stated.is_none() || is("JWT");
        let usual = match self.rules.policy.profile {
            Profile::Auto => is("at+jwt") || plain,
            Profile::Rfc9068 => is("at+jwt"),
            Profile::IdToken => plain,
        };
        let mut accepted = self.rules.policy.accepted_types.iter();
        if usual || accepted.any(|accepted| is(accepted)) {
            Ok(())
        } else {
            Err(TokenError::Type)
        }
    }
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier")
            .field("policy", &self.rules.policy)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

/// Whether it looks like a signed token at all.
pub(crate) fn has_form(token: &[u8], max_bytes: usize) -> bool {
    Parts::split(token, max_bytes).is_ok()
}

/// The parts of a token in compact serialization (RFC 7515 §7.1), still encoded.
pub(super) struct Parts<'t> {
    header: &'t [u8],
    claims: &'t [u8],
    signature: &'t [u8],
    /// Header, dot, claims.
    signed: &'t [u8],
}

impl<'t> Parts<'t> {
    pub(super) fn split(token: &'t [u8], max_bytes: usize) -> Result<Self, TokenError> {
        if token.len() > max_bytes {
            return Err(TokenError::TooLong);
        }
        let at_dot = |byte: &u8| *byte == b'.';
        let mut halves = token.rsplitn(2, at_dot);
        let (signature, signed) = halves.next().zip(halves.next()).ok_or(TokenError::Parts)?;
        let mut halves = signed.splitn(2, at_dot);
        let (header, claims) = halves.next().zip(halves.next()).ok_or(TokenError::Parts)?;
        if claims.contains(&b'.') {
            let dots = token.iter().filter(|byte| at_dot(byte)).count();
            return Err(if dots == 4 {
                TokenError::Encrypted
            } else {
                TokenError::Parts
            });
        }
        Ok(Self {
            header,
            claims,
            signature,
            signed,
        })
    }

    pub(super) fn decode_claims(&self) -> Result<String, TokenError> {
        let bytes = BASE64URL
            .decode_to_vec(self.claims)
            .map_err(|_| TokenError::Base64url)?;
        String::from_utf8(bytes).map_err(|_| TokenError::Json)
    }
}

/// Decodes into `near` if it fits, else into `far`.
fn decode<'b>(
    part: &[u8],
    near: &'b mut [u8],
    far: &'b mut Vec<u8>,
) -> Result<&'b [u8], TokenError> {
    let decoded = if BASE64URL.estimated_decoded_length(part.len()) <= near.len() {
        BASE64URL
            .decode(part, near.as_out())
            .map(|decoded| &*decoded)
    } else {
        BASE64URL.decode_to_vec(part).map(|decoded| {
            *far = decoded;
            far.as_slice()
        })
    };
    decoded.map_err(|_| TokenError::Base64url)
}

fn utf8(bytes: &[u8]) -> Result<&str, TokenError> {
    std::str::from_utf8(bytes).map_err(|_| TokenError::Json)
}

/// Media types are compared without case and without their `application/` (RFC 7515 §4.1.9).
fn is_media_type(stated: &str, expected: &str) -> bool {
    fn bare(name: &str) -> &str {
        match name.split_once('/') {
            Some((kind, rest)) if kind.eq_ignore_ascii_case("application") => rest,
            _ => name,
        }
    }
    bare(stated).eq_ignore_ascii_case(bare(expected))
}
