//! The request firewall: what a request target and a header value may contain before anything else looks at them.
//!
//! Servers, routers and handlers disagree about odd paths: some decode `%61` before they route, some collapse `//`,
//! some cut at `;`. A path on which they disagree can be judged as one resource and served as another. The firewall
//! refuses every such path, so that the rule which is applied and the route which runs see the same one.
//!
//! ```
//! use palisade_core::firewall::{EncodedSet, FirewallLimits, Refused, check_target};
//!
//! let limits = FirewallLimits::default();
//! let target = check_target(b"/users/7?expand=posts", &limits)?;
//! assert_eq!((target.path, target.query), ("/users/7", Some("expand=posts")));
//! assert_eq!(check_target(b"/%61dmin", &limits), Err(Refused::EncodedUnreserved));
//!
//! // What a rule may allow is found here, and judged once the rule is known.
//! let target = check_target(b"/files/a%2Fb", &limits)?;
//! assert_eq!(target.refuse_unless(EncodedSet::NONE), Err(Refused::EncodedSlash));
//! assert_eq!(target.refuse_unless(EncodedSet::SLASH), Ok(()));
//! # Ok::<(), Refused>(())
//! ```

mod claims;
mod encoded;
mod refused;
#[cfg(test)]
mod tests;

pub use claims::{CLAIMS, Claim, claim_of};
pub use encoded::EncodedSet;
pub use refused::Refused;

use std::fmt;

/// How long a request target may be, in bytes as sent; longer ones are refused with 414.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirewallLimits {
    /// The longest path: 4096 by default.
    pub path: usize,
    /// The longest query, without its `?`: 8192 by default.
    pub query: usize,
}

impl Default for FirewallLimits {
    fn default() -> FirewallLimits {
        FirewallLimits {
            path: 4096,
            query: 8192,
        }
    }
}

/// A request target that passed, in the parts it was sent in and byte for byte as it was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The path, still percent-encoded. It starts with `/`; only the target `*` of OPTIONS is `*`.
    pub path: &'a str,
    /// What follows the first `?`, if there is one.
    pub query: Option<&'a str>,
    /// The authority of an absolute-form target, not yet parsed: it stands for `Host` (RFC 9112 §3.2.2).
    pub authority: Option<&'a str>,
    /// What in the path only some rules allow; see [`Target::refuse_unless`].
    pub needs: EncodedSet,
}

/// Without the query, which may carry an API key.
impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("path", &self.path)
            .field("authority", &self.authority)
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}

impl Target<'_> {
    /// Refuses what the path needs beyond `allowed`: the set of the matched rule, [`EncodedSet::NONE`] without one.
    ///
    /// It is enough to ask this of the whole path. No literal of a pattern can contain such a character (a pattern
    /// that tries is not built), so the segments that need it were matched by a parameter or a wildcard.
    ///
    /// # Errors
    /// The first of [`Refused::EncodedSlash`], [`Refused::DoubleEncoding`] and [`Refused::Semicolon`] that applies.
    pub fn refuse_unless(&self, allowed: EncodedSet) -> Result<(), Refused> {
        let missing = |one: EncodedSet| self.needs.contains(one) && !allowed.contains(one);
        if missing(EncodedSet::SLASH) {
            return Err(Refused::EncodedSlash);
        }
        if missing(EncodedSet::PERCENT) {
            return Err(Refused::DoubleEncoding);
        }
        if missing(EncodedSet::SEMICOLON) {
            return Err(Refused::Semicolon);
        }
        Ok(())
    }
}

