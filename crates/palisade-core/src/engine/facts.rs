//! What is known of a request, each part with one owner: the stages that may write it.

use super::{stage::Stage, trace::Trace};
use crate::{
    audit::AuditLevel,
    cors::AllowOrigin,
    endpoint::Opened,
    engine::schemes::SchemeId,
    head::{HeadEdits, RequestHead},
    limit::{LimitId, Report},
    methods::MethodId,
    outage::Answer,
    policy::Ports,
    ports::Clock,
    principal::Principal,
    problem::{Reason, Refusal},
    request_id::RequestId,
    requirement::{Answers, Requirement},
};
use smallvec::SmallVec;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A path, mostly without an allocation of its own.
pub(super) type PathBytes = SmallVec<[u8; 64]>;

/// All of it; it outlives the head of the request.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) arrival: Arrival,
    pub(super) matched: Matched,
    pub(super) identity: Identity,
    pub(super) effects: Effects,
    pub(super) record: Record,
}

/// What arrived. Written by the stages up to HTTPS.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) method: Option<MethodId>,
    /// The path that the firewall passed, as it was sent.
    pub(super) path: PathBytes,
    pub(super) http2: bool,
    pub(super) peer: Option<SocketAddr>,
    pub(super) client: IpAddr,
    /// Whether the server ended TLS.
    pub(super) tls: bool,
    /// Whether it counts as HTTPS.
    pub(super) secure: bool,
    /// Whether the host is a name for which HSTS means something.
    pub(super) hsts_host: bool,
    pub(super) content_length: Option<u64>,
    /// Whether the request asks for another protocol on its connection.
    pub(super) changes_protocol: bool,
    /// Whether a body may follow the head.
    pub(super) has_body: bool,
    /// Whether a page's code sent the request; known only where it matters.
    pub(super) is_script: bool,
}

/// What the rules say of it. Written by the stage `rule`.
#[derive(Debug, Default)]
pub(super) struct Matched {
    pub(super) rule: Option<usize>,
    /// Why it is uncertain that the rule is that of the route, if that is only reported.
    pub(super) uncertain: Option<&'static str>,
    /// A rule for another method of the path, or none at all: refused once that is decided.
    pub(super) no_rule: Option<Box<Reason>>,
    pub(super) guardrail: Option<Requirement>,
    /// Whether a credential would have been read, so that the response depends on it.
    pub(super) credentials_read: bool,
    /// What an endpoint made of the head.
    pub(super) opened: Option<Box<Result<Opened, Reason>>>,
}

/// Who calls. Written by the stages `read` and `verify`.
#[derive(Debug, Default)]
pub(super) struct Identity {
    /// The scheme whose credential was presented.
    pub(super) scheme: Option<SchemeId>,
    /// Whether that credential is a cookie.
    pub(super) from_cookie: bool,
    /// Whether something ambient was ignored because of a credential that was sent on purpose.
    pub(super) ambient_ignored: bool,
    pub(super) caller: Option<Caller>,
    /// What was answered about the caller, for requirements.
    pub(super) answers: Answers,
}

/// What the handler and the response get. Written by the stages that find it out.
#[derive(Debug)]
pub(super) struct Effects {
    /// Made in the head that the handler sees.
    pub(super) edits: HeadEdits,
    pub(super) nonce: Option<Box<str>>,
    pub(super) allow_origin: Option<AllowOrigin>,
    /// What the limits of all stages charged.
    pub(super) charged: Report,
}

/// What the audit and explanations tell.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) request_id: RequestId,
    /// Whether anybody listens to the audit; if not, nothing is gathered for it.
    pub(super) audited: bool,
    started_nanos: Option<u64>,
    /// The time that limits count by.
    now_nanos: Option<u64>,
    /// Whether somebody was asked about the credential.
    pub(super) answer: Answer,
    pub(super) shadow_limits: Vec<LimitId>,
    pub(super) credential_exposed: bool,
    pub(super) refused: Option<Refusal>,
    /// What core's own answer is called, if it answered.
    pub(super) answered: Option<&'static str>,
    /// What `explain` asks to be noted; a server notes nothing.
    pub(super) trace: Option<Box<Trace>>,
}

