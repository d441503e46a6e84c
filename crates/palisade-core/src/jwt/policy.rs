//! What a token of one issuer must look like.

use std::{fmt, sync::Arc};

use super::{
    claims::DATES, keys::KeySet, path::ClaimPath, provider::Provider, rules::TokenRules,
    verify::TokenVerifier,
};

const MAX_LEEWAY_SECONDS: u64 = 300;
const TOKEN_BYTES: std::ops::RangeInclusive<usize> = 512..=65_536;

/// How many places the caller, roles, and scopes are each looked for in.
const MAX_CLAIMS: usize = 4;

/// Stands for the tenant in the issuer of a provider that has one for each.
pub(super) const TENANT_PLACE: &str = "{tenantid}";

/// What the tokens of one issuer must look like: plain data, checked as a whole by [`compile`](Self::compile).
#[derive(Clone, Debug, Hash)]
pub struct TokenPolicy {
    /// The issuer, compared with `iss` byte for byte. It names the space of its subjects even when `iss` is ignored.
    /// `{tenantid}` in it stands for each of [`tenants`](Self::tenants).
    pub issuer: String,
    /// The tenants whose tokens are accepted, where the issuer has one name for each; the tenant claim must agree.
    pub tenants: Vec<String>,
    /// Whose form the issuer must have.
    pub provider: Option<Provider>,
    /// Who we are to that issuer: one of these must be in `aud`, byte for byte.
    pub audiences: Vec<String>,
    /// Which kind of token is accepted, and how it is told from others.
    pub profile: Profile,
    /// Our names as clients of the issuer, such as a page and an app, for [`Profile::IdToken`] alone.
    pub client_ids: Vec<String>,
    /// How far clocks may be apart, in seconds: 60 by default, 300 at most.
    pub leeway_seconds: u64,
    /// The longest token that is read, in bytes: 8192 by default, 512 to 65536.
    pub max_bytes: usize,
    /// Further values of the `typ` header that mean an access token, with or without `application/`.
    pub accepted_types: Vec<String>,
    /// Further values of the claims `token_use`, `typ` and `token_type`; `access` and `Bearer` always are. Only with
    /// `refresh` here is a token accepted that is marked as a refresh token in another way.
    pub accepted_token_uses: Vec<String>,
    /// Where the audience stands: `aud`, unless the issuer puts it elsewhere.
    pub audience_claim: ClaimPath,
    /// What identifies the caller: the first of these that the token has, `sub` by default. A caller without `sub` is a
    /// client.
    pub principal_claims: Vec<ClaimPath>,
    /// Where scopes may stand; the first of these that a token has counts. A string between spaces, or a list.
    pub scope_claims: Vec<ClaimPath>,
    /// Where roles stand: a list, or a string that is one role. All of them count.
    pub roles_claims: Vec<ClaimPath>,
    /// Where permissions stand: a list, or a string that is one permission.
    pub permissions_claim: Option<ClaimPath>,
    /// Where the tenant stands; a token without it is refused.
    pub tenant_claim: Option<ClaimPath>,
    /// Checks that are turned off on purpose.
    pub ignore: Ignored,
}

/// Which kind of token is accepted, and how it is told from others of the same issuer (RFC 8725 §3.12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// `typ` is `at+jwt`, or it is `JWT` or absent and no claim marks another kind of token.
    #[default]
    Auto,
    /// RFC 9068 only: `typ` is `at+jwt`, and `client_id`, `iat` and `jti` are there (§2.2).
    Rfc9068,
    /// ID tokens instead of access tokens (OpenID Connect Core §3.1.3.7): made for one of the
    /// [`client_ids`](TokenPolicy::client_ids), one of which is also `azp` if there are several audiences; `typ` is `JWT`
    /// or absent, `iat` is there.
    ///
    /// An ID token tells a client who logged in and grants nothing. This is for issuers whose access tokens nobody
    /// else can read. The `nonce` is not checked: only the client that began the login knows it.
    IdToken,
}

