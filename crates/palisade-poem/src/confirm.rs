//! What was judged is what runs: the route that was taken, compared with the rule that was applied.

use crate::reply::into_response;
use palisade_core::{Grant, TakenRoute, TemplateSyntax};
use poem::{
    Endpoint, IntoEndpoint, IntoResponse, PathPattern, Request, Response, Result,
    error::{NotFoundError, RouteError},
};
use std::{any::type_name, fmt};

/// poem's [`Route`](poem::Route), whose endpoints confirm before they run that the rule that was applied is their own.
///
/// It is used as poem's is. Outside of it, nothing can know which route a request takes before its handler has run:
/// behind poem's own, the security layer withholds an answer whose route turns out to have another rule, but the handler
/// has run by then.
///
/// ```
/// use palisade_poem::Route;
/// use poem::{get, handler};
///
/// #[handler]
/// async fn item() {}
///
/// let app = Route::new()
///     .at("/health", get(item))
///     .nest("/items", Route::new().at("/:id", get(item)));
/// ```
#[derive(Default)]
pub struct Route(poem::Route);

impl Route {
    /// A router without routes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an endpoint.
    ///
    /// # Panics
    /// There is a route for the path already, or the path is malformed.
    #[must_use]
    pub fn at<E>(self, path: impl AsRef<str>, endpoint: E) -> Self
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
    {
        Self(self.0.at(path, Confirmed(endpoint.into_endpoint())))
    }

    /// Adds an endpoint.
    ///
    /// # Errors
    /// There is a route for the path already, or the path is malformed.
    pub fn try_at<E>(self, path: impl AsRef<str>, endpoint: E) -> Result<Self, RouteError>
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
    {
        let endpoint = Confirmed(endpoint.into_endpoint());
        self.0.try_at(path, endpoint).map(Self)
    }

    /// Adds an endpoint for `/`.
    ///
    /// # Panics
    /// There is one already.
    #[must_use]
    pub fn just_at<E>(self, endpoint: E) -> Self
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
    {
        self.at("/", endpoint)
    }

    /// Adds everything beneath a path, which is cut off. The routes of another [`Route`] confirm themselves. An endpoint
    /// that finds its way by itself, as a folder of files or poem's own `Route` does, answers only where no rule beneath is
    /// stricter than the one that was applied.
    ///
    /// # Panics
    /// There is a route for the path already, or the path is malformed.
    #[must_use]
    pub fn nest<E>(self, path: impl AsRef<str>, endpoint: E) -> Self
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
    {
        Self(self.0.nest(path, Nested::new(endpoint)))
    }

    /// As [`nest`](Self::nest).
    ///
    /// # Errors
    /// There is a route for the path already, or the path is malformed.
    pub fn try_nest<E>(self, path: impl AsRef<str>, endpoint: E) -> Result<Self, RouteError>
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
    {
        self.0.try_nest(path, Nested::new(endpoint)).map(Self)
    }

    /// Adds everything beneath a path, which is not cut off.
    ///
    /// # Panics
    /// There is a route for the path already, or the path is malformed.
    #[must_use]
    pub fn nest_no_strip<E>(self, path: impl AsRef<str>, endpoint: E) -> Self
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
    {
        Self(self.0.nest_no_strip(path, Nested::new(endpoint)))
    }

    /// As [`nest_no_strip`](Self::nest_no_strip).
    ///
    /// # Errors
    /// There is a route for the path already, or the path is malformed.
    pub fn try_nest_no_strip<E>(
        self,
        path: impl AsRef<str>,
        endpoint: E,
    ) -> Result<Self, RouteError>
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
    {
        self.0
            .try_nest_no_strip(path, Nested::new(endpoint))
            .map(Self)
    }
}

impl Endpoint for Route {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        self.0.call(request).await
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Route")
    }
}

/// An endpoint that runs only under its own rule.
struct Confirmed<E>(E);

