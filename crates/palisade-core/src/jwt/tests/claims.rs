//! Every check of the claims set, by table.

use super::*;

fn check(policy: &TokenPolicy, table: &[(&str, &str, Option<&str>)]) {
    for (name, value, reason) in table {
        let found = refusal(policy.clone(), &[(name, value)]).map(|(reason, _)| reason);
        assert_eq!(found, *reason, "{name}: {value}");
    }
}

#[test]
fn issuer() {
    check(
        &policy(),
        &[
            ("iss", r#""https://id.example.com""#, None),
            ("iss", r#""https:\/\/id.example.com""#, None),
            ("iss", r#""https://id.example.com/""#, Some("issuer")),
            ("iss", r#""HTTPS://id.example.com""#, Some("issuer")),
            ("iss", r#""""#, Some("issuer")),
            ("iss", r#"["https://id.example.com"]"#, Some("claim_type")),
            ("iss", "null", Some("claim_type")),
            ("iss", "", Some("claim_missing")),
        ],
    );
    let ignoring = TokenPolicy {
        ignore: Ignored {
            issuer: true,
            ..Ignored::default()
        },
        ..policy()
    };
    check(
        &ignoring,
        &[
            ("iss", "", None),
            ("iss", r#""https://other.example""#, None),
        ],
    );
    assert_eq!(&**judge(ignoring, &[("iss", "")]).unwrap().issuer(), ISSUER);
}

#[test]
fn audience() {
    let many = |count: usize| format!(r#"["urn:api"{}]"#, r#","x""#.repeat(count - 1));
    check(
        &policy(),
        &[
            ("aud", r#""urn:api""#, None),
            ("aud", r#"["urn:api"]"#, None),
            ("aud", r#"["account","urn:api"]"#, None),
            ("aud", r#"["urn:\u0061pi"]"#, None),
            ("aud", &many(32), None),
            ("aud", &many(33), Some("audience")),
            ("aud", r#""urn:API""#, Some("audience")),
            ("aud", r#""urn:api ""#, Some("audience")),
            ("aud", r#""""#, Some("audience")),
            ("aud", "[]", Some("audience")),
            ("aud", r#"[["urn:api"]]"#, Some("claim_type")),
            ("aud", r#"["urn:api",7]"#, Some("claim_type")),
            ("aud", r#"["urn:api",null]"#, Some("claim_type")),
            ("aud", r#"{"urn:api":true}"#, Some("claim_type")),
            ("aud", "null", Some("claim_type")),
            ("aud", "7", Some("claim_type")),
            ("aud", "true", Some("claim_type")),
            ("aud", "", Some("claim_missing")),
        ],
    );
    let two = TokenPolicy {
        audiences: vec!["one".into(), "urn:api".into()],
        ..policy()
    };
    check(
        &two,
        &[
            ("aud", r#""one""#, None),
            ("aud", r#"["urn:api"]"#, None),
            ("aud", r#""two""#, Some("audience")),
        ],
    );
    let ignore = Ignored {
        audience: true,
        ..Ignored::default()
    };
    let ignoring = TokenPolicy {
        ignore,
        ..TokenPolicy::without_audience(ISSUER)
    };
    check(
        &ignoring,
        &[
            ("aud", "", None),
            ("aud", "null", None),
            ("aud", r#""other""#, None),
        ],
    );
    let elsewhere = TokenPolicy {
        audience_claim: "client_id".into(),
        ..policy()
    };
    check(
        &elsewhere,
        &[
            ("client_id", r#""urn:api""#, None),
            ("client_id", r#""x""#, Some("audience")),
        ],
    );
    assert_eq!(TokenError::Audience.setting(), Some("audiences"));
}

#[test]
fn dates() {
    check(
        &policy(),
        &[
            // Valid until the second before `exp` plus the leeway of 60 s.
            ("exp", "1799999941", None),
            ("exp", "1799999940", Some("expired")),
            ("exp", "1799999940.9", Some("expired")),
            ("exp", "1800000000.5", None),
            ("exp", "1.8000003e9", None),
            ("exp", "0", Some("expired")),
            ("exp", "-0", Some("expired")),
            ("exp", "9007199254740992", None),
            ("exp", "9007199254740993", Some("claim_range")),
            ("exp", "9007199254740994.0", Some("claim_range")),
            ("exp", "18446744073709551615", Some("claim_range")),
            ("exp", "18446744073709551616", Some("claim_range")),
            ("exp", "1e300", Some("claim_range")),
            ("exp", "1e999", Some("claim_type")),
            ("exp", "-1", Some("claim_range")),
            ("exp", "-0.5", Some("claim_range")),
            ("exp", "-9223372036854775809", Some("claim_range")),
            ("exp", "NaN", Some("claim_type")),
            ("exp", "Infinity", Some("claim_type")),
            ("exp", "01800000300", Some("claim_type")),
            ("exp", r#""1800000300""#, Some("claim_type")),
            ("exp", "[1800000300]", Some("claim_type")),
            ("exp", "null", Some("claim_type")),
            ("exp", "true", Some("claim_type")),
            ("exp", "", Some("claim_missing")),
            ("nbf", "1800000060", None),
            ("nbf", "1800000060.5", Some("not_yet_valid")),
            ("nbf", "1800000061", Some("not_yet_valid")),
            ("nbf", "9007199254740992", Some("not_yet_valid")),
            ("nbf", "-1", Some("claim_range")),
            ("nbf", r#""1800000000""#, Some("claim_type")),
            ("nbf", "null", Some("claim_type")),
            ("iat", "1800000060", None),
            ("iat", "1800000061", Some("issued_in_future")),
            ("iat", "1", None),
            ("iat", "{}", Some("claim_type")),
            ("iat", "null", Some("claim_type")),
            // The year 9999 is nobody's slip, 2027 in milliseconds is.
            ("exp", "253402300799", None),
            ("exp", "1800000300000", None),
            ("nbf", "253402300799", Some("not_yet_valid")),
            ("nbf", "1800000000000", Some("milliseconds")),
            ("iat", "1800000000000.5", Some("milliseconds")),
            ("auth_time", "1799990000", None),
        ],
    );
    let exact = TokenPolicy {
        leeway_seconds: 0,
        ..policy()
    };
    check(
        &exact,
        &[
            ("exp", "1800000000", Some("expired")),
            ("exp", "1800000001", None),
            ("nbf", "1800000000", None),
            ("nbf", "1800000001", Some("not_yet_valid")),
            ("iat", "1800000001", Some("issued_in_future")),
        ],
    );
}

#[test]
fn an_end_in_milliseconds_is_noticed() {
    for (exp, odd) in [
        ("1800000300000", true),
        ("1000000000000", true),
        ("99999999999999", true),
        ("1800000300", false),
        ("253402300799", false),
        ("9007199254740991", false),
    ] {
        let token = judge(policy(), &[("exp", exp)]).unwrap();
        assert_eq!(token.expires_in_milliseconds(), odd, "{exp}");
    }
}

#[test]
fn the_ends_of_time() {
    let token = hs256(HEADER, &claims(&[("exp", "9007199254740992")]));
    let wide = verifier(TokenPolicy {
        leeway_seconds: 300,
        ..policy()
    });
    assert!(wide.verify(token.as_bytes(), 0).is_ok());
    assert_eq!(
        wide.verify(token.as_bytes(), u64::MAX).unwrap_err(),
        TokenError::Expired
    );
}

#[test]
fn principal() {
    check(
        &policy(),
        &[
            ("sub", "", Some("claim_missing")),
            ("sub", r#""""#, Some("claim_missing")),
            ("sub", "7", Some("claim_type")),
            ("sub", "null", Some("claim_type")),
            ("sub", r#"["alice"]"#, Some("claim_type")),
        ],
    );
    assert_eq!(judge(policy(), &[]).unwrap().subject(), "alice");
    assert_eq!(
        judge(policy(), &[("sub", r#""\u0061l\"\u00fc""#)])
            .unwrap()
            .subject(),
        "al\"\u{fc}"
    );

    let by_mail = TokenPolicy {
        principal_claims: vec!["/user/mail".into()],
        ..policy()
    };
    check(
        &by_mail,
        &[
            ("user", r#"{"mail":"a@b.example"}"#, None),
            ("user", r#"{"mail":7}"#, Some("claim_type")),
            ("user", r#"{"mail":["a@b.example"]}"#, Some("claim_type")),
            ("user", "{}", Some("claim_missing")),
            ("user", r#"{"mail":""}"#, Some("claim_missing")),
            ("user", r#"{"mail":null}"#, Some("claim_missing")),
            ("user", "null", Some("claim_missing")),
            ("user", "7", Some("claim_type")),
            ("user", r#"[{"mail":"a@b.example"}]"#, Some("claim_type")),
            ("mail", r#""a@b.example""#, Some("claim_missing")),
            ("sub", "", Some("claim_missing")),
        ],
    );
    let token = judge(
        by_mail,
        &[("user", r#"{"x":{"mail":"no"},"mail":"a@b.example"}"#)],
    )
    .unwrap();
    assert_eq!(token.subject(), "a@b.example");
}

#[test]
fn user_or_client() {
    for (changes, kind, client) in [
        (&[][..], PrincipalKind::User, None),
        (
            &[("client_id", r#""web""#)],
            PrincipalKind::User,
            Some("web"),
        ),
        (
            &[("azp", r#""web""#), ("cid", r#""x""#)],
            PrincipalKind::User,
            Some("web"),
        ),
        (
            &[("client_id", r#""alice""#)],
            PrincipalKind::Client,
            Some("alice"),
        ),
        (
            &[("azp", r#""alice""#)],
            PrincipalKind::Client,
            Some("alice"),
        ),
        (
            &[("cid", r#""\u0061lice""#)],
            PrincipalKind::Client,
            Some("alice"),
        ),
        (&[("idtyp", r#""app""#)], PrincipalKind::Client, None),
        (&[("idtyp", r#""user""#)], PrincipalKind::User, None),
        (
            &[("gty", r#""client-credentials""#)],
            PrincipalKind::Client,
            None,
        ),
    ] {
        let token = judge(policy(), changes).unwrap();
        assert_eq!(
            (token.kind(), token.client_id()),
            (kind, client),
            "{changes:?}"
        );
    }
}

#[test]
fn the_first_principal_claim_that_is_there_counts() {
    let several = || TokenPolicy {
        principal_claims: vec!["sub".into(), "email".into(), "client_id".into()],
        ..policy()
    };
    let mail = ("email", r#""a@b.example""#);
    let client = ("client_id", r#""app""#);
    let none = ("sub", "");
    for (changes, subject, kind) in [
        (&[mail, client][..], "alice", PrincipalKind::User),
        // A caller without `sub` is a client.
        (&[none, mail, client], "a@b.example", PrincipalKind::Client),
        (&[none, client], "app", PrincipalKind::Client),
        (
            &[none, ("email", "null"), client],
            "app",
            PrincipalKind::Client,
        ),
        (
            &[none, mail, client, ("username", r#""al""#)],
            "a@b.example",
            PrincipalKind::User,
        ),
    ] {
        let token = judge(several(), changes).unwrap();
        assert_eq!(
            (token.subject(), token.kind()),
            (subject, kind),
            "{changes:?}"
        );
    }
    for (changes, error) in [
        (&[none][..], TokenError::ClaimMissing("principal")),
        (
            &[("sub", r#""""#), client],
            TokenError::ClaimMissing("principal"),
        ),
        (&[("sub", "null"), client], TokenError::ClaimType("sub")),
        (
            &[none, ("email", "7"), client],
            TokenError::ClaimType("principal"),
        ),
        (
            &[none, ("email", r#""""#), client],
            TokenError::ClaimMissing("principal"),
        ),
        (
            &[none, ("client_id", r#"["app"]"#)],
            TokenError::ClaimType("principal"),
        ),
        (
            &[none, client, ("username", r#""al""#)],
            TokenError::ClaimMissing("principal"),
        ),
        (
            &[none, client, ("username", "7")],
            TokenError::ClaimMissing("principal"),
        ),
    ] {
        assert_eq!(refusal(several(), changes).unwrap().1, error, "{changes:?}");
    }
}

/// PITFALLS 18: an ID token, a refresh token or a logout token is no access token.
#[test]
fn marks_of_other_tokens() {
    check(
        &policy(),
        &[
            ("token_use", r#""access""#, None),
            ("token_use", r#""id""#, Some("token_use")),
            ("typ", r#""Bearer""#, None),
            ("typ", r#""bearer""#, None),
            ("typ", r#""Refresh""#, Some("token_use")),
            ("typ", r#""ID""#, Some("token_use")),
            ("typ", r#""""#, Some("token_use")),
            ("typ", "7", Some("claim_type")),
            ("token_type", r#""access""#, None),
            ("token_type", r#""refresh""#, Some("token_use")),
            ("token_type", r#""mfa""#, Some("token_use")),
            ("at_hash", r#""x""#, Some("token_use")),
            ("c_hash", r#""x""#, Some("token_use")),
            ("s_hash", "null", Some("token_use")),
            ("events", "{}", Some("token_use")),
            ("cnf", r#"{"jkt":"x"}"#, Some("sender_constrained")),
            ("cnf", "null", Some("sender_constrained")),
        ],
    );
    let wider = TokenPolicy {
        accepted_token_uses: vec!["mfa".into()],
        ..policy()
    };
    check(
        &wider,
        &[
            ("token_type", r#""mfa""#, None),
            ("token_type", r#""refresh""#, Some("token_use")),
        ],
    );
    assert_eq!(TokenError::TokenUse.setting(), Some("accepted_token_uses"));
}

#[test]
fn rfc9068_wants_its_own_claims() {
    let strict = || TokenPolicy {
        profile: Profile::Rfc9068,
        ..policy()
    };
    let full = [
        ("client_id", r#""web""#),
        ("iat", "1800000000"),
        ("jti", r#""1""#),
    ];
    let token = judge(strict(), &full).unwrap();
    assert_eq!(
        (token.client_id(), token.issued_at(), token.id()),
        (Some("web"), Some(NOW), Some("1"))
    );
    for missing in ["client_id", "iat", "jti"] {
        let rest: Vec<_> = full
            .into_iter()
            .filter(|(name, _)| *name != missing)
            .collect();
        assert_eq!(
            refusal(strict(), &rest).unwrap().1,
            TokenError::ClaimMissing(missing)
        );
    }
}

/// PITFALLS 56.
#[test]
fn marks_of_refresh_tokens() {
    for name in [
        "type",
        "tokenType",
        "tokenUse",
        "tokenKind",
        "token_kind",
        "use",
        "kind",
    ] {
        check(
            &policy(),
            &[
                (name, r#""refresh""#, Some("token_use")),
                (name, r#""REFRESH_TOKEN""#, Some("token_use")),
                (name, r#""refresh-token""#, Some("token_use")),
                (name, r#""refreshToken""#, Some("token_use")),
                (name, r#""r\u0065fresh""#, Some("token_use")),
                (name, r#"["refresh"]"#, Some("claim_type")),
                (name, r#"{"is":"refresh"}"#, Some("claim_type")),
                (name, "7", Some("claim_type")),
                (name, "null", Some("claim_type")),
                (name, r#""access""#, None),
                (name, r#""refreshed""#, None),
                (name, r#""""#, None),
            ],
        );
    }
    for name in ["is_refresh", "isRefresh"] {
        check(
            &policy(),
            &[
                (name, "true", Some("token_use")),
                (name, "false", None),
                (name, r#""true""#, Some("claim_type")),
                (name, "1", Some("claim_type")),
                (name, "[true]", Some("claim_type")),
                (name, "null", Some("claim_type")),
            ],
        );
    }
    // Inside of another claim the word is the application's.
    check(&policy(), &[("device", r#"{"type":"refresh"}"#, None)]);
    let wanted = TokenPolicy {
        accepted_token_uses: vec!["refresh_token".into()],
        ..policy()
    };
    check(
        &wanted,
        &[
            ("type", r#""refresh""#, None),
            ("is_refresh", "true", None),
            ("type", "7", Some("claim_type")),
        ],
    );
}

#[test]
fn marks_stay_strict_in_any_type() {
    for name in ["token_use", "typ", "token_type", "idtyp", "gty"] {
        for value in ["7", "[]", "{}", "false", r#"["access"]"#, r#"["refresh"]"#] {
            check(&policy(), &[(name, value, Some("claim_type"))]);
        }
    }
    for name in ["token_use", "typ", "token_type"] {
        check(&policy(), &[(name, "null", Some("claim_type"))]);
    }
    for name in ["at_hash", "c_hash", "s_hash", "events"] {
        for value in ["7", "[]", "{}", "false", "null", r#""""#] {
            check(&policy(), &[(name, value, Some("token_use"))]);
        }
    }
}

#[test]
fn duplicates_at_every_depth() {
    for claims in [
        r#"{"iss":"https://id.example.com","sub":"alice","aud":"urn:api","exp":1800000300,"sub":"alice"}"#,
        r#"{"iss":"https://id.example.com","sub":"alice","aud":"urn:api","exp":1800000300,"s\u0075b":"bob"}"#,
        r#"{"iss":"https://id.example.com","sub":"alice","aud":"urn:api","exp":1800000300,"x":1,"x":1}"#,
        r#"{"iss":"https://id.example.com","sub":"alice","aud":"urn:api","exp":1800000300,"x":{"y":1,"y":2}}"#,
        r#"{"iss":"https://id.example.com","sub":"alice","aud":"urn:api","exp":1800000300,"x":[{"y":{"z":1,"z":2}}]}"#,
    ] {
        let result = verifier(policy()).verify(hs256(HEADER, claims).as_bytes(), NOW);
        assert_eq!(result.unwrap_err(), TokenError::DuplicateMember, "{claims}");
    }
    check(&policy(), &[("x", r#"{"sub":"inner","x":{"x":1}}"#, None)]);
}

#[test]
fn claims_that_are_no_object() {
    for claims in ["", "null", "7", "[]", "\"x\"", "{}x", "{\"iss\":}"] {
        let result = verifier(policy()).verify(hs256(HEADER, claims).as_bytes(), NOW);
        assert_eq!(result.unwrap_err(), TokenError::Json, "{claims}");
    }
    let signed = format!(
        "{}.{}",
        BASE64URL.encode(HEADER),
        BASE64URL.encode(b"{\"x\":\"\xff\"}")
    );
    let signature = BASE64URL.encode(Signer::new(Algorithm::HS256).sign(signed.as_bytes()));
    let result = verifier(policy()).verify(format!("{signed}.{signature}").as_bytes(), NOW);
    assert_eq!(result.unwrap_err(), TokenError::Json);
}
