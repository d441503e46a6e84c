//! `palisade key`: API keys.

use crate::{
    answer::{Answer, Failure, Outcome},
    clock::{moment, shown},
    files::{self, Readers},
};
use clap::{Args, Subcommand};
use palisade_core::{ApiKeyEntry, SystemEntropy, generate_key};
use serde_json::json;
use std::path::PathBuf;

/// Make API keys
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    Create(Create),
}

const CREATE_EXAMPLES: &str = "\
Examples:
  palisade key create --owner service1 --scopes items:read,items:write
  palisade key create --owner service1 --prefix shop --expires 2027-01-01T00:00:00Z --key-file key.txt

The key is shown this once; nothing that is stored can show it again.";

/// Make a key, and print the entry of the policy that accepts it
#[derive(Debug, Args)]
#[command(after_help = CREATE_EXAMPLES)]
pub(crate) struct Create {
    #[command(flatten)]
    owner: OwnerArguments,

    /// What the key begins with: the `prefix` of the scheme
    #[arg(long, default_value = "pal", value_parser = prefix)]
    prefix: String,

    /// The scheme's name: `partners` in [api_key.partners]
    #[arg(long, default_value = "main")]
    scheme: String,

    /// Write the key into this new file, readable by its owner alone, instead of printing it
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Whom a key speaks for.
#[derive(Debug, Args)]
pub(crate) struct OwnerArguments {
    /// Whom the key speaks for
    #[arg(long)]
    owner: String,

    /// The owner's scopes, with commas between
    #[arg(long, value_delimiter = ',')]
    scopes: Vec<String>,

    /// The owner's roles, with commas between
    #[arg(long, value_delimiter = ',')]
    roles: Vec<String>,

    /// The owner's tenant
    #[arg(long)]
    tenant: Option<String>,

    /// When the key ends: Unix seconds, or as in 2027-01-01T00:00:00Z; never, if not given
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    expires: Option<u64>,
}

impl Key {
    pub(crate) fn run(self) -> Outcome {
        match self {
            Key::Create(create) => create.run(),
        }
    }
}

impl Create {
    fn run(self) -> Outcome {
        let made = generate_key(&self.prefix, &SystemEntropy)
            .map_err(|why| Failure::Outside(why.to_string()))?;
        if let Some(path) = &self.key_file {
            files::write(path, &format!("{}\n", made.reveal()), Readers::Owner, false)?;
        }
        let revealed = self.key_file.is_none().then(|| made.reveal());
        let entry = self.owner.entry(made.entry(&self.owner.owner));
        let toml = toml(&self.scheme, &entry);
        if self.json {
            let answer = json!({
                "key": revealed,
                "id": entry.id,
                "digest": entry.digest,
                "owner": entry.owner,
                "scopes": entry.scopes,
                "roles": entry.roles,
                "tenant": entry.tenant,
                "expires": entry.expires.map(shown),
            });
            return Answer::json(&answer, true);
        }
        Ok(Answer::yes(match revealed {
            Some(key) => {
                format!("# The key, shown this once; give it to its owner:\n# {key}\n\n{toml}")
            }
            None => toml,
        }))
    }
}

impl OwnerArguments {
    fn entry(&self, entry: ApiKeyEntry) -> ApiKeyEntry {
        let mut entry = entry.scopes(&self.scopes).roles(&self.roles);
        entry.tenant.clone_from(&self.tenant);
        entry.expires = self.expires;
        entry
    }
}

/// The entry as a policy file has it.
fn toml(scheme: &str, entry: &ApiKeyEntry) -> String {
    // A JSON text is a TOML text too.
    let mut toml = format!("[[api_key.{scheme}.key]]\n");
    let mut line = |key: &str, value: String| toml.push_str(&format!("{key} = {value}\n"));
    if let Some(id) = &entry.id {
        line("id", json!(id).to_string());
    }
    line("digest", json!(entry.digest).to_string());
    line("owner", json!(entry.owner).to_string());
    for (key, names) in [("scopes", &entry.scopes), ("roles", &entry.roles)] {
        if !names.is_empty() {
            line(key, json!(names).to_string());
        }
    }
    if let Some(tenant) = &entry.tenant {
        line("tenant", json!(tenant).to_string());
    }
    if let Some(expires) = entry.expires {
        line("expires", shown(expires));
    }
    toml
}

/// `[a-z][a-z0-9]{1,9}`, as the policy demands it.
fn prefix(text: &str) -> Result<String, String> {
    let fits = matches!(text.len(), 2..=10)
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    match fits {
        true => Ok(text.to_owned()),
        false => Err(
            "is no prefix; a letter and one to nine letters or digits in lower case are needed"
                .to_owned(),
        ),
    }
}
