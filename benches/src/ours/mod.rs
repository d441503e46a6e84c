//! Palisade: one policy for each row, the same for all frameworks.
//!
//! A row that asks for one stage gets a policy with that stage alone. The full rows have everything that the peers'
//! full stacks have, and what no policy can turn off: the firewall, the host, the rule table, the audit (nobody
//! listens to its events here) and problem documents as refusals. Tokens are remembered, and keys kept in a database, in
//! the cached rows only.

use palisade_core::{
    ApiKey, ApiKeyEntry, Cors, Headers, Jwt, Limit, Palisade, Policy, Preset, Rule, Secret, Store,
    public, scope,
};
use palisade_store::KeyImport;
use std::sync::LazyLock;

use crate::{
    drive::{ORIGIN, PATH},
    rows::{Credential, Row},
    tokens::{API_KEY, AUDIENCE, ISSUER, KEY_PREFIX, Signing},
};

pub(crate) mod actix;
pub(crate) mod axum;
pub(crate) mod poem;

/// The compiled policy of a row.
pub(crate) fn palisade(row: Row) -> Palisade {
    let mut policy = Policy::builder().headers(Headers::preset(Preset::None));
    let mut rule = Rule::new(PATH).methods(["GET"]);
    if row.has_headers() {
        policy = policy.headers(headers());
        // As behind a proxy that ends TLS: `Strict-Transport-Security` is the eighth header.
        policy.https.assumed = true;
    }
    if row.has_cors() {
        policy = policy.cors(cors());
    }
    if row.has_limit() {
        policy = policy.limit(Limit::new("address", quota(row)).everywhere());
    }
    if row.has_authentication() {
        policy = authentication(policy, row);
        rule = rule.require(scope(row.scope()));
    } else {
        rule = rule.require(public());
    }
    if row.is_full() {
        policy = policy.hosts(["api.example.com"]);
    }
    policy
        .rule(rule)
        .build()
        .expect("a policy without mistakes")
}

fn headers() -> Headers {
    Headers::preset(Preset::Api).set("cache-control", "no-store")
}

fn cors() -> Cors {
    let mut cors = Cors::origins([ORIGIN]);
    cors.methods = ["GET", "POST"].map(str::to_owned).to_vec();
    cors
}

/// Never spent in this run, or spent at once.
fn quota(row: Row) -> &'static str {
    match row {
        Row::Limited => "1 per day",
        _ => "60000000 per minute",
    }
}

fn authentication(policy: Policy, row: Row) -> Policy {
    let credential = row.credential().unwrap_or(Credential::Hs256);
    let Some(signing) = Signing::of(credential) else {
        return api_key(policy, row);
    };
    let remembered = match row {
        Row::Cached(_) => 10_000,
        _ => 0,
    };
    let jwt = Jwt::new("main")
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .cache(remembered);
    let key = Secret::value(signing.key());
    policy.scheme(match signing {
        Signing::HS256 => jwt.secret(key),
        _ => jwt.public_key(key),
    })
}

/// A key of the policy, or one in a database.
fn api_key(policy: Policy, row: Row) -> Policy {
    let keys = ApiKey::new("keys").prefix(KEY_PREFIX);
    match row {
        Row::Cached(_) => policy
            .with(palisade_store::companion())
            .scheme(keys.store(Store::new(Secret::value(DATABASE.as_str())))),
        _ => policy.scheme(keys.key(entry())),
    }
}

fn entry() -> ApiKeyEntry {
    API_KEY.entry("warehouse").scopes(["items:read"])
}

/// A SQLite file with the key in it.
static DATABASE: LazyLock<String> = LazyLock::new(|| {
    let file = std::env::temp_dir().join(format!("palisade-bench-{}.db", std::process::id()));
    let url = format!("sqlite:{}", file.display());
    let fill = {
        let url = url.clone();
        async move {
            let store = palisade_store::Store::open(&url).await?;
            let import = KeyImport::new("keys", KEY_PREFIX).key(entry());
            store.keys().import(import).await?;
            store.close().await
        }
    };
    // On a thread of its own, because a runtime may be running on this one.
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(fill)
    })
    .join()
    .expect("no panic")
    .expect("a database in the folder for temporary files");
    url
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_policy_without_mistakes() {
        for row in Row::GUARDED {
            palisade(row);
        }
    }
}
