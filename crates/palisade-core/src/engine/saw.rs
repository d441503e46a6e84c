//! What each stage saw of a request, in words and without any credential.

use super::{
    compiled::Compiled, exchange::Exchange, explain::LimitReport, read::Found, rules::Listed,
    trace::Stage,
};
use crate::{
    audit::printable,
    firewall::{self, FirewallLimits},
    head::RequestHead,
    host::Host,
    limit::Report,
    methods::MethodId,
    policy::{HttpsMode, Unlisted},
    principal::Principal,
    scheme::Carrier,
    view::View,
};
use http::header;

/// What the head showed to the stages that look at it; told before the head is gone.
pub(super) struct Saw {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) rule: Option<String>,
    pub(super) requirement: Option<String>,
    firewall: String,
    client: String,
    host: String,
    https: &'static str,
    preflight: String,
    listed: String,
    read: String,
    cross_origin: String,
    body: Option<String>,
}

impl Saw {
    pub(super) fn of(exchange: &Exchange, head: &dyn RequestHead) -> Self {
        let (policy, facts) = (&*exchange.policy, &exchange.facts);
        let mut view = View::of(head);
        let limits = FirewallLimits {
            path: policy.firewall.max_target,
            query: policy.firewall.max_target,
        };
        let target = firewall::check_target(head.target(), &limits).ok();
        if let Some(target) = &target {
            view.set_target(target.path, target.query);
        }
        let in_target = target.and_then(|target| target.authority);
        let path = shown_path(head.target());
        let method = shown(head.method());
        let rule = policy.rule(facts.rule);
        let requirement = rule.map(|rule| match &facts.guardrail {
            Some(above) => format!("{} and, above it, {above}", rule.requirement),
            None => rule.requirement.to_string(),
        });
        let secure = match (facts.secure, head.tls()) {
            (true, true) => "TLS",
            (true, false) => "taken for HTTPS, because the policy says so",
            _ if policy.https.mode == HttpsMode::Off => "plain HTTP, which the policy lets pass",
            _ => "plain HTTP",
        };
        Self {
            firewall: format!(
                "{method} {path}{}, {} of {} bytes",
                match view.query() {
                    Some(query) => format!(" with a query of {} bytes", query.len()),
                    None => String::new(),
                },
                match view.line_count() {
                    1 => "1 header line".to_owned(),
                    many => format!("{many} header lines"),
                },
                view.header_bytes(),
            ),
            client: match facts.peer {
                Some(peer) => format!("the peer {peer}"),
                None => "no address of a peer".to_owned(),
            },
            host: match policy.named_host(head, &view, in_target, facts.secure) {
                Ok(host) => policy.saw_host(&host),
                Err(reason) => reason.cause().to_owned(),
            },
            https: secure,
            preflight: policy.saw_preflight(exchange, &view),
            listed: policy.saw_rule(exchange, view.path(), requirement.as_deref()),
            read: policy.saw_credentials(exchange, &view),
            cross_origin: policy.saw_site(exchange, &view),
            body: facts.content_length.map(|length| {
                match policy.rule_or_unlisted(facts.rule).max_body {
                    Some(max) => format!("a body of {length} bytes, of {max} allowed"),
                    None => format!("a body of {length} bytes"),
                }
            }),
            rule: rule.map(|rule| rule.template.to_string()),
            requirement,
            method,
            path,
        }
    }

    /// What one of the stages saw that look at the head.
    pub(super) fn at(&self, stage: Stage) -> String {
        match stage {
            Stage::Firewall => &self.firewall,
            Stage::Client => &self.client,
            Stage::Host => &self.host,
            Stage::Https => self.https,
            Stage::Preflight => &self.preflight,
            Stage::Rule => &self.listed,
            Stage::Read => &self.read,
            Stage::CrossOrigin => &self.cross_origin,
            _ => "",
        }
        .to_owned()
    }
}

impl Exchange {
    /// Stage 10.
    pub(super) fn saw_credential(&self, saw: &Saw, principal: Option<&Principal>) -> String {
        let scheme = self.facts.presented;
        let scheme = scheme.and_then(|index| self.policy.schemes.get(index));
        let Some(own) = scheme else {
            return saw.read.clone();
        };
        let (name, kind) = (own.scheme.name(), own.scheme.kind());
        match (principal, &self.facts.refused) {
            (Some(caller), _) => {
                let passed_over: Vec<_> = caller.passed_over().map(printable).collect();
                let note = match passed_over.is_empty() {
                    true => String::new(),
                    false => format!("; counted as absent: {}", passed_over.join(", ")),
                };
                format!(
                    "{kind} {name}: a good credential of {}, by {}{note}",
                    printable(caller.subject()),
                    printable(caller.issuer()),
                )
            }
            (None, Some((_, cause))) => format!("{kind} {name}: {}", printable(cause)),
            (None, None) => format!("{kind} {name}: a stale cookie, which counts as none"),
        }
    }

    /// Stages 9 and 11.
    pub(super) fn saw_limits(&self, by_address: bool) -> String {
        let policy = &*self.policy;
        let charged = policy.limit_reports_of(&self.facts.charged, by_address);
        let texts = charged.iter().map(|limit| {
            let LimitReport {
                name,
                quota,
                remaining,
                seconds,
                ..
            } = limit;
            let spent = match (limit.exceeded, limit.shadow) {
                (true, false) => ", exceeded",
                (true, true) => ", exceeded, only watched",
                (false, _) => "",
            };
            format!("{name} ({quota}): {remaining} left, {seconds} s{spent}")
        });
        let texts: Vec<_> = texts.collect();
        match texts.is_empty() {
            true => "no limit".to_owned(),
            false => texts.join("; "),
        }
    }

