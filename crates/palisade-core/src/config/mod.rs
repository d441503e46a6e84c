//! Mistakes in a policy, and warnings about it: collected, not thrown at the first one.

mod document;
mod outline;
pub(crate) mod reference;
mod section;
mod value;

pub(crate) use document::{join, parse};
pub(crate) use section::{Section, guess, near};

use serde::Serialize;
use std::{collections::HashMap, fmt, path::PathBuf, sync::Arc};

/// One mistake in a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file, where the policy came from one.
    pub file: Option<Arc<PathBuf>>,
    /// The line in the file, counted from 1.
    pub line: Option<usize>,
    /// The key, such as `jwt.main.audience` or `rule[2].path`.
    pub key: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, self.file.as_deref(), self.line, &self.key)?;
        f.write_str(&self.message)
    }
}

/// Something in a policy that is allowed and probably not meant. The policy serves all the same;
/// the log says it once at the start, and `palisade check` says it too.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigWarning {
    /// The file, where the policy came from one.
    pub file: Option<Arc<PathBuf>>,
    /// The line in the file, counted from 1.
    pub line: Option<usize>,
    /// The key, such as `limit[0].by`.
    pub key: String,
    /// What it means, and what is safer.
    pub message: String,
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, self.file.as_deref(), self.line, &self.key)?;
        f.write_str(&self.message)
    }
}

/// A setting that cannot be worked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The key within the scheme's section, such as `jwks_url`; empty for the section itself.
    pub key: &'static str,
    /// What is wrong, and what would be right; no secret.
    pub message: String,
}

impl Unfit {
    /// What is wrong with the setting `key`.
    pub fn new(key: &'static str, message: impl Into<String>) -> Self {
        Self {
            key,
            message: message.into(),
        }
    }
}

/// What a part of a policy means, where that is easily overlooked. Nothing is wrong with it; `palisade check` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Note {
    /// The key, such as `rule[2]`.
    pub key: String,
    /// What it means, and what to write where something else is meant.
    pub message: String,
}

impl Note {
    pub(crate) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, None, None, &self.key)?;
        f.write_str(&self.message)
    }
}

/// `palisade.toml:7: rule[2].path: `, as far as it is known.
fn place(
    f: &mut fmt::Formatter<'_>,
    file: Option<&PathBuf>,
    line: Option<usize>,
    key: &str,
) -> fmt::Result {
    if let Some(file) = file {
        write!(f, "{}:", file.display())?;
    }
    if let Some(line) = line {
        write!(f, "{line}:")?;
    }
    if file.is_some() || line.is_some() {
        f.write_str(" ")?;
    }
    match key {
        "" => Ok(()),
        key => write!(f, "{key}: "),
    }
}

/// Every mistake of a policy, in the order of the file.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    mistakes: Vec<Mistake>,
}

impl ConfigError {
    /// A mistake that stands at no place.
    pub(crate) fn of(message: &str) -> Self {
        let mut mistakes = Mistakes::default();
        mistakes.add("", message);
        mistakes.into_error()
    }

    /// The mistakes.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

/// The same list as `Display`: a `main` that returns the error prints its `Debug`.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigError {}

/// Mistakes and warnings as they are found, and where the file has each key.
#[derive(Debug, Clone, Default)]
pub struct Mistakes {
    list: Vec<Mistake>,
    warnings: Vec<ConfigWarning>,
    file: Option<Arc<PathBuf>>,
    lines: HashMap<String, usize>,
}

impl Mistakes {
    /// Adds a mistake at `key`; the place is looked up, at a parent if the key itself is not in
    /// the file. A second mistake at the same key is dropped: it mostly follows from the first.
    pub fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        let key = key.into();
        let line = self.line_of(&key);
        self.add_at_line(key, line, message);
    }

    pub(crate) fn add_at_line(
        &mut self,
        key: impl Into<String>,
        line: Option<usize>,
        message: impl Into<String>,
    ) {
        let key = key.into();
        if !key.is_empty() && self.list.iter().any(|mistake| mistake.key == key) {
            return;
        }
        self.list.push(Mistake {
            file: self.file.clone(),
            line,
            key,
            message: message.into(),
        });
    }

    /// Adds a warning at `key`; the place is looked up as for a mistake. The same words at the
    /// same key are said once.
    pub fn warn(&mut self, key: impl Into<String>, message: impl Into<String>) {
        let key = key.into();
        let warning = ConfigWarning {
            file: self.file.clone(),
            line: self.line_of(&key),
            key,
            message: message.into(),
        };
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Adds a warning unless the key has one.
    pub(crate) fn warn_once(&mut self, key: impl Into<String>, message: impl Into<String>) {
        let key = key.into();
        if !self.warnings.iter().any(|warning| warning.key == key) {
            self.warn(key, message);
        }
    }

    /// Whether a mistake was reported at the key or beneath it.
    pub fn has(&self, key: &str) -> bool {
        self.list.iter().any(|mistake| {
            mistake
                .key
                .strip_prefix(key)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn set_file(&mut self, file: PathBuf) {
        self.file = Some(Arc::new(file));
    }

    pub(crate) fn locate(&mut self, key: impl Into<String>, line: usize) {
        self.lines.insert(key.into(), line);
    }

    /// The warnings, in the order of the file.
    pub(crate) fn take_warnings(&mut self) -> Vec<ConfigWarning> {
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.sort_by_key(|warning| warning.line);
        warnings
    }

    pub(crate) fn into_error(mut self) -> ConfigError {
        self.list.sort_by_key(|mistake| mistake.line);
        ConfigError {
            mistakes: self.list,
        }
    }

    fn line_of(&self, key: &str) -> Option<usize> {
        let mut key = key;
        loop {
            if let Some(&line) = self.lines.get(key) {
                return Some(line);
            }
            let end = key.rfind(['.', '['])?;
            (key, _) = key.split_at_checked(end)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_said_once_with_its_place_and_is_no_mistake() {
        let mut mistakes = Mistakes::default();
        mistakes.set_file("palisade.toml".into());
        mistakes.locate("limit[0]", 7);
        mistakes.locate("cors", 2);
        for _ in 0..2 {
            mistakes.warn("limit[0].by", "counts by a header");
        }
        mistakes.warn("cors.origins[0]", "is wide");
        assert!(mistakes.is_empty());
        let shown = mistakes
            .take_warnings()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>();
        assert_eq!(
            shown,
            [
                "palisade.toml:2: cors.origins[0]: is wide",
                "palisade.toml:7: limit[0].by: counts by a header",
            ]
        );
    }
}
