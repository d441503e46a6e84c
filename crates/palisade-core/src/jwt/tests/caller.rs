//! What a verified token says of its caller, and what a policy says of its mistakes.

use super::*;

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
}

#[test]
fn roles_permissions_tenant() {
    let policy = || TokenPolicy {
        roles_claims: vec!["/realm_access/roles".into()],
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
        (&[("tid", "null")], TokenError::ClaimType("tenant")),
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
        principal_claims: vec!["exp".into()],
        roles_claims: vec!["/a".into()],
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
            "tenant_claim",
            "principal_claims",
            "roles_claims",
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

const KEYCLOAK: &str = "https://id.example.com/realms/shop";
const COGNITO: &str = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab1Cd2Ef3";

/// Claims as two providers write them.
#[test]
fn provider_tokens() {
    let keycloak = judge(
        TokenPolicy::new(KEYCLOAK, "urn:api").provider(Provider::Keycloak),
        &[
            ("iss", &format!("{KEYCLOAK:?}")),
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
            TokenPolicy::new(COGNITO, "urn:api").provider(Provider::Cognito),
            &[
                ("iss", &format!("{COGNITO:?}")),
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
