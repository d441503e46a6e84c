//! Tables on actix-web.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::uri::PathAndQuery;
use actix_web::http::{Method, Uri};
use actix_web::middleware::{NormalizePath, TrailingSlash};
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{self, ServiceConfig};
use actix_web::{
    App as Application, Error, HttpMessage as _, HttpRequest, HttpResponse, Resource, guard,
};
use futures_util::FutureExt as _;
use palisade_actix::{Grant, Palisade, Routes, SecurityLayer, routes};

use super::super::path::{HOST, Sent};
use super::super::table::{Fallback, Item, Place, Route, Slashes, Style, Table};
use super::super::template::Dialect;
use super::{Answer, App, GUARD, Log, PEER, ROUTE, Unsendable};
use crate::harness::Running;
use crate::harness::actix::serve;
use crate::harness::serve::Threads;

/// What routes are registered with: actix-web's own configuration, or one that is used in its place.
trait Registrar {
    fn route(&mut self, path: &str, route: actix_web::Route);
    fn resource(&mut self, paths: &[String], build: &dyn Fn(Resource) -> Resource);
    fn scope(&mut self, path: &str, register: &dyn Fn(&mut dyn Registrar));
    fn default_service(&mut self, route: actix_web::Route);
}

impl Registrar for ServiceConfig {
    fn route(&mut self, path: &str, route: actix_web::Route) {
        self.route(path, route);
    }

    fn resource(&mut self, paths: &[String], build: &dyn Fn(Resource) -> Resource) {
        self.service(build(web::resource(paths.to_vec())));
    }

    fn scope(&mut self, path: &str, register: &dyn Fn(&mut dyn Registrar)) {
        self.service(web::scope(path).configure(|config| register(config)));
    }

    fn default_service(&mut self, route: actix_web::Route) {
        self.default_service(route);
    }
}

impl Registrar for Routes<'_> {
    fn route(&mut self, path: &str, route: actix_web::Route) {
        self.route(path, route);
    }

    fn resource(&mut self, paths: &[String], build: &dyn Fn(Resource) -> Resource) {
        match paths {
            [path] => self.resource(path, build),
            // A resource of several paths says its first one, whichever it was taken by.
            paths => self.service(build(web::resource(paths.to_vec()))),
        };
    }

    fn scope(&mut self, path: &str, register: &dyn Fn(&mut dyn Registrar)) {
        self.scope(path, |routes| register(routes));
    }

    fn default_service(&mut self, route: actix_web::Route) {
        self.default_service(route);
    }
}

/// Makes a factory of the application in its layers, whose type each place of a middleware changes.
macro_rules! in_layers {
    ($table:expr, $palisade:expr, $log:expr, $confirm:expr, $make:ident => $then:expr) => {{
        let (table, palisade, log) = ($table.clone(), $palisade.clone(), $log.clone());
        let confirm = $confirm;
        let layer = move || SecurityLayer::new(palisade.clone());
        let slashes = table
            .rewriting
            .map_or(Slashes::Trim, |rewriting| rewriting.slashes);
        match table.rewriting.map(|rewriting| rewriting.place) {
            None => {
                let $make = move || application(&table, &log, confirm).wrap(layer());
                $then
            }
            Some(Place::Outside) => {
                let $make = move || {
                    application(&table, &log, confirm)
                        .wrap(layer())
                        .wrap(normalize(slashes))
                };
                $then
            }
            Some(Place::Inside) => {
                let $make = move || {
                    application(&table, &log, confirm)
                        .wrap(normalize(slashes))
                        .wrap(layer())
                };
                $then
            }
            Some(Place::Around) => {
                let $make = move || {
                    application(&table, &log, confirm)
                        .wrap_fn(|mut request, next| {
                            let sent = request.extensions_mut().remove::<UriAsSent>();
                            if let Some(UriAsSent(uri)) = sent {
                                set_target(&mut request, uri);
                            }
                            next.call(request)
                        })
                        .wrap(layer())
                        .wrap_fn(move |mut request, next| {
                            let uri = request.uri().clone();
                            let path = slashes.rewrite(uri.path());
                            if let Some(rewritten) = with_path(&uri, path) {
                                set_target(&mut request, rewritten);
                            }
                            request.extensions_mut().insert(UriAsSent(uri));
                            next.call(request)
                        })
                };
                $then
            }
            Some(Place::Between) => {
                let $make = move || {
                    application(&table, &log, confirm)
                        .wrap(layer())
                        .wrap(normalize(slashes))
                        .wrap(layer())
                };
                $then
            }
        }
    }};
}

pub(super) async fn app(
    table: &Table,
    palisade: &Palisade,
    log: &Arc<Log>,
    confirm: bool,
) -> Result<App, String> {
    Ok(
        in_layers!(table, palisade, log, confirm, make => caller(init_service(make()).await, TestRequest::to_request)),
    )
}

/// The same application behind a socket.
pub(super) fn start(
    table: &Table,
    palisade: &Palisade,
    log: &Arc<Log>,
    confirm: bool,
) -> Result<Running, String> {
    let threads = Threads::new()?;
    in_layers!(table, palisade, log, confirm, make => threads.serve(move |listener, stop| serve(listener, stop, make)))
}

