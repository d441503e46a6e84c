//! poem: its own `Cors` and `SetHeader`; it has neither a limit by address nor bearer tokens, so both are hand-written
//! with `around`.

use std::{rc::Rc, sync::Arc};

use ::poem::{
    Endpoint, EndpointExt, Error, Request,
    middleware::{Cors, SetHeader},
};
use http::{HeaderValue, Method, StatusCode, header};
use tokio::runtime::Runtime;

use super::{Authenticator, HEADERS, Limiter};
use crate::{
    drive::{
        ORIGIN,
        poem::{app as bare, stack as drive},
    },
    measure::Stack,
    rows::{Row, Subject},
};

/// The stack of one row.
pub(crate) fn stack(runtime: &Rc<Runtime>, subject: Subject) -> Stack {
    let row = subject.row;
    match row {
        Row::Bare => drive(runtime, subject, bare()),
        Row::Headers => drive(runtime, subject, bare().with(headers())),
        Row::Cors => drive(runtime, subject, bare().with(cors())),
        Row::HeadersAndCors => drive(runtime, subject, bare().with(headers()).with(cors())),
        Row::Limit => drive(runtime, subject, limit(row, bare())),
        Row::Jwt => drive(runtime, subject, authenticate(row, bare())),
        _ => drive(runtime, subject, full(row)),
    }
}

/// Everything at once; the outermost is written last.
pub(crate) fn full(row: Row) -> impl Endpoint {
    limit(row, authenticate(row, bare()))
        .with(headers())
        .with(cors())
}

fn headers() -> SetHeader {
    HEADERS.iter().fold(SetHeader::new(), |set, (name, value)| {
        set.overriding(*name, *value)
    })
}

fn cors() -> Cors {
    Cors::new()
        .allow_origin(ORIGIN)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([header::WWW_AUTHENTICATE, header::RETRY_AFTER])
        .max_age(600)
}

fn limit(row: Row, inner: impl EndpointExt<Endpoint: 'static>) -> impl Endpoint {
    let limiter = Arc::new(Limiter::of(row));
    inner.around(move |endpoint, request| {
        let limiter = Arc::clone(&limiter);
        async move {
            let address = request
                .remote_addr()
                .as_socket_addr()
                .map(|address| address.ip());
            if !limiter.admits(address) {
                return Err(Error::from_status(StatusCode::TOO_MANY_REQUESTS));
            }
            endpoint.call(request).await
        }
    })
}

fn authenticate(row: Row, inner: impl EndpointExt<Endpoint: 'static>) -> impl Endpoint {
    let authenticator = Arc::new(Authenticator::of(row));
    inner.around(move |endpoint, mut request: Request| {
        let authenticator = Arc::clone(&authenticator);
        async move {
            let value = request.headers().get(authenticator.header());
            let caller = authenticator
                .check(value.map(HeaderValue::as_bytes))
                .map_err(|refusal| Error::from_status(refusal.status()))?;
            request.extensions_mut().insert(caller);
            endpoint.call(request).await
        }
    })
}
