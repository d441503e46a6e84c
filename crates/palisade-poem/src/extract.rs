//! Extractors for poem.

use crate::reply::into_response;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderName, header};
use palisade_core::{BodyKind, BodyTooLarge, Grant, Reply};
use poem::{Error, FromRequest, Request, RequestBody, Result};
use serde::de::DeserializeOwned;
use std::{borrow::Cow, collections::BTreeMap, ops::Deref};
use validator::Validate;

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
        // A map, because poem reads a list as values without their names.
        let parameters: BTreeMap<String, String> = request.path_params().unwrap_or_default();
        let parameters: Vec<(Cow<'_, str>, Cow<'_, str>)> = parameters
            .iter()
            .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
            .collect();
        let valid = grant(request)?.valid_path(&parameters);
        valid.map(Self).map_err(rejection)
    }
}

fn rejection(reply: Reply) -> Error {
    Error::from_response(into_response(reply))
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
        let chunk: Bytes = chunk.map_err(|why| {
            let cause = why.get_ref().map(|cause| cause.is::<BodyTooLarge>());
            rejection(match cause {
                Some(true) => grant.body_too_large(),
                _ => grant.body_unreadable(),
            })
        })?;
        if whole.len().saturating_add(chunk.len()) > most {
            return Err(rejection(grant.body_too_large()));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}
