use super::*;
use crate::problem::{Code, Reason};
use std::collections::BTreeMap;

const DOCS: &str = include_str!("../../../../docs/audit.md");

/// A row of the page: the answers and what happened.
struct Row {
    answer: &'static str,
    meaning: &'static str,
}

/// The rows with their words, of the part of the page that is about reasons.
fn rows() -> Vec<(&'static str, Row)> {
    let (_, reasons) = DOCS.split_once("\n## Reasons\n").unwrap();
    let lines = reasons.lines().filter(|line| line.starts_with("| `"));
    let cells = lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim));
    cells
        .map(|cells| {
            let cells: Vec<_> = cells.collect();
            let [word, answer, meaning, remedy] = *cells else {
                panic!("{cells:?} has not four cells");
            };
            assert!(!remedy.is_empty(), "{word}");
            (word.trim_matches('`'), Row { answer, meaning })
        })
        .collect()
}

/// What the page gets wrong.
fn mistakes(rows: &[(&'static str, Row)]) -> Vec<String> {
    let mut mistakes = Vec::new();
    let by_word: BTreeMap<_, _> = rows.iter().map(|(word, row)| (*word, row)).collect();
    if by_word.len() < rows.len() {
        mistakes.push("a word has two rows".to_owned());
    }
    for cause in Cause::ALL {
        match by_word.get(cause.as_str()) {
            None => mistakes.push(format!("{cause} has no row")),
            Some(row) if row.meaning != cause.meaning() => {
                mistakes.push(format!("{cause} means: {}", cause.meaning()));
            }
            Some(_) => {}
        }
    }
    for (word, row) in &by_word {
        if Cause::from_word(word).is_none() {
            mistakes.push(format!("{word} is no word of Palisade"));
        }
        let is_answer = |answer: &str| {
            Code::ALL
                .iter()
                .any(|code| answer == format!("{} `{}`", code.status().as_u16(), code.as_str()))
        };
        if !row.answer.split(", ").all(is_answer) {
            mistakes.push(format!("{word} is answered otherwise: {}", row.answer));
        }
    }
    mistakes
}

#[test]
fn the_page_for_operators_has_each_word_once() {
    assert_eq!(mistakes(&rows()), [""; 0], "docs/audit.md");
}

/// Each fault of the page is found.
#[test]
fn a_row_that_is_missing_foreign_or_wrong_is_found() {
    let row = |answer, meaning| Row { answer, meaning };
    let mut rows = rows();
    let (first, _) = rows.remove(0);
    assert_eq!(mistakes(&rows), [format!("{first} has no row")]);
    let meaning = Cause::ALL[0].meaning();
    rows.push((first, row("501 `not_found`", meaning)));
    assert_eq!(
        mistakes(&rows),
        [format!("{first} is answered otherwise: 501 `not_found`")]
    );
    rows.pop();
    rows.push((first, row("404 `not_found`", "Something.")));
    assert_eq!(mistakes(&rows), [format!("{first} means: {meaning}")]);
    rows.pop();
    rows.push((first, row("404 `not_found`", meaning)));
    rows.push(("not_ours", row("404 `not_found`", "Something.")));
    assert_eq!(mistakes(&rows), ["not_ours is no word of Palisade"]);
    rows.pop();
    rows.push((first, row("404 `not_found`", meaning)));
    assert_eq!(mistakes(&rows), ["a word has two rows"]);
}

#[test]
fn words_are_snake_case_and_sentences_are_sentences() {
    for &cause in Cause::ALL {
        let word = cause.as_str();
        let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        assert!(word.bytes().all(is_part), "{word}");
        assert_eq!(Cause::from_word(word), Some(cause));
        let meaning = cause.meaning();
        assert!(
            meaning.ends_with('.') && !meaning.contains('|'),
            "{meaning}"
        );
    }
}

/// Whose word it is does not depend on how it is spelt, unless a scheme says it.
#[test]
fn a_word_of_the_application_is_told_from_one_of_palisade() {
    let ours = Reason::new(Code::InvalidToken, Cause::Expired);
    let theirs = Reason::new(Code::InvalidToken, "expired");
    assert_eq!((ours.cause(), theirs.cause()), ("expired", "expired"));
    assert_eq!(ours.word().cause(), Some(Cause::Expired));
    assert_eq!(theirs.word().cause(), None);
    for word in [
        Word::from("sold_out"),
        Word::from("sold_out".to_owned()),
        Word::from(Cow::Borrowed("sold_out")),
        Word::of_scheme("sold_out"),
    ] {
        assert_eq!(word, Word::Application("sold_out".into()));
        assert_eq!(word.as_str(), "sold_out");
    }
    assert_eq!(Word::of_scheme("expired"), Word::Palisade(Cause::Expired));
}
