//! The applications on poem.

use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;

use palisade_example_poem as example;
use palisade_poem::{
    Claims, Grant, Granted, Palisade, Principal, Route, SecurityLayer, ValidForm, ValidJson,
    ValidPath, ValidQuery, all_of, any_of, permission, require, role, scope,
};
use poem::endpoint::{BoxEndpoint, make};
use poem::error::NotFoundError;
use poem::http::StatusCode;
use poem::listener::TcpAcceptor;
use poem::{
    Body, Endpoint, EndpointExt, Error, FromRequest, IntoResponse, Request, RequestBody, Response,
    Result, Server, get, handler, options, post,
};

use super::serve::Threads;
use super::{App as Apps, Fixture, Handled, Harness, Running};
use crate::inputs::{self, Contact, Measure, NewItem, Order, Param, Search};
use crate::probe::{ROUTES, SLOW, Said, Seen, TEAPOT, chunks};

/// poem's `Server`.
pub(super) struct Poem;

impl Harness for Poem {
    fn name(&self) -> &'static str {
        "poem"
    }

    fn start(&self, fixture: &Fixture) -> Result<Running, String> {
        start(fixture, |routes, palisade| {
            routes.with(SecurityLayer::new(palisade)).boxed()
        })
    }
}

/// What is served.
pub(crate) type App = BoxEndpoint<'static, Response>;

/// Starts a server; `wrap` puts the layer around the routes.
pub(crate) fn start(
    fixture: &Fixture,
    wrap: impl FnOnce(App, Palisade) -> App,
) -> Result<Running, String> {
    let threads = Threads::new()?;
    if fixture.app == Apps::Demo {
        let demo = threads.demo(fixture)?;
        return threads.serve(|listener, stop| example::serve(listener, demo, stop));
    }
    let palisade = fixture.palisade()?;
    let routes = routes(fixture.handled.clone(), &palisade);
    let app = match fixture.app {
        Apps::Unlayered => routes,
        _ => wrap(routes, palisade),
    };
    threads.serve(async move |listener, stop| -> io::Result<()> {
        let server = Server::new_with_acceptor(TcpAcceptor::from_std(listener)?);
        server.run_with_graceful_shutdown(app, stop, None).await
    })
}

/// The probe application without its layer.
fn routes(handled: Arc<Handled>, palisade: &Palisade) -> App {
    let nested = Route::new()
        .at("/:id", get(says("/nest/inner/{id}")))
        .with(require(scope("nest:inner")));
    let nest = Route::new()
        .nest("/inner", nested)
        .at(
            "/layered",
            get(says("/nest/layered")).with(SecurityLayer::new(palisade.clone())),
        )
        .with(require(scope("nest:outer")));
    let mut app = Route::new();
    for template in ROUTES {
        // The router compares paths as they are sent, and marks parameters in its own way.
        let path = template
            .replace(' ', "%20")
            .replace("{*", "*")
            .replace('{', ":")
            .replace('}', "");
        app = app.at(path, get(says(template)));
    }
    let item = || says("/items/{id}");
    app.at(
        "/items",
        get(says("/items")).post(add.with(require(scope("items:write")))),
    )
    .at("/items/:id", get(item()).put(item()).delete(item()))
    .at("/public", get(subject))
    .at("/optional", get(subject))
    .at("/me", get(me))
    .at("/claims", get(claims))
    .at("/role", guarded.with(require(role("admin"))))
    .at("/role/*rest", guarded.with(require(role("admin"))))
    .at("/permission", guarded.with(require(permission("delete"))))
    .at(
        "/anyof",
        guarded.with(require(any_of([scope("a"), role("admin")]))),
    )
    .at(
        "/allof",
        guarded.with(require(all_of([scope("a"), scope("b")]))),
    )
    .nest("/nest", nest)
    .at("/echo", echo)
    .at("/echo/*rest", echo)
    .at("/set", set)
    .at("/set/*rest", set)
    .at("/error", get(fails))
    .at(
        "/mw-error/before",
        get(guarded.around(async |_, _| Err::<Response, _>(teapot()))),
    )
    .at(
        "/mw-error/after",
        get(guarded.around(async |handler, request| {
            handler.call(request).await?;
            Err::<Response, _>(teapot())
        })),
    )
    .at("/panic", get(panics))
    .at("/panic-late", get(panics_late))
    .at("/slow", get(slow))
    .at("/stream", get(stream))
    .at("/upload", post(upload))
    .at("/upload-ignore", post(says("/upload-ignore")))
    .at("/nonce", get(page))
    .at("/granted", get(granted))
    .at("/json", post(json))
    .at("/form", post(form))
    .at("/query", get(query))
    .at("/param/:id", get(param))
    .at("/measure/:value", get(measure))
    .at("/options", options(says("/options")))
    .around(fallback)
    .data(handled)
    .map_to_response()
    .boxed()
}

