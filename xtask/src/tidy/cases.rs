//! The conformance cases: no file lies there unused.

use super::tree::{File, assert_none, files_in};

const CONFORMANCE: &str = "crates/palisade-conformance/";

#[test]
fn every_case_file_has_cases() {
    let wrong = case_files()
        .into_iter()
        .filter(|file| !file.path.ends_with("/README.md"))
        .filter(|file| !file.path.ends_with(".toml") || !file.text.contains("\n[[case]]\n"))
        .map(|file| file.path)
        .collect();
    assert_none(wrong, "without a `[[case]]`");
}

#[test]
fn every_policy_of_the_cases_is_used() {
    let cases = case_files();
    let is_used = |policy: &str| {
        let named = format!("\npolicy = \"{policy}\"\n");
        let names = |file: &File| match policy {
            // What a file has that names none.
            "standard" => !file.text.contains("\npolicy = "),
            _ => file.text.contains(&named),
        };
        cases.iter().any(names)
    };
    let folder = format!("{CONFORMANCE}cases/policies/");
    let policies = files_in(&folder, ".toml");
    let wrong = policies
        .into_iter()
        .filter(|file| {
            let name = file.name_in(&folder).trim_end_matches(".toml");
            !is_used(name)
        })
        .map(|file| file.path)
        .collect();
    assert_none(wrong, "no case uses");
}

#[test]
fn every_corpus_is_used() {
    let source = files_in("crates/", ".rs");
    let folder = format!("{CONFORMANCE}corpus/");
    let wrong = files_in(&folder, "")
        .into_iter()
        .filter(|corpus| {
            let name = corpus.name_in(&folder);
            !source.iter().any(|file| file.text.contains(name))
        })
        .map(|file| file.path)
        .collect();
    assert_none(wrong, "no test reads");
}

/// All but the policies beside them.
fn case_files() -> Vec<File> {
    let mut files = files_in(&format!("{CONFORMANCE}cases/"), "");
    files.retain(|file| !file.path.contains("/policies/"));
    assert!(!files.is_empty());
    files
}
