//! The files of the repository, as the rules see them.

use std::fs;
use std::process::Command;

use crate::step::root;

/// The crates that adapt a framework. A fourth one is added here.
pub(super) const ADAPTERS: [&str; 3] = ["palisade-tower", "palisade-actix", "palisade-poem"];

/// A text file that git tracks or would track.
#[derive(Debug)]
pub(super) struct File {
    /// From the root of the repository, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    /// The lines of code, with their numbers: without comments and without the unit tests at the end.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let code = self.text.split("\n#[cfg(test)]\nmod tests {").next();
        let lines = code
            .unwrap_or_default()
            .lines()
            .map(without_comment)
            .enumerate();
        lines.map(|(index, line)| (index + 1, line))
    }

    /// `path:line: text` of every line of code that `is_wrong`.
    pub(super) fn wrong_code(&self, is_wrong: impl Fn(&str) -> bool) -> Vec<String> {
        self.code()
            .filter(|(_, line)| is_wrong(line))
            .map(|(number, line)| format!("{}:{number}: {}", self.path, line.trim()))
            .collect()
    }

    /// The path from `folder`, which ends with a slash.
    pub(super) fn name_in(&self, folder: &str) -> &str {
        self.path.strip_prefix(folder).unwrap_or(&self.path)
    }

    /// Whether all of it is tests.
    pub(super) fn is_of_tests(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }
}

/// All of them.
pub(super) fn files() -> Vec<File> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output()
        .expect("git lists the files that are checked");
    assert!(listed.status.success(), "{listed:?}");
    let paths = String::from_utf8(listed.stdout).expect("paths are UTF-8");
    let paths = paths.split_terminator('\0');
    // What was deleted and is still in the index cannot be read, and neither can what is no text.
    paths
        .filter_map(|path| {
            Some(File {
                path: path.to_owned(),
                text: fs::read_to_string(root().join(path)).ok()?,
            })
        })
        .collect()
}

/// Those below `folder` whose name ends with `ending`.
pub(super) fn files_in(folder: &str, ending: &str) -> Vec<File> {
    let mut files = files();
    files.retain(|file| file.path.starts_with(folder) && file.path.ends_with(ending));
    files
}

/// One file.
pub(super) fn file(path: &str) -> File {
    let text = fs::read_to_string(root().join(path));
    File {
        path: path.to_owned(),
        text: text.unwrap_or_else(|error| panic!("{path} cannot be read: {error}")),
    }
}

/// The crates that are published, by name.
pub(super) fn shipped_crates() -> Vec<String> {
    let manifests = files_in("crates/", "/Cargo.toml");
    manifests
        .iter()
        .filter(|file| !file.text.contains("\npublish = false"))
        .filter_map(|file| Some(file.path.split('/').nth(1)?.to_owned()))
        .collect()
}

/// The source of the crates that are published, without tests.
pub(super) fn shipped_source() -> Vec<File> {
    let crates = shipped_crates();
    let mut source = files_in("crates/", ".rs");
    source.retain(|file| {
        let mut parts = file.path.split('/').skip(1);
        let shipped = parts
            .next()
            .is_some_and(|name| crates.iter().any(|it| it == name));
        shipped && parts.next() == Some("src") && !file.is_of_tests()
    });
    assert!(!source.is_empty());
    source
}

/// Whether `line` has `word`, not as a part of a longer name.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    let is_name = |char: char| char.is_alphanumeric() || char == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, from) = line.split_at(at);
        let after = from.strip_prefix(word).unwrap_or_default();
        !before.ends_with(is_name) && !after.starts_with(is_name)
    })
}

/// Fails with the rule and all that break it.
#[track_caller]
pub(super) fn assert_none(wrong: Vec<String>, rule: &str) {
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

/// A comment starts with two slashes; those after a colon belong to a URL.
fn without_comment(line: &str) -> &str {
    let mut parts = line.match_indices("//").map(|(at, _)| line.split_at(at).0);
    parts.find(|before| !before.ends_with(':')).unwrap_or(line)
}

#[test]
fn code_is_neither_comment_nor_unit_test() {
    let file = File {
        path: "a.rs".to_owned(),
        text: "//! 400\nlet a = 1; // 500\n\"https://x\"\n\n#[cfg(test)]\nmod tests {\n401\n}\n"
            .to_owned(),
    };
    let code: Vec<_> = file.code().filter(|(_, line)| !line.is_empty()).collect();
    assert_eq!(code, [(2, "let a = 1; "), (3, "\"https://x\"")]);
}

#[test]
fn words_are_whole() {
    assert!(has_word("fn expired() {", "expired"));
    assert!(!has_word("fn expired_at() {", "expired"));
    assert!(!has_word("fn is_expired() {", "expired"));
}
