//! No bytes make the verifier panic, and no change to a good token leaves it good.

use proptest::prelude::*;

use super::*;

/// As [`claims`], with what makes the reader take its rarer paths.
fn good() -> String {
    let rare = [
        ("scope", r#"["\u0061","b"]"#),
        ("x", r#"{"y":[1,2.5,{"z":null}]}"#),
        ("iat", "1.5"),
    ];
    hs256(r#"{"alg":"HS256","kid":"k"}"#, &claims(&rare))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(verifier(policy()).verify(&bytes, NOW).is_err());
        let _ = peek_issuer(&bytes, 8192);
    }

    #[test]
    fn token_like_text_is_refused(text in "[A-Za-z0-9_=-]{0,60}(\\.[A-Za-z0-9_-]{0,60}){0,5}") {
        prop_assert!(verifier(policy()).verify(text.as_bytes(), NOW).is_err());
    }

    #[test]
    fn a_changed_byte_breaks_the_token(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut token = good().into_bytes();
        let place = place.index(token.len());
        prop_assume!(token[place] != byte);
        prop_assert!(verifier(policy()).verify(&token, NOW).is_ok());
        token[place] = byte;
        prop_assert!(verifier(policy()).verify(&token, NOW).is_err());
    }

    #[test]
    fn a_cut_or_grown_token_is_refused(place in any::<prop::sample::Index>(), more in "[A-Za-z0-9._=-]{0,8}") {
        let token = good();
        let place = place.index(token.len());
        let changed = format!("{}{more}{}", &token[..place], &token[place + 1..]);
        prop_assume!(changed != token);
        prop_assert!(verifier(policy()).verify(changed.as_bytes(), NOW).is_err());
    }

    /// Well signed, so that the claims reader sees it.
    #[test]
    fn signed_nonsense_never_panics(claims in "[{}\\[\\]\":,a-f0-9.eE+\\\\u-]{0,80}", header in "[{}\":,a-z]{0,40}") {
        let verifier = verifier(policy());
        prop_assert!(verifier.verify(hs256(HEADER, &claims).as_bytes(), NOW).is_err());
        prop_assert!(verifier.verify(hs256(&header, &claims).as_bytes(), NOW).is_err());
    }

    /// Valid claims sets with one value replaced by any JSON: whatever is accepted is read as serde_json reads it.
    #[test]
    fn accepted_claims_read_alike(subject in any::<String>(), scope in any::<String>(), exp in any::<i64>()) {
        let text = json!({ "iss": ISSUER, "aud": ["x", "urn:api"], "sub": subject, "scope": scope, "exp": exp }).to_string();
        let result = verifier(policy()).verify(hs256(HEADER, &text).as_bytes(), NOW);
        if subject.is_empty() || exp <= NOW as i64 - 60 || exp > 1 << 53 {
            prop_assert!(result.is_err());
        } else {
            let token = result.unwrap();
            prop_assert_eq!(token.subject(), subject);
            prop_assert_eq!(token.claims(), text);
            prop_assert!(token.scopes().eq(scope.split(' ').filter(|scope| !scope.is_empty())));
            prop_assert!(scope.split(' ').all(|own| token.has_scope(own) != own.is_empty()));
        }
    }
}
