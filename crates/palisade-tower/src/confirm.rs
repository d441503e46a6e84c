//! What was judged is what runs: the route that was taken, compared with the rule that was applied.

use crate::{head::Head, require::GuardFuture};
use bytes::Bytes;
use http::{Request, Response};
use palisade_core::{Grant, Reply, TakenRoute, TemplateSyntax};
use std::{
    sync::Arc,
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;

/// Confirms, before a route runs, that the rule that was applied is its own; a mismatch is answered with 500.
///
/// [`SecurityLayer::around`](crate::SecurityLayer::around) puts this on every route of its router. What it cannot see
/// are the routes of a router that is mounted as a service: put it on them, and
/// [say so](crate::SecurityLayer::confirmed_mount).
///
/// ```
/// use axum::{Router, routing::get};
/// use palisade_tower::confirm;
///
/// async fn report() {}
/// let inner: Router = Router::new().route("/{id}", get(report)).layer(confirm());
/// let app: Router = Router::new().nest_service("/reports", inner);
/// ```
pub fn confirm() -> Confirm {
    Confirm::default()
}

/// The layer that [`confirm`] makes.
#[derive(Debug, Clone, Default)]
pub struct Confirm {
    places: Arc<Places>,
}

/// Where a router hands requests on without saying which route they take.
#[derive(Debug, Default)]
pub(crate) struct Places {
    list: Vec<Place>,
    /// Whether there are no others but the answer that there is no such route.
    all_known: bool,
}

/// A path beneath which the router tells no routes.
#[derive(Debug)]
pub(crate) struct Place {
    /// `/svc`, with parameters as the router writes them.
    pub(crate) prefix: String,
    pub(crate) kind: PlaceKind,
    /// Whether the routes beneath confirm themselves.
    pub(crate) confirms: bool,
}

/// What is at a place.
#[cfg_attr(
    not(feature = "axum"),
    allow(dead_code, reason = "only routers of axum have fallbacks")
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlaceKind {
    /// `nest_service`.
    Mount,
    /// `fallback_service`: what no route and no mount takes.
    FallbackService,
    /// `fallback`: a handler, which has nothing to go by but the path.
    FallbackHandler,
}

impl Confirm {
    /// Of a router that has such places. On routes alone, a request at none of them is one that nothing is known of.
    #[cfg(feature = "axum")]
    pub(crate) fn at(list: Vec<Place>, with_fallbacks: bool) -> Self {
        Self {
            places: Arc::new(Places {
                list,
                all_known: with_fallbacks,
            }),
        }
    }
}

impl<S> Layer<S> for Confirm {
    type Service = Confirmed<S>;

    fn layer(&self, inner: S) -> Confirmed<S> {
        Confirmed {
            inner,
            places: Arc::clone(&self.places),
        }
    }
}

/// A route that runs only under its own rule.
#[derive(Debug, Clone)]
pub struct Confirmed<S> {
    inner: S,
    places: Arc<Places>,
}

impl<S, B, RB> Service<Request<B>> for Confirmed<S>
where
    S: Service<Request<B>, Response = Response<RB>>,
    RB: From<Bytes>,
{
    type Response = Response<RB>;
    type Error = S::Error;
    type Future = GuardFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Without a layer, no rule was applied that could be the wrong one.
        let grant = request.extensions().get::<Grant>();
        match grant.map(|grant| confirm_route(grant, &request, &self.places)) {
            Some(Err(reply)) => GuardFuture::refused(reply),
            _ => GuardFuture::running(self.inner.call(request)),
        }
    }
}

/// Compares what the router says of a request with what was judged.
pub(crate) fn confirm_route<B>(
    grant: &Grant,
    request: &Request<B>,
    places: &Places,
) -> Result<(), Reply> {
    #[cfg(feature = "axum")]
    let template = request.extensions().get::<axum::extract::MatchedPath>();
    #[cfg(feature = "axum")]
    let template = template.map(|template| template.as_str());
    #[cfg(not(feature = "axum"))]
    let template = None;
    let path = request.uri().path();
    let taken = TakenRoute {
        method: request.method().as_str().as_bytes(),
        path: path.as_bytes(),
        template,
        syntax: TemplateSyntax::Axum,
        opaque: false,
    };
    if template.is_some() {
        return grant.confirm(&taken);
    }
    // A mount has no template for what lies beneath it, nor has a fallback, nor a mount inside of a mount.
    let beneath = |prefix: &str| {
        let outer = nested_in(request).trim_end_matches('/');
        grant.confirm(&TakenRoute {
            template: Some(&format!("{outer}{prefix}/{{*rest}}")),
            opaque: true,
            ..taken
        })
    };
    let possible = places.of(path);
    if possible.is_empty() {
        return match places.all_known {
            true => Ok(()),
            false => beneath(""),
        };
    }
    if possible.iter().all(|place| place.confirms) {
        grant.promise();
        return Ok(());
    }
    // Of several, it is not known which one is taken.
    possible.into_iter().try_for_each(|place| match place.kind {
        PlaceKind::FallbackHandler => {
            grant.confirm_unchanged(taken.method, Head::of(request).path())
        }
        PlaceKind::Mount | PlaceKind::FallbackService => {
            beneath(place.prefix.trim_end_matches('/'))
        }
    })
}

impl Places {
    /// Those that a path may have led to. Beneath a mount, no fallback is reached.
    fn of(&self, path: &str) -> Vec<&Place> {
        let above: Vec<&Place> = self
            .list
            .iter()
            .filter(|place| place.is_above(path))
            .collect();
        let (mounts, fallbacks): (Vec<_>, Vec<_>) = above
            .into_iter()
            .partition(|place| place.kind == PlaceKind::Mount);
        if mounts.is_empty() { fallbacks } else { mounts }
    }
}

