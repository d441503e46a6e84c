//! What the claims of one issuer's tokens must say, and what they say of the caller.

use super::Expected;
use std::{fmt, ops::Range, slice, sync::Arc};

use super::{
    claims::{Claims, Date, means_refresh},
    error::TokenError,
    json::{Scan, Value},
    path::ClaimPath,
    policy::{Profile, TENANT_PLACE, TokenPolicy},
    provider::Provider,
    token::VerifiedToken,
};
use crate::ports::looks_like_milliseconds;

const MAX_AUDIENCES: usize = 32;

/// A [`TokenPolicy`] that was checked as a whole: the claims of every token are held against it.
#[derive(Debug)]
pub(crate) struct TokenRules {
    pub(super) policy: TokenPolicy,
    /// Whether the claims are an answer of the authorization server (RFC 7662 §2.2) and not part of a signed token.
    pub(super) introspected: bool,
    issuers: Vec<Issuer>,
    pub(super) paths: Vec<ClaimPath>,
}

/// An accepted value of `iss`.
#[derive(Debug)]
pub(super) struct Issuer {
    name: Arc<str>,
    /// The tenant that it speaks for, where the policy lists tenants.
    pub(super) tenant: Option<String>,
}

/// The order of the claims that every token is searched for: one place for each of these, then as many as the policy
/// names for the caller, the roles and the scopes.
pub(super) struct Paths;

impl Paths {
    const AUDIENCE: usize = 0;
    pub(super) const PERMISSIONS: usize = 1;
    pub(super) const TENANT: usize = 2;
    const PRINCIPALS: usize = 3;

    fn of(policy: &TokenPolicy) -> Vec<ClaimPath> {
        let optional = |path: &Option<ClaimPath>| path.clone().unwrap_or_else(ClaimPath::nowhere);
        let mut paths = vec![
            match policy.ignore.audience {
                true => ClaimPath::nowhere(),
                false => policy.audience_claim.clone(),
            },
            optional(&policy.permissions_claim),
            optional(&policy.tenant_claim),
        ];
        paths.extend(policy.principal_claims.iter().cloned());
        paths.extend(policy.roles_claims.iter().cloned());
        paths.extend(policy.scope_claims.iter().cloned());
        paths
    }

    pub(super) fn principals(policy: &TokenPolicy) -> Range<usize> {
        Self::PRINCIPALS..Self::PRINCIPALS + policy.principal_claims.len()
    }

    pub(super) fn roles(policy: &TokenPolicy) -> Range<usize> {
        let first = Self::principals(policy).end;
        first..first + policy.roles_claims.len()
    }

    pub(super) fn scopes(policy: &TokenPolicy) -> Range<usize> {
        let first = Self::roles(policy).end;
        first..first + policy.scope_claims.len()
    }
}

impl TokenRules {
    /// The policy has been checked.
    pub(super) fn new(policy: TokenPolicy, introspected: bool) -> Self {
        let single = Issuer {
            name: policy.issuer.as_str().into(),
            tenant: None,
        };
        let of_tenant = |tenant: &String| Issuer {
            name: policy.issuer.replace(TENANT_PLACE, tenant).into(),
            tenant: Some(tenant.clone()),
        };
        let issuers = match policy.tenants.as_slice() {
            [] => vec![single],
            tenants => tenants.iter().map(of_tenant).collect(),
        };
        Self {
            issuers,
            paths: Paths::of(&policy),
            introspected,
            policy,
        }
    }

    /// The longest token that is read.
    pub(crate) fn max_bytes(&self) -> usize {
        self.policy.max_bytes
    }

    /// The issuer, as the policy names it.
    pub(crate) fn issuer(&self) -> &str {
        &self.policy.issuer
    }

    /// The accepted values of `iss`.
    pub(crate) fn issuers(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter().map(|issuer| &*issuer.name)
    }

