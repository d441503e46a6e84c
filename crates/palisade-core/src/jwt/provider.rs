//! Where well-known providers put what a policy looks for, and what their issuers look like.

use std::str::FromStr;

use super::policy::{Profile, TokenPolicy};

/// A provider whose tokens have a known form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Provider {
    /// Keycloak; the issuer is `https://HOST/realms/REALM`. Roles of the realm; those of a client stand at
    /// `/resource_access/CLIENT/roles`.
    Keycloak,
    /// Auth0; the issuer is `https://TENANT.auth0.com/`, with the slash.
    Auth0,
    /// Microsoft Entra ID; the issuer is `https://login.microsoftonline.com/TENANT/v2.0`, or
    /// `https://sts.windows.net/TENANT/` for tokens of version 1. `{tenantid}` stands for several tenants. A token that
    /// names no client (`azp`, in version 1 `appid`) is an ID token, whatever its audience.
    Entra,
    /// Okta, custom authorization servers; the issuer is `https://HOST/oauth2/SERVER`.
    Okta,
    /// Amazon Cognito user pools; the issuer is `https://cognito-idp.REGION.amazonaws.com/POOL`, the audience is the
    /// id of the client.
    Cognito,
    /// Google; the issuer is `https://accounts.google.com`. Its access tokens are opaque, so ID tokens it is
    /// ([`Profile::IdToken`]). A tenant claim `hd` admits only accounts of organisations.
    Google,
}

impl TokenPolicy {
    /// This policy with the claims of `provider`, whose form the issuer must then have; what is set afterwards counts.
    #[must_use]
    pub fn provider(mut self, provider: Provider) -> Self {
        self.provider = Some(provider);
        let claims = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
        match provider {
            Provider::Keycloak => {
                self.scope_claims = claims(&["scope"]);
                self.roles_claims = claims(&["/realm_access/roles"]);
            }
            Provider::Auth0 => {
                self.scope_claims = claims(&["scope"]);
                self.permissions_claim = Some("permissions".into());
            }
            Provider::Entra => {
                self.scope_claims = claims(&["scp"]);
                self.roles_claims = claims(&["roles"]);
                self.tenant_claim = Some("tid".into());
            }
            Provider::Okta => {
                self.scope_claims = claims(&["scp"]);
                self.roles_claims = claims(&["groups"]);
            }
            Provider::Cognito => {
                self.audience_claim = "client_id".into();
                self.scope_claims = claims(&["scope"]);
                self.roles_claims = claims(&["cognito:groups"]);
            }
            Provider::Google => self.profile = Profile::IdToken,
        }
        self
    }
}

impl Provider {
    /// What is wrong with `issuer` as an issuer of this provider, and what would be right.
    ///
    /// A slash too many and a name of the wrong kind are what most first attempts fail at, and every token is then
    /// refused for its `iss`.
    pub(super) fn mistake_in(self, issuer: &str) -> Option<&'static str> {
        let rest = issuer.split_once("://").map_or("", |(_, rest)| rest);
        let (host, path) = rest.split_once('/').unwrap_or((rest, "/"));
        let segments: Vec<&str> = path.split('/').collect();
        let (fits, right) = match (self, segments.as_slice()) {
            (Self::Keycloak, segments) => (
                matches!(segments, [.., "realms", realm] if !realm.is_empty()),
                "is no issuer of keycloak; write https://HOST/realms/REALM, without a slash at the end",
            ),
            (Self::Auth0, segments) => (
                matches!(segments, [""]),
                "is no issuer of auth0; write https://TENANT.auth0.com/, with the slash at the end",
            ),
            (Self::Entra, ["common" | "organizations" | "consumers", ..]) => (
                false,
                "is where users log in, and no issuer; write https://login.microsoftonline.com/{tenantid}/v2.0, and \
                 list the tenants",
            ),
            (Self::Entra, segments) => (
                match segments {
                    [tenant, ""] => host.starts_with("sts.") && !tenant.is_empty(),
                    [tenant, "v2.0"] => !tenant.is_empty(),
                    _ => false,
                },
                "is no issuer of entra; write https://login.microsoftonline.com/TENANT/v2.0, or \
                 https://sts.windows.net/TENANT/ for tokens of version 1",
            ),
            (Self::Okta, segments) => (
                matches!(segments, ["oauth2", server] if !server.is_empty()),
                "is no custom authorization server of okta, and only their tokens can be verified; write \
                 https://HOST/oauth2/SERVER, such as https://example.okta.com/oauth2/default",
            ),
            (Self::Cognito, segments) => (
                is_user_pool(host, segments),
                "is no user pool of cognito; write https://cognito-idp.REGION.amazonaws.com/POOL, where the name of \
                 the pool begins with the region too",
            ),
            (Self::Google, _) => (
                issuer == "https://accounts.google.com",
                "is not google; write https://accounts.google.com",
            ),
        };
        // Keycloak alone is run on one's own machine.
        let reached = issuer.starts_with("https://")
            || (self == Self::Keycloak && issuer.starts_with("http://"));
        (!fits || !reached || host.is_empty()).then_some(right)
    }
}

