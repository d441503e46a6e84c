//! What is known of a request, each part with one owner: the stages that may write it.

use super::{compiled::Compiled, confirm::PathBytes, trace::Trace};
use crate::{
    audit::AuditLevel,
    cors::AllowOrigin,
    engine::{Caller, schemes::SchemeId},
    head::{HeadEdits, RequestHead},
    limit::{LimitId, Report},
    methods::MethodId,
    outage::Answer,
    ports::Clock,
    principal::Principal,
    problem::{Code, Reason},
    request_id::RequestId,
    requirement::Requirement,
};
use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

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
    pub(super) refused: Option<(Code, Cow<'static, str>)>,
    /// What core's own answer is called, if it answered.
    pub(super) answered: Option<&'static str>,
    /// What `explain` asks to be noted; a server notes nothing.
    pub(super) trace: Option<Box<Trace>>,
}

impl Facts {
    pub(super) fn new(
        policy: &Compiled,
        head: &dyn RequestHead,
        trace: Option<Box<Trace>>,
    ) -> Self {
        Self {
            arrival: Arrival::new(policy, head),
            matched: Matched::default(),
            identity: Identity::default(),
            effects: Effects {
                edits: HeadEdits::default(),
                nonce: None,
                allow_origin: None,
                charged: Report::new(),
            },
            record: Record::new(policy, trace),
        }
    }
}

impl Identity {
    pub(super) fn principal(&self) -> Option<&Principal> {
        self.caller.as_ref().map(|caller| &caller.principal)
    }
}

impl Arrival {
    fn new(policy: &Compiled, head: &dyn RequestHead) -> Self {
        let peer = head.peer();
        Self {
            method: None,
            path: PathBytes::new(),
            http2: head.http2(),
            peer,
            client: peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| {
                peer.ip().to_canonical()
            }),
            tls: head.tls(),
            secure: policy.https.is_secure(head.tls()),
            hsts_host: false,
            content_length: None,
            changes_protocol: false,
            has_body: false,
            is_script: false,
        }
    }
}

impl Record {
    fn new(policy: &Compiled, trace: Option<Box<Trace>>) -> Self {
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
        self.answer = Answer::Asked;
    }

    /// How long the exchange has lasted by `now`.
    pub(super) fn nanos_until(&self, now: u64) -> u64 {
        now.saturating_sub(self.started_nanos.unwrap_or(now))
    }
}
