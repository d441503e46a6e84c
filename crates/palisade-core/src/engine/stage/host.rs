//! Stage 3: the host that the request names is one of ours.

use super::firewall::is_http;
use crate::{
    cause::Cause,
    config::Mistakes,
    engine::facts::Arrival,
    firewall::Target,
    head::RequestHead,
    host::{Anybodys, Host, HostList, HostPattern, parse_host},
    policy,
    problem::{Code, Reason},
    view::View,
};
use http::header;

/// `[host]`, compiled.
#[derive(Debug)]
pub(in crate::engine) struct HostStage {
    /// `None`: every host is ours.
    hosts: Option<HostList>,
}

/// Why a request is refused here.
#[derive(Debug)]
pub(in crate::engine) enum HostRefused<'h> {
    /// The host is none of ours.
    NotListed(Host<'h>),
    /// No host is named, or several are, or what is named is none.
    Unclear(Reason),
}

impl From<HostRefused<'_>> for Reason {
    fn from(refused: HostRefused<'_>) -> Self {
        match refused {
            HostRefused::NotListed(_) => {
                Reason::new(Code::MisdirectedRequest, Cause::HostNotListed)
            }
            HostRefused::Unclear(reason) => reason,
        }
    }
}

impl HostStage {
    /// Checks `[host]` and compiles it.
    pub(in crate::engine) fn compile(settings: &policy::Host, mistakes: &mut Mistakes) -> Self {
        if settings.allowed.is_empty() {
            return Self { hosts: None };
        }
        let mut patterns = Vec::new();
        for (index, text) in settings.allowed.iter().enumerate() {
            match HostPattern::parse(text) {
                Ok(pattern) => {
                    check_wildcard(&pattern, &format!("host.allowed[{index}]"), mistakes);
                    patterns.push(pattern);
                }
                Err(message) => mistakes.add(format!("host.allowed[{index}]"), message),
            }
        }
        Self {
            hosts: Some(patterns.into_iter().collect()),
        }
    }

    /// Whether a host is one of ours.
    pub(in crate::engine) fn lists(&self, host: &str) -> bool {
        let ours =
            |list: &HostList| parse_host(host.as_bytes()).is_ok_and(|host| list.allows(&host));
        self.hosts.as_ref().is_none_or(ours)
    }

    /// The host, if it is one of ours; a probe may name any.
    pub(in crate::engine) fn judge<'h>(
        &self,
        head: &'h dyn RequestHead,
        view: &View<'h>,
        target: &Target<'h>,
        arrival: &mut Arrival,
        probe: bool,
    ) -> Result<Host<'h>, HostRefused<'h>> {
        let host = self
            .named(head, view, target.authority, arrival.secure)
            .map_err(HostRefused::Unclear)?;
        let ours = self.hosts.as_ref().is_none_or(|list| list.allows(&host));
        if !ours && !probe {
            return Err(HostRefused::NotListed(host));
        }
        arrival.hsts_host = is_for_hsts(&host);
        Ok(host)
    }

    /// What a refusal by the firewall needs of the host: every response over HTTPS has the same HSTS.
    pub(in crate::engine) fn note<'h>(
        &self,
        head: &'h dyn RequestHead,
        view: &View<'h>,
        arrival: &mut Arrival,
    ) {
        let host = self.named(head, view, None, arrival.secure);
        arrival.hsts_host = host.is_ok_and(|host| is_for_hsts(&host));
    }

    pub(in crate::engine) fn tell(&self, judged: &Result<Host<'_>, HostRefused<'_>>) -> String {
        let host = match judged {
            Ok(host) | Err(HostRefused::NotListed(host)) => host,
            Err(HostRefused::Unclear(reason)) => return reason.cause().to_owned(),
        };
        let name = match (host.dns_name(), host.ip()) {
            (Some(name), _) => name.to_owned(),
            (None, Some(ip)) => ip.to_string(),
            (None, None) => String::new(),
        };
        let port = host.port().map(|port| format!(", port {port}"));
        let listed = match &self.hosts {
            None => "any host is ours",
            Some(list) if list.allows(host) => "listed",
            Some(_) => "not listed",
        };
        format!("{name}{}: {listed}", port.unwrap_or_default())
    }

    /// The host that the head names (RFC 9110 §7.2, RFC 9112 §3.2, RFC 9113 §8.3.1).
    ///
    /// RFC 9112 §3.2.2 would have `Host` ignored beside an absolute-form target. Applications look at either, so the
    /// two must agree, as RFC 9112 §3.2 demands of clients and RFC 9113 §8.3.1 of HTTP/2.
    fn named<'h>(
        &self,
        head: &'h dyn RequestHead,
        view: &View<'h>,
        in_target: Option<&'h str>,
        secure: bool,
    ) -> Result<Host<'h>, Reason> {
        let rejected = |cause| Reason::new(Code::RequestRejected, cause);
        let mut lines = view.header(&header::HOST);
        let (first, second) = (lines.next(), lines.next());
        if second.is_some() {
            return Err(rejected(Cause::HostRepeated));
        }
        let parse = |raw| match self.hosts.as_ref().and_then(|list| list.find(raw)) {
            Some(host) => Ok(host),
            None => parse_host(raw).map_err(|_| rejected(Cause::HostMalformed)),
        };
        let authority = head
            .authority()
            .or(in_target.map(str::as_bytes))
            .filter(|authority| !authority.is_empty());
        match (authority, first) {
            (Some(authority), Some(host)) => {
                let (authority, host) = (parse(authority)?, parse(host)?);
                match authority.is_same(&host, default_port(head, secure)) {
                    true => Ok(authority),
                    false => Err(rejected(Cause::HostDiffersFromAuthority)),
                }
            }
            (None, None) => Err(rejected(Cause::HostMissing)),
            (Some(_), None) if !head.http2() => Err(rejected(Cause::HostMissing)),
            (Some(authority), None) => parse(authority),
            (None, Some(host)) => parse(host),
        }
    }
}

/// A wildcard beneath a domain in which anybody can have a name lists hosts of strangers.
fn check_wildcard(pattern: &HostPattern, key: &str, mistakes: &mut Mistakes) {
    let Some(domain) = pattern.wildcard() else {
        return;
    };
    match Anybodys::of(domain) {
        Some(Anybodys::TopLevel) => mistakes.add(
            key,
            format!("takes in every name that ends in .{domain}; list your own hosts"),
        ),
        Some(Anybodys::Shared) => mistakes.warn(
            key,
            format!("anybody can have a name beneath {domain}; list your own hosts"),
        ),
        None => {}
    }
}

/// The port that a host without one means: that of the target's scheme (RFC 9110 §4.2), and where the target names
/// none, that of the connection.
fn default_port(head: &dyn RequestHead, secure: bool) -> u16 {
    let in_target = || {
        let scheme = head.target().split(|byte| *byte == b':').next();
        scheme.filter(|scheme| is_http(scheme))
    };
    let secure = match head.scheme().or_else(in_target) {
        Some(scheme) => scheme.len() == b"https".len(),
        None => secure,
    };
    if secure { 443 } else { 80 }
}

/// RFC 6797 §8.1.1: an address is no HSTS host; and a name of this machine is nobody's.
fn is_for_hsts(host: &Host<'_>) -> bool {
    host.dns_name().is_some() && !host.is_loopback()
}
