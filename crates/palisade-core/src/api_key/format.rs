//! The form of a key: `pfx_<id>_<secret><checksum>`.
//!
//! The checksum lets a service refuse typing errors and inventions without looking anything up,
//! and lets scanners find leaked keys with certainty. The secret has 256 bits, so a plain
//! SHA-256 of the key is enough to store.

use super::ApiKeyEntry;
use crate::cause::Cause;
use crate::ports::{Entropy, SourceError};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID: usize = 16;
const SECRET: usize = 43;
const CHECKSUM: usize = 6;

/// What stands between the underscores.
pub(crate) type KeyId = [u8; ID];
/// The SHA-256 of a whole key.
pub(crate) type Digest = [u8; 32];

/// A fresh API key; its `Debug` does not show it.
#[derive(Debug)]
pub struct GeneratedKey {
    key: SecretString,
    id: String,
    digest: String,
}

/// Makes a key that begins with `prefix` (`[a-z][a-z0-9]{1,9}`; a policy refuses others).
///
/// # Errors
/// The source of randomness is broken.
pub fn generate_key(prefix: &str, entropy: &dyn Entropy) -> Result<GeneratedKey, SourceError> {
    let id = random(ID, entropy)?;
    let secret = random(SECRET, entropy)?;
    let mut key = String::with_capacity(prefix.len() + ID + SECRET + CHECKSUM + 2);
    for part in [prefix, "_", &id, "_", &secret] {
        key.push_str(part);
    }
    let checksum = checksum(key.as_bytes());
    key.extend(checksum.map(char::from));
    let digest: String = digest(key.as_bytes())
        .map(|byte| format!("{byte:02x}"))
        .concat();
    Ok(GeneratedKey {
        key: key.into(),
        id: id.to_string(),
        digest: format!("sha256:{digest}"),
    })
}

impl GeneratedKey {
    /// The key itself, for its owner only, once.
    pub fn reveal(&self) -> &str {
        self.key.expose_secret()
    }

    /// The id of the key.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What a policy stores of it: `sha256:` and 64 hex digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The entry of a policy that accepts this key for `owner`.
    pub fn entry(&self, owner: impl Into<String>) -> ApiKeyEntry {
        ApiKeyEntry::new(owner, &self.digest).id(&self.id)
    }
}

/// Whether `prefix` is `[a-z][a-z0-9]{1,9}`.
pub(crate) fn is_prefix(prefix: &[u8]) -> bool {
    matches!(prefix.len(), 2..=10)
        && prefix.first().is_some_and(u8::is_ascii_lowercase)
        && prefix
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// The id, if `text` is one.
pub(crate) fn key_id(text: &[u8]) -> Option<KeyId> {
    let id = KeyId::try_from(text).ok()?;
    id.iter().all(u8::is_ascii_alphanumeric).then_some(id)
}

/// The id of a well-formed key of this prefix; else the word for the audit.
pub(crate) fn parse(key: &[u8], prefix: &[u8]) -> Result<KeyId, Cause> {
    let (own, id, secret) = parts(key).ok_or(Cause::KeyShape)?;
    if own != prefix {
        return Err(Cause::KeyPrefix);
    }
    let (signed, check) = key.split_last_chunk::<CHECKSUM>().ok_or(Cause::KeyShape)?;
    let well_formed = secret.iter().all(u8::is_ascii_alphanumeric);
    if !well_formed || checksum(signed) != *check {
        return Err(Cause::KeyChecksum);
    }
    Ok(id)
}

pub(crate) fn digest(key: &[u8]) -> Digest {
    Sha256::digest(key).into()
}

/// Prefix, id, and secret with checksum.
fn parts(key: &[u8]) -> Option<(&[u8], KeyId, &[u8])> {
    let (rest, secret) = key.split_last_chunk::<{ SECRET + CHECKSUM }>()?;
    let (rest, id) = rest.strip_suffix(b"_")?.split_last_chunk::<ID>()?;
    let prefix = rest.strip_suffix(b"_")?;
    is_prefix(prefix).then_some((prefix, key_id(id)?, secret))
}

/// CRC-32 (IEEE 802.3) in base 62, the highest digit first.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut rest = crc32fast::hash(bytes);
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = letter(rest % 62);
        rest /= 62;
    }
    digits
}

fn letter(value: u32) -> u8 {
    let index = usize::try_from(value).unwrap_or_default();
    ALPHABET.get(index).copied().unwrap_or(b'0')
}

