//! The database that holds keys, as the command line names it.

use crate::{answer::Failure, note, policy, secret::read_text};
use clap::Args;
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

/// What of a URL holds a password: `user:password@`, or a parameter.
fn holds_password(url: &str) -> bool {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    let userinfo = authority
        .rsplit_once('@')
        .map_or("", |(userinfo, _)| userinfo);
    userinfo.contains(':') || url.contains("password=")
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
            _ if holds_password(named) => {
                return Err(Failure::Usage(format!(
                    "the URL holds a password, which process lists show; write env:NAME or \
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_found() {
        for url in ["postgres://me:pw@db/keys", "postgres://db/keys?password=pw"] {
            assert!(holds_password(url), "{url}");
        }
        for url in [
            "sqlite:keys.db",
            "postgres://me@db:5432/keys",
            "postgres://db/a:b@c",
        ] {
            assert!(!holds_password(url), "{url}");
        }
    }
}