/// Answers with the template of its route.
fn says(template: &'static str) -> impl Endpoint<Output = Response> + 'static {
    let say = async move |request: Request| Ok::<_, Error>(seen(&request).route(template));
    make(say).map_to_response()
}

async fn fallback<E: Endpoint>(routes: Arc<E>, request: Request) -> Result<Response> {
    let seen = seen(&request);
    match routes.call(request).await {
        Err(error) if error.is::<NotFoundError>() => Ok(seen.fallback().into_response()),
        response => response.map(IntoResponse::into_response),
    }
}

#[handler]
fn add(seen: Seen, ValidJson(item): ValidJson<NewItem>) -> Said {
    seen.json(&item)
}

#[handler]
fn subject(seen: Seen) -> Said {
    seen.subject()
}

#[handler]
fn me(caller: Principal, seen: Seen) -> Said {
    seen.caller(&caller)
}

#[handler]
fn claims(seen: Seen, Claims(claims): Claims<inputs::Claims>) -> Said {
    seen.json(&claims)
}

#[handler]
fn guarded(seen: Seen, request: &Request) -> Said {
    seen.route(request.uri().path())
}

#[handler]
fn echo(seen: Seen, request: &Request) -> Said {
    let (method, uri) = (request.method().as_str(), request.uri());
    let lines = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    seen.echo(method, uri.path(), uri.query(), lines)
}

#[handler]
fn set(seen: Seen, request: &Request) -> Said {
    seen.set(request.uri().query())
}

#[handler]
fn fails(seen: Seen) -> Result<Said> {
    seen.mark();
    Err(teapot())
}

fn teapot() -> Error {
    let response = Response::builder().status(StatusCode::IM_A_TEAPOT);
    Error::from_response(
        response
            .content_type("text/plain; charset=utf-8")
            .body(TEAPOT),
    )
}

#[handler]
async fn panics(seen: Seen) {
    seen.mark();
    resume_unwind(Box::new("as it shall"));
}

#[handler]
async fn panics_late(seen: Seen) {
    tokio::task::yield_now().await;
    seen.mark();
    resume_unwind(Box::new("as it shall"));
}

#[handler]
async fn slow(seen: Seen) -> Said {
    tokio::time::sleep(SLOW).await;
    seen.route("/slow")
}

#[handler]
fn stream(seen: Seen) -> impl IntoResponse {
    let mut response = seen.text("").into_response();
    response.set_body(Body::from_bytes_stream(chunks()));
    response
}

#[handler]
async fn upload(seen: Seen, body: Body) -> Said {
    seen.upload(body.into_bytes().await)
}

#[handler]
fn page(seen: Seen) -> Said {
    seen.page()
}

#[handler]
fn granted(seen: Seen, Granted(grant): Granted) -> Said {
    seen.granted(&grant)
}

#[handler]
fn json(seen: Seen, ValidJson(order): ValidJson<Order>) -> Said {
    seen.json(&order)
}

#[handler]
fn form(seen: Seen, ValidForm(contact): ValidForm<Contact>) -> Said {
    seen.json(&contact)
}

#[handler]
fn query(seen: Seen, ValidQuery(search): ValidQuery<Search>) -> Said {
    seen.json(&search)
}

#[handler]
fn param(seen: Seen, ValidPath(param): ValidPath<Param>) -> Said {
    seen.json(&param)
}

#[handler]
fn measure(seen: Seen, ValidPath(value): ValidPath<Measure>) -> Said {
    seen.json(&value)
}

fn seen(request: &Request) -> Seen {
    Seen {
        handled: request.data::<Arc<Handled>>().cloned().unwrap_or_default(),
        grant: request.extensions().get::<Grant>().cloned(),
    }
}

impl<'a> FromRequest<'a> for Seen {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(seen(request))
    }
}

impl IntoResponse for Said {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or_default();
        let mut response = Response::builder().status(status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(self.body)
    }
}
