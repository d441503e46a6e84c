//! From the bytes of a token to a caller: signature first, then every claim.

use std::{borrow::Cow, fmt, sync::Arc};

use base64_simd::{AsOut, URL_SAFE_NO_PAD as BASE64URL};
use serde::Deserialize;

use super::{
    PrincipalKind,
    algorithm::Algorithm,
    claims::{Claims, Date},
    error::TokenError,
    header::{Header, SeenHeaders},
    json::{Scan, Value},
    keys::{KeySet, VerificationKey},
    path::ClaimPath,
    policy::{Profile, TokenPolicy},
    token::{Facts, Placement, VerifiedToken},
};

const MAX_AUDIENCES: usize = 32;

/// A signature up to this size, decoded, needs no allocation: all but those of RSA, which take long anyway.
const SIGNATURE_BYTES: usize = 136;

/// A header up to this size, decoded, needs no allocation.
const HEADER_BYTES: usize = 512;

/// Verifies the tokens of one issuer. Made by [`TokenPolicy::compile`], which leaves no check undecided.
pub struct TokenVerifier {
    issuer: Arc<str>,
    policy: TokenPolicy,
    paths: Vec<ClaimPath>,
    keys: KeySet,
    seen: SeenHeaders,
}

/// The order of the claims that every token is searched for.
pub(super) struct Paths;

impl Paths {
    const AUDIENCE: usize = 0;
    const PRINCIPAL: usize = 1;
    const ROLES: usize = 2;
    const PERMISSIONS: usize = 3;
    const TENANT: usize = 4;
    /// This and all that follow.
    pub(super) const SCOPES: usize = 5;

    fn of(policy: &TokenPolicy) -> Vec<ClaimPath> {
        let optional = |path: &Option<ClaimPath>| path.clone().unwrap_or_else(ClaimPath::nowhere);
        let mut paths = vec![
            if policy.ignore.audience {
                ClaimPath::nowhere()
            } else {
                policy.audience_claim.clone()
            },
            policy.principal_claim.clone(),
            optional(&policy.roles_claim),
            optional(&policy.permissions_claim),
            optional(&policy.tenant_claim),
        ];
        paths.extend(policy.scope_claims.iter().cloned());
        paths
    }
}

impl TokenVerifier {
    pub(super) fn new(policy: TokenPolicy, keys: KeySet) -> Self {
        Self {
            issuer: policy.issuer.as_str().into(),
            paths: Paths::of(&policy),
            policy,
            keys,
            seen: SeenHeaders::default(),
        }
    }

    /// The issuer whose tokens this verifies.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether a token that says it is from `issuer` (see [`peek_issuer`]) should be given to this verifier.
    #[must_use]
    pub fn is_for(&self, issuer: Option<&str>) -> bool {
        self.policy.ignore.issuer || issuer == Some(&*self.issuer)
    }

    /// How far clocks may be apart, in seconds.
    pub(super) fn leeway_seconds(&self) -> u64 {
        self.policy.leeway_seconds
    }

    /// Verifies one token at the time `now`, in Unix seconds.
    ///
    /// # Errors
    /// The first check that failed. The claims are not even parsed unless the signature is good.
    pub fn verify(&self, token: &[u8], now: u64) -> Result<VerifiedToken, TokenError> {
        let parts = Parts::split(token, self.policy.max_bytes)?;
        let key = self.check_signature(&parts)?;
        let text = parts.decode_claims()?;
        let mut claims = Claims::default();
        let mut scan = Scan::new(&self.paths);
        claims.read(&text, &mut scan)?;

        self.check_issuer(&claims)?;
        self.check_use(&claims)?;
        self.check_audience(&mut scan)?;
        let expires_at = self.check_dates(&claims, now)?;
        if claims.is_sender_constrained {
            return Err(TokenError::SenderConstrained);
        }

        let (facts, behind) = self.describe(&text, &claims, &mut scan)?;
        // What it holds of the text ends here.
        drop(scan);
        let floor = |date: Option<Date>| date.map(|date| date.floor);
        let (issued_at, authenticated_at) =
            (floor(claims.issued_at), floor(claims.authenticated_at));
        Ok(VerifiedToken {
            claims_end: text.len(),
            text: text + &behind,
            issuer: self.issuer.clone(),
            kid: key.kid.clone(),
            expires_at,
            issued_at,
            authenticated_at,
            facts,
        })
    }

