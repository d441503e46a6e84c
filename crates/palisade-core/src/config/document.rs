//! The text of a policy file as a tree of values, and the line of every key in it.

use super::Mistakes;
use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

/// Parses the text and notes the line of every key, so that whoever finds a mistake needs to
/// know the key only. `None` after every syntax error was reported.
pub(crate) fn parse<'i>(text: &'i str, mistakes: &mut Mistakes) -> Option<DeTable<'i>> {
    let lines = Lines::of(text);
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        // Only the message: the error's own display would repeat the line, secrets and all.
        let line = error.span().map(|span| lines.number(span.start));
        mistakes.add_at_line("", line, error.message());
    }
    if !errors.is_empty() {
        return None;
    }
    let root = root.into_inner();
    locate_table(&root, "", &lines, mistakes);
    Some(root)
}

/// The key `name` in the table at `path`, as TOML would write it.
pub(crate) fn join(path: &str, name: &str) -> String {
    let bare = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    match (path, bare) {
        ("", true) => name.to_owned(),
        ("", false) => format!("{name:?}"),
        (_, true) => format!("{path}.{name}"),
        (_, false) => format!("{path}.{name:?}"),
    }
}

fn locate_table(table: &DeTable<'_>, path: &str, lines: &Lines, mistakes: &mut Mistakes) {
    for (name, value) in table {
        let path = join(path, name.get_ref());
        let line = lines.number(name.span().start);
        locate_value(value, path, line, lines, mistakes);
    }
}

fn locate_value(
    value: &Spanned<DeValue<'_>>,
    path: String,
    line: usize,
    lines: &Lines,
    mistakes: &mut Mistakes,
) {
    match value.get_ref() {
        DeValue::Table(table) => locate_table(table, &path, lines, mistakes),
        DeValue::Array(array) => {
            for (index, element) in array.iter().enumerate() {
                let line = lines.number(element.span().start);
                locate_value(element, format!("{path}[{index}]"), line, lines, mistakes);
            }
        }
        _ => {}
    }
    mistakes.locate(path, line);
}

/// Where each line begins.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        Self(ends.map(|(index, _)| index + 1).collect())
    }

    /// The line that holds the byte at `offset`, counted from 1.
    fn number(&self, offset: usize) -> usize {
        self.0.partition_point(|&start| start <= offset) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_syntax_error_is_listed_with_its_line_and_without_its_text() {
        let mut mistakes = Mistakes::default();
        let text = "a = \nb = 1\nb = 'swordfish'\nc = 'swordfish\n";
        assert!(parse(text, &mut mistakes).is_none());
        let error = mistakes.into_error();
        let lines: Vec<_> = error.mistakes().iter().map(|one| one.line).collect();
        assert_eq!(lines, [Some(1), Some(3), Some(4)], "{error}");
        assert!(!error.to_string().contains("swordfish"), "{error}");
    }

    #[test]
    fn a_key_is_found_by_its_path() {
        let mut mistakes = Mistakes::default();
        let text = "x = 1\n[a.b]\nc = [\n  1,\n  2,\n]\n[[r]]\nd = 1\n[[r]]\n\"e f\" = { g = 1 }\n";
        parse(text, &mut mistakes).unwrap();
        let line = |key: &str| mistakes.line_of(key);
        assert_eq!(line("x"), Some(1));
        assert_eq!(line("a.b"), Some(2));
        assert_eq!(line("a.b.c[1]"), Some(5));
        assert_eq!(line("r[0].d"), Some(8));
        assert_eq!(line("r[1]"), Some(9));
        assert_eq!(line("r[1].\"e f\".g"), Some(10));
        assert_eq!(line("r[1].missing"), Some(9));
        assert_eq!(line("nowhere"), None);
    }
}