/// Whether the server ended TLS, and whether the request counts as HTTPS.
#[derive(Clone, Copy)]
pub(super) struct Tls {
    pub(super) tls: bool,
    pub(super) secure: bool,
}

impl Facts {
    #[inline]
    pub(super) fn new(head: &dyn RequestHead, https: Tls, record: Record) -> Self {
        Self {
            arrival: Arrival::new(head, https),
            matched: Matched::default(),
            identity: Identity::default(),
            effects: Effects {
                edits: HeadEdits::default(),
                nonce: None,
                allow_origin: None,
                charged: Report::new(),
            },
            record,
        }
    }
}

impl Identity {
    pub(super) fn principal(&self) -> Option<&Principal> {
        self.caller.as_ref().map(|caller| &caller.principal)
    }
}

impl Arrival {
    #[inline]
    fn new(head: &dyn RequestHead, https: Tls) -> Self {
        let peer = head.peer();
        Self {
            method: None,
            path: PathBytes::new(),
            http2: head.http2(),
            peer,
            client: peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| {
                peer.ip().to_canonical()
            }),
            tls: https.tls,
            secure: https.secure,
            hsts_host: false,
            content_length: None,
            changes_protocol: false,
            has_body: false,
            is_script: false,
        }
    }
}

impl Record {
    /// For a request that is named `request_id`; with a `trace`, for one that is only explained.
    #[inline]
    pub(super) fn new(ports: &Ports, request_id: RequestId, trace: Option<Box<Trace>>) -> Self {
        let sink = &ports.audit;
        let wanted = sink.wants(AuditLevel::Info) || sink.wants(AuditLevel::Debug);
        // What is only explained did not happen.
        let audited = wanted && trace.is_none();
        Self {
            request_id,
            audited,
            // Reading the clock costs more than most stages: only for those who ask.
            started_nanos: audited.then(|| ports.clock.monotonic_nanos()),
            now_nanos: None,
            answer: Answer::AtHand,
            shadow_limits: Vec::new(),
            credential_exposed: false,
            refused: None,
            answered: None,
            trace,
        }
    }

    /// The time that limits count by. One reading serves all stages, as each costs more than a charge.
    pub(super) fn now_nanos(&mut self, clock: &dyn Clock) -> u64 {
        let started = self.started_nanos;
        *self
            .now_nanos
            .get_or_insert_with(|| started.unwrap_or_else(|| clock.monotonic_nanos()))
    }

    /// Somebody was waited for: what was read of the clock is past.
    pub(super) fn waited(&mut self, clock: &dyn Clock) {
        self.now_nanos = Some(clock.monotonic_nanos());
    }

    /// How long the exchange has lasted by `now`.
    pub(super) fn nanos_until(&self, now: u64) -> u64 {
        now.saturating_sub(self.started_nanos.unwrap_or(now))
    }

    /// Notes what a stage saw.
    #[inline]
    pub(super) fn tell(&mut self, stage: Stage, tell: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.stages.push((stage, tell()));
        }
    }

    /// Notes that a stage saw what an earlier one did.
    pub(super) fn tell_again(&mut self, earlier: Stage, stage: Stage) {
        if let Some(trace) = &mut self.trace {
            let told = trace.stages.iter().find(|(told, _)| *told == earlier);
            let saw = told.map(|(_, saw)| saw.clone()).unwrap_or_default();
            trace.stages.push((stage, saw));
        }
    }

    /// Notes the claim that failed a check.
    pub(super) fn failed_claim(&mut self, claim: Option<&'static str>) {
        if let Some(trace) = &mut self.trace {
            trace.claim = claim;
        }
    }

    /// Notes what the log is told.
    pub(super) fn remark(&mut self, text: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.remark = Some(text());
        }
    }

    /// Whether this is an explanation, of a request that nobody made.
    pub(super) fn explains(&self) -> bool {
        self.trace.is_some()
    }
}

/// An authenticated caller, as verification left it.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) principal: Principal,
    pub(super) scheme: SchemeId,
}
