//! Broken adapters for poem.

use std::sync::{Arc, Mutex, PoisonError};

use palisade_poem::{Palisade, SecurityLayer};
use poem::http::{StatusCode, header::AUTHORIZATION};
use poem::{Endpoint, EndpointExt, Error, IntoResponse, Request, Response, Result};

use super::Broken;
use crate::harness::poem::{App, start};

/// The errors of handlers go out as they are.
pub(super) const EDITS_DROPPED_ON_ERRORS: Broken = Broken {
    framework: "poem",
    mistake: "drops its edits on errors",
    found_by: &["adapters: an error leaves through the layer"],
    only_core_knows: false,
    tells: None,
    start: |fixture| start(fixture, forget),
};

/// The first of two credentials is taken.
pub(super) const SECOND_AUTHORIZATION_IGNORED: Broken = Broken {
    framework: "poem",
    mistake: "ignores a second authorization line",
    found_by: &["adapters: two authorization lines"],
    only_core_knows: false,
    tells: None,
    start: |fixture| start(fixture, hide_second),
};

/// It says which credential it refuses.
pub(super) const CREDENTIALS_IN_REFUSALS: Broken = Broken {
    framework: "poem",
    mistake: "sends refused credentials back",
    found_by: &["adapters: a refusal is core's own [not allowed]"],
    only_core_knows: false,
    tells: Some("answer"),
    start: |fixture| start(fixture, send_back),
};

/// Where an error waits while the layer edits something else.
type Lost = Arc<Mutex<Option<Response>>>;

fn forget(routes: App, palisade: Palisade) -> App {
    let layered = routes.around(lose).with(SecurityLayer::new(palisade));
    layered.around(restore).boxed()
}

async fn lose<E: Endpoint>(routes: Arc<E>, request: Request) -> Result<E::Output> {
    let lost = request.data::<Lost>().cloned().unwrap_or_default();
    routes.call(request).await.map_err(|error| {
        *lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.into_response());
        Error::from_status(StatusCode::IM_A_TEAPOT)
    })
}

async fn restore<E: Endpoint>(layered: Arc<E>, mut request: Request) -> Result<Response> {
    let lost = Lost::default();
    request.set_data(lost.clone());
    let edited = layered.call(request).await?.into_response();
    let lost = lost.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(lost.unwrap_or(edited))
}

fn hide_second(routes: App, palisade: Palisade) -> App {
    let layered = routes.with(SecurityLayer::new(palisade));
    layered.around(take_first).boxed()
}

fn send_back(routes: App, palisade: Palisade) -> App {
    let layered = routes.with(SecurityLayer::new(palisade));
    layered.around(quote).boxed()
}

async fn quote<E: Endpoint>(layered: Arc<E>, request: Request) -> Result<Response> {
    let credential = request.headers().get(AUTHORIZATION).cloned();
    let mut answer = layered.call(request).await?.into_response();
    if let Some(credential) = credential.filter(|_| answer.status().is_client_error()) {
        answer.headers_mut().insert("x-refused", credential);
    }
    Ok(answer)
}

async fn take_first<E: Endpoint>(layered: Arc<E>, mut request: Request) -> Result<E::Output> {
    if let Some(first) = request.headers().get(AUTHORIZATION).cloned() {
        request.headers_mut().insert(AUTHORIZATION, first);
    }
    layered.call(request).await
}
