//! One request and its response.

use super::{
    Grant,
    compiled::Compiled,
    decide::caught,
    decision::{Decision, Wait},
    facts::{Facts, Identity, Record, Tls},
    grant::Asked,
    judged::Judged,
    trace::Trace,
};
use crate::{
    audit::printable,
    body::{BodyGuard, BodyLimits, BodyReport},
    cause::Cause,
    endpoint::AfterBody,
    head::{HeadEdits, RequestHead},
    methods::MethodId,
    problem::{Code, Reason},
    reply::Reply,
    request_id::RequestId,
};
use bytes::Bytes;
use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

/// What became of a request's head. There will be no other, so that adapters leave none out.
#[derive(Debug)]
pub enum Verdict {
    /// The request is answered by this, as a preflight is; no handler runs.
    Answer(Reply),
    /// The request is refused with this; no handler runs.
    Refuse(Reply),
    /// The body is needed first: the adapter reads it under its guard, hands it to [`Exchange::collected`], and asks for the
    /// verdict again. It will be an answer or a refusal.
    Collect(BodyGuard),
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
    Waiting(Box<Wait>),
    Collecting(AfterBody),
    HandedOut,
}

impl Step {
    fn of(decision: Decision) -> Self {
        match decision {
            Decision::Wait(wait) => Step::Waiting(wait),
            decision => Step::Decided(decision),
        }
    }
}

impl Exchange {
    pub(super) fn open(
        policy: Arc<Compiled>,
        head: &dyn RequestHead,
        trace: Option<Box<Trace>>,
    ) -> Self {
        // Made where it stays: the facts are large to move.
        let mut exchange = Self {
            facts: policy.facts(head, trace),
            policy,
            grant: None,
            body: None,
            closed: false,
            step: Step::HandedOut,
        };
        exchange.step = Step::of(exchange.policy.decide(head, &mut exchange.facts));
        exchange
    }

    /// The verdict, as soon as it is there. A request that needs no answer from elsewhere has
    /// it at once. Call it until it is ready, and then no more.
    pub fn poll_decide(&mut self, context: &mut Context<'_>) -> Poll<Verdict> {
        loop {
            let decision = match std::mem::replace(&mut self.step, Step::HandedOut) {
                Step::Decided(decision) => decision,
                Step::Waiting(mut wait) => match caught(|| wait.poll(context)) {
                    Err(reason) => Decision::Refuse(reason),
                    Ok(Poll::Ready(heard)) => {
                        let decision = self.policy.resume(*wait, heard, &mut self.facts);
                        self.step = Step::of(decision);
                        continue;
                    }
                    Ok(Poll::Pending) => {
                        self.step = Step::Waiting(wait);
                        return Poll::Pending;
                    }
                },
                Step::Collecting(_) | Step::HandedOut => {
                    Decision::Refuse(Reason::new(Code::InternalError, Cause::VerdictAskedTwice))
                }
            };
            return Poll::Ready(match decision {
                Decision::Refuse(reason) => Verdict::Refuse(self.refuse(reason)),
                Decision::Answer(answer) => {
                    self.facts.record.answered = Some(answer.name);
                    Verdict::Answer(answer.reply)
                }
                Decision::Admit => self.admit(),
                Decision::Collect(body) => {
                    let rule = self.policy.rule_or_unlisted(self.facts.matched.rule);
                    let limits = BodyLimits {
                        max: Some(body.max),
                        times: Some(rule.body_timeouts.within(&self.policy.body)),
                    };
                    let guard = BodyGuard::new(limits, Arc::clone(&self.policy.ports.clock));
                    self.body = Some(guard.report());
                    self.step = Step::Collecting(body.then);
                    Verdict::Collect(guard)
                }
                Decision::Wait(wait) => {
                    self.step = Step::Waiting(wait);
                    continue;
                }
            });
        }
    }

