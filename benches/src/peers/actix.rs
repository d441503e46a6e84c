//! actix-web: its `DefaultHeaders`, actix-cors, actix-web-httpauth around `jsonwebtoken`; the limit is hand-written,
//! since actix-governor is under the GPL.

use std::{future::ready, rc::Rc, sync::Arc};

use actix_cors::Cors;
use actix_web::{
    App, Error, HttpMessage,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{Service, ServiceRequest},
    error::InternalError,
    http::StatusCode,
    middleware::DefaultHeaders,
};
use actix_web_httpauth::{extractors::bearer::BearerAuth, middleware::HttpAuthentication};
use futures_util::future::Either;
use tokio::runtime::Runtime;

use super::{ApiKeys, Bearer, Caller, HEADERS, Limiter, Refusal};
use crate::{
    drive::{
        ORIGIN,
        actix::{Guarded, app as bare, stack as drive},
    },
    measure::Stack,
    rows::{Credential, Row, Subject},
};

/// The stack of one row.
pub(crate) fn stack(runtime: &Rc<Runtime>, subject: Subject) -> Stack {
    let row = subject.row;
    match row {
        Row::Bare => drive(runtime, subject, bare()),
        Row::Headers => drive(runtime, subject, bare().wrap(headers())),
        Row::Cors => drive(runtime, subject, bare().wrap(cors())),
        Row::HeadersAndCors => drive(runtime, subject, bare().wrap(headers()).wrap(cors())),
        Row::Limit => drive(runtime, subject, limit(Limiter::of(row).into(), bare())),
        Row::Jwt => drive(runtime, subject, bearer(Bearer::of(row).into(), bare())),
        Row::Full(Credential::ApiKey) | Row::Forbidden(Credential::ApiKey) => {
            let guarded = api_key(ApiKeys::of(row).into(), bare());
            drive(runtime, subject, around(Limiter::of(row).into(), guarded))
        }
        _ => drive(
            runtime,
            subject,
            full(Limiter::of(row).into(), Bearer::of(row).into()),
        ),
    }
}

/// Everything at once, with a bearer token. What the workers share is made outside: actix builds the app once for
/// each of them.
pub(crate) fn full(
    limiter: Arc<Limiter>,
    keys: Arc<Bearer>,
) -> App<impl Guarded<EitherBody<EitherBody<BoxBody>>>> {
    around(limiter, bearer(keys, bare()))
}

/// What stands before the authentication; the outermost is written last.
fn around<B: MessageBody + 'static>(
    limiter: Arc<Limiter>,
    app: App<impl Guarded<B>>,
) -> App<impl Guarded<EitherBody<B>>> {
    limit(limiter, app).wrap(headers()).wrap(cors())
}

fn headers() -> DefaultHeaders {
    HEADERS
        .into_iter()
        .fold(DefaultHeaders::new(), DefaultHeaders::add)
}

fn cors() -> Cors {
    Cors::default()
        .allowed_origin(ORIGIN)
        .allowed_methods(["GET", "POST"])
        .allowed_headers(["authorization", "content-type"])
        .expose_headers(["www-authenticate", "retry-after"])
        .max_age(600)
}

fn limit<B: MessageBody + 'static>(
    limiter: Arc<Limiter>,
    app: App<impl Guarded<B>>,
) -> App<impl Guarded<B>> {
    app.wrap_fn(move |request, service| {
        if limiter.admits(request.peer_addr().map(|address| address.ip())) {
            Either::Left(service.call(request))
        } else {
            Either::Right(ready(Err(error(StatusCode::TOO_MANY_REQUESTS))))
        }
    })
}

fn bearer<B: MessageBody + 'static>(
    keys: Arc<Bearer>,
    app: App<impl Guarded<B>>,
) -> App<impl Guarded<EitherBody<B>>> {
    app.wrap(HttpAuthentication::bearer(
        move |request: ServiceRequest, presented: BearerAuth| {
            ready(match keys.check(presented.token()) {
                Ok(claims) => {
                    request.extensions_mut().insert(Caller::Token(claims));
                    Ok(request)
                }
                Err(refusal) => Err((refused(refusal), request)),
            })
        },
    ))
}

fn api_key<B: MessageBody + 'static>(
    keys: Arc<ApiKeys>,
    app: App<impl Guarded<B>>,
) -> App<impl Guarded<B>> {
    app.wrap_fn(move |request, service| {
        let key = request
            .headers()
            .get("x-api-key")
            .map(|value| value.as_bytes());
        match keys.check(key.unwrap_or_default()) {
            Ok(owner) => {
                request.extensions_mut().insert(Caller::Key(owner));
                Either::Left(service.call(request))
            }
            Err(refusal) => Either::Right(ready(Err(refused(refusal)))),
        }
    })
}

fn refused(refusal: Refusal) -> Error {
    // `http` 0.2 here, 1 there.
    error(StatusCode::from_u16(refusal.status().as_u16()).expect("a status"))
}

fn error(status: StatusCode) -> Error {
    InternalError::new(status, status).into()
}
