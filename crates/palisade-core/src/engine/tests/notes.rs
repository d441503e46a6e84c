//! What `palisade check` says beside mistakes and warnings, and that requests see it so.

use super::{get, poll};
use crate::{Grant, Palisade, TemplateSyntax, Verdict};

const POLICY: &str = r#"
    [api_key.main]
    prefix = "pk"
    [api_key.other]
    prefix = "po"
    [[limit]]
    name = "machines"
    quota = "10/minute"
    by = "credential"
    default = true
    [[rule]]
    path = "/{*rest}"
    require = "authenticated"
    [[rule]]
    path = "/users"
    require = "authenticated"
    [[rule]]
    path = "/users/{id}"
    require = { role = "admin" }
    [[rule]]
    path = "/users/@me"
    require = "public"
    [[rule]]
    path = "/items"
    require = "authenticated"
    trailing_slash = "same"
    [[rule]]
    path = "/health"
    probe = true
    route = "/{*rest}"
"#;

fn admitted(palisade: &Palisade, path: &'static str) -> Result<Grant, u16> {
    match poll(&mut palisade.open(&get(path, &[]))) {
        Some(Verdict::Admit(admission)) => Ok(admission.grant),
        Some(Verdict::Refuse(reply)) => Err(reply.status.as_u16()),
        other => panic!("{path}: {other:?}"),
    }
}

#[test]
fn the_notes_name_rules_whose_meaning_is_easily_overlooked() {
    let palisade = Palisade::from_toml_str(POLICY).unwrap();
    let notes = palisade.describe().notes;
    let starts = [
        (
            "rule[0]",
            "rules with fewer demands lie within /{*rest}: /users/@me. ",
        ),
        (
            "rule[2]",
            "rules with fewer demands lie within /users/{id}: /users/@me. ",
        ),
        (
            "rule[0]",
            "does not answer for /, /users/, /users/{id}/, /users/@me/, /health/: 400, ",
        ),
        ("rule[3]", "answers for /users/@me in this spelling; "),
        (
            "api_key.other",
            "reads header x-api-key, as \"main\" does: ",
        ),
        ("limit[0].by", "counts each credential of each scheme; "),
    ];
    assert_eq!(notes.len(), starts.len(), "{notes:#?}");
    for (note, (key, start)) in notes.iter().zip(starts) {
        assert_eq!(note.key, key);
        assert!(note.message.starts_with(start), "{note}");
    }
}

#[test]
fn what_the_notes_say_is_what_requests_meet() {
    let palisade = Palisade::from_toml_str(POLICY).unwrap();
    for path in [
        "/",
        "/users/",
        "/users/7/",
        "/users/@me/",
        "/health/",
        "/users/%40me",
    ] {
        assert_eq!(admitted(&palisade, path).unwrap_err(), 400, "{path}");
    }
    let answer = |path, route| {
        let grant = admitted(&palisade, path).unwrap();
        let answer = grant.confirm_template(Some(route), TemplateSyntax::Axum);
        answer.map_err(|reply| reply.status.as_u16())
    };
    assert_eq!(answer("/users/@me", "/users/@me"), Ok(()));
    assert_eq!(answer("/users/@me", "/users/{id}"), Err(500));
    assert_eq!(answer("/users/@me", "/{*rest}"), Err(500));
    assert_eq!(answer("/health", "/{*rest}"), Ok(()));
}
