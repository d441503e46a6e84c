//! An adapter translates. What decides, and what two adapters would repeat, is in core.

use super::tree::{ADAPTERS, File, assert_none, files_in};

/// The files of every adapter: who has read one has read all. What a framework makes too long for one file is in a folder
/// of its name.
const FILES: [&str; 8] = [
    "body.rs",
    "confirm.rs",
    "extract.rs",
    "head.rs",
    "layer.rs",
    "lib.rs",
    "reply.rs",
    "require.rs",
];

#[test]
fn adapters_have_the_same_files() {
    for adapter in ADAPTERS {
        let folder = format!("crates/{adapter}/src/");
        let mut files = files_in(&folder, "");
        files.retain(|file| !file.is_of_tests() && !file.name_in(&folder).contains('/'));
        let names: Vec<_> = files.iter().map(|file| file.name_in(&folder)).collect();
        assert_eq!(names, FILES, "{folder}");
    }
}

#[test]
fn adapters_decide_nothing() {
    let source = |adapter| files_in(&format!("crates/{adapter}/src/"), ".rs");
    let files: Vec<File> = ADAPTERS.into_iter().flat_map(source).collect();
    let decides = |line: &str| defines_trait(line) || names_status(line);
    let wrong = files.iter().flat_map(|file| file.wrong_code(decides));
    assert_none(wrong.collect(), "traits and status codes belong in core");
}

fn defines_trait(line: &str) -> bool {
    let start = line.trim_start();
    start.starts_with("trait ") || start.starts_with("pub") && start.contains(" trait ")
}

/// A constant (`StatusCode::OK`), a number from 400 to 599, or a constructor that is named after a status. Only 500 may
/// be named: it stands where a conversion between two versions of a type cannot fail.
fn names_status(line: &str) -> bool {
    let is_upper = |text: &str| {
        text.starts_with(|char: char| char.is_ascii_uppercase())
            && !text.starts_with("INTERNAL_SERVER_ERROR")
    };
    let constant = |name| line.split(name).skip(1).any(is_upper);
    let mut words = line.split(|char: char| !char.is_alphanumeric() && char != '_');
    constant("StatusCode::")
        || constant("HttpResponse::")
        || constant("error::Error")
        || words.any(|word| {
            word.parse()
                .is_ok_and(|number| (400..600).contains(&number))
        })
}

#[test]
fn finds_traits_but_not_their_implementations() {
    assert!(defines_trait("pub(crate) trait Reply {"));
    assert!(!defines_trait("impl RequestHead for Head<'_> {"));
}

#[test]
fn finds_statuses_by_name_and_by_number() {
    assert!(names_status("StatusCode::UNAUTHORIZED"));
    assert!(names_status("HttpResponse::Forbidden().finish()"));
    assert!(names_status("refuse(401, code)"));
    assert!(!names_status(
        "StatusCode::from_u16(reply.status().as_u16())"
    ));
    assert!(!names_status("HttpResponse::new(status)"));
    assert!(!names_status("StatusCode::INTERNAL_SERVER_ERROR"));
    assert!(names_status("actix_web::error::ErrorForbidden(reason)"));
    assert!(!names_status("impl std::error::Error for Rejection {}"));
    assert!(!names_status("[0; 4000]"));
}
