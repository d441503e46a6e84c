//! Checks an [`ApiKey`](super::ApiKey) and prepares its keys.

use super::{ApiKey, judge::Judge, verify::KeyScheme};
use crate::{
    api_key::{
        StoredKey,
        format::{self, Digest},
    },
    companion::{KeyStore, KeyTable},
    config::{Mistakes, join},
    ports::looks_like_milliseconds,
    scheme::{BuildContext, Carrier, Store},
};
use http::HeaderName;
use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
};

/// No key is longer; anything more would only be work.
const MAX_KEY_BYTES: usize = 512;

/// `None` after at least one mistake was reported.
pub(super) fn compile(
    config: &ApiKey,
    context: &BuildContext<'_>,
    mistakes: &mut Mistakes,
) -> Option<KeyScheme> {
    let path = join("api_key", &config.name);
    if !format::is_prefix(config.prefix.as_bytes()) {
        let right = "a letter and one to nine letters or digits in lower case are needed";
        mistakes.add(join(&path, "prefix"), format!("is no prefix; {right}"));
    }
    let usual = Carrier::Header(HeaderName::from_static("x-api-key"));
    let carriers = config.places.compile(usual, MAX_KEY_BYTES, &path, mistakes);
    let issuer: Arc<str> = format!("palisade:api_key/{}", config.name).into();
    let (keys, legacy) = keys(config, &issuer, &path, mistakes);
    let store = config
        .store
        .as_ref()
        .and_then(|store| open(config, store, issuer, context, &path, mistakes));
    if mistakes.has(&path) {
        return None;
    }
    Some(KeyScheme {
        name: config.name.clone(),
        prefix: config.prefix.clone().into_bytes(),
        keep: config.keep,
        challenge: carriers.challenge(context.realm),
        carriers,
        keys,
        legacy,
        judge: Arc::new(Judge {
            store,
            clock: Arc::clone(&context.clock),
            revocations: context.revocations.clone(),
        }),
    })
}

fn open(
    config: &ApiKey,
    store: &Store,
    issuer: Arc<str>,
    context: &BuildContext<'_>,
    path: &str,
    mistakes: &mut Mistakes,
) -> Option<Arc<dyn KeyStore>> {
    if config.cached_keys == 0 {
        mistakes.add(join(path, "cached_keys"), "is 0; write 1 or more");
    }
    store.open(context, path, mistakes, |databases, url| {
        databases.api_keys(KeyTable {
            scheme: config.name.clone(),
            url,
            folder: context.folder.map(Path::to_owned),
            issuer,
            freshness_seconds: store.freshness_seconds,
            cached_keys: config.cached_keys,
            clock: Arc::clone(&context.clock),
        })
    })
}

type Keys = HashMap<format::KeyId, StoredKey>;
type LegacyKeys = HashMap<Digest, StoredKey>;

fn keys(
    config: &ApiKey,
    issuer: &Arc<str>,
    path: &str,
    mistakes: &mut Mistakes,
) -> (Keys, LegacyKeys) {
    let mut keys = Keys::with_capacity(config.keys.len());
    let mut legacy = LegacyKeys::new();
    let mut digests = HashSet::new();
    for (index, entry) in config.keys.iter().enumerate() {
        let path = format!("{path}.key[{index}]");
        if entry.owner.is_empty() {
            mistakes.add(
                join(&path, "owner"),
                "is empty; name whom the key speaks for",
            );
        }
        if entry.expires.is_some_and(looks_like_milliseconds) {
            mistakes.add(
                join(&path, "expires"),
                "is in milliseconds; give seconds since 1970, or the key practically never expires",
            );
        }
        let stored = match StoredKey::new(entry, issuer) {
            Ok(stored) => stored,
            Err(unfit) => {
                mistakes.add(join(&path, unfit.key), unfit.message);
                continue;
            }
        };
        let digest = *stored.digest();
        if !digests.insert(digest) {
            let message = "is the digest of an earlier key too; list each key once";
            mistakes.add(join(&path, "digest"), message);
        }
        let Some(id) = &entry.id else {
            legacy.insert(digest, stored);
            continue;
        };
        match format::key_id(id.as_bytes()) {
            Some(id) if keys.insert(id, stored).is_none() => {}
            Some(_) => mistakes.add(
                join(&path, "id"),
                "is the id of an earlier key too; every key has its own",
            ),
            None => mistakes.add(
                join(&path, "id"),
                "is no id; the 16 letters and digits between the underscores of the key are \
                 needed, or no id at all for a key of another form",
            ),
        }
    }
    (keys, legacy)
}