fn application(
    table: &Table,
    log: &Arc<Log>,
    confirm: bool,
) -> Application<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    // Two configurations, as applications have that consist of parts.
    let (one, other) = table.items.split_at(table.items.len() / 2);
    let part = |items, fallback| {
        move |config: &mut ServiceConfig| match confirm {
            true => routes(|routes| register(routes, items, fallback, 0, log))(config),
            false => register(config, items, fallback, 0, log),
        }
    };
    Application::new()
        .configure(part(one, table.fallback.as_ref()))
        .configure(part(other, None))
}

/// The target before it was rewritten.
#[derive(Clone)]
struct UriAsSent(Uri);

/// The target with another path.
fn with_path(uri: &Uri, path: String) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    parts.path_and_query = PathAndQuery::try_from(target).ok();
    Uri::from_parts(parts).ok()
}

/// As `NormalizePath` does it.
fn set_target(request: &mut ServiceRequest, uri: Uri) {
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
}

/// `make` names the type of requests, which actix-web does not export.
fn caller<S, B, R>(service: S, make: fn(TestRequest) -> R) -> App
where
    S: Service<R, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
    R: 'static,
{
    let service = Rc::new(service);
    Box::new(move |sent| {
        let request = request(sent).ok_or(Unsendable)?;
        let service = service.clone();
        Ok(async move {
            match service.call(make(request)).await {
                Ok(response) => answer_of(response.response()),
                Err(error) => answer_of(&error.error_response()),
            }
        }
        .boxed_local())
    })
}

fn normalize(slashes: Slashes) -> NormalizePath {
    NormalizePath::new(match slashes {
        Slashes::Trim => TrailingSlash::Trim,
        Slashes::MergeOnly | Slashes::Decode => TrailingSlash::MergeOnly,
        Slashes::Always => TrailingSlash::Always,
    })
}

fn register(
    config: &mut dyn Registrar,
    items: &[Item],
    fallback: Option<&Fallback>,
    depth: usize,
    log: &Arc<Log>,
) {
    for item in items {
        match item {
            Item::Route(route) => register_route(config, route, depth, log),
            Item::Mount(mount) => {
                let path = mount.prefix.write(Dialect::Actix, depth);
                let depth = depth + mount.prefix.0.len();
                let fallback = mount.fallback.as_ref();
                config.scope(&path, &|config| {
                    register(config, &mount.items, fallback, depth, log);
                });
            }
        }
    }
    if let Some(fallback) = fallback {
        config.default_service(web::to(handler(fallback.id, log)));
    }
}

/// What all routes run.
fn handler(
    id: usize,
    log: &Arc<Log>,
) -> impl Fn(HttpRequest) -> Ready<HttpResponse> + Clone + use<> {
    let log = log.clone();
    move |request: HttpRequest| {
        log.ran(id, request.path(), request.extensions().get::<Grant>());
        ready(
            HttpResponse::Ok()
                .insert_header((ROUTE, id.to_string()))
                .finish(),
        )
    }
}

fn register_route(config: &mut dyn Registrar, route: &Route, depth: usize, log: &Arc<Log>) {
    let paths: Vec<String> = route
        .templates()
        .map(|template| template.write(Dialect::Actix, depth))
        .collect();
    let handler = handler(route.id, log);
    let methods = route
        .methods
        .iter()
        .filter_map(|name| Method::from_bytes(name.as_bytes()).ok());
    let methods: Vec<Method> = methods.collect();
    if route.style == Style::Route {
        for path in &paths {
            if methods.is_empty() {
                config.route(path, web::route().to(handler.clone()));
            }
            for method in &methods {
                config.route(path, web::method(method.clone()).to(handler.clone()));
            }
        }
        return;
    }
    config.resource(&paths, &|mut resource| {
        if methods.is_empty() {
            resource = resource.route(web::route().to(handler.clone()));
        }
        for method in &methods {
            resource = resource.route(web::method(method.clone()).to(handler.clone()));
        }
        match route.style {
            Style::Guarded => resource.guard(guard::Header(GUARD, "1")),
            Style::Route | Style::Resource => resource,
        }
    });
}

fn request(sent: &Sent) -> Option<TestRequest> {
    // The parser is that of actix-web's server.
    Uri::try_from(sent.target.as_bytes()).ok()?;
    let method = Method::from_bytes(sent.method.as_bytes()).ok()?;
    let mut request = TestRequest::with_uri(&sent.target)
        .method(method)
        .insert_header(("host", HOST))
        .peer_addr(PEER);
    if let Some(key) = sent.caller.key() {
        request = request.insert_header(("x-api-key", key));
    }
    if sent.guard {
        request = request.insert_header((GUARD, "1"));
    }
    Some(request)
}

fn answer_of<B>(response: &HttpResponse<B>) -> Answer {
    let route = response.headers().get(ROUTE);
    Answer {
        status: response.status().as_u16(),
        route: route.and_then(|id| id.to_str().ok()?.parse().ok()),
    }
}
