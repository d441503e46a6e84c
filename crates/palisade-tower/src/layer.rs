//! The security layer.

use crate::{
    body::GuardedBody,
    head::{Head, Outgoing, edit},
    reply::into_response,
};
use bytes::Bytes;
use http::{Request, Response};
use palisade_core::{Exchange, Grant, Palisade, Verdict};
use pin_project_lite::pin_project;
use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
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
        // The clone takes the place of the service that is ready, which alone may be called.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        let admitted = request.extensions().get::<Grant>();
        let exchange = match admitted {
            Some(grant) if grant.is_from(&self.palisade) => None,
            _ => Some(self.palisade.open(&Head(&request))),
        };
        SecurityFuture {
            exchange,
            state: State::Deciding {
                next: Some((ready, request)),
            },
        }
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
                    let mut guard = None;
                    let mut admission = None;
                    if let Some(exchange) = this.exchange.as_mut() {
                        match ready!(exchange.poll_decide(context)) {
                            Verdict::Refuse(reply) => break into_response(reply),
                            Verdict::Admit(granted) => {
                                guard = granted.body;
                                admission = Some((granted.grant, granted.edits));
                            }
                        }
                    }
                    let Some((mut service, mut request)) = next.take() else {
                        // A future that was ready before is polled again: never ready again.
                        return Poll::Pending;
                    };
                    if let Some((grant, edits)) = admission {
                        edit(&mut request, &edits);
                        request.extensions_mut().insert(grant);
                    }
                    let request = request.map(|body| GuardedBody::new(body, guard));
                    match catch_unwind(AssertUnwindSafe(|| service.call(request))) {
                        Ok(future) => this.state.set(State::Running { future }),
                        Err(panic) => break panicked(this.exchange, panic),
                    }
                }
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
