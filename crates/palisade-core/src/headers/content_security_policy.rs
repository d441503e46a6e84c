//! `Content-Security-Policy`, read as CSP Level 3 says (<https://www.w3.org/TR/CSP3/>).

use super::{NONCE, check::is_token};
use crate::config::near;

/// What a directive takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// A source list (§2.3.1).
    Sources,
    /// A source list of places alone (§6.4.2.1).
    Ancestors,
    Nothing,
    /// Flags of the HTML standard (§7.5).
    SandboxFlags,
    /// `'script'` (Trusted Types §4.6.1).
    ScriptSinks,
    /// Names of policies (Trusted Types §4.6.2).
    TrustedTypes,
    /// One name of an endpoint.
    Endpoint,
    /// One or more URLs.
    Urls,
}

/// The directives of CSP Level 3 §6 and those of the specifications that extend it.
const DIRECTIVES: &[(&str, Takes)] = &[
    ("base-uri", Takes::Sources),
    ("child-src", Takes::Sources),
    ("connect-src", Takes::Sources),
    ("default-src", Takes::Sources),
    ("font-src", Takes::Sources),
    ("form-action", Takes::Sources),
    ("frame-ancestors", Takes::Ancestors),
    ("frame-src", Takes::Sources),
    ("img-src", Takes::Sources),
    ("manifest-src", Takes::Sources),
    ("media-src", Takes::Sources),
    ("object-src", Takes::Sources),
    ("report-to", Takes::Endpoint),
    ("report-uri", Takes::Urls),
    ("require-trusted-types-for", Takes::ScriptSinks),
    ("sandbox", Takes::SandboxFlags),
    ("script-src", Takes::Sources),
    ("script-src-attr", Takes::Sources),
    ("script-src-elem", Takes::Sources),
    ("style-src", Takes::Sources),
    ("style-src-attr", Takes::Sources),
    ("style-src-elem", Takes::Sources),
    ("trusted-types", Takes::TrustedTypes),
    ("upgrade-insecure-requests", Takes::Nothing),
    ("worker-src", Takes::Sources),
];

/// Words that mean a host unless they stand in single quotes.
const KEYWORDS: &[&str] = &[
    "none",
    "self",
    "unsafe-inline",
    "unsafe-eval",
    "unsafe-hashes",
    "unsafe-allow-redirects",
    "strict-dynamic",
    "report-sample",
    "report-sha256",
    "report-sha384",
    "report-sha512",
    "trusted-types-eval",
    "wasm-unsafe-eval",
];

/// What comes before the value of a nonce or a hash.
const VALUES: [&str; 4] = ["nonce-", "sha256-", "sha384-", "sha512-"];

const SANDBOX_FLAGS: &[&str] = &[
    "allow-downloads",
    "allow-forms",
    "allow-modals",
    "allow-orientation-lock",
    "allow-pointer-lock",
    "allow-popups",
    "allow-popups-to-escape-sandbox",
    "allow-presentation",
    "allow-same-origin",
    "allow-scripts",
    "allow-storage-access-by-user-activation",
    "allow-top-navigation",
    "allow-top-navigation-by-user-activation",
    "allow-top-navigation-to-custom-protocols",
];

/// Finds what a browser would not take as it is meant.
pub(super) fn check(value: &str, only_reports: bool) -> Result<(), String> {
    let mut seen: Vec<&str> = Vec::new();
    for directive in value.split(';').map(str::trim).filter(|d| !d.is_empty()) {
        let mut words = directive.split_ascii_whitespace();
        let written = words.next().unwrap_or_default().to_ascii_lowercase();
        let known = DIRECTIVES.iter().find(|(name, _)| *name == written);
        let Some(&(name, takes)) = known else {
            let names = DIRECTIVES.iter().map(|(name, _)| *name);
            let meant = near(&written, names)
                .map(|name| format!("; did you mean {name:?}?"))
                .unwrap_or_default();
            return Err(format!("has the unknown directive {written:?}{meant}"));
        };
        if seen.contains(&name) {
            return Err(format!(
                "has the directive {name:?} twice; browsers ignore the second"
            ));
        }
        check_words(name, takes, &words.collect::<Vec<_>>())?;
        seen.push(name);
    }
    if seen.is_empty() {
        return Err("holds no directive".to_owned());
    }
    if only_reports && !seen.iter().any(|name| name.starts_with("report-")) {
        return Err("reports to nobody; add report-to or report-uri".to_owned());
    }
    Ok(())
}

