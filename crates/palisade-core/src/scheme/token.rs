//! What `[jwt.NAME]` and `[introspection.NAME]` have in common: what a token must say.

use super::Rejected;
use crate::{
    companion::Endpoint,
    config::{Mistakes, Section, join},
    jwt::{ClaimPath, Ignored, PolicyMistake, TokenError, TokenPolicy},
};
use std::sync::Once;

/// What a section says nothing about.
pub(super) fn usual_policy() -> TokenPolicy {
    TokenPolicy {
        roles_claims: vec!["roles".into()],
        permissions_claim: Some("permissions".into()),
        ..TokenPolicy::without_audience("")
    }
}

/// Reads the keys that both sections have.
pub(super) fn read(section: &mut Section<'_, '_>, token: &mut TokenPolicy) {
    token.issuer = section.optional_string("issuer").unwrap_or_default();
    token.audiences = section.strings("audience").unwrap_or_default();
    if let Some(leeway) = section.duration_seconds("leeway") {
        token.leeway_seconds = leeway;
    }
    if let Some(bytes) = section.size("max_bytes") {
        token.max_bytes = bytes;
    }
    if let Some(uses) = section.strings("accepted_token_uses") {
        token.accepted_token_uses = uses;
    }
    for (key, claims) in [
        ("principal_claim", &mut token.principal_claims),
        ("scope_claims", &mut token.scope_claims),
        ("roles_claim", &mut token.roles_claims),
    ] {
        if let Some(paths) = section.strings(key) {
            *claims = paths.iter().map(|path| ClaimPath::new(path)).collect();
        }
    }
    for (key, claim) in [
        ("permissions_claim", &mut token.permissions_claim),
        ("tenant_claim", &mut token.tenant_claim),
    ] {
        if let Some(path) = section.optional_string(key) {
            *claim = Some(path.as_str().into());
        }
    }
    token.ignore = read_ignored(section);
}

/// `"discover"`, or a URL; `None` for anything else.
pub(super) fn endpoint(text: &str) -> Option<Endpoint> {
    match text {
        "discover" => Some(Endpoint::Discover),
        url if url.starts_with("https://") || url.starts_with("http://") => {
            Some(Endpoint::Url(url.to_owned()))
        }
        _ => None,
    }
}

fn read_ignored(section: &mut Section<'_, '_>) -> Ignored {
    let mut ignored = Ignored::default();
    for name in section.strings("ignore").unwrap_or_default() {
        match name.as_str() {
            "issuer" => ignored.issuer = true,
            "audience" => ignored.audience = true,
            other => section.mistake(
                "ignore",
                format!("{other:?} cannot be ignored; only \"issuer\" and \"audience\" can"),
            ),
        }
    }
    ignored
}

/// Reports what is wrong with the policy, at the keys where the file has it.
pub(super) fn report(wrong: Vec<PolicyMistake>, section: &str, mistakes: &mut Mistakes) {
    for mistake in wrong {
        let key = match mistake.setting {
            "audiences" => "audience",
            "client_ids" => "client_id",
            "leeway_seconds" => "leeway",
            "principal_claims" => "principal_claim",
            "roles_claims" => "roles_claim",
            other => other,
        };
        mistakes.add(join(section, key), mistake.message);
    }
}

/// Tells the log once for each scheme.
pub(super) fn tell_milliseconds(told: &Once, issuer: &str) {
    told.call_once(|| {
        tracing::warn!(target: "palisade", issuer, "{EXPIRES_IN_MILLISECONDS}");
    });
}

/// What is said about tokens whose `exp` is in milliseconds.
pub(crate) const EXPIRES_IN_MILLISECONDS: &str = "`exp` of the token looks like milliseconds, so that it practically \
     never expires; the issuer must write seconds since 1970 (RFC 7519 §2)";

/// The judgement of a bad token.
pub(super) fn rejected(why: TokenError) -> Rejected {
    Rejected {
        cause: why.reason(),
        hint: hint(why),
        claim: why.claim(),
    }
}

/// Mostly a matter of configuration, so the log names the setting that would accept it.
fn hint(why: TokenError) -> Option<&'static str> {
    if let TokenError::Milliseconds(_) = why {
        return Some(
            "`nbf` or `iat` of the token is in milliseconds; the issuer must write seconds since 1970 (RFC 7519 §2)",
        );
    }
    match why.setting()? {
        "audiences" => Some(
            "the token is for another audience; if it should be accepted, add it to `audience` (of an ID token: `client_id`)",
        ),
        "accepted_types" => Some(
            "the token's `typ` is not that of an access token; if it should be accepted, add it to `accepted_types`",
        ),
        "accepted_token_uses" => Some(
            "the token is marked as another kind of token; if it should be accepted, add the mark to `accepted_token_uses`",
        ),
        _ => None,
    }
}
