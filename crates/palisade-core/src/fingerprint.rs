//! The name of a version of a policy: a hash of everything that it says.
//!
//! Each part of a policy derives `Hash`, so a new field counts without being asked. The hash shows
//! in every audit event. What somebody could guess must not be tested by it:
//!
//! - Of a secret by reference, the reference counts; of one that a program gave, nothing.
//! - Hashes of passwords have salts that nobody knows who does not know the hash.
//! - Digests of keys that Palisade made are of 256 random bits.
//! - Digests of keys of an earlier system may be of anything, so they are hashed slowly; see
//!   [`slow`].

use argon2::Argon2;
use sha2::{Digest, Sha256};
use std::hash::Hasher;

/// What has been said so far, as SHA-256; the same on every machine.
pub(crate) struct Content(Sha256);

impl Content {
    pub(crate) fn new() -> Self {
        Self(Sha256::new())
    }

    pub(crate) fn digest(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

impl Hasher for Content {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn write_u16(&mut self, number: u16) {
        self.write(&number.to_le_bytes());
    }

    fn write_u32(&mut self, number: u32) {
        self.write(&number.to_le_bytes());
    }

    fn write_u64(&mut self, number: u64) {
        self.write(&number.to_le_bytes());
    }

    fn write_usize(&mut self, number: usize) {
        // No machine has more than 64 bits.
        self.write_u64(u64::try_from(number).unwrap_or(u64::MAX));
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(i64::try_from(number).unwrap_or(i64::MAX).cast_unsigned());
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        let first = digest.first_chunk().copied().unwrap_or_default();
        u64::from_le_bytes(first)
    }
}

/// A digest that takes some milliseconds and 19 MiB to make (argon2id, RFC 9106), for content that
/// holds what somebody could guess. `None` if the memory is not there.
pub(crate) fn slow(content: Content) -> Option<[u8; 32]> {
    let mut slow = [0; 32];
    let salt = b"palisade policy fingerprint";
    let argon2 = Argon2::default();
    argon2
        .hash_password_into(&content.digest(), salt, &mut slow)
        .ok()?;
    Some(slow)
}
