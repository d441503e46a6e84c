//! Keys of an issuer that fails.

use crate::fixture::{
    Issuer, REFRESH, STALE, eventually, held, hurried, key, keys, names, set, settle, wait,
};
use palisade_conformance::loopback::Reply;
use palisade_core::{companion::AuthorizationServers, jwt::Algorithm};
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// PITFALLS 17.
#[test]
fn an_issuer_that_is_down_at_the_start_is_found_without_a_restart() {
    let issuer = Issuer::start();
    issuer.publish(Reply::status(503));
    let feed = issuer.feed();
    let error = wait(feed.ready()).unwrap_err().to_string();
    assert!(error.contains("status 503") && error.contains(&issuer.server.url()));
    assert!(feed.keys().is_err());

    issuer.publish(set(&["a"]));
    assert!(feed.keys().is_err());
    issuer.advance(2);
    settle(&feed);
    assert_eq!(names(&feed.keys().unwrap()), ["a"]);
    assert_eq!(issuer.asked(), 2);
}

/// PITFALLS 16.
#[test]
fn old_keys_serve_to_the_stated_end() {
    let issuer = Issuer::start();
    let feed = issuer.ready_feed();
    let first = feed.keys().unwrap();
    for down in [Reply::HangUp, Reply::status(500), Reply::json("")] {
        issuer.publish(down);
        issuer.advance(REFRESH);
        settle(&feed);
        assert!(issuer.asked() > 0);
        assert!(Arc::ptr_eq(&first, &feed.keys().unwrap()));
    }
    issuer.publish(Reply::HangUp);
    issuer.advance(STALE - 3 * REFRESH - 1);
    settle(&feed);
    assert!(feed.keys().is_ok());
    issuer.advance(1);
    let error = feed.keys().unwrap_err().to_string();
    assert!(error.contains("too old"), "{error}");
    // The attempt that was made as they stopped serving: it ends before the clock goes on.
    settle(&feed);

    issuer.publish(set(&["b"]));
    issuer.advance(30);
    settle(&feed);
    assert_eq!(names(&feed.keys().unwrap()), ["b"]);
}

#[test]
fn a_silent_issuer_is_waited_for_as_long_as_timeout_says_and_asked_again() {
    let issuer = Issuer::start();
    issuer.publish(Reply::Silence);
    let mut source = issuer.source();
    source.outgoing = hurried();
    let feed = issuer.companion.keys(source).unwrap();
    let error = wait(feed.ready()).unwrap_err().to_string();
    assert!(error.contains("within 1 s"), "{error}");

    issuer.publish(set(&["a"]));
    eventually("keys", || {
        issuer.advance(30);
        settle(&feed);
        feed.keys().is_ok()
    });
}

#[test]
fn an_issuer_that_is_down_is_not_asked_for_every_request() {
    let issuer = Issuer::start();
    let feed = issuer.ready_feed();
    issuer.publish(Reply::status(500));
    issuer.advance(REFRESH);
    settle(&feed);
    for _ in 0..1000 {
        assert!(feed.keys().is_ok());
        assert!(feed.renew().is_none());
    }
    assert_eq!(issuer.asked(), 1);
}

#[test]
fn a_slow_answer_is_taken_and_delays_nobody_who_has_a_key() {
    let issuer = Issuer::start();
    let feed = issuer.ready_feed();
    let (slow, answer) = held(set(&["b"]));
    issuer.publish(slow);
    issuer.advance(REFRESH);
    assert_eq!(names(&feed.keys().unwrap()), ["a"]);
    assert_eq!(names(&feed.keys().unwrap()), ["a"]);
    drop(answer);
    settle(&feed);
    assert_eq!(names(&feed.keys().unwrap()), ["b"]);
    assert_eq!(issuer.asked(), 1);
}