impl<E: Endpoint> Endpoint for Confirmed<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        // Without a layer, no rule was applied that could be the wrong one.
        let grant = request.extensions().get::<Grant>();
        let template = request.data::<PathPattern>();
        match grant.map(|grant| grant.confirm(&taken(&request, template))) {
            Some(Err(reply)) => Ok(into_response(reply)),
            _ => self.0.call(request).await.map(IntoResponse::into_response),
        }
    }
}

/// What is mounted beneath a path. Routes of another [`Route`] confirm themselves. Anything else finds its way by itself,
/// so no rule that could be meant beneath may be stricter than the one that was applied.
struct Nested<E> {
    inner: E,
    confirms: bool,
}

impl<E: Endpoint> Nested<E> {
    fn new(endpoint: impl IntoEndpoint<Endpoint = E>) -> Self {
        Self {
            inner: endpoint.into_endpoint(),
            // Middleware around a `Route` names it in its type; what hides its type counts as unknown.
            confirms: type_name::<E>().contains(type_name::<Route>()),
        }
    }
}

impl<E: Endpoint> Endpoint for Nested<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let mount = request.data::<PathPattern>().map_or("", |mount| &*mount.0);
        let confirmed = request.extensions().get::<Grant>().map(|grant| {
            if self.confirms {
                grant.leave_to_routes();
                return Ok(());
            }
            // Its bare root, too, may be taken by what stands for everything beneath.
            let beneath = PathPattern(format!("{}/*rest", mount.trim_end_matches('/')).into());
            grant.confirm(&TakenRoute {
                opaque: true,
                ..taken(&request, Some(&beneath))
            })
        });
        if let Some(Err(reply)) = confirmed {
            return Ok(into_response(reply));
        }
        let answer = self.inner.call(request).await;
        answer.map(IntoResponse::into_response)
    }
}

fn taken<'a>(request: &'a Request, template: Option<&'a PathPattern>) -> TakenRoute<'a> {
    TakenRoute {
        method: request.method().as_str().as_bytes(),
        path: request.uri().path().as_bytes(),
        template: template.map(|template| &*template.0),
        syntax: TemplateSyntax::Poem,
        opaque: false,
    }
}

/// Replaces the answer of a route that nothing confirmed and that has another rule than the one that was applied.
///
/// `E` is the application. Where poem's own `Route` is in it, and a middleware has made the answer anew so that it does not
/// tell the route, nothing can be known of the rule, either; only an answer that says that there is no route may pass.
pub(crate) fn withhold_unconfirmed<E>(grant: &Grant, answer: Result<Response>) -> Response {
    let (template, is_no_route) = match &answer {
        Ok(answer) => (answer.data::<PathPattern>().cloned(), false),
        Err(error) => (
            error.data::<PathPattern>().cloned(),
            error.is::<NotFoundError>(),
        ),
    };
    let answer = answer.unwrap_or_else(|error| error.into_response());
    if grant.is_settled() {
        return answer;
    }
    let confirmed = match template {
        Some(template) => grant.confirm_template(&template.0, TemplateSyntax::Poem),
        None if has_own_routes::<E>() && !is_no_route => {
            grant.confirm_template("/*rest", TemplateSyntax::Poem)
        }
        None => Ok(()),
    };
    match confirmed {
        Ok(()) => answer,
        Err(reply) => into_response(reply),
    }
}

/// Whether poem's own `Route` is in an application. Types that box what they hold do not tell.
fn has_own_routes<E>() -> bool {
    type_name::<E>().contains("poem::route::router::Route")
}

/// Says at the start that the routes of an application cannot be confirmed before they run.
pub(crate) fn warn_of_own_routes<E>() {
    // Of types that box, the first answer that is withheld tells.
    if has_own_routes::<E>() {
        tracing::warn!(
            target: "palisade",
            "this application uses poem::Route: which route a request takes is known only after its \
             handler has run, and not at all where a middleware makes its response anew: that one is \
             withheld. Use palisade_poem::Route in its place, and each route is confirmed before"
        );
    }
}
