//! Checks a [`Jwt`] and finds its keys.

use super::{
    Jwt, KeySource,
    live::LiveVerifier,
    verify::{Bearer, Judge, Verifier},
};
use crate::{
    companion::{Endpoint, KeyFeed, RemoteKeys},
    config::{Mistakes, join},
    jwt::{Algorithm, JwkOptions, KeySet, TokenCaching, TokenVerifier},
    scheme::BuildContext,
    scheme::token,
    secret::Secret,
};
use secrecy::ExposeSecret;
use std::{
    str::FromStr,
    sync::{Arc, Once},
};

/// Fetching more often than an unknown key may ask for would only be load.
const LEAST_REFRESH_SECONDS: u64 = 30;

/// `None` after at least one mistake was reported.
pub(super) fn compile(
    config: &Jwt,
    context: &BuildContext<'_>,
    mistakes: &mut Mistakes,
) -> Option<Bearer> {
    let section = join("jwt", &config.name);
    let algorithm = config.algorithm.as_deref().and_then(|name| {
        let known = Algorithm::from_str(name);
        known
            .map_err(|why| mistakes.add(join(&section, "algorithm"), why.to_string()))
            .ok()
    });
    let carriers = config.places.compile_for_tokens(&section, mistakes);
    check_times(config, &section, mistakes);
    let of_set = |source: &KeySource| matches!(source, KeySource::Jwks(_) | KeySource::Remote(_));
    if config.keys.iter().any(of_set) && algorithm.is_some_and(|one| !one.is_rsa()) {
        mistakes.add(
            join(&section, "algorithm"),
            "is not for RSA, and no other key of a set need be told its algorithm; write one such as PS256, or leave it \
             out",
        );
    }
    // A reference that is none has been reported: the key is not missing as well.
    let mut keys = ["secret", "public_key", "jwks", "keys"].iter();
    let misread = keys.any(|key| mistakes.has(&join(&section, key)));
    let source = load(config, context, algorithm)
        .map_err(|Wrong { key, message }| {
            let at = match key {
                "" if misread => return,
                "" => section.clone(),
                key => join(&section, key),
            };
            mistakes.add(at, message);
        })
        .ok();
    let rules = config
        .token
        .clone()
        .check()
        .map_err(|wrong| token::report(wrong, &section, mistakes));
    let caching = TokenCaching::new(&config.name, config.cached_tokens, &*context.entropy)
        .map_err(|source| mistakes.add(section.clone(), source.to_string()));
    let (rules, source, caching) = (Arc::new(rules.ok()?), source?, caching.ok()?);
    if mistakes.has(&section) {
        return None;
    }
    let verifier = match source {
        Source::Fixed(keys) => {
            let verifier = TokenVerifier::new(Arc::clone(&rules), Arc::new(keys));
            Verifier::Fixed(caching.of(verifier))
        }
        Source::Live(feed) => Verifier::Live(LiveVerifier::new(Arc::clone(&rules), feed, caching)),
    };
    Some(Bearer {
        name: config.name.clone(),
        challenge: carriers.challenge(context.realm),
        carriers,
        judge: Arc::new(Judge {
            rules,
            verifier,
            revocations: context.revocations.clone(),
            clock: Arc::clone(&context.clock),
            told_milliseconds: Once::new(),
        }),
    })
}

fn check_times(config: &Jwt, section: &str, mistakes: &mut Mistakes) {
    if config.refresh_seconds < LEAST_REFRESH_SECONDS {
        mistakes.add(
            join(section, "refresh"),
            format!("is too short; write {LEAST_REFRESH_SECONDS}s or more"),
        );
    }
    if config.stale_seconds < config.refresh_seconds {
        mistakes.add(
            join(section, "stale"),
            "is shorter than refresh, so that keys would be too old before they are fetched anew",
        );
    }
}

enum Source {
    Fixed(KeySet),
    Live(Arc<dyn KeyFeed>),
}

/// The setting that is wrong, and why.
struct Wrong {
    key: &'static str,
    message: String,
}

fn load(
    config: &Jwt,
    context: &BuildContext<'_>,
    algorithm: Option<Algorithm>,
) -> Result<Source, Wrong> {
    let [source] = config.keys.as_slice() else {
        let message = match config.keys.is_empty() {
            true => {
                "has no key; write keys = \"discover\" or the URL of a JWK set, or give secret, public_key or jwks \
                 as env:NAME or file:PATH"
            }
            false => "has keys from several places; keep one of keys, secret, public_key and jwks",
        };
        let message = message.to_owned();
        return Err(Wrong { key: "", message });
    };
    let (key, keys) = match source {
        KeySource::Remote(endpoint) => {
            return subscribe(config, endpoint, context, algorithm).map(Source::Live);
        }
        KeySource::Secret(secret) => (
            "secret",
            read(secret, context, |bytes| {
                KeySet::from_secret(bytes, algorithm.unwrap_or(Algorithm::HS256))
            }),
        ),
        KeySource::PublicKey(pem) => (
            "public_key",
            read(pem, context, |bytes| KeySet::from_pem(bytes, algorithm)),
        ),
        KeySource::Jwks(set) => (
            "jwks",
            read(set, context, |bytes| read_set(config, bytes, algorithm)),
        ),
    };
    keys.map(Source::Fixed)
        .map_err(|message| Wrong { key, message })
}

fn read<E: ToString>(
    reference: &Secret,
    context: &BuildContext<'_>,
    read: impl FnOnce(&[u8]) -> Result<KeySet, E>,
) -> Result<KeySet, String> {
    let bytes = context.load(reference);
    let bytes = bytes.map_err(|why| why.to_string())?;
    read(bytes.expose_secret()).map_err(|why| why.to_string())
}

fn read_set(config: &Jwt, json: &[u8], algorithm: Option<Algorithm>) -> Result<KeySet, String> {
    let read = KeySet::from_jwk_set(json, jwk_options(algorithm));
    let (keys, skipped) = read.map_err(|why| why.to_string())?;
    for key in skipped {
        let (scheme, kid, position) = (&config.name, key.kid.as_deref(), key.position);
        if key.is_alarm() {
            tracing::error!(target: "palisade", scheme, kid, position, "key skipped: {}", key.why);
        } else {
            tracing::warn!(target: "palisade", scheme, kid, position, "key skipped: {}", key.why);
        }
    }
    match keys.is_empty() {
        true => Err("no usable key; a token could never be verified".to_owned()),
        false => Ok(keys),
    }
}

fn jwk_options(algorithm: Option<Algorithm>) -> JwkOptions {
    let usual = JwkOptions::default();
    JwkOptions {
        rsa_algorithm: algorithm.unwrap_or(usual.rsa_algorithm),
    }
}

fn subscribe(
    config: &Jwt,
    endpoint: &Endpoint,
    context: &BuildContext<'_>,
    algorithm: Option<Algorithm>,
) -> Result<Arc<dyn KeyFeed>, Wrong> {
    let source = RemoteKeys {
        scheme: config.name.clone(),
        issuer: config.token.issuer.clone(),
        endpoint: endpoint.clone(),
        options: jwk_options(algorithm),
        refresh_seconds: config.refresh_seconds,
        stale_seconds: config.stale_seconds,
        outgoing: context.outgoing.clone(),
        clock: Arc::clone(&context.clock),
    };
    let feed = context
        .companions
        .servers()
        .and_then(|servers| servers.keys(source));
    feed.map_err(|unfit| Wrong {
        key: match unfit.key {
            "" => "keys",
            key => key,
        },
        message: unfit.message,
    })
}
