//! Random heads from an open exchange to its response.

use crate::{
    fake::{Event, Head, Response},
    policy::World,
    random::{Random, for_each_case},
};
use http::{HeaderValue, StatusCode, header};
use palisade_core::{Exchange, Verdict};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    task::{Context, Poll, Waker},
};

const CASES: u64 = 80_000;

#[test]
fn every_head_gets_a_verdict_one_audit_event_and_a_safe_response() {
    let world = World::new();
    let mut tally = Tally::default();
    for_each_case("heads", CASES, |random| {
        world.clock.advance_millis(random.next() % 500);
        let head = head(random, &world);
        let outcome = exchange(random, &world, &head);
        let events = world.audit.take();
        assert_eq!(events.len(), 1, "not one audit event: {events:?}");
        check(&world, &head, &outcome, &events[0]);
        tally.count(&outcome);
    });
    tally.is_balanced();
}

/// What the test saw of one exchange.
struct Outcome {
    /// What the verdict admitted: the rule, and the subject if there was one.
    admitted: Option<(Option<String>, Option<String>)>,
    is_preflight: bool,
    /// `None`: the client went away.
    response: Option<Response>,
}

fn exchange(random: &mut Random, world: &World, head: &Head) -> Outcome {
    let mut exchange = world.palisade.open(head);
    let verdict = exchange.poll_decide(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(verdict) = verdict else {
        panic!("no verdict, though nobody must be asked");
    };
    let (admitted, is_preflight, response) = match verdict {
        Verdict::Refuse(reply) => {
            let is_preflight = reply.status == StatusCode::NO_CONTENT;
            (None, is_preflight, Response::from(reply))
        }
        Verdict::Admit(admission) => {
            let rule = admission.grant.rule().map(str::to_owned);
            let subject = admission.grant.principal();
            let subject = subject.map(|caller| caller.subject().to_owned());
            if let Some(body) = admission.body {
                let _ = body.count(random.below(150));
            }
            (Some((rule, subject)), false, handler(random, &mut exchange))
        }
    };
    let mut response = response;
    let gone = random.once_in(20);
    if !gone {
        exchange.close(&mut response);
        if random.once_in(4) {
            exchange.close(&mut response);
        }
    }
    Outcome {
        admitted,
        is_preflight,
        response: (!gone).then_some(response),
    }
}

/// A handler that sets what it should not, or panics.
fn handler(random: &mut Random, exchange: &mut Exchange) -> Response {
    if random.once_in(10) {
        return exchange.panicked().into();
    }
    let mut response = Response {
        status: StatusCode::from_u16(200 + random.below(400) as u16).unwrap(),
        ..Response::default()
    };
    let values = [
        (header::SERVER, "x/1.0"),
        (header::X_CONTENT_TYPE_OPTIONS, "sniff"),
        (header::VARY, "accept"),
        (header::CACHE_CONTROL, "public, s-maxage=60"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=0"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "null"),
    ];
    for (name, value) in values {
        if random.once_in(3) {
            response
                .headers
                .append(name, HeaderValue::from_static(value));
        }
    }
    response
}

fn check(world: &World, head: &Head, outcome: &Outcome, event: &Event) {
    if let Some((rule, subject)) = &outcome.admitted {
        let rule = rule.as_deref().expect("what is admitted has a rule");
        if rule == "/items" || rule.starts_with("/items/") || rule == "/admin/{*rest}" {
            assert!(subject.is_some(), "{rule} admitted nobody");
        }
        if subject.is_some() {
            assert!(presents_a_credential(world, head), "{subject:?} by nothing");
        }
    }
    for secret in world.tokens.iter().chain([&world.api_key]) {
        assert!(!event.json.contains(secret.as_str()));
    }
    assert!(!event.json.bytes().any(|byte| byte.is_ascii_control()));

    let Some(response) = &outcome.response else {
        assert_eq!((event.status, event.decision.as_str()), (None, "Aborted"));
        return;
    };
    assert_eq!(event.status, Some(response.status.as_u16()));
    if outcome.admitted.is_none() && !outcome.is_preflight {
        let status = response.status;
        assert!(status.is_client_error() || status.is_server_error());
        assert_eq!(event.decision, "Refuse");
        assert_eq!(line(response, "cache-control"), Some("no-store"));
        let problem: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(problem["status"], status.as_u16());
        let request_id = line(response, "x-request-id").unwrap();
        assert_eq!(problem["request_id"], request_id);
        assert!(event.json.contains(request_id));
    }
    if outcome.is_preflight {
        assert!(head.method == b"OPTIONS" && head.values("origin").count() > 0);
    }
    check_headers(head, response);
}

fn check_headers(head: &Head, response: &Response) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("x-xss-protection", "0"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
    ] {
        assert_eq!(line(response, name), Some(value), "{name} of {response:?}");
    }
    let csp = line(response, "content-security-policy");
    assert!(csp.is_some_and(|csp| csp.contains("'nonce-") && !csp.contains("{nonce}")));
    assert_eq!(line(response, "x-request-id").map(str::len), Some(32));
    assert_eq!(line(response, "server"), None);
    if line(response, "strict-transport-security").is_some() {
        assert!(head.tls, "HSTS over plain HTTP");
    }
    if let Some(allowed) = line(response, "access-control-allow-origin") {
        assert_eq!(
            head.values("origin").collect::<Vec<_>>(),
            [allowed.as_bytes()]
        );
        let inner = allowed.strip_suffix(".example.net");
        assert!(allowed == "https://frontend.example.com" || inner.is_some());
    }
    if response.status == StatusCode::TOO_MANY_REQUESTS && !response.body.is_empty() {
        let wait: u64 = line(response, "retry-after").unwrap().parse().unwrap();
        assert!(wait >= 1);
    }
}

/// The only line of the field.
fn line<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let mut lines = response.headers.get_all(name).iter();
    let first = lines.next()?;
    assert!(lines.next().is_none(), "{name} stands twice");
    Some(first.to_str().unwrap())
}

