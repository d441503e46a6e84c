//! The applications on axum.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request};
use axum::handler::Handler;
use axum::http::{HeaderMap, Method, StatusCode, Uri, request::Parts};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, options, post};
use axum::{Router, ServiceExt};
use palisade_example_axum as example;
use palisade_tower::{
    Claims, Grant, Granted, Palisade, Principal, SecurityLayer, ValidForm, ValidJson, ValidPath,
    ValidQuery, all_of, any_of, permission, require, role, scope,
};
use tower::Service;

use super::serve::Threads;
use super::{App, Fixture, Handled, Harness, Running};
use crate::inputs::{self, Contact, Measure, NewItem, Order, Param, Search};
use crate::probe::{ROUTES, SLOW, Said, Seen, TEAPOT, chunks};

/// `axum::serve`.
pub(super) struct Axum;

impl Harness for Axum {
    fn name(&self) -> &'static str {
        "axum"
    }

    fn start(&self, fixture: &Fixture) -> Result<Running, String> {
        start(fixture, |routes, palisade| {
            SecurityLayer::new(palisade).around(routes)
        })
    }
}

/// Starts a server; `wrap` puts the layer around the routes.
pub(crate) fn start<S: Server>(
    fixture: &Fixture,
    wrap: impl FnOnce(Router, Palisade) -> S,
) -> Result<Running, String> {
    let threads = Threads::new()?;
    if fixture.app == App::Demo {
        let demo = threads.demo(fixture)?;
        return threads.serve(|listener, stop| example::serve(listener, demo, stop));
    }
    let palisade = fixture.palisade()?;
    let routes = routes(fixture.handled.clone(), &palisade);
    match fixture.app {
        App::Unlayered => serve(threads, routes, true),
        other => serve(threads, wrap(routes, palisade), other != App::Peerless),
    }
}

/// What `axum::serve` can serve.
pub(crate) trait Server:
    Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S> Server for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static
{
}

pub(crate) fn serve(threads: Threads, app: impl Server, has_peer: bool) -> Result<Running, String> {
    threads.serve(async move |listener, stop| {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        if !has_peer {
            return axum::serve(listener, app.into_make_service())
                .with_graceful_shutdown(stop)
                .await;
        }
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, app)
            .with_graceful_shutdown(stop)
            .await
    })
}

