//! What was judged is what runs: the route that was taken, compared with the rule that was applied.

mod map;

pub(crate) use map::unconfirmed;

use crate::require::GuardFuture;
use actix_web::{
    Error, HttpMessage, HttpRequest, Resource, Route, Scope,
    body::{EitherBody, MessageBody},
    dev::{
        HttpServiceFactory, Service, ServiceFactory, ServiceRequest, ServiceResponse, Transform,
        forward_ready,
    },
    web::{self, ServiceConfig},
};
use palisade_core::{Grant, Reply, TakenRoute, TemplateSyntax};
use std::{
    any::type_name,
    future::{Ready, ready},
    sync::Once,
};

/// Registers routes, each of which confirms before it runs that the rule that was applied is its own.
///
/// actix-web leaves a route whose guard fails, as `web::get()` does for a `DELETE`, and takes the next one that matches
/// the path, whatever is most specific; and it tells outside of its routing only afterwards which one it took. So the
/// security layer refuses a request, with 500, that could reach a route under another rule. For routes that are
/// registered here it need not: if they are reached, they know.
///
/// ```
/// use actix_web::{App, web};
/// use palisade_actix::routes;
///
/// async fn list() -> &'static str { "items" }
/// async fn one() -> &'static str { "item" }
///
/// let app = App::new().configure(routes(|routes| {
///     routes.route("/items", web::get().to(list));
///     routes.scope("/items", |routes| {
///         routes.resource("/{id}", |resource| resource.route(web::get().to(one)));
///     });
/// }));
/// ```
///
/// An application may call it several times, as one that consists of parts does, also for its scopes.
pub fn routes(add: impl FnOnce(&mut Routes<'_>)) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        let mut confirmed = Vec::new();
        add(&mut Routes {
            config,
            prefix: String::new(),
            confirmed: &mut confirmed,
        });
        for template in confirmed {
            // The only thing that a part of an application can leave for the whole, however many parts there are.
            config.external_resource(map::mark(&template), map::MARKED);
        }
    }
}

/// Where [`routes`] registers.
pub struct Routes<'a> {
    config: &'a mut ServiceConfig,
    prefix: String,
    confirmed: &'a mut Vec<String>,
}

impl Routes<'_> {
    /// Adds a route, as `App::route` does.
    pub fn route(&mut self, path: &str, route: Route) -> &mut Self {
        self.note(path);
        self.config.route(path, route.wrap(Confirm::ROUTE));
        self
    }

    /// Adds a resource, as `App::service(web::resource(path))` does; `build` gives it its routes.
    pub fn resource<T, B>(
        &mut self,
        path: &str,
        build: impl FnOnce(Resource) -> Resource<T>,
    ) -> &mut Self
    where
        T: ServiceFactory<
                ServiceRequest,
                Config = (),
                Response = ServiceResponse<B>,
                Error = Error,
                InitError = (),
            > + 'static,
        B: MessageBody + 'static,
    {
        self.note(path);
        let resource = build(web::resource(path)).wrap(Confirm::ROUTE);
        self.config.service(resource);
        self
    }

    /// Adds the routes beneath a path, as `App::service(web::scope(path))` does.
    pub fn scope(&mut self, path: &str, add: impl FnOnce(&mut Routes<'_>)) -> &mut Self {
        self.scope_with(path, |scope| scope, add)
    }

    /// Adds the routes beneath a path; `build` gives the scope its guards, middleware and data.
    pub fn scope_with<T, B>(
        &mut self,
        path: &str,
        build: impl FnOnce(Scope) -> Scope<T>,
        add: impl FnOnce(&mut Routes<'_>),
    ) -> &mut Self
    where
        T: ServiceFactory<
                ServiceRequest,
                Config = (),
                Response = ServiceResponse<B>,
                Error = Error,
                InitError = (),
            > + 'static,
        B: MessageBody + 'static,
    {
        let prefix = self.full(path);
        let confirmed = &mut *self.confirmed;
        let scope = build(web::scope(path)).configure(|config| {
            add(&mut Routes {
                config,
                prefix,
                confirmed,
            });
        });
        self.config.service(scope);
        self
    }

    /// Adds something that registers itself, such as a handler with `#[get("/…")]` or a folder of files. It is not
    /// confirmed: what could reach it under another rule is refused.
    pub fn service(&mut self, factory: impl HttpServiceFactory + 'static) -> &mut Self {
        self.config.service(factory);
        self
    }

    /// Adds what answers where no route does, as `App::default_service` does. It goes by the path, which must still be the
    /// one that was judged.
    pub fn default_service(&mut self, route: Route) -> &mut Self {
        self.config.default_service(route.wrap(Confirm::BY_PATH));
        self
    }

    /// For what is no route, such as data.
    pub fn config(&mut self) -> &mut ServiceConfig {
        self.config
    }

    fn note(&mut self, path: &str) {
        self.confirmed.push(self.full(path));
    }

    fn full(&self, path: &str) -> String {
        let slash = match path.is_empty() || path.starts_with('/') {
            true => "",
            false => "/",
        };
        format!("{}{slash}{path}", self.prefix)
    }
}

impl std::fmt::Debug for Routes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes")
            .field("confirmed", &self.confirmed)
            .finish_non_exhaustive()
    }
}

