//! Broken adapters for axum.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::CONTENT_LENGTH;
use axum::middleware::{Next, from_fn, map_response};
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
    only_core_knows: false,
    tells: None,
    start: |fixture| start(fixture, decide_late),
};

/// Its refusals say more than core's.
pub(super) const WORDS_OF_ITS_OWN: Broken = Broken {
    framework: "axum",
    mistake: "has words of its own",
    found_by: &[
        "adapters: a refusal is core's own [nobody]",
        "adapters: a refusal is core's own [not listed]",
        "adapters: a refusal is core's own [not allowed]",
    ],
    only_core_knows: true,
    tells: None,
    start: |fixture| start(fixture, reword),
};

fn reword(routes: Router, palisade: Palisade) -> Router {
    let layered = SecurityLayer::new(palisade).around(routes);
    Router::new()
        .fallback_service(layered)
        .layer(map_response(add_words))
}

async fn add_words(response: Response) -> Response {
    if !response.status().is_client_error() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let words = String::from_utf8_lossy(&body).replacen('{', "{\"hint\":\"ask us\",", 1);
    Response::from_parts(parts, words.into())
}

/// It writes down what it was sent.
pub(super) const HEADERS_IN_THE_LOG: Broken = Broken {
    framework: "axum",
    mistake: "writes the request's headers into the log",
    found_by: &[],
    only_core_knows: false,
    tells: Some("palisade"),
    start: |fixture| start(fixture, write_down),
};

fn write_down(routes: Router, palisade: Palisade) -> Router {
    let layered = SecurityLayer::new(palisade).around(routes);
    let write = async |request: Request, next: Next| {
        tracing::trace!(target: "palisade", headers = ?request.headers(), "a request");
        next.run(request).await
    };
    Router::new()
        .fallback_service(layered)
        .layer(from_fn(write))
}

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
