//! `palisade key import`: keys of an earlier system.

use crate::{
    answer::{Answer, Failure, Outcome},
    clock::moment,
    secret::read_text,
    store::{self, StoreArguments},
};
use aws_lc_rs::digest::{SHA256, digest};
use clap::Args;
use palisade_core::ApiKeyEntry;
use palisade_store::KeyImport;
use serde::Deserialize;
use serde_json::Value;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  palisade key import keys.json --store sqlite:palisade.db --scheme partners
  palisade key import - --store sqlite:palisade.db --scheme partners --split-scopes < keys.json

The file is a list in JSON; of each key either the digest or the key itself is needed:
  [
    { \"digest\": \"sha256:9f86d081…\", \"owner\": \"service1\", \"scopes\": [\"read:write\"] },
    { \"key\": \"…\", \"owner\": \"service2\", \"roles\": [\"admin\"], \"expires\": \"2027-01-01T00:00:00Z\" }
  ]
Only digests are stored. Keys that are there already stay as they are.";

/// Take over keys of an earlier system, all or none
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// The file with the keys; `-` is standard input
    file: PathBuf,

    #[command(flatten)]
    store: StoreArguments,

    /// The scheme's name: `partners` in [api_key.partners]
    #[arg(long, default_value = "main")]
    scheme: String,

    /// What the keys begin with that take their place one day
    #[arg(long, default_value = "pal")]
    prefix: String,

    /// A colon separates scopes: `read:write` is `read` and `write`
    #[arg(long)]
    split_scopes: bool,
}

/// One key of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: Option<String>,
    digest: Option<String>,
    id: Option<String>,
    owner: String,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    tenant: Option<String>,
    expires: Option<String>,
    active: Option<bool>,
}

impl Import {
    pub(super) fn run(self) -> Outcome {
        let url = self.store.required_url()?;
        let text = read_text(&self.file, "list of keys")?;
        let list: Vec<Value> = serde_json::from_str(&text)
            .map_err(|why| wrong(&format!("no list in JSON (line {})", why.line())))?;
        let mut keys = KeyImport::new(self.scheme, self.prefix).split_scopes(self.split_scopes);
        for (index, value) in list.into_iter().enumerate() {
            // What exactly is wrong is not told: it may be the key itself.
            let read = Entry::deserialize(value).ok().and_then(Entry::into_stored);
            keys = keys.key(read.ok_or_else(|| {
                wrong(&format!(
                    "key {} needs an owner and either key or digest; besides, it may have id, \
                     scopes, roles, tenant, expires and active",
                    index + 1
                ))
            })?);
        }
        let report = store::ask(&url, async |store| store.keys().import(keys).await)?;
        Ok(match report {
            Some(report) => Answer::yes(format!(
                "keys added: {}, there already: {}\n",
                report.added, report.known
            )),
            None => Answer::no(""),
        })
    }
}

impl Entry {
    fn into_stored(self) -> Option<ApiKeyEntry> {
        let digest = match (self.key, self.digest) {
            (Some(key), None) => {
                let bytes = digest(&SHA256, key.as_bytes());
                let digits: String = bytes
                    .as_ref()
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                format!("sha256:{digits}")
            }
            (None, Some(digest)) => digest,
            _ => return None,
        };
        let mut entry = ApiKeyEntry::new(self.owner, digest);
        entry.id = self.id;
        entry.scopes = self.scopes;
        entry.roles = self.roles;
        entry.tenant = self.tenant;
        entry.expires = match self.expires {
            Some(text) => Some(moment(&text).ok()?),
            None => None,
        };
        entry.active = self.active.unwrap_or(true);
        Some(entry)
    }
}

fn wrong(what: &str) -> Failure {
    Failure::Outside(format!("the list of keys cannot be read: {what}"))
}
