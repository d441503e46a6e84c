//! The security layer.

use crate::{
    body::guarded,
    extract::Rejection,
    head::{Head, Outgoing, edit},
    reply::into_response,
};
use actix_web::{
    Error, HttpMessage,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
};
use palisade_core::{Exchange, Grant, Palisade, Verdict};
use pin_project_lite::pin_project;
use std::{
    cell::RefCell,
    fmt,
    future::{Future, Ready, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

/// Wraps an application in its security policy.
#[derive(Debug, Clone)]
pub struct SecurityLayer {
    palisade: Palisade,
}

impl SecurityLayer {
    /// Enforces this policy.
    pub fn new(palisade: Palisade) -> Self {
        Self { palisade }
    }
}

impl<S, B> Transform<S, ServiceRequest> for SecurityLayer
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Security<S>;
    type InitError = ();
    type Future = Ready<Result<Security<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Security {
            palisade: self.palisade.clone(),
            inner: Rc::new(inner),
        }))
    }
}

/// An application wrapped in its security policy.
#[derive(Debug)]
pub struct Security<S> {
    palisade: Palisade,
    inner: Rc<S>,
}

impl<S, B> Service<ServiceRequest> for Security<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = SecurityFuture<S>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let admitted = {
            // Extensions must not stay borrowed over the inner call.
            let extensions = request.extensions();
            let grant = extensions.get::<Grant>();
            grant.is_some_and(|grant| grant.is_from(&self.palisade))
        };
        if admitted {
            return SecurityFuture {
                exchange: None,
                state: State::Running {
                    future: self.inner.call(request),
                },
            };
        }
        let mut exchange = self.palisade.open(&Head(request.request()));
        // Nearly every verdict is there at once, so that the request need not be kept. One that
        // is not is asked for again by whoever polls the future.
        let mut nobody = Context::from_waker(Waker::noop());
        let verdict = exchange.poll_decide(&mut nobody);
        let mut exchange = Some(exchange);
        let state = match verdict {
            Poll::Ready(verdict) => enact(verdict, &*self.inner, request, &mut exchange),
            Poll::Pending => State::Deciding {
                next: Some((Rc::clone(&self.inner), request)),
            },
        };
        SecurityFuture { exchange, state }
    }
}

/// Calls the service, or answers in its place.
fn enact<S>(
    verdict: Verdict,
    service: &S,
    mut request: ServiceRequest,
    exchange: &mut Option<Exchange>,
) -> State<S, S::Future>
where
    S: Service<ServiceRequest>,
{
    let admission = match verdict {
        Verdict::Admit(admission) => admission,
        Verdict::Refuse(reply) => {
            let response = request.into_response(into_response(reply));
            return State::Answered {
                answer: Some(Ok(response)),
            };
        }
    };
    edit(&mut request, &admission.edits);
    request.extensions_mut().insert(admission.grant);
    if let Some(guard) = admission.body {
        let payload = guarded(request.take_payload(), guard);
        request.set_payload(payload);
    }
    match catch_unwind(AssertUnwindSafe(|| service.call(request))) {
        Ok(future) => State::Running { future },
        Err(panic) => State::Answered {
            answer: Some(Err(panicked(exchange, panic))),
        },
    }
}

pin_project! {
    /// The response of a [`Security`].
    pub struct SecurityFuture<S>
    where
        S: Service<ServiceRequest>,
    {
        exchange: Option<Exchange>,
        #[pin]
        state: State<S, S::Future>,
    }
}

pin_project! {
    #[project = Stage]
    enum State<S, F> {
        Deciding { next: Option<(Rc<S>, ServiceRequest)> },
        Running { #[pin] future: F },
        Answered { answer: Option<Result<ServiceResponse, Error>> },
    }
}

impl<S, B> Future for SecurityFuture<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let mut response = loop {
            match this.state.as_mut().project() {
                Stage::Deciding { next } => {
                    let Some(exchange) = this.exchange.as_mut() else {
                        return Poll::Pending;
                    };
                    let verdict = ready!(exchange.poll_decide(context));
                    let Some((service, request)) = next.take() else {
                        return Poll::Pending;
                    };
                    let state = enact(verdict, &*service, request, this.exchange);
                    this.state.set(state);
                }
                Stage::Answered { answer } => match answer.take() {
                    Some(answer) => break answer?.map_into_right_body(),
                    // A future that was ready before is polled again: never ready again.
                    None => return Poll::Pending,
                },
                Stage::Running { future } => {
                    match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
                        Ok(outcome) => match ready!(outcome) {
                            Ok(response) => break response.map_into_left_body(),
                            Err(error) => {
                                return Poll::Ready(Err(sealed(error, this.exchange.take())));
                            }
                        },
                        Err(panic) => return Poll::Ready(Err(panicked(this.exchange, panic))),
                    }
                }
            }
        };
        if let Some(exchange) = this.exchange {
            exchange.close(&mut Outgoing(response.response_mut()));
        }
        Poll::Ready(Ok(response))
    }
}

/// An error that closes the exchange once somebody turns it into a response. There is no
/// request left here to make one of, and outer layers may still want to see the error.
fn sealed(mut error: Error, exchange: Option<Exchange>) -> Error {
    // A mapper may run twice; `close` then changes nothing more.
    let exchange = RefCell::new(exchange);
    error.add_response_mapper(move |response| {
        let mut response = response.map_into_left_body::<actix_web::body::BoxBody>();
        if let Some(exchange) = exchange.borrow_mut().as_mut() {
            exchange.close(&mut Outgoing(&mut response));
        }
        response.map_into_boxed_body()
    });
    error
}

/// The error of a handler that panicked; without an exchange, an outer layer answers.
fn panicked(exchange: &mut Option<Exchange>, panic: Box<dyn std::any::Any + Send>) -> Error {
    match exchange.take() {
        Some(mut exchange) => {
            let reply = exchange.panicked();
            sealed(Rejection::from(reply).into(), Some(exchange))
        }
        None => std::panic::resume_unwind(panic),
    }
}

impl<S: Service<ServiceRequest>> fmt::Debug for SecurityFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityFuture")
            .field("exchange", &self.exchange)
            .finish_non_exhaustive()
    }
}