fn is_user_pool(host: &str, segments: &[&str]) -> bool {
    let region = host
        .strip_prefix("cognito-idp.")
        .and_then(|rest| rest.split_once(".amazonaws.com"))
        .map(|(region, _)| region);
    match (region, segments) {
        (Some(region), [pool]) => pool
            .strip_prefix(region)
            .is_some_and(|rest| rest.starts_with('_')),
        _ => false,
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
            "google" => Self::Google,
            _ => return Err(UnknownProvider),
        })
    }
}

/// A name that is none of the known providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a known provider; use keycloak, auth0, entra, okta, cognito or google")]
pub struct UnknownProvider;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::{Algorithm, KeySet, policy::TENANT_PLACE};

    /// Real forms of each, and the slips that are made most.
    const ISSUERS: [(&str, &[&str], &[&str]); 6] = [
        (
            "keycloak",
            &[
                "https://id.example.com/realms/shop",
                "https://id.example.com/auth/realms/shop",
                "http://localhost:8080/realms/shop",
            ],
            &[
                "https://id.example.com",
                "https://id.example.com/realms/",
                "https://id.example.com/realms/shop/",
                "id.example.com/realms/shop",
                "https:///realms/shop",
            ],
        ),
        (
            "auth0",
            &["https://shop.eu.auth0.com/", "https://login.example.com/"],
            &[
                "https://shop.eu.auth0.com",
                "http://shop.eu.auth0.com/",
                "https://shop.eu.auth0.com/x",
            ],
        ),
        (
            "entra",
            &[
                "https://login.microsoftonline.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0",
                "https://sts.windows.net/9122040d-6c67-4c5b-b112-36a304b66dad/",
            ],
            &[
                "https://login.microsoftonline.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0/",
                "https://login.microsoftonline.com/common/v2.0",
                "https://login.microsoftonline.com/organizations/v2.0",
                "https://login.microsoftonline.com/9122040d-6c67-4c5b-b112-36a304b66dad/",
                "https://sts.windows.net/9122040d-6c67-4c5b-b112-36a304b66dad",
            ],
        ),
        (
            "okta",
            &[
                "https://shop.okta.com/oauth2/default",
                "https://shop.okta.com/oauth2/ausgg30g",
            ],
            &[
                "https://shop.okta.com",
                "https://shop.okta.com/oauth2",
                "https://shop.okta.com/oauth2/default/",
            ],
        ),
        (
            "cognito",
            &[
                "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab1Cd2Ef3",
                "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_Ab1Cd2Ef3",
            ],
            &[
                "https://cognito-idp.eu-central-1.amazonaws.com/us-east-1_Ab1Cd2Ef3",
                "https://cognito-idp.eu-central-1.amazonaws.com",
                "https://shop.auth.eu-central-1.amazoncognito.com/",
            ],
        ),
        (
            "google",
            &["https://accounts.google.com"],
            &["accounts.google.com", "https://accounts.google.com/"],
        ),
    ];

    #[test]
    fn every_provider_makes_a_complete_policy_for_issuers_of_its_form() {
        for (name, issuers, slips) in ISSUERS {
            let provider: Provider = name.parse().unwrap();
            let compile = |issuer: &str| {
                let policy = TokenPolicy::new(issuer, "urn:api").provider(provider);
                let policy = match provider {
                    Provider::Google => TokenPolicy {
                        audiences: Vec::new(),
                        client_ids: vec!["web".to_owned()],
                        ..policy
                    },
                    _ => policy,
                };
                policy.compile(KeySet::from_secret(&[7; 32], Algorithm::HS256).unwrap())
            };
            for issuer in issuers {
                assert!(compile(issuer).is_ok(), "{issuer}");
            }
            for issuer in slips {
                let mistakes = compile(issuer).unwrap_err();
                let settings: Vec<_> = mistakes.iter().map(|one| one.setting).collect();
                assert_eq!(settings, ["issuer"], "{issuer}");
                assert!(mistakes[0].message.contains("https://"), "{issuer}");
            }
        }
        assert_eq!("gogle".parse::<Provider>(), Err(UnknownProvider));
    }

    #[test]
    fn a_template_needs_its_tenants_and_tenants_need_a_template() {
        let settings = |issuer: &str, tenants: &[&str]| -> Vec<&'static str> {
            let policy = TokenPolicy {
                tenants: tenants.iter().map(|&own| own.to_owned()).collect(),
                ..TokenPolicy::new(issuer, "urn:api").provider(Provider::Entra)
            };
            let mistakes = policy.check().err().unwrap_or_default();
            mistakes.iter().map(|one| one.setting).collect()
        };
        let template = "https://login.microsoftonline.com/{tenantid}/v2.0";
        assert!(template.contains(TENANT_PLACE));
        let none: [&str; 0] = [];
        assert_eq!(settings(template, &["a", "b"]), none);
        assert_eq!(
            settings("https://sts.windows.net/{tenantid}/", &["a"]),
            none
        );
        assert_eq!(settings(template, &[]), ["tenants"]);
        assert_eq!(settings(template, &["a/b"]), ["tenants"]);
        assert_eq!(
            settings("https://login.microsoftonline.com/a/v2.0", &["a"]),
            ["issuer"]
        );
    }
}
