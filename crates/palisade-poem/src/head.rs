//! Heads as core sees them.

use crate::reply::into_response;
use http::{
    HeaderMap, StatusCode, Version,
    uri::{Scheme, Uri},
};
use palisade_core::{HttpResponse, Reply, RequestHead};
use poem::{PathPattern, Request, Response};
use std::net::SocketAddr;

/// The address of the other end of the connection, where poem's server does not tell it: put it
/// into the extensions of a request, as in tests of an application. An address that poem tells
/// goes before it, and no client can set it.
///
/// ```
/// use palisade_poem::{Palisade, PeerAddress, SecurityLayer};
/// use poem::{Endpoint, EndpointExt, Request, Route, endpoint::make_sync};
///
/// # async fn call(palisade: Palisade) -> Result<(), poem::Error> {
/// let app = Route::new()
///     .at("/", make_sync(|_| "well"))
///     .with(SecurityLayer::new(palisade));
/// let request = Request::builder()
///     .uri_str("/")
///     .header("host", "api.example.com")
///     .extension(PeerAddress(([192, 0, 2, 1], 4711).into()))
///     .finish();
/// assert_eq!(app.call(request).await?.status(), 200);
/// # Ok(())
/// # }
/// ```
///
/// With poem's `TestClient` it is `client.get("/").data(PeerAddress(…))`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// A borrowed request.
pub(crate) struct Head<'a>(pub(crate) &'a Request);

impl Head<'_> {
    /// The target as the next router will see it, with the prefixes that routers around this place cut off.
    fn uri(&self) -> Option<&Uri> {
        let (uri, original) = (self.0.uri(), self.0.original_uri());
        // What rewrote the request outside of every router has its way: the router sees what it made of it.
        if self.0.data::<PathPattern>().is_none() {
            return Some(uri);
        }
        let is_rest = uri.path() == "/" || original.path().ends_with(uri.path());
        is_rest.then_some(original)
    }

    /// The path without the query.
    pub(crate) fn path(&self) -> &[u8] {
        self.uri().map_or("", Uri::path).as_bytes()
    }
}

impl RequestHead for Head<'_> {
    fn method(&self) -> &[u8] {
        self.0.method().as_str().as_bytes()
    }

    fn target(&self) -> &[u8] {
        // Something that rewrote it inside of a router left nothing that could be judged: no target at all is refused.
        let target = self.uri().and_then(Uri::path_and_query);
        target.map_or("", |target| target.as_str()).as_bytes()
    }

    fn scheme(&self) -> Option<&[u8]> {
        self.uri()?.scheme_str().map(str::as_bytes)
    }

    fn authority(&self) -> Option<&[u8]> {
        let authority = self.uri()?.authority();
        authority.map(|own| own.as_str().as_bytes())
    }

    fn http2(&self) -> bool {
        self.0.version() >= Version::HTTP_2
    }

    fn headers<'h>(&'h self, each: &mut dyn FnMut(&'h str, &'h [u8])) {
        for (name, value) in self.0.headers() {
            each(name.as_str(), value.as_bytes());
        }
    }

    fn peer(&self) -> Option<SocketAddr> {
        let told = self.0.remote_addr().as_socket_addr().copied();
        told.or_else(|| self.0.extensions().get::<PeerAddress>().map(|peer| peer.0))
    }

    fn tls(&self) -> bool {
        *self.0.scheme() == Scheme::HTTPS
    }

    fn peer_missing(&self) -> &'static str {
        "the address of the peer is missing: bind the server to a TCP address, and in tests set \
         `.data(palisade_poem::PeerAddress(…))` on the request"
    }
}

/// A response on its way out.
pub(crate) struct Outgoing<'a>(pub(crate) &'a mut Response);

impl HttpResponse for Outgoing<'_> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Palisade, SecurityLayer};
    use futures_util::FutureExt;
    use poem::{Endpoint, EndpointExt, Route, endpoint::make_sync};

    const POLICY: &str = "
        [api_key.keys]
        header = 'x-api-key'
        [[rule]]
        path = '/open/{id}'
        require = 'public'
        [[rule]]
        path = '/closed/{id}'
        require = 'authenticated'
    ";

    /// What a request gets that is built as poem's `TestClient` builds it.
    fn status(path: &str, peer: Option<PeerAddress>) -> StatusCode {
        let palisade = Palisade::from_toml_str(POLICY).unwrap();
        let app = Route::new()
            .at("/open/:id", make_sync(|_| "well"))
            .nest("/closed", Route::new().at("/:id", make_sync(|_| "well")))
            .with(SecurityLayer::new(palisade));
        let mut request = Request::builder().uri_str(path).header("host", "localhost");
        if let Some(peer) = peer {
            request = request.extension(peer);
        }
        let response = app.call(request.finish()).now_or_never().unwrap();
        response.unwrap().status()
    }

    #[test]
    fn a_test_without_a_server_can_set_the_peer() {
        let peer = PeerAddress(([192, 0, 2, 1], 4711).into());
        assert_eq!(status("/open/1", Some(peer)), 200);
        assert_eq!(status("/open/1", None), 500);
    }

    #[test]
    fn a_request_without_a_server_is_judged_by_its_path() {
        let peer = PeerAddress(([192, 0, 2, 1], 4711).into());
        assert_eq!(status("/open/1?a=b", Some(peer)), 200);
        assert_eq!(status("/closed/1", Some(peer)), 401);
        assert_eq!(status("/", Some(peer)), 404);
        assert_eq!(status("/open/..%2fclosed/1", Some(peer)), 400);
    }
}
