//! What a route demands on top of its rule.

use crate::reply::into_response;
use actix_web::{
    Error, HttpMessage,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
};
use palisade_core::{Grant, Reply, Requirement};
use pin_project_lite::pin_project;
use std::{
    fmt,
    future::{Future, Ready, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// Demands more of the callers of a route than its rule does; it can never demand less.
///
/// ```
/// use actix_web::{App, web};
/// use palisade_actix::{require, scope};
///
/// async fn create() -> &'static str {
///     "created"
/// }
/// let app = App::new()
///     .route("/items", web::post().to(create).wrap(require(scope("items:write"))));
/// ```
pub fn require(requirement: Requirement) -> Require {
    Require {
        requirement: Arc::new(requirement),
    }
}

/// The middleware that [`require`] makes.
#[derive(Debug, Clone)]
pub struct Require {
    requirement: Arc<Requirement>,
}

impl<S, B> Transform<S, ServiceRequest> for Require
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Guard<S>;
    type InitError = ();
    type Future = Ready<Result<Guard<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Guard {
            requirement: Arc::clone(&self.requirement),
            inner,
        }))
    }
}

/// A service behind a requirement.
#[derive(Debug)]
pub struct Guard<S> {
    requirement: Arc<Requirement>,
    inner: S,
}

impl<S, B> Service<ServiceRequest> for Guard<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = GuardFuture<S::Future>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let grant = request.extensions().get::<Grant>().cloned();
        let checked = grant
            .ok_or_else(Reply::missing_layer)
            .and_then(|grant| grant.require(&self.requirement));
        match checked {
            Ok(()) => GuardFuture::running(self.inner.call(request)),
            Err(reply) => GuardFuture::refused(request, reply),
        }
    }
}

pin_project! {
    /// The response of a [`Guard`], or of a [`Confirmed`](crate::Confirmed) route.
    pub struct GuardFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = Stage]
    enum State<F> {
        Running { #[pin] future: F },
        Refused { response: Option<ServiceResponse> },
    }
}

impl<F> GuardFuture<F> {
    pub(crate) fn running(future: F) -> Self {
        Self {
            state: State::Running { future },
        }
    }

    pub(crate) fn refused(request: ServiceRequest, reply: Reply) -> Self {
        let response = request.into_response(into_response(reply));
        Self {
            state: State::Refused {
                response: Some(response),
            },
        }
    }
}

impl<F, B> Future for GuardFuture<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Stage::Running { future } => future
                .poll(context)
                .map_ok(ServiceResponse::map_into_left_body),
            Stage::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map_into_right_body())),
                None => Poll::Pending,
            },
        }
    }
}

impl<F> fmt::Debug for GuardFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardFuture").finish_non_exhaustive()
    }
}