    /// What the claims say of the caller, and the text that has to stand behind them.
    fn describe<'a>(
        &self,
        text: &'a str,
        claims: &Claims<'a>,
        scan: &mut Scan<'_, 'a>,
    ) -> Result<(Facts, String), TokenError> {
        let mut placement = Placement::new(text);
        let subject = required("principal", scan.take(Paths::PRINCIPAL))?;
        let tenant = match self.policy.tenant_claim {
            Some(_) => Some(required("tenant", scan.take(Paths::TENANT))?),
            None => None,
        };
        let (roles, permissions) = (scan.take(Paths::ROLES), scan.take(Paths::PERMISSIONS));
        let facts = Facts {
            kind: principal_kind(claims),
            subject: placement.place(&subject),
            client_id: claims
                .clients
                .iter()
                .flatten()
                .next()
                .map(|client| placement.place(client)),
            id: claims.id.as_ref().map(|id| placement.place(id)),
            context_class: claims
                .context_class
                .as_ref()
                .map(|class| placement.place(class)),
            tenant: tenant.map(|tenant| placement.place(&tenant)),
            scopes: placement
                .spaced(first_scopes(scan))
                .ok_or(TokenError::ClaimType("scope"))?,
            roles: placement
                .listed(roles)
                .ok_or(TokenError::ClaimType("roles"))?,
            permissions: placement
                .listed(permissions)
                .ok_or(TokenError::ClaimType("permissions"))?,
        };
        Ok((facts, placement.behind))
    }

    /// The header's own checks, the key, the signature.
    fn check_signature(&self, parts: &Parts<'_>) -> Result<&VerificationKey, TokenError> {
        let seen = self.seen.find(parts.header);
        let key = match seen.and_then(|key| self.keys.get(key)) {
            Some(key) => key,
            None => self.check_header(parts.header)?,
        };

        let mut near = [0; SIGNATURE_BYTES];
        let mut far = Vec::new();
        let signature = decode(parts.signature, &mut near, &mut far)?;
        if !key.has_signed(parts.signed, signature) {
            return Err(TokenError::Signature);
        }
        if let (None, Some(key)) = (seen, self.keys.position(key)) {
            self.seen.keep(parts.header, key);
        }
        Ok(key)
    }

    /// The header's own checks, and the key that it leads to.
    fn check_header(&self, encoded: &[u8]) -> Result<&VerificationKey, TokenError> {
        let mut near = [0; HEADER_BYTES];
        let mut far = Vec::new();
        let header = Header::read(utf8(decode(encoded, &mut near, &mut far)?)?)?;
        let algorithm = header
            .algorithm
            .as_deref()
            .and_then(Algorithm::parse)
            .ok_or(TokenError::Algorithm)?;
        self.check_type(header.kind.as_deref())?;
        self.keys.select(header.kid.as_deref(), algorithm)
    }

    /// `typ` (RFC 9068 §4, RFC 8725 §3.11).
    fn check_type(&self, stated: Option<&str>) -> Result<(), TokenError> {
        let is = |expected: &str| stated.is_some_and(|stated| is_media_type(stated, expected));
        let fits = is("at+jwt")
            || (self.policy.profile == Profile::Auto && (stated.is_none() || is("JWT")))
            || self
                .policy
                .accepted_types
                .iter()
                .any(|accepted| is(accepted));
        if fits { Ok(()) } else { Err(TokenError::Type) }
    }

    fn check_issuer(&self, claims: &Claims<'_>) -> Result<(), TokenError> {
        if self.policy.ignore.issuer {
            return Ok(());
        }
        match claims.issuer.as_deref() {
            None => Err(TokenError::ClaimMissing("iss")),
            Some(issuer) if issuer == &*self.issuer => Ok(()),
            Some(_) => Err(TokenError::Issuer),
        }
    }

    /// Whether the claims are those of an access token.
    fn check_use(&self, claims: &Claims<'_>) -> Result<(), TokenError> {
        let is_access = |stated: &str| {
            let mut accepted = self
                .policy
                .accepted_token_uses
                .iter()
                .map(String::as_str)
                .chain(["access", "Bearer"]);
            accepted.any(|accepted| accepted.eq_ignore_ascii_case(stated))
        };
        if claims.is_foreign || !claims.uses.iter().flatten().all(|stated| is_access(stated)) {
            return Err(TokenError::TokenUse);
        }
        if self.policy.profile == Profile::Rfc9068 {
            let [client_id, ..] = &claims.clients;
            for (name, is_there) in [
                ("client_id", client_id.is_some()),
                ("iat", claims.issued_at.is_some()),
                ("jti", claims.id.is_some()),
            ] {
                if !is_there {
                    return Err(TokenError::ClaimMissing(name));
                }
            }
        }
        Ok(())
    }

    /// `aud` (RFC 7519 §4.1.3).
    fn check_audience(&self, scan: &mut Scan<'_, '_>) -> Result<(), TokenError> {
        if self.policy.ignore.audience {
            return Ok(());
        }
        let is_ours = |stated: &str| {
            self.policy
                .audiences
                .iter()
                .any(|audience| audience == stated)
        };
        let fits = match scan.take(Paths::AUDIENCE) {
            Value::Absent => return Err(TokenError::ClaimMissing("aud")),
            Value::Other => return Err(TokenError::ClaimType("aud")),
            Value::Text(stated) => is_ours(&stated),
            Value::List(stated) => {
                stated.len() <= MAX_AUDIENCES && stated.iter().any(|stated| is_ours(stated))
            }
        };
        if fits {
            Ok(())
        } else {
            Err(TokenError::Audience)
        }
    }

    /// `exp`, `nbf`, `iat` (RFC 7519 §4.1.4 to §4.1.6). Dates end at 2⁵³, so that no sum overflows.
    fn check_dates(&self, claims: &Claims<'_>, now: u64) -> Result<u64, TokenError> {
        let leeway = self.policy.leeway_seconds;
        let expires_at = claims
            .expires_at
            .ok_or(TokenError::ClaimMissing("exp"))?
            .floor;
        let is_future =
            |date: Option<Date>| date.is_some_and(|date| date.ceil > now.saturating_add(leeway));
        if now >= expires_at.saturating_add(leeway) {
            Err(TokenError::Expired)
        } else if is_future(claims.not_before) {
            Err(TokenError::NotYetValid)
        } else if is_future(claims.issued_at) {
            Err(TokenError::IssuedInFuture)
        } else {
            Ok(expires_at)
        }
    }
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier")
            .field("policy", &self.policy)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

