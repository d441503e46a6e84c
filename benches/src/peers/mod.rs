//! The stacks that users would build today, and what their hand-written parts have in common.
//!
//! No framework has a ready layer for "a bearer token into the extensions", so each application writes this part
//! around `jsonwebtoken`; poem and actix-web also lack a limit by address under a free licence. It is written here as
//! a careful user would: keys and validation made once at start, one algorithm, `iss` and `aud` checked.

use std::{collections::HashMap, net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use jsonwebtoken::{DecodingKey, Validation, decode};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{
    rows::{Credential, Row},
    tokens::{API_KEY, AUDIENCE, ISSUER, Signing},
};

pub(crate) mod actix;
pub(crate) mod axum;
pub(crate) mod poem;

/// The eight headers: the OWASP set for an API, as our preset `api` with `no-store`.
const HEADERS: [(&str, &str); 8] = [
    (
        "strict-transport-security",
        "max-age=31536000; includeSubDomains",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    (
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-xss-protection", "0"),
    ("cache-control", "no-store"),
];

/// What the handlers would read from the extensions.
#[derive(Clone, Debug, Deserialize)]
#[expect(
    dead_code,
    reason = "claims are decoded for the handler; the handler here asks for none"
)]
struct Claims {
    sub: String,
    exp: u64,
    client_id: String,
    scope: String,
    roles: Vec<String>,
}

/// The owner of an API key.
#[derive(Clone, Debug)]
struct Owner {
    #[expect(dead_code, reason = "as the claims: for a handler that wants it")]
    name: String,
    scopes: Vec<String>,
}

/// Why a hand-written check refuses.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    Unauthenticated,
    Forbidden,
}

impl Refusal {
    fn status(self) -> http::StatusCode {
        match self {
            Self::Unauthenticated => http::StatusCode::UNAUTHORIZED,
            Self::Forbidden => http::StatusCode::FORBIDDEN,
        }
    }
}

/// The caller of a request, as a handler would find it.
#[derive(Clone, Debug)]
enum Caller {
    Token(#[expect(dead_code, reason = "for the handler")] Claims),
    Key(#[expect(dead_code, reason = "for the handler")] Owner),
}

/// The hand-written authentication of one row.
enum Authenticator {
    Bearer(Box<Bearer>),
    ApiKey(ApiKeys),
}

impl Authenticator {
    fn of(row: Row) -> Self {
        match row.credential() {
            Some(Credential::ApiKey) => Self::ApiKey(ApiKeys::of(row)),
            _ => Self::Bearer(Box::new(Bearer::of(row))),
        }
    }

    /// The request header that carries the credential.
    fn header(&self) -> &'static str {
        match self {
            Self::Bearer(_) => "authorization",
            Self::ApiKey(_) => "x-api-key",
        }
    }

    fn check(&self, value: Option<&[u8]>) -> Result<Caller, Refusal> {
        let value = value.ok_or(Refusal::Unauthenticated)?;
        match self {
            Self::Bearer(bearer) => {
                let value = str::from_utf8(value).map_err(|_| Refusal::Unauthenticated)?;
                let token = value
                    .strip_prefix("Bearer ")
                    .ok_or(Refusal::Unauthenticated)?;
                bearer.check(token).map(Caller::Token)
            }
            Self::ApiKey(keys) => keys.check(value).map(Caller::Key),
        }
    }
}

/// Checks bearer tokens with `jsonwebtoken`.
pub(crate) struct Bearer {
    key: DecodingKey,
    validation: Validation,
    scope: &'static str,
}

impl Bearer {
    pub(crate) fn of(row: Row) -> Self {
        let signing = row
            .credential()
            .and_then(Signing::of)
            .unwrap_or(Signing::HS256);
        let mut validation = Validation::new(signing.algorithm());
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        Self {
            key: signing.decoding_key(),
            validation,
            scope: row.scope(),
        }
    }

    fn check(&self, token: &str) -> Result<Claims, Refusal> {
        let claims = decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|_| Refusal::Unauthenticated)?
            .claims;
        if claims.scope.split(' ').any(|scope| scope == self.scope) {
            Ok(claims)
        } else {
            Err(Refusal::Forbidden)
        }
    }
}

/// API keys by their SHA-256.
struct ApiKeys {
    owners: HashMap<[u8; 32], Owner>,
    scope: &'static str,
}

impl ApiKeys {
    fn of(row: Row) -> Self {
        let owner = Owner {
            name: "warehouse".to_owned(),
            scopes: vec!["items:read".to_owned()],
        };
        let digest = Sha256::digest(API_KEY.reveal()).into();
        Self {
            owners: HashMap::from([(digest, owner)]),
            scope: row.scope(),
        }
    }

    fn check(&self, key: &[u8]) -> Result<Owner, Refusal> {
        let digest: [u8; 32] = Sha256::digest(key).into();
        let owner = self.owners.get(&digest).ok_or(Refusal::Unauthenticated)?;
        if owner.scopes.iter().any(|scope| scope == self.scope) {
            Ok(owner.clone())
        } else {
            Err(Refusal::Forbidden)
        }
    }
}

/// How fast a unit of the quota comes back, and how many there are: never spent in this run, or spent at once.
fn quota(row: Row) -> (Duration, u32) {
    match row {
        Row::Limited => (Duration::from_hours(24), 1),
        _ => (Duration::from_nanos(1), u32::MAX),
    }
}

/// A limit by address for the frameworks that have none ready.
pub(crate) struct Limiter(DefaultKeyedRateLimiter<IpAddr>);

impl Limiter {
    pub(crate) fn of(row: Row) -> Self {
        let (period, burst) = quota(row);
        let quota = Quota::with_period(period)
            .expect("a period above zero")
            .allow_burst(NonZeroU32::new(burst).expect("a burst above zero"));
        Self(RateLimiter::keyed(quota))
    }

    fn admits(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| self.0.check_key(&address).is_ok())
    }
}
