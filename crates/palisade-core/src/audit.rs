//! The audit: one event per exchange, whatever became of it.

use crate::{cause::Cause, misuse::has_subscriber};
use serde::Serialize;
use std::{borrow::Cow, fmt::Debug};

/// What came of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decision {
    /// The handler ran, and no guard or extractor refused.
    Admit,
    /// Palisade refused: the layer, a guard or an extractor.
    Refuse,
    /// The exchange ended without a response: the client went away.
    Aborted,
}

impl Decision {
    /// The stable word: `admit`, `refuse` or `aborted`.
    pub fn as_str(self) -> &'static str {
        match self {
            Decision::Admit => "admit",
            Decision::Refuse => "refuse",
            Decision::Aborted => "aborted",
        }
    }
}

/// How much attention an event deserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditLevel {
    /// Refusals and writes.
    Info,
    /// Everything else.
    Debug,
}

/// One exchange, told for those who must find out later what happened.
///
/// It holds no token, key, password, cookie or body, and no character that does not show.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct AuditEvent<'a> {
    /// The version of this schema: 1.
    pub schema: u32,
    /// When the exchange ended: milliseconds since 1970-01-01T00:00:00Z.
    pub time_unix_ms: u64,
    /// Joins the event to the response's `X-Request-Id`.
    pub request_id: &'a str,
    /// What came of it.
    pub decision: Decision,
    /// The status that was sent; `None` for an aborted exchange.
    pub status: Option<u16>,
    /// What the client was told, if it was refused.
    pub code: Option<&'static str>,
    /// What really happened: a stable snake_case word. `docs/audit.md` has Palisade's own.
    pub reason: Option<Cow<'a, str>>,
    /// The same as Palisade's own word; `None` for a word of the application. It is not serialised.
    #[serde(skip)]
    pub cause: Option<Cause>,
    /// The part of the requirement that the caller does not meet: `scope items:write`.
    pub missing: Option<Cow<'a, str>>,
    /// The path template of the rule.
    pub rule: Option<&'a str>,
    /// What the rule demands.
    pub requirement: Option<Cow<'a, str>>,
    /// The caller's subject, as `audit.principal` allows.
    pub principal: Option<Cow<'a, str>>,
    /// Who vouches for the caller.
    pub issuer: Option<Cow<'a, str>>,
    /// The caller's tenant.
    pub tenant: Option<Cow<'a, str>>,
    /// The name of the scheme whose credential was presented.
    pub scheme: Option<&'a str>,
    /// Names the credential: a key id or a `kid`.
    pub credential_id: Option<Cow<'a, str>>,
    /// The optional claims of the token that count as absent, because they are null or of a type
    /// that nothing here reads: names that Palisade or the policy knows, in order.
    pub claims_passed_over: Vec<Cow<'a, str>>,
    /// The client's address, as `audit.address` allows.
    pub client: Option<Cow<'a, str>>,
    /// The other end of the connection, as `audit.address` allows.
    pub peer: Option<Cow<'a, str>>,
    /// The method, in the spelling of the policy; `other` if it knows none such.
    pub method: &'a str,
    /// Names of limits that were over but are only watched (`shadow`).
    pub shadow_limits: Vec<&'a str>,
    /// Why it is uncertain that the rule is that of the route, where the policy only reports it.
    pub uncertain: Option<&'static str>,
    /// Whether a cookie was ignored: an explicit credential came with it, or too many credentials had failed at the
    /// client's address.
    pub ambient_ignored: bool,
    /// Whether a credential came over plain HTTP that was refused or sent on to HTTPS: it must be replaced.
    pub credential_exposed: bool,
    /// The version of the policy: a hash of what was written.
    pub policy: &'a str,
    /// Nanoseconds from the head's arrival to the end.
    pub duration_ns: u64,
}

impl AuditEvent<'_> {
    /// How much attention this deserves.
    pub fn level(&self) -> AuditLevel {
        level(self.decision, self.method, self.credential_exposed)
    }
}

/// A credential that was exposed must be replaced, whatever became of the request.
pub(crate) fn level(decision: Decision, method: &str, credential_exposed: bool) -> AuditLevel {
    let reads = matches!(method, "GET" | "HEAD" | "OPTIONS");
    match decision {
        Decision::Admit if reads && !credential_exposed => AuditLevel::Debug,
        _ => AuditLevel::Info,
    }
}

/// Takes audit events. Called on the request's own thread, so it must not block.
pub trait AuditSink: Debug + Send + Sync {
    /// Whether events of this level are wanted at all; if not, none is made.
    fn wants(&self, _level: AuditLevel) -> bool {
        true
    }

    /// Takes one event.
    fn record(&self, event: &AuditEvent<'_>);
}

/// Writes events to `tracing`, target `palisade::audit`; without a subscriber of `tracing`, to the
/// logger of the `log` crate.
#[derive(Debug, Clone, Copy, Default)]
pub struct TracingSink;

impl AuditSink for TracingSink {
    fn wants(&self, level: AuditLevel) -> bool {
        // Without a subscriber, tracing hands events to the `log` crate; its own macro does not
        // ask whether anybody listens there.
        let logged =
            |level| log::log_enabled!(target: "palisade::audit", level) && !has_subscriber();
        match level {
            AuditLevel::Info => {
                tracing::enabled!(target: "palisade::audit", tracing::Level::INFO)
                    || logged(log::Level::Info)
            }
            AuditLevel::Debug => {
                tracing::enabled!(target: "palisade::audit", tracing::Level::DEBUG)
                    || logged(log::Level::Debug)
            }
        }
    }

