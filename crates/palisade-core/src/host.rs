//! Hosts: the one a request names, and the ones that a policy allows.
//!
//! A server that answers to any `Host` writes links and redirects, and fills caches, with a name of the attacker's
//! choice. So a request must name a host of the policy.
//!
//! ```
//! use palisade_core::host::{HostList, HostPattern, parse_host};
//!
//! let allowed: HostList = ["api.example.com", "*.apps.example.com", "[::1]:8080"]
//!     .into_iter()
//!     .map(HostPattern::parse)
//!     .collect::<Result<_, String>>()?;
//! assert!(allowed.allows(&parse_host(b"API.example.com.:8443").unwrap()));
//! assert!(!allowed.allows(&parse_host(b"apps.example.com").unwrap()));
//! assert!(parse_host(b"user@api.example.com").is_err());
//! # Ok::<(), String>(())
//! ```

mod anybodys;
mod pattern;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) use anybodys::Anybodys;
pub use pattern::{HostList, HostPattern};

/// The longest host that is read, with its port: a DNS name has at most 253 characters (RFC 1035 §2.3.4).
const LONGEST: usize = 253 + ".:65535".len();

/// The host of a request, as `Host`, `:authority` or an absolute-form target named it.
///
/// Two are equal when they name the same host and port: letter case, a trailing dot and the way an IPv6 address is
/// written make no difference.
#[derive(Clone, Copy, Debug, Eq)]
pub struct Host<'a> {
    name: Name<'a>,
    port: Option<u16>,
}

#[derive(Clone, Copy, Debug, Eq)]
enum Name<'a> {
    /// Without the trailing dot, in the letter case of the request.
    Dns(&'a str),
    Ip(IpAddr),
}

impl<'a> Host<'a> {
    /// The port, if one was named.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The DNS name without a trailing dot, in the letter case of the request; nothing for an address.
    #[must_use]
    pub const fn dns_name(&self) -> Option<&'a str> {
        match self.name {
            Name::Dns(name) => Some(name),
            Name::Ip(_) => None,
        }
    }

    /// The address, if the host is an IPv4 or IPv6 literal.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match self.name {
            Name::Ip(ip) => Some(ip),
            Name::Dns(_) => None,
        }
    }

    /// Whether both name the same host and port, where a port that is not named is `default_port`.
    ///
    /// ```
    /// use palisade_core::host::parse_host;
    ///
    /// let host = parse_host(b"api.example.com").unwrap();
    /// assert!(host.is_same(&parse_host(b"API.example.com:443").unwrap(), 443));
    /// assert!(!host.is_same(&parse_host(b"api.example.com:443").unwrap(), 80));
    /// ```
    #[must_use]
    pub fn is_same(&self, other: &Host<'_>, default_port: u16) -> bool {
        self.name == other.name
            && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }

    /// Whether the host names this machine: `localhost`, a name under it (RFC 6761 §6.3), 127.0.0.0/8 or `[::1]`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.name {
            Name::Ip(ip) => ip.is_loopback(),
            Name::Dns(name) => {
                name.eq_ignore_ascii_case("localhost") || ends_with(name, ".localhost")
            }
        }
    }
}

impl PartialEq for Host<'_> {
    fn eq(&self, other: &Host<'_>) -> bool {
        self.name == other.name && self.port == other.port
    }
}

impl PartialEq for Name<'_> {
    fn eq(&self, other: &Name<'_>) -> bool {
        match (self, other) {
            (Name::Dns(one), Name::Dns(two)) => one.eq_ignore_ascii_case(two),
            (Name::Ip(one), Name::Ip(two)) => one == two,
            _ => false,
        }
    }
}

/// Why a host could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// Nothing names a host.
    Empty,
    /// Longer than a DNS name and a port can be.
    TooLong,
    /// User information before an `@`, which has no place in `Host` (RFC 9110 §4.2.4).
    Userinfo,
    /// A name with other characters than letters, digits, `-` and `_`, or with an empty or too long label.
    Name,
    /// An IPv6 literal that is none, or a name that ends like an IPv4 address and is none.
    Address,
    /// A port that is no number from 1 to 65535.
    Port,
}

impl Malformed {
    /// The stable word for the audit.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Malformed::Empty => "host_empty",
            Malformed::TooLong => "host_too_long",
            Malformed::Userinfo => "host_userinfo",
            Malformed::Name => "host_name",
            Malformed::Address => "host_address",
            Malformed::Port => "host_port",
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Malformed::Empty => "write a host, such as `api.example.com`",
            Malformed::TooLong => "a host name has at most 253 characters",
            Malformed::Userinfo => "write the host alone, without a user",
            Malformed::Name => {
                "a host is labels of letters, digits, `-` and `_` with dots between, \
                 such as `api.example.com`"
            }
            Malformed::Address => "write an address as `192.0.2.1` or `[2001:db8::1]`",
            Malformed::Port => "a port is a number from 1 to 65535",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Malformed {}

/// Reads a host and an optional port: an authority of RFC 3986 §3.2 without user information.
///
/// Names are stricter than the RFC's reg-name: percent-encoding and the characters that DNS does not know are refused,
/// and a name whose last label is a number must be an IPv4 address, as in the URL Standard.
///
/// # Errors
/// The first thing found that is wrong.
pub fn parse_host(raw: &[u8]) -> Result<Host<'_>, Malformed> {
    // No other part may contain an `@` either, so the right case need not look for it.
    read_host(raw).map_err(|malformed| {
        if raw.contains(&b'@') {
            Malformed::Userinfo
        } else {
            malformed
        }
    })
}