/// Whether a credential stands anywhere in the head, byte for byte.
fn presents_a_credential(world: &World, head: &Head) -> bool {
    let holds =
        |text: &[u8], part: &str| text.windows(part.len()).any(|own| own == part.as_bytes());
    let mut credentials = world.tokens.iter().chain([&world.api_key]);
    credentials.any(|part| {
        holds(&head.target, part) || head.lines.iter().any(|(_, value)| holds(value, part))
    })
}

/// A head that is often nearly right, because nonsense is refused before anything can go wrong.
fn head(random: &mut Random, world: &World) -> Head {
    let mut head = Head {
        method: method(random),
        target: target(random, world),
        authority: None,
        http2: random.once_in(4),
        lines: Vec::new(),
        peer: Some(peer(random)),
        tls: !random.once_in(5),
    };
    if random.once_in(200) {
        head.peer = None;
    }
    if head.http2 || random.once_in(20) {
        head.authority = Some(host(random));
    }
    if !head.http2 || random.once_in(10) {
        head.lines.push(("host".into(), host(random)));
    }
    if head.method == b"OPTIONS" && random.once_in(2) {
        let origin = b"https://frontend.example.com".to_vec();
        head.lines.push(("origin".into(), origin));
        let method = b"POST".to_vec();
        head.lines
            .push(("access-control-request-method".into(), method));
    }
    for _ in 0..random.below(5) {
        let line = header_line(random, world);
        if random.once_in(20) {
            head.lines.push(line.clone());
        }
        let place = random.below(head.lines.len() + 1);
        head.lines.insert(place, line);
    }
    if random.once_in(100) {
        let many = random.below(120);
        head.lines
            .extend((0..many).map(|n| (format!("x-{n}"), random.bytes(200))));
    }
    head
}

fn method(random: &mut Random) -> Vec<u8> {
    const KNOWN: [&str; 20] = [
        "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "HEAD", "POST", "POST", "POST",
        "DELETE", "OPTIONS", "OPTIONS", "PUT", "PURGE", "TRACE", "CONNECT", "get",
    ];
    let mut method = random.pick(&KNOWN).as_bytes().to_vec();
    if random.once_in(30) {
        random.change(&mut method);
    }
    method
}

fn target(random: &mut Random, world: &World) -> Vec<u8> {
    const PATHS: [&str; 20] = [
        "/health",
        "/public/a%2Fb",
        "/public/%25/x",
        "/optional",
        "/optional/",
        "/items",
        "/items",
        "/items",
        "/items",
        "/items/7",
        "/items/8",
        "/items/%41",
        "/items/a%20b",
        "/admin/x",
        "/admin/open/door",
        "/admin/open/../x",
        "/nowhere",
        "*",
        "http://api.example.com/items",
        "//items",
    ];
    let mut target = match random.once_in(30) {
        true => random.bytes(60),
        false => random.pick(&PATHS).as_bytes().to_vec(),
    };
    match random.below(12) {
        0 => target.extend(b"?search=%27%20x&n=1"),
        1 => target.extend([b"?api-key=", world.api_key.as_bytes()].concat()),
        2 => target.extend([b"?".to_vec(), random.text(b"a=&%2f+#\"", 20)].concat()),
        3 if random.once_in(2) => target.extend(random.text(b"/.%2e;5c\\", 6)),
        4 if random.once_in(20) => target.extend([b'a'; 9000]),
        _ => {}
    }
    if random.once_in(25) {
        random.change(&mut target);
    }
    target
}

