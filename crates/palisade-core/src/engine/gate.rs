//! The stages that look at nothing but the head: 1 to 5, and 8.

use super::{
    compiled::Compiled, exchange::Facts, methods::MethodId, read::Found, read::Reading,
    rules::CompiledRule,
};
use crate::{
    firewall::{self, FirewallLimits, Target},
    head::RequestHead,
    host::{Host, parse_host},
    policy::HttpsMode,
    problem::{Code, Reason},
    scheme::Carrier,
    view::View,
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use http::{HeaderName, header};

/// Fields that the handler never sees: they rename the method or the target behind the back of
/// the rule that was applied, or claim an origin of the connection that nobody has checked.
const NEVER_PASSED: &[&str] = &[
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-client-cert",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
    "client-cert",
    "client-cert-chain",
    "x-client-cert",
    "x-ssl-client-cert",
];

impl Compiled {
    /// Pages need a nonce on every response, an error too.
    pub(super) fn draw_nonce(&self, facts: &mut Facts) -> Result<(), Reason> {
        if self.headers.needs_nonce() {
            let mut bytes = [0; 16];
            self.ports.entropy.fill(&mut bytes).map_err(|source| {
                tracing::error!(target: "palisade", "{source}");
                Reason::new(Code::DependencyUnavailable, "no_entropy")
            })?;
            facts.nonce = Some(STANDARD_NO_PAD.encode(bytes).into());
        }
        Ok(())
    }

    /// Whether the origin may read the response, a refusal too.
    pub(super) fn note_origin(&self, view: &View<'_>, facts: &mut Facts) {
        if let Some(cors) = &self.cors {
            let mut lines = view.header(&header::ORIGIN);
            if let (Some(origin), None) = (lines.next(), lines.next()) {
                facts.allow_origin = cors.allow(origin);
            }
        }
    }

    /// Whether a refusal must not make a browser ask its user for a password.
    pub(super) fn note_script(&self, view: &View<'_>, facts: &mut Facts) {
        let mut modes = view.named("sec-fetch-mode");
        facts.is_script = self.asks_for_basic && modes.any(|mode| mode != b"navigate");
    }

    /// Stage 1: everything about the head that no honest client sends.
    pub(super) fn pass_firewall<'h>(
        &self,
        head: &'h dyn RequestHead,
        view: &mut View<'h>,
        facts: &mut Facts,
    ) -> Result<Target<'h>, Reason> {
        let known = self.methods.find(head.method());
        let method =
            known.ok_or_else(|| Reason::new(Code::MethodNotImplemented, "unknown_method"))?;
        facts.method = Some(method);
        let raw = head.target();
        if raw.len() > self.firewall.max_target {
            return Err(Reason::new(Code::UriTooLong, "target_too_long"));
        }
        if view.line_count() > self.firewall.max_header_lines {
            return Err(Reason::new(Code::HeadersTooLarge, "too_many_header_lines"));
        }
        if view.header_bytes() > self.firewall.max_header_bytes {
            return Err(Reason::new(Code::HeadersTooLarge, "headers_too_large"));
        }
        let limits = FirewallLimits {
            path: self.firewall.max_target,
            query: self.firewall.max_target,
        };
        let target = firewall::check_target(raw, &limits)
            .map_err(|refused| Reason::new(Code::RequestRejected, refused.reason()))?;
        for (name, value) in view.lines() {
            if !firewall::check_header_value(value) {
                return Err(Reason::new(
                    Code::RequestRejected,
                    "header_control_character",
                ));
            }
            // The first letter spares most lines the comparisons.
            if name.starts_with(['c', 'f', 'x']) && NEVER_PASSED.contains(&name) {
                facts.edits.remove(
                    HeaderName::from_bytes(name.as_bytes())
                        .map_err(|_| Reason::new(Code::RequestRejected, "header_name"))?,
                );
            }
        }
        if target.path == "*" && method != MethodId::OPTIONS {
            return Err(Reason::new(Code::RequestRejected, "asterisk_form"));
        }
        facts.content_length = content_length(view)?;
        check_transfer_encoding(view, facts.content_length)?;
        facts.has_body = has_body(view, facts);
        view.set_target(target.path, target.query);
        Ok(target)
    }

    /// Stage 3: the host must be one of ours.
    pub(super) fn host<'h>(
        &self,
        head: &'h dyn RequestHead,
        view: &View<'h>,
        target: &Target<'h>,
        rule: &CompiledRule,
        facts: &mut Facts,
    ) -> Result<Host<'h>, Reason> {
        let host = self.named_host(head, view, target.authority)?;
        let ours = self.hosts.as_ref().is_none_or(|list| list.allows(&host));
        if !ours && !rule.probe {
            return Err(Reason::new(Code::MisdirectedRequest, "host_not_listed"));
        }
        facts.hsts_host = is_for_hsts(&host);
        Ok(host)
    }

    /// The host that the head names (RFC 9110 §7.2, RFC 9112 §3.2, RFC 9113 §8.3.1).
    pub(super) fn named_host<'h>(
        &self,
        head: &'h dyn RequestHead,
        view: &View<'h>,
        in_target: Option<&'h str>,
    ) -> Result<Host<'h>, Reason> {
        let rejected = |cause| Reason::new(Code::RequestRejected, cause);
        let mut lines = view.header(&header::HOST);
        let (first, second) = (lines.next(), lines.next());
        if second.is_some() {
            return Err(rejected("host_repeated"));
        }
        let parse = |raw| match self.hosts.as_ref().and_then(|list| list.find(raw)) {
            Some(host) => Ok(host),
            None => parse_host(raw).map_err(|_| rejected("host_malformed")),
        };
        let authority = head
            .authority()
            .or(in_target.map(str::as_bytes))
            .filter(|authority| !authority.is_empty());
        match (authority, first) {
            (Some(authority), Some(host)) if head.http2() => {
                let (authority, host) = (parse(authority)?, parse(host)?);
                if authority != host {
                    return Err(rejected("host_differs_from_authority"));
                }
                Ok(authority)
            }
            (None, None) => Err(rejected("host_missing")),
            (Some(_), None) if !head.http2() => Err(rejected("host_missing")),
            (Some(authority), _) => parse(authority),
            (None, Some(host)) => parse(host),
        }
    }

    /// What a refusal by the firewall needs of the host: every response over HTTPS has the same HSTS.
    pub(super) fn note_host<'h>(
        &self,
        head: &'h dyn RequestHead,
        view: &View<'h>,
        facts: &mut Facts,
    ) {
        facts.hsts_host = self
            .named_host(head, view, None)
            .is_ok_and(|host| is_for_hsts(&host));
    }

    /// Stage 4: HTTPS.
    pub(super) fn require_https(
        &self,
        view: &View<'_>,
        host: &Host<'_>,
        rule: &CompiledRule,
        facts: &mut Facts,
    ) -> Result<(), Reason> {
        if self.https.mode == HttpsMode::Off || facts.secure || rule.probe {
            return Ok(());
        }
        // So that curl on the same machine works; nothing forwarded ever takes this way.
        let local = facts.client.is_loopback() && host.is_loopback();
        let forwarded = view
            .lines()
            .any(|(name, _)| name == "forwarded" || name.starts_with("x-forwarded-"));
        if local && !forwarded {
            return Ok(());
        }
        facts.credential_exposed =
            !view.authorization().is_empty() || self.presents_anything(rule, view);
        Err(Reason::new(Code::HttpsRequired, "plain_http"))
    }

    fn presents_anything(&self, rule: &CompiledRule, view: &View<'_>) -> bool {
        !matches!(self.read(rule, view).found, Found::Nothing)
    }

    /// Stage 5: a true preflight (Fetch §3.2.2); any other OPTIONS is an ordinary request.
    pub(super) fn is_preflight(&self, view: &View<'_>, method: MethodId) -> bool {
        self.cors.is_some()
            && method == MethodId::OPTIONS
            && view.header(&header::ORIGIN).next().is_some()
            && view
                .header(&header::ACCESS_CONTROL_REQUEST_METHOD)
                .next()
                .is_some()
    }

    /// Stage 8: a browser sends ambient credentials whatever page asks it to.
    pub(super) fn block_cross_origin(
        &self,
        view: &View<'_>,
        host: &Host<'_>,
        rule: &CompiledRule,
        reading: &Reading<'_>,
        facts: &Facts,
    ) -> Result<(), Reason> {
        let safe = facts.method.is_some_and(MethodId::is_safe) && !is_websocket(view);
        if safe || !rule.accepts_ambient {
            return Ok(());
        }
        if let Found::One(candidate) = &reading.found {
            let ambient = self.carrier(candidate).is_some_and(Carrier::is_ambient);
            if !ambient {
                return Ok(());
            }
        }
        let trusted = facts.allow_origin.is_some()
            && self
                .cors
                .as_ref()
                .is_some_and(|cors| cors.allows_credentials());
        let mut sites = view.named("sec-fetch-site").peekable();
        let mut origins = view.header(&header::ORIGIN);
        let same_site = match sites.peek() {
            Some(_) => sites.all(|site| matches!(site, b"same-origin" | b"none")),
            // Neither header: no browser of the last years, so no ambient credential.
            None => origins.all(|origin| is_own_origin(origin, host, facts.secure)),
        };
        if same_site || trusted {
            Ok(())
        } else {
            Err(Reason::new(Code::CrossOriginBlocked, "cross_site"))
        }
    }
}

