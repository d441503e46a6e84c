//! Checks of header values: a wrong directive is silently ignored by browsers, so it must not
//! get past the build.

use super::{
    NONCE, content_security_policy as csp,
    structured::{self, Features},
};
use crate::config::near;
use http::{HeaderName, HeaderValue};

/// Checks a field that a policy sets.
pub(super) fn field(name: &str, value: &str) -> Result<HeaderName, String> {
    let name: HeaderName = name
        .parse()
        .map_err(|_| "is no header name; write one such as \"x-frame-options\"".to_owned())?;
    HeaderValue::try_from(value)
        .map_err(|_| "holds characters that no header value may hold".to_owned())?;
    match name.as_str() {
        "content-security-policy" => csp::check(value, false)?,
        "content-security-policy-report-only" => csp::check(value, true)?,
        "strict-transport-security" => {
            return Err("is set in [headers.hsts], because it is sent over HTTPS only".to_owned());
        }
        other if other.starts_with("access-control-") => {
            return Err("is set in [cors], because it depends on the request".to_owned());
        }
        "connection" | "content-length" | "transfer-encoding" | "date" | "set-cookie"
        | "www-authenticate" | "vary" | "retry-after" | "x-request-id" | "ratelimit"
        | "ratelimit-policy" => {
            return Err("cannot be set for all responses; remove it".to_owned());
        }
        "feature-policy" => {
            return Err("is the old form of Permissions-Policy; write that".to_owned());
        }
        "expect-ct"
        | "public-key-pins"
        | "public-key-pins-report-only"
        | "x-content-security-policy"
        | "x-webkit-csp" => return Err("is read by no browser any more; remove it".to_owned()),
        // Fetch standard §3.5, HTML standard §7.6, and what each header below links to.
        "x-content-type-options" => one_of(value, &["nosniff"])?,
        "x-frame-options" => one_of(value, &["DENY", "SAMEORIGIN"])?,
        // The filter that any other value turns on can be used against the page.
        "x-xss-protection" => one_of(value, &["0"])?,
        "x-dns-prefetch-control" => one_of(value, &["off", "on"])?,
        "x-download-options" => one_of(value, &["noopen"])?,
        "x-permitted-cross-domain-policies" => one_of(
            value,
            &[
                "none",
                "master-only",
                "by-content-type",
                "by-ftp-filename",
                "all",
                "none-this-response",
            ],
        )?,
        "cross-origin-resource-policy" => {
            one_of(value, &["same-origin", "same-site", "cross-origin"])?;
        }
        "cross-origin-opener-policy" | "cross-origin-opener-policy-report-only" => {
            structured::word(
                value,
                &[
                    "same-origin",
                    "same-origin-allow-popups",
                    "noopener-allow-popups",
                    "unsafe-none",
                ],
            )?;
        }
        "cross-origin-embedder-policy" | "cross-origin-embedder-policy-report-only" => {
            structured::word(value, &["require-corp", "credentialless", "unsafe-none"])?;
        }
        "origin-agent-cluster" => structured::boolean(value)?,
        "permissions-policy" | "permissions-policy-report-only" => {
            structured::features(value, Features::Permissions)?;
        }
        "document-policy" | "integrity-policy" | "integrity-policy-report-only" => {
            structured::features(value, Features::Any)?;
        }
        "reporting-endpoints" => structured::endpoints(value)?,
        "clear-site-data" => clear_site_data(value)?,
        "cache-control" => cache_control(value)?,
        // Referrer Policy §4.1: of several, browsers take the last that they know.
        "referrer-policy" => {
            for token in value.split(',') {
                one_of(token.trim(), REFERRER_POLICIES)?;
            }
        }
        other => {
            if let Some(meant) = near(other, TYPED.iter().copied()) {
                return Err(format!(
                    "is no header that anybody reads; did you mean {meant:?}?"
                ));
            }
        }
    }
    if value.contains(NONCE) && !name.as_str().starts_with("content-security-policy") {
        return Err("may hold {nonce} only in a Content-Security-Policy".to_owned());
    }
    Ok(name)
}

/// Names that are mostly meant where another is nearly the same.
const TYPED: &[&str] = &[
    "cache-control",
    "clear-site-data",
    "content-security-policy",
    "content-security-policy-report-only",
    "cross-origin-embedder-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "origin-agent-cluster",
    "permissions-policy",
    "referrer-policy",
    "reporting-endpoints",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "x-permitted-cross-domain-policies",
    "x-xss-protection",
];

