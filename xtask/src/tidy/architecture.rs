//! The numbered invariants of `ARCHITECTURE.md`: each names the tests that keep it, and they exist.
//!
//! ```text
//! 8. Time and randomness come through ports; only `ports.rs` asks the system.
//!    Test: `only_the_ports_ask_the_system`
//! ```
//!
//! A name is a test function, the `name` of a conformance case, or a file of cases.

use super::tree::{File, assert_none, file, files, has_word};

/// The invariants that hold today; the tenth, persisted forms, has nothing persisted yet.
const INVARIANTS: usize = 9;

#[test]
fn every_invariant_names_tests_that_exist() {
    let files = files();
    let invariants = invariants(&file("ARCHITECTURE.md").text);
    let mut wrong = Vec::new();
    for number in 1..=INVARIANTS {
        let Some((_, tests)) = invariants.iter().find(|(found, _)| *found == number) else {
            wrong.push(format!("{number} is missing"));
            continue;
        };
        if tests.is_empty() {
            wrong.push(format!(
                "{number} names no test; write `Test:` and its name"
            ));
        }
        let missing = tests.iter().filter(|test| !exists(&files, test));
        wrong.extend(missing.map(|test| format!("{number} names `{test}`, which does not exist")));
    }
    assert_none(wrong, "the invariants of ARCHITECTURE.md");
}

/// The stages that explanations name are those that the page draws, in this order, and each has a file.
#[test]
fn the_stages_are_drawn_in_their_order() {
    let stages = file("crates/palisade-core/src/engine/stage/mod.rs").text;
    let words = stages.split("fn as_str").nth(1).unwrap_or_default();
    let words = words.split('}').next().unwrap_or_default();
    let names: Vec<&str> = words.split('"').skip(1).step_by(2).collect();
    let page = file("ARCHITECTURE.md").text;
    let drawn = page
        .split("## ")
        .find(|part| part.starts_with("Bird's eye"));
    let drawn = drawn.unwrap_or_default().lines().filter_map(|line| {
        let (number, rest) = line.trim().split_once(' ')?;
        let number: usize = number.parse().ok()?;
        Some((number, rest.split_whitespace().next()?))
    });
    let drawn: Vec<_> = drawn.collect();
    let listed: Vec<_> = (1..).zip(names.iter().copied()).collect();
    assert_eq!(
        drawn, listed,
        "the drawing of ARCHITECTURE.md beside `Stage`"
    );

    let files = files();
    let is_room = |name: &&str| {
        let name = if name.ends_with("_limits") {
            "limits"
        } else {
            name
        };
        let path = format!("crates/palisade-core/src/engine/stage/{name}.rs");
        files.iter().any(|file| file.path == path)
    };
    let homeless: Vec<_> = names.iter().filter(|name| !is_room(name)).collect();
    assert!(homeless.is_empty(), "stages without a file: {homeless:?}");
}

/// Number and tests of each item of the numbered list under the heading that speaks of invariants.
pub(super) fn invariants(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut invariants: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with('#') {
            inside = line.to_lowercase().contains("invariant");
        } else if let Some((number, rest)) = item(line).filter(|_| inside) {
            invariants.push((number, rest.to_owned()));
        } else if let Some((_, item)) = invariants.last_mut().filter(|_| inside) {
            item.push(' ');
            item.push_str(line);
        }
    }
    let tests = |(number, item): (usize, String)| (number, tests(&item));
    invariants.into_iter().map(tests).collect()
}

/// `8. Text` as its number and text.
fn item(line: &str) -> Option<(usize, &str)> {
    let (number, rest) = line.split_once(". ")?;
    Some((number.parse().ok()?, rest))
}

/// The names in backticks after `Test:` or `Tests:`.
fn tests(item: &str) -> Vec<String> {
    let after = item
        .split_once("Test:")
        .or_else(|| item.split_once("Tests:"));
    let names = after.map_or("", |(_, names)| names);
    names
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// `path::name` and `name` are functions, `file: name` and `name` are cases, `cases/file.toml` is a file.
fn exists(files: &[File], test: &str) -> bool {
    let function = test.rsplit("::").next().unwrap_or(test);
    let case = test.rsplit(": ").next().unwrap_or(test);
    files.iter().any(|file| {
        if file.path.ends_with(".rs") {
            is_test(&file.text, function)
        } else if is_case_file(&file.path) {
            file.path.ends_with(test) || file.text.contains(&format!("\nname = \"{case}\"\n"))
        } else {
            false
        }
    })
}

/// Whether `text` has a function of this name with an attribute such as `#[test]` or `#[tokio::test]`.
fn is_test(text: &str, function: &str) -> bool {
    let function = format!("fn {function}");
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    lines.iter().enumerate().any(|(at, line)| {
        let before = lines.iter().take(at).rev();
        let mut attributes = before.take_while(|line| line.starts_with("#["));
        has_word(line, &function) && attributes.any(|line| line.contains("test]"))
    })
}

fn is_case_file(path: &str) -> bool {
    path.starts_with("crates/palisade-conformance/cases/") && path.ends_with(".toml")
}

#[test]
fn reads_numbers_and_names() {
    let text = "\
1. Not one.

## Invariants
1. One line. Test: `a`
2. Two lines, with `code`.
   Tests: `b::c`,
   `file: a case`.

3. None.
## Map
4. Not one.
";
    let read = invariants(text);
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(
        read,
        [
            (1, names(&["a"])),
            (2, names(&["b::c", "file: a case"])),
            (3, names(&[]))
        ]
    );
}

#[test]
fn knows_functions_cases_and_files() {
    let file = |path: &str, text: &str| File {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let files = [
        file("crates/a/src/b.rs", "#[test]\nfn expired() {}\n"),
        file(
            "crates/palisade-conformance/cases/hosts.toml",
            "[[case]]\nname = \"two hosts\"\n",
        ),
    ];
    for name in [
        "expired",
        "b::expired",
        "two hosts",
        "hosts: two hosts",
        "cases/hosts.toml",
    ] {
        assert!(exists(&files, name), "{name}");
    }
    assert!(!exists(&files, "expire"));
    assert!(!exists(&files, "helper"));
    assert!(!exists(&files, "two"));
}
