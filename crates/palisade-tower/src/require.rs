//! What a route demands on top of its rule.

use crate::reply::into_response;
use bytes::Bytes;
use http::{Request, Response};
use palisade_core::{Grant, Reply, Requirement};
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;

/// Demands more of the callers of a route than its rule does; it can never demand less.
///
/// ```
/// use axum::{Router, handler::Handler, routing::post};
/// use palisade_tower::{require, scope};
///
/// async fn create() {}
/// let app: Router = Router::new()
///     .route("/items", post(create.layer(require(scope("items:write")))));
/// ```
pub fn require(requirement: Requirement) -> Require {
    Require {
        requirement: Arc::new(requirement),
    }
}

/// The layer that [`require`] makes.
#[derive(Debug, Clone)]
pub struct Require {
    requirement: Arc<Requirement>,
}

impl<S> Layer<S> for Require {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard {
            requirement: Arc::clone(&self.requirement),
            inner,
        }
    }
}

/// A service behind a requirement.
#[derive(Debug, Clone)]
pub struct Guard<S> {
    requirement: Arc<Requirement>,
    inner: S,
}

impl<S, B, RB> Service<Request<B>> for Guard<S>
where
    S: Service<Request<B>, Response = Response<RB>>,
    RB: From<Bytes>,
{
    type Response = Response<RB>;
    type Error = S::Error;
    type Future = GuardFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let grant = request.extensions().get::<Grant>();
        let checked = grant
            .ok_or_else(Reply::missing_layer)
            .and_then(|grant| grant.require(&self.requirement));
        match checked {
            Ok(()) => GuardFuture::running(self.inner.call(request)),
            Err(reply) => GuardFuture::refused(reply),
        }
    }
}

pin_project! {
    /// The response of a [`Guard`], or of a [`Confirmed`](crate::Confirmed) route.
    #[derive(Debug)]
    pub struct GuardFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = Stage]
    enum State<F> {
        Running { #[pin] future: F },
        Refused { reply: Option<Reply> },
    }
}

impl<F> GuardFuture<F> {
    pub(crate) fn running(future: F) -> Self {
        Self {
            state: State::Running { future },
        }
    }

    pub(crate) fn refused(reply: Reply) -> Self {
        Self {
            state: State::Refused { reply: Some(reply) },
        }
    }
}

impl<F, RB, E> Future for GuardFuture<F>
where
    F: Future<Output = Result<Response<RB>, E>>,
    RB: From<Bytes>,
{
    type Output = Result<Response<RB>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Stage::Running { future } => future.poll(context),
            Stage::Refused { reply } => match reply.take() {
                Some(reply) => Poll::Ready(Ok(into_response(reply))),
                None => Poll::Pending,
            },
        }
    }
}
