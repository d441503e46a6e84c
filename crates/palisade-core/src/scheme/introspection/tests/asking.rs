//! How often a server is asked, by how many, and how long its answer holds.

use super::*;
use crate::{
    revocation::MemoryRevocations,
    scheme::flights::{MOST_FLIGHTS, MOST_WAITERS},
};

#[test]
fn answers_are_remembered_as_long_as_the_policy_says() {
    let fixture = Fixture::new();
    fixture.says(&answer(&[("exp", "1800000050")]));
    let mut asked = 0;
    for (seconds, again) in [
        (0, true),
        (29, false),
        (30, true),
        (49, false),
        (50, true),
        (51, true),
    ] {
        fixture.set_clock(NOW + seconds);
        assert_eq!(fixture.judge("token"), "alice", "{seconds}");
        asked += usize::from(again);
        assert_eq!(fixture.asked(), asked, "{seconds}");
    }
    fixture.says(r#"{"active":false}"#);
    let mut asked = fixture.asked();
    for (seconds, again) in [(100, true), (104, false), (105, true), (99, true)] {
        fixture.set_clock(NOW + seconds);
        assert_eq!(fixture.judge("gone"), "!inactive", "{seconds}");
        asked += usize::from(again);
        assert_eq!(fixture.asked(), asked, "{seconds}");
    }
    // Another token is another question.
    assert_eq!(fixture.judge("gone2"), "!inactive");
    assert_eq!(fixture.asked(), asked + 1);
}

#[test]
fn nothing_is_remembered_if_the_policy_says_so() {
    let mut config = usual();
    (config.remember_seconds, config.remember_inactive_seconds) = (0, 0);
    let fixture = Fixture::with(config, |policy| policy);
    for text in [answer(&[]), r#"{"active":false}"#.to_owned()] {
        fixture.says(&text);
        let before = fixture.asked();
        fixture.judge("token");
        fixture.judge("token");
        assert_eq!(fixture.asked(), before + 2);
    }
}

#[test]
fn requests_with_the_same_token_share_a_question() {
    let fixture = Fixture::new();
    fixture.says(&answer(&[]));
    fixture.is_slow(true);
    let mut same: Vec<_> = (0..MOST_WAITERS).map(|_| fixture.waiting("same")).collect();
    let mut other = fixture.waiting("other");
    assert_eq!(poll(&mut other), "waits");
    assert!(same.iter_mut().all(|one| poll(one) == "waits"));
    assert_eq!(fixture.asked(), 2);
    assert_eq!(
        fixture.judge("same"),
        "?introspection is unavailable: too many requests with the same credential"
    );
    // The first to ask goes away; the others still get their answer.
    drop(same.remove(0));
    fixture.is_slow(false);
    assert!(same.iter_mut().all(|one| poll(one) == "alice"));
    assert_eq!(fixture.judge("same"), "alice");
    assert_eq!(fixture.asked(), 2);
}

#[test]
fn a_question_that_nobody_waits_for_is_dropped() {
    let fixture = Fixture::new();
    fixture.says(&answer(&[]));
    fixture.is_slow(true);
    let mut flights: Vec<_> = (0..MOST_FLIGHTS)
        .map(|number| fixture.waiting(&format!("token {number}")))
        .collect();
    assert_eq!(
        fixture.judge("one more"),
        "?introspection is unavailable: too many requests with new credentials"
    );
    assert_eq!(poll(&mut flights[0]), "waits");
    flights.clear();
    assert_eq!(fixture.asked(), MOST_FLIGHTS);
    fixture.is_slow(false);
    assert_eq!(fixture.judge("one more"), "alice");
    assert_eq!(fixture.judge("token 0"), "alice");
    assert_eq!(fixture.asked(), MOST_FLIGHTS + 2);
}

#[test]
fn an_answer_is_judged_when_it_comes() {
    let fixture = Fixture::new();
    fixture.says(&answer(&[]));
    fixture.is_slow(true);
    let mut waiting = fixture.waiting("token");
    assert_eq!(poll(&mut waiting), "waits");
    fixture.set_clock(NOW + 360);
    fixture.is_slow(false);
    assert_eq!(poll(&mut waiting), "!expired");
}

#[test]
fn what_can_be_no_token_is_not_asked_about() {
    let fixture = Fixture::new();
    fixture.says(&answer(&[]));
    for (token, expected) in [
        (vec![b'x'; 8193], "!too_long"),
        (b"t\xc3\xa4".to_vec(), "!characters"),
        (b"a\tb".to_vec(), "!characters"),
    ] {
        let mut judged: BoxFuture<Outcome> = Box::pin(fixture.verify(&token).outcome());
        assert_eq!(poll(&mut judged), expected);
    }
    assert_eq!(fixture.asked(), 0);
    assert_eq!(fixture.judge(&"x".repeat(8192)), "alice");
}

#[test]
fn what_was_taken_back_is_refused_although_it_is_remembered() {
    let revocations = Arc::new(MemoryRevocations::new().unwrap());
    let fixture = Fixture::with(usual(), |policy| {
        policy.with_revocations(revocations.clone())
    });
    fixture.says(&answer(&[("jti", r#""7""#)]));
    assert_eq!(fixture.judge("token"), "alice");
    revocations.revoke_token(ISSUER, "7", NOW + 400).unwrap();
    assert_eq!(fixture.judge("token"), "!revoked");
    assert_eq!(fixture.asked(), 1);
}
