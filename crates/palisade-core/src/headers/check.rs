//! Checks of header values: a wrong directive is silently ignored by browsers, so it must not
//! get past the build.

use super::NONCE;
use http::{HeaderName, HeaderValue};

/// Checks a field that a policy sets.
pub(super) fn field(name: &str, value: &str) -> Result<HeaderName, String> {
    let name: HeaderName = name
        .parse()
        .map_err(|_| "is no header name; write one such as \"x-frame-options\"".to_owned())?;
    HeaderValue::try_from(value)
        .map_err(|_| "holds characters that no header value may hold".to_owned())?;
    match name.as_str() {
        "content-security-policy" | "content-security-policy-report-only" => {
            content_security_policy(value)?;
        }
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
        "x-content-type-options" => one_of(value, &["nosniff"])?,
        "x-frame-options" => one_of(value, &["DENY", "SAMEORIGIN"])?,
        "cross-origin-resource-policy" => {
            one_of(value, &["same-origin", "same-site", "cross-origin"])?;
        }
        "cross-origin-opener-policy" => one_of(
            value,
            &[
                "same-origin",
                "same-origin-allow-popups",
                "noopener-allow-popups",
                "unsafe-none",
            ],
        )?,
        "cross-origin-embedder-policy" => {
            one_of(value, &["require-corp", "credentialless", "unsafe-none"])?;
        }
        "referrer-policy" => {
            for token in value.split(',') {
                one_of(token.trim(), REFERRER_POLICIES)?;
            }
        }
        _ => {}
    }
    if value.contains(NONCE) && !name.as_str().starts_with("content-security-policy") {
        return Err("may hold {nonce} only in a Content-Security-Policy".to_owned());
    }
    Ok(name)
}

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

/// The directives of CSP Level 3 §6 and those of the specifications that extend it.
const DIRECTIVES: &[&str] = &[
    "base-uri",
    "child-src",
    "connect-src",
    "default-src",
    "font-src",
    "form-action",
    "frame-ancestors",
    "frame-src",
    "img-src",
    "manifest-src",
    "media-src",
    "object-src",
    "report-to",
    "report-uri",
    "require-trusted-types-for",
    "sandbox",
    "script-src",
    "script-src-attr",
    "script-src-elem",
    "style-src",
    "style-src-attr",
    "style-src-elem",
    "trusted-types",
    "upgrade-insecure-requests",
    "worker-src",
];

/// Words that mean a host unless they stand in single quotes (CSP Level 3 §2.3.1).
const KEYWORDS: &[&str] = &[
    "none",
    "self",
    "unsafe-inline",
    "unsafe-eval",
    "unsafe-hashes",
    "strict-dynamic",
    "report-sample",
    "wasm-unsafe-eval",
];

fn content_security_policy(value: &str) -> Result<(), String> {
    let mut seen = Vec::new();
    for directive in value.split(';').map(str::trim).filter(|d| !d.is_empty()) {
        let mut words = directive.split_ascii_whitespace();
        let name = words.next().unwrap_or_default().to_ascii_lowercase();
        if !DIRECTIVES.contains(&name.as_str()) {
            return Err(format!("has the unknown directive {name:?}"));
        }
        if seen.contains(&name) {
            return Err(format!(
                "has the directive {name:?} twice; browsers ignore the second"
            ));
        }
        let sources: Vec<&str> = words.collect();
        for source in &sources {
            let bare = source.to_ascii_lowercase();
            if KEYWORDS.contains(&bare.as_str())
                || bare.starts_with("nonce-")
                || bare.starts_with("sha256-")
                || bare.starts_with("sha384-")
                || bare.starts_with("sha512-")
            {
                return Err(format!("needs {source} in single quotes: '{source}'"));
            }
            if source.contains(',') {
                return Err(format!(
                    "has a comma in {source:?}; separate sources by spaces"
                ));
            }
        }
        if sources.len() > 1 && sources.contains(&"'none'") {
            return Err(format!(
                "has 'none' beside other sources in {name:?}, where it means nothing"
            ));
        }
        seen.push(name);
    }
    if seen.is_empty() {
        return Err("holds no directive".to_owned());
    }
    Ok(())
}

fn one_of(value: &str, allowed: &[&str]) -> Result<(), String> {
    if allowed.contains(&value) {
        Ok(())
    } else {
        Err(format!("is {value:?}; write {}", allowed.join(", or ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_directives_are_told_apart_from_right_ones() {
        let csp = |value| field("Content-Security-Policy", value);
        for good in [
            "default-src 'self'",
            "default-src 'none'; img-src https://cdn.example data:; upgrade-insecure-requests",
            "script-src 'nonce-{nonce}' 'strict-dynamic';",
        ] {
            csp(good).unwrap();
        }
        for bad in [
            "",
            ";",
            "default-src self",
            "defualt-src 'self'",
            "script-src nonce-abc",
            "img-src a.example, b.example",
            "img-src 'none' a.example",
            "img-src 'self'; img-src 'none'",
        ] {
            csp(bad).unwrap_err();
        }
    }

    #[test]
    fn fields_that_depend_on_the_request_are_not_for_everybody() {
        for (name, value) in [
            ("Access-Control-Allow-Origin", "*"),
            ("Strict-Transport-Security", "max-age=1"),
            ("Set-Cookie", "a=b"),
            ("X-Frame-Options", "ALLOW-FROM https://a.example"),
            ("X-Token", "{nonce}"),
            ("bad name", "x"),
        ] {
            field(name, value).unwrap_err();
        }
    }
}
