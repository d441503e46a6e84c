//! Extractors for actix-web.

use crate::reply::{into_response, status};
use actix_web::{
    FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError,
    dev::Payload,
    error::PayloadError,
    http::{StatusCode, header},
    web::{Bytes, BytesMut},
};
use futures_util::StreamExt;
use palisade_core::{BodyKind, Grant, Reply};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use std::{
    borrow::Cow,
    fmt,
    future::{Future, Ready, ready},
    ops::Deref,
    pin::Pin,
};
use validator::Validate;

/// The refusal of an extractor.
#[derive(Debug)]
pub struct Rejection(Reply);

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with status {}", self.0.status.as_u16())
    }
}

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        status(&self.0)
    }

    fn error_response(&self) -> HttpResponse {
        into_response(self.0.clone())
    }
}

impl From<Reply> for Rejection {
    fn from(reply: Reply) -> Self {
        Self(reply)
    }
}

/// The proof that the layer admitted the request: the caller, the rule, and the way to refuse in
/// the same words. Without the layer the answer is 500 and names what is missing.
#[derive(Debug, Clone)]
pub struct Granted(pub Grant);

impl FromRequest for Granted {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extract = || Ok(Self(grant(request)?));
        ready(extract())
    }
}

/// The authenticated caller; without one, the request is refused with 401.
#[derive(Debug, Clone)]
pub struct Principal(palisade_core::Principal);

impl Deref for Principal {
    type Target = palisade_core::Principal;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromRequest for Principal {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extract = || Ok(Self(grant(request)?.require_principal()?.clone()));
        ready(extract())
    }
}

/// The caller's claims as `T`: 401 without a caller, 403 if they do not fit.
#[derive(Debug, Clone)]
pub struct Claims<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Claims<T> {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extract = || Ok(Self(grant(request)?.claims()?));
        ready(extract())
    }
}

/// A JSON body whose rules hold.
#[derive(Debug, Clone)]
pub struct ValidJson<T>(pub T);

impl<T> FromRequest for ValidJson<T>
where
    T: DeserializeOwned + Validate + 'static,
{
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let grant = grant(&request)?;
            let body = read(&grant, payload).await?;
            Ok(Self(grant.valid_json(kind(&request), &body)?))
        })
    }
}

/// A form body whose rules hold.
#[derive(Debug, Clone)]
pub struct ValidForm<T>(pub T);

impl<T> FromRequest for ValidForm<T>
where
    T: DeserializeOwned + Validate + 'static,
{
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let grant = grant(&request)?;
            let body = read(&grant, payload).await?;
            Ok(Self(grant.valid_form(kind(&request), &body)?))
        })
    }
}

/// A query whose rules hold.
#[derive(Debug, Clone)]
pub struct ValidQuery<T>(pub T);

impl<T> FromRequest for ValidQuery<T>
where
    T: DeserializeOwned + Validate + 'static,
{
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extract = || Ok(Self(grant(request)?.valid_query(request.uri().query())?));
        ready(extract())
    }
}

/// Parameters of the path whose rules hold.
#[derive(Debug, Clone)]
pub struct ValidPath<T>(pub T);

impl<T> FromRequest for ValidPath<T>
where
    T: DeserializeOwned + Validate + 'static,
{
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extract = || {
            let parameters = path_parameters(request);
            Ok(Self(grant(request)?.valid_path(&parameters)?))
        };
        ready(extract())
    }
}

/// The parameters by name, decoded; actix-web leaves `%25`, `%2F` and `%2B` as they are.
fn path_parameters(request: &HttpRequest) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let decoded = |value| percent_decode_str(value).decode_utf8_lossy();
    let raw = request.match_info().iter();
    raw.map(|(name, value)| (name.into(), decoded(value)))
        .collect()
}

fn grant(request: &HttpRequest) -> Result<Grant, Reply> {
    let extensions = request.extensions();
    let grant = extensions.get::<Grant>().cloned();
    grant.ok_or_else(Reply::missing_layer)
}

fn kind(request: &HttpRequest) -> BodyKind<'_> {
    BodyKind {
        content_type: line(request, &header::CONTENT_TYPE),
        content_encoding: line(request, &header::CONTENT_ENCODING),
    }
}

fn line<'a>(request: &'a HttpRequest, name: &header::HeaderName) -> Option<&'a [u8]> {
    request.headers().get(name).map(|value| value.as_bytes())
}

/// Reads the whole body, up to what the rule or the policy allows.
async fn read(grant: &Grant, mut payload: Payload) -> Result<Bytes, Reply> {
    let most = usize::try_from(grant.max_body()).unwrap_or(usize::MAX);
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|why| match why {
            PayloadError::Overflow => grant.body_too_large(),
            other => grant.body_failed(&other),
        })?;
        if body.len().saturating_add(chunk.len()) > most {
            return Err(grant.body_too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn path_parameters_come_by_name_and_decoded() {
        // As the router leaves `/a%40b/100%25`.
        let request = TestRequest::default()
            .param("name", "a@b")
            .param("share", "100%25")
            .to_http_request();
        let expected = [
            ("name".into(), "a@b".into()),
            ("share".into(), "100%".into()),
        ];
        assert_eq!(path_parameters(&request), expected);
    }
}
