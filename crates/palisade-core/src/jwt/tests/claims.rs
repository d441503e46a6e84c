//! Every check of the claims set, by table.

use super::*;

fn refusal(policy: TokenPolicy, changes: &[(&str, &str)]) -> Option<(&'static str, TokenError)> {
    judge(policy, changes)
        .err()
        .map(|error| (error.reason(), error))
}

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
            ("auth_time", "1799990000", None),
            ("auth_time", r#""yesterday""#, Some("claim_type")),
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
        principal_claim: "/user/mail".into(),
        ..policy()
    };
    check(
        &by_mail,
        &[
            ("user", r#"{"mail":"a@b.example"}"#, None),
            ("user", r#"{"mail":7}"#, Some("claim_type")),
            ("user", r#"{"mail":["a@b.example"]}"#, Some("claim_type")),
            ("user", "{}", Some("claim_missing")),
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
    assert_eq!(
        refusal(policy(), &[("client_id", "7")]).unwrap().1,
        TokenError::ClaimType("client_id")
    );
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

#[test]
fn wrong_types_of_other_claims() {
    for name in ["jti", "acr", "azp", "cid", "idtyp", "gty", "token_use"] {
        for value in ["7", "null", "[]", "{}", "false"] {
            check(&policy(), &[(name, value, Some("claim_type"))]);
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

#[test]
fn scopes() {
    for (changes, expected) in [
        (&[][..], &[][..]),
        (
            &[("scope", r#""items:read items:write""#)],
            &["items:read", "items:write"],
        ),
        (&[("scope", r#""  a   b ""#)], &["a", "b"]),
        (&[("scope", r#""""#)], &[]),
        (&[("scopes", r#"["a","b c"]"#)], &["a", "b c"]),
        (&[("scp", r#""a b""#)], &["a", "b"]),
        (&[("scp", r#""x""#), ("scope", r#""a\tb""#)], &["a\tb"]),
        (
            &[("scp", r#"["\u0061","b"]"#), ("sub", r#""\u0061lice""#)],
            &["a", "b"],
        ),
    ] {
        let token = judge(policy(), changes).unwrap();
        assert_eq!(token.scopes().collect::<Vec<_>>(), expected, "{changes:?}");
        assert_eq!(token.subject(), "alice");
    }
    for value in ["7", "null", "{}", r#"["a",7]"#] {
        assert_eq!(
            refusal(policy(), &[("scope", value)]).unwrap().1,
            TokenError::ClaimType("scope"),
            "{value}"
        );
    }
}

#[test]
fn roles_permissions_tenant() {
    let policy = || TokenPolicy {
        roles_claim: Some("/realm_access/roles".into()),
        permissions_claim: Some("https://example.com/permissions".into()),
        tenant_claim: Some("tid".into()),
        ..policy()
    };
    let token = judge(
        policy(),
        &[
            (
                "realm_access",
                r#"{"more":{"roles":["no"]},"roles":["admin","store manager","\u00fcser"]}"#,
            ),
            ("https://example.com/permissions", r#""items delete""#),
            ("tid", r#""acme""#),
            ("roles", r#"["no"]"#),
        ],
    )
    .unwrap();
    assert_eq!(
        token.roles().collect::<Vec<_>>(),
        ["admin", "store manager", "\u{fc}ser"]
    );
    assert_eq!(token.permissions().collect::<Vec<_>>(), ["items delete"]);
    assert_eq!(token.tenant(), Some("acme"));
    for (changes, error) in [
        (&[][..], TokenError::ClaimMissing("tenant")),
        (&[("tid", "7")], TokenError::ClaimType("tenant")),
        (
            &[("tid", r#""a""#), ("realm_access", r#"{"roles":[1]}"#)],
            TokenError::ClaimType("roles"),
        ),
        (
            &[
                ("tid", r#""a""#),
                ("https://example.com/permissions", "null"),
            ],
            TokenError::ClaimType("permissions"),
        ),
    ] {
        assert_eq!(refusal(policy(), changes).unwrap().1, error, "{changes:?}");
    }
}

#[test]
fn what_is_left_for_the_application() {
    let text = claims(&[
        ("sub", r#""\u0061lice""#),
        ("acr", r#""2""#),
        ("auth_time", "1799999000.7"),
    ]);
    let token = verifier(policy())
        .verify(hs256(HEADER, &text).as_bytes(), NOW)
        .unwrap();
    assert_eq!(token.claims(), text);
    assert_eq!(
        (token.context_class(), token.authenticated_at()),
        (Some("2"), Some(1_799_999_000))
    );
    assert_eq!(
        (token.expires_at(), token.issued_at(), token.kid()),
        (1_800_000_300, None, None)
    );
}

/// PITFALLS 37: nothing that is printed holds the token.
#[test]
fn debug_is_silent() {
    let token = judge(
        policy(),
        &[
            ("jti", r#""planted""#),
            ("sub", r#""planted""#),
            ("scope", r#""planted""#),
        ],
    )
    .unwrap();
    assert!(!format!("{token:?} {:#?}", verifier(policy())).contains("planted"));
    assert!(!format!("{:?}", verifier(policy())).contains("7, 7"));
}

#[test]
fn a_policy_says_all_its_mistakes() {
    let broken = TokenPolicy {
        issuer: String::new(),
        leeway_seconds: 301,
        max_bytes: 100,
        principal_claim: "exp".into(),
        roles_claim: Some("/a".into()),
        permissions_claim: Some("/a/b".into()),
        tenant_claim: Some("".into()),
        scope_claims: vec!["s".into(); 5],
        ..TokenPolicy::without_audience("")
    };
    let mistakes = broken.compile(KeySet::default()).unwrap_err();
    let settings: Vec<_> = mistakes.iter().map(|mistake| mistake.setting).collect();
    assert_eq!(
        settings,
        [
            "issuer",
            "audiences",
            "leeway_seconds",
            "max_bytes",
            "scope_claims",
            "principal_claim",
            "roles_claim",
            "tenant_claim",
            "keys"
        ]
    );
    let keys = || KeySet::from_secret(&SECRET, Algorithm::HS256).unwrap();
    let both = TokenPolicy {
        ignore: Ignored {
            audience: true,
            issuer: false,
        },
        ..policy()
    };
    assert_eq!(both.compile(keys()).unwrap_err()[0].setting, "audiences");
    let empty = TokenPolicy {
        audiences: vec![String::new()],
        ..policy()
    };
    assert_eq!(empty.compile(keys()).unwrap_err()[0].setting, "audiences");
    let ignore = Ignored {
        issuer: true,
        ..Ignored::default()
    };
    let strict = TokenPolicy {
        profile: Profile::Rfc9068,
        ignore,
        ..policy()
    };
    assert_eq!(strict.compile(keys()).unwrap_err()[0].setting, "ignore");
}

#[test]
fn choosing_among_issuers() {
    let token = hs256(HEADER, &claims(&[]));
    let issuer = peek_issuer(token.as_bytes(), 8192);
    assert_eq!(issuer.as_deref(), Some(ISSUER));
    assert!(verifier(policy()).is_for(issuer.as_deref()));
    assert!(!verifier(TokenPolicy::new("https://other.example", "a")).is_for(issuer.as_deref()));
    assert!(!verifier(policy()).is_for(None));
    let ignore = Ignored {
        issuer: true,
        ..Ignored::default()
    };
    assert!(verifier(TokenPolicy { ignore, ..policy() }).is_for(None));
    for claims in ["", "{}", r#"{"iss":7}"#, r#"{"iss":"a","iss":"b"}"#] {
        assert_eq!(
            peek_issuer(hs256(HEADER, claims).as_bytes(), 8192),
            None,
            "{claims}"
        );
    }
    assert_eq!(peek_issuer(token.as_bytes(), 100), None);
    assert_eq!(peek_issuer(b"a.b", 8192), None);
}

/// Claims as two providers write them.
#[test]
fn provider_tokens() {
    let keycloak = judge(
        policy().provider(Provider::Keycloak),
        &[
            ("aud", r#"["urn:api","account"]"#),
            ("typ", r#""Bearer""#),
            ("azp", r#""web""#),
            ("realm_access", r#"{"roles":["admin","user"]}"#),
            (
                "resource_access",
                r#"{"account":{"roles":["view-profile"]}}"#,
            ),
            ("scope", r#""profile email""#),
        ],
    )
    .unwrap();
    assert_eq!(keycloak.roles().collect::<Vec<_>>(), ["admin", "user"]);
    assert_eq!(keycloak.client_id(), Some("web"));

    let cognito = |token_use| {
        judge(
            policy().provider(Provider::Cognito),
            &[
                ("aud", ""),
                ("client_id", r#""urn:api""#),
                ("token_use", token_use),
                ("cognito:groups", r#"["admin"]"#),
            ],
        )
    };
    assert_eq!(
        cognito(r#""access""#).unwrap().roles().collect::<Vec<_>>(),
        ["admin"]
    );
    assert_eq!(cognito(r#""id""#).unwrap_err(), TokenError::TokenUse);
}
