//! Credentials that are nearly those of the policy.

use crate::{
    fake::Head,
    policy::World,
    random::{Random, for_each_case},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use palisade_core::Verdict;
use std::task::{Context, Poll, Waker};

const TOKENS: u64 = 30_000;
const API_KEYS: u64 = 10_000;

#[test]
fn no_changed_token_verifies() {
    let world = World::new();
    for_each_case("tokens", TOKENS, |random| {
        let token = forged(random, &world);
        // White space around a field's value is no part of it (RFC 9110 §5.5).
        let sent = token.trim_ascii();
        if world.tokens.iter().any(|good| good.as_bytes() == sent) {
            return;
        }
        let shown = String::from_utf8_lossy(&token).into_owned();
        let line = [b"Bearer ".to_vec(), token].concat();
        refused(&world, "authorization", line, &shown);
    });
    for token in &world.tokens {
        assert_eq!(
            status(&world, "authorization", format!("Bearer {token}").into()),
            None
        );
    }
}

#[test]
fn no_changed_api_key_verifies() {
    let world = World::new();
    for_each_case("API keys", API_KEYS, |random| {
        let mut key = world.api_key.clone().into_bytes();
        for _ in 0..=random.below(2) {
            random.change(&mut key);
        }
        if key.trim_ascii() == world.api_key.as_bytes() {
            return;
        }
        let shown = String::from_utf8_lossy(&key).into_owned();
        refused(&world, "x-api-key", key, &shown);
    });
    assert_eq!(
        status(&world, "x-api-key", world.api_key.clone().into()),
        None
    );
}

fn refused(world: &World, name: &str, value: Vec<u8>, shown: &str) {
    match status(world, name, value) {
        Some(400 | 401) => {}
        Some(other) => panic!("{other} for {shown}"),
        None => panic!("admitted: {shown}"),
    }
}

/// The status of the refusal; `None` if the handler may run.
fn status(world: &World, name: &str, value: Vec<u8>) -> Option<u16> {
    // Time passes, so that no quota stands between a forged credential and its verification.
    world.clock.advance_millis(3_000);
    let head = Head {
        method: b"GET".to_vec(),
        target: b"/optional".to_vec(),
        lines: vec![
            ("host".into(), b"api.example.com".to_vec()),
            (name.to_owned(), value),
        ],
        peer: Some(([203, 0, 113, 1], 4711).into()),
        tls: true,
        ..Head::default()
    };
    let mut exchange = world.palisade.open(&head);
    let verdict = exchange.poll_decide(&mut Context::from_waker(Waker::noop()));
    drop(exchange);
    assert_eq!(world.audit.take().len(), 1);
    match verdict {
        Poll::Ready(Verdict::Answer(reply) | Verdict::Refuse(reply)) => Some(reply.status.as_u16()),
        Poll::Ready(Verdict::Admit(_) | Verdict::Collect(_)) => None,
        Poll::Pending => panic!("no verdict"),
    }
}

/// What somebody makes of good tokens who has no key.
fn forged(random: &mut Random, world: &World) -> Vec<u8> {
    let good = |random: &mut Random| world.tokens[random.below(world.tokens.len())].clone();
    let token = good(random);
    let parts: Vec<&str> = token.split('.').collect();
    let other = good(random);
    let others: Vec<&str> = other.split('.').collect();
    let bare = [b'A'; 1];
    match random.below(8) {
        // Parts of two tokens.
        0 => {
            let pick = |random: &mut Random, at: usize| match random.once_in(2) {
                true => parts[at],
                false => others[at],
            };
            let parts = [pick(random, 0), pick(random, 1), pick(random, 2)];
            parts.join(".").into_bytes()
        }
        // Another algorithm, and whatever signature.
        1 => {
            let algorithm = random.pick(&[
                "none", "NONE", "HS256", "HS512", "RS256", "ES256", "EdDSA", "",
            ]);
            let header = BASE64URL.encode(format!(r#"{{"alg":"{algorithm}","typ":"at+jwt"}}"#));
            let signature = match random.below(3) {
                0 => String::new(),
                1 => parts[2].to_owned(),
                _ => BASE64URL.encode(random.bytes(64)),
            };
            let forged = [&header, parts[1], &signature].join(".");
            match forged == token {
                true => bare.to_vec(),
                false => forged.into_bytes(),
            }
        }
        // Other claims under the old signature.
        2 => {
            let mut claims = BASE64URL.decode(parts[1]).unwrap();
            random.change(&mut claims);
            let claims = BASE64URL.encode(claims);
            [parts[0], &claims, parts[2]].join(".").into_bytes()
        }
        // Characters that decoders like to overlook.
        3 => {
            let mut bytes = token.clone().into_bytes();
            let place = 1 + random.below(bytes.len());
            let odd = random.pick(&["=", "==", "\n", " ", "+", "/", ".", "\0", "A"]);
            bytes.splice(place..place, odd.bytes());
            bytes
        }
        4 => random.text(b"abcXYZ019-_.", 200),
        _ => {
            let mut bytes = token.clone().into_bytes();
            for _ in 0..=random.below(3) {
                random.change(&mut bytes);
            }
            bytes
        }
    }
}
