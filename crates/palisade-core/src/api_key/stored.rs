//! A key as it is kept, with everything prepared that a request needs of it.

use super::{
    ApiKeyEntry,
    format::{self, Digest},
};
use crate::{cause::Cause, config::Unfit, jwt::PrincipalKind, limit::Quota, principal::Principal};
use std::{fmt, sync::Arc};

/// An API key that was stored: its digest, and whom it speaks for.
#[derive(Clone)]
pub struct StoredKey {
    digest: Digest,
    principal: Principal,
    expires: Option<u64>,
    active: bool,
}

impl StoredKey {
    /// Prepares an entry; `issuer` vouches for its owner.
    ///
    /// # Errors
    /// Its digest is not `sha256:` and 64 hex digits, or its quota is none.
    pub fn new(entry: &ApiKeyEntry, issuer: &Arc<str>) -> Result<Self, Unfit> {
        let digest = format::parse_digest(&entry.digest).ok_or_else(|| {
            let right = "`sha256:` and the SHA-256 of the whole key in 64 hex digits are needed";
            Unfit::new(
                "digest",
                format!("is no digest; {right}, never the key itself"),
            )
        })?;
        let name = match &entry.id {
            Some(id) => id.clone(),
            None => format::short_name(&digest),
        };
        let mut principal = Principal::new(issuer.clone(), entry.owner.as_str())
            .kind(PrincipalKind::Client)
            .scopes(&entry.scopes)
            .roles(&entry.roles)
            .credential_id(name);
        if let Some(tenant) = &entry.tenant {
            principal = principal.tenant(tenant.as_str());
        }
        if let Some(quota) = &entry.quota {
            let quotas = Quota::parse_list(quota);
            principal = quotas
                .and_then(|quotas| principal.quotas(&quotas))
                .map_err(|why| Unfit::new("quota", why))?;
        }
        Ok(Self {
            digest,
            principal,
            expires: entry.expires,
            active: entry.active,
        })
    }

    /// The SHA-256 of the whole key.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Whom the key speaks for.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Why the key is refused at this time, if it is: a word for the audit.
    pub(crate) fn refused(&self, unix_seconds: u64) -> Option<Cause> {
        if !self.active {
            return Some(Cause::Revoked);
        }
        let expired = self.expires.is_some_and(|expires| unix_seconds >= expires);
        expired.then_some(Cause::Expired)
    }
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKey")
            .field("principal", &self.principal)
            .field("expires", &self.expires)
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}
