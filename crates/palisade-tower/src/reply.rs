//! A response made by core, in the types of `http`.

use bytes::Bytes;
use http::Response;
use palisade_core::Reply;

/// Room for the header lines that every response gets.
const ROOM: usize = 16;

/// Turns a reply into a response.
pub(crate) fn into_response<B: From<Bytes>>(reply: Reply) -> Response<B> {
    let mut response = Response::new(B::from(reply.body));
    *response.status_mut() = reply.status;
    // What `close` adds counts too, so that the map grows once.
    response.headers_mut().reserve(reply.headers.len() + ROOM);
    for (name, value) in reply.headers {
        response.headers_mut().append(name, value);
    }
    response
}