/// The `iss` of a token that nobody has verified: only to choose the verifier among several issuers.
///
/// `None` also for everything that is no token of at most `max_bytes`; the verifier will say why.
#[must_use]
pub fn peek_issuer(token: &[u8], max_bytes: usize) -> Option<String> {
    #[derive(Deserialize)]
    struct Peek {
        iss: String,
    }

    let text = Parts::split(token, max_bytes).ok()?.decode_claims().ok()?;
    serde_json::from_str::<Peek>(&text)
        .ok()
        .map(|peek| peek.iss)
}

/// The parts of a token in compact serialization (RFC 7515 §7.1), still encoded.
struct Parts<'t> {
    header: &'t [u8],
    claims: &'t [u8],
    signature: &'t [u8],
    /// Header, dot, claims.
    signed: &'t [u8],
}

impl<'t> Parts<'t> {
    fn split(token: &'t [u8], max_bytes: usize) -> Result<Self, TokenError> {
        if token.len() > max_bytes {
            return Err(TokenError::TooLong);
        }
        let at_dot = |byte: &u8| *byte == b'.';
        let mut halves = token.rsplitn(2, at_dot);
        let (signature, signed) = halves.next().zip(halves.next()).ok_or(TokenError::Parts)?;
        let mut halves = signed.splitn(2, at_dot);
        let (header, claims) = halves.next().zip(halves.next()).ok_or(TokenError::Parts)?;
        if claims.contains(&b'.') {
            let dots = token.iter().filter(|byte| at_dot(byte)).count();
            return Err(if dots == 4 {
                TokenError::Encrypted
            } else {
                TokenError::Parts
            });
        }
        Ok(Self {
            header,
            claims,
            signature,
            signed,
        })
    }

