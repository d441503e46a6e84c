//! `palisade password`: password hashes, as accounts have them.

use crate::{
    answer::{Answer, Failure, Outcome},
    secret::{SecretSource, read_text},
};
use clap::{Args, Subcommand};
use palisade_core::{
    SystemEntropy,
    password::{self, Cost},
};
use secrecy::ExposeSecret;
use std::path::PathBuf;

/// Hash passwords, and compare passwords with hashes
#[derive(Debug, Subcommand)]
pub(crate) enum Password {
    Hash(Hash),
    Verify(Verify),
}

const HASH_EXAMPLES: &str = "\
Examples:
  palisade password hash --file password.txt
  palisade password hash < password.txt > hash.txt

At a terminal, the password is typed twice and does not show. The policy takes the hash as
`password_hash` of a [[basic.NAME.account]].";

/// Hash a password with argon2id
#[derive(Debug, Args)]
#[command(after_help = HASH_EXAMPLES)]
pub(crate) struct Hash {
    #[command(flatten)]
    password: SecretSource,

    /// The memory that a hash takes, in KiB
    #[arg(long, value_name = "KIB", default_value_t = 19_456)]
    memory: u32,

    /// How often the memory is gone over
    #[arg(long, default_value_t = 2)]
    passes: u32,

    /// How many threads an attacker would need
    #[arg(long, default_value_t = 1)]
    lanes: u32,
}

const VERIFY_EXAMPLES: &str = "\
Examples:
  palisade password hash < password.txt > hash.txt
  palisade password verify --hash-file hash.txt < password.txt

Exit code 1: it is another password.";

/// Compare a password with a hash: argon2id, argon2i, argon2d or bcrypt
#[derive(Debug, Args)]
#[command(after_help = VERIFY_EXAMPLES)]
pub(crate) struct Verify {
    /// The file with the hash
    #[arg(long, value_name = "FILE")]
    hash_file: PathBuf,

    #[command(flatten)]
    password: SecretSource,
}

impl Password {
    pub(crate) fn run(self) -> Outcome {
        match self {
            Password::Hash(hash) => hash.run(),
            Password::Verify(verify) => verify.run(),
        }
    }
}

impl Hash {
    fn run(self) -> Outcome {
        let cost = Cost::new(self.memory, self.passes, self.lanes)
            .map_err(|why| Failure::Usage(format!("such a hash {why}")))?;
        let password = self.password.read_new("password")?;
        let hash = password::hash(password.expose_secret(), cost, &SystemEntropy);
        let hash = hash.map_err(|why| Failure::Outside(why.to_string()))?;
        Ok(Answer::yes(hash + "\n"))
    }
}

impl Verify {
    fn run(self) -> Outcome {
        let hash = read_text(&self.hash_file, "hash")?;
        let password = self.password.read("password")?;
        let same = password::verify(password.expose_secret(), hash.trim())
            .map_err(|why| Failure::Outside(format!("the hash {why}")))?;
        Ok(match same {
            true => Answer::yes("the password is the one of the hash\n"),
            false => Answer::no("the password is another one\n"),
        })
    }
}
