//! `palisade schema` and `palisade completions`: help for editors and shells.

use crate::answer::{Answer, Outcome};
use clap::Args;
use clap_complete::Shell;

const SCHEMA_EXAMPLES: &str = "\
Examples:
  palisade schema > palisade.schema.json

Editors that read TOML find it by the first line of the policy file:
  #:schema ./palisade.schema.json";

/// Print the JSON Schema of a policy file, for completion and checks in editors
#[derive(Debug, Args)]
#[command(after_help = SCHEMA_EXAMPLES)]
pub(crate) struct Schema {}

impl Schema {
    pub(crate) fn run(self) -> Outcome {
        Answer::json(&palisade_core::policy_schema(), true)
    }
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  palisade completions bash > ~/.local/share/bash-completion/completions/palisade
  palisade completions zsh > ~/.zfunc/_palisade
  palisade completions fish > ~/.config/fish/completions/palisade.fish";

/// Print the completions of this command for a shell
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, mut command: clap::Command) -> Outcome {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command, "palisade", &mut text);
        Ok(Answer::yes(String::from_utf8_lossy(&text)))
    }
}