/// Checks that are turned off: there is no third state between checked and listed here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
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
            tenants: Vec::new(),
            provider: None,
            audiences: Vec::new(),
            profile: Profile::Auto,
            client_ids: Vec::new(),
            leeway_seconds: 60,
            max_bytes: 8192,
            accepted_types: Vec::new(),
            accepted_token_uses: Vec::new(),
            audience_claim: "aud".into(),
            principal_claims: vec!["sub".into()],
            scope_claims: vec!["scope".into(), "scopes".into(), "scp".into()],
            roles_claims: Vec::new(),
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
        let no_key = keys
            .is_empty()
            .then(|| mistake("keys", "no usable key; a token could never be verified"));
        match (self.check(), no_key) {
            (Ok(rules), None) => Ok(TokenVerifier::new(Arc::new(rules), Arc::new(keys))),
            (rules, no_key) => {
                let mistakes = rules.err().unwrap_or_default();
                Err(mistakes.into_iter().chain(no_key).collect())
            }
        }
    }

    /// Checks the policy as a whole, for keys that come later.
    pub(crate) fn check(self) -> Result<TokenRules, Vec<PolicyMistake>> {
        self.checked(false)
    }

    /// Checks the policy for tokens that the issuer is asked about (RFC 7662).
    pub(crate) fn check_for_answers(self) -> Result<TokenRules, Vec<PolicyMistake>> {
        self.checked(true)
    }

    fn checked(self, introspected: bool) -> Result<TokenRules, Vec<PolicyMistake>> {
        let mut mistakes = Vec::new();
        self.check_issuer(&mut mistakes);
        self.check_audience(&mut mistakes);
        self.check_ranges(&mut mistakes);
        self.check_claims(&mut mistakes);
        match mistakes.is_empty() {
            true => Ok(TokenRules::new(self, introspected)),
            false => Err(mistakes),
        }
    }

    fn check_issuer(&self, mistakes: &mut Vec<PolicyMistake>) {
        let mut report = |setting, message: &str| mistakes.push(mistake(setting, message));
        let is_template = self.issuer.contains(TENANT_PLACE);
        if self.issuer.is_empty() {
            report(
                "issuer",
                "is missing or empty; give the issuer's identifier as it stands in `iss`",
            );
        } else if let Some(wrong) = self.provider.and_then(|one| one.mistake_in(&self.issuer)) {
            report("issuer", wrong);
        } else if !is_template && !self.tenants.is_empty() {
            report(
                "issuer",
                "is the same for every tenant; write {tenantid} where the tenant stands in `iss`, or remove tenants",
            );
        }
        if is_template && self.tenants.is_empty() {
            report(
                "tenants",
                "is missing or empty; list the tenants whose tokens are accepted, as they stand in `tid`",
            );
        }
        if self
            .tenants
            .iter()
            .any(|own| own.is_empty() || own.contains(['/', '{', '}']))
        {
            report(
                "tenants",
                "has an entry that is no tenant; write each as it stands in `tid`",
            );
        }
        if !self.tenants.is_empty() && self.tenant_claim.is_none() {
            report(
                "tenant_claim",
                "is missing; name the claim that must agree with the tenant in `iss`, such as tid",
            );
        }
        if self.ignore.issuer && !self.tenants.is_empty() {
            report(
                "ignore",
                "the tenant is known by the issuer; check the issuer, or remove tenants",
            );
        }
    }

    fn check_audience(&self, mistakes: &mut Vec<PolicyMistake>) {
        let mut report = |setting, message: &str| mistakes.push(mistake(setting, message));
        let id_token = self.profile == Profile::IdToken;
        match (self.audiences.is_empty(), self.ignore.audience) {
            _ if id_token => {}
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
        match (self.client_ids.is_empty(), id_token) {
            (true, true) => report(
                "client_ids",
                "is missing or empty; an id token is made for a client, so name those whose tokens are accepted",
            ),
            (false, true) if self.client_ids.iter().any(String::is_empty) => {
                report(
                    "client_ids",
                    "has an empty entry; name the client as it stands in `aud`",
                );
            }
            (false, false) => report(
                "client_ids",
                "is for the profile id_token alone; access tokens are made for an audience",
            ),
            _ => {}
        }
        if id_token && !self.audiences.is_empty() {
            report(
                "audiences",
                "is for access tokens; the audience of an id token is client_id",
            );
        }
        if self.profile != Profile::Auto && self.ignore != Ignored::default() {
            report(
                "ignore",
                "this profile checks issuer and audience; use the profile auto to ignore one",
            );
        }
    }

    fn check_ranges(&self, mistakes: &mut Vec<PolicyMistake>) {
        if self.leeway_seconds > MAX_LEEWAY_SECONDS {
            mistakes.push(mistake(
                "leeway_seconds",
                "is more than 300; use 0 to 300 and set the clocks",
            ));
        }
        if !TOKEN_BYTES.contains(&self.max_bytes) {
            mistakes.push(mistake("max_bytes", "is out of range; use 512 to 65536"));
        }
    }

    fn check_claims(&self, mistakes: &mut Vec<PolicyMistake>) {
        if self.principal_claims.is_empty() {
            mistakes.push(mistake(
                "principal_claims",
                "is empty; name the claim that identifies the caller, such as sub",
            ));
        }
        for (setting, count) in [
            ("principal_claims", self.principal_claims.len()),
            ("scope_claims", self.scope_claims.len()),
            ("roles_claims", self.roles_claims.len()),
        ] {
            if count > MAX_CLAIMS {
                let message = format!("has more than {MAX_CLAIMS} entries");
                mistakes.push(mistake(setting, &message));
            }
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
            ("permissions_claim", self.permissions_claim.as_ref()),
            ("tenant_claim", self.tenant_claim.as_ref()),
        ]
        .into_iter()
        .filter_map(|(setting, path)| Some((setting, path?)))
        .chain(
            self.principal_claims
                .iter()
                .map(|path| ("principal_claims", path)),
        )
        .chain(self.roles_claims.iter().map(|path| ("roles_claims", path)))
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
