//! The metadata of the resource (RFC 9728): what a client must know before its first token.

use super::schemes::Schemes;
use crate::{
    config::Mistakes,
    endpoint::{Endpoint, Opened},
    firewall::{EncodedSet, FirewallLimits, check_target},
    host::parse_host,
    policy::Policy,
    problem::Reason,
    reply::Reply,
    view::View,
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use std::collections::HashSet;

/// RFC 9728 §3.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The name of the resource, checked, and where its metadata is.
#[derive(Debug)]
pub(super) struct Resource {
    identifier: String,
    /// For the parameter `resource_metadata` of challenges.
    pub(super) metadata_url: String,
    metadata_path: String,
}

/// The endpoint that serves the document, which is written once.
#[derive(Debug)]
pub(super) struct Metadata {
    path: String,
    document: Bytes,
}

/// RFC 9728 §2. Members without a value are left out (§3.2).
#[derive(Serialize)]
struct Document<'a> {
    resource: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorization_servers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<&'a str>,
    bearer_methods_supported: [&'static str; 1],
    resource_name: &'a str,
}

impl Resource {
    /// What `resource` of the policy says; `None` also after a mistake.
    pub(super) fn of(policy: &Policy, mistakes: &mut Mistakes) -> Option<Self> {
        let identifier = policy.resource.as_deref()?;
        let read = Self::read(identifier);
        if read.is_none() {
            mistakes.add(
                "resource",
                "is no name of a resource; write its URL with https and without query and fragment, such as \
                 \"https://api.example.com\" (RFC 9728 §1.2)",
            );
        }
        read
    }

    fn read(identifier: &str) -> Option<Self> {
        let rest = identifier.strip_prefix("https://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        parse_host(authority.as_bytes()).ok()?;
        // RFC 9728 §3.1: a slash that ends the host is not a path.
        let path = if path == "/" { "" } else { path };
        let metadata_path = format!("{WELL_KNOWN}{path}");
        let target = check_target(metadata_path.as_bytes(), &FirewallLimits::default()).ok()?;
        // Nobody could ask for it otherwise.
        target.refuse_unless(EncodedSet::NONE).ok()?;
        (target.query.is_none() && target.path == metadata_path).then(|| Self {
            identifier: identifier.to_owned(),
            metadata_url: format!("https://{authority}{metadata_path}"),
            metadata_path,
        })
    }

    /// The document about it.
    pub(super) fn metadata(
        self,
        policy: &Policy,
        schemes: &Schemes,
        scopes: &HashSet<String>,
    ) -> Metadata {
        let mut servers: Vec<String> = Vec::new();
        for issuer in schemes.iter().flat_map(|own| own.scheme.issuers()) {
            // RFC 9728 §2: identifiers as in RFC 8414; an issuer of another form can be asked for nothing.
            if issuer.starts_with("https://") && !servers.contains(&issuer) {
                servers.push(issuer);
            }
        }
        let mut scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        scopes.sort_unstable();
        let document = serde_json::to_vec(&Document {
            resource: &self.identifier,
            authorization_servers: servers,
            scopes_supported: scopes,
            bearer_methods_supported: ["header"],
            resource_name: &policy.realm,
        });
        Metadata {
            path: self.metadata_path,
            // Texts and lists of texts can always be written.
            document: document.unwrap_or_default().into(),
        }
    }
}

impl Endpoint for Metadata {
    fn name(&self) -> &'static str {
        "metadata"
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn open(&self, _head: &View<'_>) -> Result<Opened, Reason> {
        let headers = [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "public, max-age=3600"),
        ];
        Ok(Opened::Now(Reply {
            status: StatusCode::OK,
            headers: headers
                .map(|(name, value)| (name, HeaderValue::from_static(value)))
                .to_vec(),
            body: self.document.clone(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_stands_between_host_and_path() {
        for (identifier, url) in [
            (
                "https://api.example.com",
                "https://api.example.com/.well-known/oauth-protected-resource",
            ),
            (
                "https://api.example.com/",
                "https://api.example.com/.well-known/oauth-protected-resource",
            ),
            (
                "https://api.example.com:8443/shop/v1",
                "https://api.example.com:8443/.well-known/oauth-protected-resource/shop/v1",
            ),
            (
                "https://api.example.com/shop/",
                "https://api.example.com/.well-known/oauth-protected-resource/shop/",
            ),
        ] {
            let resource = Resource::read(identifier).unwrap();
            assert_eq!(resource.metadata_url, url);
            assert!(url.ends_with(&resource.metadata_path));
            assert_eq!(resource.identifier, identifier);
        }
    }

    #[test]
    fn what_is_no_resource_is_refused() {
        for identifier in [
            "",
            "api.example.com",
            "http://api.example.com",
            "urn:api",
            "https://",
            "https:///shop",
            "https://user@api.example.com",
            "https://api.example.com?x=1",
            "https://api.example.com/shop?x=1",
            "https://api.example.com/#shop",
            "https://api.example.com/a b",
            "https://api.example.com/a//b",
            "https://api.example.com/../b",
            "https://api.example.com/a%2Fb",
            "https://api example.com/",
        ] {
            assert!(Resource::read(identifier).is_none(), "{identifier}");
        }
    }
}
