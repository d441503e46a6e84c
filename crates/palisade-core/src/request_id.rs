//! The name of a request: 128 random bits in hexadecimal.

use std::fmt;

/// Joins a response to its audit event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId([u8; 32]);

impl RequestId {
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        let mut text = [0; 32];
        for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
            *pair = [hex_digit(byte >> 4), hex_digit(byte & 15)];
        }
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        // Hexadecimal digits are ASCII, so this cannot fail.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn hex_digit(value: u8) -> u8 {
    match value {
        0..=9 => b'0' + value,
        _ => b'a' + value - 10,
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_in_order() {
        let id = RequestId::from_bytes(*b"\x00\x01\x9a\xff0123456789ab");
        assert_eq!(id.as_str(), "00019aff303132333435363738396162");
    }
}