    fn record(&self, event: &AuditEvent<'_>) {
        // What is empty or false is left out: people read these lines.
        let shadowed = !event.shadow_limits.is_empty();
        let passed_over = !event.claims_passed_over.is_empty();
        let claims_passed_over = passed_over.then(|| event.claims_passed_over.join(","));
        let shadow_limits = shadowed.then(|| event.shadow_limits.join(","));
        macro_rules! emit {
            ($level:ident) => {
                tracing::event!(
                    target: "palisade::audit",
                    tracing::Level::$level,
                    schema = event.schema,
                    request_id = event.request_id,
                    decision = event.decision.as_str(),
                    status = event.status,
                    code = event.code,
                    reason = event.reason.as_deref(),
                    missing = event.missing.as_deref(),
                    rule = event.rule,
                    requirement = event.requirement.as_deref(),
                    principal = event.principal.as_deref(),
                    issuer = event.issuer.as_deref(),
                    tenant = event.tenant.as_deref(),
                    scheme = event.scheme,
                    credential_id = event.credential_id.as_deref(),
                    claims_passed_over,
                    client = event.client.as_deref(),
                    peer = event.peer.as_deref(),
                    method = event.method,
                    shadow_limits,
                    uncertain = event.uncertain,
                    ambient_ignored = event.ambient_ignored.then_some(true),
                    credential_exposed = event.credential_exposed.then_some(true),
                    policy = event.policy,
                    duration_ns = event.duration_ns,
                )
            };
        }
        match event.level() {
            AuditLevel::Info => emit!(INFO),
            AuditLevel::Debug => emit!(DEBUG),
        }
    }
}

/// The text with characters that do not show, or that turn others around, written as `\u{…}`: so no
/// client can forge a line of a log, or have one read as something else.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(deceives) {
        let escape = |c: char| match deceives(c) {
            true => c.escape_unicode().to_string(),
            false => c.to_string(),
        };
        Cow::Owned(text.chars().map(escape).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// Control characters, separators of lines and paragraphs, characters for text in both directions, and
/// whatever else shows as nothing (Unicode's `Bidi_Control` and `Default_Ignorable_Code_Point`, and the
/// annotations).
fn deceives(c: char) -> bool {
    match c {
        '\u{20}'..='\u{7e}' => false,
        c if c.is_control() => true,
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_for_operators_has_every_field() {
        let event = AuditEvent {
            schema: 1,
            time_unix_ms: 0,
            request_id: "",
            decision: Decision::Admit,
            status: None,
            code: None,
            reason: None,
            cause: None,
            missing: None,
            rule: None,
            requirement: None,
            principal: None,
            issuer: None,
            tenant: None,
            scheme: None,
            credential_id: None,
            claims_passed_over: Vec::new(),
            client: None,
            peer: None,
            method: "",
            shadow_limits: Vec::new(),
            uncertain: None,
            ambient_ignored: false,
            credential_exposed: false,
            policy: "",
            duration_ns: 0,
        };
        let json = serde_json::to_value(&event).unwrap();
        let mut fields: Vec<&str> = json.as_object().unwrap().keys().map(|key| &**key).collect();
        let page = include_str!("../../../docs/audit.md");
        let (_, table) = page.split_once("\n## Fields\n").unwrap();
        let (table, _) = table.split_once("\n## ").unwrap();
        let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
        let mut told: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
        fields.sort_unstable();
        told.sort_unstable();
        assert_eq!(told, fields, "docs/audit.md");
    }

    #[test]
    fn no_line_can_be_forged() {
        assert_eq!(printable("a\r\nb\u{85}"), "a\\u{d}\\u{a}b\\u{85}");
        assert!(matches!(printable("alice"), Cow::Borrowed("alice")));
    }

    #[test]
    fn nothing_hides_and_nothing_reads_backwards() {
        for hidden in [
            '\u{200b}',
            '\u{200d}',
            '\u{200f}',
            '\u{202a}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{61c}',
            '\u{feff}',
            '\u{ad}',
            '\u{2028}',
            '\u{2060}',
            '\u{180e}',
            '\u{fe0f}',
            '\u{e0041}',
            '\u{3164}',
            '\u{fff9}',
            '\u{7f}',
        ] {
            let text = format!("al{hidden}ice");
            let shown = format!("al{}ice", hidden.escape_unicode());
            assert_eq!(printable(&text), shown);
        }
        for plain in [
            "Jos\u{e9}",
            "Jose\u{301}",
            "\u{5d0}\u{5dc}",
            "\u{938}\u{93f}",
            "\u{1f600}",
            "\u{a0}",
        ] {
            assert!(matches!(printable(plain), Cow::Borrowed(_)), "{plain:?}");
        }
    }
}