/// RFC 9110 §8.6: one decimal number. Anything else is a smuggling attempt.
fn content_length(view: &View<'_>) -> Result<Option<u64>, Reason> {
    let rejected = || Reason::new(Code::RequestRejected, "content_length_malformed");
    let mut lines = view.header(&header::CONTENT_LENGTH);
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    if lines.next().is_some() || !line.iter().all(u8::is_ascii_digit) {
        return Err(rejected());
    }
    let digits = std::str::from_utf8(line).map_err(|_| rejected())?;
    digits.parse().map(Some).map_err(|_| rejected())
}

/// RFC 6797 §8.1.1: an address is no HSTS host; and a name of this machine is nobody's.
fn is_for_hsts(host: &Host<'_>) -> bool {
    host.dns_name().is_some() && !host.is_loopback()
}

/// RFC 9112 §6.1: of the codings only `chunked` is implemented, once, and a length beside it is
/// a smuggling attempt. A framework that has resolved the two leaves only one of them here.
fn check_transfer_encoding(view: &View<'_>, length: Option<u64>) -> Result<(), Reason> {
    let mut lines = view.header(&header::TRANSFER_ENCODING);
    match (lines.next(), lines.next(), length) {
        (None, ..) => Ok(()),
        (Some(coding), None, None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Reason::new(Code::RequestRejected, "transfer_encoding")),
    }
}

