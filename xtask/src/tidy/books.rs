//! The books that cases and code cite: each number exists, and each entry has a case or a test unless it is not built yet.
//!
//! `docs/standards.md` has its entries as `## 6. JWT`, parts of them as `### 6.1 Claims`; `docs/pitfalls.md` has them as
//! `### 17. …`; the invariants of `ARCHITECTURE.md` can be cited, too. An entry whose first paragraph begins with
//! [`NOT_BUILT`] says what will be built: nothing can show it yet.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use super::architecture::invariants;
use super::tree::{File, assert_none, file, files};

/// Where a book is, and what it is called where it is cited.
const BOOKS: [(&str, &str); 2] = [
    ("STANDARDS", "docs/standards.md"),
    ("PITFALLS", "docs/pitfalls.md"),
];

const INVARIANT: &str = "INVARIANT";

/// How an entry begins of which nothing is built.
const NOT_BUILT: &str = "**Not built yet.**";

#[test]
fn every_number_that_is_cited_is_in_its_book() {
    assert_none(missing(&citing(), &book()), "no such entry");
}

#[test]
fn every_entry_is_shown_or_marked_as_not_built_yet() {
    assert_none(unshown(&citing(), &book()), "cases, tests and books differ");
}

#[test]
fn entries_are_numbered_in_order() {
    for (list, path) in BOOKS {
        let text = file(path).text;
        let numbers: Vec<u16> = entries(list, &text)
            .map(|entry| entry.place.number)
            .collect();
        let counted: Vec<u16> = (1..).take(numbers.len()).collect();
        assert!(!numbers.is_empty(), "{path} has no entries");
        assert_eq!(numbers, counted, "{path}");
    }
}

/// Whatever the client is told stands in the table of section 1, with its status.
#[test]
fn the_catalogue_of_refusals_is_in_the_standards() {
    let standards = file("docs/standards.md").text;
    let catalogue = file("crates/palisade-core/src/problem.rs").text;
    let told: Vec<_> = catalogue.lines().filter_map(code).collect();
    assert!(told.len() > 20, "{told:?}");
    let wrong = told
        .into_iter()
        .filter(|(status, code)| {
            let is_there = |line: &str| {
                line.contains(&format!("| {status} |")) && line.ends_with(&format!("| `{code}` |"))
            };
            !standards.lines().any(is_there)
        })
        .map(|(status, code)| format!("{status} {code}"))
        .collect();
    assert_none(wrong, "docs/standards.md has no line for");
}

/// A line of the catalogue, `Variant = STATUS, "code", …`, as its status and code.
fn code(line: &str) -> Option<(u16, &str)> {
    let (variant, rest) = line.trim().split_once(" = ")?;
    let (status, rest) = rest.split_once(", \"")?;
    let code = rest.split('"').next()?;
    let is_one = variant.chars().all(char::is_alphanumeric);
    let status = match status {
        "BAD_REQUEST" => 400,
        "UNAUTHORIZED" => 401,
        "FORBIDDEN" => 403,
        "NOT_FOUND" => 404,
        "METHOD_NOT_ALLOWED" => 405,
        "REQUEST_TIMEOUT" => 408,
        "CONFLICT" => 409,
        "PAYLOAD_TOO_LARGE" => 413,
        "URI_TOO_LONG" => 414,
        "UNSUPPORTED_MEDIA_TYPE" => 415,
        "MISDIRECTED_REQUEST" => 421,
        "UNPROCESSABLE_ENTITY" => 422,
        "TOO_MANY_REQUESTS" => 429,
        "REQUEST_HEADER_FIELDS_TOO_LARGE" => 431,
        "INTERNAL_SERVER_ERROR" => 500,
        "NOT_IMPLEMENTED" => 501,
        "SERVICE_UNAVAILABLE" => 503,
        // A status that is missing above has no line in the book, and so is found.
        _ => 0,
    };
    is_one.then_some((status, code))
}

/// A place in a book: `STANDARDS 6`, or `STANDARDS 6.1`, a part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    list: &'static str,
    number: u16,
    part: Option<u16>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.list, self.number)?;
        match self.part {
            Some(part) => write!(f, ".{part}"),
            None => Ok(()),
        }
    }
}

/// What all books have.
#[derive(Debug, Default)]
struct Book {
    places: BTreeSet<Place>,
    /// The entries of which nothing is built.
    not_built: BTreeSet<Place>,
}

/// An entry of one book.
#[derive(Debug)]
struct Entry {
    place: Place,
    parts: Vec<Place>,
    is_built: bool,
}

fn book() -> Book {
    let mut book = Book::default();
    for (list, path) in BOOKS {
        for entry in entries(list, &file(path).text) {
            book.add(entry);
        }
    }
    for (number, _) in invariants(&file("ARCHITECTURE.md").text) {
        let number = u16::try_from(number).unwrap_or_default();
        book.places.insert(Place {
            list: INVARIANT,
            number,
            part: None,
        });
    }
    book
}

impl Book {
    fn add(&mut self, entry: Entry) {
        if !entry.is_built {
            self.not_built.insert(entry.place.clone());
        }
        self.places.extend(entry.parts);
        self.places.insert(entry.place);
    }
}