/// Checks a request target (RFC 9112 §3.2) in origin-form, absolute-form of `http` and `https`, or `*`.
///
/// `*` is right only for OPTIONS, and the scheme of an absolute-form target is the client's word: the caller knows the
/// method and the connection. The authority is returned as sent; [`parse_host`](crate::host::parse_host) judges it.
///
/// # Errors
/// The first thing found that is refused.
pub fn check_target<'a>(raw: &'a [u8], limits: &FirewallLimits) -> Result<Target<'a>, Refused> {
    let target = str::from_utf8(raw).map_err(|_| Refused::NonAscii)?;
    if target == "*" {
        return Ok(Target {
            path: target,
            query: None,
            authority: None,
            needs: EncodedSet::NONE,
        });
    }
    let (authority, rest) = if target.starts_with('/') {
        (None, target)
    } else {
        split_absolute(target)?
    };
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    // RFC 9112 §3.2.1: an absolute-form target without a path means `/`.
    let path = if path.is_empty() { "/" } else { path };
    if path.len() > limits.path {
        return Err(Refused::PathTooLong);
    }
    if let Some(query) = query {
        if query.len() > limits.query {
            return Err(Refused::QueryTooLong);
        }
        check_query(query.as_bytes())?;
    }
    let needs = check_path(path.as_bytes())?;
    Ok(Target {
        path,
        query,
        authority,
        needs,
    })
}

/// Checks a path, and says what in it only some rules allow.
///
/// # Errors
/// The first thing found that is refused.
pub fn check_path(path: &[u8]) -> Result<EncodedSet, Refused> {
    let mut needs = EncodedSet::NONE;
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match class(*byte) {
            Class::Plain => {}
            Class::Slash => {
                if let [b'/', ..] = rest {
                    return Err(Refused::DoubleSlash);
                }
                refuse_dot_segment(rest)?;
            }
            Class::Percent => rest = check_encoded(rest, &mut needs)?,
            Class::Semicolon => needs |= EncodedSet::SEMICOLON,
            Class::Refuse(refused) => return Err(refused),
        }
    }
    Ok(needs)
}

/// Checks a query, without its `?`: decoding it is the handler's business, so only what breaks the request line or a
/// decoder is refused.
///
/// # Errors
/// The first thing found that is refused.
pub fn check_query(query: &[u8]) -> Result<(), Refused> {
    let mut rest = query;
    while let [byte, tail @ ..] = rest {
        rest = match byte {
            b'%' => take_hex(tail).ok_or(Refused::QueryBadPercent)?.1,
            b'#' => return Err(Refused::Fragment),
            b' ' => return Err(Refused::QuerySpace),
            0x21..=0x7e => tail,
            0x80.. => return Err(Refused::QueryNonAscii),
            _ => return Err(Refused::QueryControl),
        };
    }
    Ok(())
}

/// Whether a header value is free of control bytes other than the horizontal tab (RFC 9110 §5.5).
///
/// The bytes 0x80–0xFF pass: `obs-text` is old, but it is not an attack.
#[must_use]
pub fn check_header_value(value: &[u8]) -> bool {
    let control = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
    // Eight bytes at a time, the last eight once more for what is left over, and no early exit: so the compiler takes
    // several of them at once. Every line of every request comes by here, and hardly any has a tab.
    let controls = value.last_chunk().map(|last| {
        let words = value.as_chunks().0.iter();
        words.fold(controls(last), |any, word| any | controls(word))
    });
    controls == Some(0) || !value.iter().any(control)
}

/// Not 0 if one of the bytes is below a space or is 0x7f.
fn controls(bytes: &[u8; 8]) -> u64 {
    const EACH: u64 = u64::MAX / 0xff;
    let word = u64::from_ne_bytes(*bytes);
    // A byte below `least` borrows into its highest bit, unless it had that bit before.
    let below = |word: u64, least: u64| word.wrapping_sub(EACH * least) & !word & (EACH * 0x80);
    below(word, 0x20) | below(word ^ (EACH * 0x7f), 1)
}

/// What a byte of a path means.
#[derive(Clone, Copy)]
enum Class {
    Plain,
    Slash,
    Percent,
    Semicolon,
    Refuse(Refused),
}

#[allow(
    clippy::indexing_slicing,
    reason = "runs in the compiler, which checks it"
)]
static CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = classify(byte as u8);
        byte += 1;
    }
    classes
};

