//! Claims of types that nothing reads: what becomes of them, and what they must not become.

use super::*;
use crate::{
    Principal, all_of, any_of, permission, policy as test_of,
    requirement::{Judgement, Requirement, Roles},
    role, scope,
};

fn passed_over(changes: &[(&str, &str)]) -> Vec<String> {
    let policy = TokenPolicy {
        roles_claims: vec!["/realm_access/roles".into(), "roles".into()],
        permissions_claim: Some("permissions".into()),
        ..policy()
    };
    let token = judge(policy, changes).unwrap();
    assert_eq!(token.subject(), "alice");
    token.passed_over().map(str::to_owned).collect()
}

#[test]
fn what_nothing_needs_is_passed_over_by_name() {
    for name in ["acr", "jti", "client_id", "azp", "cid", "appid"] {
        for value in ["7", "[]", "{}", "false", "null", r#"["x"]"#] {
            assert_eq!(passed_over(&[(name, value)]), [name], "{value}");
        }
    }
    for value in [
        r#""yesterday""#,
        "-1",
        "1e300",
        "null",
        "{}",
        r#"["x"]"#,
        "true",
    ] {
        assert_eq!(
            passed_over(&[("auth_time", value)]),
            ["auth_time"],
            "{value}"
        );
    }
    for name in ["idtyp", "gty", "username"] {
        assert_eq!(passed_over(&[(name, "null")]), [name]);
    }
    for value in [
        "7",
        "null",
        "{}",
        "[7]",
        r#"["a",null]"#,
        r#"[["a"]]"#,
        "true",
    ] {
        for name in ["scope", "scopes", "scp", "roles", "permissions"] {
            assert_eq!(passed_over(&[(name, value)]), [name], "{value}");
        }
        let nested = format!(r#"{{"roles":{value}}}"#);
        assert_eq!(
            passed_over(&[("realm_access", &nested)]),
            ["/realm_access/roles"]
        );
    }
    for value in ["7", "null", "[]", r#""x""#, r#"[{"roles":["admin"]}]"#] {
        assert_eq!(
            passed_over(&[("realm_access", value)]),
            ["/realm_access/roles"],
            "{value}"
        );
    }
    // What nobody looks for may have any form; what is fine is not named.
    assert_eq!(
        passed_over(&[("groups", "7"), ("realm_access", "{}"), ("acr", r#""1""#)]),
        [""; 0]
    );
}

/// Names that the issuer chooses do not reach the audit.
#[test]
fn only_known_names_are_told_each_once() {
    let many: Vec<(String, String)> = (0..50)
        .map(|n| (format!("x{n}"), "null".to_owned()))
        .collect();
    let mut changes: Vec<(&str, &str)> =
        many.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    changes.extend([("acr", "7"), ("scope", "7"), ("azp", "7")]);
    assert_eq!(passed_over(&changes), ["acr", "azp", "scope"]);
    let policy = TokenPolicy {
        scope_claims: vec!["azp".into()],
        ..policy()
    };
    let token = judge(policy, &[("azp", "7")]).unwrap();
    assert_eq!(token.passed_over().collect::<Vec<_>>(), ["azp"]);
}

#[test]
fn an_odd_scope_is_not_replaced_by_the_next_place() {
    let scopes = |changes: &[(&str, &str)]| {
        let token = judge(policy(), changes).unwrap();
        token.scopes().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(scopes(&[("scope", "7"), ("scp", r#"["admin"]"#)]), [""; 0]);
    assert_eq!(
        scopes(&[("scope", "null"), ("scp", r#"["admin"]"#)]),
        ["admin"]
    );
}

fn judged(requirement: &Requirement, changes: &[(&str, &str)]) -> Judgement {
    let policy = TokenPolicy {
        roles_claims: vec!["roles".into()],
        permissions_claim: Some("permissions".into()),
        ..policy()
    };
    let roles: Roles = [("admin", &["delete".to_owned()][..])]
        .into_iter()
        .collect();
    requirement.judge(
        &Principal::from(judge(policy, changes).unwrap()),
        &roles,
        &crate::requirement::Answers::default(),
    )
}

#[test]
fn a_requirement_refuses_the_claim_that_it_cannot_read() {
    let odd = [("scope", "7"), ("roles", "7"), ("permissions", "7")];
    for requirement in [
        scope("a"),
        role("admin"),
        permission("delete"),
        permission("other"),
    ] {
        assert_eq!(
            judged(&requirement, &odd),
            Judgement::Unreadable,
            "{requirement}"
        );
    }
    // Roles give permissions; but only those that a role has.
    assert_eq!(
        judged(&permission("delete"), &[("roles", "7")]),
        Judgement::Unreadable
    );
    assert_eq!(
        judged(&permission("other"), &[("roles", "7")]),
        Judgement::Forbidden
    );
    let given = [("roles", "7"), ("permissions", r#"["delete"]"#)];
    assert_eq!(judged(&permission("delete"), &given), Judgement::Met);
    // What is met without it is met.
    let half = [("scope", r#""a""#), ("roles", "7")];
    assert_eq!(
        judged(&any_of([role("admin"), scope("a")]), &half),
        Judgement::Met
    );
    assert_eq!(
        judged(&all_of([role("admin"), scope("a")]), &half),
        Judgement::Unreadable
    );
    // Null is none.
    let null = [
        ("scope", "null"),
        ("roles", "null"),
        ("permissions", "null"),
    ];
    assert_eq!(judged(&scope("a"), &null), Judgement::ScopeMissing);
    assert_eq!(judged(&role("admin"), &null), Judgement::Forbidden);
    assert_eq!(judged(&permission("delete"), &null), Judgement::Forbidden);
}

#[test]
fn absence_satisfies_no_negation() {
    let innocent = test_of("not_suspended", |caller: &Principal| {
        !caller.has_role("suspended")
    });
    assert_eq!(judged(&innocent, &[]), Judgement::Met);
    assert_eq!(
        judged(&innocent, &[("roles", r#"["user"]"#), ("acr", "7")]),
        Judgement::Met
    );
    for changes in [
        ("roles", r#"[{"name":"suspended"}]"#),
        ("roles", "null"),
        ("permissions", "{}"),
        ("scope", "null"),
        // A client that looks like a user.
        ("client_id", r#"["alice"]"#),
        ("azp", "7"),
    ] {
        assert_eq!(
            judged(&innocent, &[changes]),
            Judgement::Unreadable,
            "{changes:?}"
        );
    }
    assert_eq!(judged(&innocent, &[("client_id", "null")]), Judgement::Met);
    assert_eq!(
        judged(&any_of([innocent, role("admin")]), &[("roles", "7")]),
        Judgement::Unreadable
    );
}

#[test]
fn a_revocation_can_name_a_number_and_nothing_else_that_is_no_text() {
    let id = |value: &str| {
        let token = judge(policy(), &[("jti", value)]).unwrap();
        (
            token.id().map(str::to_owned),
            token.revocable_id().map(str::to_owned),
            token.unread().id,
        )
    };
    let known = |id: &str| Some(id.to_owned());
    assert_eq!(id(r#""7""#), (known("7"), known("7"), false));
    assert_eq!(id("7"), (None, known("7"), false));
    assert_eq!(id("-7"), (None, known("-7"), false));
    assert_eq!(id("0"), (None, known("0"), false));
    assert_eq!(
        id("9007199254740991"),
        (None, known("9007199254740991"), false)
    );
    assert_eq!(id("null"), (None, None, false));
    for value in ["7.5", "9007199254740993000", "[7]", "{}", "true"] {
        assert_eq!(id(value), (None, None, true), "{value}");
    }
}

#[test]
fn what_is_passed_over_weighs() {
    let weight = |changes: &[(&str, &str)]| judge(policy(), changes).unwrap().memory();
    let odd = weight(&[("acr", "7"), ("azp", "7")]);
    let plain = weight(&[("acx", "7"), ("azx", "7")]);
    assert!(odd >= plain + 2 * size_of::<Box<str>>() + "acrazp".len());
}
