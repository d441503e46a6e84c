//! axum: tower-http for headers and CORS, tower_governor for limits, `from_fn` around `jsonwebtoken`.

use std::{sync::Arc, time::Duration};

use ::axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use governor::middleware::NoOpMiddleware;
use http::{HeaderName, HeaderValue, Method, header};
use tower_governor::{
    GovernorLayer, governor::GovernorConfigBuilder, key_extractor::PeerIpKeyExtractor,
};
use tower_http::{
    cors::{AllowOrigin, CorsLayer},
    set_header::SetResponseHeaderLayer,
};

use super::{Authenticator, HEADERS, quota};
use crate::{
    drive::{ORIGIN, axum::app as bare},
    rows::Row,
};

/// The layers of one row, as one tuple each: a `Router::layer` per layer costs a box per layer.
pub(crate) fn app(row: Row) -> Router {
    match row {
        Row::Bare => bare(),
        Row::Headers => bare().layer(headers()),
        Row::Cors => bare().layer(cors()),
        Row::HeadersAndCors => bare().layer((cors(), headers())),
        Row::Limit => bare().layer(limit(row)),
        Row::Jwt => bare().layer(from_fn_with_state(authenticator(row), authenticate)),
        _ => bare().layer((
            cors(),
            headers(),
            limit(row),
            from_fn_with_state(authenticator(row), authenticate),
        )),
    }
}

type SetHeader = SetResponseHeaderLayer<HeaderValue>;
type SetHeaders = (
    SetHeader,
    SetHeader,
    SetHeader,
    SetHeader,
    SetHeader,
    SetHeader,
    SetHeader,
    SetHeader,
);

fn headers() -> SetHeaders {
    HEADERS
        .map(|(name, value)| {
            SetHeader::overriding(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .into()
}

fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::list([HeaderValue::from_static(ORIGIN)]))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([header::WWW_AUTHENTICATE, header::RETRY_AFTER])
        .max_age(Duration::from_secs(600))
}

fn limit(row: Row) -> GovernorLayer<PeerIpKeyExtractor, NoOpMiddleware, Body> {
    let (period, burst) = quota(row);
    let config = GovernorConfigBuilder::default()
        .period(period)
        .burst_size(burst)
        .finish()
        .expect("a period and a burst above zero");
    GovernorLayer::new(config)
}

fn authenticator(row: Row) -> Arc<Authenticator> {
    Arc::new(Authenticator::of(row))
}

async fn authenticate(
    State(authenticator): State<Arc<Authenticator>>,
    mut request: Request,
    next: Next,
) -> Response {
    let value = request.headers().get(authenticator.header());
    match authenticator.check(value.map(HeaderValue::as_bytes)) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => refusal.status().into_response(),
    }
}