fn class(byte: u8) -> Class {
    CLASSES
        .get(usize::from(byte))
        .copied()
        .unwrap_or(Class::Refuse(Refused::Control))
}

const fn classify(byte: u8) -> Class {
    match byte {
        b'/' => Class::Slash,
        b'%' => Class::Percent,
        b';' => Class::Semicolon,
        b'\\' => Class::Refuse(Refused::Backslash),
        b'#' => Class::Refuse(Refused::Fragment),
        b' ' => Class::Refuse(Refused::Space),
        b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => {
            Class::Refuse(Refused::ForbiddenCharacter)
        }
        0x80.. => Class::Refuse(Refused::NonAscii),
        0x21..=0x7e => Class::Plain,
        _ => Class::Refuse(Refused::Control),
    }
}

/// Splits an absolute-form target into its authority and what follows.
fn split_absolute(target: &str) -> Result<(Option<&str>, &str), Refused> {
    let (scheme, rest) = target.split_once("://").ok_or(Refused::AuthorityForm)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(Refused::UnsupportedScheme);
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end).ok_or(Refused::AuthorityForm)?;
    Ok((Some(authority), rest))
}

/// Refuses a segment that is `.` or `..`, given what follows a slash, encoded or not.
///
/// A `;` ends the name of a segment for servers that know path parameters, so `..;x` climbs there.
fn refuse_dot_segment(segment: &[u8]) -> Result<(), Refused> {
    let ([b'.', b'.', after @ ..] | [b'.', after @ ..]) = segment else {
        return Ok(());
    };
    match after {
        [] | [b'/' | b';', ..] | [b'%', b'2', b'F' | b'f', ..] | [b'%', b'3', b'B' | b'b', ..] => {
            Err(Refused::DotSegment)
        }
        _ => Ok(()),
    }
}

/// Checks one percent-encoded character, given what follows its first `%`, and returns what follows it.
fn check_encoded<'a>(text: &'a [u8], needs: &mut EncodedSet) -> Result<&'a [u8], Refused> {
    let (byte, rest) = take_hex(text).ok_or(Refused::BadPercent)?;
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            return Err(Refused::EncodedUnreserved);
        }
        0..=0x1f | 0x7f => return Err(Refused::EncodedControl),
        b'\\' => return Err(Refused::Backslash),
        b'/' => {
            refuse_dot_segment(rest)?;
            *needs |= EncodedSet::SLASH;
        }
        b';' => *needs |= EncodedSet::SEMICOLON,
        // An encoded hex digit is refused as unreserved, so only raw ones can make this a second encoding.
        b'%' if take_hex(rest).is_some() => *needs |= EncodedSet::PERCENT,
        0x80.. => return check_multibyte(byte, rest),
        _ => {}
    }
    Ok(rest)
}

/// Checks one character of two to four encoded bytes, of which the first is read, and returns what follows it.
fn check_multibyte(first: u8, text: &[u8]) -> Result<&[u8], Refused> {
    let length = match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Err(Refused::InvalidUtf8),
    };
    let mut bytes = [first, 0, 0, 0];
    let mut rest = text;
    for slot in bytes.iter_mut().take(length).skip(1) {
        let [b'%', tail @ ..] = rest else {
            return Err(Refused::InvalidUtf8);
        };
        (*slot, rest) = take_hex(tail).ok_or(Refused::BadPercent)?;
    }
    let character = bytes
        .get(..length)
        .and_then(|bytes| str::from_utf8(bytes).ok());
    match character.and_then(|text| text.chars().next()) {
        None => Err(Refused::InvalidUtf8),
        Some('\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}') => Err(Refused::EncodedControl),
        Some(_) => Ok(rest),
    }
}

/// Reads two hex digits.
fn take_hex(text: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = text else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let value = digit(high)? * 16 + digit(low)?;
    Some((u8::try_from(value).ok()?, rest))
}