#[test]
fn an_answer_that_is_no_key_set_leaves_the_old_keys() {
    let issuer = Issuer::start();
    let feed = issuer.ready_feed();
    let first = feed.keys().unwrap();
    issuer.server.set("/elsewhere", set(&["evil"]));
    let many: Vec<_> = (0..101).map(|number| key(&number.to_string())).collect();
    let padded = json!({ "keys": [key("b")], "padding": "x".repeat(2 << 20) });
    for wrong in [
        Reply::status(204),
        Reply::status(404),
        Reply::status(500),
        Reply::redirect(format!("{}/elsewhere", issuer.server.url())),
        Reply::json(padded.to_string()),
        keys(many),
        Reply::json(r#"{"keys":[{"kty":"OKP","#),
        Reply::json(""),
        Reply::json("[]"),
        Reply::json(r#"{"keys":{}}"#),
        Reply::json("<html>"),
    ] {
        let what = format!("{wrong:?}");
        issuer.publish(wrong);
        issuer.advance(REFRESH);
        settle(&feed);
        assert_eq!(issuer.asked(), 1, "{what}");
        assert!(Arc::ptr_eq(&first, &feed.keys().unwrap()), "{what}");
    }
    assert_eq!(issuer.server.take("/elsewhere").len(), 0);

    issuer.publish(set(&["b"]));
    issuer.advance(REFRESH);
    settle(&feed);
    assert_eq!(names(&feed.keys().unwrap()), ["b"]);
}

#[test]
fn a_rotated_key_is_seen_when_a_token_names_it() {
    let issuer = Issuer::start();
    let feed = issuer.ready_feed();
    issuer.publish(set(&["a", "b"]));
    assert!(feed.renew().is_none(), "too early");
    issuer.advance(30);
    wait(feed.renew().unwrap());
    assert_eq!(names(&feed.keys().unwrap()), ["a", "b"]);
    assert_eq!(issuer.asked(), 1);
}

#[test]
fn the_same_set_is_the_same_keys() {
    let issuer = Issuer::start();
    let feed = issuer.ready_feed();
    let first = feed.keys().unwrap();
    issuer.advance(REFRESH);
    settle(&feed);
    assert_eq!(issuer.asked(), 1);
    assert!(Arc::ptr_eq(&first, &feed.keys().unwrap()));
    // And they are young again.
    issuer.publish(Reply::HangUp);
    issuer.advance(STALE - 1);
    assert!(feed.keys().is_ok());
}

/// PITFALLS 16: a cooldown kept in the key set is disabled by an empty one.
#[test]
fn removing_all_keys_refuses_all_tokens_and_keeps_the_cooldown() {
    let issuer = Issuer::start();
    let feed = issuer.ready_feed();
    issuer.publish(set(&[]));
    issuer.advance(REFRESH);
    settle(&feed);
    assert!(feed.keys().unwrap().is_empty());
    assert_eq!(issuer.asked(), 1);
    for _ in 0..100 {
        assert!(feed.renew().is_none());
    }
    assert_eq!(issuer.asked(), 0);
}

/// PITFALLS 16.
#[test]
fn one_bad_key_does_not_take_the_good_ones_down() {
    let issuer = Issuer::start();
    issuer.publish(keys(vec![
        json!("no key"),
        json!({ "kty": "RSA", "kid": "no-modulus", "e": "AQAB" }),
        json!({ "kty": "oct", "kid": "secret", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA" }),
        key("a"),
        key("same"),
        key("same"),
        key("twice"),
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": "twice", "x": "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw" }),
    ]));
    let feed = issuer.ready_feed();
    assert_eq!(names(&feed.keys().unwrap()), ["a", "same"]);
}

/// PITFALLS 16: unbounded fetches for unknown keys.
#[test]
fn ten_thousand_unknown_keys_are_one_fetch_and_few_who_wait() {
    let issuer = Issuer::start();
    let feed = issuer.ready_feed();
    for (round, wrong) in [set(&["a"]), Reply::status(500), set(&[])]
        .into_iter()
        .enumerate()
    {
        let (slow, answer) = held(wrong);
        issuer.publish(slow);
        issuer.advance(300);
        let waiting: Vec<_> = (0..10_000).filter_map(|_| feed.renew()).collect();
        assert!((1..=256).contains(&waiting.len()), "{}", waiting.len());
        drop(answer);
        waiting.into_iter().for_each(wait);
        issuer.advance(29);
        assert!(feed.renew().is_none());
        assert_eq!(issuer.asked(), 1, "round {round}");
    }
}

#[test]
fn who_stops_waiting_makes_room() {
    let issuer = Issuer::start();
    let feed = issuer.ready_feed();
    issuer.publish(Reply::Silence);
    issuer.advance(300);
    let mut waiting: Vec<_> = (0..1000).filter_map(|_| feed.renew()).collect();
    assert!(feed.renew().is_none());
    waiting.pop();
    assert!(feed.renew().is_some());
}

#[test]
fn a_clock_that_is_set_back_keeps_nothing_longer() {
    let issuer = Issuer::start();
    let feed = issuer.ready_feed();
    issuer.publish(Reply::HangUp);
    issuer.advance(STALE - 1);
    issuer.clock.set_back(Duration::from_secs(10 * STALE));
    assert!(feed.keys().is_ok());
    issuer.advance(1);
    assert!(feed.keys().is_err());
}

#[test]
fn schemes_of_one_issuer_share_its_keys() {
    let issuer = Issuer::start();
    let (first, second) = (issuer.ready_feed(), issuer.feed());
    wait(second.ready()).unwrap();
    assert!(Arc::ptr_eq(&first.keys().unwrap(), &second.keys().unwrap()));
    assert_eq!(issuer.asked(), 0);

    let mut other = issuer.source();
    other.options.rsa_algorithm = Algorithm::PS256;
    let other = issuer.companion.keys(other).unwrap();
    wait(other.ready()).unwrap();
    assert_eq!(issuer.asked(), 1);
}

#[test]
fn other_times_for_the_same_keys_lose_none() {
    let issuer = Issuer::start();
    let first = issuer.ready_feed();
    issuer.publish(Reply::HangUp);
    issuer.advance(30);
    let mut other = issuer.source();
    other.stale_seconds = REFRESH;
    let other = issuer.companion.keys(other).unwrap();
    drop(first);
    assert_eq!(names(&other.keys().unwrap()), ["a"]);
    // They are as old as they were.
    issuer.advance(REFRESH - 31);
    assert!(other.keys().is_ok());
    issuer.advance(1);
    assert!(other.keys().is_err());
}

#[test]
fn what_cannot_work_is_a_mistake_of_the_policy() {
    let issuer = Issuer::start();
    let mut source = issuer.source();
    source.stale_seconds = 1;
    assert_eq!(issuer.companion.keys(source).unwrap_err().key, "stale");
}
