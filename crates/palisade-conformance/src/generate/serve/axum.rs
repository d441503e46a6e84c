//! Tables on axum.

use std::convert::Infallible;
use std::future::{Ready, ready};
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
use super::super::table::{Fallback, Item, MountKind, Place, Rewriting, Route, Slashes, Table};
use super::super::template::{Dialect, Segment, Template};
use super::{Answer, App, GUARD, Log, PEER, ROUTE, Unsendable};
use crate::harness::Running;
use crate::harness::axum::serve;
use crate::harness::serve::Threads;

type Boxed = BoxCloneSyncService<Request, Response, Infallible>;

/// What routers do that are mounted as services.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mounts {
    /// Their routes confirm themselves, and the layer is told so.
    Confirmed,
    /// Nothing.
    Plain,
    /// Nothing either, and the layer is put into `Router::layer`.
    Inside,
}

pub(super) fn app(
    mounts: Mounts,
    table: &Table,
    palisade: &Palisade,
    log: &Arc<Log>,
) -> Result<App, String> {
    let service = service(mounts, table, palisade, log)?;
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
pub(super) fn start(
    mounts: Mounts,
    table: &Table,
    palisade: &Palisade,
    log: &Arc<Log>,
) -> Result<Running, String> {
    serve(
        Threads::new()?,
        service(mounts, table, palisade, log)?,
        true,
    )
}

fn service(
    mounts: Mounts,
    table: &Table,
    palisade: &Palisade,
    log: &Arc<Log>,
) -> Result<Boxed, String> {
    let layer = SecurityLayer::new(palisade.clone());
    if let Some(outer) = table.outer() {
        if outer.prefix.0.contains(&Segment::Prefixed) {
            return Err("axum cuts no such prefix off".to_owned());
        }
        let depth = outer.prefix.0.len();
        let routes = router(mounts, &outer.items, outer.fallback.as_ref(), depth, log)?;
        let layer = with_mounts(layer, mounts, &outer.items, outer.fallback.as_ref(), depth);
        let prefix = outer.prefix.write(Dialect::Axum, 0);
        let outer = match mounts {
            Mounts::Inside => Router::new().nest_service(&prefix, routes.layer(layer)),
            _ => Router::new().nest_service(&prefix, layer.around(routes)),
        };
        return Ok(BoxCloneSyncService::new(outer));
    }
    let routes = router(mounts, &table.items, table.fallback.as_ref(), 0, log)?;
    let layer = with_mounts(layer, mounts, &table.items, table.fallback.as_ref(), 0);
    if mounts == Mounts::Inside {
        return match table.rewriting {
            None => Ok(BoxCloneSyncService::new(routes.layer(layer))),
            Some(_) => Err("served by the others".to_owned()),
        };
    }
    Ok(match table.rewriting {
        None => BoxCloneSyncService::new(layer.around(routes)),
        Some(Rewriting {
            place: Place::Around,
            slashes,
        }) => {
            let rewrite = rewriter(slashes);
            let inner = MapRequest::new(confirmed(routes), |request: axum::http::Request<_>| {
                undo(request.map(Body::new))
            });
            let secured = MapRequest::new(layer.layer(inner), move |mut request: Request| {
                let sent = UriAsSent(request.uri().clone());
                request.extensions_mut().insert(sent);
                rewrite(request)
            });
            BoxCloneSyncService::new(secured)
        }
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

/// The target before it was rewritten.
#[derive(Clone)]
struct UriAsSent(Uri);

/// Undoes what a middleware made of the target.
fn undo(mut request: Request) -> Request {
    if let Some(UriAsSent(uri)) = request.extensions_mut().remove() {
        *request.uri_mut() = uri;
    }
    request
}

/// A router that the security layer does not see itself, so that its routes are confirmed by a layer of its own.
fn confirmed(routes: Router) -> Router {
    routes.layer(confirm())
}

/// Says which mounts confirm themselves.
fn with_mounts(
    layer: SecurityLayer,
    mounts: Mounts,
    items: &[Item],
    fallback: Option<&Fallback>,
    depth: usize,
) -> SecurityLayer {
    match mounts {
        Mounts::Plain | Mounts::Inside => layer,
        Mounts::Confirmed => prefixes(items, fallback, "", depth)
            .into_iter()
            .fold(layer, SecurityLayer::confirmed_mount),
    }
}

/// Where routers are mounted as services that confirm themselves, as axum names the places.
fn prefixes(items: &[Item], fallback: Option<&Fallback>, outer: &str, depth: usize) -> Vec<String> {
    let mounts = items.iter().filter_map(|item| match item {
        Item::Mount(mount) => Some(mount),
        Item::Route(_) => None,
    });
    let beneath = mounts.flat_map(|mount| {
        let prefix = format!("{outer}{}", mount.prefix.write(Dialect::Axum, depth));
        let depth = depth + mount.prefix.0.len();
        match mount.kind {
            MountKind::Foreign if mount.prefix != Template::default() => Vec::new(),
            MountKind::Service if mount.prefix != Template::default() => vec![prefix],
            _ => prefixes(&mount.items, mount.fallback.as_ref(), &prefix, depth),
        }
    });
    let own = fallback.filter(|fallback| !fallback.items.is_empty());
    let own = own.map(|_| outer.to_owned());
    beneath.chain(own).collect()
}

fn router(
    mounts: Mounts,
    items: &[Item],
    fallback: Option<&Fallback>,
    depth: usize,
    log: &Arc<Log>,
) -> Result<Router, String> {
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
                let deeper = depth + mount.prefix.0.len();
                if mount.prefix.0.contains(&Segment::Prefixed) {
                    return Err("axum cuts no such prefix off".to_owned());
                }
                let prefix = mount.prefix.write(Dialect::Axum, depth);
                let inner = mount.fallback.as_ref();
                let inner = self::router(mounts, &mount.items, inner, deeper, log)?;
                match mount.kind {
                    _ if mount.prefix == Template::default() => router.merge(inner),
                    MountKind::Nest | MountKind::Outer => router.nest(&prefix, inner),
                    MountKind::Service if mounts == Mounts::Confirmed => {
                        router.nest_service(&prefix, confirmed(inner))
                    }
                    MountKind::Service | MountKind::Foreign => router.nest_service(&prefix, inner),
                }
            }
        };
    }
    let Some(fallback) = fallback else {
        return Ok(router);
    };
    if fallback.items.is_empty() {
        return Ok(router.fallback(handler(fallback.id, log)));
    }
    let inner = self::router(mounts, &fallback.items, None, depth, log)?;
    Ok(router.fallback_service(match mounts {
        Mounts::Confirmed => confirmed(inner),
        Mounts::Plain | Mounts::Inside => inner,
    }))
}

/// What all routes run.
fn handler(
    id: usize,
    log: &Arc<Log>,
) -> impl Fn(Request) -> Ready<[(&'static str, String); 1]> + Clone + use<> {
    let log = log.clone();
    move |request: Request| {
        log.ran(
            id,
            request.uri().path(),
            request.extensions().get::<Grant>(),
        );
        ready([(ROUTE, id.to_string())])
    }
}

fn method_router(route: &Route, log: &Arc<Log>) -> Result<MethodRouter, String> {
    let handler = handler(route.id, log);
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
        if let Some(uri) = with_path(request.uri(), &path) {
            *request.uri_mut() = uri;
        }
        request
    }
}

/// The target with another path; `None` if it has this one.
pub(super) fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    if path == uri.path() {
        return None;
    }
    let mut parts = uri.clone().into_parts();
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    parts.path_and_query = PathAndQuery::try_from(target).ok();
    Uri::from_parts(parts).ok()
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
