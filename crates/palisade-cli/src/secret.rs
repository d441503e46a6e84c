//! Secrets, from anywhere but the command line: that shows in process lists and histories.

use crate::{answer::Failure, note};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use std::{
    fs::File,
    io::{self, ErrorKind, IsTerminal, Read},
    path::{Path, PathBuf},
};

/// No token, password, key set or list of headers is larger.
const LONGEST: u64 = 1 << 20;

/// Where a secret is read from.
#[derive(Debug, Args)]
pub(crate) struct SecretSource {
    /// Read it from this file; `-` is standard input, which is the default. What is typed does
    /// not show
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
            _ if self.is_typed() => typed(what, &format!("{what}: "))?,
            (None, Some(path)) => read_text(path, what)?,
            (None, None) => read_text(Path::new("-"), what)?,
        };
        let text = text.trim_end_matches(['\r', '\n']);
        match text.is_empty() {
            true => Err(Failure::Outside(format!("the {what} is empty"))),
            false => Ok(text.into()),
        }
    }

    /// A token, without what people paste along with it.
    pub(crate) fn read_token(&self, what: &str) -> Result<SecretString, Failure> {
        let token = self.read(what)?;
        let text = token.expose_secret().trim();
        let begins = |word: &str| {
            let start = text.get(..word.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        if begins("authorization:") || begins("bearer ") || begins("apikey ") {
            return Err(Failure::Outside(format!(
                "the {what} begins with the name of a header or a scheme; give the {what} alone, \
                 without `Authorization: Bearer`"
            )));
        }
        if text.starts_with(['"', '\'']) {
            return Err(Failure::Outside(format!(
                "the {what} stands in quotes; give the {what} alone"
            )));
        }
        if text.contains(char::is_whitespace) {
            return Err(Failure::Outside(format!(
                "the {what} has a blank or a line end in it; give it in one piece"
            )));
        }
        Ok(text.into())
    }

    /// A secret that nothing can be compared with yet: typed twice, because nobody sees a slip.
    pub(crate) fn read_new(&self, what: &str) -> Result<SecretString, Failure> {
        let secret = self.read(what)?;
        if self.is_typed() && typed(what, &format!("{what} again: "))? != secret.expose_secret() {
            let differs = format!("the {what} was typed differently the second time");
            return Err(Failure::Outside(differs));
        }
        Ok(secret)
    }

    fn is_typed(&self) -> bool {
        let path = self.file.as_deref().unwrap_or(Path::new("-"));
        self.env.is_none() && path == Path::new("-") && io::stdin().is_terminal()
    }
}

/// The text of a file; `-` is standard input.
pub(crate) fn read_text(path: &Path, what: &str) -> Result<String, Failure> {
    read_text_within(LONGEST, path, what)
}

/// The text of a file that has at most so many bytes.
pub(crate) fn read_text_within(longest: u64, path: &Path, what: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = if path != Path::new("-") {
        File::open(path).and_then(|file| file.take(longest + 1).read_to_end(&mut bytes))
    } else if io::stdin().is_terminal() {
        return typed_lines(what);
    } else {
        io::stdin().take(longest + 1).read_to_end(&mut bytes)
    };
    let place = path.display().to_string();
    read.map_err(|why| unreadable(what, &place, &why.to_string()))?;
    if is_longer(bytes.len(), longest) {
        return Err(unreadable(what, &place, &too_long(longest)));
    }
    if bytes.starts_with(&GZIP) {
        let packed = "it is packed by gzip; unpack it first, as by `gunzip`";
        return Err(unreadable(what, &place, packed));
    }
    String::from_utf8(bytes).map_err(|_| unreadable(what, &place, NOT_UTF8))
}

/// Lines typed at the terminal; any of them may hold a secret, so none shows.
fn typed_lines(what: &str) -> Result<String, Failure> {
    note(&format!(
        "type the {what}, which will not show, and end with ctrl-d:"
    ));
    let mut text = String::new();
    while !is_longer(text.len(), LONGEST) {
        match rpassword::read_password() {
            Ok(line) => text.extend([line.as_str(), "\n"]),
            Err(why) if why.kind() == ErrorKind::UnexpectedEof => return as_typed(what, text),
            Err(why) => return Err(unreadable(what, TERMINAL, &why.to_string())),
        }
    }
    Err(unreadable(what, TERMINAL, &too_long(LONGEST)))
}

/// One line typed at the terminal, which does not show.
fn typed(what: &str, prompt: &str) -> Result<String, Failure> {
    let line = rpassword::prompt_password(prompt);
    as_typed(
        what,
        line.map_err(|why| unreadable(what, TERMINAL, &why.to_string()))?,
    )
}

/// A byte that is not UTF-8 arrives as a replacement character: a password that nobody typed.
fn as_typed(what: &str, text: String) -> Result<String, Failure> {
    match text.contains(char::REPLACEMENT_CHARACTER) {
        true => Err(unreadable(what, TERMINAL, NOT_UTF8)),
        false => Ok(text),
    }
}

/// What a gzip file begins with (RFC 1952 §2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

const TERMINAL: &str = "the terminal";
const NOT_UTF8: &str = "it is not UTF-8";

fn is_longer(length: usize, longest: u64) -> bool {
    u64::try_from(length).is_ok_and(|length| length > longest)
}

fn too_long(longest: u64) -> String {
    format!("it is larger than {} MiB", longest >> 20)
}

fn unreadable(what: &str, place: &str, why: &str) -> Failure {
    Failure::Outside(format!("the {what} cannot be read from {place}: {why}"))
}
