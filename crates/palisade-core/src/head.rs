//! The seam to a framework: what core may ask of a request, and what it does to a response.
//!
//! Input is bytes, because frameworks disagree on the version of their header types; output
//! uses the types of `http` 1.x.

use crate::{fields::KnownFields, reply::Reply};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::{fmt, net::SocketAddr};

/// The head of a request as the framework received it.
///
/// An adapter implements this over a borrowed request; nothing it returns outlives the call to
/// [`Palisade::open`](crate::Palisade::open).
pub trait RequestHead {
    /// The method, in the case in which it was sent.
    fn method(&self) -> &[u8];

    /// The request target as it was sent, before any router took a prefix away: origin form
    /// (`/path?query`), absolute form or `*` (RFC 9112 §3.2). In HTTP/2 the `:path`.
    fn target(&self) -> &[u8];

    /// The scheme that came with the target, where the framework has cut it off: the `:scheme` of
    /// HTTP/2, or that of an absolute-form target. It is the client's word.
    fn scheme(&self) -> Option<&[u8]> {
        None
    }

    /// The authority that came with the target: the `:authority` of HTTP/2, or that of an
    /// absolute-form target where the framework has cut it off (RFC 9112 §3.2.2).
    fn authority(&self) -> Option<&[u8]> {
        None
    }

    /// Whether the request came by HTTP/2, where `:authority` stands beside `Host`.
    fn http2(&self) -> bool {
        false
    }

    /// Calls `each` for every header line in order, with the name in lower case.
    fn headers<'h>(&'h self, each: &mut dyn FnMut(&'h str, &'h [u8]));

    /// The other end of the connection; `None` where the server did not say.
    fn peer(&self) -> Option<SocketAddr>;

    /// What the application's author must repair where [`peer`](Self::peer) is `None`.
    fn peer_missing(&self) -> &'static str {
        "the server does not tell the address of the peer"
    }

    /// Whether this connection is TLS, by the server's own knowledge and never by a header. An
    /// adapter must say: one that forgot would send no HSTS, and be refused where the policy
    /// demands HTTPS.
    fn tls(&self) -> bool;
}

/// The head of a response on its way out.
pub trait ResponseHead {
    /// The status as it stands.
    fn status(&self) -> StatusCode;

    /// Calls `each` for every header line, with the name in lower case.
    fn headers(&self, each: &mut dyn FnMut(&str, &[u8]));

    /// Calls `each` with the value of every line of the field `name`.
    fn values(&self, name: &HeaderName, each: &mut dyn FnMut(&[u8])) {
        self.headers(&mut |own, value| {
            if own == name.as_str() {
                each(value);
            }
        });
    }

    /// Makes room for `additional` more header lines.
    fn reserve(&mut self, additional: usize);

    /// Sets the field to this one line, replacing all others.
    fn insert(&mut self, name: &HeaderName, value: HeaderValue);

    /// Like [`insert`](Self::insert) for a text, which an adapter may turn into its own type at
    /// once, without a copy; a text that no field can hold is left out.
    fn insert_text(&mut self, name: &HeaderName, text: Bytes) {
        if let Ok(value) = HeaderValue::from_maybe_shared(text) {
            self.insert(name, value);
        }
    }

    /// Like [`insert`](Self::insert) for entry `index` of `known`, which an adapter may have
    /// converted to its own types beforehand ([`KnownFields::converted`]).
    fn insert_known(&mut self, known: &KnownFields, index: usize) {
        if let Some((name, value)) = known.get(index) {
            self.insert(name, value.clone());
        }
    }

    /// Adds one more line to the field.
    fn append(&mut self, name: &HeaderName, value: HeaderValue);

    /// Removes every line of the field.
    fn remove(&mut self, name: &HeaderName);

    /// Has the connection closed after this response (RFC 9112 §9.6): what is left of the
    /// request's body must not be taken for another request.
    fn close_connection(&mut self) {
        self.insert(&header::CONNECTION, HeaderValue::from_static("close"));
    }

    /// Replaces the whole response: status, all headers, body.
    fn replace(&mut self, reply: Reply);
}

/// A response of a framework that speaks `http` 1.x: then this is all that an adapter has to
/// say of it.
pub trait HttpResponse {
    /// The status as it stands.
    fn status(&self) -> StatusCode;

    /// The header lines.
    fn header_map(&self) -> &HeaderMap;

    /// The header lines, to change them.
    fn header_map_mut(&mut self) -> &mut HeaderMap;

    /// Replaces the whole response: status, all headers, body.
    fn replace(&mut self, reply: Reply);
}

impl<R: HttpResponse> ResponseHead for R {
    fn status(&self) -> StatusCode {
        HttpResponse::status(self)
    }

    fn headers(&self, each: &mut dyn FnMut(&str, &[u8])) {
        for (name, value) in self.header_map() {
            each(name.as_str(), value.as_bytes());
        }
    }

    fn values(&self, name: &HeaderName, each: &mut dyn FnMut(&[u8])) {
        for value in self.header_map().get_all(name) {
            each(value.as_bytes());
        }
    }

    fn reserve(&mut self, additional: usize) {
        self.header_map_mut().reserve(additional);
    }

    fn insert(&mut self, name: &HeaderName, value: HeaderValue) {
        self.header_map_mut().insert(name, value);
    }

    fn append(&mut self, name: &HeaderName, value: HeaderValue) {
        self.header_map_mut().append(name, value);
    }

    fn remove(&mut self, name: &HeaderName) {
        self.header_map_mut().remove(name);
    }

    fn replace(&mut self, reply: Reply) {
        HttpResponse::replace(self, reply);
    }
}

/// What must change in the request's head before the handler sees it. Its `Debug` shows names
/// only: what is set may be the rest of a `Cookie`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HeadEdits {
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, HeaderValue)>,
}

impl HeadEdits {
    /// Fields to remove, every line of them.
    pub fn removals(&self) -> &[HeaderName] {
        &self.remove
    }

    /// Fields to set to exactly this one line.
    pub fn replacements(&self) -> &[(HeaderName, HeaderValue)] {
        &self.set
    }

    /// Makes the edits in the header lines of a framework that speaks `http` 1.x.
    pub fn make_in(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
    }

    pub(crate) fn remove(&mut self, name: HeaderName) {
        if !self.remove.contains(&name) {
            self.remove.push(name);
        }
    }

    pub(crate) fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.set.push((name, value));
    }
}

impl fmt::Debug for HeadEdits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set: Vec<&HeaderName> = self.set.iter().map(|(name, _)| name).collect();
        f.debug_struct("HeadEdits")
            .field("remove", &self.remove)
            .field("set", &set)
            .finish()
    }
}
