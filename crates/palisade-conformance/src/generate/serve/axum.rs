//! Tables on axum.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{Method, Uri};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, any, on};
use futures_util::FutureExt as _;
use palisade_tower::{Grant, Palisade, PeerAddress, SecurityLayer, confirm};
use tower::util::{BoxCloneSyncService, MapRequest};
use tower::{Layer as _, ServiceExt as _};

use super::super::path::{HOST, Sent};
use super::super::table::{Item, MountKind, Place, Rewriting, Route, Slashes, Table};
use super::super::template::{Dialect, Template};
use super::{Answer, App, GUARD, Log, PEER, ROUTE, Unsendable};
use crate::harness::Running;
use crate::harness::axum::serve;
use crate::harness::serve::Threads;

type Boxed = BoxCloneSyncService<Request, Response, Infallible>;

pub(super) fn app(table: &Table, palisade: &Palisade, log: &Arc<Log>) -> Result<App, String> {
    let service = service(table, palisade, log)?;
    Ok(Box::new(move |sent| {
        let request = request(sent).ok_or(Unsendable)?;
        let answer = service.clone().oneshot(request);
        Ok(async move {
            match answer.await {
                Ok(response) => answer_of(&response),
                Err(never) => match never {},
            }
        }
        .boxed_local())
    }))
}

/// The same application behind a socket.
pub(super) fn start(table: &Table, palisade: &Palisade, log: &Arc<Log>) -> Result<Running, String> {
    serve(Threads::new()?, service(table, palisade, log)?, true)
}

fn service(table: &Table, palisade: &Palisade, log: &Arc<Log>) -> Result<Boxed, String> {
    let routes = router(&table.items, 0, log)?;
    let layer = SecurityLayer::new(palisade.clone());
    Ok(match table.rewriting {
        None => BoxCloneSyncService::new(layer.around(routes)),
        Some(Rewriting {
            place: Place::Outside,
            slashes,
        }) => {
            // A router outside of it, which notes the target as it came.
            let secured = MapRequest::new(layer.around(routes), rewriter(slashes));
            BoxCloneSyncService::new(Router::new().fallback_service(secured))
        }
        Some(Rewriting {
            place: Place::Inside,
            slashes,
        }) => {
            let rewrite = rewriter(slashes);
            let inner =
                MapRequest::new(confirmed(routes), move |request: axum::http::Request<_>| {
                    rewrite(request.map(Body::new))
                });
            BoxCloneSyncService::new(layer.layer(inner))
        }
        Some(Rewriting {
            place: Place::Between,
            slashes,
        }) => {
            let rewrite = rewriter(slashes);
            let inner = MapRequest::new(
                layer.clone().around(routes),
                move |request: axum::http::Request<_>| rewrite(request.map(Body::new)),
            );
            BoxCloneSyncService::new(layer.layer(inner))
        }
    })
}

/// A router that the security layer does not see itself, so that its routes are confirmed by a layer of its own.
fn confirmed(routes: Router) -> Router {
    match routes.has_routes() {
        true => routes.route_layer(confirm()),
        false => routes,
    }
}

fn router(items: &[Item], depth: usize, log: &Arc<Log>) -> Result<Router, String> {
    let mut router = Router::new();
    for item in items {
        router = match item {
            Item::Route(route) => {
                for template in route.templates() {
                    let path = match template.write(Dialect::Axum, depth) {
                        path if path.is_empty() => "/".to_owned(),
                        path => path,
                    };
                    router = router.route(&path, method_router(route, log)?);
                }
                router
            }
            Item::Mount(mount) => {
                let depth = depth + mount.prefix.0.len();
                let inner = self::router(&mount.items, depth, log)?;
                match mount.kind {
                    _ if mount.prefix == Template::default() => router.merge(inner),
                    MountKind::Nest => {
                        router.nest(&mount.prefix.write(Dialect::Axum, depth), inner)
                    }
                    MountKind::Service => router
                        .nest_service(&mount.prefix.write(Dialect::Axum, depth), confirmed(inner)),
                }
            }
        };
    }
    Ok(router)
}

fn method_router(route: &Route, log: &Arc<Log>) -> Result<MethodRouter, String> {
    let (id, log) = (route.id, log.clone());
    let handler = move |request: Request| {
        let log = log.clone();
        async move {
            log.ran(
                id,
                request.uri().path(),
                request.extensions().get::<Grant>(),
            );
            [(ROUTE, id.to_string())]
        }
    };
    if route.methods.is_empty() {
        return Ok(any(handler));
    }
    let mut router = MethodRouter::new();
    for method in &route.methods {
        let method = Method::from_bytes(method.as_bytes()).map_err(|why| why.to_string())?;
        let filter = MethodFilter::try_from(method).map_err(|why| why.to_string())?;
        router = router.merge(on(filter, handler.clone()));
    }
    Ok(router)
}

/// Rewrites the path, as `NormalizePath` of tower-http and others do.
fn rewriter(slashes: Slashes) -> impl Fn(Request) -> Request + Clone {
    move |mut request| {
        let path = slashes.rewrite(request.uri().path());
        if path != request.uri().path() {
            let mut parts = request.uri().clone().into_parts();
            let query = request.uri().query();
            let target = query.map_or(path.clone(), |query| format!("{path}?{query}"));
            parts.path_and_query = PathAndQuery::try_from(target).ok();
            if let Ok(uri) = Uri::from_parts(parts) {
                *request.uri_mut() = uri;
            }
        }
        request
    }
}

/// The head of a request as hyper hands it to axum and poem.
pub(super) fn parts(sent: &Sent) -> Option<Parts> {
    // Only the bytes of the target decide whether hyper takes it; it reads them with the same parser.
    let mut request = axum::http::Request::builder()
        .method(sent.method.as_bytes())
        .uri(Uri::try_from(sent.target.as_bytes()).ok()?)
        .header("host", HOST);
    if let Some(key) = sent.caller.key() {
        request = request.header("x-api-key", key);
    }
    if sent.guard {
        request = request.header(GUARD, "1");
    }
    request.body(()).ok().map(|request| request.into_parts().0)
}

fn request(sent: &Sent) -> Option<Request> {
    let mut request = Request::from_parts(parts(sent)?, Body::empty());
    request.extensions_mut().insert(PeerAddress(PEER));
    Some(request)
}

fn answer_of(response: &Response) -> Answer {
    let route = response.headers().get(ROUTE);
    Answer {
        status: response.status().as_u16(),
        route: route.and_then(|id| id.to_str().ok()?.parse().ok()),
    }
}
