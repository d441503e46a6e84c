//! Which RSA public keys are strong enough to trust.

use super::keys::KeyError;

const LEAST_BITS: usize = 2048;
const MOST_BITS: usize = 8192;
const LEAST_EXPONENT: u64 = 65_537;
const EXPONENT_LIMIT: u64 = 1 << 33;

/// Checks a modulus and an exponent, both big-endian without leading zeros.
///
/// Size: RFC 7518 §3.3 and what the library can verify. Exponent: NIST SP 800-56B §6.2, and small enough that a
/// hostile key cannot make verification slow.
pub(super) fn check(modulus: &[u8], exponent: &[u8]) -> Result<(), KeyError> {
    let bits = modulus.first().map_or(0, |first| {
        modulus.len() * 8 - first.leading_zeros() as usize
    });
    if !(LEAST_BITS..=MOST_BITS).contains(&bits) {
        return Err(KeyError::RsaSize { bits });
    }
    if modulus.last().is_none_or(|last| last % 2 == 0) {
        return Err(KeyError::RsaModulus);
    }
    let value = exponent.iter().try_fold(0_u64, |value, byte| {
        value
            .checked_mul(256)?
            .checked_add(u64::from(*byte))
            .filter(|value| *value < EXPONENT_LIMIT)
    });
    match value {
        Some(value) if value >= LEAST_EXPONENT && value % 2 == 1 => {}
        _ => return Err(KeyError::RsaExponent),
    }
    if has_roca_fingerprint(modulus) {
        return Err(KeyError::Roca);
    }
    Ok(())
}

/// Whether the modulus looks as if made by the Infineon library of CVE-2017-15361.
///
/// Its primes have the form `k·M + (65537^a mod M)` with M the product of the first primes, so the modulus, taken
/// modulo each of them, is a power of 65537. A sound modulus passes for all of these by chance once in about 2²⁷.
fn has_roca_fingerprint(modulus: &[u8]) -> bool {
    const PRIMES: [u32; 38] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89,
        97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];
    PRIMES.iter().all(|prime| {
        let remainder = modulus.iter().fold(0, |remainder, byte| {
            (remainder * 256 + u32::from(*byte)) % prime
        });
        let mut power = 1;
        for _ in 0..*prime {
            if power == remainder {
                return true;
            }
            power = power * 65_537 % prime;
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An odd number of `bits` bits that is no power of 65537 modulo 11.
    fn modulus(bits: usize) -> Vec<u8> {
        let mut bytes = vec![0; bits.div_ceil(8)];
        bytes[0] = 1 << ((bits - 1) % 8);
        *bytes.last_mut().unwrap() |= 1;
        while has_roca_fingerprint(&bytes) {
            *bytes.last_mut().unwrap() += 2;
        }
        bytes
    }

    #[test]
    fn size_is_bounded() {
        for (bits, fits) in [
            (1024, false),
            (2047, false),
            (2048, true),
            (3072, true),
            (8192, true),
            (8193, false),
        ] {
            assert_eq!(
                check(&modulus(bits), &[1, 0, 1]).is_ok(),
                fits,
                "{bits} bits"
            );
        }
        assert!(matches!(
            check(&[], &[1, 0, 1]),
            Err(KeyError::RsaSize { bits: 0 })
        ));
    }

    #[test]
    fn exponent_is_odd_and_bounded() {
        for (exponent, fits) in [
            (&[][..], false),
            (&[1], false),
            (&[3], false),
            (&[255, 255], false),
            (&[1, 0, 0], false),
            (&[1, 0, 1], true),
            (&[1, 0, 2], false),
            (&[1, 255, 255, 255, 255], true),
            (&[2, 0, 0, 0, 1], false),
            (&[255; 9], false),
        ] {
            assert_eq!(
                check(&modulus(2048), exponent).is_ok(),
                fits,
                "{exponent:?}"
            );
        }
    }

    #[test]
    fn even_modulus_is_refused() {
        let mut even = modulus(2048);
        *even.last_mut().unwrap() &= 0xfe;
        assert!(matches!(
            check(&even, &[1, 0, 1]),
            Err(KeyError::RsaModulus)
        ));
    }

    /// Modulo every prime of the list the number is 1, as 65537⁰ is.
    #[test]
    fn roca_moduli_are_refused() {
        let mut bytes = vec![0_u8; 256];
        bytes[255] = 1;
        for (place, byte) in primorial_of_167().iter().rev().enumerate() {
            // 2 · 3 · … · 167 shifted up by 1,824 bits, plus 1.
            bytes[255 - 228 - place] = *byte;
        }
        let start = bytes.iter().position(|byte| *byte != 0).unwrap();
        let mut modulus = bytes[start..].to_vec();
        assert!(has_roca_fingerprint(&modulus));
        *modulus.last_mut().unwrap() = 3;
        assert!(!has_roca_fingerprint(&modulus));
    }

    fn primorial_of_167() -> Vec<u8> {
        let mut product = vec![1_u8];
        for prime in (2..=167_u32).filter(|n| (2..*n).all(|d| n % d != 0)) {
            let mut carry = 0;
            for byte in product.iter_mut().rev() {
                let value = u32::from(*byte) * prime + carry;
                *byte = value as u8;
                carry = value >> 8;
            }
            if carry > 0 {
                product.insert(0, carry as u8);
            }
        }
        product
    }
}