/// The probe application without its layer.
fn routes(handled: Arc<Handled>, palisade: &Palisade) -> Router {
    let item = async |seen: Seen| seen.route("/items/{id}");
    let nested = Router::new()
        .route(
            "/{id}",
            get(async |seen: Seen| seen.route("/nest/inner/{id}")),
        )
        .layer(require(scope("nest:inner")));
    let layered = Router::new()
        .route(
            "/layered",
            get(async |seen: Seen| seen.route("/nest/layered")),
        )
        .layer(SecurityLayer::new(palisade.clone()));
    let nest = Router::new()
        .nest("/inner", nested)
        .merge(layered)
        .layer(require(scope("nest:outer")));
    let mut app = Router::new();
    for template in ROUTES {
        // The router compares paths as they are sent.
        let path = template.replace(' ', "%20");
        app = app.route(&path, get(async move |seen: Seen| seen.route(template)));
    }
    app.route(
        "/items",
        get(async |seen: Seen| seen.route("/items")).post(add.layer(require(scope("items:write")))),
    )
    .route("/items/{id}", get(item).put(item).delete(item))
    .route("/public", get(async |seen: Seen| seen.subject()))
    .route("/optional", get(async |seen: Seen| seen.subject()))
    .route(
        "/me",
        get(async |caller: Principal, seen: Seen| seen.caller(&caller)),
    )
    .route("/claims", get(claims))
    .route("/role", any(guarded.layer(require(role("admin")))))
    .route("/role/{*rest}", any(guarded.layer(require(role("admin")))))
    .route(
        "/permission",
        any(guarded.layer(require(permission("delete")))),
    )
    .route(
        "/anyof",
        any(guarded.layer(require(any_of([scope("a"), role("admin")])))),
    )
    .route(
        "/allof",
        any(guarded.layer(require(all_of([scope("a"), scope("b")])))),
    )
    .nest("/nest", nest)
    .route("/echo", any(echo))
    .route("/echo/{*rest}", any(echo))
    .route("/set", any(set))
    .route("/set/{*rest}", any(set))
    .route("/error", get(fails))
    .route("/mw-error/before", get(guarded.layer(from_fn(before))))
    .route("/mw-error/after", get(guarded.layer(from_fn(after))))
    .route("/panic", get(panics))
    .route("/panic-late", get(panics_late))
    .route("/slow", get(slow))
    .route("/stream", get(stream))
    .route("/upload", post(upload))
    .route(
        "/upload-ignore",
        post(async |seen: Seen| seen.route("/upload-ignore")),
    )
    .route("/nonce", get(async |seen: Seen| seen.page()))
    .route(
        "/granted",
        get(async |Granted(grant): Granted, seen: Seen| seen.granted(&grant)),
    )
    .route(
        "/json",
        post(async |seen: Seen, ValidJson(order): ValidJson<Order>| seen.json(&order)),
    )
    .route(
        "/form",
        post(async |seen: Seen, ValidForm(form): ValidForm<Contact>| seen.json(&form)),
    )
    .route(
        "/query",
        get(async |seen: Seen, ValidQuery(query): ValidQuery<Search>| seen.json(&query)),
    )
    .route(
        "/param/{id}",
        get(async |seen: Seen, ValidPath(path): ValidPath<Param>| seen.json(&path)),
    )
    .route(
        "/measure/{value}",
        get(async |seen: Seen, ValidPath(path): ValidPath<Measure>| seen.json(&path)),
    )
    .route(
        "/options",
        options(async |seen: Seen| seen.route("/options")),
    )
    .fallback(async |seen: Seen| seen.fallback())
    .layer(axum::Extension(handled))
}

async fn add(seen: Seen, ValidJson(item): ValidJson<NewItem>) -> Said {
    seen.json(&item)
}

async fn claims(seen: Seen, Claims(claims): Claims<inputs::Claims>) -> Said {
    seen.json(&claims)
}

async fn guarded(seen: Seen, uri: Uri) -> Said {
    seen.route(uri.path())
}

async fn set(seen: Seen, uri: Uri) -> Said {
    seen.set(uri.query())
}

async fn echo(seen: Seen, method: Method, uri: Uri, headers: HeaderMap) -> Said {
    let lines = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    seen.echo(method.as_str(), uri.path(), uri.query(), lines)
}

async fn fails(seen: Seen) -> Result<Said, (StatusCode, &'static str)> {
    seen.mark();
    Err((StatusCode::IM_A_TEAPOT, TEAPOT))
}

async fn before(_: Request, _: Next) -> Result<Response, (StatusCode, &'static str)> {
    Err((StatusCode::IM_A_TEAPOT, TEAPOT))
}

async fn after(request: Request, next: Next) -> Result<Response, (StatusCode, &'static str)> {
    next.run(request).await;
    Err((StatusCode::IM_A_TEAPOT, TEAPOT))
}

async fn panics(seen: Seen) {
    seen.mark();
    resume_unwind(Box::new("as it shall"));
}

async fn panics_late(seen: Seen) {
    tokio::task::yield_now().await;
    panics(seen).await
}

async fn slow(seen: Seen) -> Said {
    tokio::time::sleep(SLOW).await;
    seen.route("/slow")
}

async fn stream(seen: Seen) -> Response {
    seen.text("")
        .into_response()
        .map(|_| Body::from_stream(chunks()))
}

async fn upload(seen: Seen, body: Body) -> Said {
    seen.upload(to_bytes(body, usize::MAX).await)
}

impl<S: Sync> FromRequestParts<S> for Seen {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            handled: parts.extensions.get().cloned().unwrap_or_default(),
            grant: parts.extensions.get::<Grant>().cloned(),
        })
    }
}

impl IntoResponse for Said {
    fn into_response(self) -> Response {
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response
            .body(self.body.into())
            .unwrap_or_else(|_| StatusCode::BAD_REQUEST.into_response())
    }
}