/// `length` evenly distributed letters and digits.
fn random(length: usize, entropy: &dyn Entropy) -> Result<Zeroizing<String>, SourceError> {
    let mut text = Zeroizing::new(String::with_capacity(length));
    let mut bytes = Zeroizing::new([0; 64]);
    // Of 256 values 8 are thrown away, because 62 does not divide 256. A working source needs
    // two rounds at the very most in the lifetime of the universe.
    for _ in 0..16 {
        entropy.fill(bytes.as_mut_slice())?;
        let fair = bytes.iter().filter(|&&byte| byte < 248);
        let letters = fair.map(|&byte| char::from(letter(u32::from(byte) % 62)));
        let missing = length - text.len();
        text.extend(letters.take(missing));
        if text.len() == length {
            return Ok(text);
        }
    }
    Err(SourceError::new("entropy", "it is not random"))
}

/// Reads `sha256:` and 64 hex digits.
pub(crate) fn parse_digest(text: &str) -> Option<Digest> {
    let hex = text.strip_prefix("sha256:")?.as_bytes();
    let mut digest = Digest::default();
    if hex.len() != digest.len() * 2 {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
        let nibble = |digit: &u8| char::from(*digit).to_digit(16);
        let (high, low) = (nibble(pair.first()?)?, nibble(pair.last()?)?);
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(digest)
}

/// Names a key that has no id, in logs, limits and revocations: as much of its digest as no two
/// keys share, were they made for it (2⁶⁴ tries).
pub(crate) fn short_name(digest: &Digest) -> String {
    let bytes = digest.iter().take(16);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SystemEntropy;

    #[derive(Debug)]
    struct Constant(u8);

    impl Entropy for Constant {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), SourceError> {
            bytes.fill(self.0);
            Ok(())
        }
    }

    #[test]
    fn a_generated_key_is_well_formed_and_hidden() {
        let made = generate_key("pal", &SystemEntropy).unwrap();
        let key = made.reveal();
        assert_eq!(key.len(), 3 + 1 + 16 + 1 + 43 + 6);
        let id = parse(key.as_bytes(), b"pal").unwrap();
        assert_eq!(id, made.id().as_bytes());
        assert!(!format!("{made:?}").contains(key));
        assert_ne!(key, generate_key("pal", &SystemEntropy).unwrap().reveal());
    }

    #[test]
    fn a_known_key_stays_readable_for_ever() {
        let made = generate_key("pal", &Constant(10)).unwrap();
        let key = format!(
            "pal_{}_{}{}",
            "A".repeat(16),
            "A".repeat(43),
            KNOWN_CHECKSUM
        );
        assert_eq!(made.reveal(), key);
        assert_eq!(made.digest(), KNOWN_DIGEST);
        assert_eq!(checksum(b"123456789"), *b"3jZRME");
    }

    const KNOWN_CHECKSUM: &str = "144cnZ";
    const KNOWN_DIGEST: &str =
        "sha256:231ab9c7ebb31e548befdee7504a3c30328c7c6d423a0cee5740d16569bc56ae";

    #[test]
    fn each_fault_has_its_word() {
        let made = generate_key("pal", &Constant(10)).unwrap();
        let key = made.reveal();
        let fault = |key: &str, prefix: &str| parse(key.as_bytes(), prefix.as_bytes());
        assert_eq!(fault(key, "abc"), Err(Cause::KeyPrefix));
        for (from, to) in [("AAA", "AAB"), ("A_A", "B_A"), ("_A", "_B")] {
            let changed = key.replacen(from, to, 1);
            assert_eq!(fault(&changed, "pal"), Err(Cause::KeyChecksum), "{changed}");
        }
        let longer = format!("{key}0");
        let foreign = key.replacen("pal_A", "pal_-", 1);
        let umlaut = format!("{}\u{fc}", key.strip_suffix(KNOWN_CHECKSUM).unwrap());
        for bad in ["", "pal", "pal__", "hunter2", &longer, &foreign, &umlaut] {
            assert_eq!(fault(bad, "pal"), Err(Cause::KeyShape), "{bad}");
        }
    }

    #[test]
    fn a_source_that_is_not_random_is_an_error_and_no_loop() {
        assert!(generate_key("pal", &Constant(255)).is_err());
    }

    #[test]
    fn prefixes() {
        for good in ["ab", "pal", "k9", "abcdefghij"] {
            assert!(is_prefix(good.as_bytes()), "{good}");
        }
        for bad in ["", "a", "9a", "Pal", "p_l", "abcdefghijk", "p\u{e4}l"] {
            assert!(!is_prefix(bad.as_bytes()), "{bad}");
        }
    }
}