/// The middleware that [`routes`] puts on each route.
#[derive(Debug, Clone, Copy)]
pub struct Confirm {
    has_template: bool,
}

impl Confirm {
    const ROUTE: Self = Self { has_template: true };
    const BY_PATH: Self = Self {
        has_template: false,
    };
}

impl<S, B> Transform<S, ServiceRequest> for Confirm
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Confirmed<S>;
    type InitError = ();
    type Future = Ready<Result<Confirmed<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Confirmed {
            inner,
            confirm: *self,
        }))
    }
}

/// A route that runs only under its own rule.
#[derive(Debug)]
pub struct Confirmed<S> {
    inner: S,
    confirm: Confirm,
}

impl<S, B> Service<ServiceRequest> for Confirmed<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = GuardFuture<S::Future>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        // Without a layer, no rule was applied that could be the wrong one.
        let grant = request.extensions().get::<Grant>().cloned();
        let confirmed = grant.map(|grant| match self.confirm.has_template {
            true => confirm_route(&grant, request.request()),
            false => confirm_target(&grant, request.request()),
        });
        match confirmed {
            Some(Err(reply)) => GuardFuture::refused(request, reply),
            _ => GuardFuture::running(self.inner.call(request)),
        }
    }
}

/// Says at the start that the path will be rewritten between the layer and the routes. Middleware that boxes what it
/// holds, or that does the same under another name, is found out by the first answer that is withheld.
pub(crate) fn warn_of_rewriting<S>() {
    static WARN: Once = Once::new();
    if rewrites::<S>() {
        WARN.call_once(|| {
            tracing::warn!(
                target: "palisade",
                "NormalizePath stands inside of the security layer: where it rewrites a path, the answer is \
                 withheld, and a default_service that was not registered with palisade_actix::routes has run \
                 by then. Wrap the application in NormalizePath after the layer, so that it stands outside"
            );
        });
    }
}

/// Whether actix-web's `NormalizePath` is in an application.
fn rewrites<S>() -> bool {
    type_name::<S>().contains("actix_web::middleware::normalize::")
}

/// Compares what the router says of a request with what was judged.
fn confirm_route(grant: &Grant, request: &HttpRequest) -> Result<(), Reply> {
    confirm(grant, request, request.match_pattern().as_deref())
}

/// Compares what is left of a request with what was judged, when it is not known which route was taken.
pub(crate) fn confirm_target(grant: &Grant, request: &HttpRequest) -> Result<(), Reply> {
    confirm(grant, request, None)
}

fn confirm(grant: &Grant, request: &HttpRequest, template: Option<&str>) -> Result<(), Reply> {
    grant.confirm(&TakenRoute {
        method: request.method().as_str().as_bytes(),
        path: request.uri().path().as_bytes(),
        template,
        syntax: TemplateSyntax::Actix,
        opaque: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::{App, middleware::NormalizePath, test::init_service};
    use std::{cell::Cell, rc::Rc};

    /// Stands where the layer does, and notes what the type of the application says.
    struct Probe(Rc<Cell<bool>>);

    impl<S: Service<ServiceRequest>> Transform<S, ServiceRequest> for Probe {
        type Response = S::Response;
        type Error = S::Error;
        type Transform = S;
        type InitError = ();
        type Future = Ready<Result<S, ()>>;

        fn new_transform(&self, inner: S) -> Self::Future {
            self.0.set(rewrites::<S>());
            ready(Ok(inner))
        }
    }

    #[actix_web::test]
    async fn what_rewrites_paths_is_seen_inside_and_not_outside() {
        let seen = Rc::new(Cell::new(false));
        let inside = App::new().wrap(NormalizePath::trim());
        let inside = inside.wrap_fn(|request, next| next.call(request));
        let _ = init_service(inside.wrap(Probe(seen.clone()))).await;
        assert!(seen.get());
        let outside = App::new().wrap(Probe(seen.clone()));
        let _ = init_service(outside.wrap(NormalizePath::trim())).await;
        assert!(!seen.get());
    }
}
