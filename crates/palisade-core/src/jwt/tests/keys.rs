//! Keys of every algorithm and form, and which of them a token may use.

use super::*;

const TYP: &str = r#""typ":"at+jwt""#;

fn header(algorithm: &str, kid: Option<&str>) -> String {
    let kid = kid.map_or(String::new(), |kid| format!(r#","kid":"{kid}""#));
    format!(r#"{{"alg":"{algorithm}",{TYP}{kid}}}"#)
}

fn verify(keys: KeySet, token: &str) -> Result<VerifiedToken, TokenError> {
    policy()
        .compile(keys)
        .unwrap()
        .verify(token.as_bytes(), NOW)
}

fn set(keys: Vec<Value>) -> (KeySet, Vec<SkippedKey>) {
    KeySet::from_jwk_set(
        json!({ "keys": keys }).to_string().as_bytes(),
        JwkOptions::default(),
    )
    .unwrap()
}

/// `jwk` with more members.
fn with(mut jwk: Value, members: Value) -> Value {
    jwk.as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    jwk
}

#[test]
fn a_packed_key_set_is_named() {
    let packed = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0];
    let refused = KeySet::from_jwk_set(&packed, JwkOptions::default()).unwrap_err();
    assert_eq!(refused, KeyError::Packed);
}

#[test]
fn every_algorithm_by_secret_or_pem() {
    for algorithm in EVERY_ALGORITHM {
        let signer = Signer::new(algorithm);
        let token = signer.token(&header(algorithm.name(), None), &claims(&[]));
        assert_eq!(
            verify(signer.keys(algorithm), &token).unwrap().subject(),
            "alice",
            "{algorithm}"
        );

        let other = claims(&[("sub", r#""mallory""#)]);
        let (head, rest) = token.split_once('.').unwrap();
        let (_, signature) = rest.split_once('.').unwrap();
        let forged = format!("{head}.{}.{signature}", BASE64URL.encode(other));
        assert_eq!(
            verify(signer.keys(algorithm), &forged).unwrap_err(),
            TokenError::Signature,
            "{algorithm}"
        );
    }
}

#[test]
fn every_public_algorithm_by_jwk() {
    for algorithm in EVERY_ALGORITHM.into_iter().skip(3) {
        let signer = Signer::new(algorithm);
        let jwk = with(
            signer.jwk(),
            json!({ "kid": "k", "alg": algorithm.name(), "use": "sig", "key_ops": ["verify"] }),
        );
        let (keys, skipped) = set(vec![jwk]);
        assert!(skipped.is_empty(), "{skipped:?}");
        let token = signer.token(&header(algorithm.name(), Some("k")), &claims(&[]));
        assert_eq!(
            verify(keys, &token).unwrap().kid(),
            Some("k"),
            "{algorithm}"
        );
    }
}

#[test]
fn tokens_of_another_library() {
    let claims: Value = serde_json::from_str(&claims(&[])).unwrap();
    let key = jsonwebtoken::EncodingKey::from_secret(&SECRET);
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    assert_eq!(
        verify(
            KeySet::from_secret(&SECRET, Algorithm::HS256).unwrap(),
            &token
        )
        .unwrap()
        .subject(),
        "alice"
    );
}

#[test]
fn ed25519_has_two_names() {
    let signer = Signer::new(Algorithm::EdDSA);
    for name in ["EdDSA", "Ed25519"] {
        let (keys, _) = set(vec![with(signer.jwk(), json!({ "alg": name }))]);
        let other = if name == "EdDSA" { "Ed25519" } else { "EdDSA" };
        assert!(verify(keys, &signer.token(&header(other, None), &claims(&[]))).is_ok());
        assert_eq!(name.parse(), Ok(Algorithm::EdDSA));
    }
    assert_eq!("none".parse::<Algorithm>(), Err(UnknownAlgorithm));
}

/// The public key is known to everybody; it must never serve as a secret.
#[test]
fn algorithms_cannot_be_swapped() {
    let signer = Signer::new(Algorithm::RS256);
    let signed = format!(
        "{}.{}",
        BASE64URL.encode(header("HS256", None)),
        BASE64URL.encode(claims(&[]))
    );
    for secret in [
        signer.pem().into_bytes(),
        rsa_key().public_key().as_ref().to_vec(),
    ] {
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, &secret),
            signed.as_bytes(),
        );
        let token = format!("{signed}.{}", BASE64URL.encode(tag));
        assert_eq!(
            verify(signer.keys(Algorithm::RS256), &token).unwrap_err(),
            TokenError::Algorithm
        );
    }
    let pss = Signer::new(Algorithm::PS256).token(&header("PS256", None), &claims(&[]));
    assert_eq!(
        verify(signer.keys(Algorithm::RS256), &pss).unwrap_err(),
        TokenError::Algorithm
    );
    let lying = Signer::new(Algorithm::PS256).token(&header("RS256", None), &claims(&[]));
    assert_eq!(
        verify(signer.keys(Algorithm::RS256), &lying).unwrap_err(),
        TokenError::Signature
    );
    let unsigned = format!(
        "{}.{}.",
        BASE64URL.encode(header("none", None)),
        BASE64URL.encode(claims(&[]))
    );
    assert_eq!(
        verify(signer.keys(Algorithm::RS256), &unsigned).unwrap_err(),
        TokenError::Algorithm
    );
}

/// A key that the token brings along is not even looked at.
#[test]
fn keys_in_the_token_are_not_followed() {
    let (ours, theirs) = (Signer::new(Algorithm::ES256), Signer::new(Algorithm::ES256));
    let header = format!(r#"{{"alg":"ES256","jwk":{}}}"#, theirs.jwk());
    let token = theirs.token(&header, &claims(&[]));
    assert_eq!(
        verify(ours.keys(Algorithm::ES256), &token).unwrap_err(),
        TokenError::Signature
    );
}

#[test]
fn choosing_the_key() {
    let (a, b, c) = (
        Signer::new(Algorithm::ES256),
        Signer::new(Algorithm::ES256),
        Signer::new(Algorithm::EdDSA),
    );
    let keys = || {
        set(vec![
            with(a.jwk(), json!({ "kid": "a" })),
            with(b.jwk(), json!({ "kid": "b" })),
            with(c.jwk(), json!({ "kid": "a" })),
        ])
        .0
    };
    let outcome = |signer: &Signer, algorithm, kid| {
        verify(keys(), &signer.token(&header(algorithm, kid), &claims(&[]))).err()
    };
    assert_eq!(outcome(&a, "ES256", Some("a")), None);
    assert_eq!(outcome(&b, "ES256", Some("b")), None);
    assert_eq!(outcome(&c, "EdDSA", Some("a")), None);
    assert_eq!(outcome(&c, "EdDSA", None), None);
    assert_eq!(outcome(&a, "ES256", Some("b")), Some(TokenError::Signature));
    assert_eq!(outcome(&a, "ES256", None), Some(TokenError::AmbiguousKey));
    assert_eq!(outcome(&a, "ES256", Some("")), Some(TokenError::UnknownKey));
    assert_eq!(
        outcome(&a, "ES256", Some("z")),
        Some(TokenError::UnknownKey)
    );
    assert_eq!(outcome(&a, "RS256", Some("a")), Some(TokenError::Algorithm));
    assert_eq!(outcome(&a, "ES384", None), Some(TokenError::Algorithm));

    // A key without a name fits any.
    let token = a.token(&header("ES256", Some("z")), &claims(&[]));
    assert!(verify(a.keys(Algorithm::ES256), &token).is_ok());
    assert_eq!(
        verify(a.keys(Algorithm::ES256).named("a"), &token).unwrap_err(),
        TokenError::UnknownKey
    );
}

#[test]
fn merging() {
    let pem = || Signer::new(Algorithm::ES256).keys(Algorithm::ES256);
    let both = pem().named("old").merge(pem().named("new")).unwrap();
    assert_eq!(
        both.names()
            .map(|(kid, _)| kid.unwrap())
            .collect::<Vec<_>>(),
        ["old", "new"]
    );
    assert_eq!(pem().merge(pem()).unwrap_err(), KeyError::Ambiguous);
    assert_eq!(
        pem().named("k").merge(pem().named("k")).unwrap_err(),
        KeyError::Ambiguous
    );
    assert!(
        pem()
            .merge(KeySet::from_secret(&SECRET, Algorithm::HS256).unwrap())
            .is_ok()
    );
}

#[test]
fn secrets() {
    for (bytes, algorithm, fits) in [
        (31, Algorithm::HS256, false),
        (32, Algorithm::HS256, true),
        (47, Algorithm::HS384, false),
        (48, Algorithm::HS384, true),
        (63, Algorithm::HS512, false),
        (64, Algorithm::HS512, true),
        (0, Algorithm::HS256, false),
        (64, Algorithm::RS256, false),
    ] {
        assert_eq!(
            KeySet::from_secret(&vec![1; bytes], algorithm).is_ok(),
            fits,
            "{algorithm} {bytes}"
        );
    }
    let pem = Signer::new(Algorithm::ES256).pem();
    assert_eq!(
        KeySet::from_secret(pem.as_bytes(), Algorithm::HS256).unwrap_err(),
        KeyError::PemAsSecret
    );
    let error = KeySet::from_secret(&[1; 16], Algorithm::HS256)
        .unwrap_err()
        .to_string();
    assert_eq!(error, "the secret has 16 bytes; HS256 needs at least 32");
}

#[test]
fn pem_files() {
    let refusal = |text: &str, algorithm| KeySet::from_pem(text.as_bytes(), algorithm).unwrap_err();
    let rsa = Signer::new(Algorithm::RS256).pem();
    let ec = Signer::new(Algorithm::ES384).pem();
    let ed = Signer::new(Algorithm::EdDSA).pem();
    for (text, algorithm) in [
        (&rsa, Algorithm::RS256),
        (&ec, Algorithm::ES384),
        (&ed, Algorithm::EdDSA),
    ] {
        let keys = KeySet::from_pem(text.as_bytes(), None).unwrap();
        assert_eq!(keys.names().next(), Some((None, algorithm)));
    }
    let pkcs1 = pem("RSA PUBLIC KEY", rsa_key().public_key().as_ref());
    assert!(KeySet::from_pem(pkcs1.as_bytes(), Some(Algorithm::PS512)).is_ok());
    let windows = rsa.replace('\n', "\r\n");
    assert!(KeySet::from_pem(windows.as_bytes(), None).is_ok());

    for label in [
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
    ] {
        let error = refusal(&pem(label, b"planted"), None);
        assert_eq!(error, KeyError::PrivateKey, "{label}");
        assert!(error.to_string().contains("private key"));
    }
    assert_eq!(refusal(&format!("{rsa}{ec}"), None), KeyError::SeveralPem);
    assert_eq!(
        refusal(&pem("CERTIFICATE", b"x"), None),
        KeyError::Certificate
    );
    assert_eq!(refusal(&pem("X509 CRL", b"x"), None), KeyError::UnknownPem);
    assert_eq!(
        refusal(&pem("PUBLIC KEY", b"x"), None),
        KeyError::UnknownPem
    );
    assert_eq!(refusal(&pem("PUBLIC KEY", b""), None), KeyError::UnknownPem);
    assert_eq!(refusal(&rsa[..200], None), KeyError::UnknownPem);
    assert_eq!(refusal("", None), KeyError::NotPem);
    assert_eq!(
        refusal(&rsa.replace('\n', "\\n"), None),
        KeyError::EscapedLines
    );
    assert_eq!(
        KeySet::from_pem(&[0xff, 0xfe], None).unwrap_err(),
        KeyError::NotPem
    );
    assert_eq!(
        refusal(&rsa, Some(Algorithm::ES256)).to_string(),
        "an RSA key cannot be used for ES256"
    );
    assert_eq!(
        refusal(&ec, Some(Algorithm::ES256)).to_string(),
        "a P-384 key cannot be used for ES256"
    );
    assert_eq!(
        refusal(&ed, Some(Algorithm::RS256)).to_string(),
        "an Ed25519 key cannot be used for RS256"
    );
    assert_eq!(
        refusal(&rsa, Some(Algorithm::HS256)).to_string(),
        "an RSA key cannot be used for HS256"
    );
}

#[test]
fn jwks_that_cannot_be_used_are_skipped_one_by_one() {
    let rsa = || Signer::new(Algorithm::RS256).jwk();
    let ec = || Signer::new(Algorithm::ES256).jwk();
    let ed = || Signer::new(Algorithm::EdDSA).jwk();
    let cut = |jwk: Value, name: &str| {
        let short = jwk[name].as_str().unwrap()[1..].to_owned();
        with(jwk, json!({ name: short }))
    };
    for (jwk, why) in [
        (
            with(rsa(), json!({ "use": "enc" })),
            KeyError::NotForSigning,
        ),
        (with(rsa(), json!({ "use": 7 })), KeyError::NotForSigning),
        (
            with(rsa(), json!({ "key_ops": ["sign"] })),
            KeyError::NotForVerifying,
        ),
        (
            with(rsa(), json!({ "key_ops": "verify" })),
            KeyError::NotForVerifying,
        ),
        (
            with(rsa(), json!({ "alg": "RSA-OAEP" })),
            KeyError::UnknownAlgorithm,
        ),
        (
            with(rsa(), json!({ "alg": "none" })),
            KeyError::UnknownAlgorithm,
        ),
        (with(rsa(), json!({ "alg": 7 })), KeyError::UnknownAlgorithm),
        (
            with(rsa(), json!({ "alg": "HS256" })),
            KeyError::Mismatch {
                key: "an RSA key",
                algorithm: Algorithm::HS256,
            },
        ),
        (
            with(ec(), json!({ "alg": "ES384" })),
            KeyError::Mismatch {
                key: "a P-256 key",
                algorithm: Algorithm::ES384,
            },
        ),
        (
            with(rsa(), json!({ "d": "planted" })),
            KeyError::PublishedPrivateKey,
        ),
        (
            Signer::new(Algorithm::HS256).jwk(),
            KeyError::PublishedSecret,
        ),
        (json!({ "kty": "oct" }), KeyError::PublishedSecret),
        (with(rsa(), json!({ "kid": 7 })), KeyError::BadKid),
        (with(rsa(), json!({ "kid": "" })), KeyError::BadKid),
        (
            with(rsa(), json!({ "kid": "k".repeat(257) })),
            KeyError::BadKid,
        ),
        (with(rsa(), json!({ "e": "AQ" })), KeyError::RsaExponent),
        (with(rsa(), json!({ "e": "AAEAAA" })), KeyError::RsaExponent),
        (
            with(rsa(), json!({ "n": BASE64URL.encode([0xc1; 128]) })),
            KeyError::RsaSize { bits: 1024 },
        ),
        (
            with(rsa(), json!({ "n": BASE64URL.encode([0xc2; 256]) })),
            KeyError::RsaModulus,
        ),
        (
            with(rsa(), json!({ "n": "" })),
            KeyError::RsaSize { bits: 0 },
        ),
        (with(rsa(), json!({ "n": "a=b" })), KeyError::Malformed),
        (with(ec(), json!({ "crv": "P-384" })), KeyError::Malformed),
        (
            with(ec(), json!({ "crv": "secp256k1" })),
            KeyError::UnknownKeyType,
        ),
        (
            with(ec(), json!({ "crv": "Ed25519" })),
            KeyError::UnknownKeyType,
        ),
        (cut(ec(), "x"), KeyError::Malformed),
        (
            with(ec(), json!({ "x": BASE64URL.encode([1; 32]) })),
            KeyError::Malformed,
        ),
        (
            with(ed(), json!({ "crv": "X25519" })),
            KeyError::UnknownKeyType,
        ),
        (
            with(ed(), json!({ "crv": "P-256" })),
            KeyError::UnknownKeyType,
        ),
        (cut(ed(), "x"), KeyError::Malformed),
        (
            with(ed(), json!({ "kty": "RSA" })),
            KeyError::UnknownKeyType,
        ),
        (
            json!({ "kty": "AKP", "alg": "ML-DSA-44" }),
            KeyError::UnknownAlgorithm,
        ),
        (json!({ "kty": "AKP" }), KeyError::UnknownKeyType),
        (json!({}), KeyError::UnknownKeyType),
        (json!(7), KeyError::UnknownKeyType),
        (json!(null), KeyError::UnknownKeyType),
    ] {
        let (keys, skipped) = set(vec![jwk.clone(), with(ed(), json!({ "kid": "good" }))]);
        assert_eq!(
            keys.names().collect::<Vec<_>>(),
            [(Some("good"), Algorithm::EdDSA)],
            "{jwk}"
        );
        let is_alarm = matches!(
            why,
            KeyError::PublishedSecret | KeyError::PublishedPrivateKey
        );
        assert_eq!(
            skipped
                .iter()
                .map(|key| (key.position, &key.why))
                .collect::<Vec<_>>(),
            [(0, &why)],
            "{jwk}"
        );
        assert_eq!(skipped[0].is_alarm(), is_alarm);
        assert!(!format!("{skipped:?} {}", skipped[0].why).contains("planted"));
    }
}

#[test]
fn jwks_with_a_leading_zero_or_without_alg() {
    let signer = Signer::new(Algorithm::RS256);
    let n = BASE64URL
        .decode(signer.jwk()["n"].as_str().unwrap())
        .unwrap();
    let (keys, skipped) = set(vec![with(
        signer.jwk(),
        json!({ "n": BASE64URL.encode([&[0], &n[..]].concat()) }),
    )]);
    assert_eq!(
        (keys.names().next(), skipped.len()),
        (Some((None, Algorithm::RS256)), 0)
    );

    let text = json!({ "keys": [Signer::new(Algorithm::PS384).jwk(), Signer::new(Algorithm::ES512).jwk()] }).to_string();
    let options = JwkOptions {
        rsa_algorithm: Algorithm::PS384,
    };
    let (keys, _) = KeySet::from_jwk_set(text.as_bytes(), options).unwrap();
    assert_eq!(
        keys.names()
            .map(|(_, algorithm)| algorithm)
            .collect::<Vec<_>>(),
        [Algorithm::PS384, Algorithm::ES512]
    );
}

#[test]
fn jwks_that_look_alike() {
    let named = |algorithm, kid: &str| with(Signer::new(algorithm).jwk(), json!({ "kid": kid }));
    let (keys, skipped) = set(vec![
        named(Algorithm::ES256, "a"),
        named(Algorithm::ES384, "a"),
        named(Algorithm::ES256, "b"),
        named(Algorithm::ES256, "b"),
        with(named(Algorithm::RS256, "c"), json!({ "alg": "RS256" })),
        with(named(Algorithm::RS256, "c"), json!({ "alg": "PS256" })),
        Signer::new(Algorithm::EdDSA).jwk(),
        Signer::new(Algorithm::EdDSA).jwk(),
    ]);
    assert_eq!(
        keys.names()
            .map(|(kid, _)| kid.unwrap())
            .collect::<Vec<_>>(),
        ["a", "a", "c", "c"]
    );
    let expected = [(2, Some("b")), (3, Some("b")), (6, None), (7, None)];
    assert_eq!(
        skipped
            .iter()
            .map(|key| (key.position, key.kid.as_deref()))
            .collect::<Vec<_>>(),
        expected
    );
    assert!(skipped.iter().all(|key| key.why == KeyError::Ambiguous));
}

#[test]
fn jwk_sets_are_bounded() {
    let read = |text: &str| KeySet::from_jwk_set(text.as_bytes(), JwkOptions::default());
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]"#, "null"] {
        assert_eq!(read(text).unwrap_err(), KeyError::NotASet, "{text}");
    }
    assert!(read(r#"{"keys":[],"more":1}"#).unwrap().0.is_empty());
    let many = |count| json!({ "keys": vec![json!({}); count] }).to_string();
    assert_eq!(read(&many(100)).unwrap().1.len(), 100);
    assert_eq!(read(&many(101)).unwrap_err(), KeyError::TooMany);
    let fat = json!({ "keys": [], "x": "x".repeat(MAX_SET_BYTES) }).to_string();
    assert_eq!(read(&fat).unwrap_err(), KeyError::SetTooLarge);
}

/// PITFALLS 37: key material is never printed.
#[test]
fn debug_shows_names_only() {
    let keys = KeySet::from_secret(b"planted-planted-planted-planted!", Algorithm::HS256)
        .unwrap()
        .named("k1");
    let text = format!("{keys:?}");
    assert!(
        text.contains("k1") && text.contains("HS256") && !text.contains("planted"),
        "{text}"
    );
    let n = Signer::new(Algorithm::RS256).jwk()["n"]
        .as_str()
        .unwrap()
        .to_owned();
    let (keys, _) = set(vec![Signer::new(Algorithm::RS256).jwk()]);
    assert!(!format!("{keys:?}").contains(&n[..20]));
}
