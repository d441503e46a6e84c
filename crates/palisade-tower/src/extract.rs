//! Extractors for axum.

use crate::reply::into_response;
use axum::{
    extract::{FromRequest, FromRequestParts, RawPathParams, Request},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use palisade_core::{BodyKind, Grant, Reply};
use serde::de::DeserializeOwned;
use std::{borrow::Cow, ops::Deref};
use validator::Validate;

/// The refusal of an extractor.
#[derive(Debug)]
pub struct Rejection(Reply);

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        into_response(self.0)
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

impl<S: Sync> FromRequestParts<S> for Granted {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Ok(Self(grant(parts)?.clone()))
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

impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Ok(Self(grant(parts)?.require_principal()?.clone()))
    }
}

/// The caller's claims as `T`: 401 without a caller, 403 if they do not fit.
#[derive(Debug, Clone)]
pub struct Claims<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Claims<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Ok(Self(grant(parts)?.claims()?))
    }
}

/// A JSON body whose rules hold.
#[derive(Debug, Clone)]
pub struct ValidJson<T>(pub T);

impl<S, T> FromRequest<S> for ValidJson<T>
where
    S: Sync,
    T: DeserializeOwned + Validate + 'static,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, _: &S) -> Result<Self, Rejection> {
        let (parts, body) = read(request).await?;
        Ok(Self(grant(&parts)?.valid_json(kind(&parts), &body)?))
    }
}

/// A form body whose rules hold.
#[derive(Debug, Clone)]
pub struct ValidForm<T>(pub T);

impl<S, T> FromRequest<S> for ValidForm<T>
where
    S: Sync,
    T: DeserializeOwned + Validate + 'static,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, _: &S) -> Result<Self, Rejection> {
        let (parts, body) = read(request).await?;
        Ok(Self(grant(&parts)?.valid_form(kind(&parts), &body)?))
    }
}

/// A query whose rules hold.
#[derive(Debug, Clone)]
pub struct ValidQuery<T>(pub T);

impl<S, T> FromRequestParts<S> for ValidQuery<T>
where
    S: Sync,
    T: DeserializeOwned + Validate + 'static,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Ok(Self(grant(parts)?.valid_query(parts.uri.query())?))
    }
}

/// Parameters of the path whose rules hold.
#[derive(Debug, Clone)]
pub struct ValidPath<T>(pub T);

impl<S, T> FromRequestParts<S> for ValidPath<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Validate + 'static,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let raw = RawPathParams::from_request_parts(parts, state).await;
        let grant = grant(parts)?;
        let raw = raw.map_err(|_| grant.body_unreadable())?;
        let parameters: Vec<(Cow<'_, str>, Cow<'_, str>)> = raw
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Ok(Self(grant.valid_path(&parameters)?))
    }
}

fn grant(parts: &Parts) -> Result<&Grant, Reply> {
    parts
        .extensions
        .get::<Grant>()
        .ok_or_else(Reply::missing_layer)
}

fn kind(parts: &Parts) -> BodyKind<'_> {
    BodyKind {
        content_type: line(&parts.headers, &header::CONTENT_TYPE),
        content_encoding: line(&parts.headers, &header::CONTENT_ENCODING),
    }
}

fn line<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    headers.get(name).map(|value| value.as_bytes())
}

/// Reads the whole body, up to what the rule or the policy allows.
async fn read(request: Request) -> Result<(Parts, Bytes), Reply> {
    let (parts, body) = request.into_parts();
    let grant = grant(&parts)?;
    let most = usize::try_from(grant.max_body()).unwrap_or(usize::MAX);
    match Limited::new(body, most).collect().await {
        Ok(whole) => Ok((parts, whole.to_bytes())),
        Err(why) if why.is::<LengthLimitError>() => Err(grant.body_too_large()),
        Err(why) => Err(grant.body_failed(&*why)),
    }
}
