//! `palisade key`: API keys, in a policy or in a database.

mod create;
mod import;
mod list;
mod replace;

use crate::answer::Outcome;
use clap::Subcommand;

/// Make API keys, list them, and take them back
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    Create(create::Create),
    List(list::List),
    Rotate(replace::Rotate),
    Revoke(replace::Revoke),
    Import(import::Import),
}

impl Key {
    pub(crate) fn run(self) -> Outcome {
        match self {
            Key::Create(create) => create.run(),
            Key::List(list) => list.run(),
            Key::Rotate(rotate) => rotate.run(),
            Key::Revoke(revoke) => revoke.run(),
            Key::Import(import) => import.run(),
        }
    }
}
