//! What a token of one issuer must look like.

use std::fmt;

use super::{
    claims::DATES,
    json::MAX_PATHS,
    keys::KeySet,
    path::ClaimPath,
    verify::{Paths, TokenVerifier},
};

const MAX_LEEWAY_SECONDS: u64 = 300;
const TOKEN_BYTES: std::ops::RangeInclusive<usize> = 512..=65_536;
const MAX_SCOPE_CLAIMS: usize = MAX_PATHS - Paths::SCOPES;

/// What the tokens of one issuer must look like: plain data, checked as a whole by [`compile`](Self::compile).
#[derive(Clone, Debug)]
pub struct TokenPolicy {
    /// The issuer, compared with `iss` byte for byte. It names the space of its subjects even when `iss` is ignored.
    pub issuer: String,
    /// Who we are to that issuer: one of these must be in `aud`, byte for byte.
    pub audiences: Vec<String>,
    /// How an access token is told from other tokens.
    pub profile: Profile,
    /// How far clocks may be apart, in seconds: 60 by default, 300 at most.
    pub leeway_seconds: u64,
    /// The longest token that is read, in bytes: 8192 by default, 512 to 65536.
    pub max_bytes: usize,
    /// Further values of the `typ` header that mean an access token, with or without `application/`.
    pub accepted_types: Vec<String>,
    /// Further values of the claims `token_use`, `typ` and `token_type`; `access` and `Bearer` always are.
    pub accepted_token_uses: Vec<String>,
    /// Where the audience stands: `aud`, unless the issuer puts it elsewhere.
    pub audience_claim: ClaimPath,
    /// What identifies the caller: `sub` by default.
    pub principal_claim: ClaimPath,
    /// Where scopes may stand; the first of these that a token has counts. A string between spaces, or a list.
    pub scope_claims: Vec<ClaimPath>,
    /// Where roles stand: a list, or a string that is one role.
    pub roles_claim: Option<ClaimPath>,
    /// Where permissions stand: a list, or a string that is one permission.
    pub permissions_claim: Option<ClaimPath>,
    /// Where the tenant stands; a token without it is refused.
    pub tenant_claim: Option<ClaimPath>,
    /// Checks that are turned off on purpose.
    pub ignore: Ignored,
}

/// How an access token is told from other tokens of the same issuer (RFC 8725 §3.12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// `typ` is `at+jwt`, or it is `JWT` or absent and no claim marks another kind of token.
    #[default]
    Auto,
    /// RFC 9068 only: `typ` is `at+jwt`, and `client_id`, `iat` and `jti` are there (§2.2).
    Rfc9068,
}

/// Checks that are turned off: there is no third state between checked and listed here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    /// Do not look at `iss`.
    pub issuer: bool,
    /// Do not look at `aud`: a token made for another service of the issuer is accepted here.
    pub audience: bool,
}

impl TokenPolicy {
    /// The policy of most issuers, for one audience.
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            audiences: vec![audience.into()],
            ..Self::without_audience(issuer)
        }
    }

    /// As [`new`](Self::new), with `audiences` still to be filled or ignored.
    #[must_use]
    pub fn without_audience(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audiences: Vec::new(),
            profile: Profile::Auto,
            leeway_seconds: 60,
            max_bytes: 8192,
            accepted_types: Vec::new(),
            accepted_token_uses: Vec::new(),
            audience_claim: "aud".into(),
            principal_claim: "sub".into(),
            scope_claims: vec!["scope".into(), "scopes".into(), "scp".into()],
            roles_claim: None,
            permissions_claim: None,
            tenant_claim: None,
            ignore: Ignored::default(),
        }
    }

    /// Checks the policy as a whole and joins it with the issuer's keys.
    ///
    /// # Errors
    /// Every mistake at once, each with the setting it is in.
    pub fn compile(self, keys: KeySet) -> Result<TokenVerifier, Vec<PolicyMistake>> {
        let mut mistakes = Vec::new();
        self.check_identity(&mut mistakes);
        self.check_claims(&mut mistakes);
        if keys.is_empty() {
            mistakes.push(mistake(
                "keys",
                "no usable key; a token could never be verified",
            ));
        }
        if mistakes.is_empty() {
            Ok(TokenVerifier::new(self, keys))
        } else {
            Err(mistakes)
        }
    }

    fn check_identity(&self, mistakes: &mut Vec<PolicyMistake>) {
        let mut report = |setting, message: &str| mistakes.push(mistake(setting, message));
        if self.issuer.is_empty() {
            report(
                "issuer",
                "is missing or empty; give the issuer's identifier as it stands in `iss`",
            );
        }
        match (self.audiences.is_empty(), self.ignore.audience) {
            (true, false) => report(
                "audiences",
                "is missing or empty; name this service, or ignore the audience explicitly",
            ),
            (false, true) => report(
                "audiences",
                "is set and ignored at once; remove one of the two",
            ),
            _ => {}
        }
        if self.audiences.iter().any(String::is_empty) {
            report(
                "audiences",
                "has an empty entry; name this service as it stands in `aud`",
            );
        }
        if self.profile == Profile::Rfc9068 && self.ignore != Ignored::default() {
            report(
                "ignore",
                "the profile rfc9068 checks issuer and audience; use the profile auto to ignore one",
            );
        }
        if self.leeway_seconds > MAX_LEEWAY_SECONDS {
            report(
                "leeway_seconds",
                "is more than 300; use 0 to 300 and set the clocks",
            );
        }
        if !TOKEN_BYTES.contains(&self.max_bytes) {
            report("max_bytes", "is out of range; use 512 to 65536");
        }
    }

    fn check_claims(&self, mistakes: &mut Vec<PolicyMistake>) {
        if self.scope_claims.len() > MAX_SCOPE_CLAIMS {
            mistakes.push(mistake(
                "scope_claims",
                &format!("has more than {MAX_SCOPE_CLAIMS} entries"),
            ));
        }
        let claims: Vec<_> = self.claims().collect();
        for (setting, path) in &claims {
            if path.len() == 0 || path.has_empty_name() {
                mistakes.push(mistake(
                    setting,
                    "has an empty name; write `name` or `/outer/inner`",
                ));
            }
            if path.len() == 1 && path.name_at(0).is_some_and(|name| DATES.contains(&name)) {
                mistakes.push(mistake(setting, &format!("`{path}` is a date, not a name")));
            }
            if let Some((_, inner)) = claims.iter().find(|(_, other)| path.contains(other)) {
                mistakes.push(mistake(
                    setting,
                    &format!("`{path}` cannot be a value, because `{inner}` lies inside it"),
                ));
            }
        }
    }

    fn claims(&self) -> impl Iterator<Item = (&'static str, &ClaimPath)> {
        [
            ("audience_claim", Some(&self.audience_claim)),
            ("principal_claim", Some(&self.principal_claim)),
            ("roles_claim", self.roles_claim.as_ref()),
            ("permissions_claim", self.permissions_claim.as_ref()),
            ("tenant_claim", self.tenant_claim.as_ref()),
        ]
        .into_iter()
        .filter_map(|(setting, path)| Some((setting, path?)))
        .chain(self.scope_claims.iter().map(|path| ("scope_claims", path)))
    }
}

/// One thing that is wrong with a [`TokenPolicy`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyMistake {
    /// The field of the policy.
    pub setting: &'static str,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for PolicyMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.message)
    }
}

fn mistake(setting: &'static str, message: &str) -> PolicyMistake {
    PolicyMistake {
        setting,
        message: message.to_owned(),
    }
}
