//! What the stages come to.

use super::stage::{limits::Counting, read::Hold};
use crate::{
    endpoint::{AfterBody, EndpointAnswer},
    limit::QuotaState,
    ports::{BoxFuture, SourceError},
    problem::Reason,
    reply::Reply,
    requirement::Asked,
    scheme::{Outcome, RemoteVerification},
};
use std::task::{Context, Poll};

/// A decision about a request, before it is a verdict.
pub(super) enum Decision {
    /// Core answers itself.
    Answer(Answer),
    Refuse(Reason),
    Admit,
    /// Somebody must be asked first.
    Wait(Box<Wait>),
    /// The body is needed first.
    Collect(Body),
}

/// A body that an endpoint asks for.
pub(super) struct Body {
    pub(super) max: u64,
    pub(super) then: AfterBody,
}

/// What core answers, and what explanations call it.
pub(super) struct Answer {
    pub(super) name: &'static str,
    pub(super) reply: Reply,
}

/// What a decision waits for, and what it goes on with then.
pub(super) enum Wait {
    /// Limits by what the head shows; the credential is held until they are counted.
    AddressLimits(Box<Counting>, Hold),
    /// The judgement of the credential.
    Verify(RemoteVerification),
    /// Limits by who calls.
    CallerLimits(Box<Counting>),
    /// An answer about the caller, for the requirement.
    Judge(Asked),
    /// The answer of an endpoint.
    Endpoint(BoxFuture<EndpointAnswer>),
}

/// What was waited for.
pub(super) enum Heard {
    Counts(Result<Vec<QuotaState>, SourceError>),
    Outcome(Outcome),
    Answer(Result<bool, SourceError>),
    Endpoint(EndpointAnswer),
}

impl Wait {
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Heard> {
        match self {
            Wait::AddressLimits(counting, _) | Wait::CallerLimits(counting) => {
                counting.answer.as_mut().poll(context).map(Heard::Counts)
            }
            Wait::Verify(remote) => remote.as_mut().poll(context).map(Heard::Outcome),
            Wait::Endpoint(answer) => answer.as_mut().poll(context).map(Heard::Endpoint),
            Wait::Judge(asked) => asked.answer.as_mut().poll(context).map(Heard::Answer),
        }
    }
}
