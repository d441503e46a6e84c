//! What a limit counts by, hashed before it is kept.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use siphasher::sip128::{Hasher128, SipHasher13};

/// Whom a charge is counted against.
///
/// A caller that lacks the key a limit asks for is an error for the engine to answer, never a
/// reason to let it through; an anonymous caller is counted by address.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Key<'a> {
    /// A client address: IPv4 by itself, IPv6 by its /56, which is what one customer is given.
    /// An IPv4-mapped address counts as the IPv4 address it carries.
    Address(IpAddr),
    /// A caller by the pair that identifies it, never by the text of its token.
    Principal {
        /// The issuer that vouches for the subject.
        issuer: &'a str,
        /// The subject, unique within its issuer.
        subject: &'a str,
    },
    /// The id of an API key, not the key.
    ApiKey {
        /// The scheme that the key belongs to, as its principals name it.
        issuer: &'a str,
        /// The id, unique within its scheme.
        id: &'a str,
    },
    /// A tenant.
    Tenant {
        /// The issuer or scheme that puts callers into the tenant.
        issuer: &'a str,
        /// The tenant's id, unique within its issuer.
        tenant: &'a str,
    },
    /// The value of the header that the limit names, of any length.
    Header(&'a [u8]),
    /// One bucket for everybody.
    Global,
    /// Any other bytes.
    Custom(&'a [u8]),
}

impl Key<'_> {
    /// Writes its kind and its bytes, so that no two keys write the same.
    pub(crate) fn write<H: Hasher>(&self, hasher: &mut H) {
        // The first byte tells the kinds apart; a kind of two fields gives the length of the first.
        let write_pair = |hasher: &mut H, kind, first: &str, second: &str| {
            hasher.write_u8(kind);
            hasher.write(&(first.len() as u64).to_be_bytes());
            hasher.write(first.as_bytes());
            hasher.write(second.as_bytes());
        };
        match self {
            Key::Address(address) => match address.to_canonical() {
                IpAddr::V4(address) => {
                    hasher.write_u8(4);
                    hasher.write(&address.octets());
                }
                IpAddr::V6(address) => {
                    hasher.write_u8(6);
                    hasher.write(&(address.to_bits() >> 72).to_be_bytes());
                }
            },
            Key::Principal { issuer, subject } => {
                write_pair(hasher, b'p', issuer, subject);
            }
            Key::ApiKey { issuer, id } => write_pair(hasher, b'k', issuer, id),
            Key::Tenant { issuer, tenant } => write_pair(hasher, b't', issuer, tenant),
            Key::Header(value) => {
                hasher.write_u8(b'h');
                hasher.write(value);
            }
            Key::Global => hasher.write_u8(b'g'),
            Key::Custom(bytes) => {
                hasher.write_u8(b'c');
                hasher.write(bytes);
            }
        }
    }

    fn family(&self) -> Family {
        match self {
            Self::Address(address) if address.to_canonical().is_ipv4() => Family::V4,
            Self::Address(_) => Family::V6,
            _ => Family::Other,
        }
    }
}

/// Names the kind only: a header's value may be a secret.
impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address(_) => "Address",
            Self::Principal { .. } => "Principal",
            Self::ApiKey { .. } => "ApiKey",
            Self::Tenant { .. } => "Tenant",
            Self::Header(_) => "Header",
            Self::Global => "Global",
            Self::Custom(_) => "Custom",
        })
    }
}

/// Hashes keys under a secret of this process, so that nobody outside can find two keys that
/// share a bucket, and memory holds no addresses or names.
#[derive(Clone)]
pub struct KeyHasher(SipHasher13);

impl KeyHasher {
    /// A hasher under 16 random bytes, drawn anew by every process.
    #[must_use]
    pub fn new(secret: &[u8; 16]) -> Self {
        Self(SipHasher13::new_with_key(secret))
    }

    /// The hash of a key: 128-bit SipHash-1-3 of its kind and its bytes.
    #[must_use]
    pub fn hash(&self, key: Key<'_>) -> KeyHash {
        let mut hasher = self.0;
        key.write(&mut hasher);
        let digest = hasher.finish128();
        KeyHash {
            digest: Digest(digest.as_bytes()),
            family: key.family(),
        }
    }
}

impl fmt::Debug for KeyHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyHasher").finish_non_exhaustive()
    }
}

/// A hashed key: what a [`LimitSet`](super::LimitSet) finds a bucket by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash {
    pub(super) digest: Digest,
    pub(super) family: Family,
}

/// Keys that find no room share a bucket with others of their family only, so that a flood of
/// IPv6 addresses leaves newcomers on IPv4 alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
    Other,
}

/// The 128 bits of a key hash, without alignment so that a table entry stays small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest([u8; 16]);

impl Digest {
    /// Which of `count` shards the key belongs to. Uses other bits than the table inside a shard.
    pub(super) fn shard(self, count: usize) -> usize {
        let high = u128::from_be_bytes(self.0) >> 64;
        ((high * count as u128) >> 64) as usize
    }
}

/// The digest is uniform already: its low half is its hash.
impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u128::from_be_bytes(self.0) as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(key: Key<'_>) -> KeyHash {
        KeyHasher::new(&[7; 16]).hash(key)
    }

    fn address(text: &str) -> KeyHash {
        hash(Key::Address(text.parse().unwrap()))
    }

    #[test]
    fn addresses_are_counted_by_what_one_customer_holds() {
        assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_eq!(address("2001:db8:0:12::1"), address("2001:db8:0:34::2"));
        assert_ne!(address("2001:db8:0:100::1"), address("2001:db8:0:200::1"));
        assert_ne!(address("::1").family, address("127.0.0.1").family);
    }

    #[test]
    fn keys_never_run_into_each_other() {
        let keys = [
            Key::Principal {
                issuer: "ab",
                subject: "c",
            },
            Key::Principal {
                issuer: "a",
                subject: "bc",
            },
            Key::Principal {
                issuer: "",
                subject: "abc",
            },
            Key::ApiKey {
                issuer: "a",
                id: "bc",
            },
            Key::ApiKey {
                issuer: "ab",
                id: "c",
            },
            Key::Tenant {
                issuer: "a",
                tenant: "bc",
            },
            Key::Tenant {
                issuer: "ab",
                tenant: "c",
            },
            Key::Header(b"abc"),
            Key::Custom(b"abc"),
            Key::Custom(b""),
            Key::Global,
        ];
        for (i, one) in keys.iter().enumerate() {
            for (j, other) in keys.iter().enumerate() {
                assert_eq!(hash(*one) == hash(*other), i == j, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn the_secret_decides_and_is_never_shown() {
        let (one, other) = (
            KeyHasher::new(b"planted secret 1"),
            KeyHasher::new(&[2; 16]),
        );
        assert_ne!(one.hash(Key::Global), other.hash(Key::Global));
        assert_eq!(format!("{one:?}"), "KeyHasher { .. }");
        assert_eq!(
            format!("{:?}", Key::Header(b"planted secret value")),
            "Header"
        );
    }
}
