//! The stages that look at nothing but the head: 1 to 5, and 8.

use super::{compiled::Compiled, exchange::Facts, read::Found, read::Reading, rules::CompiledRule};
use crate::{
    firewall::{self, Claim, FirewallLimits, Refused, Target, claim_of},
    head::RequestHead,
    host::{Host, parse_host},
    methods::MethodId,
    outage::Answer,
    policy::HttpsMode,
    problem::{Code, Reason},
    scheme::Carrier,
    view::View,
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use http::{HeaderName, header};

impl Compiled {
    /// Pages need a nonce on every response, an error too.
    pub(super) fn draw_nonce(&self, facts: &mut Facts) -> Result<(), Reason> {
        if self.headers.needs_nonce() {
            let mut bytes = [0; 16];
            let drawn = self.ports.entropy.fill(&mut bytes);
            let outage = &self.lineage.entropy;
            if let Err(source) = drawn {
                if outage.begins(Answer::Asked, facts.now_nanos(self)) {
                    tracing::error!(target: "palisade", "{source}");
                }
                return Err(Reason::new(Code::DependencyUnavailable, "no_entropy"));
            }
            if outage.is_on()
                && outage
                    .is_over(Answer::Asked, facts.now_nanos(self))
                    .is_some()
            {
                tracing::info!(target: "palisade", "there is randomness again");
            }
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
        // What follows such a head may be taken for another protocol (RFC 9110 §7.8, §9.3.6),
        // so whatever is answered but a change to it is the last answer of the connection.
        facts.changes_protocol = view.asks_for_websocket() || head.method() == b"CONNECT";
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
        let rejected = |refused: Refused| Reason::new(Code::RequestRejected, refused.reason());
        let target = firewall::check_target(raw, &limits).map_err(rejected)?;
        // Where the framework has cut it off, the target cannot show it.
        if head.scheme().is_some_and(|scheme| !is_http(scheme)) {
            return Err(rejected(Refused::UnsupportedScheme));
        }
        let mut singletons = Singletons::default();
        for (name, value) in view.lines() {
            if !firewall::check_header_value(value) {
                return Err(Reason::new(
                    Code::RequestRejected,
                    "header_control_character",
                ));
            }
            singletons.note(name)?;
            // No proxy is trusted, so nobody has checked what such a field says.
            if claim_of(name).is_some() {
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
        check_handshake(view, method, facts)?;
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
        let host = self.named_host(head, view, target.authority, facts.secure)?;
        let ours = self.hosts.as_ref().is_none_or(|list| list.allows(&host));
        if !ours && !rule.probe {
            return Err(Reason::new(Code::MisdirectedRequest, "host_not_listed"));
        }
        facts.hsts_host = is_for_hsts(&host);
        Ok(host)
    }

    /// The host that the head names (RFC 9110 §7.2, RFC 9112 §3.2, RFC 9113 §8.3.1).
    ///
    /// RFC 9112 §3.2.2 would have `Host` ignored beside an absolute-form target. Applications look at either, so the
    /// two must agree, as RFC 9112 §3.2 demands of clients and RFC 9113 §8.3.1 of HTTP/2.
    pub(super) fn named_host<'h>(
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
            (Some(authority), Some(host)) => {
                let (authority, host) = (parse(authority)?, parse(host)?);
                match authority.is_same(&host, default_port(head, secure)) {
                    true => Ok(authority),
                    false => Err(rejected("host_differs_from_authority")),
                }
            }
            (None, None) => Err(rejected("host_missing")),
            (Some(_), None) if !head.http2() => Err(rejected("host_missing")),
            (Some(authority), None) => parse(authority),
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
            .named_host(head, view, None, facts.secure)
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
        let forwarded = view.lines().any(|(name, _)| is_of_a_proxy(name));
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
        let safe = facts.method.is_some_and(MethodId::is_safe) && !view.asks_for_websocket();
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

fn is_http(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https")
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

/// Whether only a proxy adds a field of this name to a request (RFC 9110 §7.6.3 for `Via`).
fn is_of_a_proxy(name: &str) -> bool {
    name == "via" || claim_of(name).is_some_and(Claim::is_of_a_proxy)
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

/// RFC 6455 §4.1: a handshake is a GET; and a body of it would be read by some servers as
/// frames, up to the end of the connection, by others as a body.
fn check_handshake(view: &View<'_>, method: MethodId, facts: &Facts) -> Result<(), Reason> {
    let has_body = facts.content_length.is_some_and(|length| length > 0)
        || view.header(&header::TRANSFER_ENCODING).next().is_some();
    match view.asks_for_websocket() && (method != MethodId::GET || has_body) {
        true => Err(Reason::new(Code::RequestRejected, "websocket_handshake")),
        false => Ok(()),
    }
}

/// Fields that a head has once (RFC 9110 §5.3), with the word for the audit: those that a stage,
/// an extractor or a server reads. `Host`, `Authorization`, the two that frame a body and those
/// of the schemes are looked at where they are read.
const SINGLETONS: &[(&str, &str)] = &[
    ("content-type", "content_type_repeated"),
    ("content-encoding", "content_encoding_repeated"),
    ("origin", "origin_repeated"),
    ("expect", "expect_repeated"),
    (
        "access-control-request-method",
        "access_control_request_method_repeated",
    ),
    ("sec-fetch-site", "sec_fetch_repeated"),
    ("sec-fetch-mode", "sec_fetch_repeated"),
    ("sec-fetch-dest", "sec_fetch_repeated"),
    ("sec-fetch-user", "sec_fetch_repeated"),
    ("sec-websocket-key", "sec_websocket_repeated"),
    ("sec-websocket-version", "sec_websocket_repeated"),
];

/// Which of them were there.
#[derive(Default)]
struct Singletons([bool; SINGLETONS.len()]);

impl Singletons {
    fn note(&mut self, name: &str) -> Result<(), Reason> {
        for ((own, cause), seen) in SINGLETONS.iter().zip(&mut self.0) {
            if *own == name && std::mem::replace(seen, true) {
                return Err(Reason::new(Code::RequestRejected, *cause));
            }
        }
        Ok(())
    }
}

/// Whether an `Origin` names the very host that the request was sent to.
fn is_own_origin(origin: &[u8], host: &Host<'_>, secure: bool) -> bool {
    let scheme: &[u8] = if secure { b"https://" } else { b"http://" };
    let default_port = if secure { 443 } else { 80 };
    origin
        .strip_prefix(scheme)
        .and_then(|authority| parse_host(authority).ok())
        .is_some_and(|own| own.is_same(host, default_port))
}
