//! Broken adapters for axum.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use palisade_tower::{GuardedBody, Palisade, SecurityLayer};
use tower::{Layer, ServiceExt, service_fn};

use super::Broken;
use crate::harness::axum::start;

/// The handler runs first; then the layer decides about the answer.
pub(super) const DECIDES_AFTER_THE_CALL: Broken = Broken {
    framework: "axum",
    mistake: "decides after the call",
    found_by: &["adapters: no handler runs before a verdict"],
    start: |fixture| start(fixture, decide_late),
};

fn decide_late(routes: Router, palisade: Palisade) -> Router {
    let layer = SecurityLayer::new(palisade);
    routes.layer(from_fn(move |request: Request, next: Next| {
        let layer = layer.clone();
        async move {
            let (parts, body) = request.into_parts();
            let head = Request::from_parts(parts.clone(), Body::empty());
            let answer = next.run(Request::from_parts(parts, body)).await;
            let answer = Arc::new(Mutex::new(Some(answer)));
            let handler = service_fn(move |_: Request<GuardedBody<Body>>| {
                let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
                async { Ok::<Response, Infallible>(answer.unwrap_or_default()) }
            });
            layer.layer(handler).oneshot(head).await
        }
    }))
}
