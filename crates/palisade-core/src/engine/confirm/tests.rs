use super::super::tests::{get, poll};
use super::*;
use crate::{Palisade, Verdict};

const POLICY: &str = r#"
    [api_key.main]
    header = "x-api-key"
    prefix = "test"

    [[rule]]
    path = "/users/me"
    require = "public"

    [[rule]]
    path = "/users/{id}"
    require = "authenticated"

    [[rule]]
    path = "/both"
    require = "public"
    trailing_slash = "same"

    [[rule]]
    path = "/part/one"
    route = "/part/{id}"
    require = "public"

    [[rule]]
    path = "/get"
    methods = ["GET"]
    require = "public"

    [[rule]]
    path = "/files/{*rest}"
    require = "public"

    [[rule]]
    path = "/files/secret"
    require = "authenticated"

    [[rule]]
    path = "/files/secret/{*rest}"
    require = "authenticated"
"#;

fn grant(policy: &str, path: &'static str) -> Grant {
    let palisade = Palisade::from_toml_str(policy).unwrap();
    let mut exchange = palisade.open(&get(path, &[]));
    match poll(&mut exchange) {
        Some(Verdict::Admit(admission)) => admission.grant,
        other => panic!("{path}: {other:?}"),
    }
}

fn taken<'a>(method: &'a str, path: &'a str, template: &'a str) -> TakenRoute<'a> {
    TakenRoute {
        method: method.as_bytes(),
        path: path.as_bytes(),
        template: Some(template),
        syntax: TemplateSyntax::Axum,
        opaque: false,
    }
}

#[test]
fn a_route_runs_under_its_own_rule_alone() {
    for (path, at_route, template, confirmed) in [
        ("/users/me", "/users/me", "/users/me", true),
        ("/users/me", "/me", "/users/me", true),
        ("/users/me", "/users/me", "/users/{id}", false),
        ("/users/me", "/users/me", "/{*rest}", false),
        ("/users/me", "/users/me", "/users/you", false),
        ("/users/me", "/users/you", "/users/me", false),
        ("/both", "/both", "/both", true),
        ("/both/", "/both", "/both", true),
        ("/both", "/both/", "/both/", true),
        ("/part/one", "/part/one", "/part/{id}", true),
        ("/part/one", "/part/one", "/part/{*rest}", false),
        ("/get", "/", "/get/", true),
        ("/files/a", "/files/a", "/files/{name}", true),
        ("/files/a/b", "/files/a/b", "/files/{a}/{b}", true),
        ("/files/a", "/files/a", "/{a}/{b}", false),
    ] {
        let grant = grant(POLICY, path);
        let answer = grant.confirm(&taken("GET", at_route, template));
        assert_eq!(answer.is_ok(), confirmed, "{path} {at_route} {template}");
        assert_eq!(grant.is_confirmed(), confirmed, "{path} {template}");
    }
    let root = TakenRoute {
        template: None,
        ..taken("GET", "/", "")
    };
    let answer = grant(POLICY, "/both").confirm(&root);
    assert_eq!(
        answer.unwrap_err().status,
        500,
        "the path was changed to the root"
    );
    let head = grant(POLICY, "/get").confirm(&taken("HEAD", "/get", "/get"));
    assert_eq!(head.unwrap_err().status, 500, "the method was changed");
}

#[test]
fn a_layer_inside_lets_pass_what_the_outer_one_judged_and_nothing_else() {
    let grant = grant(POLICY, "/users/me");
    assert!(grant.confirm_unchanged(b"GET", b"/users/me").is_ok());
    for (method, path) in [
        ("GET", "/users/you"),
        ("POST", "/users/me"),
        ("GET", "/me"),
        ("GET", "/"),
    ] {
        let answer = grant.confirm_unchanged(method.as_bytes(), path.as_bytes());
        assert_eq!(answer.unwrap_err().status, 500, "{method} {path}");
    }
}

#[test]
fn beneath_a_mount_no_rule_may_be_stricter() {
    let mount = |path: &'static str, template: &'static str| {
        let taken = TakenRoute {
            opaque: true,
            ..taken("GET", path, template)
        };
        grant(POLICY, path).confirm(&taken).is_ok()
    };
    assert!(mount("/files/a/b", "/files/{*rest}"));
    assert!(
        !mount("/users/me", "/users/{*rest}"),
        "no rule covers the mount"
    );
    // A route of the mount for every name may have the rule for every name.
    let named = "[[rule]]\npath = \"/files/{name}\"\nrequire = \"authenticated\"\n\
                 [[rule]]\npath = \"/files/open\"\nrequire = \"public\"\n";
    let taken = TakenRoute {
        opaque: true,
        ..taken("GET", "/files/open", "/files/{*rest}")
    };
    let policy = format!("{POLICY}{named}");
    assert!(grant(&policy, "/files/open").confirm(&taken).is_err());
}

