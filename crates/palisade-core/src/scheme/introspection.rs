//! Opaque tokens that the authorization server is asked about (RFC 7662): `[introspection.NAME]`.

mod compile;
mod memory;
mod verify;

use super::{Places, Scheme, SchemeConfig, SchemeKind, token};
use crate::{
    companion::{ClientAuth, Endpoint},
    config::{Mistakes, Section},
    jwt::TokenPolicy,
    scheme::BuildContext,
    secret::Secret,
};
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

pub(super) const KIND: SchemeKind = SchemeKind {
    section: "introspection",
    read: |name, section| Box::new(Introspection::read(name, section)),
};

/// Authentication by tokens that only the authorization server can read; needs the crate palisade-oauth.
///
/// ```
/// use palisade_core::{Introspection, Policy, Secret};
///
/// let tokens = Introspection::new("main")
///     .issuer("https://id.example.com")
///     .audience("urn:api")
///     .client("api", Secret::env("API_CLIENT_SECRET"));
/// let policy = Policy::builder().scheme(tokens);
/// ```
#[derive(Debug, Clone, Hash)]
#[non_exhaustive]
pub struct Introspection {
    /// The scheme's name: `main` in `[introspection.main]`.
    pub name: String,
    /// Where clients send the token; a query and a cookie are mistakes. Usually in `Authorization: Bearer`.
    pub places: Places,
    /// What the server must say of a token.
    pub token: TokenPolicy,
    /// `endpoint`: where the server is asked. Default: where its metadata says.
    pub endpoint: Endpoint,
    /// `client_id`: who we are to the server.
    pub client_id: String,
    /// `client_secret`: how we prove it.
    pub client_secret: Option<Secret>,
    /// `client_auth`: how both travel.
    pub client_auth: ClientAuth,
    /// `remember`: seconds for which a good answer is kept, never past the end of the token. Default 30.
    pub remember_seconds: u64,
    /// `remember_inactive`: seconds for which a bad one is kept. Default 5.
    pub remember_inactive_seconds: u64,
}

impl Introspection {
    /// The scheme `name`, still without issuer, audience and client.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            places: Places::default(),
            token: token::usual_policy(),
            endpoint: Endpoint::Discover,
            client_id: String::new(),
            client_secret: None,
            client_auth: ClientAuth::default(),
            remember_seconds: 30,
            remember_inactive_seconds: 5,
        }
    }

    /// Says whose tokens these are.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.token.issuer = issuer.into();
        self
    }

    /// Adds a name of this service: one of them must be in `aud`, byte for byte.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.token.audiences.push(audience.into());
        self
    }

    /// Says where the server is asked.
    #[must_use]
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// Says who we are to the server, and how we prove it.
    #[must_use]
    pub fn client(mut self, id: impl Into<String>, secret: Secret) -> Self {
        self.client_id = id.into();
        self.client_secret = Some(secret);
        self
    }

    fn read(name: &str, section: &mut Section<'_, '_>) -> Self {
        let mut own = Self::new(name);
        own.places = Places::read_headers(section);
        token::read(section, &mut own.token);
        if let Some(endpoint) = section.optional_string("endpoint") {
            match token::endpoint(&endpoint) {
                Some(endpoint) => own.endpoint = endpoint,
                None => section.mistake(
                    "endpoint",
                    "is neither \"discover\" nor the URL of an introspection endpoint",
                ),
            }
        }
        own.client_id = section.string("client_id").unwrap_or_default();
        own.client_secret = section.secret("client_secret");
        let ways = [("basic", ClientAuth::Basic), ("post", ClientAuth::Post)];
        own.client_auth = section.choice("client_auth", &ways).unwrap_or_default();
        for (key, seconds) in [
            ("remember", &mut own.remember_seconds),
            ("remember_inactive", &mut own.remember_inactive_seconds),
        ] {
            if let Some(given) = section.duration_seconds(key) {
                *seconds = given;
            }
        }
        own
    }
}

impl SchemeConfig for Introspection {
    fn name(&self) -> &str {
        &self.name
    }

    fn fingerprint(&self, mut content: &mut dyn Hasher) {
        KIND.section.hash(&mut content);
        self.hash(&mut content);
    }

    fn compile(
        &self,
        context: &BuildContext<'_>,
        mistakes: &mut Mistakes,
    ) -> Option<Arc<dyn Scheme>> {
        compile::compile(self, context, mistakes).map(|scheme| Arc::new(scheme) as Arc<dyn Scheme>)
    }
}

#[cfg(test)]
mod tests;
