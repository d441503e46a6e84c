//! `palisade token`: tokens for trying things out.

mod inspect;
mod mint;
mod verify;

use crate::answer::Outcome;
use clap::Subcommand;

/// Make test tokens, look into tokens, and test them against a policy
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    Mint(mint::Mint),
    Inspect(inspect::Inspect),
    Verify(verify::Verify),
}

impl Token {
    pub(crate) fn run(self) -> Outcome {
        match self {
            Token::Mint(mint) => mint.run(),
            Token::Inspect(inspect) => inspect.run(),
            Token::Verify(verify) => verify.run(),
        }
    }
}
