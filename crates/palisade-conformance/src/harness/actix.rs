//! The applications on actix-web.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::net::TcpListener;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::error::ErrorImATeapot;
use actix_web::http::StatusCode;
use actix_web::middleware::{Condition, Next, from_fn};
use actix_web::web::{self, Bytes, Data, post, route};
use actix_web::{
    App as Application, Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, HttpServer,
    Responder, Route, guard,
};
use palisade_actix::{
    Claims, Grant, Granted, Palisade, Principal, Routes, SecurityLayer, ValidForm, ValidJson,
    ValidPath, ValidQuery, all_of, any_of, permission, require, role, routes, scope,
};
use palisade_example_actix as example;

use super::serve::{Stop, Threads};
use super::{App, Fixture, Handled, Harness, Running};
use crate::inputs::{self, Contact, Measure, NewItem, Order, Param, Search};
use crate::probe::{ROUTES, SLOW, Said, Seen, TEAPOT, chunks};

/// How long a connection may rest: longer than a case waits for its end.
const REST: Duration = Duration::from_secs(3600);

/// `HttpServer` with two workers.
pub(super) struct Actix;

impl Harness for Actix {
    fn name(&self) -> &'static str {
        "actix"
    }

    fn start(&self, fixture: &Fixture) -> Result<Running, String> {
        let threads = Threads::new()?;
        if fixture.app == App::Demo {
            let demo = threads.demo(fixture)?;
            return threads.serve(|listener, stop| example::serve(listener, demo, stop));
        }
        let (palisade, handled) = (fixture.palisade()?, fixture.handled.clone());
        let has_layer = fixture.app != App::Unlayered;
        threads.serve(move |listener, stop| {
            serve(listener, stop, move || {
                app(handled.clone(), palisade.clone(), has_layer)
            })
        })
    }
}

pub(crate) async fn serve<F, T, B>(listener: TcpListener, stop: Stop, app: F) -> io::Result<()>
where
    F: Fn() -> Application<T> + Send + Clone + 'static,
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    HttpServer::new(app)
        .workers(2)
        // Neither a request that comes late nor a connection that rests is cut off: a machine may be slow.
        .client_request_timeout(Duration::ZERO)
        .keep_alive(REST)
        .shutdown_signal(stop)
        .shutdown_timeout(1)
        .listen(listener)?
        .run()
        .await
}

/// The probe application.
pub(crate) fn app(
    handled: Arc<Handled>,
    palisade: Palisade,
    has_layer: bool,
) -> Application<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let layer = SecurityLayer::new(palisade);
    Application::new()
        .app_data(Data::from(handled))
        .configure(routes(|app| add_routes(app, &layer)))
        .default_service(route().to(async |seen: Seen| seen.fallback()))
        .wrap(Condition::new(has_layer, layer))
}

