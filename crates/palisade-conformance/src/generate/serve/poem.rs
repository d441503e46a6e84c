//! Tables on poem.

use std::future::ready;
use std::io;
use std::sync::Arc;

use futures_util::FutureExt as _;
use palisade_poem::{Grant, Palisade, SecurityLayer};
use poem::endpoint::{BoxEndpoint, make};
use poem::http::uri::Scheme;
use poem::http::{Method, Uri};
use poem::listener::TcpAcceptor;
use poem::middleware::{NormalizePath, TrailingSlash};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{
    Addr, Body, Endpoint, EndpointExt as _, IntoEndpoint as _, Request, RequestParts, Response,
    Result, RouteMethod, Server,
};

use super::super::table::{Item, MountKind, Place, Rewriting, Route, Slashes, Table};
use super::super::template::{Dialect, Template};
use super::axum::{parts, with_path};
use super::{Answer, App, Log, PEER, ROUTE, Unsendable};
use crate::harness::Running;
use crate::harness::serve::Threads;

type Boxed = BoxEndpoint<'static, Response>;

/// poem's own `Route`, or one that is used in its place.
pub(super) trait Routes: Endpoint<Output = Response> + Sized + 'static {
    fn empty() -> Self;
    fn at(self, path: &str, endpoint: Boxed) -> Self;
    fn nest(self, path: &str, inner: Self) -> Self;
    fn nest_no_strip(self, path: &str, inner: Self) -> Self;
    fn nest_foreign(self, path: &str, inner: Own) -> Self;
}

pub(super) use palisade_poem::Route as DropIn;
pub(super) use poem::Route as Own;

macro_rules! routes {
    ($route:ty) => {
        impl Routes for $route {
            fn empty() -> Self {
                Self::new()
            }

            fn at(self, path: &str, endpoint: Boxed) -> Self {
                self.at(path, endpoint)
            }

            fn nest(self, path: &str, inner: Self) -> Self {
                self.nest(path, inner)
            }

            fn nest_no_strip(self, path: &str, inner: Self) -> Self {
                self.nest_no_strip(path, inner)
            }

            fn nest_foreign(self, path: &str, inner: Own) -> Self {
                self.nest(path, inner)
            }
        }
    };
}

routes!(Own);
routes!(DropIn);

pub(super) fn app<R: Routes>(
    table: &Table,
    palisade: &Palisade,
    log: &Arc<Log>,
) -> Result<App, String> {
    let app = Arc::new(endpoint::<R>(table, palisade, log)?);
    Ok(Box::new(move |sent| {
        let parts = parts(sent).ok_or(Unsendable)?;
        let peer = RemoteAddr(Addr::SocketAddr(PEER));
        let parts = RequestParts::from((parts, LocalAddr::default(), peer, Scheme::HTTP));
        let request = Request::from_parts(parts, Body::empty());
        let app = app.clone();
        Ok(async move { answer_of(&app.get_response(request).await) }.boxed_local())
    }))
}

/// The same application behind a socket.
pub(super) fn start<R: Routes>(
    table: &Table,
    palisade: &Palisade,
    log: &Arc<Log>,
) -> Result<Running, String> {
    let app = endpoint::<R>(table, palisade, log)?;
    Threads::new()?.serve(async move |listener, stop| -> io::Result<()> {
        let server = Server::new_with_acceptor(TcpAcceptor::from_std(listener)?);
        server.run_with_graceful_shutdown(app, stop, None).await
    })
}

fn endpoint<R: Routes>(
    table: &Table,
    palisade: &Palisade,
    log: &Arc<Log>,
) -> Result<Boxed, String> {
    let routes: R = routes(&table.items, &Template::default(), 0, log)?;
    let layer = SecurityLayer::new(palisade.clone());
    Ok(match table.rewriting {
        None if table.forgets => routes.around(anew).with(layer).boxed(),
        None => routes.with(layer).boxed(),
        Some(Rewriting {
            place: Place::Around,
            slashes,
        }) => {
            let inner = routes.before(async |mut request: Request| {
                if let Some(UriAsSent(uri)) = request.extensions_mut().remove() {
                    *request.uri_mut() = uri;
                }
                Ok(request)
            });
            let rewrite = move |mut request: Request| {
                let uri = request.uri().clone();
                if let Some(rewritten) = with_path(&uri, &slashes.rewrite(uri.path())) {
                    *request.uri_mut() = rewritten;
                }
                request.extensions_mut().insert(UriAsSent(uri));
                ready(Ok(request))
            };
            inner.with(layer).before(rewrite).boxed()
        }
        Some(Rewriting {
            place: Place::Outside,
            slashes,
        }) => routes.with(layer).with(normalize(slashes)).boxed(),
        Some(Rewriting {
            place: Place::Inside,
            slashes,
        }) => routes.with(normalize(slashes)).with(layer).boxed(),
        Some(Rewriting {
            place: Place::Between,
            slashes,
        }) => {
            let inner = routes.with(layer.clone());
            inner.with(normalize(slashes)).with(layer).boxed()
        }
    })
}

