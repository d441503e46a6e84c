//! What cases guard, as the books of the repository say it: `docs/pitfalls.md`, `docs/standards.md` and the invariants
//! of `ARCHITECTURE.md`. `cargo xtask tidy` checks their form.

use std::sync::LazyLock;

use crate::model::Guard;

const PITFALLS: &str = include_str!("../../../docs/pitfalls.md");
const STANDARDS: &str = include_str!("../../../docs/standards.md");
const ARCHITECTURE: &str = include_str!("../../../ARCHITECTURE.md");

/// What stands under one number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As cases name it.
    pub(crate) guard: Guard,
    /// One line.
    pub(crate) title: String,
    /// What follows the title, as it is written; an invariant has nothing else.
    pub(crate) text: String,
}

impl Entry {
    /// Whether anything of it is built.
    pub(crate) fn is_built(&self) -> bool {
        !self.text.starts_with("**Not built yet.**")
    }
}

/// All entries, book by book, in the order of their numbers.
pub(crate) fn entries() -> &'static [Entry] {
    static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
        let mut entries = read("PITFALLS", PITFALLS);
        entries.extend(read("STANDARDS", STANDARDS));
        entries.extend(read_invariants(ARCHITECTURE));
        entries
    });
    &ENTRIES
}

/// The entry that a case guards.
pub(crate) fn entry(guard: &Guard) -> Option<&'static Entry> {
    entries().iter().find(|entry| entry.guard == *guard)
}

/// The headings `## 6. JWT` with all that follows them, up to the next heading that is as high.
fn read(list: &str, book: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut inside = None;
    for line in book.lines() {
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        if level > 0 {
            let heading = line.trim_start_matches('#').trim();
            if let Some((number, title)) = numbered(heading) {
                entries.push(Entry {
                    guard: guard(list, number),
                    title: title.to_owned(),
                    text: String::new(),
                });
                inside = Some(level);
                continue;
            }
            inside = inside.filter(|own| level > *own);
        }
        if let (Some(_), Some(entry)) = (inside, entries.last_mut()) {
            entry.text.push_str(line);
            entry.text.push('\n');
        }
    }
    for entry in &mut entries {
        entry.text = entry.text.trim().to_owned();
    }
    entries
}

/// The items of the list under "Invariants", each on one line and without the tests that it names.
fn read_invariants(architecture: &str) -> Vec<Entry> {
    let lines = architecture.lines();
    let list = lines.skip_while(|line| *line != "## Invariants").skip(2);
    let mut entries: Vec<Entry> = Vec::new();
    for line in list.take_while(|line| !line.is_empty()) {
        match (numbered(line), entries.last_mut()) {
            (Some((number, title)), _) => entries.push(Entry {
                guard: guard("INVARIANT", number),
                title: title.to_owned(),
                text: String::new(),
            }),
            (None, Some(entry)) => {
                entry.title.push(' ');
                entry.title.push_str(line.trim());
            }
            (None, None) => {}
        }
    }
    for entry in &mut entries {
        if let Some((title, _)) = entry.title.split_once(" Test: ") {
            entry.title = title.to_owned();
        }
    }
    entries
}

/// `6. JWT` as 6 and the rest.
fn numbered(line: &str) -> Option<(u16, &str)> {
    let (number, rest) = line.split_once(". ")?;
    Some((number.parse().ok()?, rest))
}

fn guard(list: &str, number: u16) -> Guard {
    Guard {
        list: list.to_owned(),
        number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_ends_at_the_next_heading_that_is_as_high() {
        let book = "# Book\n\nText.\n\n## 1. One\n\nA.\n\n### 1.1 Part\n\nB.\n\n## Other\n\nC.\n\n### 2. Two\n\nD.\n\n## End\n\nE.\n";
        let read = read("PITFALLS", book);
        let seen: Vec<_> = read
            .iter()
            .map(|entry| (entry.guard.number, &*entry.title, &*entry.text))
            .collect();
        assert_eq!(
            seen,
            [(1, "One", "A.\n\n### 1.1 Part\n\nB."), (2, "Two", "D.")]
        );
    }

    #[test]
    fn an_invariant_is_one_line_without_its_tests() {
        let text = "1. No.\n\n## Invariants\n\n1. One.\n   More. Test: `a`,\n   `b`\n2. Two.\n   Test: `c`\n\n3. No.\n";
        let read = read_invariants(text);
        let titles: Vec<_> = read.iter().map(|entry| &*entry.title).collect();
        assert_eq!(titles, ["One. More.", "Two."]);
    }

    #[test]
    fn the_books_are_read_whole() {
        let of = |list: &str| {
            let entries = entries().iter().filter(|entry| entry.guard.list == list);
            entries.map(|entry| entry.guard.number).collect::<Vec<_>>()
        };
        for (list, least) in [("PITFALLS", 68), ("STANDARDS", 13), ("INVARIANT", 9)] {
            let numbers = of(list);
            assert!(numbers.len() >= least, "{list}: {numbers:?}");
            assert!(
                numbers.iter().copied().eq(1..=numbers.len() as u16),
                "{list}: {numbers:?}"
            );
        }
        let is_told = |entry: &Entry| !entry.title.is_empty() && !entry.title.contains("Test:");
        assert!(entries().iter().all(is_told));
        let issuer = entry(&guard("PITFALLS", 17)).unwrap();
        assert!(issuer.text.contains("503") && issuer.is_built());
        assert!(!entry(&guard("STANDARDS", 12)).unwrap().is_built());
    }
}
