//! Heads as core sees them. actix-web speaks `http` 0.2, so names and values cross as bytes.

use crate::reply::{into_response, name, value};
use actix_web::{
    HttpRequest, HttpResponse,
    body::EitherBody,
    dev::ServiceRequest,
    http::{
        ConnectionType, Version,
        header::{HeaderName as ActixName, HeaderValue as ActixValue},
    },
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use palisade_core::{HeadEdits, KnownFields, Reply, RequestHead, ResponseHead};
use std::net::SocketAddr;

/// A borrowed request.
pub(crate) struct Head<'a>(pub(crate) &'a HttpRequest);

impl RequestHead for Head<'_> {
    fn method(&self) -> &[u8] {
        self.0.method().as_str().as_bytes()
    }

    fn target(&self) -> &[u8] {
        let target = self.0.head().uri.path_and_query();
        target.map_or("", |target| target.as_str()).as_bytes()
    }

    fn scheme(&self) -> Option<&[u8]> {
        self.0.head().uri.scheme_str().map(str::as_bytes)
    }

    fn authority(&self) -> Option<&[u8]> {
        let authority = self.0.head().uri.authority();
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
        self.0.peer_addr()
    }

    fn tls(&self) -> bool {
        self.0.app_config().secure()
    }

    fn peer_missing(&self) -> &'static str {
        "the address of the peer is missing: bind the server to a TCP address, and in tests set \
         `TestRequest::peer_addr`"
    }
}

/// Makes the edits of an admission in the request's head.
pub(crate) fn edit(request: &mut ServiceRequest, edits: &HeadEdits) {
    for removed in edits.removals() {
        request.headers_mut().remove(removed.as_str());
    }
    for (set, text) in edits.replacements() {
        if let (Some(name), Some(value)) = (name(set), value(text)) {
            request.headers_mut().insert(name, value);
        }
    }
}

/// A response on its way out.
pub(crate) struct Outgoing<'a, B>(pub(crate) &'a mut HttpResponse<EitherBody<B>>);

/// The known fields in the header types of actix-web.
type Converted = Vec<Option<(ActixName, ActixValue)>>;

impl<B> ResponseHead for Outgoing<'_, B> {
    fn status(&self) -> StatusCode {
        let status = self.0.status().as_u16();
        StatusCode::from_u16(status).unwrap_or_default()
    }

    fn headers(&self, each: &mut dyn FnMut(&str, &[u8])) {
        for (name, value) in self.0.headers() {
            each(name.as_str(), value.as_bytes());
        }
    }

    fn values(&self, field: &HeaderName, each: &mut dyn FnMut(&[u8])) {
        let Some(name) = name(field) else {
            return;
        };
        for value in self.0.headers().get_all(name) {
            each(value.as_bytes());
        }
    }

    fn reserve(&mut self, additional: usize) {
        self.0.headers_mut().reserve(additional);
    }

    fn insert(&mut self, field: &HeaderName, text: HeaderValue) {
        if let (Some(name), Some(value)) = (name(field), value(&text)) {
            self.0.headers_mut().insert(name, value);
        }
    }

    fn insert_text(&mut self, field: &HeaderName, text: Bytes) {
        if let (Some(name), Ok(value)) = (name(field), ActixValue::from_maybe_shared(text)) {
            self.0.headers_mut().insert(name, value);
        }
    }

    fn insert_known(&mut self, known: &KnownFields, index: usize) {
        let converted = known.converted::<Converted>(|known| {
            let both = |(field, text)| Some((name(field)?, value(text)?));
            known
                .iter()
                .map(|(field, text)| both((field, text)))
                .collect()
        });
        match converted.and_then(|fields| fields.get(index)) {
            Some(Some((name, value))) => {
                self.0.headers_mut().insert(name.clone(), value.clone());
            }
            _ => {
                if let Some((field, text)) = known.get(index) {
                    self.insert(field, text.clone());
                }
            }
        }
    }

    fn append(&mut self, field: &HeaderName, text: HeaderValue) {
        if let (Some(name), Some(value)) = (name(field), value(&text)) {
            self.0.headers_mut().append(name, value);
        }
    }

    fn remove(&mut self, field: &HeaderName) {
        if let Some(name) = name(field) {
            self.0.headers_mut().remove(name);
        }
    }

    /// The header line alone is dropped: actix-web writes its own.
    fn close_connection(&mut self) {
        let head = self.0.head_mut();
        head.set_connection_type(ConnectionType::Close);
    }

    fn replace(&mut self, reply: Reply) {
        *self.0 = into_response(reply).map_into_right_body();
    }
}