fn host(random: &mut Random) -> Vec<u8> {
    const HOSTS: [&str; 10] = [
        "api.example.com",
        "api.example.com",
        "api.example.com",
        "API.example.com:443",
        "a.b.example.org",
        "[::1]:8080",
        "127.0.0.1",
        "example.org",
        "evil.example",
        "api.example.com.",
    ];
    let mut host = random.pick(&HOSTS).as_bytes().to_vec();
    if random.once_in(15) {
        random.change(&mut host);
    }
    host
}

fn peer(random: &mut Random) -> SocketAddr {
    let ip = match random.below(4) {
        0 => IpAddr::from(Ipv4Addr::LOCALHOST),
        1 => Ipv6Addr::from(u128::from(random.next()) << 64).into(),
        _ => IpAddr::from([203, 0, 113, random.byte() % 32]),
    };
    SocketAddr::new(ip, 4711)
}

fn header_line(random: &mut Random, world: &World) -> (String, Vec<u8>) {
    const NAMES: [&str; 20] = [
        "authorization",
        "authorization",
        "authorization",
        "authorization",
        "x-api-key",
        "cookie",
        "origin",
        "origin",
        "host",
        "content-length",
        "access-control-request-method",
        "access-control-request-method",
        "content-length",
        "sec-fetch-site",
        "upgrade",
        "x-forwarded-for",
        "forwarded",
        "x-original-url",
        "x-request-id",
        "x-any",
    ];
    let name = random.pick(&NAMES);
    let mut value = match name {
        "authorization" => authorization(random, world),
        "x-api-key" => world.api_key.clone().into_bytes(),
        "cookie" => format!("a=b; api-key={}", world.api_key).into_bytes(),
        "host" => host(random),
        "origin" => {
            const ORIGINS: [&str; 6] = [
                "https://frontend.example.com",
                "https://a.example.net",
                "https://example.net",
                "https://evil.example",
                "null",
                "https://frontend.example.com.evil.example",
            ];
            random.pick(&ORIGINS).as_bytes().to_vec()
        }
        "content-length" => match random.below(3) {
            0 => random.below(200).to_string().into_bytes(),
            1 => random.text(b"0189+- ,", 30),
            _ => b"10".to_vec(),
        },
        "access-control-request-method" => b"POST".to_vec(),
        "sec-fetch-site" => random
            .pick(&["same-origin", "cross-site", "none"])
            .as_bytes()
            .to_vec(),
        "upgrade" => b"websocket".to_vec(),
        _ if random.once_in(20) => random.bytes(80),
        _ => random.text(b"abc 019,;=\"'%/\x80\xff\t", 40),
    };
    if random.once_in(25) {
        random.change(&mut value);
    }
    (name.to_owned(), value)
}

fn authorization(random: &mut Random, world: &World) -> Vec<u8> {
    let token = &world.tokens[random.below(world.tokens.len())];
    match random.below(12) {
        0 => random.bytes(100),
        1 => random.text(b"Bearer .,=\"abc", 40),
        2 => format!("Basic {token}").into_bytes(),
        3 => format!("bEARER   {token}").into_bytes(),
        4 => format!("Bearer {token}, Bearer {token}").into_bytes(),
        _ => format!("Bearer {token}").into_bytes(),
    }
}

/// How the cases went: a generator that only ever meets one stage proves little.
#[derive(Debug, Default)]
struct Tally {
    admitted: u64,
    identified: u64,
    preflights: u64,
    statuses: std::collections::BTreeMap<u16, u64>,
}

impl Tally {
    fn count(&mut self, outcome: &Outcome) {
        if let Some((_, subject)) = &outcome.admitted {
            self.admitted += 1;
            self.identified += u64::from(subject.is_some());
        } else if let Some(response) = &outcome.response {
            *self.statuses.entry(response.status.as_u16()).or_default() += 1;
        }
        self.preflights += u64::from(outcome.is_preflight);
    }

    fn is_balanced(&self) {
        if std::env::var_os("PALISADE_CASE").is_some() {
            return;
        }
        assert!(
            self.admitted > CASES / 20 && self.identified > CASES / 100,
            "{self:?}"
        );
        assert!(self.preflights > 100, "{self:?}");
        for status in [400, 401, 403, 404, 405, 413, 414, 421, 429, 431, 500, 501] {
            let seen = self.statuses.get(&status).copied().unwrap_or(0);
            assert!(seen > 20, "{status} came {seen} times: {self:?}");
        }
    }
}
