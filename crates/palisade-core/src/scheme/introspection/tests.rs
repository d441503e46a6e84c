//! What a server may say of a token, and how often it is asked.

use super::{
    flights::{MOST_FLIGHTS, MOST_WAITERS},
    *,
};
use crate::{
    Clock, Jwt, PrincipalKind, RequestHead, Rule, SourceError, authenticated,
    companion::{
        AuthorizationServers, BoxFuture, Companion, Companions, Introspector, KeyFeed,
        RemoteIntrospection, RemoteKeys, Unfit,
    },
    jwt::tests::{ISSUER, NOW, SECRET, claims, hs256},
    policy::Policy,
    principal::Principal,
    revocation::MemoryRevocations,
    scheme::{Credential, Outcome, Verification},
};
use secrecy::{ExposeSecret, SecretString};
use std::{
    fmt,
    future::poll_fn,
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

/// A server that says what a test tells it to.
#[derive(Default)]
struct Says {
    answer: Mutex<Option<String>>,
    asked: Mutex<Vec<String>>,
    is_slow: AtomicBool,
    sources: Mutex<Vec<RemoteIntrospection>>,
}

#[derive(Clone, Default)]
struct Server(Arc<Says>);

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

impl Introspector for Server {
    fn ask(&self, token: SecretString) -> BoxFuture<Result<String, SourceError>> {
        let says = Arc::clone(&self.0);
        says.asked
            .lock()
            .unwrap()
            .push(token.expose_secret().to_owned());
        Box::pin(poll_fn(move |_| {
            if says.is_slow.load(Relaxed) {
                return Poll::Pending;
            }
            let answer = says.answer.lock().unwrap().clone();
            Poll::Ready(answer.ok_or_else(|| SourceError::new("issuer", "it answered 401")))
        }))
    }

    fn ready(&self) -> BoxFuture<Result<(), SourceError>> {
        Box::pin(async { Err(SourceError::new("issuer", "not yet")) })
    }
}

impl AuthorizationServers for Server {
    fn keys(&self, _: RemoteKeys) -> Result<Arc<dyn KeyFeed>, Unfit> {
        Err(Unfit::new("", "not here"))
    }

    fn introspector(&self, source: RemoteIntrospection) -> Result<Arc<dyn Introspector>, Unfit> {
        if source.endpoint == Endpoint::Url("http://10.0.0.1/".to_owned()) {
            return Err(Unfit::new("", "is plain http"));
        }
        self.0.sources.lock().unwrap().push(source);
        Ok(Arc::new(self.clone()))
    }
}

impl Companion for Server {
    fn register(self, companions: &mut Companions) {
        companions.authorization_servers(Arc::new(self));
    }
}

#[derive(Debug)]
struct At(AtomicU64);

impl Clock for At {
    fn unix_millis(&self) -> u64 {
        self.0.load(Relaxed) * 1000
    }
    fn monotonic_nanos(&self) -> u64 {
        0
    }
}

struct Bench {
    server: Server,
    clock: Arc<At>,
    scheme: Arc<dyn Scheme>,
}

fn usual() -> Introspection {
    Introspection::new("main")
        .issuer(ISSUER)
        .audience("urn:api")
        .client("api", Secret::value("planted"))
}

impl Bench {
    fn new() -> Self {
        Self::with(usual(), |policy| policy)
    }

    fn with(config: Introspection, change: impl FnOnce(Policy) -> Policy) -> Self {
        let (server, clock) = (Server::default(), Arc::new(At(AtomicU64::new(NOW))));
        let policy = change(Policy::builder())
            .with(server.clone())
            .with_clock(clock.clone());
        let mut mistakes = Mistakes::default();
        let scheme = config.compile(&BuildContext::of(&policy), &mut mistakes);
        Self {
            server,
            clock,
            scheme: scheme.unwrap_or_else(|| panic!("{}", mistakes.into_error())),
        }
    }

    fn says(&self, answer: &str) {
        *self.server.0.answer.lock().unwrap() = Some(answer.to_owned());
    }

    fn is_slow(&self, slow: bool) {
        self.server.0.is_slow.store(slow, Relaxed);
    }

    fn asked(&self) -> usize {
        self.server.0.asked.lock().unwrap().len()
    }

    fn set_clock(&self, seconds: u64) {
        self.clock.0.store(seconds, Relaxed);
    }

    fn verify(&self, token: &[u8]) -> Verification {
        let credential = Credential {
            bytes: token.into(),
            carrier: 0,
        };
        self.scheme.verify(&credential, self.clock.0.load(Relaxed))
    }

    /// What is said of the token, if nobody makes us wait.
    fn judge(&self, token: &str) -> String {
        poll(&mut self.waiting(token))
    }

    fn waiting(&self, token: &str) -> BoxFuture<Outcome> {
        Box::pin(self.verify(token.as_bytes()).outcome())
    }

    fn caller(&self, answer: &str) -> Principal {
        self.says(answer);
        match self.waiting(answer).as_mut().poll(&mut context()) {
            Poll::Ready(Outcome::Verified(caller)) => caller,
            other => panic!("{other:?}"),
        }
    }
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn poll(waiting: &mut BoxFuture<Outcome>) -> String {
    match waiting.as_mut().poll(&mut context()) {
        Poll::Ready(Outcome::Verified(caller)) => caller.subject().to_owned(),
        Poll::Ready(Outcome::Rejected(why)) => format!("!{}", why.cause),
        Poll::Ready(Outcome::Disabled(why)) => format!("disabled {}", why.cause),
        Poll::Ready(Outcome::Unavailable(why)) => format!("?{why}"),
        Poll::Pending => "waits".to_owned(),
    }
}

/// An answer about a good token with some members changed, as for tokens in JWT form.
fn answer(changes: &[(&str, &str)]) -> String {
    let mut all = vec![("active", "true")];
    all.extend(changes);
    claims(&all)
}

#[test]
fn an_answer_tells_who_is_calling() {
    let bench = Bench::new();
    let text = answer(&[
        ("scope", r#""items:read items:write""#),
        ("roles", r#"["admin"]"#),
        ("client_id", r#""web""#),
        ("username", r#""Alice""#),
        ("token_type", r#""Bearer""#),
        ("team", r#""blue""#),
    ]);
    let caller = bench.caller(&text);
    assert_eq!((caller.issuer(), caller.subject()), (ISSUER, "alice"));
    assert_eq!(caller.principal_kind(), PrincipalKind::User);
    assert!(caller.has_scope("items:write") && caller.has_role("admin"));
    assert_eq!(caller.claims_json(), Some(text.as_str()));
    assert_eq!(bench.scheme.issuers(), [ISSUER]);
    assert_eq!(bench.scheme.kind(), "introspection");
}

/// PITFALLS 38.
#[test]
fn an_answer_is_judged_like_the_claims_of_a_token() {
    let bench = Bench::new();
    for (changes, expected) in [
        (&[("active", "false")][..], "!inactive"),
        (&[("active", r#""true""#)], "!introspection_active_type"),
        (&[("active", "1")], "!introspection_active_type"),
        (&[("active", "null")], "!introspection_active_type"),
        (&[("active", "[true]")], "!introspection_active_type"),
        (&[("active", "")], "!introspection_active_type"),
        (&[("exp", "1799999940")], "!expired"),
        (&[("exp", "1799999941")], "alice"),
        (&[("exp", "")], "alice"),
        (&[("exp", r#""1800000300""#)], "!claim_type"),
        (&[("exp", "-1")], "!claim_range"),
        (&[("nbf", "1800000061")], "!not_yet_valid"),
        (&[("iat", "1800000061")], "!issued_in_future"),
        (&[("iss", "")], "alice"),
        (&[("iss", r#""https://id.example.com/""#)], "!issuer"),
        (&[("iss", "7")], "!claim_type"),
        (&[("aud", "")], "!claim_missing"),
        (&[("aud", r#""urn:other""#)], "!audience"),
        (&[("aud", r#"["urn:other","urn:api"]"#)], "alice"),
        (&[("aud", "null")], "!claim_type"),
        (&[("aud", "true")], "!claim_type"),
        (&[("token_type", r#""bearer""#)], "alice"),
        (&[("token_type", r#""access_token""#)], "alice"),
        (&[("token_type", r#""DPoP""#)], "!token_use"),
        (&[("token_type", r#""refresh_token""#)], "!token_use"),
        (&[("token_use", r#""refresh_token""#)], "!token_use"),
        (&[("typ", r#""ID""#)], "!token_use"),
        (&[("at_hash", r#""x""#)], "!token_use"),
        (&[("cnf", r#"{"x5t#S256":"x"}"#)], "!sender_constrained"),
        (&[("sub", "")], "!claim_missing"),
        (&[("sub", r#""""#)], "!claim_missing"),
        (&[("sub", "7")], "!claim_type"),
        (&[("scope", "7")], "!claim_type"),
    ] {
        bench.says(&answer(changes));
        assert_eq!(
            bench.judge(&format!("{changes:?}")),
            expected,
            "{changes:?}"
        );
    }
}

#[test]
fn where_no_user_is_named_the_client_is_calling() {
    let bench = Bench::new();
    let client = ("client_id", r#""worker""#);
    let caller = bench.caller(&answer(&[("sub", ""), client]));
    assert_eq!(caller.subject(), "worker");
    assert_eq!(caller.principal_kind(), PrincipalKind::Client);
    // A user without `sub` is not the client that the token was given to.
    bench.says(&answer(&[("sub", ""), client, ("username", r#""bob""#)]));
    assert_eq!(bench.judge("user"), "!claim_missing");

    let mut by_name = usual();
    by_name.token.principal_claim = "username".into();
    let bench = Bench::with(by_name, |policy| policy);
    let caller = bench.caller(&answer(&[("sub", ""), client, ("username", r#""bob""#)]));
    assert_eq!(
        (caller.subject(), caller.principal_kind()),
        ("bob", PrincipalKind::User)
    );
    bench.says(&answer(&[client]));
    assert_eq!(bench.judge("no name"), "!claim_missing");
}

#[test]
fn what_cannot_be_read_is_no_answer() {
    let bench = Bench::new();
    let duplicate = answer(&[]).replace('{', r#"{"active":false,"#);
    let nested = answer(&[("x", r#"{"a":1,"a":2}"#)]);
    for text in [
        "",
        "active",
        "[]",
        "true",
        "{",
        r#"{"active":true} x"#,
        &duplicate,
        &nested,
    ] {
        bench.says(text);
        let told = bench.judge("token");
        assert!(
            told.starts_with("?introspection is unavailable: the answer"),
            "{text}: {told}"
        );
    }
    *bench.server.0.answer.lock().unwrap() = None;
    assert_eq!(
        bench.judge("token"),
        "?issuer is unavailable: it answered 401"
    );
    // Nothing of this is remembered.
    bench.says(&answer(&[]));
    assert_eq!(bench.judge("token"), "alice");
}

#[test]
fn answers_are_remembered_as_long_as_the_policy_says() {
    let bench = Bench::new();
    bench.says(&answer(&[("exp", "1800000050")]));
    let mut asked = 0;
    for (seconds, again) in [
        (0, true),
        (29, false),
        (30, true),
        (49, false),
        (50, true),
        (51, true),
    ] {
        bench.set_clock(NOW + seconds);
        assert_eq!(bench.judge("token"), "alice", "{seconds}");
        asked += usize::from(again);
        assert_eq!(bench.asked(), asked, "{seconds}");
    }
    bench.says(r#"{"active":false}"#);
    let mut asked = bench.asked();
    for (seconds, again) in [(100, true), (104, false), (105, true), (99, true)] {
        bench.set_clock(NOW + seconds);
        assert_eq!(bench.judge("gone"), "!inactive", "{seconds}");
        asked += usize::from(again);
        assert_eq!(bench.asked(), asked, "{seconds}");
    }
    // Another token is another question.
    assert_eq!(bench.judge("gone2"), "!inactive");
    assert_eq!(bench.asked(), asked + 1);
}

#[test]
fn nothing_is_remembered_if_the_policy_says_so() {
    let mut config = usual();
    (config.remember_seconds, config.remember_inactive_seconds) = (0, 0);
    let bench = Bench::with(config, |policy| policy);
    for text in [answer(&[]), r#"{"active":false}"#.to_owned()] {
        bench.says(&text);
        let before = bench.asked();
        bench.judge("token");
        bench.judge("token");
        assert_eq!(bench.asked(), before + 2);
    }
}

#[test]
fn requests_with_the_same_token_share_a_question() {
    let bench = Bench::new();
    bench.says(&answer(&[]));
    bench.is_slow(true);
    let mut same: Vec<_> = (0..MOST_WAITERS).map(|_| bench.waiting("same")).collect();
    let mut other = bench.waiting("other");
    assert_eq!(poll(&mut other), "waits");
    assert!(same.iter_mut().all(|one| poll(one) == "waits"));
    assert_eq!(bench.asked(), 2);
    assert_eq!(
        bench.judge("same"),
        "?introspection is unavailable: too many requests with the same token"
    );
    // The first to ask goes away; the others still get their answer.
    drop(same.remove(0));
    bench.is_slow(false);
    assert!(same.iter_mut().all(|one| poll(one) == "alice"));
    assert_eq!(bench.judge("same"), "alice");
    assert_eq!(bench.asked(), 2);
}

#[test]
fn a_question_that_nobody_waits_for_is_dropped() {
    let bench = Bench::new();
    bench.says(&answer(&[]));
    bench.is_slow(true);
    let mut flights: Vec<_> = (0..MOST_FLIGHTS)
        .map(|number| bench.waiting(&format!("token {number}")))
        .collect();
    assert_eq!(
        bench.judge("one more"),
        "?introspection is unavailable: too many requests with new tokens"
    );
    assert_eq!(poll(&mut flights[0]), "waits");
    flights.clear();
    assert_eq!(bench.asked(), MOST_FLIGHTS);
    bench.is_slow(false);
    assert_eq!(bench.judge("one more"), "alice");
    assert_eq!(bench.judge("token 0"), "alice");
    assert_eq!(bench.asked(), MOST_FLIGHTS + 2);
}

#[test]
fn an_answer_is_judged_when_it_comes() {
    let bench = Bench::new();
    bench.says(&answer(&[]));
    bench.is_slow(true);
    let mut waiting = bench.waiting("token");
    assert_eq!(poll(&mut waiting), "waits");
    bench.set_clock(NOW + 360);
    bench.is_slow(false);
    assert_eq!(poll(&mut waiting), "!expired");
}

#[test]
fn what_can_be_no_token_is_not_asked_about() {
    let bench = Bench::new();
    bench.says(&answer(&[]));
    for (token, expected) in [
        (vec![b'x'; 8193], "!too_long"),
        (b"t\xc3\xa4".to_vec(), "!characters"),
        (b"a\tb".to_vec(), "!characters"),
    ] {
        let mut judged: BoxFuture<Outcome> = Box::pin(bench.verify(&token).outcome());
        assert_eq!(poll(&mut judged), expected);
    }
    assert_eq!(bench.asked(), 0);
    assert_eq!(bench.judge(&"x".repeat(8192)), "alice");
}

#[test]
fn what_was_taken_back_is_refused_although_it_is_remembered() {
    let revocations = Arc::new(MemoryRevocations::new().unwrap());
    let bench = Bench::with(usual(), |policy| {
        policy.with_revocations(revocations.clone())
    });
    bench.says(&answer(&[("jti", r#""7""#)]));
    assert_eq!(bench.judge("token"), "alice");
    revocations.revoke_token(ISSUER, "7", NOW + 400).unwrap();
    assert_eq!(bench.judge("token"), "!revoked");
    assert_eq!(bench.asked(), 1);
}

/// PITFALLS 37: neither the token nor the client's secret is printed.
#[test]
fn debug_is_silent() {
    let bench = Bench::new();
    bench.says(&answer(&[("jti", r#""planted""#)]));
    bench.is_slow(true);
    let waiting = bench.waiting("planted-token");
    let shown = format!("{:?} {:?}", bench.scheme, usual());
    drop(waiting);
    bench.is_slow(false);
    assert_eq!(bench.judge("planted-token"), "alice");
    let shown = format!("{shown} {:?}", bench.scheme);
    assert!(!shown.contains("planted"), "{shown}");
}

struct Get(String);

impl RequestHead for Get {
    fn method(&self) -> &[u8] {
        b"GET"
    }
    fn target(&self) -> &[u8] {
        b"/"
    }
    fn headers<'h>(&'h self, each: &mut dyn FnMut(&'h str, &'h [u8])) {
        each("host", b"localhost");
        each("authorization", self.0.as_bytes());
    }
    fn peer(&self) -> Option<SocketAddr> {
        Some(([127, 0, 0, 1], 4711).into())
    }
}

#[test]
fn beside_jwts_it_takes_what_is_left() {
    let own = hs256(r#"{"alg":"HS256"}"#, &claims(&[]));
    let foreign = hs256(
        r#"{"alg":"HS256"}"#,
        &claims(&[("iss", r#""https://other.example.com""#)]),
    );
    for order in [["opaque", "main"], ["main", "opaque"]] {
        let server = Server::default();
        *server.0.answer.lock().unwrap() = Some(answer(&[]));
        let mut opaque = usual();
        opaque.name = "opaque".to_owned();
        let jwt = Jwt::new("main")
            .issuer(ISSUER)
            .audience("urn:api")
            .secret(Secret::value(SECRET));
        let palisade = Policy::builder()
            .with(server.clone())
            .with_clock(Arc::new(At(AtomicU64::new(NOW))))
            .scheme(opaque)
            .scheme(jwt)
            .rule(Rule::new("/").require(authenticated()).schemes(order))
            .build()
            .unwrap();
        for (token, scheme) in [
            (&own, "main"),
            (&foreign, "opaque"),
            (&"x".to_owned(), "opaque"),
        ] {
            let mut told = Box::pin(palisade.explain(&Get(format!("Bearer {token}"))));
            let Poll::Ready(told) = told.as_mut().poll(&mut context()) else {
                panic!("it waits")
            };
            assert_eq!(told.scheme.as_deref(), Some(scheme), "{order:?}");
            assert_eq!(told.status, None, "{order:?}");
        }
        assert_eq!(server.0.asked.lock().unwrap().len(), 2);
    }
}

#[test]
fn the_server_is_told_who_asks_and_every_mistake_stands_at_its_key() {
    // A file, so that the reference is one that the policy file may hold.
    let path = std::env::temp_dir().join(format!("palisade-client-{}", std::process::id()));
    std::fs::write(&path, "planted\n").unwrap();
    let secret = format!("client_secret = 'file:{}'", path.display());
    let build = |lines: &str| {
        let server = Server::default();
        let text = format!("[introspection.main]\nissuer = 'https://id.example.com'\n{lines}");
        let built = Policy::from_toml_str(&text)
            .unwrap()
            .with(server.clone())
            .build();
        (built, server)
    };
    let (built, server) = build(&format!(
        "audience = 'urn:api'\nclient_id = 'api'\n{secret}\nclient_auth = 'post'\nendpoint = 'https://id.example.com/i'"
    ));
    built.unwrap();
    let sources = server.0.sources.lock().unwrap();
    assert_eq!(sources[0].client_id, "api");
    assert_eq!(sources[0].client_secret.expose_secret(), b"planted");
    assert_eq!(sources[0].client_auth, ClientAuth::Post);
    assert_eq!(
        sources[0].endpoint,
        Endpoint::Url("https://id.example.com/i".to_owned())
    );
    assert!(!format!("{sources:?}").contains("planted"));

    for (lines, expected) in [
        ("", "1: introspection.main.client_id: is missing"),
        ("", "1: introspection.main.client_secret: is missing"),
        ("", "1: introspection.main.audience: is missing"),
        (
            "client_secret = 'hunter2'",
            "3: introspection.main.client_secret: is no reference",
        ),
        (
            "endpoint = 'id.example.com'",
            "3: introspection.main.endpoint: is neither",
        ),
        (
            "client_auth = 'jwt'",
            "3: introspection.main.client_auth: is \"jwt\"",
        ),
        ("remember = 'long'", "3: introspection.main.remember: is no"),
    ] {
        let found = build(lines).0.unwrap_err().to_string();
        assert!(found.contains(expected), "{found}");
        assert!(!found.contains("hunter2"));
    }
    let refused =
        format!("audience = 'a'\nclient_id = 'a'\n{secret}\nendpoint = 'http://10.0.0.1/'");
    let found = build(&refused).0.unwrap_err().to_string();
    assert_eq!(found, "6: introspection.main.endpoint: is plain http");
    std::fs::remove_file(&path).unwrap();
}
