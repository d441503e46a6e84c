//! What would happen to a request, and why: the decision of a server, told stage by stage.

use super::{
    Palisade,
    exchange::{Exchange, Verdict},
    stage::{Stage, firewall::shown_path, shown},
    trace::{Decided, StageReport},
};
use crate::{
    audit::printable,
    engine::stage::limits::LimitReport,
    head::{HttpResponse, RequestHead},
    jwt::PrincipalKind,
    principal::Principal,
    reply::Reply,
};
use http::{HeaderMap, StatusCode};
use serde::{Serialize, Serializer};
use std::future::poll_fn;

/// How a request ended, as far as Palisade decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The handler runs.
    Admit,
    /// Answered by core; by what, its name tells: `preflight`, `https_redirect`, or the name of an endpoint, which is not
    /// called.
    Answer(&'static str),
    /// Refused; no handler runs.
    Refuse,
}

impl Ending {
    /// The stable word: `admit`, `refuse`, or the name of the answer.
    pub fn as_str(self) -> &'static str {
        match self {
            Ending::Admit => "admit",
            Ending::Answer(name) => name,
            Ending::Refuse => "refuse",
        }
    }
}

/// The stable word.
impl Serialize for Ending {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What became of a request and why. No credential is in it, whatever the request held.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// Names the version of the policy, as the audit does.
    pub policy: String,
    /// The method as it was sent.
    pub method: String,
    /// The path as it was sent, without the query.
    pub path: String,
    /// The stages that the request reached, in order.
    pub stages: Vec<StageReport>,
    /// The path template of the rule; `None` for a path that no rule lists.
    pub rule: Option<String>,
    /// What the rule demands, with every guardrail above the path.
    pub requirement: Option<String>,
    /// The name of the scheme whose credential was presented.
    pub scheme: Option<String>,
    /// The caller, if the credential was good.
    pub principal: Option<PrincipalReport>,
    /// Every quota that the request was charged by.
    pub limits: Vec<LimitReport>,
    /// The end.
    pub ending: Ending,
    /// The status of the answer; `None` where the handler decides.
    pub status: Option<u16>,
    /// What the client is told, if it was refused.
    pub code: Option<&'static str>,
    /// The true reason, if it was refused: the `reason` of the audit.
    pub cause: Option<String>,
    /// The part of the requirement that the caller does not meet.
    pub missing: Option<String>,
    /// The claim of the token, or the member of its header, that failed a check.
    pub claim: Option<&'static str>,
    /// What the log would add: the setting that would accept the credential, or what a
    /// dependency did.
    pub remark: Option<String>,
    /// The header lines of the answer, of an admitted request those that Palisade adds to it.
    pub headers: Vec<(String, String)>,
    /// The body of the answer, unless the handler makes it.
    pub body: Option<String>,
    /// Request headers that the handler does not see, or not whole.
    pub hidden: Vec<String>,
}

/// A caller, as an explanation shows it: in full, whatever `[audit]` says.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PrincipalReport {
    /// Who vouches for the caller.
    pub issuer: String,
    /// Who the caller is.
    pub subject: String,
    /// `user` or `client`.
    pub kind: &'static str,
    /// The tenant, where the issuer names one.
    pub tenant: Option<String>,
    /// Names the credential: a key id, or the `kid` of the key that signed.
    pub credential: Option<String>,
    /// The scopes.
    pub scopes: Vec<String>,
    /// The roles.
    pub roles: Vec<String>,
    /// The permissions that the credential itself carries.
    pub permissions: Vec<String>,
    /// The claims that count as absent, because they are null or of a type that nothing here reads.
    pub claims_passed_over: Vec<String>,
}

impl Palisade {
    /// Decides about a request as a server would, by the same code, and tells how.
    ///
    /// It asks whom a server would ask, and takes from the quotas of this `Palisade` and of its stores, but
    /// nothing is audited, counted or written: no key was used. The future borrows nothing and
    /// waits for nobody unless the credential must be asked about.
    ///
    /// ```
    /// # use palisade_core::{Ending, Palisade, RequestHead};
    /// # struct Get(&'static str);
    /// # impl RequestHead for Get {
    /// #     fn method(&self) -> &[u8] { b"GET" }
    /// #     fn target(&self) -> &[u8] { self.0.as_bytes() }
    /// #     fn headers<'h>(&'h self, each: &mut dyn FnMut(&'h str, &'h [u8])) {
    /// #         each("host", b"localhost");
    /// #     }
    /// #     fn peer(&self) -> Option<std::net::SocketAddr> { "127.0.0.1:1".parse().ok() }
    /// #     fn tls(&self) -> bool { false }
    /// # }
    /// # async fn explain() -> Result<(), palisade_core::ConfigError> {
    /// let palisade = Palisade::from_toml_str("[[rule]]\npath = '/health'\nrequire = 'public'")?;
    /// let told = palisade.explain(&Get("/admin")).await;
    /// assert_eq!((told.status, told.cause.as_deref()), (Some(404), Some("path_not_listed")));
    /// # Ok(())
    /// # }
    /// ```
    pub fn explain(
        &self,
        head: &dyn RequestHead,
    ) -> impl Future<Output = Explanation> + Send + use<> {
        let mut exchange = Exchange::open(self.current(), head, Some(Box::default()));
        let (method, path) = (shown(head.method()), shown_path(head.target()));
        async move {
            let verdict = poll_fn(|context| exchange.poll_decide(context)).await;
            exchange.tell(verdict, method, path)
        }
    }
}