/// RFC 9112 §6.3: without a length or a coding there is none. In HTTP/2 the end of the stream
/// tells, which no field does (RFC 9113 §8.1).
fn has_body(view: &View<'_>, facts: &Facts) -> bool {
    match facts.content_length {
        Some(length) => length > 0,
        None => facts.http2 || view.header(&header::TRANSFER_ENCODING).next().is_some(),
    }
}

/// RFC 6455 §4.1: a handshake is a GET, but what follows it is not safe.
fn is_websocket(view: &View<'_>) -> bool {
    view.header(&header::UPGRADE)
        .flat_map(|line| line.split(|&b| b == b','))
        .any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

/// Whether an `Origin` names the very host that the request was sent to.
fn is_own_origin(origin: &[u8], host: &Host<'_>, secure: bool) -> bool {
    let scheme: &[u8] = if secure { b"https://" } else { b"http://" };
    let default_port = if secure { 443 } else { 80 };
    origin
        .strip_prefix(scheme)
        .and_then(|authority| parse_host(authority).ok())
        .is_some_and(|own| {
            own.port().unwrap_or(default_port) == host.port().unwrap_or(default_port)
                && own.dns_name().map(str::to_ascii_lowercase)
                    == host.dns_name().map(str::to_ascii_lowercase)
                && own.ip() == host.ip()
        })
}
