//! Heads as core sees them.

use crate::reply::into_response;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri, Version};
use palisade_core::{HttpResponse, Reply, RequestHead};
use std::net::SocketAddr;

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
    /// The target before any nested router cut off its prefix; looked up once.
    uri: &'a Uri,
    peer: Option<SocketAddr>,
}

impl<'a, B> Head<'a, B> {
    pub(crate) fn of(request: &'a Request<B>) -> Self {
        let uri = request.uri();
        #[cfg(feature = "axum")]
        let uri = match request.extensions().get::<axum::extract::OriginalUri>() {
            Some(original) => {
                inside_routing(request);
                &original.0
            }
            None => uri,
        };
        Self {
            request,
            uri,
            peer: peer(request),
        }
    }
}

impl<B> RequestHead for Head<'_, B> {
    fn method(&self) -> &[u8] {
        self.request.method().as_str().as_bytes()
    }

    fn target(&self) -> &[u8] {
        let target = self.uri.path_and_query();
        target.map_or("", |target| target.as_str()).as_bytes()
    }

    fn authority(&self) -> Option<&[u8]> {
        self.uri.authority().map(|own| own.as_str().as_bytes())
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

/// Says once that the layer stands where axum has chosen a route already. A layer inside another
/// of the same policy is none of these: its requests are admitted before they are looked at.
#[cfg(feature = "axum")]
fn inside_routing<B>(request: &Request<B>) {
    static TOLD: std::sync::Once = std::sync::Once::new();
    if request
        .extensions()
        .get::<axum::extract::MatchedPath>()
        .is_some()
    {
        TOLD.call_once(|| {
            tracing::warn!(
                target: "palisade",
                "the security layer is inside of axum's routing, as `Router::layer` puts it: \
                 paths without a route pass it by, and axum adds `Allow` to its refusals; wrap \
                 the router with `SecurityLayer::around` instead"
            );
        });
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
