//! The tree of case files, as it runs.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::beside::Beside;
use crate::case::{CaseText, Except, Guard};
use crate::harness::App;
use crate::keys::Keys;
use crate::reader::Reader;
use crate::token::Token;

/// All case files, read and checked.
#[derive(Debug)]
pub struct Suite {
    pub(crate) files: Vec<File>,
}

/// A mistake in a case file or in a policy beside it.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// One file: the cases that share a server.
#[derive(Debug)]
pub(crate) struct File {
    /// Relative to the root, without the ending.
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) app: App,
    /// The policy's text with the file's additions; macros are not yet expanded.
    pub(crate) policy: String,
    pub(crate) defaults: Defaults,
    pub(crate) http2: bool,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) cases: Vec<Case>,
}

impl File {
    /// The credential `{token:NAME}`, made at `now`.
    pub(crate) fn mint(
        &self,
        name: &str,
        keys: &Keys,
        beside: &Beside,
        now: u64,
    ) -> Result<String, String> {
        let token = self.tokens.get(name);
        let token = token.ok_or_else(|| format!("there is no [token.{name}]"))?;
        token.mint(&self.defaults.token, keys, beside, now)
    }
}

/// One case: its `each` has been written out.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) guards: Vec<Guard>,
    pub(crate) parser: Vec<String>,
    pub(crate) except: BTreeMap<String, Except>,
    pub(crate) fresh: bool,
    pub(crate) policy_add: String,
    pub(crate) each: Option<String>,
    /// One at least.
    pub(crate) steps: Vec<CaseText>,
}

/// The `[defaults]` of a policy in the case tree: what cases need not repeat.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Defaults {
    /// The `Host` that is added to requests.
    pub(crate) host: String,
    /// What every token starts from.
    pub(crate) token: Token,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            token: Token::default(),
        }
    }
}

impl Suite {
    /// Reads every `*.toml` under `root`; policies lie in `root/policies`.
    ///
    /// # Errors
    /// The mistakes of all files, each with file and line.
    pub fn read(root: &Path) -> Result<Self, Vec<Mistake>> {
        let mut paths = Vec::new();
        find(root, &mut paths).map_err(|error| vec![Mistake::unreadable(root, &error)])?;
        let (mut files, mut mistakes) = (Vec::new(), Vec::new());
        for path in paths {
            let name = path.strip_prefix(root).unwrap_or(&path).with_extension("");
            if name.starts_with("policies") {
                continue;
            }
            let name = name.to_string_lossy().replace('\\', "/");
            match Reader::open(root, &path).and_then(|reader| reader.read(name)) {
                Ok(file) => files.push(file),
                Err(found) => mistakes.extend(found),
            }
        }
        if mistakes.is_empty() {
            Ok(Self { files })
        } else {
            Err(mistakes)
        }
    }

    /// How many cases there are, with every value of `each` counted.
    pub fn len(&self) -> usize {
        self.files.iter().map(|file| file.cases.len()).sum()
    }

    /// Whether there are no cases.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Mistake {
    pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self {
            file: path.display().to_string(),
            line: 1,
            message: format!("cannot be read: {error}"),
        }
    }
}

/// A policy with tables added at its end.
pub(crate) fn join(policy: &str, added: &str) -> String {
    if added.is_empty() {
        policy.to_owned()
    } else {
        format!("{}\n{added}", policy.trim_end())
    }
}

fn find(folder: &Path, paths: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            find(&path, paths)?;
        } else if path.extension().is_some_and(|ending| ending == "toml") {
            paths.push(path);
        }
    }
    Ok(())
}