fn check_words(name: &str, takes: Takes, words: &[&str]) -> Result<(), String> {
    if let Some(word) = words.iter().find(|word| word.contains(',')) {
        return Err(format!(
            "has a comma in {word:?}; separate sources by spaces"
        ));
    }
    match takes {
        Takes::Sources | Takes::Ancestors => {
            for word in words {
                check_source(word, takes)?;
            }
            let none = |word: &&str| word.eq_ignore_ascii_case("'none'");
            if words.len() > 1 && words.iter().any(none) {
                return Err(format!(
                    "has 'none' beside other sources in {name:?}, where it means nothing"
                ));
            }
            Ok(())
        }
        Takes::Nothing => match words {
            [] => Ok(()),
            _ => Err(format!("has a value for {name:?}, which takes none")),
        },
        Takes::SandboxFlags => {
            let flag = words.iter().find(|word| !SANDBOX_FLAGS.contains(word));
            flag.map_or(Ok(()), |flag| {
                Err(format!(
                    "has {flag:?} in {name:?}; write {}",
                    SANDBOX_FLAGS.join(", or ")
                ))
            })
        }
        Takes::ScriptSinks => match words {
            ["'script'"] => Ok(()),
            _ => Err(format!("needs {name} 'script'")),
        },
        Takes::TrustedTypes => {
            let fits = |word: &&str| match word.strip_prefix('\'') {
                Some(_) => matches!(*word, "'none'" | "'allow-duplicates'"),
                None => word
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-#=_/@.%*".contains(&b)),
            };
            match words.iter().find(|word| !fits(word)) {
                Some(word) => Err(format!("has {word:?} in {name:?}, which names no policy")),
                None => Ok(()),
            }
        }
        Takes::Endpoint => match words {
            [one] if is_token(one) => Ok(()),
            _ => Err(format!("needs one name of an endpoint for {name:?}")),
        },
        Takes::Urls => match words {
            [] => Err(format!("needs a URL for {name:?}")),
            _ => Ok(()),
        },
    }
}

/// §2.3.1: a keyword, a nonce or a hash in quotes, a scheme, or a host.
fn check_source(source: &str, takes: Takes) -> Result<(), String> {
    let lower = source.to_ascii_lowercase();
    let inner = source
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''));
    let Some(inner) = inner else {
        let is_value = VALUES.iter().any(|before| lower.starts_with(before));
        if KEYWORDS.contains(&&*lower) || is_value {
            return Err(format!("needs {source} in single quotes: '{source}'"));
        }
        return match is_scheme_source(source) || is_host_source(source) {
            true => Ok(()),
            false => Err(format!(
                "has {source:?}, which is no source; write 'self', https: or https://host:port/path"
            )),
        };
    };
    let lower = inner.to_ascii_lowercase();
    let fits = match takes {
        Takes::Ancestors => matches!(&*lower, "self" | "none"),
        _ => KEYWORDS.contains(&&*lower) || is_value(&lower, inner),
    };
    match fits {
        true => Ok(()),
        false => {
            let meant = near(&lower, KEYWORDS.iter().copied())
                .map(|word| format!("; did you mean '{word}'?"))
                .unwrap_or_default();
            Err(format!("has {source}, which means nothing there{meant}"))
        }
    }
}

/// A nonce or a hash: base64 or base64url behind its name.
fn is_value(lower: &str, written: &str) -> bool {
    let mut values = VALUES.iter();
    let Some(before) = values.find(|before| lower.starts_with(**before)) else {
        return false;
    };
    let value = written.get(before.len()..).unwrap_or_default();
    let digits = value.trim_end_matches('=');
    let is_base64 = !digits.is_empty()
        && digits
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+/-_".contains(&b));
    value == NONCE && *before == "nonce-" || is_base64
}

fn is_scheme_source(source: &str) -> bool {
    source.strip_suffix(':').is_some_and(is_scheme)
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// `[scheme "://"] host [":" port] [path]`, where the host may begin with `*.` or be `*`.
fn is_host_source(source: &str) -> bool {
    let rest = match source.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => rest,
        Some(_) => return false,
        None => source,
    };
    let (authority, path) = match rest.split_once('/') {
        Some((authority, path)) => (authority, path),
        None => (rest, ""),
    };
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let name = host.strip_prefix("*.").unwrap_or(host);
    let host_fits = host == "*" || name.split('.').all(label);
    let port_fits = port.is_none_or(|port| port == "*" || port.parse::<u16>().is_ok());
    host_fits && port_fits && !path.contains(['?', '#', '"', '\''])
}
