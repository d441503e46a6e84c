//! What is printed and logged, and that no secret is in it.

use crate::fixture::{
    CLIENT_SECRET, Issuer, REFRESH, eventually, hurried, key, keys, set, settle, wait,
};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use palisade_conformance::loopback::Reply;
use palisade_core::companion::AuthorizationServers;
use serde_json::json;
use std::{
    io,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

/// Everything that this process logs, at every level: the work runs on other threads.
struct Log(Mutex<Vec<u8>>);

impl Log {
    fn start() -> &'static Self {
        static LOG: OnceLock<&'static Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log: &'static Log = Box::leak(Box::new(Log(Mutex::default())));
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_ansi(false)
                .with_writer(|| Appending(log.bytes()))
                .init();
            log
        })
    }

    fn bytes(&'static self) -> MutexGuard<'static, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn text(&'static self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// The lines that speak of this issuer.
    fn lines(&'static self, issuer: &Issuer) -> Vec<String> {
        let (text, url) = (self.text(), issuer.server.url());
        let of_issuer = text.lines().filter(|line| line.contains(&url));
        of_issuer.map(str::to_owned).collect()
    }
}

struct Appending(MutexGuard<'static, Vec<u8>>);

impl io::Write for Appending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// PITFALLS 37.
#[test]
fn neither_debug_nor_log_shows_a_secret() {
    let log = Log::start();
    let issuer = Issuer::start();
    let mut source = issuer.introspection();
    source.outgoing = hurried();
    let introspector = issuer.companion.introspector(source).unwrap();
    let mut shown = format!(
        "{:?} {introspector:?} {:?}",
        issuer.companion,
        issuer.introspection()
    );
    for reply in [
        Reply::json(r#"{"active":true}"#),
        Reply::status(401),
        Reply::HangUp,
        Reply::Silence,
    ] {
        issuer.server.set("/introspect", reply);
        let answer = wait(introspector.ask("planted-token".into()));
        shown += &format!("{answer:?}");
    }
    shown += &format!("{:?}", issuer.ready_feed());
    shown += &log.text();
    let encoded = "s3cr3t%3A%2B%2F";
    let basic = BASE64_STANDARD.encode(format!("api%3A1:{encoded}"));
    for secret in ["planted-token", CLIENT_SECRET, "s3cr3t", &basic[..16]] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[test]
fn an_outage_and_its_end_are_a_line_each() {
    let log = Log::start();
    let issuer = Issuer::start();
    let feed = issuer.ready_feed();
    issuer.publish(Reply::status(500));
    issuer.advance(REFRESH);
    settle(&feed);
    for _ in 0..100 {
        drop(feed.keys());
    }
    issuer.publish(set(&["a"]));
    issuer.advance(REFRESH);
    settle(&feed);
    drop(feed.keys());
    // It is told once the new keys serve.
    let told = |line: &String| line.contains("answers again");
    eventually("the last line", || log.lines(&issuer).iter().any(told));
    let lines = log.lines(&issuer);
    let said = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!(said("the old ones serve"), 1, "{lines:#?}");
    assert_eq!(said("status 500"), 1, "{lines:#?}");
    assert_eq!(said("answers again"), 1, "{lines:#?}");
}

#[test]
fn keys_that_are_not_used_are_named_once() {
    let log = Log::start();
    let issuer = Issuer::start();
    let secret = json!({ "kty": "oct", "kid": "leaked", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ" });
    let broken = json!({ "kty": "RSA", "kid": "broken", "e": "AQAB" });
    issuer.publish(keys(vec![key("a"), secret, broken]));
    let feed = issuer.ready_feed();
    for _ in 0..3 {
        issuer.advance(REFRESH);
        settle(&feed);
    }
    let lines = log.lines(&issuer);
    let about = |kid: &str| {
        let about = lines
            .iter()
            .filter(|line| line.contains(&format!("kid=\"{kid}\"")));
        about.cloned().collect::<Vec<_>>()
    };
    assert_eq!(
        (about("leaked").len(), about("broken").len()),
        (1, 1),
        "{lines:#?}"
    );
    assert!(about("leaked")[0].contains("ERROR") && about("broken")[0].contains("WARN"));
    assert!(!log.text().contains("c2VjcmV0LXNlY3JldC1zZWNyZXQ"));
}

#[test]
fn a_set_without_usable_keys_is_an_alarm() {
    let log = Log::start();
    let issuer = Issuer::start();
    let feed = issuer.ready_feed();
    issuer.publish(set(&[]));
    issuer.advance(REFRESH);
    settle(&feed);
    let lines = log.lines(&issuer);
    let alarm = |line: &&String| line.contains("ERROR") && line.contains("no usable key");
    assert_eq!(lines.iter().filter(alarm).count(), 1, "{lines:#?}");
}
