//! What is remembered is what a full verification would say, and no more of it than was agreed.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{
    metered::Counters,
    ports::SystemEntropy,
    principal::Principal,
    revocation::MemoryRevocations,
    scheme::{Outcome, Verification, unless_revoked},
};

fn caching(tokens: usize) -> TokenCaching {
    TokenCaching::new("main", tokens, &SystemEntropy).unwrap()
}

fn cached(tokens: usize) -> CachedVerifier {
    caching(tokens).of(verifier(policy()))
}

#[test]
fn a_token_is_verified_once_and_shared_after_that() {
    let counters = Counters::default();
    let cached = counters.record(|| cached(10));
    let token = hs256(HEADER, &claims(&[]));
    let first = cached.verify(token.as_bytes(), NOW).unwrap();
    let second = cached.verify(token.as_bytes(), NOW + 1).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(second.subject(), "alice");
    assert_eq!(
        counters.above_zero(),
        [
            "palisade_token_cache_hits_total main: 1",
            "palisade_token_cache_misses_total main: 1"
        ]
    );
}

#[test]
fn nothing_is_remembered_where_the_cache_is_off() {
    let cached = cached(0);
    let token = hs256(HEADER, &claims(&[]));
    let first = cached.verify(token.as_bytes(), NOW).unwrap();
    let second = cached.verify(token.as_bytes(), NOW).unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!(cached.size(), (0, 0));
}

