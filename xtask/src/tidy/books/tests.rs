//! Books and files with planted faults. `@P` and `@S` stand for the names of the books, which would be citations here.

use super::*;

const PITFALLS: &str = "\
# Pitfalls

Text.

## Group

### 1. One thing

It happened.

## Another group

### 2. Two things

**Not built yet.** It will.
";

const STANDARDS: &str =
    "## 1. A\n\n### 1.1 B\n\nText.\n\n**Not built yet:** a part.\n\n### 2.1 In vain\n";

fn book() -> Book {
    let mut book = Book::default();
    let entries = entries("PITFALLS", PITFALLS).chain(entries("STANDARDS", STANDARDS));
    entries.for_each(|entry| book.add(entry));
    book
}

fn file(path: &str, text: &str) -> File {
    File {
        path: path.to_owned(),
        text: text.replace("@P", "PITFALLS").replace("@S", "STANDARDS"),
    }
}

const CASES: &str = "crates/palisade-conformance/cases/a.toml";

#[test]
fn a_number_that_is_in_no_book_is_found() {
    let files = [
        file(
            CASES,
            "\nguards = [\"@P 1\", \"@S 1\"]\n\nguards = [\n  \"@P 3\",\n]\n",
        ),
        file(
            "a.rs",
            "/// @P 2, @P 47.\n/// @S 1.1, @S 1.2, @S 2.1, @S 2.\n",
        ),
        file("b.md", "@S are a book, and @P too. @S §10 is no place.\n"),
    ];
    assert_eq!(
        missing(&files, &book()),
        [
            format!("{CASES}:5: PITFALLS 3"),
            "a.rs:1: PITFALLS 47".to_owned(),
            "a.rs:2: STANDARDS 1.2".to_owned(),
            "a.rs:2: STANDARDS 2.1".to_owned(),
            "a.rs:2: STANDARDS 2".to_owned(),
        ]
    );
}

#[test]
fn an_entry_that_nothing_shows_is_found() {
    let nothing = [
        file(
            "a.rs",
            "/// @P 1\nfn helper() {}\n\n// @S 1\n\n#[test]\nfn other() {}\n",
        ),
        file("b.rs", "//! @P 1 is not tested here.\n"),
        file("crates/a/Cargo.toml", "\nguards = [\"@S 1\"]\n"),
        file("c.md", "@P 1\n"),
    ];
    let unshown_of = |files: &[File]| unshown(files, &book()).len();
    assert_eq!(unshown_of(&nothing), 2);
    let shown = [
        file(
            "a.rs",
            "/// @P 1: so.\n/// More.\n#[tokio::test]\n#[cfg(unix)]\nfn it() {}\n",
        ),
        file(CASES, "\nguards = [\"@S 1.1\"]\n"),
    ];
    assert_eq!(unshown(&shown, &book()), [""; 0]);
    let module = [file("a.rs", "//! @P 1, @S 1.\n#[test]\nfn it() {}\n")];
    assert_eq!(unshown_of(&module), 0);
}

#[test]
fn an_entry_that_is_built_must_lose_its_mark() {
    let files = [file(CASES, "\nguards = [\"@P 1\", \"@P 2\", \"@S 1\"]\n")];
    assert_eq!(
        unshown(&files, &book()),
        ["PITFALLS 2 is marked as not built, and something shows it"]
    );
}

#[test]
fn a_line_of_the_catalogue_is_read() {
    let line = "    QuotaExceeded = TOO_MANY_REQUESTS, \"quota_exceeded\", \"Quota exceeded\",";
    assert_eq!(code(line), Some((429, "quota_exceeded")));
    assert_eq!(code("let a = b, c;"), None);
}
