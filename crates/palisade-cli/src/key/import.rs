//! `palisade key import`: keys of an earlier system.

mod entries;

use crate::{
    answer::{Answer, Outcome},
    key::create,
    note,
    secret::read_text_within,
    store::{self, StoreArguments},
};
use clap::Args;
use entries::{Format, Listed};
use palisade_store::KeyImport;
use std::path::{Path, PathBuf};

/// No list of keys is larger: a million of them fit.
const LONGEST: u64 = 512 << 20;

const EXAMPLES: &str = "\
Examples:
  palisade key import keys.json --store sqlite:palisade.db --scheme partners
  palisade key import keys.csv --store sqlite:palisade.db --scheme partners
  palisade key import - --format json --store sqlite:palisade.db --split-scopes < keys.json

Of each key either the digest or the key itself is needed, and its owner. In JSON:
  [
    { \"digest\": \"sha256:9f86d081…\", \"owner\": \"service1\", \"scopes\": [\"read:write\"] },
    { \"key\": \"…\", \"owner\": \"service2\", \"roles\": [\"admin\"], \"expires\": \"2027-01-01T00:00:00Z\" }
  ]
In CSV the first line names the fields, and spaces separate scopes and roles, or commas within
quotation marks:
  digest,owner,scopes,tenant
  sha256:9f86d081…,service1,items:read items:write,acme
All fields: key, digest, id, owner, scopes, roles, tenant, expires, active (true or false), quota.

Only digests are stored. Keys that are there already stay as they are. Exit code 1: the list has
mistakes, which are named with their lines, and no key was imported.";

/// Take over keys of an earlier system, all or none
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// The file with the keys; `-` is standard input
    file: PathBuf,

    /// What the file is written in; if not given, csv for a file named so, else json
    #[arg(long, value_enum)]
    format: Option<Format>,

    #[command(flatten)]
    store: StoreArguments,

    /// The scheme's name: `partners` in [api_key.partners]
    #[arg(long, default_value = "main", value_parser = create::scheme)]
    scheme: String,

    /// What the keys begin with that take their place one day
    #[arg(long, default_value = "pal", value_parser = create::prefix)]
    prefix: String,

    /// A colon separates scopes: `read:write` is `read` and `write`
    #[arg(long)]
    split_scopes: bool,
}

impl Import {
    pub(super) fn run(self) -> Outcome {
        let url = self.store.required_url()?;
        let format = self.format.unwrap_or_else(|| Format::of(&self.file));
        let text = read_text_within(LONGEST, &self.file, "list of keys")?;
        let keys = KeyImport::new(self.scheme, self.prefix).split_scopes(self.split_scopes);
        let keys = match checked(keys, format.read(&text)) {
            Ok(keys) => keys,
            Err(mistakes) => return Ok(mistaken(&self.file, &mistakes)),
        };
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

/// What is wrong, and in which line.
type Mistake = (u64, String);

/// The import with all keys of the list, or everything that is wrong with them.
fn checked(mut keys: KeyImport, list: Vec<Listed>) -> Result<KeyImport, Vec<Mistake>> {
    let mut mistakes: Vec<Mistake> = Vec::new();
    let mut lines = Vec::new();
    for Listed { line, key } in list {
        match key {
            Ok(key) => {
                lines.push(line);
                keys.keys.push(key);
            }
            Err(message) => mistakes.push((line, message)),
        }
    }
    let found = keys.mistakes().into_iter();
    mistakes.extend(found.filter_map(|one| Some((*lines.get(one.index)?, one.message))));
    // Stable: the order within a line is that of the checks.
    mistakes.sort_by_key(|(line, _)| *line);
    match mistakes.is_empty() {
        true => Ok(keys),
        false => Err(mistakes),
    }
}

fn mistaken(file: &Path, mistakes: &[Mistake]) -> Answer {
    note(&match mistakes.len() {
        1 => "1 mistake; no key was imported".to_owned(),
        many => format!("{many} mistakes; no key was imported"),
    });
    let lines = mistakes.iter();
    let lines = lines.map(|(line, message)| format!("{}:{line}: {message}\n", file.display()));
    Answer::no(lines.collect::<String>())
}
