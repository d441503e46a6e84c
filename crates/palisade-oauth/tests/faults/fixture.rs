//! An issuer that does what a test says, and what asks it.

use palisade_conformance::{
    ManualClock,
    loopback::{Loopback, Reply},
};
use palisade_core::{
    Outgoing,
    companion::{
        AuthorizationServers, ClientAuth, Endpoint, Introspector, KeyFeed, RemoteIntrospection,
        RemoteKeys,
    },
    jwt::{JwkOptions, KeySet},
};
use palisade_oauth::{OAuth, companion};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before it has failed: nothing here is decided by how fast this
/// machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// The client secret of every test: with characters that a form escapes.
pub(crate) const CLIENT_SECRET: &str = "s3cr3t:+/ &%ü";

/// How old keys get, and how long they serve, in seconds.
pub(crate) const REFRESH: u64 = 600;
pub(crate) const STALE: u64 = 86_400;

pub(crate) struct Issuer {
    pub(crate) server: Loopback,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) companion: OAuth,
}

impl Issuer {
    /// One whose key set has a key `a`.
    pub(crate) fn start() -> Self {
        let issuer = Self {
            server: Loopback::start().unwrap(),
            clock: Arc::new(ManualClock::default()),
            companion: companion(),
        };
        issuer.publish(set(&["a"]));
        issuer
    }

    pub(crate) fn publish(&self, reply: Reply) {
        self.server.set("/jwks", reply);
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// How often the key set was asked for since this was last called.
    pub(crate) fn asked(&self) -> usize {
        self.server.take("/jwks").len()
    }

    pub(crate) fn source(&self) -> RemoteKeys {
        RemoteKeys {
            scheme: "main".to_owned(),
            issuer: self.server.url(),
            endpoint: Endpoint::Url(format!("{}/jwks", self.server.url())),
            options: JwkOptions::default(),
            refresh_seconds: REFRESH,
            stale_seconds: STALE,
            outgoing: outgoing(),
            clock: self.clock.clone(),
        }
    }

    pub(crate) fn feed(&self) -> Arc<dyn KeyFeed> {
        self.companion.keys(self.source()).unwrap()
    }

    /// A feed that has its first keys.
    pub(crate) fn ready_feed(&self) -> Arc<dyn KeyFeed> {
        let feed = self.feed();
        wait(feed.ready()).unwrap();
        assert_eq!(self.asked(), 1);
        feed
    }

    pub(crate) fn introspection(&self) -> RemoteIntrospection {
        RemoteIntrospection {
            scheme: "opaque".to_owned(),
            issuer: self.server.url(),
            endpoint: Endpoint::Url(format!("{}/introspect", self.server.url())),
            client_id: "api:1".to_owned(),
            client_secret: CLIENT_SECRET.as_bytes().to_vec().into(),
            client_auth: ClientAuth::Basic,
            outgoing: outgoing(),
            clock: self.clock.clone(),
        }
    }

    pub(crate) fn introspector(&self) -> Arc<dyn Introspector> {
        self.companion.introspector(self.introspection()).unwrap()
    }
}

/// The loopback over plain HTTP, with all the time that a slow machine needs.
pub(crate) fn outgoing() -> Outgoing {
    let mut outgoing = Outgoing::default();
    outgoing.plain_http = vec!["127.0.0.1".to_owned()];
    outgoing.timeout_seconds = PATIENCE.as_secs();
    outgoing
}

/// The same with a second to answer, for who waits in vain.
pub(crate) fn hurried() -> Outgoing {
    let mut outgoing = outgoing();
    outgoing.timeout_seconds = 1;
    outgoing
}

/// A reply that is held back until what comes with it is dropped.
pub(crate) fn held(reply: Reply) -> (Reply, mpsc::Sender<()>) {
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let late = Reply::by(move |_| {
        // Nothing is ever sent: the end of the sender is the signal.
        let _ = gate.lock().unwrap().recv();
        reply.clone()
    });
    (late, open)
}

/// The public key of RFC 8037 appendix A.2, under any name.
pub(crate) fn key(kid: &str) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
}

pub(crate) fn set(kids: &[&str]) -> Reply {
    keys(kids.iter().map(|kid| key(kid)).collect())
}

pub(crate) fn keys(keys: Vec<Value>) -> Reply {
    Reply::json(json!({ "keys": keys }).to_string())
}

pub(crate) fn names(keys: &KeySet) -> Vec<&str> {
    keys.names().filter_map(|(kid, _)| kid).collect()
}

/// Has the keys fetched if it is time, and waits for what is in flight.
pub(crate) fn settle(feed: &Arc<dyn KeyFeed>) {
    drop(feed.keys());
    if let Some(flight) = feed.renew() {
        wait(flight);
    }
}

/// Waits on a runtime that can do nothing else: no timer, no socket.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

/// Waits until something is so; for what no future tells.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}
