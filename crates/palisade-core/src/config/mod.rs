//! Mistakes in a policy: collected, not thrown at the first one.

mod document;
mod outline;
mod section;
mod value;

pub(crate) use document::{join, parse};
pub(crate) use section::Section;

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
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
        }
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if self.file.is_some() || self.line.is_some() {
            f.write_str(" ")?;
        }
        match self.key.as_str() {
            "" => f.write_str(&self.message),
            key => write!(f, "{key}: {}", self.message),
        }
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

/// Mistakes as they are found, and where the file has each key.
#[derive(Debug, Clone, Default)]
pub struct Mistakes {
    list: Vec<Mistake>,
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
