//! Tables on actix-web.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::{Method, Uri};
use actix_web::middleware::{NormalizePath, TrailingSlash};
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App as Application, Error, HttpMessage as _, HttpRequest, HttpResponse, Resource, guard};
use futures_util::FutureExt as _;
use palisade_actix::{Grant, Palisade, SecurityLayer};

use super::super::path::{HOST, Sent};
use super::super::table::{Item, Place, Rewriting, Route, Slashes, Style, Table};
use super::super::template::Dialect;
use super::{Answer, App, GUARD, Log, PEER, ROUTE, Unsendable};

/// What routes are registered with: actix-web's own configuration, or one that is used in its place.
trait Registrar {
    fn route(&mut self, path: &str, route: actix_web::Route);
    fn resource(&mut self, resource: Resource);
    fn scope(&mut self, path: &str, register: impl FnOnce(&mut Self));
}

impl Registrar for ServiceConfig {
    fn route(&mut self, path: &str, route: actix_web::Route) {
        self.route(path, route);
    }

    fn resource(&mut self, resource: Resource) {
        self.service(resource);
    }

    fn scope(&mut self, path: &str, register: impl FnOnce(&mut Self)) {
        self.service(web::scope(path).configure(register));
    }
}

pub(super) async fn app(table: &Table, palisade: &Palisade, log: &Arc<Log>) -> Result<App, String> {
    let layer = || SecurityLayer::new(palisade.clone());
    let mut wrong = Ok(());
    let app = Application::new().configure(|config| wrong = register(config, &table.items, 0, log));
    wrong?;
    Ok(match table.rewriting {
        None => caller(init_service(app.wrap(layer())).await, TestRequest::to_request),
        Some(Rewriting { place: Place::Outside, slashes }) => {
            let app = app.wrap(layer()).wrap(normalize(slashes));
            caller(init_service(app).await, TestRequest::to_request)
        }
        Some(Rewriting { place: Place::Inside, slashes }) => {
            let app = app.wrap(normalize(slashes)).wrap(layer());
            caller(init_service(app).await, TestRequest::to_request)
        }
        Some(Rewriting { place: Place::Between, slashes }) => {
            let app = app.wrap(layer()).wrap(normalize(slashes)).wrap(layer());
            caller(init_service(app).await, TestRequest::to_request)
        }
    })
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
        Slashes::MergeOnly => TrailingSlash::MergeOnly,
        Slashes::Always => TrailingSlash::Always,
    })
}

fn register(config: &mut impl Registrar, items: &[Item], depth: usize, log: &Arc<Log>) -> Result<(), String> {
    for item in items {
        match item {
            Item::Route(route) => register_route(config, route, depth, log)?,
            Item::Mount(mount) => {
                let path = mount.prefix.write(Dialect::Actix, depth);
                let mut wrong = Ok(());
                let depth = depth + mount.prefix.0.len();
                config.scope(&path, |config| {
                    wrong = register(config, &mount.items, depth, log);
                });
                wrong?;
            }
        }
    }
    Ok(())
}

fn register_route(config: &mut impl Registrar, route: &Route, depth: usize, log: &Arc<Log>) -> Result<(), String> {
    let path = route.template.write(Dialect::Actix, depth);
    let (id, log) = (route.id, log.clone());
    let handler = move |request: HttpRequest| {
        let log = log.clone();
        async move {
            log.ran(id, request.path(), request.extensions().get::<Grant>());
            HttpResponse::Ok().insert_header((ROUTE, id.to_string())).finish()
        }
    };
    let mut methods = Vec::new();
    for method in &route.methods {
        methods.push(Method::from_bytes(method.as_bytes()).map_err(|why| why.to_string())?);
    }
    if route.style == Style::Route {
        if methods.is_empty() {
            config.route(&path, web::route().to(handler.clone()));
        }
        for method in methods {
            config.route(&path, web::method(method).to(handler.clone()));
        }
        return Ok(());
    }
    let mut resource = web::resource(path);
    if methods.is_empty() {
        resource = resource.route(web::route().to(handler.clone()));
    }
    for method in methods {
        resource = resource.route(web::method(method).to(handler.clone()));
    }
    if route.style == Style::Guarded {
        resource = resource.guard(guard::Header(GUARD, "1"));
    }
    config.resource(resource);
    Ok(())
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
