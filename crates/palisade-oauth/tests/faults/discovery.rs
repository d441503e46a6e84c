//! Finding the keys of an issuer.

use crate::fixture::{Issuer, REFRESH, names, set, settle, wait};
use palisade_conformance::loopback::Reply;
use palisade_core::companion::{AuthorizationServers, Endpoint, KeyFeed};
use palisade_oauth::companion;
use serde_json::json;
use std::sync::Arc;

const OPENID: &str = "/realm/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server/realm";

/// The feed of an issuer with a path.
fn feed(issuer: &Issuer) -> Arc<dyn KeyFeed> {
    let mut source = issuer.source();
    source.issuer = format!("{}/realm", issuer.server.url());
    source.endpoint = Endpoint::Discover;
    issuer.companion.keys(source).unwrap()
}

fn metadata(issuer: &Issuer, path: &str) -> Reply {
    let url = issuer.server.url();
    let metadata = json!({ "issuer": format!("{url}/realm"), "jwks_uri": format!("{url}{path}") });
    Reply::json(metadata.to_string())
}

#[test]
fn keys_are_found_in_the_metadata_of_openid() {
    let issuer = Issuer::start();
    issuer.server.set(OPENID, metadata(&issuer, "/jwks"));
    let feed = feed(&issuer);
    wait(feed.ready()).unwrap();
    assert_eq!(names(&feed.keys().unwrap()), ["a"]);
    assert_eq!(issuer.server.take(OAUTH).len(), 0);
}

#[test]
fn keys_are_found_in_the_metadata_of_oauth_where_there_is_no_other() {
    let issuer = Issuer::start();
    issuer.server.set(OAUTH, metadata(&issuer, "/jwks"));
    wait(feed(&issuer).ready()).unwrap();
    assert_eq!(issuer.server.take(OPENID).len(), 1);
}

#[test]
fn metadata_that_is_wrong_gives_no_keys() {
    let mut issuer = Issuer::start();
    let url = issuer.server.url();
    issuer.server.set(OAUTH, metadata(&issuer, "/jwks"));
    let with = |issuer: &str, jwks: &str| {
        Reply::json(json!({ "issuer": issuer, "jwks_uri": jwks }).to_string())
    };
    let (own, jwks) = (format!("{url}/realm"), format!("{url}/jwks"));
    for (wrong, said) in [
        (with(&format!("{own}/"), &jwks), "byte for byte"),
        (with(&url, &jwks), "byte for byte"),
        (with(&own, "https://10.0.0.1/jwks"), "private address"),
        (with(&own, "http://keys.example/jwks"), "plain_http"),
        (with(&own, "file:///etc/passwd"), "https"),
        (with(&own, "jwks"), "absolute"),
        (
            Reply::json(json!({ "issuer": own }).to_string()),
            "no `jwks_uri`",
        ),
        (Reply::json("{"), "no metadata"),
        (Reply::json(" ".repeat(65 * 1024)), "64 KiB"),
        (Reply::status(500), "status 500"),
        (Reply::redirect(jwks.clone()), "not followed"),
    ] {
        issuer.server.set(OPENID, wrong);
        // Another would share the feed, which does not ask again so soon.
        issuer.companion = companion();
        let feed = feed(&issuer);
        let error = wait(feed.ready()).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    assert_eq!(issuer.asked(), 0);
    // Another place is asked only where the first says that there is nothing.
    assert_eq!(issuer.server.take(OAUTH).len(), 0);
}

#[test]
fn keys_that_have_moved_are_found_again() {
    let issuer = Issuer::start();
    issuer.server.set(OPENID, metadata(&issuer, "/jwks"));
    let feed = feed(&issuer);
    wait(feed.ready()).unwrap();

    issuer.server.set("/moved", set(&["b"]));
    issuer.server.set(OPENID, metadata(&issuer, "/moved"));
    issuer.publish(Reply::status(410));
    for seconds in [REFRESH, 30] {
        issuer.advance(seconds);
        settle(&feed);
    }
    assert_eq!(names(&feed.keys().unwrap()), ["b"]);
}

#[test]
fn metadata_is_read_anew_now_and_then_and_its_loss_costs_nothing() {
    let issuer = Issuer::start();
    issuer.server.set(OPENID, metadata(&issuer, "/jwks"));
    let feed = feed(&issuer);
    wait(feed.ready()).unwrap();
    issuer.server.set(OPENID, Reply::status(500));
    for _ in 0..12 {
        issuer.advance(REFRESH);
        settle(&feed);
    }
    assert_eq!(issuer.asked(), 13);
    assert!((2..=8).contains(&issuer.server.take(OPENID).len()));
    issuer.advance(REFRESH);
    assert!(feed.keys().is_ok());
}
