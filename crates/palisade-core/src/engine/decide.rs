//! The order of the stages, written once.

use super::{
    compiled::Compiled,
    exchange::{Decision, Facts},
    limits::Stage,
    methods::MethodId,
    read::{Candidate, Found, Reading},
    rules::{CompiledRule, Listed},
};
use crate::{
    firewall::{self, FirewallLimits, Target},
    grant::Caller,
    head::RequestHead,
    host::{Host, parse_host},
    policy::{HttpsMode, Unlisted},
    problem::{Code, Reason},
    requirement::Requirement,
    scheme::{Carrier, Outcome, Verification},
    view::View,
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use http::{HeaderName, HeaderValue, header};

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
    /// Judges a request's head, stage by stage.
    pub(super) fn decide(&self, head: &dyn RequestHead, facts: &mut Facts) -> Decision {
        self.stages(head, facts)
            .unwrap_or_else(|reason| Decision::Refuse(reason.into()))
    }

    fn stages(&self, head: &dyn RequestHead, facts: &mut Facts) -> Result<Decision, Reason> {
        let mut view = View::of(head);
        // Every response has these, a refusal by the firewall too.
        self.draw_nonce(facts)?;
        self.note_origin(&view, facts);

        // 1
        let passed = self.pass_firewall(head, &mut view, facts);
        let target = passed.inspect_err(|_| note_host(head, &view, facts))?;
        let method = facts.method.unwrap_or(MethodId::GET);
        let listed = self.rules.find(target.path, method);
        if let Listed::Rule(index) = listed {
            facts.rule = Some(index);
        }
        let rule = self.rule_or_unlisted(facts.rule);
        // 2
        if facts.peer.is_none() {
            tracing::error!(target: "palisade", "{}", head.peer_missing());
            return Err(Reason::new(Code::InternalError, "peer_address_missing"));
        }
        // 3
        let host = self.host(head, &view, &target, rule, facts)?;
        // 4
        self.require_https(&view, &host, rule, facts)?;
        // 5
        if self.is_preflight(&view, method) {
            return Ok(Decision::Preflight);
        }
        // 6
        self.apply_rule(&target, rule, &listed, facts)?;
        let reads = self.reads_credentials(rule, &listed, facts);
        facts.credentials_read = reads;
        // 7
        let reading = match reads {
            true => self.read(rule, &view),
            false => Reading {
                found: Found::Nothing,
                ambient_ignored: false,
            },
        };
        facts.ambient_ignored = reading.ambient_ignored;
        // 8
        if reads {
            self.block_cross_origin(&view, &host, rule, &reading, facts)?;
        }
        // 9
        self.charge(Stage::Address, rule, Some(&view), facts)?;
        if self.unlisted == Unlisted::NotFound
            && let Some(reason) = facts.no_rule.take()
        {
            return Err(*reason);
        }
        // 10 to 12
        match reading.found {
            Found::Nothing | Found::UnknownAuthorization => {
                let cause = match reading.found {
                    Found::Nothing => "no_credential",
                    _ => "unknown_authorization_scheme",
                };
                // An explicit credential that nobody here can verify is not the same as none.
                let unknown = cause == "unknown_authorization_scheme";
                self.settle_anonymous(rule, unknown, cause, facts)
            }
            Found::Malformed { scheme, cause } => {
                facts.presented = scheme;
                Err(self.invalid_request(self.bearer_presented(rule, &view), cause))
            }
            Found::One(candidate) => Ok(self.verify(candidate, &view, facts)),
        }
    }

    /// Stage 1: everything about the head that no honest client sends.
    fn pass_firewall<'h>(
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
        view.set_target(target.path, target.query);
        Ok(target)
    }

    /// Stage 3: the host must be one of ours.
    fn host<'h>(
        &self,
        head: &'h dyn RequestHead,
        view: &View<'h>,
        target: &Target<'h>,
        rule: &CompiledRule,
        facts: &mut Facts,
    ) -> Result<Host<'h>, Reason> {
        let host = named_host(head, view, target.authority)?;
        let ours = self.hosts.as_ref().is_none_or(|list| list.allows(&host));
        if !ours && !rule.probe {
            return Err(Reason::new(Code::MisdirectedRequest, "host_not_listed"));
        }
        facts.hsts_host = is_for_hsts(&host);
        Ok(host)
    }

    /// Stage 4: HTTPS.
    fn require_https(
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
    fn is_preflight(&self, view: &View<'_>, method: MethodId) -> bool {
        self.cors.is_some()
            && method == MethodId::OPTIONS
            && view.header(&header::ORIGIN).next().is_some()
            && view
                .header(&header::ACCESS_CONTROL_REQUEST_METHOD)
                .next()
                .is_some()
    }

    /// Stage 6: the rule, found before and judged at stage 12.
    fn apply_rule(
        &self,
        target: &Target<'_>,
        rule: &CompiledRule,
        listed: &Listed<'_>,
        facts: &mut Facts,
    ) -> Result<(), Reason> {
        target
            .refuse_unless(rule.allow_encoded)
            .map_err(|refused| Reason::new(Code::RequestRejected, refused.reason()))?;
        facts.guardrail = self.rules.guardrail(rule, target.path);
        facts.no_rule = match listed {
            Listed::Rule(_) => None,
            Listed::OtherMethod { allow } => {
                let reason = Reason::new(Code::MethodNotAllowed, "method_not_listed");
                let allow = allow.map(|allow| (header::ALLOW, allow.clone()));
                Some(reason.headers(allow).into())
            }
            Listed::Unlisted => {
                if self.unlisted == Unlisted::NotFound {
                    self.rules
                        .warn_unlisted(target.path, facts.method, &self.methods);
                }
                match self.unlisted {
                    Unlisted::NotFound => {
                        Some(Reason::new(Code::NotFound, "path_not_listed").into())
                    }
                    Unlisted::Authenticated => None,
                }
            }
        };
        Ok(())
    }

    fn reads_credentials(&self, rule: &CompiledRule, listed: &Listed<'_>, facts: &Facts) -> bool {
        match listed {
            Listed::Rule(_) => !rule.requirement.is_public() || facts.guardrail.is_some(),
            // Who may not even know whether the path exists must not cost a signature.
            _ => self.unlisted == Unlisted::Authenticated,
        }
    }

    /// Stage 8: a browser sends ambient credentials whatever page asks it to.
    fn block_cross_origin(
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

    /// Stage 10.
    fn verify(&self, candidate: Candidate<'_>, view: &View<'_>, facts: &mut Facts) -> Decision {
        facts.presented = Some(candidate.scheme);
        facts.presented_ambient = self.carrier(&candidate).is_some_and(Carrier::is_ambient);
        let Some(own) = self.schemes.get(candidate.scheme) else {
            return Decision::Refuse(Reason::new(Code::InternalError, "no_scheme").into());
        };
        if !own.scheme.shows_credential() {
            self.hide(&candidate, view, facts);
        }
        let now = self.clock.unix_seconds(&*self.ports.clock);
        match own.scheme.verify(&candidate.credential, now) {
            Verification::Done(outcome) => self.settle(outcome, facts),
            Verification::Remote(remote) => Decision::Ask(remote),
        }
    }

    /// Takes a key out of the head that the handler will see. The `Authorization` stays, as
    /// handlers may pass it on; a key in the query stays, because the router must get exactly
    /// the target that was checked.
    fn hide(&self, candidate: &Candidate<'_>, view: &View<'_>, facts: &mut Facts) {
        match self.carrier(candidate) {
            Some(Carrier::Header(name)) => facts.edits.remove(name.clone()),
            Some(Carrier::Cookie(name)) => {
                let rest = view.cookies_without(name);
                match HeaderValue::try_from(rest) {
                    Ok(rest) if !rest.is_empty() => facts.edits.set(header::COOKIE, rest),
                    _ => facts.edits.remove(header::COOKIE),
                }
            }
            _ => {}
        }
    }

    /// Stages 10 to 12, once the credential has been judged.
    pub(super) fn settle(&self, outcome: Outcome, facts: &mut Facts) -> Decision {
        let scheme = facts.presented.unwrap_or(usize::MAX);
        let decided = match outcome {
            Outcome::Verified(principal) => {
                facts.caller = Some(Caller { principal, scheme });
                let rule = self.rule_or_unlisted(facts.rule);
                self.settle_caller(rule, facts)
            }
            // A browser sends a stale cookie along without being asked.
            Outcome::Rejected(_) if facts.presented_ambient && self.is_optional(facts) => {
                let rule = self.rule_or_unlisted(facts.rule);
                self.settle_anonymous(rule, false, "stale_cookie", facts)
            }
            Outcome::Rejected(rejected) => {
                if let Some(hint) = rejected.hint {
                    tracing::info!(target: "palisade", cause = rejected.cause, "{hint}");
                }
                Err(self.invalid_token(facts.rule, scheme, rejected.cause))
            }
            Outcome::Disabled(rejected) => Err(Reason::new(Code::AccountDisabled, rejected.cause)),
            Outcome::Unavailable(source) => {
                tracing::warn!(target: "palisade", "{source}");
                Err(
                    Reason::new(Code::DependencyUnavailable, "source_unavailable")
                        .header(header::RETRY_AFTER, HeaderValue::from_static("5")),
                )
            }
        };
        decided.unwrap_or_else(|reason| Decision::Refuse(reason.into()))
    }

    /// Stages 11 and 12 for an authenticated caller.
    fn settle_caller(&self, rule: &CompiledRule, facts: &mut Facts) -> Result<Decision, Reason> {
        self.charge(Stage::Principal, rule, None, facts)?;
        if let Some(reason) = facts.no_rule.take() {
            return Err(*reason);
        }
        if let Some(caller) = &facts.caller {
            let (scheme, more) = (Some(caller.scheme), facts.guardrail.as_ref());
            self.judge(&caller.principal, facts.rule, scheme, more)?;
        }
        check_body_length(rule, facts)
    }

    /// Stages 11 and 12 for a caller without an identity.
    fn settle_anonymous(
        &self,
        rule: &CompiledRule,
        unknown_credential: bool,
        cause: &'static str,
        facts: &mut Facts,
    ) -> Result<Decision, Reason> {
        if unknown_credential || !self.is_optional(facts) {
            return Err(self.credentials_required(facts.rule, cause));
        }
        self.charge(Stage::Principal, rule, None, facts)?;
        check_body_length(rule, facts)
    }

    /// Whether the request may go on without an identity.
    fn is_optional(&self, facts: &Facts) -> bool {
        let rule = self.rule_or_unlisted(facts.rule);
        let demands = |requirement: &Requirement| !requirement.admits_anonymous();
        !demands(&rule.requirement) && !facts.guardrail.as_ref().is_some_and(demands)
    }

    fn draw_nonce(&self, facts: &mut Facts) -> Result<(), Reason> {
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

    fn note_origin(&self, view: &View<'_>, facts: &mut Facts) {
        if let Some(cors) = &self.cors {
            let mut lines = view.header(&header::ORIGIN);
            if let (Some(origin), None) = (lines.next(), lines.next()) {
                facts.allow_origin = cors.allow(origin);
            }
        }
    }
}

/// A body that says itself that it is too large is refused before anybody reads it.
fn check_body_length(rule: &CompiledRule, facts: &Facts) -> Result<Decision, Reason> {
    match (rule.max_body, facts.content_length) {
        (Some(max), Some(length)) if length > max => {
            Err(Reason::new(Code::ContentTooLarge, "content_length"))
        }
        _ => Ok(Decision::Admit),
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

/// The host that the head names (RFC 9110 §7.2, RFC 9112 §3.2, RFC 9113 §8.3.1).
fn named_host<'h>(
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
    let authority = head
        .authority()
        .or(in_target.map(str::as_bytes))
        .filter(|authority| !authority.is_empty());
    let raw = match (authority, first) {
        (Some(authority), Some(host)) if head.http2() && authority != host => {
            return Err(rejected("host_differs_from_authority"));
        }
        (None, None) => return Err(rejected("host_missing")),
        (Some(_), None) if !head.http2() => return Err(rejected("host_missing")),
        (Some(authority), _) => authority,
        (None, Some(host)) => host,
    };
    parse_host(raw).map_err(|_| rejected("host_malformed"))
}

/// What a refusal by the firewall needs of the host: every response over HTTPS has the same HSTS.
fn note_host<'h>(head: &'h dyn RequestHead, view: &View<'h>, facts: &mut Facts) {
    facts.hsts_host = named_host(head, view, None).is_ok_and(|host| is_for_hsts(&host));
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
