//! The engine by itself: what a socket cannot show.

mod explain;
mod limits;
mod notes;
mod outage;
mod reload;
mod waiting;
mod warnings;

use crate::{
    AuditEvent, AuditSink, Clock, Exchange, HttpResponse, Palisade, Policy, Reply, RequestHead,
    Rule, SourceError, Verdict, authenticated,
    firewall::{FirewallLimits, check_target},
    metered::Counters,
    public,
    scheme::{
        Authorization, Carrier, Challenge, Credential, Outcome, Presented, Scheme, Verification,
    },
    view::View,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

pub(super) struct Head {
    target: &'static str,
    lines: Vec<(&'static str, &'static str)>,
    peer: Option<SocketAddr>,
}

impl RequestHead for Head {
    fn method(&self) -> &[u8] {
        b"GET"
    }
    fn target(&self) -> &[u8] {
        self.target.as_bytes()
    }
    fn headers<'h>(&'h self, each: &mut dyn FnMut(&'h str, &'h [u8])) {
        for (name, value) in &self.lines {
            each(name, value.as_bytes());
        }
    }
    fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }
    fn tls(&self) -> bool {
        false
    }
}

pub(super) fn get(target: &'static str, lines: &[(&'static str, &'static str)]) -> Head {
    let host = [("host", "localhost")];
    Head {
        target,
        lines: host.iter().chain(lines).copied().collect(),
        peer: Some(([127, 0, 0, 1], 4711).into()),
    }
}

#[test]
fn a_probe_that_could_do_more_than_tell_its_health_is_a_mistake() {
    let mistakes = |rules: &str| {
        let token = "[api_key.keys]\n[[rule]]\npath = '/admin/{*rest}'\nalways = true\n\
                     require = 'authenticated'\n[[rule]]\npath = '/{shop}/admin'\nalways = true\n\
                     require = 'authenticated'\n[[rule]]\nprobe = true\n";
        let built = Palisade::from_toml_str(&format!("{token}{rules}"));
        built.map_or_else(|why| why.to_string(), |_| String::new())
    };
    for good in [
        "path = '/health'",
        "path = '/health/x/{part}'\nmethods = ['GET', 'HEAD']",
    ] {
        assert_eq!(mistakes(good), "", "{good}");
    }
    for (bad, key) in [
        (
            "path = '/health'\nmethods = ['GET', 'POST']",
            "rule[2].methods[1]",
        ),
        ("path = '/health/x/{*rest}'", "rule[2].path"),
        ("path = '/admin/health'", "rule[2].probe"),
        ("path = '/{part}/health'", "rule[2].probe"),
        ("path = '/one/admin'", "rule[2].probe"),
    ] {
        let found = mistakes(bad);
        assert_eq!(found.matches("rule[").count(), 1, "{bad}: {found}");
        assert!(found.contains(&format!("{key}: ")), "{bad}: {found}");
    }
}

struct Response {
    status: StatusCode,
    headers: HeaderMap,
}

impl HttpResponse for Response {
    fn status(&self) -> StatusCode {
        self.status
    }
    fn header_map(&self) -> &HeaderMap {
        &self.headers
    }
    fn header_map_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }
    fn replace(&mut self, reply: Reply) {
        *self = reply.into();
    }
}

impl From<Reply> for Response {
    fn from(reply: Reply) -> Self {
        Self {
            status: reply.status,
            headers: reply.headers.into_iter().collect(),
        }
    }
}

/// Counts events by decision.
#[derive(Debug, Default)]
struct Events(Mutex<Vec<String>>);

impl AuditSink for Events {
    fn record(&self, event: &AuditEvent<'_>) {
        let reason = event.reason.as_deref().unwrap_or("-");
        self.0
            .lock()
            .unwrap()
            .push(format!("{:?} {reason}", event.decision));
    }
}

