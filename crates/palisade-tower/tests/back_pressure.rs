//! PITFALLS 9: the service that was found ready is the one that is called, and a service that is
//! not ready is not called at all.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::HOST};
use http_body_util::{Empty, Full};
use palisade_core::{Policy, Rule, public};
use palisade_tower::{GuardedBody, PeerAddress, SecurityLayer};
use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};
use tower_layer::Layer;
use tower_service::Service;

/// May be called only after it said itself that it is ready; a clone has to be asked anew.
struct Strict {
    open: Arc<AtomicBool>,
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self {
            open: Arc::clone(&self.open),
            ready: false,
        }
    }
}

impl Service<Request<GuardedBody<Empty<Bytes>>>> for Strict {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = self.open.load(Ordering::Relaxed);
        match self.ready {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }

    fn call(&mut self, _: Request<GuardedBody<Empty<Bytes>>>) -> Self::Future {
        assert!(self.ready, "called without being ready");
        self.ready = false;
        ready(Ok(Response::new(Full::default())))
    }
}

fn request() -> Request<Empty<Bytes>> {
    let peer = PeerAddress(([127, 0, 0, 1], 4711).into());
    let mut request = Request::new(Empty::new());
    let host = HeaderValue::from_static("localhost");
    request.headers_mut().insert(HOST, host);
    request.extensions_mut().insert(peer);
    request
}

#[test]
fn the_service_that_is_ready_is_the_one_that_is_called() {
    let palisade = Policy::builder()
        .rule(Rule::new("/").require(public()))
        .build()
        .unwrap();
    let open = Arc::new(AtomicBool::new(false));
    let inner = Strict {
        open: Arc::clone(&open),
        ready: false,
    };
    let mut service = SecurityLayer::new(palisade).layer(inner);
    let context = &mut Context::from_waker(Waker::noop());

    assert!(service.poll_ready(context).is_pending());
    open.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        assert!(service.poll_ready(context).is_ready());
        let mut response = Box::pin(service.call(request()));
        let Poll::Ready(Ok(response)) = response.as_mut().poll(context) else {
            panic!("a handler that is ready answers at once")
        };
        // Had the wrong service been called, its panic would be a 500.
        assert_eq!(response.status(), 200);
    }
}
