//! The security layer.

use crate::{
    body::{Source, guarded},
    confirm::{confirm_target, unconfirmed},
    extract::Rejection,
    head::{Head, Outgoing, edit},
    reply::into_response,
};
use actix_web::{
    Error, HttpMessage,
    body::{EitherBody, MessageBody},
    dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    web::BytesMut,
};
use futures_util::StreamExt;
use palisade_core::{Exchange, Grant, Palisade, Reply, ResponseHead, RouteMap, Verdict};
use pin_project_lite::pin_project;
use std::{
    cell::{OnceCell, RefCell},
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
            unconfirmed: OnceCell::new(),
        }))
    }
}

/// An application wrapped in its security policy.
#[derive(Debug)]
pub struct Security<S> {
    palisade: Palisade,
    inner: Rc<S>,
    /// The routes that do not confirm themselves; known once there is a request. `None`: they cannot be known.
    unconfirmed: OnceCell<Option<Rc<RouteMap>>>,
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
        // Extensions must not stay borrowed over the inner call.
        let grant = request.extensions().get::<Grant>().cloned();
        if let Some(grant) = grant.filter(|grant| grant.is_from(&self.palisade)) {
            let method = request.method().as_str().as_bytes();
            let state = match grant.confirm_unchanged(method, request.uri().path().as_bytes()) {
                Ok(()) => State::Running {
                    future: self.inner.call(request),
                },
                Err(reply) => State::answered(request, reply),
            };
            return SecurityFuture {
                exchange: None,
                body: None,
                state,
            };
        }
        let unconfirmed = self
            .unconfirmed
            .get_or_init(|| unconfirmed(&request).map(Rc::new));
        let next = Next {
            service: Rc::clone(&self.inner),
            unconfirmed: unconfirmed.clone(),
        };
        let mut exchange = self.palisade.open(&Head(request.request()));
        // Nearly every verdict is there at once, so that the request need not be kept. One that
        // is not is asked for again by whoever polls the future.
        let mut nobody = Context::from_waker(Waker::noop());
        let verdict = exchange.poll_decide(&mut nobody);
        let (mut exchange, mut body) = (Some(exchange), None);
        let state = match verdict {
            Poll::Ready(verdict) => enact(verdict, &next, request, &mut exchange, &mut body),
            Poll::Pending => State::Deciding {
                next: Some((next, request)),
            },
        };
        SecurityFuture {
            exchange,
            body,
            state,
        }
    }
}

/// What a request goes on to.
struct Next<S> {
    service: Rc<S>,
    unconfirmed: Option<Rc<RouteMap>>,
}