const REFERRER_POLICIES: &[&str] = &[
    "no-referrer",
    "no-referrer-when-downgrade",
    "origin",
    "origin-when-cross-origin",
    "same-origin",
    "strict-origin",
    "strict-origin-when-cross-origin",
    "unsafe-url",
];

/// Clear Site Data §3.1: a list of quoted strings; a word without quotes is ignored.
fn clear_site_data(value: &str) -> Result<(), String> {
    let types = [
        "\"*\"",
        "\"cache\"",
        "\"clientHints\"",
        "\"cookies\"",
        "\"executionContexts\"",
        "\"prefetchCache\"",
        "\"prerenderCache\"",
        "\"storage\"",
    ];
    let mut each = value.split(',').map(str::trim);
    each.try_for_each(|one| match types.contains(&one) {
        true => Ok(()),
        false => Err(format!(
            "has {one}; write, in quotes, {}",
            types.join(", or ")
        )),
    })
}

/// Directives of a response (RFC 9111 §5.2.2, RFC 5861, RFC 8246), and what each takes.
const CACHE_DIRECTIVES: &[(&str, CacheArgument)] = &[
    ("immutable", CacheArgument::None),
    ("max-age", CacheArgument::Seconds),
    ("must-revalidate", CacheArgument::None),
    ("must-understand", CacheArgument::None),
    ("no-cache", CacheArgument::Fields),
    ("no-store", CacheArgument::None),
    ("no-transform", CacheArgument::None),
    ("private", CacheArgument::Fields),
    ("proxy-revalidate", CacheArgument::None),
    ("public", CacheArgument::None),
    ("s-maxage", CacheArgument::Seconds),
    ("stale-if-error", CacheArgument::Seconds),
    ("stale-while-revalidate", CacheArgument::Seconds),
];

#[derive(Clone, Copy)]
enum CacheArgument {
    None,
    Seconds,
    /// Nothing, or names of fields in quotes.
    Fields,
}

/// A directive that nobody knows is allowed (RFC 9111 §5.2.3), one that is nearly known is not.
fn cache_control(value: &str) -> Result<(), String> {
    let mut in_quotes = false;
    let directives = value.split(|c: char| {
        in_quotes ^= c == '"';
        c == ',' && !in_quotes
    });
    for directive in directives {
        let (name, argument) = match directive.trim().split_once('=') {
            Some((name, argument)) => (name, Some(argument)),
            None => (directive.trim(), None),
        };
        let lower = name.to_ascii_lowercase();
        if !is_token(name) {
            return Err(format!(
                "has {directive:?}, which is no directive; separate directives by commas"
            ));
        }
        let known = CACHE_DIRECTIVES.iter().find(|(own, _)| *own == lower);
        let Some((_, takes)) = known else {
            let names = CACHE_DIRECTIVES.iter().map(|(own, _)| *own);
            if let Some(meant) = near(&lower, names) {
                return Err(format!(
                    "has the unknown directive {name:?}; did you mean {meant:?}?"
                ));
            }
            continue;
        };
        let fits = match (takes, argument) {
            (CacheArgument::None, argument) => argument.is_none(),
            (CacheArgument::Seconds, argument) => argument
                .is_some_and(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())),
            (CacheArgument::Fields, argument) => argument
                .is_none_or(|text| text.len() > 2 && text.starts_with('"') && text.ends_with('"')),
        };
        if !fits {
            return Err(match takes {
                CacheArgument::None => format!("has a value for {name:?}, which takes none"),
                CacheArgument::Seconds => {
                    format!("needs seconds for {name:?}, such as {name}=60")
                }
                CacheArgument::Fields => {
                    format!("needs field names in quotes for {name:?}, or no value")
                }
            });
        }
    }
    Ok(())
}

/// RFC 9110 §5.6.2.
pub(super) fn is_token(text: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(known)
}

pub(super) fn one_of(value: &str, allowed: &[&str]) -> Result<(), String> {
    if allowed.contains(&value) {
        Ok(())
    } else {
        Err(format!("is {value:?}; write {}", allowed.join(", or ")))
    }
}

#[cfg(test)]
mod tests;
