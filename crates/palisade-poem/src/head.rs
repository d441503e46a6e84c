//! Heads as core sees them.

use crate::reply::into_response;
use http::{HeaderName, HeaderValue, StatusCode, Version, uri::Scheme};
use palisade_core::{HeadEdits, Reply, RequestHead, ResponseHead};
use poem::{Request, Response};
use std::net::SocketAddr;

/// A borrowed request.
pub(crate) struct Head<'a>(pub(crate) &'a Request);

impl RequestHead for Head<'_> {
    fn method(&self) -> &[u8] {
        self.0.method().as_str().as_bytes()
    }

    fn target(&self) -> &[u8] {
        let target = self.0.original_uri().path_and_query();
        target.map_or("", |target| target.as_str()).as_bytes()
    }

    fn authority(&self) -> Option<&[u8]> {
        let authority = self.0.original_uri().authority();
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
        self.0.remote_addr().as_socket_addr().copied()
    }

    fn tls(&self) -> bool {
        *self.0.scheme() == Scheme::HTTPS
    }

    fn peer_missing(&self) -> &'static str {
        "the address of the peer is missing: bind the server to a TCP address, and in tests set \
         `RequestBuilder::remote_addr`"
    }
}

/// Makes the edits of an admission in the request's head.
pub(crate) fn edit(request: &mut Request, edits: &HeadEdits) {
    for name in edits.removals() {
        request.headers_mut().remove(name);
    }
    for (name, value) in edits.replacements() {
        request.headers_mut().insert(name, value.clone());
    }
}

/// A response on its way out.
pub(crate) struct Outgoing<'a>(pub(crate) &'a mut Response);

impl ResponseHead for Outgoing<'_> {
    fn status(&self) -> StatusCode {
        self.0.status()
    }

    fn headers(&self, each: &mut dyn FnMut(&str, &[u8])) {
        for (name, value) in self.0.headers() {
            each(name.as_str(), value.as_bytes());
        }
    }

    fn values(&self, name: &HeaderName, each: &mut dyn FnMut(&[u8])) {
        for value in self.0.headers().get_all(name) {
            each(value.as_bytes());
        }
    }

    fn reserve(&mut self, additional: usize) {
        self.0.headers_mut().reserve(additional);
    }

    fn insert(&mut self, name: &HeaderName, value: HeaderValue) {
        self.0.headers_mut().insert(name, value);
    }

    fn append(&mut self, name: &HeaderName, value: HeaderValue) {
        self.0.headers_mut().append(name, value);
    }

    fn remove(&mut self, name: &HeaderName) {
        self.0.headers_mut().remove(name);
    }

    fn replace(&mut self, reply: Reply) {
        *self.0 = into_response(reply);
    }
}
