//! Where well-known providers put what a policy looks for.

use std::str::FromStr;

use super::policy::TokenPolicy;

/// A provider whose access tokens have a known form. Google is not among them: its access tokens are opaque.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provider {
    /// Keycloak; the issuer is `https://HOST/realms/REALM`.
    Keycloak,
    /// Auth0; the issuer is `https://TENANT.auth0.com/`, with the slash.
    Auth0,
    /// Microsoft Entra ID, tokens of version 2; the issuer is `https://login.microsoftonline.com/TENANT/v2.0`.
    Entra,
    /// Okta, custom authorization servers; the issuer is `https://HOST/oauth2/SERVER`.
    Okta,
    /// Amazon Cognito user pools; the issuer is `https://cognito-idp.REGION.amazonaws.com/POOL`, the audience is the
    /// id of the client.
    Cognito,
}

impl TokenPolicy {
    /// This policy with the claims of `provider`; what is set afterwards counts.
    #[must_use]
    pub fn provider(mut self, provider: Provider) -> Self {
        match provider {
            Provider::Keycloak => {
                self.scope_claims = vec!["scope".into()];
                self.roles_claim = Some("/realm_access/roles".into());
            }
            Provider::Auth0 => {
                self.scope_claims = vec!["scope".into()];
                self.permissions_claim = Some("permissions".into());
            }
            Provider::Entra => {
                self.scope_claims = vec!["scp".into()];
                self.roles_claim = Some("roles".into());
                self.tenant_claim = Some("tid".into());
            }
            Provider::Okta => {
                self.scope_claims = vec!["scp".into()];
                self.roles_claim = Some("groups".into());
            }
            Provider::Cognito => {
                self.audience_claim = "client_id".into();
                self.scope_claims = vec!["scope".into()];
                self.roles_claim = Some("cognito:groups".into());
            }
        }
        self
    }
}

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "keycloak" => Self::Keycloak,
            "auth0" => Self::Auth0,
            "entra" => Self::Entra,
            "okta" => Self::Okta,
            "cognito" => Self::Cognito,
            _ => return Err(UnknownProvider),
        })
    }
}

/// A name that is none of the known providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a known provider; use keycloak, auth0, entra, okta or cognito")]
pub struct UnknownProvider;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::{Algorithm, KeySet};

    #[test]
    fn every_provider_makes_a_complete_policy() {
        for name in ["keycloak", "auth0", "entra", "okta", "cognito"] {
            let policy = TokenPolicy::new("https://id.example.com", "urn:api")
                .provider(name.parse().unwrap());
            let keys = KeySet::from_secret(&[7; 32], Algorithm::HS256).unwrap();
            assert!(policy.compile(keys).is_ok(), "{name}");
        }
        assert_eq!("google".parse::<Provider>(), Err(UnknownProvider));
    }
}
