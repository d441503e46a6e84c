//! Random heads from an open exchange to its response.

use crate::{
    fake::{Event, Head, Response},
    generator::head,
    policy::World,
    random::{Random, for_each_case},
};
use http::{HeaderValue, StatusCode, header};
use palisade_core::{Exchange, Verdict};
use std::{
    future::pending,
    task::{Context, Poll, Waker},
};

const CASES: u64 = 80_000;

#[test]
fn every_head_gets_a_verdict_one_audit_event_and_a_safe_response() {
    let world = World::new();
    let mut tally = Tally::default();
    for_each_case("heads", CASES, |random| {
        world.clock.advance_millis(random.next() % 100);
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
        Verdict::Collect(_) => panic!("no endpoint was asked"),
        Verdict::Answer(reply) | Verdict::Refuse(reply) => {
            let is_preflight = reply.status == StatusCode::NO_CONTENT;
            (None, is_preflight, Response::from(reply))
        }
        Verdict::Admit(admission) => {
            let rule = admission.grant.rule().map(str::to_owned);
            let subject = admission.grant.principal();
            let subject = subject.map(|caller| caller.subject().to_owned());
            if let Some(body) = admission.body {
                let mut watch = body.with_timer(|_| pending());
                let _ = watch.count(random.below(150));
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
        let allowed: Option<&[&str]> = match rule {
            "/items" => Some(&["alice", "carol", "service1"]),
            "/items/{id}" => Some(&["alice", "bob", "carol", "service1"]),
            _ if rule.starts_with("/admin") => Some(&["bob", "service1"]),
            _ => None,
        };
        if let Some(allowed) = allowed {
            let subject = subject.as_deref().unwrap_or("nobody");
            assert!(allowed.contains(&subject), "{rule} admitted {subject}");
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
