//! Heads as core sees them.

use crate::reply::into_response;
use bytes::Bytes;
#[cfg(feature = "axum")]
use http::{Extensions, Uri};
use http::{HeaderMap, Request, Response, StatusCode, Version};
use palisade_core::{HttpResponse, Reply, RequestHead};
use std::{borrow::Cow, net::SocketAddr};

/// The address of the other end of the connection, for servers other than `axum::serve`: put it
/// into the extensions of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// Says that the connection of a request is TLS, ended by this very server: put it into the
/// extensions of every request that comes over such a connection. Then HSTS is sent, and
/// `https.mode = "refuse"` lets the request in. No client can set it.
///
/// ```
/// use axum::{Extension, Router};
/// use palisade_tower::{Palisade, SecurityLayer, Tls};
/// use std::net::SocketAddr;
/// use tower_layer::Layer;
///
/// # fn wrap(palisade: Palisade, routes: Router) {
/// let app = SecurityLayer::new(palisade).around(routes);
/// let over_tls = Extension(Tls).layer(app);
/// // axum_server::bind_rustls(address, config).serve(service)
/// let service = axum::ServiceExt::<axum::extract::Request>::
///     into_make_service_with_connect_info::<SocketAddr>(over_tls);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tls;

/// A borrowed request.
pub(crate) struct Head<'a, B> {
    request: &'a Request<B>,
    /// Path and query as the next router will see them, with the prefixes that routers around this place cut off.
    target: Cow<'a, str>,
    peer: Option<SocketAddr>,
}

impl<'a, B> Head<'a, B> {
    pub(crate) fn of(request: &'a Request<B>) -> Self {
        Self {
            request,
            target: target(request),
            peer: peer(request),
        }
    }

    /// The path without the query.
    pub(crate) fn path(&self) -> &[u8] {
        let path = self.target.split('?').next();
        path.unwrap_or_default().as_bytes()
    }
}

fn target<B>(request: &Request<B>) -> Cow<'_, str> {
    let uri = request.uri();
    let rest = uri.path_and_query().map_or("", |target| target.as_str());
    #[cfg(feature = "axum")]
    if let Some(prefix) = prefix(request.extensions(), uri) {
        // Of a nested root, only the slash is left that its path may not have had.
        let is_root = uri.path() == "/" && !prefix.has_more;
        let rest = match is_root {
            true => rest.strip_prefix('/').unwrap_or(rest),
            false => rest,
        };
        return Cow::Owned(format!("{}{rest}", prefix.path));
    }
    Cow::Borrowed(rest)
}

/// What the routers of axum around this place cut off the path.
#[cfg(feature = "axum")]
struct Prefix<'a> {
    path: &'a str,
    /// Whether the path went on after it.
    has_more: bool,
}

/// The path of `OriginalUri` as far as the nested routers took it. What follows is not taken from there: something may
/// have rewritten it since.
#[cfg(feature = "axum")]
fn prefix<'a>(extensions: &'a Extensions, uri: &Uri) -> Option<Prefix<'a>> {
    use axum::extract::{NestedPath, OriginalUri};
    let nested = extensions.get::<NestedPath>()?.as_str();
    let original = extensions.get::<OriginalUri>()?.0.path();
    let depth = nested.split('/').filter(|segment| !segment.is_empty());
    let mut slashes = original.match_indices('/').map(|(place, _)| place);
    let end = slashes.nth(depth.count()).unwrap_or(original.len());
    let (path, more) = original.split_at_checked(end)?;
    // Where nothing was cut off, as by a service of one's own, there is nothing to put back.
    (uri.path() != original).then_some(Prefix {
        path,
        has_more: !more.is_empty(),
    })
}

impl<B> RequestHead for Head<'_, B> {
    fn method(&self) -> &[u8] {
        self.request.method().as_str().as_bytes()
    }

    fn target(&self) -> &[u8] {
        self.target.as_bytes()
    }

    fn scheme(&self) -> Option<&[u8]> {
        self.request.uri().scheme_str().map(str::as_bytes)
    }

    fn authority(&self) -> Option<&[u8]> {
        let authority = self.request.uri().authority();
        authority.map(|own| own.as_str().as_bytes())
    }

    fn http2(&self) -> bool {
        self.request.version() >= Version::HTTP_2
    }

    fn headers<'h>(&'h self, each: &mut dyn FnMut(&'h str, &'h [u8])) {
        for (name, value) in self.request.headers() {
            each(name.as_str(), value.as_bytes());
        }
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    fn tls(&self) -> bool {
        self.request.extensions().get::<Tls>().is_some()
    }

    fn peer_missing(&self) -> &'static str {
        "the address of the peer is missing: serve the application with \
         `into_make_service_with_connect_info::<SocketAddr>()`, or put a \
         `palisade_tower::PeerAddress` into the extensions of every request"
    }
}

fn peer<B>(request: &Request<B>) -> Option<SocketAddr> {
    let extensions = request.extensions();
    #[cfg(feature = "axum")]
    if let Some(info) = extensions.get::<axum::extract::ConnectInfo<SocketAddr>>() {
        return Some(info.0);
    }
    extensions.get::<PeerAddress>().map(|peer| peer.0)
}

/// A response on its way out.
pub(crate) struct Outgoing<'a, B>(pub(crate) &'a mut Response<B>);

impl<B: From<Bytes>> HttpResponse for Outgoing<'_, B> {
    fn status(&self) -> StatusCode {
        self.0.status()
    }

    fn header_map(&self) -> &HeaderMap {
        self.0.headers()
    }

    fn header_map_mut(&mut self) -> &mut HeaderMap {
        self.0.headers_mut()
    }

    fn replace(&mut self, reply: Reply) {
        *self.0 = into_response(reply);
    }
}
