//! A response made by core, in the types of actix-web.

use actix_web::{
    HttpResponse,
    body::BoxBody,
    http::{
        StatusCode,
        header::{self as actix_header, HeaderName as ActixName, HeaderValue as ActixValue},
    },
};
use http::{HeaderName, HeaderValue, header};
use palisade_core::Reply;

/// Turns a reply into a response.
pub(crate) fn into_response(reply: Reply) -> HttpResponse {
    let status = status(&reply);
    let mut response = HttpResponse::with_body(status, BoxBody::new(reply.body));
    for (field, text) in &reply.headers {
        if let (Some(name), Some(value)) = (name(field), value(text)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// The status of a reply. Every status of `http` 1 is one of `http` 0.2.
pub(crate) fn status(reply: &Reply) -> StatusCode {
    StatusCode::from_u16(reply.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The names that most responses have: parsing them costs more, for those outside of the
/// registry even an allocation.
static USUAL_NAMES: [(HeaderName, ActixName); 7] = [
    (
        HeaderName::from_static("x-request-id"),
        ActixName::from_static("x-request-id"),
    ),
    (
        HeaderName::from_static("ratelimit"),
        ActixName::from_static("ratelimit"),
    ),
    (header::VARY, actix_header::VARY),
    (header::CACHE_CONTROL, actix_header::CACHE_CONTROL),
    (header::CONTENT_TYPE, actix_header::CONTENT_TYPE),
    (header::WWW_AUTHENTICATE, actix_header::WWW_AUTHENTICATE),
    (header::RETRY_AFTER, actix_header::RETRY_AFTER),
];

/// The values that every refusal has: copying them would cost an allocation each.
static USUAL_VALUES: [ActixValue; 2] = [
    ActixValue::from_static("application/problem+json"),
    ActixValue::from_static("no-store"),
];

/// Every name of `http` 1 is one of `http` 0.2.
pub(crate) fn name(name: &HeaderName) -> Option<ActixName> {
    match USUAL_NAMES.iter().find(|(own, _)| own == name) {
        Some((_, usual)) => Some(usual.clone()),
        None => ActixName::from_bytes(name.as_str().as_bytes()).ok(),
    }
}

/// Every value of `http` 1 is one of `http` 0.2.
pub(crate) fn value(value: &HeaderValue) -> Option<ActixValue> {
    match USUAL_VALUES.iter().find(|own| own.as_bytes() == value) {
        Some(usual) => Some(usual.clone()),
        None => ActixValue::from_bytes(value.as_bytes()).ok(),
    }
}