    fn decode_claims(&self) -> Result<String, TokenError> {
        let bytes = BASE64URL
            .decode_to_vec(self.claims)
            .map_err(|_| TokenError::Base64url)?;
        String::from_utf8(bytes).map_err(|_| TokenError::Json)
    }
}

/// Decodes into `near` if it fits, else into `far`.
fn decode<'b>(
    part: &[u8],
    near: &'b mut [u8],
    far: &'b mut Vec<u8>,
) -> Result<&'b [u8], TokenError> {
    let decoded = if BASE64URL.estimated_decoded_length(part.len()) <= near.len() {
        BASE64URL
            .decode(part, near.as_out())
            .map(|decoded| &*decoded)
    } else {
        BASE64URL.decode_to_vec(part).map(|decoded| {
            *far = decoded;
            far.as_slice()
        })
    };
    decoded.map_err(|_| TokenError::Base64url)
}

fn utf8(bytes: &[u8]) -> Result<&str, TokenError> {
    std::str::from_utf8(bytes).map_err(|_| TokenError::Json)
}

/// Media types are compared without case and without their `application/` (RFC 7515 §4.1.9).
fn is_media_type(stated: &str, expected: &str) -> bool {
    fn bare(name: &str) -> &str {
        match name.split_once('/') {
            Some((kind, rest)) if kind.eq_ignore_ascii_case("application") => rest,
            _ => name,
        }
    }
    bare(stated).eq_ignore_ascii_case(bare(expected))
}

fn required<'a>(name: &'static str, value: Value<'a>) -> Result<Cow<'a, str>, TokenError> {
    match value {
        Value::Text(text) if !text.is_empty() => Ok(text),
        Value::Text(_) | Value::Absent => Err(TokenError::ClaimMissing(name)),
        Value::List(_) | Value::Other => Err(TokenError::ClaimType(name)),
    }
}

/// The first scope claim that is there, in the order of the policy.
fn first_scopes<'a>(scan: &mut Scan<'_, 'a>) -> Value<'a> {
    let mut scopes = scan
        .found
        .iter_mut()
        .skip(Paths::SCOPES)
        .map(std::mem::take);
    scopes
        .find(|value| *value != Value::Absent)
        .unwrap_or_default()
}

/// A client acts for itself when it is its own subject (RFC 9068 §2.2), or when the issuer says so in its own way.
fn principal_kind(claims: &Claims<'_>) -> PrincipalKind {
    let is_own_subject = claims.subject.is_some()
        && claims
            .clients
            .iter()
            .flatten()
            .any(|client| Some(client) == claims.subject.as_ref());
    let [idtyp, gty] = &claims.grants;
    if is_own_subject
        || idtyp.as_deref() == Some("app")
        || gty.as_deref() == Some("client-credentials")
    {
        PrincipalKind::Client
    } else {
        PrincipalKind::User
    }
}
