//! Extractors for poem.

use crate::reply::into_response;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderName, StatusCode, header};
use palisade_core::{BodyKind, Grant, Reply};
use poem::{Error, FromRequest, Request, RequestBody, Response, Result, error::ResponseError};
use serde::de::DeserializeOwned;
use std::{borrow::Cow, collections::BTreeMap, fmt, ops::Deref};
use validator::Validate;

/// The refusal of an extractor.
#[derive(Debug)]
pub struct Rejection(Reply);

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with status {}", self.0.status.as_u16())
    }
}

impl std::error::Error for Rejection {}

impl ResponseError for Rejection {
    fn status(&self) -> StatusCode {
        self.0.status
    }

    fn as_response(&self) -> Response {
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

impl<'a> FromRequest<'a> for Granted {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        grant(request).cloned().map(Self)
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

impl<'a> FromRequest<'a> for Principal {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let caller = grant(request)?.require_principal().map_err(rejection)?;
        Ok(Self(caller.clone()))
    }
}

/// The caller's claims as `T`: 401 without a caller, 403 if they do not fit.
#[derive(Debug, Clone)]
pub struct Claims<T>(pub T);

impl<'a, T: DeserializeOwned> FromRequest<'a> for Claims<T> {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        grant(request)?.claims().map(Self).map_err(rejection)
    }
}

/// A JSON body whose rules hold.
#[derive(Debug, Clone)]
pub struct ValidJson<T>(pub T);

impl<'a, T> FromRequest<'a> for ValidJson<T>
where
    T: DeserializeOwned + Validate + 'static,
{
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let grant = grant(request)?;
        let body = read(grant, body).await?;
        let valid = grant.valid_json(kind(request), &body);
        valid.map(Self).map_err(rejection)
    }
}

/// A form body whose rules hold.
#[derive(Debug, Clone)]
pub struct ValidForm<T>(pub T);

impl<'a, T> FromRequest<'a> for ValidForm<T>
where
    T: DeserializeOwned + Validate + 'static,
{
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let grant = grant(request)?;
        let body = read(grant, body).await?;
        let valid = grant.valid_form(kind(request), &body);
        valid.map(Self).map_err(rejection)
    }
}

/// A query whose rules hold.
#[derive(Debug, Clone)]
pub struct ValidQuery<T>(pub T);

impl<'a, T> FromRequest<'a> for ValidQuery<T>
where
    T: DeserializeOwned + Validate + 'static,
{
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let valid = grant(request)?.valid_query(request.uri().query());
        valid.map(Self).map_err(rejection)
    }
}

/// Parameters of the path whose rules hold.
#[derive(Debug, Clone)]
pub struct ValidPath<T>(pub T);

impl<'a, T> FromRequest<'a> for ValidPath<T>
where
    T: DeserializeOwned + Validate + 'static,
{
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let parameters = path_parameters(request);
        let parameters: Vec<(Cow<'_, str>, Cow<'_, str>)> = parameters
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let valid = grant(request)?.valid_path(&parameters);
        valid.map(Self).map_err(rejection)
    }
}

/// The parameters by name, decoded; poem hands out their names to maps only.
fn path_parameters(request: &Request) -> BTreeMap<String, String> {
    request.path_params().unwrap_or_default()
}

fn rejection(reply: Reply) -> Error {
    Rejection(reply).into()
}

fn grant(request: &Request) -> Result<&Grant> {
    let grant = request.extensions().get::<Grant>();
    grant.ok_or_else(|| rejection(Reply::missing_layer()))
}

fn kind(request: &Request) -> BodyKind<'_> {
    BodyKind {
        content_type: line(request, &header::CONTENT_TYPE),
        content_encoding: line(request, &header::CONTENT_ENCODING),
    }
}

fn line<'a>(request: &'a Request, name: &HeaderName) -> Option<&'a [u8]> {
    request.headers().get(name).map(|value| value.as_bytes())
}

/// Reads the whole body, up to what the rule or the policy allows.
async fn read(grant: &Grant, body: &mut RequestBody) -> Result<Bytes> {
    let most = usize::try_from(grant.max_body()).unwrap_or(usize::MAX);
    let mut whole = BytesMut::new();
    let mut chunks = body.take()?.into_bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk: Bytes = chunk.map_err(|why| rejection(grant.body_failed(&why)))?;
        if whole.len().saturating_add(chunk.len()) > most {
            return Err(rejection(grant.body_too_large()));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use poem::{Endpoint, Route, endpoint::make_sync};

    #[test]
    fn path_parameters_come_by_name_and_decoded() {
        let show = make_sync(|request: Request| format!("{:?}", path_parameters(&request)));
        let app = Route::new().at("/:name/:share", show);
        let request = Request::builder().uri_str("/a%40b/100%25").finish();
        let response = app.call(request).now_or_never().unwrap().unwrap();
        let body = response.into_body().into_string().now_or_never().unwrap();
        assert_eq!(body.unwrap(), r#"{"name": "a@b", "share": "100%"}"#);
    }
}
