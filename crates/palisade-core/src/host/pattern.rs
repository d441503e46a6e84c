//! The hosts that a policy allows.

use std::net::{IpAddr, Ipv6Addr};

use super::{Host, Name, ends_with, parse_host, split_port};

/// One entry of a policy's allowed hosts.
///
/// `example.com` is that host, `*.example.com` every host beneath it at any depth but not `example.com` itself,
/// `192.0.2.1` and `[2001:db8::1]` are addresses.
///
/// An entry without a port allows every port, as the host filters of ASP.NET Core and Spring do: behind a proxy or in
/// development the port is rarely the one the policy knows. An entry with a port allows exactly that one; because
/// clients leave out `:80` and `:443` where they are the default, entries with these two allow a request without a
/// port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    name: PatternName,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PatternName {
    Dns(Box<str>),
    /// The suffix, with its leading dot.
    Beneath(Box<str>),
    Ip(IpAddr),
}

impl HostPattern {
    /// Reads an entry as a policy writes it.
    ///
    /// # Errors
    /// What is wrong with it and what would be right. International names must be in their A-label form, because that
    /// is what clients send; the message shows it.
    pub fn parse(text: &str) -> Result<HostPattern, String> {
        refuse_lookalikes(text)?;
        let (wildcard, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let host = parse_host(rest.as_bytes())
            .map_err(|malformed| format!("`{text}` is not a host: {}", malformed.advice()))?;
        let name = match host.name {
            Name::Dns(name) if wildcard => {
                PatternName::Beneath(format!(".{}", name.to_ascii_lowercase()).into())
            }
            Name::Dns(name) => PatternName::Dns(name.to_ascii_lowercase().into()),
            Name::Ip(_) if wildcard => {
                return Err(format!(
                    "`{text}`: an address has no hosts beneath it: write `{rest}`"
                ));
            }
            Name::Ip(ip) => PatternName::Ip(ip),
        };
        Ok(HostPattern {
            name,
            port: host.port,
        })
    }

    /// The domain beneath which it allows every host.
    pub(crate) fn wildcard(&self) -> Option<&str> {
        match &self.name {
            PatternName::Beneath(suffix) => suffix.strip_prefix('.'),
            _ => None,
        }
    }

    /// Whether this entry allows the host.
    #[must_use]
    pub fn allows(&self, host: &Host<'_>) -> bool {
        let port = match (self.port, host.port) {
            (None, _) | (Some(80 | 443), None) => true,
            (wanted, named) => wanted == named,
        };
        port && match (&self.name, host.name) {
            // Most clients write it as the policy does, which costs less to see.
            (PatternName::Dns(wanted), Name::Dns(name)) => {
                *name == **wanted || name.eq_ignore_ascii_case(wanted)
            }
            (PatternName::Beneath(suffix), Name::Dns(name)) => ends_with(name, suffix),
            (PatternName::Ip(wanted), Name::Ip(ip)) => *wanted == ip,
            _ => false,
        }
    }
}

/// Refuses what people write for a host elsewhere, and says how it is written here.
fn refuse_lookalikes(text: &str) -> Result<(), String> {
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        return Err(format!("`{text}` is a url: write the host alone, `{host}`"));
    }
    if text == "*" {
        return Err("`*` would allow any host: name the hosts, such as `api.example.com` or `*.example.com`".into());
    }
    if let Some(name) = text.strip_prefix('.') {
        return Err(format!(
            "`{text}` starts with a dot: for every host beneath it write `*.{name}`"
        ));
    }
    if text.strip_prefix("*.").unwrap_or(text).contains('*') {
        return Err(format!(
            "`{text}`: `*` can only stand for the first labels, as in `*.example.com`"
        ));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(format!("`{text}` is an ipv6 address: write `[{text}]`"));
    }
    if !text.is_ascii() {
        let (prefix, name) = match text.strip_prefix("*.") {
            Some(name) => ("*.", name),
            None => ("", text),
        };
        let (name, port) = split_port(name);
        return Err(match idna::domain_to_ascii(name) {
            Ok(ascii) => format!(
                "`{text}` is not in the form that clients send: write `{prefix}{ascii}{port}`"
            ),
            Err(_) => format!("`{text}` is not a host name that dns can hold"),
        });
    }
    Ok(())
}

/// The hosts that a policy allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostList(Vec<HostPattern>);

