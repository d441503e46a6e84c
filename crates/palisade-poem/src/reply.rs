//! A response made by core, in the types of poem.

use palisade_core::Reply;
use poem::{Body, Response};

/// Turns a reply into a response.
pub(crate) fn into_response(reply: Reply) -> Response {
    let mut response = Response::builder()
        .status(reply.status)
        .body(Body::from_bytes(reply.body));
    for (name, value) in reply.headers {
        response.headers_mut().append(name, value);
    }
    response
}