    /// What the policy expects of every token, where that can be named.
    pub(crate) fn expects(&self) -> Vec<Expected> {
        let policy = &self.policy;
        let expected = |cause, claim: &dyn fmt::Display, values: Vec<String>| Expected {
            cause,
            claim: claim.to_string(),
            values,
        };
        let issuers = self.issuers().map(str::to_owned).collect();
        let audiences = match policy.profile {
            Profile::IdToken => policy.client_ids.clone(),
            _ => policy.audiences.clone(),
        };
        let mut types: Vec<String> = match policy.profile {
            _ if self.introspected => Vec::new(),
            Profile::Rfc9068 => vec!["at+jwt".to_owned()],
            Profile::IdToken => vec!["JWT".to_owned()],
            Profile::Auto => ["at+jwt", "JWT"].map(str::to_owned).to_vec(),
        };
        types.extend(policy.accepted_types.iter().cloned());
        let mut all = vec![expected("type", &"typ", types)];
        if !policy.ignore.issuer {
            all.push(expected("issuer", &"iss", issuers));
        }
        if !policy.ignore.audience {
            all.push(expected("audience", &policy.audience_claim, audiences));
        }
        all.retain(|one| !one.values.is_empty());
        all
    }

    /// Whether a token that says it is from `issuer` is held against these rules.
    pub(crate) fn is_for(&self, issuer: Option<&str>) -> bool {
        self.policy.ignore.issuer || self.issuers().any(|own| Some(own) == issuer)
    }

    /// Reads and judges a claims set: that of a token whose signature is good, or the answer of the server.
    ///
    /// # Errors
    /// The first check that failed.
    pub(crate) fn read(
        &self,
        text: String,
        kid: Option<&Arc<str>>,
        now: u64,
    ) -> Result<VerifiedToken, TokenError> {
        let mut claims = Claims::new(self.introspected);
        let mut scan = Scan::new(&self.paths);
        claims.read(&text, &mut scan)?;

        self.check_active(&claims)?;
        let issuer = self.check_issuer(&claims)?;
        self.check_kind(&claims)?;
        let [_, authorized, ..] = &claims.clients;
        self.check_audience(authorized.as_deref(), &mut scan)?;
        let expires_at = self.check_dates(&claims, now)?;
        if claims.is_sender_constrained {
            return Err(TokenError::SenderConstrained);
        }

        let described = self.describe(&text, &claims, issuer, &mut scan)?;
        // What it holds of the text ends here.
        drop(scan);
        let floor = |date: Option<Date>| date.map(|date| date.floor);
        let (issued_at, authenticated_at) =
            (floor(claims.issued_at), floor(claims.authenticated_at));
        Ok(VerifiedToken {
            claims_end: text.len(),
            text: text + &described.behind,
            issuer: issuer.name.clone(),
            kid: kid.cloned(),
            expires_at,
            issued_at,
            authenticated_at,
            facts: described.facts,
            passed_over: described.passed_over,
        })
    }

    /// RFC 7662 §2.2: `active` is a boolean, and nothing that merely looks like `true`.
    fn check_active(&self, claims: &Claims<'_>) -> Result<(), TokenError> {
        match claims.active {
            _ if !self.introspected => Ok(()),
            Some(true) => Ok(()),
            Some(false) => Err(TokenError::Inactive),
            None => Err(TokenError::ActiveType),
        }
    }

    fn check_issuer(&self, claims: &Claims<'_>) -> Result<&Issuer, TokenError> {
        let stated = claims.issuer.as_deref();
        // A server that is asked about its tokens need not say that they are its own.
        let unstated = self.introspected && stated.is_none();
        let anybody = self.policy.ignore.issuer || unstated;
        let mut issuers = self.issuers.iter();
        let found = issuers.find(|own| anybody || Some(&*own.name) == stated);
        found.ok_or(match stated {
            None => TokenError::ClaimMissing("iss"),
            Some(_) => TokenError::Issuer,
        })
    }

    /// Whether the claims are those of the kind of token that the profile is for (RFC 8725 §3.12).
    fn check_kind(&self, claims: &Claims<'_>) -> Result<(), TokenError> {
        let id_token = self.policy.profile == Profile::IdToken;
        let usual: &[&str] = match (id_token, self.introspected) {
            (true, _) => &["id"],
            (false, true) => &["access", "Bearer", "access_token"],
            (false, false) => &["access", "Bearer"],
        };
        let is_accepted = |stated: &str| {
            let accepted = self.policy.accepted_token_uses.iter().map(String::as_str);
            let mut accepted = accepted.chain(usual.iter().copied());
            accepted.any(|accepted| accepted.eq_ignore_ascii_case(stated))
        };
        // An ID token of Entra may have the audience of its access tokens, but only these name a client.
        let names_client = claims.clients.iter().any(Option::is_some);
        let is_nobodys = self.policy.provider == Some(Provider::Entra) && !names_client;
        let has_foreign_mark = claims.is_event || (!id_token && (claims.has_hash || is_nobodys));
        let mut accepted_uses = self.policy.accepted_token_uses.iter();
        let is_refresh = claims.is_refresh && !accepted_uses.any(|own| means_refresh(own));
        let mut stated = claims.uses.iter().flatten();
        if has_foreign_mark || is_refresh || !stated.all(|stated| is_accepted(stated)) {
            return Err(TokenError::TokenUse);
        }
        self.check_required(claims)
    }

