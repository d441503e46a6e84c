//! `docs/policy.md`: what people read about each key of a policy file, and editors show.

/// The file beside this one is a link to it, so that it is part of the published crate.
const TEXT: &str = include_str!("policy.md");

/// A row of one of its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// The section that the heading names, such as `api_key.NAME.key`; empty for the top level.
    pub(crate) section: &'static str,
    /// The key.
    pub(crate) key: &'static str,
    /// What holds where the key is absent.
    pub(crate) default: &'static str,
    /// What the key means.
    pub(crate) meaning: &'static str,
}

/// Every row, in the order of the text.
pub(crate) fn rows() -> impl Iterator<Item = Row> {
    let mut section = None;
    TEXT.lines().filter_map(move |line| {
        if let Some(heading) = line.strip_prefix("## ") {
            section = match heading.strip_prefix("`[") {
                Some(named) => named.trim_start_matches('[').split(']').next(),
                None => heading.starts_with("Top level").then_some(""),
            };
        }
        let (key, rest) = line.strip_prefix("| `")?.split_once("` |")?;
        let (default, meaning) = rest.split_once('|')?;
        Some(Row {
            section: section?,
            key,
            default: default.trim(),
            meaning: meaning.trim().trim_end_matches('|').trim_end(),
        })
    })
}

/// What the reference says about a key.
pub(crate) fn meaning(section: &str, key: &str) -> Option<String> {
    let row = rows().find(|row| (row.section, row.key) == (section, key))?;
    Some(match row.default {
        "required" | "none" => row.meaning.to_owned(),
        default => format!("{} (default: {default})", row.meaning),
    })
}
