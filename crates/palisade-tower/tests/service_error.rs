//! Invariant 1 for a service that returns an error instead of a response: it leaves through the policy all the same, and
//! is audited once.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::HOST};
use http_body_util::{Empty, Full};
use palisade_core::{AuditEvent, AuditSink, Policy, Rule, public};
use palisade_tower::{GuardedBody, PeerAddress, SecurityLayer};
use std::{
    future::{Future, Ready, ready},
    io,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};
use tower_layer::Layer;
use tower_service::Service;

/// Fails as `tower::timeout` does: without a response.
#[derive(Clone)]
struct Failing;

impl Service<Request<GuardedBody<Empty<Bytes>>>> for Failing {
    type Response = Response<Full<Bytes>>;
    type Error = io::Error;
    type Future = Ready<Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<GuardedBody<Empty<Bytes>>>) -> Self::Future {
        ready(Err(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

#[derive(Debug, Default)]
struct Seen(Mutex<Vec<String>>);

impl AuditSink for Seen {
    fn record(&self, event: &AuditEvent<'_>) {
        let (status, reason) = (event.status, event.reason.as_deref());
        let seen = format!("{:?} {status:?} {reason:?}", event.decision);
        self.0.lock().unwrap().push(seen);
    }
}

#[test]
fn an_error_of_the_service_leaves_as_a_response_of_the_policy() {
    let seen = Arc::new(Seen::default());
    let palisade = Policy::builder()
        .rule(Rule::new("/").require(public()))
        .with_audit(seen.clone())
        .build()
        .unwrap();
    let mut service = SecurityLayer::new(palisade).layer(Failing);
    let mut request = Request::new(Empty::<Bytes>::new());
    let host = HeaderValue::from_static("localhost");
    request.headers_mut().insert(HOST, host);
    let peer = PeerAddress(([127, 0, 0, 1], 4711).into());
    request.extensions_mut().insert(peer);

    let answer = pin!(service.call(request)).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Ok(response)) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(response.status(), 500);
    for name in ["x-request-id", "x-content-type-options", "cache-control"] {
        assert!(response.headers().contains_key(name), "{name} is missing");
    }
    assert_eq!(
        *seen.0.lock().unwrap(),
        [r#"Refuse Some(500) Some("service_error")"#]
    );
}
