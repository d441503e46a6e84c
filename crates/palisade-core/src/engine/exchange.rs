//! One request and its response.

use super::{
    compiled::{Asker, Compiled},
    confirm::{Judged, PathBytes},
    trace::Trace,
};
use crate::{
    audit::{AuditLevel, printable},
    body::{BodyGuard, BodyLimits, BodyReport},
    cors::AllowOrigin,
    engine::{Caller, Grant},
    head::{HeadEdits, RequestHead},
    limit::{LimitId, Report},
    methods::MethodId,
    outage::Answer,
    problem::{Code, Reason},
    reply::Reply,
    request_id::RequestId,
    requirement::Requirement,
    scheme::RemoteVerification,
};
use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
};

/// What became of a request's head.
#[derive(Debug)]
pub enum Verdict {
    /// The request is answered by this; no handler runs.
    Refuse(Reply),
    /// The handler may run.
    Admit(Admission),
}

/// What the adapter does before the handler runs.
#[derive(Debug)]
pub struct Admission {
    /// Goes into the request's extensions.
    pub grant: Grant,
    /// Is made in the request's head.
    pub edits: HeadEdits,
    /// Watches the request's body, if there is one.
    pub body: Option<BodyGuard>,
}

/// One request on its way to a response.
///
/// Owned and `Send`: nothing of the request is borrowed. Every response leaves through
/// [`close`](Self::close); an exchange that is dropped before is audited as aborted.
#[must_use = "an exchange that is not closed is audited as aborted"]
pub struct Exchange {
    pub(super) policy: Arc<Compiled>,
    pub(super) facts: Facts,
    pub(super) grant: Option<Grant>,
    pub(super) body: Option<BodyReport>,
    pub(super) closed: bool,
    step: Step,
}

/// How far the decision is.
enum Step {
    Decided(Decision),
    Waiting(RemoteVerification),
    HandedOut,
}

/// A decision about a request, before it is a verdict.
pub(super) enum Decision {
    Refuse(Reason),
    Preflight,
    /// Answered with the metadata of the resource.
    Metadata,
    Admit,
    /// Somebody must be asked about the credential first.
    Ask(RemoteVerification),
}

/// What is known of the request, for later stages, the response and the audit.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) request_id: RequestId,
    /// Whether anybody listens to the audit; if not, nothing is gathered for it.
    pub(super) audited: bool,
    started_nanos: Option<u64>,
    /// The time that limits count by.
    now_nanos: Option<u64>,
    /// Whether somebody was asked about the credential.
    pub(super) answer: Answer,
    pub(super) method: Option<MethodId>,
    /// The path that the firewall passed, as it was sent.
    pub(super) path: PathBytes,
    pub(super) http2: bool,
    pub(super) peer: Option<SocketAddr>,
    pub(super) client: IpAddr,
    pub(super) secure: bool,
    /// Whether the host is a name for which HSTS means something.
    pub(super) hsts_host: bool,
    pub(super) allow_origin: Option<AllowOrigin>,
    pub(super) rule: Option<usize>,
    /// Why it is uncertain that the rule is that of the route, if that is only reported.
    pub(super) uncertain: Option<&'static str>,
    /// A rule for another method of the path, or none at all: refused once that is decided.
    pub(super) no_rule: Option<Box<Reason>>,
    pub(super) guardrail: Option<Requirement>,
    /// Whether a credential would have been read, so that the response depends on it.
    pub(super) credentials_read: bool,
    pub(super) presented: Option<usize>,
    pub(super) presented_cookie: bool,
    /// Whether a page's code sent the request; known only where it matters.
    pub(super) is_script: bool,
    pub(super) caller: Option<Caller>,
    pub(super) content_length: Option<u64>,
    /// Whether the request asks for another protocol on its connection.
    pub(super) changes_protocol: bool,
    /// Whether a body may follow the head.
    pub(super) has_body: bool,
    /// What the limits of all stages charged.
    pub(super) charged: Report,
    pub(super) shadow_limits: Vec<LimitId>,
    pub(super) edits: HeadEdits,
    pub(super) nonce: Option<Box<str>>,
    pub(super) ambient_ignored: bool,
    pub(super) credential_exposed: bool,
    pub(super) refused: Option<(Code, Cow<'static, str>)>,
    /// What `explain` asks to be noted; a server notes nothing.
    pub(super) trace: Option<Box<Trace>>,
}

impl Exchange {
    pub(super) fn open(
        policy: Arc<Compiled>,
        head: &dyn RequestHead,
        trace: Option<Box<Trace>>,
    ) -> Self {
        // Made where it stays: the facts are large to move.
        let mut exchange = Self {
            facts: Facts::new(&policy, head, trace),
            policy,
            grant: None,
            body: None,
            closed: false,
            step: Step::HandedOut,
        };
        exchange.step = match exchange.policy.decide(head, &mut exchange.facts) {
            Decision::Ask(remote) => Step::Waiting(remote),
            decision => Step::Decided(decision),
        };
        exchange
    }

