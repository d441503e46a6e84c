//! The `Authorization` field (RFC 9110 §11.6.2, RFC 6750 §2.1), read once for every scheme.

use crate::view::View;
use std::fmt;

/// What a request's `Authorization` holds. Its `Debug` does not show the credential.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Authorization<'h> {
    /// No such line.
    Absent,
    /// More than one line: whoever reads only one of them is fooled by the other.
    Repeated,
    /// A scheme name and what follows it, without the spaces between; the rest may be empty.
    Present {
        /// The scheme name as it was sent; compare without regard to case.
        scheme: &'h [u8],
        /// Everything after it.
        rest: &'h [u8],
    },
}

impl<'h> Authorization<'h> {
    /// Reads the field from the head.
    pub fn of(head: &View<'h>) -> Self {
        match head.authorization() {
            [] => Authorization::Absent,
            [line] => {
                let scheme = scheme_name(line);
                let rest = line.strip_prefix(scheme).unwrap_or_default();
                Authorization::Present {
                    scheme,
                    rest: rest.trim_ascii(),
                }
            }
            _ => Authorization::Repeated,
        }
    }
}

/// What stands before the first space.
pub(crate) fn scheme_name(line: &[u8]) -> &[u8] {
    line.split(|&b| b == b' ').next().unwrap_or_default()
}

/// A token that was sent without its scheme name stands where the name should be, so that is not
/// shown either.
impl fmt::Debug for Authorization<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Authorization::Absent => "Absent",
            Authorization::Repeated => "Repeated",
            Authorization::Present { .. } => "Present(..)",
        })
    }
}

/// Whether `bytes` is a token68 (RFC 9110 §11.2): the form of every bearer credential.
pub fn token68(bytes: &[u8]) -> bool {
    let body = bytes
        .iter()
        .rposition(|&b| b != b'=')
        .map_or(0, |last| last + 1);
    let body = bytes.get(..body).unwrap_or_default();
    // Sixteen bytes at a time, the last sixteen once more for what is left over, and no branch in between: so the
    // compiler looks at all of them at once.
    let all_known = |chunk: &[u8; 16]| chunk.iter().fold(true, |all, byte| all & is_known(byte));
    match body.last_chunk() {
        Some(last) => all_known(last) && body.as_chunks().0.iter().all(all_known),
        None => !body.is_empty() && body.iter().all(is_known),
    }
}

/// A letter, a digit, or one of `-._~+/`; as few comparisons as can be.
fn is_known(byte: &u8) -> bool {
    let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // `-`, `.`, `/` and the digits follow each other.
    let is_digit = byte.wrapping_sub(b'-') <= b'9' - b'-';
    is_letter | is_digit | (*byte == b'_') | (*byte == b'~') | (*byte == b'+')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token68_takes_padding_only_at_the_end() {
        for good in ["a", "a.b-c_d~e+f/g", "YQ=="] {
            assert!(token68(good.as_bytes()), "{good}");
        }
        for bad in ["", "=", "a=b", "a b", "a,b", "\u{e4}", "a\"", "a\t"] {
            assert!(!token68(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn token68_looks_at_every_byte() {
        for length in 1..=40 {
            for (place, byte) in
                (0..length).flat_map(|place| (0..=u8::MAX).map(move |byte| (place, byte)))
            {
                let mut text = vec![b'a'; length];
                text[place] = byte;
                let known = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
                let padding = byte == b'=' && place > 0 && place == length - 1;
                assert_eq!(
                    token68(&text),
                    known || padding,
                    "{byte} at {place} of {length}"
                );
            }
        }
    }
}
