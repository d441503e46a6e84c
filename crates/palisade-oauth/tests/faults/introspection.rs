//! Asking about opaque tokens.

use crate::fixture::{CLIENT_SECRET, Issuer, eventually, hurried, wait};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use palisade_conformance::loopback::Reply;
use palisade_core::companion::{AuthorizationServers, ClientAuth, Endpoint};
use serde_json::json;

const PATH: &str = "/introspect";
const ACTIVE: &str = r#"{"active":true}"#;

/// The client secret as a form has it.
const ENCODED: &str = "s3cr3t%3A%2B%2F+%26%25%C3%BC";

#[test]
fn the_client_proves_itself_by_basic_with_both_parts_encoded() {
    let issuer = Issuer::start();
    issuer.server.set(PATH, Reply::json(ACTIVE));
    let answer = wait(issuer.introspector().ask("to ken+/=".into()));
    assert_eq!(answer.unwrap(), ACTIVE);
    let received = issuer.server.take(PATH).remove(0);
    assert_eq!(received.method, "POST");
    assert_eq!(
        received.body,
        "token=to+ken%2B%2F%3D&token_type_hint=access_token"
    );
    let basic = BASE64_STANDARD.encode(format!("api%3A1:{ENCODED}"));
    assert_eq!(
        received.header("authorization"),
        Some(&*format!("Basic {basic}"))
    );
    assert_eq!(received.header("accept"), Some("application/json"));
    assert_eq!(received.header("accept-encoding"), Some("identity"));
    let form = Some("application/x-www-form-urlencoded");
    assert_eq!(received.header("content-type"), form);
    let agent = received.header("user-agent").unwrap();
    assert!(agent.starts_with("palisade/"));
}

#[test]
fn the_client_proves_itself_in_the_body() {
    let issuer = Issuer::start();
    issuer.server.set(PATH, Reply::json(ACTIVE));
    let mut source = issuer.introspection();
    source.client_auth = ClientAuth::Post;
    let introspector = issuer.companion.introspector(source).unwrap();
    wait(introspector.ask("t".into())).unwrap();
    let received = issuer.server.take(PATH).remove(0);
    assert_eq!(received.header("authorization"), None);
    let credentials = format!("&client_id=api%3A1&client_secret={ENCODED}");
    assert!(received.body.ends_with(&credentials));
}

/// PITFALLS 17.
#[test]
fn no_answer_is_an_error_and_never_a_judgement() {
    let issuer = Issuer::start();
    let introspector = issuer.introspector();
    let html = Reply::Response {
        status: 200,
        headers: vec![("Content-Type", "text/html".to_owned())],
        body: ACTIVE.into(),
    };
    let padded = format!(r#"{{"active":true,"a":"{}"}}"#, "x".repeat(64 * 1024));
    issuer.server.set("/elsewhere", Reply::json(ACTIVE));
    for (reply, said) in [
        (
            Reply::status(401),
            "status 401; the server does not accept our client_id",
        ),
        (
            Reply::status(403),
            "status 403; the server does not accept our client_id",
        ),
        (Reply::status(400), "status 400"),
        (Reply::status(500), "status 500"),
        (Reply::status(204), "status 204"),
        (
            Reply::redirect(format!("{}/elsewhere", issuer.server.url())),
            "not followed",
        ),
        (html, "not application/json"),
        (Reply::json(padded), "64 KiB"),
        (Reply::json([b'"', 0xff, b'"']), "utf-8"),
        (Reply::HangUp, ""),
    ] {
        issuer.server.set(PATH, reply);
        let error = wait(introspector.ask("token-to-hide".into())).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(said), "{error}");
        assert!(!error.contains("token-to-hide") && !error.contains(CLIENT_SECRET));
    }
    assert_eq!(issuer.server.take("/elsewhere").len(), 0);
    issuer.server.set(PATH, Reply::json(ACTIVE));
    assert!(wait(introspector.ask("t".into())).is_ok());
}

/// The server says neither where it is asked nor what it answers.
#[test]
fn a_silent_server_is_waited_for_as_long_as_timeout_says() {
    let issuer = Issuer::start();
    for endpoint in ["/.well-known/openid-configuration", PATH] {
        issuer.server.set(endpoint, Reply::Silence);
    }
    let url = Endpoint::Url(format!("{}{PATH}", issuer.server.url()));
    for endpoint in [Endpoint::Discover, url] {
        let mut source = issuer.introspection();
        (source.endpoint, source.outgoing) = (endpoint, hurried());
        let introspector = issuer.companion.introspector(source).unwrap();
        let error = wait(introspector.ask("t".into())).unwrap_err().to_string();
        assert!(error.contains("within 1 s"), "{error}");
    }
}

#[test]
fn questions_under_way_are_bounded() {
    let mut issuer = Issuer::start();
    issuer.companion = issuer.companion.questions_at_once(2);
    issuer.server.set(PATH, Reply::Silence);
    let introspector = issuer.introspector();
    let (first, second) = (introspector.ask("1".into()), introspector.ask("2".into()));
    let error = wait(introspector.ask("3".into())).unwrap_err();
    assert!(error.to_string().contains("too many"));
    let mut asked = 0;
    eventually("both came", || {
        asked += issuer.server.take(PATH).len();
        asked == 2
    });
    // The end of the silence is the end of their connections.
    issuer.server.set(PATH, Reply::json(ACTIVE));
    assert!(wait(first).is_err() && wait(second).is_err());
    assert!(wait(introspector.ask("4".into())).is_ok());
    assert_eq!(issuer.server.take(PATH).len(), 1);
}

#[test]
fn a_caller_that_goes_away_frees_its_place_in_time() {
    let mut issuer = Issuer::start();
    issuer.companion = issuer.companion.questions_at_once(1);
    issuer.server.set(PATH, Reply::Silence);
    let introspector = issuer.introspector();
    drop(introspector.ask("1".into()));
    issuer.server.set(PATH, Reply::json(ACTIVE));
    eventually("room", || wait(introspector.ask("2".into())).is_ok());
}

#[test]
fn the_endpoint_is_discovered_once() {
    let issuer = Issuer::start();
    let url = issuer.server.url();
    let metadata = json!({ "issuer": url, "introspection_endpoint": format!("{url}{PATH}") });
    let place = "/.well-known/openid-configuration";
    issuer.server.set(PATH, Reply::json(ACTIVE));
    let mut source = issuer.introspection();
    source.endpoint = Endpoint::Discover;
    let introspector = issuer.companion.introspector(source).unwrap();

    issuer.server.set(place, Reply::HangUp);
    assert!(wait(introspector.ready()).is_err());
    issuer.server.set(place, Reply::json(metadata.to_string()));
    issuer.server.take(place);
    wait(introspector.ready()).unwrap();
    wait(introspector.ask("t".into())).unwrap();
    assert_eq!(issuer.server.take(place).len(), 1);
}

#[test]
fn it_is_ready_once_the_server_accepts_us() {
    let issuer = Issuer::start();
    let introspector = issuer.introspector();
    issuer.server.set(PATH, Reply::status(401));
    let error = wait(introspector.ready()).unwrap_err().to_string();
    assert!(error.contains("client_secret"), "{error}");
    issuer.server.set(PATH, Reply::json(r#"{"active":false}"#));
    wait(introspector.ready()).unwrap();
    issuer.server.take(PATH);
    wait(introspector.ready()).unwrap();
    assert_eq!(issuer.server.take(PATH).len(), 0);
}
