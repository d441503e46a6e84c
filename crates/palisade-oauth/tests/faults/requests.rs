//! Whole requests, judged while the issuer hangs.

use crate::fixture::{Issuer, STALE, eventually, keys, wait};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use palisade_conformance::loopback::Reply;
use palisade_core::{Palisade, Policy, RequestHead, Verdict};
use serde_json::json;
use std::{
    net::SocketAddr,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// How many requests are measured.
const REQUESTS: usize = 3000;

struct Head(String);

impl RequestHead for Head {
    fn method(&self) -> &[u8] {
        b"GET"
    }

    fn target(&self) -> &[u8] {
        b"/items"
    }

    fn headers<'h>(&'h self, each: &mut dyn FnMut(&'h str, &'h [u8])) {
        each("host", b"api.example.com");
        each("authorization", self.0.as_bytes());
    }

    fn peer(&self) -> Option<SocketAddr> {
        Some(([192, 0, 2, 1], 4711).into())
    }

    fn tls(&self) -> bool {
        false
    }
}

struct Service {
    issuer: Issuer,
    palisade: Palisade,
    signer: Ed25519KeyPair,
}

impl Service {
    /// A service whose issuer has one key, `a`.
    fn start() -> Self {
        let issuer = Issuer::start();
        let signer = Ed25519KeyPair::generate().unwrap();
        issuer.publish(set_of(&signer));
        let url = issuer.server.url();
        let text = format!(
            r#"
            [outgoing]
            plain_http = ["127.0.0.1"]
            timeout = "2m"

            [jwt.main]
            issuer = "{url}"
            audience = "urn:api"
            keys = "{url}/jwks"

            [[rule]]
            path = "/items"
            require = "authenticated"
            "#
        );
        let policy = Policy::from_toml_str(&text).unwrap();
        let policy = policy.with(issuer.companion.clone());
        let palisade = policy.with_clock(issuer.clock.clone()).build().unwrap();
        Self {
            issuer,
            palisade,
            signer,
        }
    }

    fn head(&self, kid: &str) -> Head {
        let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": kid }));
        let now = self.issuer.clock.unix_seconds();
        let claims = part(json!({
            "iss": self.issuer.server.url(), "aud": "urn:api", "sub": "alice",
            "client_id": "shop", "jti": kid, "iat": now, "exp": now + 10 * STALE,
        }));
        let message = format!("{header}.{claims}");
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.signer.sign(message.as_bytes()));
        Head(format!("Bearer {message}.{signature}"))
    }

    /// The status, if it is known at once; 200 if admitted.
    fn status(&self, head: &Head) -> Poll<u16> {
        let mut exchange = self.palisade.open(head);
        let verdict = exchange.poll_decide(&mut Context::from_waker(Waker::noop()));
        verdict.map(|verdict| match verdict {
            Verdict::Admit(_) | Verdict::Collect(_) => 200,
            Verdict::Answer(reply) | Verdict::Refuse(reply) => reply.status.as_u16(),
        })
    }

    /// The 99th percentile of the time that a good request takes, and how many had to wait.
    fn measure(&self, head: &Head) -> (Duration, usize) {
        let mut waited = 0;
        let mut times: Vec<Duration> = (0..REQUESTS)
            .map(|_| {
                let start = Instant::now();
                match self.status(head) {
                    Poll::Ready(status) => assert_eq!(status, 200),
                    Poll::Pending => waited += 1,
                }
                start.elapsed()
            })
            .collect();
        times.sort();
        (times[REQUESTS * 99 / 100], waited)
    }
}

/// The times are printed and not judged, because this machine may be busy; that nobody waits is.
#[test]
fn no_request_waits_for_a_refresh_that_hangs() {
    let service = Service::start();
    wait(service.palisade.ready()).unwrap();
    let head = service.head("a");
    let (quiet, waited) = service.measure(&head);
    assert_eq!(waited, 0);

    service.issuer.asked();
    service.issuer.publish(Reply::Silence);
    service.issuer.advance(600);
    assert_eq!(service.status(&head), Poll::Ready(200));
    eventually("a fetch that hangs", || service.issuer.asked() == 1);
    let (hanging, waited) = service.measure(&head);
    println!(
        "p99 of verification: {quiet:?}; while a refresh hangs: {hanging:?}; waited: {waited}"
    );
    assert_eq!(waited, 0);
}

#[test]
fn an_unknown_key_waits_for_one_fetch_and_a_known_one_for_none() {
    let service = Service::start();
    wait(service.palisade.ready()).unwrap();
    service.issuer.publish(Reply::Silence);
    service.issuer.advance(31);
    assert_eq!(service.status(&service.head("b")), Poll::Pending);
    assert_eq!(service.status(&service.head("a")), Poll::Ready(200));
    let mut exchange = service.palisade.open(&service.head("c"));
    service.issuer.publish(Reply::HangUp);
    let verdict = wait(std::future::poll_fn(|context| {
        exchange.poll_decide(context)
    }));
    assert!(matches!(verdict, Verdict::Refuse(reply) if reply.status == 401));
    assert_eq!(service.status(&service.head("d")), Poll::Ready(401));
}

#[test]
fn an_issuer_that_is_down_is_answered_503_until_it_is_back() {
    let service = Service::start();
    wait(service.palisade.ready()).unwrap();
    let head = service.head("a");
    service.issuer.publish(Reply::HangUp);
    service.issuer.advance(STALE);
    assert_eq!(service.status(&head), Poll::Ready(503));

    service.issuer.publish(set_of(&service.signer));
    eventually("the keys", || {
        // An attempt that was under way may fail yet, and another follows a while later.
        service.issuer.advance(1);
        service.status(&head) == Poll::Ready(200)
    });
}

fn set_of(signer: &Ed25519KeyPair) -> Reply {
    let x = BASE64_URL_SAFE_NO_PAD.encode(signer.public_key());
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": x });
    keys(vec![key])
}
