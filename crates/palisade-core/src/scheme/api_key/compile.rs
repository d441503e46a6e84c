//! Checks an [`ApiKey`](super::ApiKey) and prepares its keys.

use super::{
    ApiKey,
    format::{self, Digest},
    stored::StoredKey,
    verify::KeyScheme,
};
use crate::{
    config::{Mistakes, join},
    scheme::{Carrier, Challenge},
};
use http::HeaderName;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// `None` after at least one mistake was reported.
pub(super) fn compile(config: &ApiKey, realm: &str, mistakes: &mut Mistakes) -> Option<KeyScheme> {
    let path = join("api_key", &config.name);
    if !format::is_prefix(config.prefix.as_bytes()) {
        let right = "a letter and one to nine letters or digits in lower case are needed";
        mistakes.add(join(&path, "prefix"), format!("is no prefix; {right}"));
    }
    let carriers = carriers(config, &path, mistakes);
    let (keys, legacy) = keys(config, &path, mistakes);
    if mistakes.has(&path) {
        return None;
    }
    Some(KeyScheme {
        name: config.name.clone(),
        prefix: config.prefix.clone().into_bytes(),
        keep: config.keep,
        carriers,
        challenge: Challenge::new("ApiKey").with("realm", realm),
        keys,
        legacy,
    })
}

/// Header, query, cookie: what the browser sends by itself comes last.
fn carriers(config: &ApiKey, path: &str, mistakes: &mut Mistakes) -> Vec<Carrier> {
    let mut carriers = Vec::new();
    let unnamed = config.query.is_none() && config.cookie.is_none();
    let header = config.header.as_deref().or(unnamed.then_some("x-api-key"));
    if let Some(header) = header {
        match HeaderName::try_from(header) {
            Ok(http::header::AUTHORIZATION | http::header::COOKIE) => mistakes.add(
                join(path, "header"),
                "belongs to other schemes; choose a header of its own, such as \"x-api-key\"",
            ),
            Ok(name) => carriers.push(Carrier::Header(name)),
            Err(_) => mistakes.add(
                join(path, "header"),
                "is no header name; write one such as \"x-api-key\"",
            ),
        }
    }
    for (key, name, carrier) in [
        (
            "query",
            &config.query,
            Carrier::Query as fn(String) -> Carrier,
        ),
        ("cookie", &config.cookie, Carrier::Cookie),
    ] {
        match name {
            Some(name) if is_plain(name) => carriers.push(carrier(name.clone())),
            Some(_) => mistakes.add(
                join(path, key),
                "is no usable name; letters, digits, `-`, `.` and `_` are allowed",
            ),
            None => {}
        }
    }
    carriers
}

/// A name that queries and cookies carry unchanged.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

type Keys = HashMap<format::KeyId, StoredKey>;
type LegacyKeys = HashMap<Digest, StoredKey>;

fn keys(config: &ApiKey, path: &str, mistakes: &mut Mistakes) -> (Keys, LegacyKeys) {
    let issuer: Arc<str> = format!("palisade:api_key/{}", config.name).into();
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
        let Some(stored) = StoredKey::new(entry, &issuer) else {
            mistakes.add(
                join(&path, "digest"),
                "is no digest; `sha256:` and the SHA-256 of the whole key in 64 hex digits are \
                 needed, never the key itself",
            );
            continue;
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
