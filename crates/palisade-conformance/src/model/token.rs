//! A credential as a case file describes it: `[token.NAME]`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// Written as the value of a header member or claim to leave it out.
pub(crate) const ABSENT: &str = "!absent";

/// One `[token.NAME]` table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Token {
    /// The whole credential as it stands, such as an API key; then nothing else counts.
    pub(crate) text: Option<String>,
    /// The key that signs, by name.
    pub(crate) key: Option<String>,
    /// The algorithm that signs; also the header's `alg` unless `header` says otherwise.
    pub(crate) alg: Option<String>,
    /// Members of the header, over the defaults.
    pub(crate) header: BTreeMap<String, Value>,
    /// Claims, over the defaults.
    pub(crate) claims: BTreeMap<String, Value>,
    /// The header as exact text instead.
    pub(crate) header_json: Option<String>,
    /// The claims as exact text instead.
    pub(crate) claims_json: Option<String>,
    /// Damage done after signing.
    pub(crate) tamper: Option<Tamper>,
}

/// What is done to a token after it was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tamper {
    /// One bit of the signature is flipped.
    Signature,
    /// The claims are those of `mallory`, under the old signature.
    Claims,
    /// The header says `none`, and there is no signature.
    None,
    /// The signature is empty.
    Unsigned,
    /// The signature and its dot are missing.
    TwoParts,
    /// A fourth part follows.
    FourParts,
    /// The parts are padded with `=`.
    Padding,
    /// Bits that base64url ignores are set in the last character.
    TrailingBits,
}

/// The members as JSON, with [`ABSENT`] ones left out and relative times made absolute.
pub(crate) fn object(members: BTreeMap<String, Value>, now: u64) -> String {
    let members = members.into_iter().filter(|(_, value)| value != ABSENT);
    let members = members.map(|(name, value)| match relative(&name, &value, now) {
        Some(time) => (name, Value::from(time)),
        None => (name, value),
    });
    Value::from(members.collect::<Map<_, _>>()).to_string()
}

/// `"+300"` and `"-61"` on a claim that is a time (RFC 7519 §4.1).
fn relative(name: &str, value: &Value, now: u64) -> Option<i64> {
    let offset = value.as_str().filter(|text| {
        matches!(name, "exp" | "nbf" | "iat" | "auth_time") && text.starts_with(['+', '-'])
    })?;
    i64::try_from(now).ok()?.checked_add(offset.parse().ok()?)
}
