//! What a server may say of a token; how often it is asked stands in the file beside this one.

mod asking;

use super::*;
use crate::{
    Clock, Jwt, PrincipalKind, RequestHead, Rule, SourceError, authenticated,
    companion::{
        AuthorizationServers, Companion, Companions, Introspector, KeyFeed, RemoteIntrospection,
        RemoteKeys, Unfit,
    },
    jwt::tests::{ISSUER, NOW, SECRET, claims, hs256},
    policy::Policy,
    ports::BoxFuture,
    principal::Principal,
    scheme::{Credential, Outcome, Verification},
};
use proptest::prelude::*;
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

struct Fixture {
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

impl Fixture {
    fn new() -> Self {
        Self::with(usual(), |policy| policy)
    }

    fn with(config: Introspection, change: impl FnOnce(Policy) -> Policy) -> Self {
        let (server, clock) = (Server::default(), Arc::new(At(AtomicU64::new(NOW))));
        let policy = change(Policy::builder())
            .with(server.clone())
            .with_clock(clock.clone());
        let mut mistakes = Mistakes::default();
        let scheme = config.compile(&policy.build_context(), &mut mistakes);
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
    let fixture = Fixture::new();
    let text = answer(&[
        ("scope", r#""items:read items:write""#),
        ("roles", r#"["admin"]"#),
        ("client_id", r#""web""#),
        ("username", r#""Alice""#),
        ("token_type", r#""Bearer""#),
        ("team", r#""blue""#),
    ]);
    let caller = fixture.caller(&text);
    assert_eq!((caller.issuer(), caller.subject()), (ISSUER, "alice"));
    assert_eq!(caller.principal_kind(), PrincipalKind::User);
    assert!(caller.has_scope("items:write") && caller.has_role("admin"));
    assert_eq!(caller.claims_json(), Some(text.as_str()));
    assert_eq!(fixture.scheme.issuers(), [ISSUER]);
    assert_eq!(fixture.scheme.kind(), "introspection");
}

/// PITFALLS 38.
#[test]
fn an_answer_is_judged_like_the_claims_of_a_token() {
    let fixture = Fixture::new();
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
        (&[("scope", "7")], "alice"),
        // A member that is null is none, unless it is required.
        (
            &[("exp", "null"), ("nbf", "null"), ("iat", "null")],
            "alice",
        ),
        (&[("iss", "null"), ("token_type", "null")], "alice"),
        (
            &[("cnf", "null"), ("at_hash", "null"), ("events", "null")],
            "alice",
        ),
        (&[("type", "null"), ("is_refresh", "null")], "alice"),
        (&[("sub", "null")], "!claim_missing"),
        (&[("type", r#""refresh""#)], "!token_use"),
        (&[("token_type", r#"["Bearer"]"#)], "!claim_type"),
        (&[("events", "false")], "!token_use"),
    ] {
        fixture.says(&answer(changes));
        assert_eq!(
            fixture.judge(&format!("{changes:?}")),
            expected,
            "{changes:?}"
        );
    }
}

#[test]
fn where_no_user_is_named_the_client_is_calling() {
    let fixture = Fixture::new();
    let client = ("client_id", r#""worker""#);
    let caller = fixture.caller(&answer(&[("sub", ""), client]));
    assert_eq!(caller.subject(), "worker");
    assert_eq!(caller.principal_kind(), PrincipalKind::Client);
    for nobody in [r#""""#, "null"] {
        for user in [r#""""#, "null"] {
            let caller = fixture.caller(&answer(&[("sub", nobody), client, ("username", user)]));
            assert_eq!(caller.subject(), "worker");
            assert_eq!(caller.principal_kind(), PrincipalKind::Client);
        }
    }
    // A user without `sub` is not the client that the token was given to.
    for user in ["7", r#"["bob"]"#] {
        fixture.says(&answer(&[("sub", ""), client, ("username", user)]));
        assert_eq!(fixture.judge(user), "!claim_missing");
    }
    fixture.says(&answer(&[("sub", ""), client, ("username", r#""bob""#)]));
    assert_eq!(fixture.judge("user"), "!claim_missing");

    let mut by_name = usual();
    by_name.token.principal_claims = vec!["username".into()];
    let fixture = Fixture::with(by_name, |policy| policy);
    let caller = fixture.caller(&answer(&[("sub", ""), client, ("username", r#""bob""#)]));
    assert_eq!(
        (caller.subject(), caller.principal_kind()),
        ("bob", PrincipalKind::User)
    );
    fixture.says(&answer(&[client]));
    assert_eq!(fixture.judge("no name"), "!claim_missing");
}

#[test]
fn what_cannot_be_read_is_no_answer() {
    let fixture = Fixture::new();
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
        fixture.says(text);
        let told = fixture.judge("token");
        assert!(
            told.starts_with("?introspection is unavailable: the answer"),
            "{text}: {told}"
        );
    }
    *fixture.server.0.answer.lock().unwrap() = None;
    assert_eq!(
        fixture.judge("token"),
        "?issuer is unavailable: it answered 401"
    );
    // Nothing of this is remembered.
    fixture.says(&answer(&[]));
    assert_eq!(fixture.judge("token"), "alice");
}

proptest! {
    /// PITFALLS 38: whatever a server says, only a plain `true` admits anybody.
    #[test]
    fn no_answer_admits_by_accident(
        from in any::<prop::sample::Index>(),
        length in 0..12_usize,
        insert in "[ -~]{0,8}|\\PC{0,4}",
    ) {
        let mut characters: Vec<char> = answer(&[]).chars().collect();
        let from = from.index(characters.len());
        let to = (from + length).min(characters.len());
        characters.splice(from..to, insert.chars());
        let text: String = characters.into_iter().collect();
        let fixture = Fixture::new();
        fixture.says(&text);
        let told = fixture.judge("token");
        if !told.starts_with(['!', '?']) {
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&read["active"], &serde_json::Value::Bool(true));
            prop_assert_eq!(&read["aud"], "urn:api");
        }
    }
}

/// PITFALLS 37: neither the token nor the client's secret is printed.
#[test]
fn debug_is_silent() {
    let fixture = Fixture::new();
    fixture.says(&answer(&[("jti", r#""planted""#)]));
    fixture.is_slow(true);
    let waiting = fixture.waiting("planted-token");
    let shown = format!("{:?} {:?}", fixture.scheme, usual());
    drop(waiting);
    fixture.is_slow(false);
    assert_eq!(fixture.judge("planted-token"), "alice");
    let shown = format!("{shown} {:?}", fixture.scheme);
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
    fn tls(&self) -> bool {
        false
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
