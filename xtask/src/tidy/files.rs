//! What holds for every file of a kind.

use std::env;

use super::tree::{File, assert_none, file, files, files_in, has_word, shipped_source};
use crate::step::root;

/// Beyond this a file is a question of design.
const MAX_LINES: usize = 600;

#[test]
fn files_are_short() {
    let wrong = files_in("", ".rs")
        .into_iter()
        .map(|file| (file.text.lines().count(), file.path))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .map(|(lines, path)| format!("{path}: {lines}"))
        .collect();
    assert_none(wrong, "more than 600 lines; split by subject");
}

#[test]
fn only_the_ports_ask_the_system() {
    const READS: [&str; 8] = [
        "SystemTime",
        "Instant::now",
        "OffsetDateTime::now_utc",
        "Utc::now",
        "getrandom",
        "OsRng",
        "SystemRandom",
        "rand",
    ];
    let wrong = shipped_source()
        .iter()
        .filter(|file| file.path != "crates/palisade-core/src/ports.rs")
        .flat_map(|file| file.wrong_code(|line| READS.iter().any(|read| has_word(line, read))))
        .collect();
    assert_none(wrong, "take time and randomness through a port");
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let workspace = file("Cargo.toml").text;
    assert!(workspace.contains("\nunsafe_code = \"forbid\"\n"));
    // No member of the workspace, so it has them written out.
    let apart = |file: &File| file.path == "xtask/advisories/Cargo.toml";
    let has_lints = |file: &File| match apart(file) {
        true => file
            .text
            .contains("\n[lints.rust]\nunsafe_code = \"forbid\"\n"),
        false => file.text.contains("\n[lints]\nworkspace = true\n"),
    };
    let wrong = files_in("", "/Cargo.toml")
        .into_iter()
        .filter(|file| !has_lints(file))
        .map(|file| file.path)
        .collect();
    assert_none(wrong, "without `[lints] workspace = true`");
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    let mut places: Vec<_> = ["home", "root", "Users"].map(|it| format!("/{it}/")).into();
    places.extend(["index", "static"].map(|it| format!("{it}.crates.io")));
    places.push(format!("{}/", root().display()));
    // Not `/`, which an account without a home has.
    let home = env::home_dir().filter(|home| home.parent().is_some());
    places.extend(home.map(|home| format!("{}/", home.display())));
    let wrong = files()
        .iter()
        .filter(|file| file.path != "Cargo.lock")
        .flat_map(|file| lines_with(file, &places))
        .collect();
    assert_none(wrong, "a path or a registry of one machine");
}

#[test]
fn the_code_of_the_readme_is_compiled() {
    let readme = file("README.md").text;
    let blocks: Vec<_> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("```rust"))
        .collect();
    assert!(!blocks.is_empty(), "README.md has no Rust code");
    assert!(
        !blocks.iter().any(|block| block.contains("ignore")),
        "README.md has Rust code that is not compiled"
    );
    let includes = |file: &File| {
        let steps = file.path.matches('/').count();
        let path = format!("include_str!(\"{}README.md\")", "../".repeat(steps));
        file.text.contains(&path)
    };
    assert!(
        files_in("", ".rs").iter().any(includes),
        "no crate has README.md among its doc tests: `#[doc = include_str!(\"…/README.md\")]`"
    );
}

fn lines_with(file: &File, texts: &[String]) -> Vec<String> {
    let lines = file.text.lines().enumerate();
    lines
        .filter(|(_, line)| texts.iter().any(|text| line.contains(text)))
        .map(|(index, line)| format!("{}:{}: {}", file.path, index + 1, line.trim()))
        .collect()
}