impl Events {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// A scheme that answers as it is told to, at once or later.
#[derive(Debug)]
struct Told {
    later: bool,
    carriers: [Carrier; 1],
}

impl Told {
    fn new(later: bool) -> Self {
        Self {
            later,
            carriers: [Carrier::Header(HeaderName::from_static("x-told"))],
        }
    }
}

impl Scheme for Told {
    fn name(&self) -> &str {
        "told"
    }
    fn kind(&self) -> &'static str {
        "told"
    }
    fn carriers(&self) -> &[Carrier] {
        &self.carriers
    }
    fn read<'h>(&self, head: &View<'h>, _: usize) -> Presented<'h> {
        match head.named("x-told").next() {
            Some(bytes) => Presented::Credential(Credential {
                bytes: bytes.into(),
                carrier: 0,
            }),
            None => Presented::Nothing,
        }
    }
    fn verify(&self, credential: &Credential<'_>, _: u64) -> Verification {
        let outcome = match &*credential.bytes {
            b"down" => Outcome::Unavailable(SourceError::new("told", "down")),
            name => Outcome::Verified(crate::Principal::new("told", String::from_utf8_lossy(name))),
        };
        if !self.later {
            return Verification::Done(outcome);
        }
        let mut outcome = Some(outcome);
        let mut asked = false;
        Verification::Remote(Box::pin(std::future::poll_fn(move |_| {
            match (std::mem::replace(&mut asked, true), &mut outcome) {
                (true, outcome) => outcome.take().map_or(Poll::Pending, Poll::Ready),
                (false, _) => Poll::Pending,
            }
        })))
    }
    fn challenge(&self) -> Option<Challenge> {
        Some(Challenge::new("Told").with("realm", "api"))
    }
}

/// A clock that a test sets, in nanoseconds.
#[derive(Debug, Default)]
struct Ticks(AtomicU64);

