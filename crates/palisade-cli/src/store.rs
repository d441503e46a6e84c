//! The database that holds keys, as the command line names it.

use crate::{answer::Failure, note, policy, secret::read_text};
use clap::Args;
use palisade_core::companion::DatabaseUrl;
use palisade_store::{Store, StoreError};
use std::path::Path;

/// The environment variable that names the database.
const VARIABLE: &str = "PALISADE_STORE";

/// Which database.
#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    /// The database: sqlite:FILE, postgres://HOST/NAME, or env:NAME or file:PATH with the URL;
    /// the variable PALISADE_STORE, if not given
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

impl StoreArguments {
    /// The URL, if a database is named at all.
    pub(crate) fn url(&self) -> Result<Option<String>, Failure> {
        let Some(named) = &self.store else {
            return Ok(std::env::var(VARIABLE).ok().filter(|url| !url.is_empty()));
        };
        let url = match named.split_once(':') {
            Some(("env", name)) => std::env::var(name).map_err(|_| {
                Failure::Outside(format!("the environment variable {name} is not set"))
            })?,
            Some(("file", path)) => read_text(Path::new(path), "database's URL")?,
            _ if DatabaseUrl::new(named.as_str()).holds_secret() => {
                return Err(Failure::Usage(format!(
                    "the URL holds a password or a key, which process lists show; write env:NAME or \
                     file:PATH, or set {VARIABLE}"
                )));
            }
            _ => named.clone(),
        };
        Ok(Some(url.trim().to_owned()))
    }

    /// The database, which must be named.
    pub(crate) fn required_url(&self) -> Result<String, Failure> {
        self.url()?.ok_or_else(|| {
            Failure::Usage(format!(
                "no database is named; write --store sqlite:palisade.db, or set {VARIABLE}"
            ))
        })
    }
}

/// What a database answered, and `None` where its answer is no; then it has been told why.
pub(crate) fn ask<T>(
    url: &str,
    question: impl AsyncFnOnce(&Store) -> Result<T, StoreError>,
) -> Result<Option<T>, Failure> {
    let answer = policy::wait(async {
        let store = Store::open(url).await?;
        let answer = question(&store).await;
        store.close().await.and(answer)
    })?;
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(why @ StoreError::Url(_)) => Err(Failure::Usage(why.to_string())),
        Err(why @ StoreError::Unavailable(_)) => Err(Failure::Outside(why.to_string())),
        Err(why) => {
            note(&format!("palisade: {why}"));
            Ok(None)
        }
    }
}
