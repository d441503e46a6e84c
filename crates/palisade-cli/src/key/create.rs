//! `palisade key create`: a key for a policy file or a database, shown once.

use crate::{
    answer::{Answer, Failure, Outcome},
    clock::{moment, shown},
    files::{self, Readers},
    note,
    store::{self, StoreArguments},
    table::words,
};
use clap::{Args, builder::NonEmptyStringValueParser};
use palisade_core::{
    ApiKeyEntry, GeneratedKey, Principal, SystemEntropy, generate_key, limit::Quota,
};
use palisade_store::NewKey;
use serde_json::json;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  palisade key create --owner service1 --scopes items:read,items:write
  palisade key create --owner service1 --store sqlite:palisade.db --scheme partners --prefix shop
  palisade key create --owner service1 --expires 2027-01-01T00:00:00Z --key-file key.txt
  palisade key create --owner service1 --quota '10/second; 1000/day'

Without a database, the entry of the policy that accepts the key is printed, for
`>> palisade.toml`. The key itself goes to standard error, or into --key-file, or into the JSON of
--json. It is shown this once; nothing that is stored can show it again.";

/// Make a key for an owner
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Create {
    #[command(flatten)]
    store: StoreArguments,

    /// The scheme's name: `partners` in [api_key.partners]
    #[arg(long, default_value = "main", value_parser = scheme)]
    scheme: String,

    /// What the key begins with: the `prefix` of the scheme
    #[arg(long, default_value = "pal", value_parser = prefix)]
    prefix: String,

    /// Whom the key speaks for
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    owner: String,

    /// The owner's scopes, with commas or spaces between
    #[arg(long, default_value = "", hide_default_value = true)]
    scopes: String,

    /// The owner's roles, with commas or spaces between
    #[arg(long, default_value = "", hide_default_value = true)]
    roles: String,

    /// The owner's tenant
    #[arg(long)]
    tenant: Option<String>,

    /// When the key ends: Unix seconds, or as in 2027-01-01T00:00:00Z; never, if not given
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    expires: Option<u64>,

    /// What the key may do beside the limits of the policy: `10/second; 1000/day`, at most four
    #[arg(long, value_parser = quota)]
    quota: Option<String>,

    #[command(flatten)]
    shown: Shown,
}

/// How a new key is shown.
#[derive(Debug, Args)]
pub(super) struct Shown {
    /// Write the key into this new file, readable by its owner alone, instead of showing it
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Create {
    pub(super) fn run(self) -> Outcome {
        let url = self.store.url()?;
        let (scopes, roles) = (words(&self.scopes), words(&self.roles));
        self.shown.show(|| match url {
            Some(url) => {
                let mut new = NewKey::new(&self.scheme, &self.prefix, &self.owner)
                    .scopes(&scopes)
                    .roles(&roles);
                new.tenant.clone_from(&self.tenant);
                new.expires = self.expires;
                new.quota.clone_from(&self.quota);
                let made = store::ask(&url, async |store| store.keys().create(new).await)?;
                Ok(made.map(|made| (made, None)))
            }
            None => {
                let made = generate_key(&self.prefix, &SystemEntropy)
                    .map_err(|why| Failure::Outside(why.to_string()))?;
                let mut entry = made.entry(&self.owner).scopes(&scopes).roles(&roles);
                entry.tenant.clone_from(&self.tenant);
                entry.expires = self.expires;
                entry.quota.clone_from(&self.quota);
                let entry = toml(&self.scheme, &entry);
                Ok(Some((made, Some(entry))))
            }
        })
    }
}

/// A key, and what a policy stores of it, unless a database does.
type Made = (GeneratedKey, Option<String>);

impl Shown {
    /// Makes a key and shows it once: here, or in a file. The file is opened first, because a
    /// key that was made and cannot be shown would be lost.
    pub(super) fn show(&self, make: impl FnOnce() -> Result<Option<Made>, Failure>) -> Outcome {
        let Some(path) = &self.key_file else {
            return self.answer(make()?, true);
        };
        files::write(path, "", Readers::Owner, false)?;
        let made = make();
        if let Ok(Some((key, _))) = &made {
            files::write(path, &format!("{}\n", key.reveal()), Readers::Owner, true)?;
        } else {
            // Still empty, and ours.
            let _ = std::fs::remove_file(path);
        }
        self.answer(made?, false)
    }

    fn answer(&self, made: Option<Made>, reveals: bool) -> Outcome {
        let Some((made, entry)) = made else {
            return Ok(Answer::no(""));
        };
        let key = reveals.then(|| made.reveal());
        if self.json {
            let (id, digest) = (made.id(), made.digest());
            let answer = json!({ "id": id, "digest": digest, "key": key, "entry": entry });
            return Answer::json(&answer, true);
        }
        if let Some(key) = key {
            // Standard output is what the policy stores: `>> palisade.toml`.
            note(&format!(
                "The key, shown this once; give it to its owner:\n{key}"
            ));
        }
        Ok(Answer::yes(
            entry.unwrap_or_else(|| format!("id {}\n", made.id())),
        ))
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
    if let Some(quota) = &entry.quota {
        line("quota", json!(quota).to_string());
    }
    toml
}

/// A name that a section of TOML has without quotes.
pub(super) fn scheme(text: &str) -> Result<String, String> {
    let bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    match !text.is_empty() && text.bytes().all(bare) {
        true => Ok(text.to_owned()),
        false => Err("is no name of a scheme; letters, digits, `-` and `_` are allowed".to_owned()),
    }
}

/// Quotas that a key can have of its own.
fn quota(text: &str) -> Result<String, String> {
    let quotas = Quota::parse_list(text)?;
    Principal::new("", "")
        .quotas(&quotas)
        .map(|_| text.to_owned())
}

/// `[a-z][a-z0-9]{1,9}`, as the policy demands it.
pub(super) fn prefix(text: &str) -> Result<String, String> {
    let fits = matches!(text.len(), 2..=10)
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let right = "a letter and one to nine letters or digits in lower case are needed";
    match fits {
        true => Ok(text.to_owned()),
        false => Err(format!("is no prefix; {right}")),
    }
}

#[cfg(test)]
mod tests {
    use crate::CommandLine;
    use clap::Parser;

    /// A policy refuses the entry of such a key.
    #[test]
    fn nobody_is_no_owner() {
        let parse =
            |owner| CommandLine::try_parse_from(["palisade", "key", "create", "--owner", owner]);
        assert!(parse("service1").is_ok());
        assert!(parse("").is_err());
    }
}
