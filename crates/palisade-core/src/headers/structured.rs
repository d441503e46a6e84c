//! Header values that are structured fields (RFC 9651): a browser drops one whole that is not
//! well-formed, and leaves out what it does not know, without a word.

use super::check::one_of;
use crate::config::near;
use sfv::{
    BareItem, Dictionary, InnerList, Item, KeyRef, ListEntry, Parser,
    visitor::{DictionaryVisitor, EntryVisitor, Ignored},
};
use std::convert::Infallible;

/// Whose features a dictionary names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Features {
    /// Permissions Policy §5: each has an allowlist.
    Permissions,
    /// Those of another specification, in any form.
    Any,
}

/// Features of browsers that a policy can allow; others may follow, so they are only a guess at
/// what was meant.
const FEATURES: &[&str] = &[
    "accelerometer",
    "ambient-light-sensor",
    "attribution-reporting",
    "autoplay",
    "bluetooth",
    "browsing-topics",
    "camera",
    "clipboard-read",
    "clipboard-write",
    "compute-pressure",
    "cross-origin-isolated",
    "deferred-fetch",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "gamepad",
    "geolocation",
    "gyroscope",
    "hid",
    "identity-credentials-get",
    "idle-detection",
    "interest-cohort",
    "join-ad-interest-group",
    "keyboard-map",
    "language-detector",
    "local-fonts",
    "magnetometer",
    "microphone",
    "midi",
    "otp-credentials",
    "payment",
    "picture-in-picture",
    "private-state-token-issuance",
    "publickey-credentials-create",
    "publickey-credentials-get",
    "run-ad-auction",
    "screen-wake-lock",
    "serial",
    "shared-storage",
    "speaker-selection",
    "storage-access",
    "summarizer",
    "sync-xhr",
    "translator",
    "unload",
    "usb",
    "web-share",
    "window-management",
    "xr-spatial-tracking",
];

/// A token out of these, perhaps with the endpoint of its reports (HTML standard §7.1.3, §7.1.4).
pub(super) fn word(value: &str, allowed: &[&str]) -> Result<(), String> {
    let item: Item = Parser::new(value)
        .parse()
        .map_err(|_| format!("is {value:?}; write {}", allowed.join(", or ")))?;
    let Some(word) = item.bare_item.as_token() else {
        return Err(format!("is {value:?}; write {}", allowed.join(", or ")));
    };
    one_of(word.as_str(), allowed)?;
    for (key, parameter) in &item.params {
        if key.as_str() != "report-to" || parameter.as_string().is_none() {
            return Err(format!(
                "has the parameter {:?}; only report-to=\"NAME\" is known, in quotes",
                key.as_str()
            ));
        }
    }
    Ok(())
}

/// `?1` or `?0`.
pub(super) fn boolean(value: &str) -> Result<(), String> {
    let item = Parser::new(value).parse::<Item>();
    let item = item.ok().and_then(|item| item.bare_item.as_boolean());
    item.map(|_| ())
        .ok_or_else(|| format!("is {value:?}; write ?1 or ?0"))
}

/// Names of endpoints and their URLs (Reporting API §3.2).
pub(super) fn endpoints(value: &str) -> Result<(), String> {
    let wrong = || "needs names and URLs in quotes: main=\"https://reports.example\"".to_owned();
    let all = dictionary(value).map_err(|duplicate| duplicate.unwrap_or_else(wrong))?;
    let is_url = |entry: &ListEntry| match entry {
        ListEntry::Item(item) => item.bare_item.as_string().is_some_and(|url| {
            url.as_str().starts_with("https://") || url.as_str().starts_with('/')
        }),
        ListEntry::InnerList(_) => false,
    };
    match !all.is_empty() && all.values().all(is_url) {
        true => Ok(()),
        false => Err(wrong()),
    }
}

/// Features, each with what is allowed.
pub(super) fn features(value: &str, features: Features) -> Result<(), String> {
    let wrong = || match features {
        Features::Permissions => "is not well-formed, so browsers drop all of it; write features \
                                  with lists, such as geolocation=(), camera=(self \
                                  \"https://a.example\")"
            .to_owned(),
        Features::Any => "is no dictionary of RFC 9651, so browsers drop all of it".to_owned(),
    };
    let all = dictionary(value).map_err(|duplicate| duplicate.unwrap_or_else(wrong))?;
    if all.is_empty() {
        return Err("names no feature".to_owned());
    }
    if features == Features::Any {
        return Ok(());
    }
    for (feature, allowed) in &all {
        let feature = feature.as_str();
        if let Some(meant) = near(feature, FEATURES.iter().copied())
            && !FEATURES.contains(&feature)
        {
            return Err(format!(
                "has the unknown feature {feature:?}; did you mean {meant:?}?"
            ));
        }
        let (items, parameters) = match allowed {
            ListEntry::Item(item) => (std::slice::from_ref(item), &item.params),
            ListEntry::InnerList(InnerList { items, params }) => (items.as_slice(), params),
        };
        // A semicolon separates parameters, not features.
        if let Some((key, _)) = parameters
            .iter()
            .find(|(key, _)| key.as_str() != "report-to")
        {
            return Err(format!(
                "has the parameter {:?} of {feature:?}; separate features by commas",
                key.as_str()
            ));
        }
        for item in items {
            check_allowed(feature, &item.bare_item)?;
        }
    }
    Ok(())
}

/// Permissions Policy §5.2: `*`, `self`, or an origin in quotes.
fn check_allowed(feature: &str, item: &BareItem) -> Result<(), String> {
    let right = format!(
        "write {feature}=() for nobody, {feature}=(self) for this site, or origins in quotes"
    );
    if let Some(word) = item.as_token() {
        return match word.as_str() {
            "*" | "self" => Ok(()),
            other => Err(format!("has {other} for {feature:?}; {right}")),
        };
    }
    let origin = item.as_string().map(|text| text.as_str());
    match origin.is_some_and(is_origin) {
        true => Ok(()),
        false => Err(format!("has no origin for {feature:?}; {right}")),
    }
}

/// `https://a.example`, or `https://*.a.example`.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let authority = authority.strip_prefix("*.").unwrap_or(authority);
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    !scheme.is_empty() && !authority.is_empty() && authority.bytes().all(known)
}

/// A dictionary without a name twice: of two, browsers take the last. The error is what to say of
/// that, and `None` where the value is no dictionary.
fn dictionary(value: &str) -> Result<Dictionary, Option<String>> {
    let names = Parser::new(value).parse_dictionary_with_visitor(Names::default());
    let mut names = names.map_err(|_| None)?;
    names.sort_unstable();
    let twice = names.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(one),
        _ => None,
    });
    if let Some(name) = twice {
        return Err(Some(format!("has {name:?} twice; browsers take the last")));
    }
    Parser::new(value).parse().map_err(|_| None)
}

/// The names in a dictionary, as often as they stand there.
#[derive(Default)]
struct Names(Vec<String>);

impl<'de> DictionaryVisitor<'de> for Names {
    type Out = Vec<String>;
    type Error = Infallible;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Self::Error> {
        self.0.push(key.as_str().to_owned());
        Ok(Ignored)
    }

    fn finish(self) -> Result<Self::Out, Self::Error> {
        Ok(self.0)
    }
}