impl Exchange {
    fn tell(mut self, verdict: Verdict, method: String, path: String) -> Explanation {
        let mut hidden = Vec::new();
        let (ending, mut answer) = match verdict {
            Verdict::Refuse(reply) => (Ending::Refuse, Answer::from(reply)),
            Verdict::Answer(reply) => {
                let name = self.facts.record.answered.unwrap_or_default();
                (Ending::Answer(name), Answer::from(reply))
            }
            // An endpoint is not asked, so it asks for nothing.
            Verdict::Collect(_) => (Ending::Refuse, Answer::default()),
            Verdict::Admit(admission) => {
                let edits = admission.edits;
                let set = edits.replacements().iter().map(|(name, _)| name);
                hidden.extend(edits.removals().iter().chain(set).map(ToString::to_string));
                (Ending::Admit, Answer::default())
            }
        };
        let trace = self.facts.record.trace.take().unwrap_or_default();
        self.close(&mut answer);
        let refused = self.facts.record.refused.clone();
        let caller = self
            .facts
            .identity
            .caller
            .as_ref()
            .map(|caller| &caller.principal);
        let grant = self.grant.as_ref();
        let principal = grant.and_then(|grant| grant.principal()).or(caller);
        let rule = self.policy.rule(self.facts.matched.rule);
        let endpoint = rule.and_then(|rule| rule.endpoint.as_ref());
        let is_of_endpoint = |name| endpoint.is_some_and(|endpoint| endpoint.name() == name);
        let is_known = match ending {
            Ending::Admit => false,
            Ending::Answer(name) => !is_of_endpoint(name),
            Ending::Refuse => true,
        };
        let scheme = self.facts.identity.scheme;
        let scheme = scheme.and_then(|id| self.policy.schemes.get(id));
        Explanation {
            policy: self.policy.fingerprint.clone(),
            stages: reports(trace.stages, ending),
            rule: rule.map(|rule| rule.template.to_string()),
            requirement: rule.map(|rule| rule.demand(&self.facts.matched)),
            scheme: scheme.map(|own| own.scheme.name().to_owned()),
            principal: principal.map(PrincipalReport::of),
            limits: self.policy.limits.reports(&self.facts.effects.charged),
            ending,
            status: is_known.then(|| answer.status.as_u16()),
            code: refused.as_ref().map(|refused| refused.code.as_str()),
            missing: refused
                .as_ref()
                .and_then(|refused| refused.missing.clone().map(String::from)),
            cause: refused.map(|refused| printable(refused.word.as_str()).into_owned()),
            claim: trace.claim,
            remark: trace.remark,
            headers: answer.lines(),
            body: is_known.then_some(answer.body),
            method,
            path,
            hidden,
        }
    }
}

/// Every stage that was reached: all passed but the last, unless the handler runs.
fn reports(stages: Vec<(Stage, String)>, ending: Ending) -> Vec<StageReport> {
    let last = stages.len().saturating_sub(1);
    let reports = stages.into_iter().enumerate().map(|(index, (stage, saw))| {
        let decided = match ending {
            Ending::Refuse if index == last => Decided::Refused,
            Ending::Answer(_) if index == last => Decided::Answered,
            _ => Decided::Passed,
        };
        StageReport {
            stage,
            decided,
            saw,
        }
    });
    reports.collect()
}

impl PrincipalReport {
    fn of(caller: &Principal) -> Self {
        let text = |text: &str| printable(text).into_owned();
        Self {
            issuer: text(caller.issuer()),
            subject: text(caller.subject()),
            kind: match caller.principal_kind() {
                PrincipalKind::User => "user",
                PrincipalKind::Client => "client",
            },
            tenant: caller.tenant_name().map(text),
            credential: caller.credential_name().map(text),
            scopes: caller.scope_names().map(text).collect(),
            roles: caller.role_names().map(text).collect(),
            permissions: caller.permission_names().map(text).collect(),
            claims_passed_over: caller.passed_over().map(text).collect(),
        }
    }
}

/// The response that `close` finishes: there is no framework here.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn lines(&self) -> Vec<(String, String)> {
        let lines = self.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.to_string(), value.into_owned())
        });
        let mut lines: Vec<_> = lines.collect();
        // Stable: the order within a name is that of the wire.
        lines.sort_by(|(one, _), (two, _)| one.cmp(two));
        lines
    }
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: String::new(),
        }
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        let mut headers = HeaderMap::new();
        for (name, value) in reply.headers {
            headers.append(name, value);
        }
        Self {
            status: reply.status,
            headers,
            body: String::from_utf8_lossy(&reply.body).into_owned(),
        }
    }
}

impl HttpResponse for Answer {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn header_map(&self) -> &HeaderMap {
        &self.headers
    }

    fn header_map_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    fn replace(&mut self, reply: Reply) {
        *self = reply.into();
    }
}