    /// The verdict, as soon as it is there. A request that needs no answer from elsewhere has
    /// it at once. Call it until it is ready, and then no more.
    pub fn poll_decide(&mut self, context: &mut Context<'_>) -> Poll<Verdict> {
        let decision = match std::mem::replace(&mut self.step, Step::HandedOut) {
            Step::Decided(decision) => decision,
            Step::Waiting(mut remote) => match remote.as_mut().poll(context) {
                Poll::Ready(outcome) => {
                    self.facts.waited(&self.policy);
                    self.policy.settle(outcome, &mut self.facts)
                }
                Poll::Pending => {
                    self.step = Step::Waiting(remote);
                    return Poll::Pending;
                }
            },
            Step::HandedOut => {
                Decision::Refuse(Reason::new(Code::InternalError, "verdict_asked_twice"))
            }
        };
        Poll::Ready(match decision {
            Decision::Refuse(reason) => Verdict::Refuse(self.refuse(reason)),
            Decision::Preflight => Verdict::Refuse(self.policy.preflight_reply(&self.facts)),
            Decision::Metadata => Verdict::Refuse(self.policy.metadata_reply()),
            Decision::Admit => self.admit(),
            Decision::Ask(remote) => {
                // Only `open` asks; `settle` never does.
                self.step = Step::Waiting(remote);
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        })
    }

    /// The proof that the request was admitted, once it was.
    pub fn grant(&self) -> Option<&Grant> {
        self.grant.as_ref()
    }

    /// The response of a handler that panicked.
    pub fn panicked(&mut self) -> Reply {
        tracing::error!(
            target: "palisade",
            request_id = self.facts.request_id.as_str(),
            "a handler panicked"
        );
        self.refuse(Reason::new(Code::InternalError, "panic"))
    }

    /// The response of a service that failed without one.
    pub fn service_failed(&mut self, error: &dyn fmt::Display) -> Reply {
        if let Some(refused) = self.body.as_ref().and_then(BodyReport::refused) {
            // That a body was stopped is the client's failure.
            return self.refuse(refused.reason());
        }
        tracing::error!(
            target: "palisade",
            request_id = self.facts.request_id.as_str(),
            error = %printable(&error.to_string()),
            "the service failed without a response; make one of its errors inside of the \
             security layer"
        );
        self.refuse(Reason::new(Code::InternalError, "service_error"))
    }

    pub(super) fn refuse(&mut self, reason: Reason) -> Reply {
        self.facts.refused = Some((reason.code(), reason.shared_cause()));
        self.policy.reply(reason, self.facts.request_id.as_str())
    }

    fn admit(&mut self) -> Verdict {
        let rule = self.policy.rule_or_unlisted(self.facts.rule);
        let times = || rule.body_timeouts.within(&self.policy.body);
        let limits = BodyLimits {
            max: rule.max_body,
            times: self.facts.has_body.then(times),
        };
        // A rule's limit holds for what no head announces, too, as after an upgrade.
        let watched = limits.max.is_some() || limits.times.is_some();
        let clock = &self.policy.ports.clock;
        let body = watched.then(|| BodyGuard::new(limits, Arc::clone(clock)));
        self.body = body.as_ref().map(BodyGuard::report);
        let grant = Grant::new(
            Arc::clone(&self.policy),
            self.facts.asker(),
            Judged {
                method: self.facts.method.unwrap_or(MethodId::GET),
                path: std::mem::take(&mut self.facts.path),
            },
            self.facts.request_id,
            self.facts.caller.take(),
            self.facts.nonce.take(),
        );
        self.grant = Some(grant.clone());
        Verdict::Admit(Admission {
            grant,
            edits: std::mem::take(&mut self.facts.edits),
            body,
        })
    }
}

impl Facts {
    fn new(policy: &Compiled, head: &dyn RequestHead, trace: Option<Box<Trace>>) -> Self {
        let peer = head.peer();
        let sink = &policy.ports.audit;
        let wanted = sink.wants(AuditLevel::Info) || sink.wants(AuditLevel::Debug);
        // What is only explained did not happen.
        let audited = wanted && trace.is_none();
        Self {
            request_id: RequestId::from_bytes(policy.lineage.ids.draw()),
            audited,
            // Reading the clock costs more than most stages: only for those who ask.
            started_nanos: audited.then(|| policy.ports.clock.monotonic_nanos()),
            now_nanos: None,
            answer: Answer::AtHand,
            method: None,
            path: PathBytes::new(),
            http2: head.http2(),
            peer,
            client: peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| {
                peer.ip().to_canonical()
            }),
            secure: policy.https.assumed || head.tls(),
            hsts_host: false,
            allow_origin: None,
            rule: None,
            uncertain: None,
            no_rule: None,
            guardrail: None,
            credentials_read: false,
            presented: None,
            presented_cookie: false,
            is_script: false,
            caller: None,
            content_length: None,
            changes_protocol: false,
            has_body: false,
            charged: Report::new(),
            shadow_limits: Vec::new(),
            edits: HeadEdits::default(),
            nonce: None,
            ambient_ignored: false,
            credential_exposed: false,
            refused: None,
            trace,
        }
    }

    /// Whom a refusal asks for credentials.
    pub(super) fn asker(&self) -> Asker {
        Asker {
            rule: self.rule,
            is_script: self.is_script,
        }
    }

    /// The time that limits count by. One reading serves all stages, as each costs more than a charge.
    pub(super) fn now_nanos(&mut self, policy: &Compiled) -> u64 {
        let started = self.started_nanos;
        *self
            .now_nanos
            .get_or_insert_with(|| started.unwrap_or_else(|| policy.ports.clock.monotonic_nanos()))
    }

    /// Somebody was waited for: what was read of the clock is past.
    fn waited(&mut self, policy: &Compiled) {
        self.now_nanos = Some(policy.ports.clock.monotonic_nanos());
        self.answer = Answer::Asked;
    }

    /// How long the exchange has lasted by `now`.
    pub(super) fn nanos_until(&self, now: u64) -> u64 {
        now.saturating_sub(self.started_nanos.unwrap_or(now))
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("request_id", &self.facts.request_id)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}