impl HostList {
    /// Whether any entry allows the host; an empty list allows none.
    #[must_use]
    pub fn allows(&self, host: &Host<'_>) -> bool {
        self.0.iter().any(|pattern| pattern.allows(host))
    }

    /// The host, if it is written just as an entry writes it: most are, and none of the entries
    /// has to be checked for its form again.
    pub(crate) fn find<'h>(&self, raw: &'h [u8]) -> Option<Host<'h>> {
        let listed = self.0.iter().any(|pattern| match &pattern.name {
            PatternName::Dns(name) => name.as_bytes() == raw,
            _ => false,
        });
        let name = str::from_utf8(raw).ok().filter(|_| listed)?;
        Some(Host {
            name: Name::Dns(name),
            port: None,
        })
    }
}

impl FromIterator<HostPattern> for HostList {
    fn from_iter<I: IntoIterator<Item = HostPattern>>(patterns: I) -> HostList {
        HostList(patterns.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn allows(pattern: &str, host: &str) -> bool {
        HostPattern::parse(pattern)
            .unwrap()
            .allows(&parse_host(host.as_bytes()).unwrap())
    }

    #[test]
    fn hosts_are_compared_as_names_and_addresses() {
        assert!(allows("api.example.com", "API.Example.COM."));
        assert!(allows("api.example.com.", "api.example.com"));
        assert!(!allows("api.example.com", "example.com"));
        assert!(!allows("example.com", "example.com.evil.test"));
        assert!(allows("[::1]", "[0:0:0:0:0:0:0:1]:8080"));
        assert!(!allows("[::1]", "127.0.0.1"));
        assert!(allows("127.0.0.1", "127.0.0.1."));
        assert!(allows("under_score.test", "under_score.test"));
    }

    #[test]
    fn a_host_that_is_written_as_an_entry_is_read_alike() {
        let patterns = ["api.example.com", "b.test:8443", "*.example.com", "[::1]"];
        let list = patterns.into_iter().map(HostPattern::parse);
        let list = list.collect::<Result<HostList, _>>().unwrap();
        for host in ["api.example.com", "b.test"] {
            let found = list.find(host.as_bytes()).unwrap();
            assert_eq!(Ok(found), parse_host(host.as_bytes()));
        }
        for other in [
            "API.example.com",
            "b.test:8443",
            ".example.com",
            "[::1]",
            "",
        ] {
            assert_eq!(list.find(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_wildcard_covers_any_depth_but_not_the_apex() {
        assert!(allows("*.example.com", "a.example.com"));
        assert!(allows("*.Example.com", "a.b.EXAMPLE.com:8443"));
        assert!(!allows("*.example.com", "example.com"));
        assert!(!allows("*.example.com", "badexample.com"));
        assert!(!allows("*.example.com", "example.com.evil.test"));
    }

    #[test]
    fn ports_are_compared_only_where_the_policy_names_one() {
        assert!(allows("example.com", "example.com:8443"));
        assert!(allows("example.com:8443", "example.com:8443"));
        assert!(!allows("example.com:8443", "example.com:8444"));
        assert!(!allows("example.com:8443", "example.com"));
        assert!(allows("example.com:443", "example.com"));
        assert!(allows("example.com:443", "example.com:"));
        assert!(!allows("example.com:443", "example.com:80"));
        assert!(allows("*.example.com:8443", "a.example.com:8443"));
        assert!(allows("[2001:db8::1]:8443", "[2001:DB8:0::1]:8443"));
    }

    #[test]
    fn a_wrong_pattern_is_answered_with_the_right_one() {
        for (pattern, right) in [
            ("https://example.com/api", "`example.com`"),
            ("*", "`*.example.com`"),
            (".example.com", "`*.example.com`"),
            ("api.*.com", "`*.example.com`"),
            ("*example.com", "`*.example.com`"),
            ("*.*.com", "`*.example.com`"),
            ("::1", "`[::1]`"),
            ("*.127.0.0.1", "`127.0.0.1`"),
            ("bücher.example:8080", "`xn--bcher-kva.example:8080`"),
            ("*.Bücher.example", "`*.xn--bcher-kva.example`"),
            ("example.com:99999", "1 to 65535"),
            ("example.com/api", "`api.example.com`"),
            ("", "`api.example.com`"),
            ("127.1", "`192.0.2.1`"),
            ("user@example.com", "without a user"),
        ] {
            let message = HostPattern::parse(pattern).unwrap_err();
            assert!(message.contains(right), "{pattern:?}: {message}");
        }
    }
}
