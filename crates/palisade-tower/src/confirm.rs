//! What was judged is what runs: the route that was taken, compared with the rule that was applied.

use crate::require::GuardFuture;
use bytes::Bytes;
use http::{Request, Response};
use palisade_core::{Grant, Reply, TakenRoute, TemplateSyntax};
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Confirms, before a route runs, that the rule that was applied is its own; a mismatch is answered with 500.
///
/// [`SecurityLayer::around`](crate::SecurityLayer::around) puts this on every route of its router. What it cannot see
/// are the routes of a router that is mounted as a service: put it on them.
///
/// ```
/// use axum::{Router, routing::get};
/// use palisade_tower::confirm;
///
/// async fn report() {}
/// let inner: Router = Router::new().route("/{id}", get(report)).route_layer(confirm());
/// let app: Router = Router::new().nest_service("/reports", inner);
/// ```
pub fn confirm() -> Confirm {
    Confirm(())
}

/// The layer that [`confirm`] makes.
#[derive(Debug, Clone, Copy)]
pub struct Confirm(());

impl<S> Layer<S> for Confirm {
    type Service = Confirmed<S>;

    fn layer(&self, inner: S) -> Confirmed<S> {
        Confirmed { inner }
    }
}

/// A route that runs only under its own rule.
#[derive(Debug, Clone)]
pub struct Confirmed<S> {
    inner: S,
}

impl<S, B, RB> Service<Request<B>> for Confirmed<S>
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
        // Without a layer, no rule was applied that could be the wrong one.
        let grant = request.extensions().get::<Grant>();
        match grant.map(|grant| confirm_route(grant, &request)) {
            Some(Err(reply)) => GuardFuture::refused(reply),
            _ => GuardFuture::running(self.inner.call(request)),
        }
    }
}

/// Compares what the router says of a request with what was judged.
pub(crate) fn confirm_route<B>(grant: &Grant, request: &Request<B>) -> Result<(), Reply> {
    #[cfg(feature = "axum")]
    let template = request.extensions().get::<axum::extract::MatchedPath>();
    #[cfg(feature = "axum")]
    let template = template.map(|template| template.as_str());
    #[cfg(not(feature = "axum"))]
    let template = None;
    grant.confirm(&TakenRoute {
        method: request.method().as_str().as_bytes(),
        path: request.uri().path().as_bytes(),
        template,
        syntax: TemplateSyntax::Axum,
    })
}
