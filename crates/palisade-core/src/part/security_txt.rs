//! `[security_txt]`: whom researchers tell of holes (RFC 9116).

use super::{Fittings, Part, PartKind};
use crate::{
    config::{Mistakes, Section, join},
    endpoint::{Endpoint, Opened},
    problem::Reason,
    reply::Reply,
    scheme::BuildContext,
    view::View,
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::Value;
use std::{
    fmt::Write,
    hash::{Hash, Hasher},
};
use time::OffsetDateTime;

pub(super) const KIND: PartKind = PartKind {
    section: SECTION,
    read: |section| Box::new(SecurityTxt::read(section)),
};

const SECTION: &str = "security_txt";

/// RFC 9116 §3.
const PATH: &str = "/.well-known/security.txt";

/// RFC 9116 §2.5.5: what is older than a year is likely stale.
const LONGEST_SECONDS: u64 = 366 * 24 * 60 * 60;

/// Whom researchers tell of holes in the service (RFC 9116), served at `/.well-known/security.txt`.
///
/// ```
/// use palisade_core::{Policy, Rule, SecurityTxt, public};
///
/// let contact = SecurityTxt::new("mailto:security@example.com", 1_830_297_600);
/// let palisade = Policy::builder()
///     .rule(Rule::new("/health").require(public()))
///     .part(contact)
///     .build()?;
/// assert_eq!(palisade.describe().rules[1].path, "/.well-known/security.txt");
/// # Ok::<(), palisade_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, Default, Hash, Serialize)]
#[non_exhaustive]
pub struct SecurityTxt {
    /// `contact`: where to write to, the preferred way first: `mailto:`, `https:` or `tel:` (§2.5.3).
    pub contact: Vec<String>,
    /// `expires`: seconds since 1970-01-01T00:00:00Z from which it is stale (§2.5.5).
    pub expires: u64,
    /// `encryption`: keys to write with (§2.5.4).
    pub encryption: Vec<String>,
    /// `acknowledgments`: where reporters are thanked (§2.5.1).
    pub acknowledgments: Vec<String>,
    /// `preferred_languages`: language tags, such as `en` (§2.5.8).
    pub preferred_languages: Vec<String>,
    /// `canonical`: where the file is meant to be found (§2.5.2).
    pub canonical: Vec<String>,
    /// `policy`: how reports are handled (§2.5.7).
    pub policy: Vec<String>,
    /// `hiring`: open positions (§2.5.6).
    pub hiring: Vec<String>,
}

impl SecurityTxt {
    /// One contact, until `expires`, in seconds since 1970-01-01T00:00:00Z.
    pub fn new(contact: impl Into<String>, expires: u64) -> Self {
        Self {
            contact: vec![contact.into()],
            expires,
            ..Self::default()
        }
    }

    fn read(section: &mut Section<'_, '_>) -> Self {
        let mut list = |key| section.strings(key).unwrap_or_default();
        Self {
            contact: list("contact"),
            encryption: list("encryption"),
            acknowledgments: list("acknowledgments"),
            preferred_languages: list("preferred_languages"),
            canonical: list("canonical"),
            policy: list("policy"),
            hiring: list("hiring"),
            expires: section.datetime("expires").unwrap_or_default(),
        }
    }

    /// The fields that hold URIs, by key and by their name in the document.
    fn uris(&self) -> [(&'static str, &'static str, &[String]); 6] {
        [
            ("contact", "Contact", &self.contact),
            ("encryption", "Encryption", &self.encryption),
            ("acknowledgments", "Acknowledgments", &self.acknowledgments),
            ("canonical", "Canonical", &self.canonical),
            ("policy", "Policy", &self.policy),
            ("hiring", "Hiring", &self.hiring),
        ]
    }

    fn check(&self, now: u64, mistakes: &mut Mistakes) {
        let key = |name: &str| join(SECTION, name);
        if self.contact.is_empty() {
            mistakes.add(
                key("contact"),
                "is missing; write a URI such as \"mailto:security@example.com\"",
            );
        }
        for (name, _, uris) in self.uris() {
            for (index, uri) in uris.iter().enumerate() {
                if !is_uri(uri) {
                    mistakes.add(
                        format!("{}[{index}]", key(name)),
                        format!(
                            "is {uri:?}; write a URI such as \"mailto:security@example.com\" or \
                             \"https://example.com/security\" (RFC 9116 §2.5)"
                        ),
                    );
                }
            }
        }
        for (index, tag) in self.preferred_languages.iter().enumerate() {
            let is_part = |part: &str| {
                (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
            };
            if !tag.split('-').all(is_part) {
                mistakes.add(
                    format!("{}[{index}]", key("preferred_languages")),
                    format!("is {tag:?}; write a language tag such as \"en\" (RFC 5646)"),
                );
            }
        }
        match self.expires {
            0 => mistakes.add(
                key("expires"),
                "is missing; write a date-time within a year, such as 2027-06-01T00:00:00Z",
            ),
            // A service that is started again must not fail for it.
            past if past <= now => mistakes.warn(
                key("expires"),
                "is over, so readers take the contact for stale; renew it",
            ),
            far if far - now > LONGEST_SECONDS => mistakes.warn(
                key("expires"),
                "is more than a year ahead, for which readers may take it for stale (RFC 9116 §2.5.5)",
            ),
            _ => {}
        }
    }

    /// The document (§2.2, §2.4): lines that end in LF.
    fn document(&self) -> Option<String> {
        let mut text = String::new();
        for (_, name, uris) in self.uris() {
            for uri in uris {
                writeln!(text, "{name}: {uri}").ok()?;
            }
        }
        if !self.preferred_languages.is_empty() {
            let tags = self.preferred_languages.join(", ");
            writeln!(text, "Preferred-Languages: {tags}").ok()?;
        }
        let expires = OffsetDateTime::from_unix_timestamp(self.expires.try_into().ok()?).ok()?;
        let (date, time) = (expires.date(), expires.time());
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        let (hour, minute, second) = time.as_hms();
        writeln!(
            text,
            "Expires: {year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
        .ok()?;
        Some(text)
    }
}

impl Part for SecurityTxt {
    fn section(&self) -> &'static str {
        SECTION
    }

    fn fingerprint(&self, mut content: &mut dyn Hasher) {
        self.hash(&mut content);
    }

    fn describe(&self) -> Value {
        // Texts, a number and lists of texts: nothing that JSON cannot hold.
        serde_json::to_value(self).unwrap_or_default()
    }

    fn fit(&self, context: &BuildContext<'_>, fittings: &mut Fittings, mistakes: &mut Mistakes) {
        self.check(context.unix_seconds, mistakes);
        match self.document() {
            Some(document) => fittings.endpoint(Served(document.into())),
            None => mistakes.add(
                join(SECTION, "expires"),
                "is out of range; write a date-time within a year",
            ),
        }
    }
}

/// The document, where it belongs.
#[derive(Debug)]
struct Served(Bytes);

impl Endpoint for Served {
    fn name(&self) -> &'static str {
        SECTION
    }

    fn path(&self) -> &str {
        PATH
    }

    fn open(&self, _head: &View<'_>) -> Result<Opened, Reason> {
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        Ok(Opened::Now(Reply {
            status: StatusCode::OK,
            headers: vec![(header::CONTENT_TYPE, text)],
            body: self.0.clone(),
        }))
    }
}

/// Whether it is a URI of one line (RFC 3986 §3), and, of the web, one with TLS (RFC 9116 §2.5).
fn is_uri(text: &str) -> bool {
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    match text.split_once(':') {
        Some(("https", rest)) => is_visible && rest.starts_with("//") && rest.len() > 2,
        Some(("mailto" | "tel" | "dns" | "openpgp4fpr", rest)) => is_visible && !rest.is_empty(),
        _ => false,
    }
}
