//! What a case is, as plain data: files, cases, steps and the values in them. All other modules read it; it does nothing.

mod explained;
mod issuer;
mod step;
mod token;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

pub use explained::Explained;
pub(crate) use issuer::{IssuerText, WordOr};
pub(crate) use step::{Expectation, Revoke, Sending, Step};
pub(crate) use token::{ABSENT, Tamper, Token, object};
pub(crate) use value::{Advance, OneOrMany, Pattern};

/// The header in which the probe application echoes the subject its handler saw.
pub const PRINCIPAL_ECHO: &str = "x-probe-principal";

/// The frameworks that `parser` and `except` may name.
pub(crate) const FRAMEWORKS: [&str; 3] = ["axum", "actix", "poem"];

/// The applications that cases are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum App {
    /// Routes made for cases alone: they echo what the handler saw.
    Probe,
    /// The example application.
    Demo,
    /// `Probe` without the security layer.
    Unlayered,
    /// `Probe` on a server that does not tell the address of the peer.
    Peerless,
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
    pub(crate) steps: Vec<Step>,
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

/// A declared difference of one framework.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Except {
    /// Shown in the matrix.
    pub(crate) reason: String,
    /// What this framework answers instead; without it the case is not run there.
    #[serde(default)]
    pub(crate) status: Option<u16>,
}

impl Except {
    /// The case is not run on this framework.
    pub fn not_run(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            status: None,
        }
    }

    /// This framework answers with `status` instead, which is checked.
    pub fn status(status: u16, reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            status: Some(status),
        }
    }
}

/// Which case it is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CaseInfo<'a> {
    /// The case's file, relative to the tree, without its ending.
    pub file: &'a str,
    /// The case's name.
    pub name: &'a str,
    /// The application that it is written for.
    pub app: App,
    /// Whether it goes over HTTP/2.
    pub http2: bool,
    except: &'a BTreeMap<String, Except>,
}

impl CaseInfo<'_> {
    /// What the case declares for a framework of this repository, for one that does the same.
    pub fn except_of(&self, framework: &str) -> Option<Except> {
        self.except.get(framework).cloned()
    }
}

impl Case {
    /// Which case of `file` this is.
    pub(crate) fn info<'a>(&'a self, file: &'a File) -> CaseInfo<'a> {
        CaseInfo {
            file: &file.name,
            name: &self.name,
            app: file.app,
            http2: file.http2,
            except: &self.except,
        }
    }
}

/// What a case guards: `PITFALLS 19` of `docs/pitfalls.md`, `STANDARDS 1` of `docs/standards.md`, `INVARIANT 4` of
/// `ARCHITECTURE.md`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Guard {
    /// The list it stands in.
    pub list: String,
    /// The number it has there.
    pub number: u16,
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.list, self.number)
    }
}

impl<'de> Deserialize<'de> for Guard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parts = text
            .split_once(' ')
            .and_then(|(list, number)| Some((list, number.parse().ok()?)));
        match parts {
            Some((list @ ("PITFALLS" | "STANDARDS" | "INVARIANT"), number)) => Ok(Self {
                list: list.to_owned(),
                number,
            }),
            _ => Err(D::Error::custom(format!(
                "`{text}` is no guard; write `PITFALLS 19`, `STANDARDS 1` or `INVARIANT 4`"
            ))),
        }
    }
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