/// The mount that this place is in, as axum names it.
#[cfg(feature = "axum")]
fn nested_in<B>(request: &Request<B>) -> &str {
    let nested = request.extensions().get::<axum::extract::NestedPath>();
    nested.map_or("", |nested| nested.as_str())
}

#[cfg(not(feature = "axum"))]
fn nested_in<B>(_: &Request<B>) -> &str {
    ""
}

impl Place {
    fn is_above(&self, path: &str) -> bool {
        let mut segments = path.split('/');
        let mut prefix = self.prefix.trim_end_matches('/').split('/');
        prefix.all(|own| segments.next().is_some_and(|segment| fits(own, segment)))
    }
}

/// Whether a segment is one that the router takes for this one of a prefix.
fn fits(own: &str, segment: &str) -> bool {
    let literal = own.replace("{{", "\u{0}").replace("}}", "\u{1}");
    let unescaped = |text: &str| text.replace('\u{0}', "{").replace('\u{1}', "}");
    match literal.split_once('{') {
        None => unescaped(&literal) == segment,
        // A parameter may have a literal before it, and may be empty then.
        Some((before, _)) => segment.starts_with(&unescaped(before)),
    }
}

/// Where a router hands requests to something of which it knows no routes. axum tells only in the `Debug` form of the
/// router; a test pins it.
///
/// `None`: that form cannot be read.
#[cfg(feature = "axum")]
pub(crate) fn places_of(router: &axum::Router) -> Option<Vec<Place>> {
    const MOUNT: &str = "/{*__private__axum_nest_tail_param}";
    const FALLBACK: &str = "/{*__private__axum_fallback}";
    let shown = format!("{router:?}");
    let (routes, rest) = shown
        .strip_prefix("Router { path_router: PathRouter { ")?
        .split_once(", fallback_router: PathRouter { ")?;
    let (fallbacks, rest) = rest.split_once(", default_fallback: ")?;
    let is_default = rest.starts_with("true, ");
    let place = |prefix: &str, kind| Place {
        prefix: prefix.to_owned(),
        kind,
        confirms: false,
    };
    let mounts = endpoints(routes)?
        .filter_map(|(_, path)| Some(place(path.strip_suffix(MOUNT)?, PlaceKind::Mount)));
    let mut places: Vec<Place> = mounts.collect();
    for (id, path) in endpoints(fallbacks)? {
        let Some(prefix) = path.strip_suffix(FALLBACK) else {
            continue;
        };
        if prefix.is_empty() && is_default {
            continue;
        }
        let is_handler = fallbacks.contains(&format!("{id}: MethodRouter("));
        places.push(match is_handler {
            true => place(prefix, PlaceKind::FallbackHandler),
            false => place(prefix, PlaceKind::FallbackService),
        });
    }
    places.sort_unstable_by(|one, other| one.prefix.cmp(&other.prefix));
    Some(places)
}

/// The ids and paths of the routes of a `PathRouter`, as it shows them: `RouteId(1): "/a", RouteId(2): "/b"`.
#[cfg(feature = "axum")]
fn endpoints(shown: &str) -> Option<impl Iterator<Item = (&str, &str)>> {
    let (_, paths) = shown.rsplit_once("node: Node { paths: {")?;
    Some(paths.split("\", ").filter_map(|entry| {
        let (id, path) = entry.split_once(": \"")?;
        Some((id, path.split('"').next()?))
    }))
}

#[cfg(all(test, feature = "axum"))]
mod tests {
    use super::*;
    use axum::{Router, routing::get};

    fn places(router: &Router) -> Vec<(String, PlaceKind)> {
        let places = places_of(router).into_iter().flatten();
        places.map(|place| (place.prefix, place.kind)).collect()
    }

    #[test]
    fn every_place_without_routes_is_listed() {
        let inner = || Router::new().route("/x", get(|| async {}));
        let app = Router::new()
            .route("/plain, \"quoted\"", get(|| async {}))
            .nest("/nested", inner().nest_service("/deep", inner()))
            .nest("/handler", inner().fallback(|| async {}))
            .nest("/service", inner().fallback_service(inner()))
            .nest_service("/svc", inner())
            .merge(Router::new().nest_service("/a/{b}", inner()));
        let expected = [
            ("/a/{b}", PlaceKind::Mount),
            ("/handler", PlaceKind::FallbackHandler),
            ("/nested/deep", PlaceKind::Mount),
            ("/service", PlaceKind::FallbackService),
            ("/svc", PlaceKind::Mount),
        ];
        assert_eq!(
            places(&app),
            expected.map(|(prefix, kind)| (prefix.to_owned(), kind))
        );
        assert!(places(&inner()).is_empty());
        assert!(places(&Router::new()).is_empty());
        assert_eq!(
            places(&inner().fallback(|| async {})),
            [(String::new(), PlaceKind::FallbackHandler)]
        );
        assert_eq!(
            places(&inner().fallback_service(inner())),
            [(String::new(), PlaceKind::FallbackService)]
        );
    }

    #[test]
    fn a_place_is_above_what_its_router_takes_for_it() {
        let place = |prefix: &str| Place {
            prefix: prefix.to_owned(),
            kind: PlaceKind::Mount,
            confirms: false,
        };
        for (prefix, path, expected) in [
            ("/a", "/a/b", true),
            ("/a", "/ab", false),
            ("/a/", "/a/b", true),
            ("/{x}", "/a/b", true),
            ("/v{x}", "/v1/b", true),
            ("/v{x}", "/v/b", true),
            ("/v{x}", "/w1/b", false),
            ("/{{x}}", "/{x}/b", true),
            ("", "/a", true),
        ] {
            assert_eq!(place(prefix).is_above(path), expected, "{prefix} {path}");
        }
    }
}
