use super::*;

fn read(template: &str, syntax: TemplateSyntax) -> String {
    let shown = RouteTemplate::parse(template, syntax);
    let shown = shown.parts().iter().map(|part| match part {
        Part::Literal(text) => text.to_string(),
        Part::Parameter => "{}".to_owned(),
        Part::Mixed => "{mixed}".to_owned(),
        Part::Rest => "{*}".to_owned(),
    });
    shown.map(|part| format!("/{part}")).collect()
}

#[test]
fn each_syntax_is_read() {
    use TemplateSyntax::{Actix, Axum, Poem};
    for (syntax, template, expected) in [
        (Axum, "/", "/"),
        (Axum, "/users/{id}", "/users/{}"),
        (Axum, "/users/{id}/", "/users/{}/"),
        (Axum, "/files/{*rest}", "/files/{*}"),
        (Axum, "/u/%40me", "/u/%40me"),
        (Axum, "/a/{{x}}", "/a/{mixed}"),
        (Actix, "/users/{id}", "/users/{}"),
        (Actix, "/users/{id:\\d+}", "/users/{}"),
        (Actix, "/users/{id:[0-9a-f-]{36}}", "/users/{}"),
        (Actix, "/users/{id:[^/]+}", "/users/{}"),
        (Actix, "/{lang:de|en}/x", "/{}/x"),
        (Actix, "/files/{name}.{kind:\\w+}", "/files/{mixed}"),
        (Actix, "/files/{rest:.*}", "/files/{*}"),
        (Actix, "/files/{rest:.+}/x", "/files/{*}"),
        (Actix, "/files/{rest:[^{}]+}", "/files/{*}"),
        (Actix, "/files/{name:[a-z]+\\.txt}", "/files/{}"),
        (Actix, "/files/a{rest:.*}", "/files/{*}"),
        (Actix, "/files/{tail}*", "/files/{*}"),
        (Actix, "/files/x{tail}*", "/files/{*}"),
        (Actix, "/x/{id}/*", "/x/{}/{*}"),
        (Actix, "/files/f{x:\\w{1}.*}", "/files/{*}"),
        (Actix, "/files/f{x:\\w{2}}", "/files/{mixed}"),
        (Actix, "/files/{id:\\d*}", "/files/{*}"),
        (Actix, "/files/{id:\\d{0,3}}", "/files/{*}"),
        (Actix, "/files/{id:(a|)}", "/files/{*}"),
        (Actix, "/ü/a b/a+b", "/%C3%BC/a%20b/a+b"),
        (Actix, "/a%2Bb/%41", "/a%2Bb/%2541"),
        (Poem, "/users/:id", "/users/{}"),
        (Poem, "/users/:id<\\d+>", "/users/{}"),
        (Poem, "/users/<\\d+>", "/users/{}"),
        (Poem, "/v:n", "/{mixed}"),
        (Poem, "/:a<\\d+>.json", "/{mixed}"),
        (Poem, "/files/*rest", "/files/{*}"),
        (Poem, "/:a<\\d+>*rest", "/{*}"),
        (Poem, "/files/:id<\\d*>", "/files/{*}"),
        (Poem, "/files/:rest<.+>", "/files/{*}"),
        (Poem, "/x/:a<[^/]+/y>/z", "/x/{*}"),
        (Poem, "/u/%C3%BC", "/u/%C3%BC"),
    ] {
        assert_eq!(read(template, syntax), expected, "{template}");
    }
}

#[test]
fn a_regular_expression_that_might_hold_a_slash_reaches_beyond() {
    for beyond in [
        ".*",
        "a.b",
        "[^a]+",
        "[ -z]",
        "[!-~]",
        "[.-9]",
        "a/b",
        "\\D",
        "\\W+",
        "\\S",
        "\\x2f",
        "\\/",
        "[+-9]",
        "(?s)a",
        "[[:punct:]]",
        "\\p{P}",
        "[a",
        "\\",
    ] {
        assert_eq!(Reach::of(beyond), Reach::Beyond, "{beyond}");
    }
    for within in [
        "\\d+",
        "^\\d+$",
        "[a-z0-9_-]+",
        "[A-Z]{2,3}",
        "(a|b)",
        "v[0-9.]+",
        "\\d{4}-\\d{2}",
    ] {
        assert_eq!(Reach::of(within), Reach::Segment, "{within}");
    }
}

#[test]
fn a_template_fits_the_paths_of_its_route() {
    let template = |text| RouteTemplate::parse(text, TemplateSyntax::Actix);
    for (route, path, fits, loosely) in [
        ("/a", "/a", true, true),
        ("/a", "/a/", false, true),
        ("/a/", "/a", false, true),
        ("/", "/", true, true),
        ("/@", "/%40", true, true),
        ("/ü", "/%C3%BC", true, true),
        ("/ü", "/%c3%bc", true, true),
        ("/{x}", "/", false, false),
        ("/{x}", "/a", true, true),
        ("/{x}", "/a/b", false, false),
        ("/f/{rest:.*}", "/f/", true, true),
        ("/f/{rest:.*}", "/f", true, true),
        ("/f/{rest:.*}", "/f/a/b", true, true),
        ("/f/{rest:.*}", "/g", false, false),
        ("/a", "*", false, false),
    ] {
        assert_eq!(template(route).fits(path), fits, "{route} {path}");
        assert_eq!(
            template(route).fits_loosely(path),
            loosely,
            "{route} {path}"
        );
    }
    assert!(template("/svc").with_rest().fits("/svc"));
    assert!(template("/svc/").with_rest().fits("/svc/7"));
}

#[test]
fn a_template_meets_the_patterns_that_share_a_path_with_it() {
    let meets = |route, pattern| {
        let route = RouteTemplate::parse(route, TemplateSyntax::Axum);
        route.may_meet(&Pattern::parse(pattern).unwrap())
    };
    for (route, pattern) in [
        ("/users/{id}", "/users/me"),
        ("/users/me", "/users/{id}"),
        ("/users/me", "/{*rest}"),
        ("/{*rest}", "/users/me"),
        ("/a", "/a/"),
        ("/a/", "/a"),
        ("/", "/"),
    ] {
        assert!(meets(route, pattern), "{route} {pattern}");
    }
    for (route, pattern) in [
        ("/users/me", "/users/you"),
        ("/a", "/a/b"),
        ("/a/{b}/c", "/a/b"),
    ] {
        assert!(!meets(route, pattern), "{route} {pattern}");
    }
}
