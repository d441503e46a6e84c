//! `palisade key list`: the keys of a database, without their secrets.

use crate::{
    answer::{Answer, Outcome},
    clock::{now, shown},
    store::{self, StoreArguments},
    table::{names, table},
};
use clap::Args;
use palisade_store::{KeyFilter, KeyRecord};
use serde_json::{Value, json};

const EXAMPLES: &str = "\
Examples:
  palisade key list --store sqlite:palisade.db
  palisade key list --store sqlite:palisade.db --owner service1 --json";

/// List the keys of a database
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct List {
    #[command(flatten)]
    store: StoreArguments,

    /// Only the keys of this scheme
    #[arg(long)]
    scheme: Option<String>,

    /// Only the keys of this owner
    #[arg(long)]
    owner: Option<String>,

    /// Only the keys of this tenant
    #[arg(long)]
    tenant: Option<String>,

    /// Only keys that were not revoked
    #[arg(long)]
    active: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) fn run(self) -> Outcome {
        let url = self.store.required_url()?;
        let mut filter = KeyFilter::default();
        filter.scheme = self.scheme;
        filter.owner = self.owner;
        filter.tenant = self.tenant;
        filter.active = self.active.then_some(true);
        let keys = store::ask(&url, async |store| {
            let mut keys: Vec<KeyRecord> = Vec::new();
            loop {
                filter.after = keys.last().map(|last| last.id.clone());
                let page = store.keys().list(filter.clone()).await?;
                if page.is_empty() {
                    return Ok(keys);
                }
                keys.extend(page);
            }
        })?;
        let Some(keys) = keys else {
            return Ok(Answer::no(""));
        };
        if self.json {
            let keys: Vec<_> = keys.iter().map(object).collect();
            return Answer::json(&json!({ "keys": keys }), true);
        }
        let heading = [
            "ID",
            "SCHEME",
            "OWNER",
            "SCOPES",
            "ROLES",
            "TENANT",
            "QUOTA",
            "STATE",
            "EXPIRES",
            "LAST USED",
        ];
        let rows: Vec<_> = keys.iter().map(row).collect();
        Ok(Answer::yes(table(&heading, &rows)))
    }
}

fn state(key: &KeyRecord) -> String {
    let expired = key.expires.is_some_and(|expires| expires <= now());
    match (&key.replaced_by, key.active, expired) {
        (_, false, _) => "revoked".to_owned(),
        (Some(successor), ..) => format!("replaced by {successor}"),
        (None, true, true) => "expired".to_owned(),
        (None, true, false) => "active".to_owned(),
    }
}

fn row(key: &KeyRecord) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        key.id.clone(),
        key.scheme.clone(),
        key.owner.clone(),
        names(&key.scopes),
        names(&key.roles),
        or_dash(key.tenant.clone()),
        or_dash(key.quota.clone()),
        state(key),
        or_dash(key.expires.map(shown)),
        or_dash(key.last_used.map(shown)),
    ]
}

fn object(key: &KeyRecord) -> Value {
    json!({
        "id": key.id,
        "scheme": key.scheme,
        "prefix": key.prefix,
        "legacy": key.legacy,
        "owner": key.owner,
        "scopes": key.scopes,
        "roles": key.roles,
        "tenant": key.tenant,
        "state": state(key),
        "active": key.active,
        "created": shown(key.created),
        "expires": key.expires.map(shown),
        "last_used": key.last_used.map(shown),
        "replaced_by": key.replaced_by,
        "note": key.note,
        "quota": key.quota,
    })
}