#[test]
fn only_good_tokens_are_remembered() {
    let cached = cached(10);
    let good = hs256(HEADER, &claims(&[]));
    for bad in [
        good[..good.len() - 1].to_owned(),
        good.replace('.', ""),
        hs256(HEADER, &claims(&[("exp", "1")])),
        hs256(HEADER, &claims(&[("aud", r#""urn:other""#)])),
        String::new(),
    ] {
        for _ in 0..2 {
            cached.verify(bad.as_bytes(), NOW).unwrap_err();
        }
    }
    assert_eq!(cached.size().0, 0);
}

/// The same signature, hence the same place in the table, behind other claims.
#[test]
fn a_known_signature_does_not_vouch_for_another_token() {
    let cached = cached(10);
    let good = hs256(HEADER, &claims(&[]));
    cached.verify(good.as_bytes(), NOW).unwrap();
    let (_, rest) = good.split_once('.').unwrap();
    let header = BASE64URL.encode(r#"{"typ":"at+jwt","alg":"HS256"}"#);
    let forged = format!("{header}.{rest}");
    assert_eq!(forged.len(), good.len());
    let refused = cached.verify(forged.as_bytes(), NOW).unwrap_err();
    assert_eq!(refused, TokenError::Signature);
    assert!(cached.verify(good.as_bytes(), NOW).is_ok());
}

#[test]
fn a_token_ends_in_the_very_second_a_full_verification_would_end_it() {
    let exp = NOW + 300;
    for leeway in [0, 60, 300] {
        let mut policy = policy();
        policy.leeway_seconds = leeway;
        let cached = caching(10).of(verifier(policy));
        let token = hs256(HEADER, &claims(&[]));
        let good_at = |now| cached.verify(token.as_bytes(), now);
        assert!(good_at(NOW).is_ok() && good_at(exp + leeway - 1).is_ok());
        assert_eq!(good_at(exp + leeway).unwrap_err(), TokenError::Expired);
        assert_eq!(cached.size().0, 0, "an expired token is let go");
    }
}

#[test]
fn a_clock_that_was_set_back_is_judged_anew() {
    let cached = cached(10);
    let token = hs256(
        HEADER,
        &claims(&[("nbf", "1800000000"), ("exp", "1800009000")]),
    );
    assert!(cached.verify(token.as_bytes(), NOW + 600).is_ok());
    let refused = cached.verify(token.as_bytes(), NOW - 61).unwrap_err();
    assert_eq!(refused, TokenError::NotYetValid);
}

#[test]
fn a_flood_of_good_tokens_keeps_to_the_bounds() {
    let (most, cached) = (500, cached(500));
    let padding = "x".repeat(3000);
    for number in 0..3000 {
        // Every third one weighs twice as much as is there for each.
        let padding = if number % 3 == 0 { &padding } else { "" };
        let id = format!(r#""{number}{padding}""#);
        let token = hs256(HEADER, &claims(&[("jti", &id)]));
        cached.verify(token.as_bytes(), NOW).unwrap();
        let (tokens, bytes) = cached.size();
        assert!(
            tokens <= most && bytes <= most as u64 * 4096,
            "{tokens} {bytes}"
        );
    }
    let (tokens, bytes) = cached.size();
    assert!(
        tokens > most / 3 && bytes > most as u64 * 3000,
        "{tokens} {bytes}"
    );
}

#[test]
fn a_token_that_is_used_survives_a_flood_of_others() {
    let cached = cached(100);
    let used = hs256(HEADER, &claims(&[("jti", r#""used""#)]));
    let first = cached.verify(used.as_bytes(), NOW).unwrap();
    for number in 0..1000 {
        let id = format!(r#""{number}""#);
        let token = hs256(HEADER, &claims(&[("jti", &id)]));
        cached.verify(token.as_bytes(), NOW).unwrap();
        let again = cached.verify(used.as_bytes(), NOW).unwrap();
        assert!(Arc::ptr_eq(&first, &again), "after {number}");
    }
}

#[test]
fn threads_agree_while_the_cache_overflows() {
    let cached = cached(40);
    let tokens: Vec<_> = (0..80)
        .map(|number| {
            let subject = format!(r#""user-{number}""#);
            let exp = (NOW + number).to_string();
            hs256(HEADER, &claims(&[("sub", &subject), ("exp", &exp)]))
        })
        .collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (cached, tokens) = (&cached, &tokens);
            scope.spawn(move || {
                for round in 0..2000_u64 {
                    let number = (round * 7 + thread * 13) % 80;
                    let now = NOW + round / 20;
                    let seen = cached.verify(tokens[number as usize].as_bytes(), now);
                    let subject = seen.map(|token| token.subject().to_owned());
                    let expected = match now < NOW + number + 60 {
                        true => Ok(format!("user-{number}")),
                        false => Err(TokenError::Expired),
                    };
                    assert_eq!(subject, expected);
                }
            });
        }
    });
    assert!(cached.size().0 <= 40);
}

#[test]
fn no_debug_shows_a_token() {
    let cached = cached(10);
    let token = hs256(HEADER, &claims(&[]));
    cached.verify(token.as_bytes(), NOW).unwrap();
    let shown = format!("{cached:?} {:?}", caching(1));
    assert!(
        !shown.contains("alice") && !shown.contains(&token),
        "{shown}"
    );
}

/// What happens to a service while tokens come in.
#[derive(Clone, Debug)]
enum Event {
    /// Token number `0` comes.
    Comes(usize),
    Passes(u64),
    SetBack(u64),
    /// The issuer's keys are those of number `0` from now on.
    Keys(usize),
    RevokeToken(usize),
    /// What `alice` got before this second of the test is void.
    RevokeAlice(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => (0..TOKENS).prop_map(Event::Comes),
        4 => (0..40_u64).prop_map(Event::Passes),
        1 => (0..400_u64).prop_map(Event::SetBack),
        1 => (0..2_usize).prop_map(Event::Keys),
        1 => (0..TOKENS).prop_map(Event::RevokeToken),
        1 => (0..100_u64).prop_map(Event::RevokeAlice),
    ]
}

const TOKENS: usize = 24;

/// Tokens of two keys and two subjects, with and without dates, some of which are never good.
fn tokens() -> Vec<String> {
    (0..TOKENS as u64)
        .map(|number| {
            let at = |seconds: u64| (NOW + seconds).to_string();
            let subject = if number % 2 == 0 {
                r#""alice""#
            } else {
                r#""bob""#
            };
            let (exp, iat, nbf) = (at(number * 9), at(number * 5), at(number * 7));
            let id = format!(r#""{number}""#);
            let mut changes = vec![("sub", subject), ("exp", &exp), ("jti", &id)];
            if number % 3 == 0 {
                changes.push(("iat", &iat));
            }
            if number % 5 == 0 {
                changes.push(("nbf", &nbf));
            }
            if number % 11 == 0 {
                changes.push(("aud", r#""urn:other""#));
            }
            let secret = [number as u8 / 2 % 2; 32];
            let signer = Signer::Hmac(hmac::Key::new(hmac::HMAC_SHA256, &secret));
            signer.token(HEADER, &claims(&changes))
        })
        .collect()
}

fn verifier_of(key: usize) -> TokenVerifier {
    let keys = KeySet::from_secret(&[key as u8; 32], Algorithm::HS256).unwrap();
    policy().compile(keys).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_cache_never_changes_an_answer(events in prop::collection::vec(event(), 1..120), size in 0..30_usize) {
        let (caching, revocations) = (caching(size), MemoryRevocations::new().unwrap());
        let tokens = tokens();
        let (mut plain, mut cached) = (verifier_of(0), caching.of(verifier_of(0)));
        let (mut now, mut void, mut before) = (NOW, Vec::new(), None);
        for event in events {
            match event {
                Event::Passes(seconds) => now += seconds,
                Event::SetBack(seconds) => now -= seconds,
                Event::Keys(key) => (plain, cached) = (verifier_of(key), caching.of(verifier_of(key))),
                Event::RevokeToken(number) => {
                    void.push(number.to_string());
                    revocations.revoke_token(ISSUER, &number.to_string(), u64::MAX).unwrap();
                }
                Event::RevokeAlice(seconds) => {
                    before = before.max(Some(NOW + seconds));
                    revocations.revoke_subject(ISSUER, "alice", NOW + seconds, u64::MAX).unwrap();
                }
                Event::Comes(number) => {
                    let token = tokens[number].as_bytes();
                    let expected = match plain.verify(token, now) {
                        Err(why) => Err(why.reason()),
                        Ok(token) => {
                            let is_void = void.iter().any(|id| token.id() == Some(id))
                                || token.subject() == "alice"
                                    && before.is_some_and(|before| {
                                        token.issued_at().is_none_or(|issued| issued < before)
                                    });
                            if is_void { Err("revoked") } else { Ok(token.claims().to_owned()) }
                        }
                    };
                    let seen = match cached.verify(token, now) {
                        Err(why) => Err(why.reason()),
                        Ok(token) => match unless_revoked(Some(&revocations), Outcome::Verified(Principal::from(token))) {
                            Verification::Done(Outcome::Verified(caller)) => {
                                Ok(caller.claims_json().unwrap_or_default().to_owned())
                            }
                            Verification::Done(Outcome::Rejected(rejected)) => Err(rejected.cause),
                            other => panic!("{other:?}"),
                        },
                    };
                    prop_assert_eq!(seen, expected, "token {} at {}", number, now);
                }
            }
        }
    }
}
