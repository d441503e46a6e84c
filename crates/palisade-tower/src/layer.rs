//! The security layer.

use crate::{
    body::GuardedBody,
    head::{Head, Outgoing},
    reply::into_response,
};
use bytes::Bytes;
use http::{Request, Response};
use palisade_core::{Exchange, Grant, Palisade, Reply, Verdict};
use pin_project_lite::pin_project;
use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};
use tower_layer::Layer;
use tower_service::Service;

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

#[cfg(feature = "axum")]
impl SecurityLayer {
    /// Wraps a whole router, outside of its routing.
    ///
    /// `Router::layer` would put the policy inside of each route, where axum still adds an
    /// `Allow` to answers for methods that the route lacks: refusals would differ from those of
    /// the other frameworks.
    pub fn around(self, router: axum::Router) -> axum::Router {
        axum::Router::new().fallback_service(self.layer(router))
    }
}

impl<S> Layer<S> for SecurityLayer {
    type Service = Security<S>;

    fn layer(&self, inner: S) -> Security<S> {
        Security {
            palisade: self.palisade.clone(),
            inner,
        }
    }
}

/// An application wrapped in its security policy.
#[derive(Debug, Clone)]
pub struct Security<S> {
    palisade: Palisade,
    inner: S,
}

impl<S, B, RB> Service<Request<B>> for Security<S>
where
    S: Service<Request<GuardedBody<B>>, Response = Response<RB>> + Clone,
    RB: From<Bytes>,
{
    type Response = Response<RB>;
    type Error = S::Error;
    type Future = SecurityFuture<S, B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let admitted = request.extensions().get::<Grant>();
        if admitted.is_some_and(|grant| grant.is_from(&self.palisade)) {
            let request = request.map(|body| GuardedBody::new(body, None));
            return SecurityFuture {
                exchange: None,
                state: State::Running {
                    future: self.inner.call(request),
                },
            };
        }
        let mut exchange = self.palisade.open(&Head::of(&request));
        // Nearly every verdict is there at once, so that neither the service nor the request has
        // to be kept. One that is not is asked for again by whoever polls the future.
        let mut nobody = Context::from_waker(Waker::noop());
        let state = match exchange.poll_decide(&mut nobody) {
            Poll::Ready(verdict) => enact(verdict, &mut self.inner, request, &mut exchange),
            Poll::Pending => {
                // The clone takes the place of the service that is ready, which alone may be called.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                State::Deciding {
                    next: Some((ready, request)),
                }
            }
        };
        SecurityFuture {
            exchange: Some(exchange),
            state,
        }
    }
}

/// Calls the service, or answers in its place.
fn enact<S, B>(
    verdict: Verdict,
    service: &mut S,
    mut request: Request<B>,
    exchange: &mut Exchange,
) -> State<S, B, S::Future>
where
    S: Service<Request<GuardedBody<B>>>,
{
    let admission = match verdict {
        Verdict::Admit(admission) => admission,
        Verdict::Refuse(reply) => return State::Answered { reply: Some(reply) },
    };
    admission.edits.make_in(request.headers_mut());
    request.extensions_mut().insert(admission.grant);
    let request = request.map(|body| GuardedBody::new(body, admission.body));
    match catch_unwind(AssertUnwindSafe(|| service.call(request))) {
        Ok(future) => State::Running { future },
        Err(_) => State::Answered {
            reply: Some(exchange.panicked()),
        },
    }
}

pin_project! {
    /// The response of a [`Security`].
    pub struct SecurityFuture<S, B>
    where
        S: Service<Request<GuardedBody<B>>>,
    {
        exchange: Option<Exchange>,
        #[pin]
        state: State<S, B, S::Future>,
    }
}

pin_project! {
    #[project = Stage]
    enum State<S, B, F> {
        Deciding { next: Option<(S, Request<B>)> },
        Running { #[pin] future: F },
        Answered { reply: Option<Reply> },
    }
}

impl<S, B, RB> Future for SecurityFuture<S, B>
where
    S: Service<Request<GuardedBody<B>>, Response = Response<RB>>,
    RB: From<Bytes>,
{
    type Output = Result<Response<RB>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let mut response = loop {
            match this.state.as_mut().project() {
                Stage::Deciding { next } => {
                    let Some(exchange) = this.exchange.as_mut() else {
                        return Poll::Pending;
                    };
                    let verdict = ready!(exchange.poll_decide(context));
                    let Some((mut service, request)) = next.take() else {
                        return Poll::Pending;
                    };
                    let state = enact(verdict, &mut service, request, exchange);
                    this.state.set(state);
                }
                Stage::Answered { reply } => match reply.take() {
                    Some(reply) => break into_response(reply),
                    // A future that was ready before is polled again: never ready again.
                    None => return Poll::Pending,
                },
                Stage::Running { future } => {
                    match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
                        Ok(outcome) => break ready!(outcome)?,
                        Err(panic) => break panicked(this.exchange, panic),
                    }
                }
            }
        };
        if let Some(exchange) = this.exchange {
            exchange.close(&mut Outgoing(&mut response));
        }
        Poll::Ready(Ok(response))
    }
}

/// The response of a handler that panicked; without an exchange, an outer layer answers.
fn panicked<RB: From<Bytes>>(
    exchange: &mut Option<Exchange>,
    panic: Box<dyn std::any::Any + Send>,
) -> Response<RB> {
    match exchange {
        Some(exchange) => into_response(exchange.panicked()),
        None => std::panic::resume_unwind(panic),
    }
}

impl<S, B> fmt::Debug for SecurityFuture<S, B>
where
    S: Service<Request<GuardedBody<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityFuture")
            .field("exchange", &self.exchange)
            .finish_non_exhaustive()
    }
}