impl Clock for Ticks {
    fn unix_millis(&self) -> u64 {
        0
    }
    fn monotonic_nanos(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

fn palisade(later: bool) -> (Palisade, Arc<Events>) {
    let events = Arc::new(Events::default());
    let palisade = Policy::builder()
        .custom_scheme(Told::new(later))
        .rule(Rule::new("/open").require(public()))
        .rule(Rule::new("/closed").require(authenticated()))
        .with_audit(events.clone())
        .build()
        .unwrap();
    (palisade, events)
}

pub(super) fn poll(exchange: &mut Exchange) -> Option<Verdict> {
    match exchange.poll_decide(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(verdict) => Some(verdict),
        Poll::Pending => None,
    }
}

fn status_of(palisade: &Palisade, head: &Head) -> StatusCode {
    let mut exchange = palisade.open(head);
    let mut response = match poll(&mut exchange).unwrap() {
        Verdict::Answer(reply) | Verdict::Refuse(reply) => Response::from(reply),
        Verdict::Collect(_) => panic!("no endpoint was asked"),
        Verdict::Admit(_) => Response {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
        },
    };
    exchange.close(&mut response);
    assert!(response.headers.contains_key("x-content-type-options"));
    response.status
}

#[test]
fn whatever_is_not_known_to_be_good_is_refused() {
    let (palisade, events) = palisade(false);
    for (head, status, reason) in [
        (get("/open", &[]), 200, "Admit -"),
        (get("/nowhere", &[]), 404, "Refuse path_not_listed"),
        (get("/closed", &[]), 401, "Refuse no_credential"),
        (get("/closed", &[("x-told", "alice")]), 200, "Admit -"),
        (
            get("/closed", &[("x-told", "down")]),
            503,
            "Refuse source_unavailable",
        ),
        (
            Head {
                peer: None,
                ..get("/open", &[])
            },
            500,
            "Refuse peer_address_missing",
        ),
    ] {
        assert_eq!(status_of(&palisade, &head), status, "{}", head.target);
        assert_eq!(events.take(), [reason]);
    }
}

#[test]
fn a_remote_answer_is_waited_for_and_a_verdict_is_handed_out_once() {
    let (palisade, events) = palisade(true);
    let mut exchange = palisade.open(&get("/closed", &[("x-told", "alice")]));
    assert!(poll(&mut exchange).is_none());
    let Some(Verdict::Admit(admission)) = poll(&mut exchange) else {
        panic!("alice may pass")
    };
    assert_eq!(admission.grant.principal().unwrap().subject(), "alice");
    assert!(admission.grant.is_from(&palisade));
    assert!(matches!(poll(&mut exchange), Some(Verdict::Refuse(_))));
    drop(exchange);
    assert_eq!(events.take().len(), 1);
}

#[test]
fn an_exchange_is_audited_once_however_it_ends() {
    let (palisade, events) = palisade(false);
    let mut exchange = palisade.open(&get("/open", &[]));
    let Some(Verdict::Admit(_)) = poll(&mut exchange) else {
        panic!("the path is public")
    };
    let mut response = Response {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
    };
    exchange.close(&mut response);
    let first = response.headers.clone();
    exchange.close(&mut response);
    assert_eq!(response.headers, first);
    drop(exchange);
    assert_eq!(events.take(), ["Admit -"]);

    drop(palisade.open(&get("/open", &[])));
    assert_eq!(events.take(), ["Aborted -"]);
}

#[test]
fn an_exchange_is_counted_once_however_it_ends() {
    let counters = Counters::default();
    let (palisade, _) = counters.record(|| palisade(false));
    for (head, status) in [
        (get("/open", &[]), 200),
        (get("/open", &[]), 200),
        (get("/closed", &[]), 401),
        (get("/nowhere", &[]), 404),
    ] {
        assert_eq!(status_of(&palisade, &head), status);
    }
    // What a guard refuses is refused, too.
    let mut exchange = palisade.open(&get("/open", &[]));
    let Some(Verdict::Admit(admission)) = poll(&mut exchange) else {
        panic!("the path is public")
    };
    let reply = admission.grant.require(&authenticated()).unwrap_err();
    let mut response = Response::from(reply);
    exchange.close(&mut response);
    exchange.close(&mut response);
    drop(palisade.open(&get("/open", &[])));
    assert_eq!(
        counters.above_zero(),
        [
            "palisade_requests_total admit : 2",
            "palisade_requests_total aborted : 1",
            "palisade_requests_total refuse credentials_required: 2",
            "palisade_requests_total refuse not_found: 1",
        ]
    );
}

#[test]
fn a_refusal_names_the_schemes_of_its_rule() {
    let (palisade, _) = palisade(false);
    let mut exchange = palisade.open(&get("/closed", &[]));
    let Some(Verdict::Refuse(reply)) = poll(&mut exchange) else {
        panic!("nobody may pass")
    };
    let response = Response::from(reply);
    assert_eq!(
        response.headers[header::WWW_AUTHENTICATE],
        "Told realm=\"api\""
    );
}

/// Invariant 6: whatever is formatted, no secret shows.
#[test]
fn no_public_type_shows_a_secret() {
    const PLANTED: &str = "swordfish-swordfish-swordfish-swordfish";
    let jwt = crate::Jwt::new("main")
        .issuer("https://id.example.com")
        .audience("urn:api")
        .secret(crate::Secret::value(PLANTED));
    let events = Arc::new(Events::default());
    let policy = Policy::builder()
        .scheme(jwt.clone())
        .custom_scheme(Told::new(false))
        .rule(Rule::new("/closed").require(authenticated()))
        .with_audit(events.clone());
    let mut shown = format!("{jwt:?}{policy:?}");
    let palisade = policy.build().unwrap();
    shown += &format!("{palisade:?}");
    let bearer = "Bearer swordfish-swordfish-swordfish-swordfish";
    for line in [("authorization", bearer), ("x-told", PLANTED)] {
        let head = get("/closed", &[line]);
        let mut exchange = palisade.open(&head);
        shown += &format!("{exchange:?}");
        let verdict = poll(&mut exchange).unwrap();
        if let Verdict::Refuse(_) = verdict {
            shown += &format!("{verdict:?}");
        }
        drop(exchange);
    }
    let credential = Credential {
        bytes: PLANTED.as_bytes().into(),
        carrier: 0,
    };
    shown += &format!("{credential:?}{:?}", crate::Secret::value(PLANTED));
    let lines = [
        ("authorization", bearer),
        ("x-told", PLANTED),
        ("cookie", "other=swordfish"),
    ];
    let head = get("/closed", &lines);
    let mut view = View::of(&head);
    view.set_target("/closed", Some("api-key=swordfish"));
    let mut edits = crate::HeadEdits::default();
    edits.set(header::COOKIE, HeaderValue::from_static("other=swordfish"));
    shown += &format!("{view:?}{:?}{edits:?}", Authorization::of(&view));
    let limits = FirewallLimits::default();
    let target = check_target(b"/closed?api-key=swordfish", &limits).unwrap();
    shown += &format!("{target:?}");
    shown += &events.take().concat();
    assert!(!shown.contains("swordfish"), "{shown}");
    // Bytes are formatted as a list of numbers.
    let bytes = format!("{:?}", b"swordfish");
    assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
}

#[test]
fn a_broken_scheme_is_not_reported_as_missing() {
    let broken = r#"
        [jwt.main]
        issuer = "https://id.example.com"
        audience = "urn:api"
        secret = "hunter2"
        [[rule]]
        path = "/"
        require = "authenticated"
        schemes = ["main"]
    "#;
    let why = Palisade::from_toml_str(broken).unwrap_err().to_string();
    assert!(why.contains("jwt.main.secret: is no reference"), "{why}");
    assert_eq!(why.lines().count(), 1, "{why}");
}