    /// Takes the whole body that [`Verdict::Collect`] asked for; `None` if it broke off, or its guard stopped it. The
    /// verdict is there after it.
    pub fn collected(&mut self, body: Option<Bytes>) {
        let step = std::mem::replace(&mut self.step, Step::HandedOut);
        let Step::Collecting(then) = step else {
            self.step = step;
            return;
        };
        let stopped = self.body.as_ref().and_then(BodyReport::refused);
        self.step = match (body, stopped) {
            (Some(bytes), None) => match caught(|| then(bytes)) {
                Ok(answer) => Step::Waiting(Box::new(Wait::Endpoint(answer))),
                Err(reason) => Step::Decided(Decision::Refuse(reason)),
            },
            (_, Some(refused)) => Step::Decided(Decision::Refuse(refused.reason())),
            (None, None) => {
                let reason = Reason::new(Code::MalformedBody, Cause::BodyUnreadable);
                Step::Decided(Decision::Refuse(reason))
            }
        };
    }

    /// The proof that the request was admitted, once it was.
    pub fn grant(&self) -> Option<&Grant> {
        self.grant.as_ref()
    }

    /// The response of a handler that panicked.
    pub fn panicked(&mut self) -> Reply {
        tracing::error!(
            target: "palisade",
            request_id = self.facts.record.request_id.as_str(),
            "a handler panicked"
        );
        self.refuse(Reason::new(Code::InternalError, Cause::Panic))
    }

    /// The response of a service that failed without one.
    pub fn service_failed(&mut self, error: &dyn fmt::Display) -> Reply {
        if let Some(refused) = self.body.as_ref().and_then(BodyReport::refused) {
            // That a body was stopped is the client's failure.
            return self.refuse(refused.reason());
        }
        tracing::error!(
            target: "palisade",
            request_id = self.facts.record.request_id.as_str(),
            error = %printable(&error.to_string()),
            "the service failed without a response; make one of its errors inside of the \
             security layer"
        );
        self.refuse(Reason::new(Code::InternalError, Cause::ServiceError))
    }

    pub(super) fn refuse(&mut self, reason: Reason) -> Reply {
        self.facts.record.refused = Some(reason.refusal());
        self.policy
            .reply(reason, self.facts.record.request_id.as_str())
    }

    fn admit(&mut self) -> Verdict {
        let rule = self.policy.rule_or_unlisted(self.facts.matched.rule);
        let times = || rule.body_timeouts.within(&self.policy.body);
        let limits = BodyLimits {
            max: rule.max_body,
            times: self.facts.arrival.has_body.then(times),
        };
        // A rule's limit holds for what no head announces, too, as after an upgrade.
        let watched = limits.max.is_some() || limits.times.is_some();
        let clock = &self.policy.ports.clock;
        let body = watched.then(|| BodyGuard::new(limits, Arc::clone(clock)));
        self.body = body.as_ref().map(BodyGuard::report);
        let grant = Grant::new(
            Arc::clone(&self.policy),
            Asked {
                rule: self.facts.matched.rule,
                is_script: self.facts.arrival.is_script,
            },
            Judged {
                method: self.facts.arrival.method.unwrap_or(MethodId::GET),
                path: std::mem::take(&mut self.facts.arrival.path),
            },
            self.facts.record.request_id,
            Identity {
                caller: self.facts.identity.caller.take(),
                answers: std::mem::take(&mut self.facts.identity.answers),
                ..Identity::default()
            },
            self.facts.effects.nonce.take(),
        );
        self.grant = Some(grant.clone());
        Verdict::Admit(Admission {
            grant,
            edits: std::mem::take(&mut self.facts.effects.edits),
            body,
        })
    }
}

impl Compiled {
    /// What is known of a request before any stage has looked at it.
    #[inline]
    fn facts(&self, head: &dyn RequestHead, trace: Option<Box<Trace>>) -> Facts {
        let request_id = RequestId::from_bytes(self.lineage.ids.draw());
        let record = Record::new(&self.ports, request_id, trace);
        let tls = head.tls();
        let secure = self.https.is_secure(tls);
        Facts::new(head, Tls { tls, secure }, record)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("request_id", &self.facts.record.request_id)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}
