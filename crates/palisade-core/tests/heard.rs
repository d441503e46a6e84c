//! Who hears of what where no subscriber of `tracing` is set up. Both are of the whole process, so each test is one.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "all of this is a test"
)]

use http::{HeaderMap, StatusCode};
use palisade_core::{HttpResponse, Palisade, Policy, Reply, RequestHead, Rule, public};
use std::{
    env,
    net::SocketAddr,
    process::Command,
    sync::Mutex,
    task::{Context, Poll, Waker},
};

struct Get(&'static str);

impl RequestHead for Get {
    fn method(&self) -> &[u8] {
        b"GET"
    }
    fn target(&self) -> &[u8] {
        self.0.as_bytes()
    }
    fn headers<'h>(&'h self, each: &mut dyn FnMut(&'h str, &'h [u8])) {
        each("host", b"localhost");
    }
    fn peer(&self) -> Option<SocketAddr> {
        Some(([127, 0, 0, 1], 4711).into())
    }
    fn tls(&self) -> bool {
        false
    }
}

struct Response(HeaderMap);

impl HttpResponse for Response {
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }
    fn header_map(&self) -> &HeaderMap {
        &self.0
    }
    fn header_map_mut(&mut self) -> &mut HeaderMap {
        &mut self.0
    }
    fn replace(&mut self, reply: Reply) {
        self.0 = reply.headers.into_iter().collect();
    }
}

fn ask(palisade: &Palisade, target: &'static str) {
    let mut exchange = palisade.open(&Get(target));
    let verdict = exchange.poll_decide(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(verdict, Poll::Ready(_)));
    exchange.close(&mut Response(HeaderMap::new()));
}

/// Keeps what is logged at INFO and above.
struct Logger(Mutex<Vec<String>>);

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Info
    }
    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format!("{} {} {}", record.level(), record.target(), record.args());
            self.0.lock().unwrap().push(line);
        }
    }
    fn flush(&self) {}
}

/// Says in which of the processes this is.
const CHILD: &str = "PALISADE_TEST_CHILD";

/// Runs one of these tests in a process of its own, and returns what it wrote on standard error.
fn alone(name: &str) -> String {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", name, "--nocapture"]).env(CHILD, "1");
    let output = child.output().unwrap();
    let written = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{written}");
    written
}

/// PITFALLS 66.
#[test]
fn a_logger_gets_the_audit_and_the_warnings() {
    if env::var_os(CHILD).is_none() {
        assert_eq!(alone("a_logger_gets_the_audit_and_the_warnings"), "");
        return;
    }
    static LOGGER: Logger = Logger(Mutex::new(Vec::new()));
    log::set_logger(&LOGGER).unwrap();
    log::set_max_level(log::LevelFilter::Debug);
    let policy = Policy::builder().rule(Rule::new("/open").require(public()));
    let palisade = policy.build().unwrap();
    ask(&palisade, "/open");
    ask(&palisade, "/closed");
    Policy::builder().build().unwrap();
    let _ = Reply::missing_layer();
    let lines = LOGGER.0.lock().unwrap();
    let events = lines
        .iter()
        .filter(|line| line.contains("INFO palisade::audit "));
    let events: Vec<_> = events.collect();
    // A read that was admitted is DEBUG, which this logger does not take.
    assert_eq!(events.len(), 1, "{lines:?}");
    assert!(events[0].contains("decision=\"refuse\""), "{events:?}");
    assert!(
        events[0].contains("reason=\"path_not_listed\""),
        "{events:?}"
    );
    let told = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!(told("every request is refused"), 1, "{lines:?}");
    assert_eq!(told("the security layer is missing"), 1, "{lines:?}");
}

/// PITFALLS 66.
#[test]
fn without_any_log_a_misuse_is_told_once_on_standard_error() {
    if env::var_os(CHILD).is_none() {
        let written = alone("without_any_log_a_misuse_is_told_once_on_standard_error");
        let times = written.matches("the security layer is missing").count();
        assert_eq!(times, 1, "{written}");
        return;
    }
    for _ in 0..3 {
        let _ = Reply::missing_layer();
    }
}