fn read_host(raw: &[u8]) -> Result<Host<'_>, Malformed> {
    if raw.len() > LONGEST {
        return Err(Malformed::TooLong);
    }
    let text = str::from_utf8(raw).map_err(|_| Malformed::Name)?;
    let (name, port) = match text.strip_prefix('[') {
        Some(literal) => {
            let (address, port) = literal.split_once(']').ok_or(Malformed::Address)?;
            let address: Ipv6Addr = address.parse().map_err(|_| Malformed::Address)?;
            (Name::Ip(address.into()), port)
        }
        None => {
            let (name, port) = split_port(text);
            (parse_name(name)?, port)
        }
    };
    Ok(Host {
        name,
        port: parse_port(port)?,
    })
}

/// Splits before the first `:`, if there is one.
fn split_port(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| byte == b':');
    let end = end.unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn parse_name(name: &str) -> Result<Name<'_>, Malformed> {
    if name.is_empty() {
        return Err(Malformed::Empty);
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    // One pass: this runs on every request.
    let mut label = 0;
    for byte in name.bytes() {
        label = match byte {
            b'.' if label > 0 => 0,
            b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' if label < 63 => label + 1,
            _ => return Err(Malformed::Name),
        };
    }
    if label == 0 {
        return Err(Malformed::Name);
    }
    let last = name.get(name.len() - label..).unwrap_or_default();
    if name.len() > 253 {
        return Err(Malformed::TooLong);
    }
    // `127.1` and `0x7f.1` are addresses to some resolvers and names to others.
    if is_number(last) {
        let address: Ipv4Addr = name.parse().map_err(|_| Malformed::Address)?;
        return Ok(Name::Ip(address.into()));
    }
    Ok(Name::Dns(name))
}

fn is_number(label: &str) -> bool {
    match label
        .strip_prefix("0x")
        .or_else(|| label.strip_prefix("0X"))
    {
        Some(hex) => hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// Reads what follows the name: nothing, `:`, or `:` and a port (RFC 3986 §3.2.3 lets the digits be absent).
fn parse_port(text: &str) -> Result<Option<u16>, Malformed> {
    if text.is_empty() || text == ":" {
        return Ok(None);
    }
    let digits = text.strip_prefix(':').ok_or(Malformed::Port)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed::Port);
    }
    match digits.parse() {
        Ok(port) if port != 0 => Ok(Some(port)),
        _ => Err(Malformed::Port),
    }
}

/// Whether the name ends with the suffix, in any letter case, and has something before it.
fn ends_with(name: &str, suffix: &str) -> bool {
    let start = name
        .len()
        .checked_sub(suffix.len())
        .filter(|start| *start > 0);
    start
        .and_then(|start| name.get(start..))
        .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_hosts_are_told_apart() {
        let long_label = "a".repeat(64);
        let long_name = format!("{}example.com", "a.".repeat(130));
        for (host, expected) in [
            ("", Malformed::Empty),
            (":80", Malformed::Empty),
            (".", Malformed::Name),
            ("a..b", Malformed::Name),
            (".a", Malformed::Name),
            ("a..", Malformed::Name),
            ("a b", Malformed::Name),
            ("a%2eb", Malformed::Name),
            ("exämple.com", Malformed::Name),
            ("a,b", Malformed::Name),
            ("a/b", Malformed::Name),
            ("a\\b", Malformed::Name),
            (&long_label, Malformed::Name),
            (&long_name, Malformed::TooLong),
            ("u@a", Malformed::Userinfo),
            ("a:b@c", Malformed::Userinfo),
            ("a:0", Malformed::Port),
            ("a:65536", Malformed::Port),
            ("a:+80", Malformed::Port),
            ("a:80:80", Malformed::Port),
            ("::1", Malformed::Empty),
            ("[::1", Malformed::Address),
            ("[::1]80", Malformed::Port),
            ("[fe80::1%25eth0]", Malformed::Address),
            ("[v1.a]", Malformed::Address),
            ("[127.0.0.1]", Malformed::Address),
            ("127.1", Malformed::Address),
            ("0x7f.1", Malformed::Address),
            ("127.0.0.0x1", Malformed::Address),
            ("256.0.0.1", Malformed::Address),
            ("127.0.0.01", Malformed::Address),
            ("2130706433", Malformed::Address),
        ] {
            assert_eq!(parse_host(host.as_bytes()), Err(expected), "{host:?}");
        }
        assert_eq!(parse_host(b"\xff"), Err(Malformed::Name));
    }

    #[test]
    fn a_host_says_what_it_is() {
        for loopback in [
            "localhost",
            "LOCALHOST.:80",
            "a.localhost",
            "127.9.9.9",
            "[::1]",
        ] {
            assert!(
                parse_host(loopback.as_bytes()).unwrap().is_loopback(),
                "{loopback}"
            );
        }
        for other in ["notlocalhost", "localhost.evil.test", "128.0.0.1", "[::2]"] {
            assert!(
                !parse_host(other.as_bytes()).unwrap().is_loopback(),
                "{other}"
            );
        }
        let host = parse_host(b"Api.Example.com.:8443").unwrap();
        assert_eq!(
            (host.dns_name(), host.port(), host.ip()),
            (Some("Api.Example.com"), Some(8443), None)
        );
        assert_eq!(host, parse_host(b"api.example.COM:08443").unwrap());
        assert_ne!(host, parse_host(b"api.example.com").unwrap());
    }
}