fn add_routes(app: &mut Routes<'_>, layer: &SecurityLayer) {
    for template in ROUTES {
        // A wildcard is a parameter with a pattern here.
        let path = template
            .replace("{*path}", "{path:.*}")
            .replace("{*rest}", "{rest:.*}");
        app.route(
            &path,
            get().to(async move |seen: Seen| seen.route(template)),
        );
    }
    app.resource("/items", |items| {
        items
            .route(get().to(async |seen: Seen| seen.route("/items")))
            .route(post().to(add).wrap(require(scope("items:write"))))
    })
    .resource("/items/{id}", |items| {
        items
            .route(get().to(item))
            .route(web::put().to(item))
            .route(web::delete().to(item))
    })
    .route("/public", get().to(async |seen: Seen| seen.subject()))
    .route("/optional", get().to(async |seen: Seen| seen.subject()))
    .route(
        "/me",
        get().to(async |caller: Principal, seen: Seen| seen.caller(&caller)),
    )
    .route("/claims", get().to(claims))
    .route("/role", route().to(guarded).wrap(require(role("admin"))))
    .route(
        "/role/{rest:.*}",
        route().to(guarded).wrap(require(role("admin"))),
    )
    .route(
        "/permission",
        route().to(guarded).wrap(require(permission("delete"))),
    )
    .route(
        "/anyof",
        route()
            .to(guarded)
            .wrap(require(any_of([scope("a"), role("admin")]))),
    )
    .route(
        "/allof",
        route()
            .to(guarded)
            .wrap(require(all_of([scope("a"), scope("b")]))),
    )
    .scope_with(
        "/nest",
        |nest| nest.wrap(require(scope("nest:outer"))),
        |nest| {
            nest.scope_with(
                "/inner",
                |inner| inner.wrap(require(scope("nest:inner"))),
                |inner| {
                    inner.route(
                        "/{id}",
                        get().to(async |seen: Seen| seen.route("/nest/inner/{id}")),
                    );
                },
            )
            .resource("/layered", |layered| {
                layered
                    .route(get().to(async |seen: Seen| seen.route("/nest/layered")))
                    .wrap(layer.clone())
            });
        },
    )
    .route("/echo", route().to(echo))
    .route("/echo/{rest:.+}", route().to(echo))
    .route("/set", route().to(set))
    .route("/set/{rest:.+}", route().to(set))
    .route("/error", get().to(fails))
    .route("/mw-error/before", get().to(guarded).wrap(from_fn(before)))
    .route("/mw-error/after", get().to(guarded).wrap(from_fn(after)))
    .route("/panic", get().to(panics))
    .route("/panic-late", get().to(panics_late))
    .route("/slow", get().to(slow))
    .route("/stream", get().to(stream))
    .route("/upload", post().to(upload))
    .route(
        "/upload-ignore",
        post().to(async |seen: Seen| seen.route("/upload-ignore")),
    )
    .route("/nonce", get().to(async |seen: Seen| seen.page()))
    .route(
        "/granted",
        get().to(async |Granted(grant): Granted, seen: Seen| seen.granted(&grant)),
    )
    .route(
        "/json",
        post().to(async |seen: Seen, ValidJson(order): ValidJson<Order>| seen.json(&order)),
    )
    .route(
        "/form",
        post().to(async |seen: Seen, ValidForm(form): ValidForm<Contact>| seen.json(&form)),
    )
    .route(
        "/query",
        get().to(async |seen: Seen, ValidQuery(query): ValidQuery<Search>| seen.json(&query)),
    )
    .route(
        "/param/{id}",
        get().to(async |seen: Seen, ValidPath(path): ValidPath<Param>| seen.json(&path)),
    )
    .route(
        "/measure/{value}",
        get().to(async |seen: Seen, ValidPath(path): ValidPath<Measure>| seen.json(&path)),
    )
    .route(
        "/options",
        route()
            .guard(guard::Options())
            .to(async |seen: Seen| seen.route("/options")),
    );
}

/// GET and HEAD; actix-web's own `get()` leaves HEAD out.
fn get() -> Route {
    route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn add(seen: Seen, ValidJson(item): ValidJson<NewItem>) -> Said {
    seen.json(&item)
}

async fn item(seen: Seen) -> Said {
    seen.route("/items/{id}")
}

async fn claims(seen: Seen, Claims(claims): Claims<inputs::Claims>) -> Said {
    seen.json(&claims)
}

async fn guarded(seen: Seen, request: HttpRequest) -> Said {
    seen.route(request.path())
}

async fn set(seen: Seen, request: HttpRequest) -> Said {
    seen.set(request.uri().query())
}

async fn echo(seen: Seen, request: HttpRequest) -> Said {
    let lines = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    seen.echo(
        request.method().as_str(),
        request.path(),
        request.uri().query(),
        lines,
    )
}

async fn fails(seen: Seen) -> Result<Said, Error> {
    seen.mark();
    Err(ErrorImATeapot(TEAPOT))
}

async fn before(_: ServiceRequest, _: Next<BoxBody>) -> Result<ServiceResponse, Error> {
    Err(ErrorImATeapot(TEAPOT))
}

async fn after(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse, Error> {
    next.call(request).await?;
    Err(ErrorImATeapot(TEAPOT))
}

async fn panics(seen: Seen) -> Said {
    seen.mark();
    resume_unwind(Box::new("as it shall"));
}

async fn panics_late(seen: Seen) -> Said {
    tokio::task::yield_now().await;
    panics(seen).await
}

async fn slow(seen: Seen) -> Said {
    tokio::time::sleep(SLOW).await;
    seen.route("/slow")
}

async fn stream(seen: Seen, request: HttpRequest) -> HttpResponse {
    let empty = seen.text("").respond_to(&request);
    empty.set_body(BoxBody::new(actix_web::body::BodyStream::new(chunks())))
}

async fn upload(seen: Seen, payload: web::Payload) -> Said {
    seen.upload(payload.to_bytes_limited(usize::MAX).await.map_or_else(
        |_| Err("too long"),
        |body: Result<Bytes, _>| body.map_err(|_| "unreadable"),
    ))
}

impl FromRequest for Seen {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let handled = request.app_data::<Data<Handled>>().cloned();
        ready(Ok(Self {
            handled: handled.map(Data::into_inner).unwrap_or_default(),
            grant: request.extensions().get::<Grant>().cloned(),
        }))
    }
}

impl Responder for Said {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or_default();
        let mut response = HttpResponse::build(status);
        for line in self.headers {
            response.append_header(line);
        }
        response.body(self.body)
    }
}
