//! Secrets, from anywhere but the command line: that shows in process lists and histories.

use crate::{answer::Failure, note};
use clap::Args;
use secrecy::SecretString;
use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
};

/// No token, password or list of headers is larger.
const LONGEST: u64 = 1 << 20;

/// Where a secret is read from.
#[derive(Debug, Args)]
pub(crate) struct SecretSource {
    /// Read it from this file; `-` is standard input, which is the default
    #[arg(long, value_name = "FILE", conflicts_with = "env")]
    file: Option<PathBuf>,

    /// Read it from this environment variable
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
}

impl SecretSource {
    /// The secret without the line end that files and terminals add. `what` it is stands in
    /// errors.
    pub(crate) fn read(&self, what: &str) -> Result<SecretString, Failure> {
        let text = match (&self.env, &self.file) {
            (Some(name), _) => std::env::var(name).map_err(|_| {
                Failure::Outside(format!("the environment variable {name} is not set"))
            })?,
            (None, Some(path)) => read_text(path, what)?,
            (None, None) => read_text(Path::new("-"), what)?,
        };
        let text = text.trim_end_matches(['\r', '\n']);
        match text.is_empty() {
            true => Err(Failure::Outside(format!("the {what} is empty"))),
            false => Ok(text.into()),
        }
    }
}

/// The text of a file; `-` is standard input.
pub(crate) fn read_text(path: &Path, what: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        if io::stdin().is_terminal() {
            note(&format!(
                "type the {what}, which will show, and end with ctrl-d:"
            ));
        }
        io::stdin().take(LONGEST + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
    };
    let failed = |why: &str| {
        Failure::Outside(format!(
            "the {what} cannot be read from {}: {why}",
            path.display()
        ))
    };
    read.map_err(|why| failed(&why.to_string()))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LONGEST) {
        return Err(failed("it is larger than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| failed("it is not UTF-8"))
}
