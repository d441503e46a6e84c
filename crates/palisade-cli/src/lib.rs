//! The `palisade` command: check a policy, explain a decision, make keys, hash passwords, try
//! tokens out.
//!
//! One file for each command: what it takes, then what it does. A command returns its answer,
//! which is printed here, once, and with every control character made visible.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done, or yes |
//! | 1 | no: the policy or the list has mistakes, the token is not accepted, the password is another one |
//! | 2 | the command line is wrong |
//! | 3 | something outside stands in the way: a file, an issuer, a database |

mod answer;
mod check;
mod clock;
mod explain;
mod files;
mod jwks;
mod key;
mod offline;
mod password;
mod policy;
mod request;
mod schema;
mod secret;
mod signing;
mod store;
mod table;
mod token;

use answer::{Failure, Outcome};
use clap::{CommandFactory, Parser, Subcommand};
use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};
use tracing_subscriber::EnvFilter;

const EXIT_CODES: &str = "\
Exit codes:
  0  done, or yes
  1  no: the policy or the list has mistakes, the token is not accepted, the password is another one
  2  the command line is wrong
  3  something outside stands in the way: a file, an issuer, a database

Secrets are read from standard input, a file or the environment, never from the command line.";

/// One security policy for Rust web APIs: check it, explain it, make the keys it needs.
#[derive(Debug, Parser)]
#[command(name = "palisade", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Explain(explain::Explain),
    #[command(subcommand)]
    Key(key::Key),
    #[command(subcommand)]
    Password(password::Password),
    #[command(subcommand)]
    Token(token::Token),
    #[command(subcommand)]
    Jwks(jwks::Jwks),
    Schema(schema::Schema),
    Completions(schema::Completions),
}

/// Runs the command line, program name first, and returns the exit code.
pub fn run<I, A>(arguments: I) -> ExitCode
where
    I: IntoIterator<Item = A>,
    A: Into<OsString> + Clone,
{
    let command = match CommandLine::try_parse_from(arguments) {
        Ok(line) => line.command,
        Err(help_or_mistake) => {
            // To whom could a broken terminal be reported?
            let _ = help_or_mistake.print();
            return match help_or_mistake.use_stderr() {
                true => ExitCode::from(2),
                false => ExitCode::SUCCESS,
            };
        }
    };
    log_to_stderr();
    let (text, code) = match command.run() {
        Ok(answer) => (answer.text, if answer.yes { 0 } else { 1 }),
        Err(Failure::Usage(message)) => (complain(&message), 2),
        Err(Failure::Outside(message)) => (complain(&message), 3),
    };
    match write_visibly(&mut io::stdout(), &text) {
        // Whoever stopped reading, as `head` does, has read enough.
        Err(why) if why.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(3),
        _ => ExitCode::from(code),
    }
}

impl Command {
    fn run(self) -> Outcome {
        match self {
            Command::Check(check) => check.run(),
            Command::Explain(explain) => explain.run(),
            Command::Key(key) => key.run(),
            Command::Password(password) => password.run(),
            Command::Token(token) => token.run(),
            Command::Jwks(jwks) => jwks.run(),
            Command::Schema(schema) => schema.run(),
            Command::Completions(completions) => completions.run(CommandLine::command()),
        }
    }
}

/// What the layer itself has to say while a policy is compiled or asked; `RUST_LOG` says how
/// much.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("palisade=warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    // Another one is there already when a test runs several commands in one process.
    let _ = log
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .try_init();
}

/// Tells on standard error what standard output must not be mixed with.
fn note(text: &str) {
    let _ = write_visibly(&mut io::stderr(), &format!("{text}\n"));
}

fn complain(message: &str) -> String {
    note(&format!("palisade: {message}"));
    String::new()
}

/// Tokens and policies of others may hold sequences that change what a terminal shows.
fn write_visibly(to: &mut dyn Write, text: &str) -> io::Result<()> {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => visible.push(c),
            c if c.is_control() => visible.extend(c.escape_unicode()),
            c => visible.push(c),
        }
    }
    to.write_all(visible.as_bytes())?;
    to.flush()
}