    /// What the profile requires beside the claims of every token.
    fn check_required(&self, claims: &Claims<'_>) -> Result<(), TokenError> {
        let [client_id, ..] = &claims.clients;
        let (client_id, id) = (
            ("client_id", client_id.is_some()),
            ("jti", claims.id.is_some()),
        );
        let issued_at = ("iat", claims.issued_at.is_some());
        let required = match self.policy.profile {
            Profile::Auto => &[][..],
            // RFC 9068 §2.2.
            Profile::Rfc9068 => &[client_id, issued_at, id],
            // OpenID Connect Core §2.
            Profile::IdToken => &[issued_at],
        };
        match required.iter().find(|(_, is_there)| !is_there) {
            Some((name, _)) if claims.passed_over.contains(name) => {
                Err(TokenError::ClaimType(name))
            }
            Some((name, _)) => Err(TokenError::ClaimMissing(name)),
            None => Ok(()),
        }
    }

    /// `aud` (RFC 7519 §4.1.3); of an ID token also `azp`, which `authorized` is (OpenID Connect Core §3.1.3.7).
    pub(super) fn check_audience(
        &self,
        authorized: Option<&str>,
        scan: &mut Scan<'_, '_>,
    ) -> Result<(), TokenError> {
        if self.policy.ignore.audience {
            return Ok(());
        }
        let clients = &self.policy.client_ids;
        let is_client = |stated: &str| clients.iter().any(|own| own == stated);
        let is_ours = |stated: &str| {
            let mut audiences = self.policy.audiences.iter();
            audiences.any(|own| own == stated) || is_client(stated)
        };
        let stated = scan.take(Paths::AUDIENCE);
        let stated = match &stated {
            Value::Absent => return Err(TokenError::ClaimMissing("aud")),
            Value::Text(stated) => slice::from_ref(stated),
            Value::List(stated) => stated,
            _ => return Err(TokenError::ClaimType("aud")),
        };
        if stated.len() > MAX_AUDIENCES || !stated.iter().any(|stated| is_ours(stated)) {
            return Err(TokenError::Audience);
        }
        if !clients.is_empty() && stated.len() > 1 && !authorized.is_some_and(is_client) {
            return Err(TokenError::Audience);
        }
        Ok(())
    }

    /// `exp`, `nbf`, `iat` (RFC 7519 §4.1.4 to §4.1.6). Dates end at 2⁵³, so that no sum overflows.
    fn check_dates(&self, claims: &Claims<'_>, now: u64) -> Result<u64, TokenError> {
        let leeway = self.policy.leeway_seconds;
        let expires_at = match claims.expires_at {
            Some(date) => date.floor,
            None if self.introspected => u64::MAX,
            None => return Err(TokenError::ClaimMissing("exp")),
        };
        let ahead = now.saturating_add(leeway);
        let is_future = |date: Option<Date>| date.is_some_and(|date| date.ceil > ahead);
        let is_odd = |date: Option<Date>| {
            is_future(date) && date.is_some_and(|date| looks_like_milliseconds(date.floor))
        };
        if now >= expires_at.saturating_add(leeway) {
            Err(TokenError::Expired)
        } else if is_odd(claims.not_before) {
            Err(TokenError::Milliseconds("nbf"))
        } else if is_odd(claims.issued_at) {
            Err(TokenError::Milliseconds("iat"))
        } else if is_future(claims.not_before) {
            Err(TokenError::NotYetValid)
        } else if is_future(claims.issued_at) {
            Err(TokenError::IssuedInFuture)
        } else {
            Ok(expires_at)
        }
    }
}