/// Calls the service, or answers in its place.
fn enact<S>(
    verdict: Verdict,
    next: &Next<S>,
    mut request: ServiceRequest,
    exchange: &mut Option<Exchange>,
    body: &mut Option<Source>,
) -> State<S, S::Future>
where
    S: Service<ServiceRequest>,
{
    let admission = match verdict {
        Verdict::Admit(admission) => admission,
        Verdict::Answer(reply) | Verdict::Refuse(reply) => return State::answered(request, reply),
        Verdict::Collect(guard) => {
            let (payload, source) = guarded(request.take_payload(), guard);
            *body = Some(source);
            return State::Collecting {
                request: Some(request),
                payload,
                bytes: BytesMut::new(),
            };
        }
    };
    let confirmed = match &next.unconfirmed {
        Some(routes) => routes.confirm(&admission.grant),
        None => admission.grant.no_routes_known(),
    };
    if let Err(reply) = confirmed {
        return State::answered(request, reply);
    }
    edit(&mut request, &admission.edits);
    request.extensions_mut().insert(admission.grant);
    if let Some(guard) = admission.body {
        let (payload, source) = guarded(request.take_payload(), guard);
        request.set_payload(payload);
        *body = Some(source);
    }
    match catch_unwind(AssertUnwindSafe(|| next.service.call(request))) {
        Ok(future) => State::Running { future },
        Err(panic) => State::Answered {
            answer: Some(Err(panicked(exchange, body, panic))),
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
        body: Option<Source>,
        #[pin]
        state: State<S, S::Future>,
    }
}

pin_project! {
    #[project = Stage]
    enum State<S, F> {
        Deciding { next: Option<(Next<S>, ServiceRequest)> },
        Collecting { request: Option<ServiceRequest>, payload: Payload, bytes: BytesMut },
        Answering { request: Option<ServiceRequest> },
        Running { #[pin] future: F },
        Answered { answer: Option<Result<ServiceResponse, Error>> },
    }
}

impl<S, F> State<S, F> {
    fn answered(request: ServiceRequest, reply: Reply) -> Self {
        let response = request.into_response(into_response(reply));
        State::Answered {
            answer: Some(Ok(response)),
        }
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
                    let Some((next, request)) = next.take() else {
                        return Poll::Pending;
                    };
                    let state = enact(verdict, &next, request, this.exchange, this.body);
                    this.state.set(state);
                }
                Stage::Collecting {
                    request,
                    payload,
                    bytes,
                } => {
                    let Some(exchange) = this.exchange.as_mut() else {
                        return Poll::Pending;
                    };
                    match ready!(payload.poll_next_unpin(context)) {
                        Some(Ok(chunk)) => {
                            bytes.extend_from_slice(&chunk);
                            continue;
                        }
                        Some(Err(_)) => exchange.collected(None),
                        None => exchange.collected(Some(std::mem::take(bytes).freeze())),
                    }
                    let Some(request) = request.take() else {
                        return Poll::Pending;
                    };
                    this.state.set(State::Answering {
                        request: Some(request),
                    });
                }
                Stage::Answering { request } => {
                    let Some(exchange) = this.exchange.as_mut() else {
                        return Poll::Pending;
                    };
                    let verdict = ready!(exchange.poll_decide(context));
                    let (Some(request), Verdict::Answer(reply) | Verdict::Refuse(reply)) =
                        (request.take(), verdict)
                    else {
                        return Poll::Pending;
                    };
                    this.state.set(State::answered(request, reply));
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
                                let (exchange, body) = (this.exchange.take(), this.body.take());
                                return Poll::Ready(Err(sealed(error, exchange, body)));
                            }
                        },
                        Err(panic) => {
                            return Poll::Ready(Err(panicked(this.exchange, this.body, panic)));
                        }
                    }
                }
            }
        };
        if let Some(exchange) = this.exchange {
            withhold_unconfirmed(exchange, &mut response);
            exchange.close(&mut Outgoing(response.response_mut()));
        }
        if let Some(body) = this.body.take() {
            let (request, answer) = response.into_parts();
            response = ServiceResponse::new(request, body.stay(answer));
        }
        Poll::Ready(Ok(response))
    }
}

/// Replaces the answer to a request that something inside of the layer made another one than was judged, on its way to
/// a route that does not confirm itself.
fn withhold_unconfirmed<B>(exchange: &Exchange, response: &mut ServiceResponse<EitherBody<B>>) {
    let Some(grant) = exchange.grant().filter(|grant| !grant.is_settled()) else {
        return;
    };
    if let Err(reply) = confirm_target(grant, response.request()) {
        Outgoing(response.response_mut()).replace(reply);
    }
}

/// An error that closes the exchange once somebody turns it into a response. There is no
/// request left here to make one of, and outer layers may still want to see the error.
fn sealed(mut error: Error, exchange: Option<Exchange>, body: Option<Source>) -> Error {
    // A mapper may run twice; `close` then changes nothing more.
    let exchange = RefCell::new(exchange);
    error.add_response_mapper(move |response| {
        let mut response = response.map_into_left_body::<actix_web::body::BoxBody>();
        if let Some(exchange) = exchange.borrow_mut().as_mut() {
            exchange.close(&mut Outgoing(&mut response));
        }
        if let Some(body) = body.clone() {
            response = body.stay(response);
        }
        response.map_into_boxed_body()
    });
    error
}

/// The error of a handler that panicked; without an exchange, an outer layer answers.
fn panicked(
    exchange: &mut Option<Exchange>,
    body: &mut Option<Source>,
    panic: Box<dyn std::any::Any + Send>,
) -> Error {
    match exchange.take() {
        Some(mut exchange) => {
            let reply = exchange.panicked();
            sealed(Rejection::from(reply).into(), Some(exchange), body.take())
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
