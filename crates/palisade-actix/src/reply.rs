//! A response made by core, in the types of actix-web.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{HeaderName as ActixName, HeaderValue as ActixValue},
    },
};
use http::{HeaderName, HeaderValue};
use palisade_core::Reply;

/// Turns a reply into a response.
pub(crate) fn into_response(reply: Reply) -> HttpResponse {
    let mut response = HttpResponse::new(status(&reply));
    for (field, text) in &reply.headers {
        if let (Some(name), Some(value)) = (name(field), value(text)) {
            response.headers_mut().append(name, value);
        }
    }
    response.set_body(actix_web::body::BoxBody::new(reply.body))
}

/// The status of a reply. Every status of `http` 1 is one of `http` 0.2.
pub(crate) fn status(reply: &Reply) -> StatusCode {
    StatusCode::from_u16(reply.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Names outside of the registry that most responses have: made by parsing, each would cost an
/// allocation.
static USUAL: [ActixName; 3] = [
    ActixName::from_static("x-request-id"),
    ActixName::from_static("ratelimit"),
    ActixName::from_static("ratelimit-policy"),
];

/// Every name of `http` 1 is one of `http` 0.2.
pub(crate) fn name(name: &HeaderName) -> Option<ActixName> {
    let usual = USUAL.iter().find(|own| own.as_str() == name.as_str());
    usual
        .cloned()
        .or_else(|| ActixName::from_bytes(name.as_str().as_bytes()).ok())
}

/// Every value of `http` 1 is one of `http` 0.2.
pub(crate) fn value(value: &HeaderValue) -> Option<ActixValue> {
    ActixValue::from_bytes(value.as_bytes()).ok()
}
