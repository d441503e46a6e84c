//! Takes credentials back while a server runs.

use palisade_core::MemoryRevocations;
use serde_json::Value;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::beside::Beside;
use crate::keys::Keys;
use crate::model::{File, Revoke};

/// Longer than any token of a case lives.
const DAY: u64 = 86_400;

/// Takes back what `revoke` names, at `now` (Unix seconds).
///
/// # Errors
/// What of the case cannot be: a token that is not defined or has no `jti`, a `before` that is no offset.
pub(crate) fn revoke(
    revoke: &Revoke,
    file: &File,
    keys: &Keys,
    beside: &Beside,
    revocations: &MemoryRevocations,
    now: u64,
) -> Result<(), String> {
    let until = now + DAY;
    let revoked = match revoke {
        Revoke::Token { token } => {
            let (issuer, jti) = names(token, file, keys, beside, now)?;
            revocations.revoke_token(&issuer, &jti, until)
        }
        Revoke::Subject {
            subject,
            issuer,
            before,
        } => {
            let offset: i64 = before
                .parse()
                .map_err(|_| format!("`before = \"{before}\"` is no offset; write \"+0\""))?;
            let usual = text(file.defaults.token.claims.get("iss"));
            let issuer = issuer.clone().or(usual).unwrap_or_default();
            let before = now.saturating_add_signed(offset);
            revocations.revoke_subject(&issuer, subject, before, until)
        }
        Revoke::Key { key } => revocations.revoke_key(key),
    };
    revoked.map_err(|full| full.to_string())
}

/// The issuer and the `jti` of a token.
fn names(
    name: &str,
    file: &File,
    keys: &Keys,
    beside: &Beside,
    now: u64,
) -> Result<(String, String), String> {
    let token = file.mint(name, keys, beside, now)?;
    let claims = token.split('.').nth(1).unwrap_or_default();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap_or_default();
    let claims: Value = serde_json::from_slice(&claims).unwrap_or_default();
    let names = text(claims.get("iss")).zip(text(claims.get("jti")));
    names.ok_or_else(|| format!("[token.{name}] has no `iss` or no `jti` to revoke it by"))
}

fn text(value: Option<&Value>) -> Option<String> {
    value?.as_str().map(str::to_owned)
}
