//! JWK sets as issuers write them: members that are null, keys that are listed twice.

use super::*;

fn read(keys: &[Value]) -> (Vec<(Option<String>, Algorithm)>, Vec<SkippedKey>) {
    let (set, skipped) = set(keys);
    let names = set.names();
    let names = names.map(|(kid, algorithm)| (kid.map(str::to_owned), algorithm));
    (names.collect(), skipped)
}

fn set(keys: &[Value]) -> (KeySet, Vec<SkippedKey>) {
    let text = json!({ "keys": keys }).to_string();
    KeySet::from_jwk_set(text.as_bytes(), JwkOptions::default()).unwrap()
}

fn with(mut jwk: Value, more: Value) -> Value {
    let more = more.as_object().unwrap().clone();
    jwk.as_object_mut().unwrap().extend(more);
    jwk
}

const NULLS: [&str; 13] = [
    "d", "p", "q", "dp", "dq", "qi", "oth", "k", "use", "key_ops", "alg", "kid", "x5c",
];

#[test]
fn a_member_that_is_null_is_none() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let mut jwk = Signer::new(algorithm).jwk();
        for name in NULLS {
            jwk = with(jwk, json!({ name: null }));
        }
        assert_eq!(read(&[jwk]), (vec![(None, algorithm)], Vec::new()));
    }
    // What a key must have is missing all the same.
    for name in ["kty", "n", "e"] {
        let (keys, skipped) = read(&[with(
            Signer::new(Algorithm::RS256).jwk(),
            json!({ name: null }),
        )]);
        assert!(keys.is_empty(), "{name}");
        assert_eq!(skipped[0].why, KeyError::UnknownKeyType, "{name}");
    }
    // An empty private member is one.
    let (_, skipped) = read(&[with(
        Signer::new(Algorithm::RS256).jwk(),
        json!({ "d": "" }),
    )]);
    assert!(skipped[0].is_alarm());
}

#[test]
fn the_very_same_key_twice_is_one() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let signer = Signer::new(algorithm);
        let named = with(signer.jwk(), json!({ "kid": "a" }));
        let again = with(
            named.clone(),
            json!({ "use": "sig", "alg": algorithm.to_string(), "x5t": "x" }),
        );
        let known = vec![(Some("a".to_owned()), algorithm)];
        assert_eq!(
            read(&[named.clone(), again.clone(), named.clone()]),
            (known, Vec::new())
        );
        let nameless = with(signer.jwk(), json!({ "kid": null }));
        assert_eq!(
            read(&[signer.jwk(), nameless]),
            (vec![(None, algorithm)], Vec::new())
        );
    }
    let rsa = Signer::new(Algorithm::RS256).jwk();
    let n = BASE64URL.decode(rsa["n"].as_str().unwrap()).unwrap();
    let signed = with(
        rsa.clone(),
        json!({ "n": BASE64URL.encode([&[0], &n[..]].concat()) }),
    );
    assert_eq!(read(&[rsa, signed]).0.len(), 1);
}

/// Which of two keys a token means is unknown if one of them is listed twice, too.
#[test]
fn another_key_of_the_same_name_is_still_ambiguous() {
    let named = |signer: &Signer| with(signer.jwk(), json!({ "kid": "a" }));
    let (one, two) = (Signer::new(Algorithm::ES256), Signer::new(Algorithm::ES256));
    let (keys, skipped) = read(&[named(&one), named(&two), named(&one)]);
    assert!(keys.is_empty());
    assert!(skipped.iter().all(|key| key.why == KeyError::Ambiguous));
    assert_eq!(skipped.len(), 2);
}

#[test]
fn a_key_under_two_names_is_no_choice() {
    let (one, two) = (Signer::new(Algorithm::ES256), Signer::new(Algorithm::ES256));
    let named = |signer: &Signer, kid: &str| with(signer.jwk(), json!({ "kid": kid }));
    let token = one.token(r#"{"alg":"ES256","typ":"at+jwt"}"#, &claims(&[]));
    let verify = |keys: &[Value]| {
        let verifier = policy().compile(set(keys).0).unwrap();
        verifier.verify(token.as_bytes(), NOW).err()
    };
    assert_eq!(verify(&[named(&one, "a"), named(&one, "b")]), None);
    let both = [named(&one, "a"), named(&two, "b")];
    assert_eq!(verify(&both), Some(TokenError::AmbiguousKey));
}

#[test]
fn the_same_key_in_two_sets_is_one_when_they_are_merged() {
    let signer = Signer::new(Algorithm::ES256);
    let keys = || signer.keys(Algorithm::ES256).named("a");
    assert_eq!(keys().merge(keys()).unwrap().len(), 1);
    let other = Signer::new(Algorithm::ES256)
        .keys(Algorithm::ES256)
        .named("a");
    assert_eq!(keys().merge(other).unwrap_err(), KeyError::Ambiguous);
}