#[test]
fn a_framework_that_tells_too_late_may_not_take_a_stricter_route() {
    let map = |templates: &[&str]| {
        let templates = templates.iter().map(|text| ((*text).to_owned(), false));
        RouteMap::new(TemplateSyntax::Actix, templates)
    };
    for (templates, path, confirmed) in [
        (&["/users/me"][..], "/users/me", true),
        (&["/users/me", "/users/{id}"], "/users/me", false),
        (&["/users/me", "/users/{id:\\d+}"], "/users/me", false),
        (&["/users/you", "/users/me/{x}"], "/users/me", true),
        (&["/{*x}", "/{x:.*}"], "/users/me", false),
        (&["/files/{a:.*}"], "/files/a/b", true),
        (&["/files/a/b/"], "/files/a/b", true),
        (&["/part/{id}"], "/part/one", true),
        (&[], "/users/me", true),
    ] {
        let routes = map(templates);
        let grant = grant(POLICY, path);
        for _ in 0..2 {
            assert_eq!(
                routes.confirm(&grant).is_ok(),
                confirmed,
                "{templates:?} {path}"
            );
        }
    }
}

/// Of a route that is known only afterwards nothing tells how the path was spelled when it was taken.
#[test]
fn a_literal_of_a_route_in_another_spelling_has_the_rules_of_both() {
    let policy = format!(
        "{POLICY}\n[[rule]]\npath = \"/{{*rest}}\"\nrequire = \"public\"\n\
         [[rule]]\npath = \"/a@b/{{*rest}}\"\nrequire = \"authenticated\"\n\
         [[rule]]\npath = \"/a@b\"\nrequire = \"authenticated\"\n\
         [[rule]]\npath = \"/a@b/open\"\nrequire = \"public\"\n"
    );
    let confirmed = |template| {
        let grant = grant(&policy, "/a@b/open");
        grant.confirm_template(Some(template), TemplateSyntax::Poem)
    };
    assert!(confirmed("/a%40b/open").is_ok());
    assert_eq!(confirmed("/a%40b/*rest").unwrap_err().status, 500);
}

/// Although the rule of the root covers all that may have been taken.
#[test]
fn a_route_that_nothing_tells_may_be_any_that_fits_the_path() {
    let root = "[[rule]]\npath = \"/{*rest}\"\nrequire = \"public\"\n";
    let policy = format!("{POLICY}\n{root}");
    for (path, confirmed) in [("/open", true), ("/users/me", false)] {
        let answer = grant(&policy, path).confirm_template(None, TemplateSyntax::Poem);
        assert_eq!(answer.is_ok(), confirmed, "{path}");
    }
}

#[test]
fn what_is_only_reported_is_served() {
    let policy = format!("{POLICY}\n[routes]\nuncertain = \"report\"\n");
    let grant = grant(&policy, "/users/me");
    assert!(
        grant
            .confirm(&taken("GET", "/users/me", "/users/{id}"))
            .is_ok()
    );
    assert_eq!(
        grant.confirmation().reported(),
        Some("route_of_another_rule")
    );
    // What is confirmed later does not undo it.
    assert!(
        grant
            .confirm(&taken("GET", "/users/me", "/users/me"))
            .is_ok()
    );
    assert_eq!(
        grant.confirmation().reported(),
        Some("route_of_another_rule")
    );
}

#[test]
fn a_promise_to_confirm_is_kept_or_the_answer_withheld() {
    let grant = grant(POLICY, "/files/a");
    assert!(grant.check_promise().is_ok(), "none was given");
    grant.promise();
    assert_eq!(grant.check_promise().unwrap_err().status, 500);
    grant
        .confirm(&taken("GET", "/files/a", "/files/{a}"))
        .unwrap();
    assert!(grant.check_promise().is_ok());
}

#[test]
fn templates_that_were_taken_are_remembered_and_bounded() {
    let grant = grant(POLICY, "/files/a");
    for number in 0..known::MOST_ROUTES + 10 {
        let template = format!("/files/{{a{number}}}");
        assert!(grant.confirm(&taken("GET", "/files/a", &template)).is_ok());
    }
    assert_eq!(grant.policy().routes.len(), known::MOST_ROUTES);
}
