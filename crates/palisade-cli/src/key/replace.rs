//! `palisade key rotate` and `palisade key revoke`: keys that end.

use super::create::Shown;
use crate::{
    answer::{Answer, Outcome},
    clock::duration,
    store::{self, StoreArguments},
};
use clap::Args;
use std::time::Duration;

const ROTATE_EXAMPLES: &str = "\
Examples:
  palisade key rotate \"$KEY_ID\" --store sqlite:palisade.db --overlap 7d

Both keys are good until the overlap ends, so that the owner can change over.";

/// Make a key that takes the place of another
#[derive(Debug, Args)]
#[command(after_help = ROTATE_EXAMPLES)]
pub(crate) struct Rotate {
    /// The id of the old key: the part between its underscores
    id: String,

    #[command(flatten)]
    store: StoreArguments,

    /// How long the old key is still good: 90, 10m, 1h, 7d
    #[arg(long, default_value = "1d", value_parser = duration)]
    overlap: u64,

    #[command(flatten)]
    shown: Shown,
}

const REVOKE_EXAMPLES: &str = "\
Examples:
  palisade key revoke \"$KEY_ID\" --store sqlite:palisade.db

Servers see it after `fresh` seconds at the latest (5, unless the policy says otherwise).";

/// Take a key back
#[derive(Debug, Args)]
#[command(after_help = REVOKE_EXAMPLES)]
pub(crate) struct Revoke {
    /// The id of the key: the part between its underscores
    id: String,

    #[command(flatten)]
    store: StoreArguments,
}

impl Rotate {
    pub(super) fn run(self) -> Outcome {
        let url = self.store.required_url()?;
        let (id, overlap) = (self.id, Duration::from_secs(self.overlap));
        self.shown.show(|| {
            let made = store::ask(&url, async |store| store.keys().rotate(&id, overlap).await)?;
            Ok(made.map(|made| (made, None)))
        })
    }
}

impl Revoke {
    pub(super) fn run(self) -> Outcome {
        let url = self.store.required_url()?;
        let revoked = store::ask(&url, async |store| store.keys().revoke(&self.id).await)?;
        Ok(match revoked {
            Some(()) => Answer::yes(format!("revoked {}\n", self.id)),
            None => Answer::no(""),
        })
    }
}