/// The target before it was rewritten.
#[derive(Clone)]
struct UriAsSent(Uri);

/// A middleware that keeps nothing of a response but its status and headers.
async fn anew<E: Endpoint>(endpoint: Arc<E>, request: Request) -> Result<Response> {
    let answer = endpoint.get_response(request).await;
    let mut made = Response::builder().status(answer.status()).finish();
    *made.headers_mut() = answer.headers().clone();
    Ok(made)
}

fn normalize(slashes: Slashes) -> NormalizePath {
    NormalizePath::new(match slashes {
        Slashes::Trim => TrailingSlash::Trim,
        Slashes::MergeOnly | Slashes::Decode => TrailingSlash::MergeOnly,
        Slashes::Always => TrailingSlash::Always,
    })
}

/// The routes; `unstripped` is the part of the path that was not cut off.
fn routes<R: Routes>(
    items: &[Item],
    unstripped: &Template,
    depth: usize,
    log: &Arc<Log>,
) -> Result<R, String> {
    let mut routes = R::empty();
    for item in items {
        routes = match item {
            Item::Route(route) => {
                for own in route.templates() {
                    let at_root = own.stem().is_empty() && own.0.len() == 1;
                    let template = match at_root && !unstripped.0.is_empty() {
                        true => unstripped.clone(),
                        false => unstripped.join(own),
                    };
                    let path = match template.write(Dialect::Poem, depth - unstripped.0.len()) {
                        path if path.is_empty() => "/".to_owned(),
                        path => path,
                    };
                    routes = routes.at(&path, handler(route, log)?);
                }
                routes
            }
            Item::Mount(mount) => {
                let deeper = depth + mount.prefix.0.len();
                let prefix = unstripped.join(&mount.prefix);
                let path = prefix.write(Dialect::Poem, 0);
                match mount.kind {
                    MountKind::Foreign => {
                        let unstripped = Template::default();
                        let inner = self::routes::<Own>(&mount.items, &unstripped, deeper, log)?;
                        routes.nest_foreign(&path, inner)
                    }
                    MountKind::Nest | MountKind::Outer => {
                        let inner = self::routes(&mount.items, &Template::default(), deeper, log)?;
                        routes.nest(&path, inner)
                    }
                    MountKind::Service => {
                        let inner = self::routes(&mount.items, &prefix, deeper, log)?;
                        routes.nest_no_strip(&path, inner)
                    }
                }
            }
        };
    }
    Ok(routes)
}

fn handler(route: &Route, log: &Arc<Log>) -> Result<Boxed, String> {
    let one = || {
        let (id, log) = (route.id, log.clone());
        make(move |request: Request| {
            let log = log.clone();
            async move {
                log.ran(
                    id,
                    request.uri().path(),
                    request.extensions().get::<Grant>(),
                );
                Ok::<_, poem::Error>(Response::builder().header(ROUTE, id.to_string()).finish())
            }
        })
    };
    if route.methods.is_empty() {
        return Ok(one().boxed());
    }
    let mut methods = RouteMethod::new();
    for method in &route.methods {
        let method = Method::from_bytes(method.as_bytes()).map_err(|why| why.to_string())?;
        methods = methods.method(method, one());
    }
    Ok(methods.into_endpoint().boxed())
}

fn answer_of(response: &Response) -> Answer {
    let route = response.headers().get(ROUTE);
    Answer {
        status: response.status().as_u16(),
        route: route.and_then(|id| id.to_str().ok()?.parse().ok()),
    }
}
