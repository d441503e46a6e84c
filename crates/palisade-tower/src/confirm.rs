//! What was judged is what runs: the route that was taken, compared with the rule that was applied.

use crate::require::GuardFuture;
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
    mounts: Arc<[Mount]>,
}

/// Where a router hands everything beneath a path to a service that is no router to it.
#[derive(Debug)]
pub(crate) struct Mount {
    /// `/svc`, with parameters as the router writes them.
    pub(crate) prefix: String,
    /// Whether the routes beneath confirm themselves.
    pub(crate) confirms: bool,
}

impl Confirm {
    /// Of a router that has mounts.
    #[cfg(feature = "axum")]
    pub(crate) fn with_mounts(mounts: impl IntoIterator<Item = Mount>) -> Self {
        Self {
            mounts: mounts.into_iter().collect(),
        }
    }
}

impl<S> Layer<S> for Confirm {
    type Service = Confirmed<S>;

    fn layer(&self, inner: S) -> Confirmed<S> {
        Confirmed {
            inner,
            mounts: Arc::clone(&self.mounts),
        }
    }
}

/// A route that runs only under its own rule.
#[derive(Debug, Clone)]
pub struct Confirmed<S> {
    inner: S,
    mounts: Arc<[Mount]>,
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
        match grant.map(|grant| confirm_route(grant, &request, &self.mounts)) {
            Some(Err(reply)) => GuardFuture::refused(reply),
            _ => GuardFuture::running(self.inner.call(request)),
        }
    }
}

/// Compares what the router says of a request with what was judged.
pub(crate) fn confirm_route<B>(
    grant: &Grant,
    request: &Request<B>,
    mounts: &[Mount],
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
    let above: Vec<&Mount> = mounts.iter().filter(|mount| mount.is_above(path)).collect();
    if !above.is_empty() && above.iter().all(|mount| mount.confirms) {
        grant.promise();
        return Ok(());
    }
    // The narrowest that is certain: of two mounts above the path, it is not known which one is taken.
    let prefix = match above.as_slice() {
        [mount] => &*mount.prefix,
        [] => nested_in(request),
        _ => "",
    };
    grant.confirm(&TakenRoute {
        template: Some(&format!("{prefix}/{{*rest}}")),
        opaque: true,
        ..taken
    })
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

impl Mount {
    fn is_above(&self, path: &str) -> bool {
        let mut segments = path.split('/');
        self.prefix.split('/').all(|own| {
            // A parameter may have a prefix.
            let is_parameter = own.contains('{');
            segments
                .next()
                .is_some_and(|segment| is_parameter || own == segment)
        })
    }
}

/// Where a router hands requests to services of which it knows no routes: its mounts, and for everything else a fallback
/// that is one. axum tells only in the `Debug` form of the router; a test pins it.
#[cfg(feature = "axum")]
pub(crate) fn mounts_of(router: &axum::Router) -> Vec<String> {
    const FALLBACK: &str = "catch_all_fallback: Service(";
    const TAIL: &str = "/{*__private__axum_nest_tail_param}\"";
    let shown = format!("{router:?}");
    let mut mounts: Vec<String> = shown
        .match_indices(TAIL)
        .filter_map(|(end, _)| {
            let before = shown.get(..end)?;
            let (_, prefix) = before.rsplit_once('"')?;
            Some(prefix.to_owned())
        })
        .collect();
    if shown.contains(FALLBACK) {
        mounts.push(String::new());
    }
    mounts.sort_unstable();
    mounts.dedup();
    mounts
}

#[cfg(all(test, feature = "axum"))]
mod tests {
    use super::*;
    use axum::{Router, routing::get};

    #[test]
    fn every_mount_is_listed() {
        let inner = || Router::new().route("/x", get(|| async {}));
        let app = Router::new()
            .route("/plain", get(|| async {}))
            .nest("/nested", inner().nest_service("/deep", inner()))
            .nest_service("/svc", inner())
            .merge(Router::new().nest_service("/a/{b}", inner()));
        assert_eq!(mounts_of(&app), ["/a/{b}", "/nested/deep", "/svc"]);
        assert!(mounts_of(&inner()).is_empty());
        assert!(mounts_of(&inner().fallback(|| async {})).is_empty());
        assert_eq!(mounts_of(&inner().fallback_service(inner())), [""]);
    }
}
