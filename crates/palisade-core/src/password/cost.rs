//! What a new hash costs, the owner once and an attacker for every guess.

use super::PasswordError;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version, password_hash};

/// The parameters of argon2id (RFC 9106 §3.1) for new hashes.
///
/// ```
/// use palisade_core::password::Cost;
///
/// assert_eq!(Cost::default(), Cost::new(19_456, 2, 1)?);
/// assert!(Cost::new(4096, 1, 1).is_err());
/// # Ok::<(), palisade_core::password::PasswordError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// Memory in KiB and passes of which one pair at least must be met (OWASP Password Storage Cheat
/// Sheet).
const MINIMA: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9216, 4), (7168, 5)];

/// What a stored hash may ask for: more would be an attack on the service itself.
const MAX_MEMORY_KIB: u32 = 1 << 20;
const MAX_PASSES: u32 = 10;
const MAX_LANES: u32 = 8;

impl Cost {
    /// `memory_kib` of memory, gone over `passes` times, in `lanes`.
    ///
    /// # Errors
    /// Less than what OWASP asks for at least (19456 KiB with 2 passes, or as good as that), or
    /// more than 1 GiB, 10 passes or 8 lanes.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, PasswordError> {
        if !is_enough(memory_kib, passes) {
            let message = "costs an attacker too little; 19456 KiB and 2 passes are needed, or as \
                           good as that";
            return Err(PasswordError(message.to_owned()));
        }
        check_bounds(memory_kib, passes, lanes)?;
        Ok(Self {
            memory_kib,
            passes,
            lanes,
        })
    }

    /// The PHC string of `password` under `salt`.
    pub(super) fn hash(self, password: &str, salt: &[u8]) -> Result<String, password_hash::Error> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, None)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash = argon2.hash_password_with_salt(password.as_bytes(), salt)?;
        Ok(hash.to_string())
    }
}

impl Default for Cost {
    /// 19 MiB, 2 passes, 1 lane.
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            passes: 2,
            lanes: 1,
        }
    }
}

/// Whether a new hash may cost as little.
pub(super) fn is_enough(memory_kib: u32, passes: u32) -> bool {
    let mut minima = MINIMA.iter();
    minima.any(|&(memory, least)| memory_kib >= memory && passes >= least)
}

pub(super) fn check_bounds(memory_kib: u32, passes: u32, lanes: u32) -> Result<(), PasswordError> {
    if memory_kib > MAX_MEMORY_KIB || passes > MAX_PASSES || lanes > MAX_LANES {
        let message = "asks for more than 1 GiB of memory, 10 passes or 8 lanes";
        return Err(PasswordError(message.to_owned()));
    }
    Ok(())
}
