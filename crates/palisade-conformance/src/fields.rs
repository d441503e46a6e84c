//! The names of keys, as the readers of tables know them, and what is said about a key that a table does not have.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};

use crate::case::CaseText;
use crate::model::{Expectation, Sending};

/// The keys of the table that is read into a `T`, a struct.
pub(crate) fn fields<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    match T::deserialize(Lister) {
        Err(Listed(fields)) => fields,
        Ok(_) => &[],
    }
}

/// A message of the TOML reader; where it is about a key of a step, it says where the key belongs.
pub(crate) fn explained(message: &str) -> String {
    let unknown = message.strip_prefix("unknown field `");
    let Some((key, rest)) = unknown.and_then(|rest| rest.split_once('`')) else {
        return message.to_owned();
    };
    let tables = [
        ("", fields::<CaseText>()),
        ("send.", fields::<Sending>()),
        ("expect.", fields::<Expectation>()),
    ];
    // The reader lists the keys of the table in which it found the unknown one.
    let listed: Vec<_> = rest.split('`').skip(1).step_by(2).collect();
    let Some((here, _)) = tables.iter().find(|(_, keys)| *keys == listed) else {
        return message.to_owned();
    };
    let belongs = tables.iter().find(|(_, keys)| keys.contains(&key));
    if let Some((table, _)) = belongs {
        return format!("there is no key `{here}{key}`; write `{table}{key}`");
    }
    let own = tables.iter().filter(|(table, _)| table == here);
    let others = tables.iter().filter(|(table, _)| table != here);
    let mut names = own
        .chain(others)
        .flat_map(|(table, keys)| keys.iter().map(move |known| (table, known)));
    match names.find(|(_, known)| is_near(key, known)) {
        Some((table, known)) => {
            format!("there is no key `{here}{key}`; did you mean `{table}{known}`?")
        }
        None => format!(
            "there is no key `{here}{key}`{}",
            rest.replacen(", expected", "; it is", 1)
        ),
    }
}

/// Whether the two differ by one letter that is added, left out or another, or by two that have changed places.
fn is_near(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let start = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (
        one.get(start..).unwrap_or_default(),
        other.get(start..).unwrap_or_default(),
    );
    match (one, other) {
        ([a, b, one @ ..], [c, d, other @ ..]) if (a, b) == (d, c) => one == other,
        ([_, one @ ..], [_, other @ ..]) if one == other => true,
        ([_, rest @ ..], other) if rest == other => true,
        (one, [_, rest @ ..]) => one == rest,
        _ => false,
    }
}

/// Reads nothing, and fails with the names of the fields that it is asked for.
struct Lister;

#[derive(Debug)]
struct Listed(&'static [&'static str]);

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

impl std::error::Error for Listed {}

impl Error for Listed {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

impl<'de> Deserializer<'de> for Lister {
    type Error = Listed;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Listed> {
        Err(Listed(fields))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Listed> {
        Err(Listed(&[]))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{FileText, RowTable};
    use crate::model::Token;

    const README: &str = include_str!("../cases/README.md");

    /// The keys in the first column of the table below `heading`, with its second column.
    fn documented(heading: &str) -> Vec<(&'static str, &'static str)> {
        let (_, after) = README.split_once(&format!("\n## {heading}\n")).unwrap();
        let section = after.split("\n## ").next().unwrap_or_default();
        let rows = section.lines().skip_while(|line| !line.starts_with("|---"));
        let rows = rows.skip(1).take_while(|line| line.starts_with('|'));
        rows.flat_map(|row| {
            let mut cells = row.split(" | ");
            let names = cells.next().unwrap_or_default();
            let second = cells.next().unwrap_or_default();
            names
                .split('`')
                .skip(1)
                .step_by(2)
                .map(move |name| (name, second))
        })
        .collect()
    }

    #[track_caller]
    fn same(heading: &str, mut documented: Vec<&str>, keys: &[&str]) {
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        documented.sort_unstable();
        assert_eq!(documented, keys, "{heading}");
    }

    fn names(heading: &str) -> Vec<&'static str> {
        let names = documented(heading).into_iter();
        names
            .map(|(name, _)| name.trim_matches(['[', ']']))
            .collect()
    }

    #[test]
    fn every_key_is_in_one_table_of_the_readme() {
        let file = names("The file").into_iter();
        let file = file.map(|name| name.trim_end_matches(".NAME")).collect();
        same("The file", file, fields::<FileText>());
        same("Tokens", names("Tokens"), fields::<Token>());
        let (send, expect) = (
            documented("What is sent"),
            documented("What must come back"),
        );
        same(
            "What is sent",
            send.iter().map(|row| row.0).collect(),
            fields::<Sending>(),
        );
        same(
            "What must come back",
            expect.iter().map(|row| row.0).collect(),
            fields::<Expectation>(),
        );
        // The case has its own keys, the two tables, and the keys that are said to be usual.
        let mut case = names("The case");
        let steps = case.iter_mut().find(|name| **name == "case.step");
        *steps.unwrap() = "step";
        let usual = send.into_iter().chain(expect);
        case.extend(
            usual
                .filter(|(_, usual)| usual.contains('✓'))
                .map(|(name, _)| name),
        );
        same("The case", case, fields::<CaseText>());
    }

    #[test]
    fn what_a_row_may_change_is_listed() {
        let row = documented("The case");
        let (_, text) = row.iter().find(|(name, _)| *name == "each").unwrap();
        for key in fields::<RowTable>() {
            assert!(
                text.contains(&format!("`{key}`")) || *key == "value",
                "{key}"
            );
        }
    }

    #[test]
    fn a_wrong_key_is_told_where_it_belongs() {
        let case = |text: &str| explained(toml::from_str::<CaseText>(text).unwrap_err().message());
        for (text, message) in [
            (
                "events = 1",
                "there is no key `events`; write `expect.events`",
            ),
            ("raw = true", "there is no key `raw`; write `send.raw`"),
            (
                "send.status = 200",
                "there is no key `send.status`; write `status`",
            ),
            (
                "expect.fresh = true",
                "there is no key `expect.fresh`; write `fresh`",
            ),
            (
                "statsu = 200",
                "there is no key `statsu`; did you mean `status`?",
            ),
            (
                "event = 200",
                "there is no key `event`; did you mean `expect.events`?",
            ),
            (
                "send.pth = ''",
                "there is no key `send.pth`; did you mean `send.path`?",
            ),
        ] {
            assert_eq!(case(text), message, "{text}");
        }
        let none = case("expect.nothing = 1");
        assert!(
            none.starts_with("there is no key `expect.nothing`; it is one of `status`, `headers`"),
            "{none}"
        );
        let token = toml::from_str::<Token>("status = 1").unwrap_err();
        assert_eq!(explained(token.message()), token.message());
    }

    #[test]
    fn one_slip_is_near() {
        for (one, other) in [
            ("statsu", "status"),
            ("statu", "status"),
            ("statuss", "status"),
            ("stetus", "status"),
        ] {
            assert!(is_near(one, other), "{one}");
        }
        assert!(!is_near("stats", "satus") && !is_near("a", "status") && !is_near("raw", "save"));
    }
}
