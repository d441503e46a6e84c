//! A layer that stands inside of axum's routing says so in the log, once; one around the router says nothing.

#![allow(clippy::unwrap_used)]

use axum::{Router, body::Body, extract::Request, routing::get};
use palisade_core::{Palisade, Policy, Rule, public};
use palisade_tower::{PeerAddress, SecurityLayer};
use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};
use tower_service::Service;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn warnings(&self) -> usize {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.matches("inside of axum's routing").count()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn request() -> Request {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = "/items".parse().unwrap();
    let host = "localhost".parse().unwrap();
    request.headers_mut().insert("host", host);
    let peer = PeerAddress(([127, 0, 0, 1], 4711).into());
    request.extensions_mut().insert(peer);
    request
}

fn palisade() -> Palisade {
    Policy::builder()
        .rule(Rule::new("/items").require(public()))
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_layer_inside_of_the_routing_says_so_once() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let routes = || Router::new().route("/items", get(async || "items"));

    let mut around = SecurityLayer::new(palisade()).around(routes());
    assert_eq!(around.call(request()).await.unwrap().status(), 200);
    // A part of another router is judged before that router's routes, too.
    let part = SecurityLayer::new(palisade()).around(routes());
    let mut outer = Router::new().fallback_service(part);
    assert_eq!(outer.call(request()).await.unwrap().status(), 200);
    assert_eq!(log.warnings(), 0);

    let mut inside = routes().layer(SecurityLayer::new(palisade()));
    for _ in 0..2 {
        assert_eq!(inside.call(request()).await.unwrap().status(), 200);
    }
    assert_eq!(log.warnings(), 1);
}
