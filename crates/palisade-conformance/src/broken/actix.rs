//! Broken adapters for actix-web.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use actix_web::middleware::{Next, from_fn};

use super::Broken;
use crate::harness::actix::{app, serve};
use crate::harness::serve::Threads;
use crate::harness::{Fixture, Running};

/// The policy is compiled inside of the factory, once for each worker.
pub(super) const STATE_PER_WORKER: Broken = Broken {
    framework: "actix",
    mistake: "keeps its state per worker",
    found_by: &["adapters: a quota holds for all connections"],
    only_core_knows: false,
    tells: None,
    start: state_per_worker,
};

/// The errors of handlers go out as they are.
pub(super) const EDITS_DROPPED_ON_ERRORS: Broken = Broken {
    framework: "actix",
    mistake: "drops its edits on errors",
    found_by: &["adapters: an error leaves through the layer"],
    only_core_knows: false,
    tells: None,
    start: edits_dropped_on_errors,
};

/// It asks for credentials in its own way.
pub(super) const CHALLENGES_OF_ITS_OWN: Broken = Broken {
    framework: "actix",
    mistake: "has challenges of its own",
    found_by: &["adapters: a refusal is core's own [nobody]"],
    only_core_knows: true,
    tells: None,
    start: challenges_of_its_own,
};

/// It writes down what it was sent, as bytes.
pub(super) const BYTES_IN_THE_LOG: Broken = Broken {
    framework: "actix",
    mistake: "writes the bytes of a credential into the log",
    found_by: &[],
    only_core_knows: false,
    tells: Some("palisade::actix"),
    start: bytes_in_the_log,
};

fn state_per_worker(fixture: &Fixture) -> Result<Running, String> {
    let (fixture, shared) = (fixture.clone(), fixture.palisade()?);
    let own_app = move || {
        let own = fixture.palisade().unwrap_or_else(|_| shared.clone());
        app(fixture.handled.clone(), own, true)
    };
    Threads::new()?.serve(|listener, stop| serve(listener, stop, own_app))
}

fn edits_dropped_on_errors(fixture: &Fixture) -> Result<Running, String> {
    let (handled, palisade) = (fixture.handled.clone(), fixture.palisade()?);
    let app = move || app(handled.clone(), palisade.clone(), true).wrap(from_fn(forget));
    Threads::new()?.serve(|listener, stop| serve(listener, stop, app))
}

fn challenges_of_its_own(fixture: &Fixture) -> Result<Running, String> {
    let (handled, palisade) = (fixture.handled.clone(), fixture.palisade()?);
    let app = move || app(handled.clone(), palisade.clone(), true).wrap(from_fn(challenge));
    Threads::new()?.serve(|listener, stop| serve(listener, stop, app))
}

fn bytes_in_the_log(fixture: &Fixture) -> Result<Running, String> {
    let (handled, palisade) = (fixture.handled.clone(), fixture.palisade()?);
    let app = move || app(handled.clone(), palisade.clone(), true).wrap(from_fn(write_down));
    Threads::new()?.serve(|listener, stop| serve(listener, stop, app))
}

async fn write_down(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Some(credential) = request.headers().get(AUTHORIZATION) {
        log::debug!(target: "palisade::actix", "{:?}", credential.as_bytes());
    }
    next.call(request).await
}

async fn challenge(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    if let Some(challenge) = response.headers_mut().get_mut(WWW_AUTHENTICATE) {
        *challenge = HeaderValue::from_static("Bearer realm=\"actix\"");
    }
    Ok(response)
}

/// Makes a new error out of the old one's cause, without its response mappers.
async fn forget(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    next.call(request).await.map_err(|error| {
        let response = error.as_response_error().error_response();
        InternalError::from_response("", response).into()
    })
}