    /// Stage 12.
    pub(super) fn saw_caller(&self, saw: &Saw, principal: Option<&Principal>) -> String {
        let Some(requirement) = &saw.requirement else {
            return match self.policy.unlisted {
                Unlisted::NotFound => saw.listed.clone(),
                Unlisted::Authenticated => "no rule; any authenticated caller".to_owned(),
            };
        };
        let mut text = match principal {
            Some(caller) => format!("{requirement}, for {}", printable(caller.subject())),
            None => format!("{requirement}, for nobody in particular"),
        };
        if let Some(body) = &saw.body {
            text.push_str("; ");
            text.push_str(body);
        }
        text
    }
}

impl Compiled {
    fn saw_host(&self, host: &Host<'_>) -> String {
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

    fn saw_preflight(&self, exchange: &Exchange, view: &View<'_>) -> String {
        let method = exchange.facts.method.unwrap_or(MethodId::GET);
        if !self.is_preflight(view, method) {
            return match self.cors {
                None => "no [cors]",
                Some(_) => "no preflight",
            }
            .to_owned();
        }
        let allowed = match exchange.facts.allow_origin {
            Some(_) => "allowed",
            None => "not allowed",
        };
        let origins = view.header(&header::ORIGIN).map(shown);
        let origins: Vec<_> = origins.collect();
        format!("a preflight from {}: {allowed}", origins.join(", "))
    }

    fn saw_rule(&self, exchange: &Exchange, path: &str, requirement: Option<&str>) -> String {
        let facts = &exchange.facts;
        if let (Some(rule), Some(requirement)) = (self.rule(facts.rule), requirement) {
            let kind = if rule.probe { " (probe)" } else { "" };
            return format!("{}{kind} demands {requirement}", rule.template);
        }
        if self.is_metadata(path) {
            return "the metadata of the resource".to_owned();
        }
        match self.rules.find(path, facts.method.unwrap_or(MethodId::GET)) {
            Listed::OtherMethod { allow: Some(allow) } => {
                format!(
                    "rules for this path, but for {} only",
                    shown(allow.as_bytes())
                )
            }
            Listed::Ambiguous(ambiguous) => ambiguous.to_string(),
            _ => "no rule for this path".to_owned(),
        }
    }

    fn saw_credentials(&self, exchange: &Exchange, view: &View<'_>) -> String {
        let facts = &exchange.facts;
        let rule = self.rule_or_unlisted(facts.rule);
        if !facts.credentials_read {
            return "credentials are not read here".to_owned();
        }
        let reading = self.read(rule, view);
        match reading.found {
            Found::Nothing => {
                let accepted = rule.schemes.iter().filter_map(|&one| self.schemes.get(one));
                let places = accepted.flat_map(|own| own.scheme.carriers());
                let places: Vec<_> = places.map(ToString::to_string).collect();
                match places.is_empty() {
                    true => "no credential".to_owned(),
                    false => format!("no credential in {}", places.join(", ")),
                }
            }
            Found::UnknownAuthorization => {
                "an Authorization that no scheme of the rule reads".to_owned()
            }
            Found::Malformed { cause, .. } => cause.to_owned(),
            Found::One(candidate) => {
                let own = self.schemes.get(candidate.scheme);
                let name = own.map_or("", |own| own.scheme.name());
                let place = self.carrier(&candidate).map(Carrier::to_string);
                let place = place.unwrap_or_default();
                let ignored = match reading.ambient_ignored {
                    true => "; a cookie beside it is ignored",
                    false => "",
                };
                format!("a credential for {name} in {place}{ignored}")
            }
        }
    }

    fn saw_site(&self, exchange: &Exchange, view: &View<'_>) -> String {
        let facts = &exchange.facts;
        if facts.method.is_some_and(MethodId::is_safe) && !view.asks_for_websocket() {
            return "a safe method".to_owned();
        }
        if !facts.credentials_read || !self.rule_or_unlisted(facts.rule).accepts_ambient {
            return "nothing that a browser sends by itself is accepted here".to_owned();
        }
        let lines = ["sec-fetch-site", "origin"].into_iter().flat_map(|name| {
            let values = view.named(name);
            values.map(move |value| format!("{name}: {}", shown(value)))
        });
        let lines: Vec<_> = lines.collect();
        match lines.is_empty() {
            true => "no header that says which site asks".to_owned(),
            false => lines.join(", "),
        }
    }

    /// Every quota that was charged.
    pub(super) fn limit_reports(&self, charged: &Report) -> Vec<LimitReport> {
        let rows = charged.rows().iter();
        rows.map(|row| self.limits.report_of(row)).collect()
    }

    fn limit_reports_of(&self, charged: &Report, by_address: bool) -> Vec<LimitReport> {
        let rows = charged.rows().iter();
        let own = rows.filter(|row| self.limits.is_by_address(row.limit) == by_address);
        own.map(|row| self.limits.report_of(row)).collect()
    }
}

/// The longest value of a client that is repeated.
const LONGEST_SHOWN: usize = 200;

/// A client's bytes as text on one line.
fn shown(bytes: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(bytes)
        .chars()
        .take(LONGEST_SHOWN)
        .collect();
    printable(&text).into_owned()
}

/// The path of a target: queries and authorities may hold credentials.
fn shown_path(target: &[u8]) -> String {
    match target.first() {
        Some(b'/' | b'*') => {
            let path = target.split(|b| matches!(b, b'?' | b'#')).next();
            shown(path.unwrap_or_default())
        }
        _ => match std::str::from_utf8(target)
            .ok()
            .and_then(|text| text.split_once("://"))
        {
            Some((_, rest)) => rest
                .find('/')
                .and_then(|start| rest.get(start..))
                .map_or_else(|| "/".to_owned(), |path| shown_path(path.as_bytes())),
            None => String::new(),
        },
    }
}
