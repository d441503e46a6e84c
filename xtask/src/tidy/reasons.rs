//! What Palisade refuses with is a word of `Cause`, so that docs/audit.md has it: never text at the place that refuses.
//!
//! ```text
//! Err(Reason::new(Code::HttpsRequired, Cause::PlainHttp))
//! ```
//!
//! Applications and schemes from outside write text; the shipped crates do not.

use super::tree::{File, assert_none, file, has_word, shipped_source};

const CAUSES: &str = "crates/palisade-core/src/cause.rs";

/// What is followed by a word for the audit: a refusal after its code, and what a scheme says.
const SAYS: [&str; 3] = ["Reason::new(", "Malformed(", "cause: "];

#[test]
fn every_refusal_names_its_cause() {
    assert_none(
        literals(&shipped_source()),
        "text where a `Cause` belongs: add a line to cause.rs and a row to docs/audit.md",
    );
}

#[test]
fn every_cause_is_said_somewhere() {
    let causes = file(CAUSES);
    let variants = variants(&causes);
    assert!(variants.len() > 100, "{variants:?}: the list has moved");
    assert_none(
        unsaid(&variants, &shipped_source()),
        "nothing refuses with these; take them out of cause.rs and docs/audit.md",
    );
}

#[test]
fn a_word_as_text_and_a_cause_that_nothing_says_are_found() {
    let of = |text: &str| {
        let path = "crates/palisade-core/src/engine/a.rs".to_owned();
        let text = text.to_owned();
        [File { path, text }]
    };
    for (text, found) in [
        ("Err(Reason::new(Code::NotFound, \"gone\"))", 1),
        (
            "Err(Reason::new(\n    Code::NotFound,\n    \"gone\",\n))",
            1,
        ),
        ("Reason::new(code(), \"gone\".to_owned())", 1),
        ("Reason::new(Code::NotFound, format!(\"gone\"))", 1),
        ("Presented::Malformed(\"gone\")", 1),
        ("Rejected {\n    cause: \"gone\",\n    hint: None,\n}", 1),
        (
            "Reason::new(Code::NotFound, Cause::Gone).member(\"a\", b)",
            0,
        ),
        ("Reason::new(Code::NotFound, cause);\nlet a = \"b\";", 0),
        ("// Reason::new(Code::NotFound, \"gone\")", 0),
        (
            "Rejected {\n    cause: why.reason(),\n    hint: \"a\",\n}",
            0,
        ),
        ("a.cause(\"b\")", 0),
    ] {
        assert_eq!(literals(&of(text)).len(), found, "{text}");
    }
    let list = of(
        "causes! {\n    /// Gone.\n    Gone = \"gone\";\n    /// Lost.\n    Lost = \"lost\";\n}\n",
    );
    let variants = variants(&list[0]);
    assert_eq!(variants, ["Gone", "Lost"]);
    let said = of("Err(Cause::Gone)\n// Cause::Lost\nCause::LostAgain");
    assert_eq!(unsaid(&variants, &said), ["Lost"]);
}

/// Places that give the audit text.
fn literals(source: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in source.iter().filter(|file| file.path != CAUSES) {
        let code: String = file.code().map(|(_, line)| format!("{line}\n")).collect();
        for says in SAYS {
            let places = code.match_indices(says);
            let texts = places.filter_map(|(at, _)| {
                let (before, from) = code.split_at(at);
                let rest = from.strip_prefix(says)?;
                let said = argument(rest, says.ends_with(' '));
                said.contains('"')
                    .then(|| format!("{}:{}: {says}{said}", file.path, before.lines().count()))
            });
            found.extend(texts);
        }
    }
    found
}

/// Up to the end of the call, or of the one field.
fn argument(rest: &str, is_field: bool) -> &str {
    let mut depth = 0_usize;
    let end = rest.find(|char: char| match char {
        '(' | '[' | '{' => {
            depth += 1;
            false
        }
        ')' | ']' | '}' if depth == 0 => true,
        ')' | ']' | '}' => {
            depth -= 1;
            false
        }
        ',' => is_field && depth == 0,
        _ => false,
    });
    rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
}

/// The names in the list of causes.
fn variants(causes: &File) -> Vec<String> {
    let list = causes.text.split("\ncauses! {\n").nth(1).or_else(|| {
        // The list is all there is.
        causes.text.strip_prefix("causes! {\n")
    });
    let list = list.unwrap_or_default().split("\n}").next();
    let lines = list.unwrap_or_default().lines();
    lines
        .filter_map(|line| Some(line.trim().split_once(" = \"")?.0.to_owned()))
        .collect()
}

/// Those that no other file names.
fn unsaid(variants: &[String], source: &[File]) -> Vec<String> {
    let others = source.iter().filter(|file| file.path != CAUSES);
    let code: Vec<&str> = others
        .flat_map(|file| file.code().map(|(_, line)| line))
        .collect();
    let is_said = |variant: &&String| {
        let name = format!("Cause::{variant}");
        code.iter().any(|line| has_word(line, &name))
    };
    variants
        .iter()
        .filter(|variant| !is_said(variant))
        .cloned()
        .collect()
}