fn entries(list: &'static str, text: &str) -> impl Iterator<Item = Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut begins = false;
    for line in text.lines() {
        let heading = line
            .strip_prefix("##")
            .map(|line| line.trim_start_matches('#').trim());
        if let Some(heading) = heading {
            begins = false;
            if let Some(number) = heading.split_once(". ").and_then(|(n, _)| n.parse().ok()) {
                let place = Place {
                    list,
                    number,
                    part: None,
                };
                entries.push(Entry {
                    place,
                    parts: Vec::new(),
                    is_built: true,
                });
                begins = true;
            } else if let (Some(entry), Some(part)) = (entries.last_mut(), part(heading)) {
                let number = entry.place.number;
                // A part of another entry than the one that it stands in cannot be cited.
                if part.0 == number {
                    entry.parts.push(Place {
                        list,
                        number,
                        part: Some(part.1),
                    });
                }
            }
        } else if !line.is_empty() && begins {
            begins = false;
            if let Some(entry) = entries.last_mut() {
                entry.is_built = !line.starts_with(NOT_BUILT);
            }
        }
    }
    entries.into_iter()
}

/// `6.1 Claims` as 6 and 1.
fn part(heading: &str) -> Option<(u16, u16)> {
    let (number, part) = heading.split(' ').next()?.split_once('.')?;
    Some((number.parse().ok()?, part.parse().ok()?))
}

/// The files that may cite: code, cases and documents.
fn citing() -> Vec<File> {
    let mut files = files();
    files.retain(|file| {
        let endings = [".rs", ".toml", ".md"];
        endings.iter().any(|ending| file.path.ends_with(ending))
    });
    files
}

/// All places that a text cites.
fn cited(text: &str) -> Vec<Place> {
    let lists = BOOKS.iter().map(|(list, _)| *list).chain([INVARIANT]);
    let mut cited = Vec::new();
    for list in lists {
        for rest in text.split(&format!("{list} ")).skip(1) {
            let mut numbers = rest.splitn(3, |char: char| !char.is_ascii_digit());
            let Some(number) = numbers.next().and_then(|number| number.parse().ok()) else {
                continue;
            };
            let digits = number_length(rest);
            let dotted = rest.get(digits..).is_some_and(|rest| rest.starts_with('.'));
            let part = numbers.next().filter(|_| dotted);
            let part = part.and_then(|part| part.parse().ok());
            cited.push(Place { list, number, part });
        }
    }
    cited
}

fn number_length(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// What is cited and stands nowhere.
fn missing(files: &[File], book: &Book) -> Vec<String> {
    let in_file = |file: &File| {
        let lines = file.text.lines().enumerate();
        let wrong = lines.flat_map(|(index, line)| {
            let cited = cited(line).into_iter();
            let missing = cited.filter(|place| !book.places.contains(place));
            missing
                .map(move |place| (index + 1, place))
                .collect::<Vec<_>>()
        });
        wrong
            .map(|(line, place)| format!("{}:{line}: {place}", file.path))
            .collect::<Vec<_>>()
    };
    files.iter().flat_map(in_file).collect()
}

/// The entries that nothing shows, and those that are marked as not built and are shown all the same.
fn unshown(files: &[File], book: &Book) -> Vec<String> {
    let shown: BTreeSet<Place> = files
        .iter()
        .flat_map(shows)
        .map(|place| Place {
            part: None,
            ..place
        })
        .collect();
    let entries = book.places.iter().filter(|place| place.part.is_none());
    entries
        .filter(|place| place.list != INVARIANT)
        .filter_map(
            |place| match (book.not_built.contains(place), shown.contains(place)) {
                (false, false) => Some(format!(
                    "{place} has neither a case nor a test that names it"
                )),
                (true, true) => Some(format!(
                    "{place} is marked as not built, and something shows it"
                )),
                _ => None,
            },
        )
        .collect()
}

/// What a file of cases guards, and what the comments above the tests of a source file cite.
fn shows(file: &File) -> Vec<Place> {
    if file.path.ends_with(".toml") {
        let is_case = file.path.starts_with("crates/palisade-conformance/cases/");
        return if is_case {
            guards(&file.text)
        } else {
            Vec::new()
        };
    }
    if !file.path.ends_with(".rs") {
        return Vec::new();
    }
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    let is_attribute = |line: &&&str| line.starts_with("#[");
    let is_test = |at: usize| {
        let mut after = lines
            .iter()
            .skip(at)
            .skip_while(|line| line.starts_with("//"));
        let mut attributes = after.by_ref().take_while(is_attribute);
        attributes.any(|line| line.contains("test]"))
    };
    let has_tests = lines
        .iter()
        .any(|line| line.contains("test]") && line.starts_with("#["));
    let comments = lines.iter().enumerate().filter(|(at, line)| match *line {
        line if line.starts_with("//!") => has_tests,
        line if line.starts_with("//") => is_test(*at),
        _ => false,
    });
    comments.flat_map(|(_, line)| cited(line)).collect()
}

/// The lists after `guards = `, over several lines too.
fn guards(cases: &str) -> Vec<Place> {
    let lists = cases.split("\nguards = [").skip(1);
    lists
        .filter_map(|rest| rest.split(']').next())
        .flat_map(cited)
        .collect()
}
