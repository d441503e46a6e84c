//! Keys that change while tokens come in.

use super::*;
use crate::{
    Clock, PrincipalKind, SourceError,
    companion::{
        AuthorizationServers, Companion, Companions, Introspector, KeyFeed, RemoteIntrospection,
        RemoteKeys, Unfit,
    },
    jwt::{
        Algorithm, KeySet,
        tests::{ISSUER, NOW, SECRET, claims, hs256},
    },
    policy::Policy,
    ports::BoxFuture,
    revocation::MemoryRevocations,
    scheme::{Credential, Outcome, Verification},
};
use std::{
    future::poll_fn,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

/// An issuer that a test speaks for.
#[derive(Debug, Default)]
struct Issuer {
    /// None: it has never answered.
    keys: Mutex<Option<Arc<KeySet>>>,
    asked: Mutex<Vec<RemoteKeys>>,
    renewals: AtomicUsize,
    too_early: AtomicBool,
    has_answered: AtomicBool,
}

#[derive(Debug, Clone, Default)]
struct Server(Arc<Issuer>);

impl Server {
    /// Publishes these keys from now on.
    fn publish(&self, kids: &[&str]) {
        let of = |kid: &&str| {
            let keys = KeySet::from_secret(&SECRET, Algorithm::HS256);
            keys.unwrap().named(kid)
        };
        let keys = kids.iter().map(of);
        let keys = keys.fold(KeySet::default(), |all, one| all.merge(one).unwrap());
        *self.0.keys.lock().unwrap() = Some(Arc::new(keys));
    }

    fn answer(&self) {
        self.0.has_answered.store(true, Relaxed);
    }

    fn renewals(&self) -> usize {
        self.0.renewals.load(Relaxed)
    }
}

impl KeyFeed for Server {
    fn keys(&self) -> Result<Arc<KeySet>, SourceError> {
        let keys = self.0.keys.lock().unwrap();
        keys.clone()
            .ok_or_else(|| SourceError::new("issuer", "no answer yet"))
    }

    fn renew(&self) -> Option<BoxFuture<()>> {
        if self.0.too_early.load(Relaxed) {
            return None;
        }
        self.0.renewals.fetch_add(1, Relaxed);
        let issuer = Arc::clone(&self.0);
        Some(Box::pin(poll_fn(move |_| {
            match issuer.has_answered.load(Relaxed) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })))
    }

    fn ready(&self) -> BoxFuture<Result<(), SourceError>> {
        let ready = KeyFeed::keys(self).map(|_| ());
        Box::pin(async { ready })
    }
}

impl AuthorizationServers for Server {
    fn keys(&self, source: RemoteKeys) -> Result<Arc<dyn KeyFeed>, Unfit> {
        if source.endpoint == Endpoint::Url("http://10.0.0.1/keys".to_owned()) {
            return Err(Unfit::new("keys", "is plain http"));
        }
        self.0.asked.lock().unwrap().push(source);
        Ok(Arc::new(self.clone()))
    }

    fn introspector(&self, _: RemoteIntrospection) -> Result<Arc<dyn Introspector>, Unfit> {
        Err(Unfit::new("", "not here"))
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

impl Fixture {
    fn new(kids: &[&str]) -> Self {
        Self::with(kids, |policy| policy)
    }

    fn with(kids: &[&str], change: impl FnOnce(Policy) -> Policy) -> Self {
        let (server, clock) = (Server::default(), Arc::new(At(AtomicU64::new(NOW))));
        server.publish(kids);
        let policy = change(Policy::builder())
            .with(server.clone())
            .with_clock(clock.clone());
        let config = Jwt::new("main")
            .issuer(ISSUER)
            .audience("urn:api")
            .remote_keys(Endpoint::Discover);
        let mut mistakes = Mistakes::default();
        let context = policy.build_context();
        let scheme = config.compile(&context, &mut mistakes);
        Self {
            server,
            clock,
            scheme: scheme.unwrap_or_else(|| panic!("{}", mistakes.into_error())),
        }
    }

    fn verify(&self, token: &str) -> Verification {
        let credential = Credential {
            bytes: token.as_bytes().into(),
            carrier: 0,
        };
        self.scheme.verify(&credential, self.clock.0.load(Relaxed))
    }

    /// What is said at once; `waits` if somebody must be asked.
    fn at_once(&self, token: &str) -> String {
        match self.verify(token) {
            Verification::Done(outcome) => told(outcome),
            Verification::Remote(_) => "waits".to_owned(),
        }
    }

    fn waiting(&self, token: &str) -> BoxFuture<Outcome> {
        match self.verify(token) {
            Verification::Remote(remote) => remote,
            Verification::Done(outcome) => panic!("{}", told(outcome)),
        }
    }
}

fn poll(waiting: &mut BoxFuture<Outcome>) -> String {
    match waiting
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(outcome) => told(outcome),
        Poll::Pending => "waits".to_owned(),
    }
}

fn told(outcome: Outcome) -> String {
    match outcome {
        Outcome::Verified(caller) => caller.subject().to_owned(),
        Outcome::Rejected(why) => format!("!{}", why.cause),
        Outcome::Disabled(why) => format!("disabled {}", why.cause),
        Outcome::Unavailable(why) => format!("?{why}"),
    }
}

fn token(kid: &str) -> String {
    token_of(kid, &[])
}

fn token_of(kid: &str, changes: &[(&str, &str)]) -> String {
    hs256(
        &format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#),
        &claims(changes),
    )
}

#[test]
fn tokens_are_verified_by_the_keys_of_the_moment() {
    let fixture = Fixture::new(&["one"]);
    assert_eq!(fixture.at_once(&token("one")), "alice");
    assert_eq!(fixture.at_once(&token("one")), "alice");
    fixture.server.publish(&["two"]);
    assert_eq!(fixture.at_once(&token("two")), "alice");
    fixture.server.0.too_early.store(true, Relaxed);
    // A token that was good is not remembered longer than its key.
    assert_eq!(fixture.at_once(&token("one")), "!unknown_kid");
    fixture.server.publish(&["one", "two"]);
    assert_eq!(fixture.at_once(&token("one")), "alice");
    assert_eq!(fixture.server.renewals(), 0);
}

#[test]
fn an_unknown_key_is_waited_for() {
    let fixture = Fixture::new(&["one"]);
    let mut waiting = fixture.waiting(&token("two"));
    assert_eq!(poll(&mut waiting), "waits");
    // Nobody else waits.
    assert_eq!(fixture.at_once(&token("one")), "alice");
    fixture.server.publish(&["one", "two"]);
    assert_eq!(poll(&mut waiting), "waits");
    fixture.server.answer();
    assert_eq!(poll(&mut waiting), "alice");
    assert_eq!(fixture.at_once(&token("two")), "alice");
    assert_eq!(fixture.server.renewals(), 1);
}

#[test]
fn what_was_waited_for_is_judged_at_its_own_time() {
    let fixture = Fixture::new(&["one"]);
    let mut late = fixture.waiting(&token("two"));
    let mut back = fixture.waiting(&token_of("two", &[("nbf", "1800000100")]));
    fixture.clock.0.store(NOW + 361, Relaxed);
    fixture.server.publish(&["two"]);
    fixture.server.answer();
    assert_eq!(poll(&mut late), "!expired");
    // The clock was set back meanwhile: not before the time at which the request came.
    fixture.clock.0.store(NOW - 1000, Relaxed);
    assert_eq!(poll(&mut back), "!not_yet_valid");
}

#[test]
fn a_key_that_never_comes_is_refused() {
    let fixture = Fixture::new(&["one"]);
    let mut waiting = fixture.waiting(&token("two"));
    fixture.server.answer();
    assert_eq!(poll(&mut waiting), "!unknown_kid");
    fixture.server.0.too_early.store(true, Relaxed);
    assert_eq!(fixture.at_once(&token("two")), "!unknown_kid");
    assert_eq!(fixture.server.renewals(), 1);
}

#[test]
fn without_keys_nobody_can_tell() {
    let fixture = Fixture::new(&["one"]);
    let mut waiting = fixture.waiting(&token("two"));
    *fixture.server.0.keys.lock().unwrap() = None;
    fixture.server.answer();
    let unavailable = "?issuer is unavailable: no answer yet";
    assert_eq!(fixture.at_once(&token("one")), unavailable);
    assert_eq!(poll(&mut waiting), unavailable);
    let ready = |fixture: &Fixture| {
        let mut ready = fixture.scheme.ready().unwrap();
        ready.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    };
    assert!(matches!(ready(&fixture), Poll::Ready(Err(_))));
    fixture.server.publish(&["one"]);
    assert!(matches!(ready(&fixture), Poll::Ready(Ok(()))));
    assert_eq!(fixture.at_once(&token("one")), "alice");
}

#[test]
fn an_empty_set_refuses_everybody_and_may_be_renewed() {
    let fixture = Fixture::new(&["one"]);
    fixture.server.publish(&[]);
    let mut waiting = fixture.waiting(&token("one"));
    fixture.server.answer();
    assert_eq!(poll(&mut waiting), "!unknown_kid");
    fixture.server.publish(&["one"]);
    assert_eq!(fixture.at_once(&token("one")), "alice");
}

/// PITFALLS 16: only a token of our issuer that is sound so far has its keys fetched.
#[test]
fn nothing_but_an_unknown_kid_of_our_issuer_has_keys_fetched() {
    let fixture = Fixture::new(&["one", "two"]);
    let headers = [
        (r#"{"alg":"none","kid":"x"}"#, "!algorithm"),
        (r#"{"alg":"HS257","kid":"x"}"#, "!algorithm"),
        (r#"{"kid":"x"}"#, "!algorithm"),
        (r#"{"alg":"HS256","kid":7}"#, "!header_type"),
        (r#"{"alg":"HS256","kid":"x","typ":"id+jwt"}"#, "!type"),
        (r#"{"alg":"HS256","kid":"x","crit":["x"]}"#, "!crit"),
        (
            r#"{"alg":"HS256","kid":"x","kid":"y"}"#,
            "!duplicate_member",
        ),
        (r#"{"alg":"HS256","kid":"x""#, "!json"),
        // No kid: which of the two keys is meant, no fetch would tell.
        (r#"{"alg":"HS256"}"#, "!ambiguous_key"),
        (r#"{"alg":"ES256"}"#, "!algorithm"),
    ];
    for (header, expected) in headers {
        assert_eq!(fixture.at_once(&hs256(header, &claims(&[]))), expected);
    }
    for changes in [
        &[("iss", r#""https://other.example.com""#)][..],
        &[("iss", "")],
        &[("iss", "7")],
    ] {
        assert_eq!(fixture.at_once(&token_of("x", changes)), "!unknown_kid");
    }
    let mut forged = token("one");
    forged.truncate(forged.len() - 4);
    forged.push_str("AAAA");
    for (text, expected) in [
        (forged, "!signature"),
        ("x".repeat(9000), "!too_long"),
        ("opaque".to_owned(), "!parts"),
        (
            format!("{}.e30.", token("x").split('.').next().unwrap()),
            "!unknown_kid",
        ),
    ] {
        assert_eq!(fixture.at_once(&text), expected);
    }
    assert_eq!(fixture.server.renewals(), 0);
}

#[test]
fn what_was_taken_back_is_refused_after_the_wait_too() {
    let revocations = Arc::new(MemoryRevocations::new().unwrap());
    let fixture = Fixture::with(&["one"], |policy| {
        policy.with_revocations(revocations.clone())
    });
    let mut waiting = fixture.waiting(&token_of("two", &[("jti", r#""7""#)]));
    fixture.server.publish(&["two"]);
    fixture.server.answer();
    revocations.revoke_token(ISSUER, "7", NOW + 400).unwrap();
    assert_eq!(poll(&mut waiting), "!revoked");
}

#[test]
fn the_feed_is_told_what_the_policy_says() {
    let server = Server::default();
    let text = "[outgoing]\ntimeout = 2\n[jwt.main]\nissuer = 'https://id.example.com'\naudience = 'urn:api'\n\
        keys = 'https://id.example.com/keys'\nalgorithm = 'PS256'\nrefresh = '1m'\nstale = '1h'\n";
    let policy = Policy::from_toml_str(text).unwrap();
    policy.with(server.clone()).build().unwrap();
    let asked = server.0.asked.lock().unwrap();
    let [source] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    assert_eq!(
        (source.scheme.as_str(), source.issuer.as_str()),
        ("main", ISSUER)
    );
    assert_eq!(
        source.endpoint,
        Endpoint::Url("https://id.example.com/keys".to_owned())
    );
    assert_eq!(source.options.rsa_algorithm, Algorithm::PS256);
    assert_eq!((source.refresh_seconds, source.stale_seconds), (60, 3600));
    assert_eq!(source.outgoing.timeout_seconds, 2);
}

/// Two sections with one issuer, the second with these lines, under these rules.
fn second_section(lines: &str, rules: &str) -> Vec<String> {
    let text = format!(
        "[jwt.a]\nissuer = 'https://id.example.com'\naudience = ['urn:api', 'urn:shop']\nkeys = 'discover'\n\
         [jwt.b]\nissuer = 'https://id.example.com'\nkeys = 'discover'\n{lines}\n{rules}"
    );
    let policy = Policy::from_toml_str(&text).unwrap();
    match policy.with(Server::default()).build() {
        Ok(_) => Vec::new(),
        Err(error) => error.mistakes().iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_section_that_never_gets_a_token_is_a_mistake() {
    let rule = "[[rule]]\npath = '/a'\nrequire = 'authenticated'\n";
    let own = format!("{rule}[[rule]]\npath = '/b'\nrequire = 'authenticated'\nschemes = ['b']");
    for (lines, rules) in [
        ("audience = 'urn:stock'", rule),
        ("audience = ['urn:api', 'urn:stock']", rule),
        ("ignore = ['audience']", rule),
        ("profile = 'id_token'\nclient_id = 'web'", rule),
        ("audience = 'urn:api'\naudience_claim = 'client_id'", rule),
        ("audience = 'urn:api'\nheader = 'x-token'", rule),
        ("audience = 'urn:api'", &own),
    ] {
        assert_eq!(second_section(lines, rules), [""; 0], "{lines}");
    }
    for lines in [
        "audience = 'urn:api'",
        "audience = ['urn:shop', 'urn:api']",
        "audience = 'urn:api'\nroles_claim = 'groups'",
        "profile = 'id_token'\nclient_id = 'urn:api'",
    ] {
        let mistakes = second_section(lines, rule);
        assert_eq!(mistakes.len(), 1, "{lines}: {mistakes:?}");
        assert!(
            mistakes[0]
                .starts_with("5: jwt.b: never gets a token: \"a\" has its issuer and audience"),
            "{mistakes:?}"
        );
    }
}

#[test]
fn every_mistake_stands_at_its_key() {
    let mistakes = |lines: &str, companion: bool| -> Vec<String> {
        let text =
            format!("[jwt.main]\nissuer = 'https://id.example.com'\naudience = 'urn:api'\n{lines}");
        let policy = Policy::from_toml_str(&text).unwrap();
        let policy = match companion {
            true => policy.with(Server::default()),
            false => policy,
        };
        let error = policy.build().unwrap_err();
        error.mistakes().iter().map(ToString::to_string).collect()
    };
    let crate_missing = mistakes("keys = 'discover'", false);
    assert_eq!(crate_missing.len(), 1);
    assert!(crate_missing[0].starts_with("4: jwt.main.keys: needs somebody"));
    assert!(crate_missing[0].contains("palisade-oauth"));
    for (lines, expected) in [
        (
            "keys = 'discovery'",
            "4: jwt.main.keys: is neither \"discover\" nor the URL",
        ),
        (
            "keys = 'http://10.0.0.1/keys'",
            "4: jwt.main.keys: is plain http",
        ),
        (
            "keys = 'discover'\nrefresh = 5",
            "5: jwt.main.refresh: is too short; write 30s",
        ),
        (
            "keys = 'discover'\nstale = 60",
            "5: jwt.main.stale: is shorter than refresh",
        ),
        (
            "keys = 'discover'\njwks = 'env:X'",
            "1: jwt.main: has keys from several places",
        ),
        ("", "1: jwt.main: has no key; write keys"),
        (
            "keys = 'discover'\nprofile = 'id_token'",
            "1: jwt.main.client_id: is missing",
        ),
        (
            "keys = 'discover'\nclient_id = 'web'",
            "5: jwt.main.client_id: is for the profile id_token",
        ),
        (
            "keys = 'discover'\nprofile = 'id_token'\nclient_id = ['web', '']",
            "6: jwt.main.client_id: has an empty entry",
        ),
        (
            "keys = 'discover'\nprincipal_claim = []",
            "5: jwt.main.principal_claim: is empty; name the claim",
        ),
        (
            "keys = 'discover'\nprincipal_claim = ['sub', 'exp']",
            "5: jwt.main.principal_claim: `exp` is a date",
        ),
        (
            "keys = 'discover'\nprovider = 'okta'",
            "2: jwt.main.issuer: is no custom authorization server",
        ),
        (
            "keys = 'discover'\nalgorithm = 'HS256'",
            "5: jwt.main.algorithm: is not for RSA",
        ),
        (
            "keys = 'discover'\ntenants = 'a'",
            "2: jwt.main.issuer: is the same for every tenant",
        ),
    ] {
        let found = mistakes(lines, true);
        let met = found.iter().any(|one| one.starts_with(expected));
        assert!(met, "{lines}: {found:?}");
    }
}

/// A preset whose tokens are not made for an audience by that name.
#[test]
fn a_client_of_entra_version_1_is_known_by_its_appid() {
    let fixture = Fixture::new(&["one"]);
    let app = token_of("one", &[("appid", r#""alice""#), ("ver", r#""1.0""#)]);
    let Verification::Done(Outcome::Verified(caller)) = fixture.verify(&app) else {
        panic!("not verified")
    };
    assert_eq!(caller.principal_kind(), PrincipalKind::Client);
}
