//! A response made by core, in the types of poem.

use palisade_core::Reply;
use poem::{Body, Response};

/// Room for the header lines that every response gets.
const ROOM: usize = 16;

/// Turns a reply into a response.
pub(crate) fn into_response(reply: Reply) -> Response {
    let mut response = Response::builder()
        .status(reply.status)
        .body(Body::from_bytes(reply.body));
    // What `close` adds counts too, so that the map grows once.
    response.headers_mut().reserve(reply.headers.len() + ROOM);
    for (name, value) in reply.headers {
        response.headers_mut().append(name, value);
    }
    response
}
