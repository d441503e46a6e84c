//! Access tokens in JWT form, mostly by `Authorization: Bearer` (RFC 6750): `[jwt.NAME]`.

mod compile;
mod live;
mod verify;

use super::{Places, Scheme, SchemeConfig, SchemeKind, token};
use crate::{
    companion::Endpoint,
    config::{Mistakes, Section},
    jwt::{Profile, Provider, TokenPolicy},
    scheme::BuildContext,
    secret::Secret,
};
use std::{
    hash::{Hash, Hasher},
    str::FromStr,
    sync::Arc,
};

pub(super) const KIND: SchemeKind = SchemeKind {
    section: "jwt",
    read: |name, section| Box::new(Jwt::read(name, section)),
};

/// Authentication by JWT.
///
/// ```
/// use palisade_core::{Jwt, Policy, Secret};
///
/// let tokens = Jwt::new("main")
///     .issuer("https://id.example.com")
///     .audience("urn:api")
///     .public_key(Secret::file("issuer.pem"));
/// let policy = Policy::builder().scheme(tokens);
/// ```
#[derive(Debug, Clone, Hash)]
#[non_exhaustive]
pub struct Jwt {
    /// The scheme's name: `main` in `[jwt.main]`.
    pub name: String,
    /// Where clients send the token; a query and a cookie are mistakes. Usually in
    /// `Authorization: Bearer`.
    pub places: Places,
    /// What the tokens must look like.
    pub token: TokenPolicy,
    /// Where the keys come from; exactly one source, checked by the build.
    pub keys: Vec<KeySource>,
    /// `algorithm` of the key. `None`: HS256 for a secret, RS256 for an RSA key that does not say
    /// its own, by the curve for the others.
    pub algorithm: Option<String>,
    /// `refresh`: seconds after which keys from the issuer are fetched anew, in the background. Default 600.
    pub refresh_seconds: u64,
    /// `stale`: seconds for which they serve while the issuer gives none. Default 86,400.
    pub stale_seconds: u64,
    /// `cache`: how many verified tokens are remembered until they expire or the keys change; 0 for none. They take up
    /// to 4 KiB each. Default 10,000.
    pub cached_tokens: usize,
}

/// Where the keys of an issuer come from.
#[derive(Debug, Clone, Hash)]
#[non_exhaustive]
pub enum KeySource {
    /// `secret`: shared with the issuer.
    Secret(Secret),
    /// `public_key`: in PEM.
    PublicKey(Secret),
    /// `jwks`: a JWK set (RFC 7517).
    Jwks(Secret),
    /// `keys`: the JWK set that the issuer publishes; needs the crate palisade-oauth.
    Remote(Endpoint),
}

impl Jwt {
    /// The scheme `name`, still without issuer, audience and key.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            places: Places::default(),
            token: token::usual_policy(),
            keys: Vec::new(),
            algorithm: None,
            refresh_seconds: 600,
            stale_seconds: 86_400,
            cached_tokens: 10_000,
        }
    }

    /// Takes tokens from `Authorization` with this scheme name.
    #[must_use]
    pub fn authorization(mut self, scheme_name: impl Into<String>) -> Self {
        self.places.authorization.push(scheme_name.into());
        self
    }

    /// Takes tokens from this header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>) -> Self {
        self.places.header = Some(name.into());
        self
    }

    /// Takes tokens from `Sec-WebSocket-Protocol` of a handshake, behind this word and a dot:
    /// of `"bearer"`, `bearer.TOKEN`.
    #[must_use]
    pub fn websocket_protocol(mut self, word: impl Into<String>) -> Self {
        self.places.websocket_protocol = Some(word.into());
        self
    }

    /// Says who issues the tokens: their `iss`, byte for byte.
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

    /// Verifies by a secret shared with the issuer.
    #[must_use]
    pub fn secret(mut self, secret: Secret) -> Self {
        self.keys.push(KeySource::Secret(secret));
        self
    }

    /// Verifies by a public key in PEM.
    #[must_use]
    pub fn public_key(mut self, pem: Secret) -> Self {
        self.keys.push(KeySource::PublicKey(pem));
        self
    }

    /// Verifies by the keys of a JWK set.
    #[must_use]
    pub fn jwks(mut self, set: Secret) -> Self {
        self.keys.push(KeySource::Jwks(set));
        self
    }

    /// Verifies by the keys that the issuer publishes, kept fresh; needs the crate palisade-oauth.
    #[must_use]
    pub fn remote_keys(mut self, set: Endpoint) -> Self {
        self.keys.push(KeySource::Remote(set));
        self
    }

    /// Says which algorithm the key is for.
    #[must_use]
    pub fn algorithm(mut self, name: impl Into<String>) -> Self {
        self.algorithm = Some(name.into());
        self
    }

    /// Remembers at most this many verified tokens; 0 verifies each one anew.
    #[must_use]
    pub fn cache(mut self, tokens: usize) -> Self {
        self.cached_tokens = tokens;
        self
    }

    /// Says where roles stand in the claims: a name, or a JSON Pointer such as
    /// `/realm_access/roles`.
    #[must_use]
    pub fn roles_claim(mut self, path: &str) -> Self {
        self.token.roles_claims = vec![path.into()];
        self
    }

    fn read(name: &str, section: &mut Section<'_, '_>) -> Self {
        let mut jwt = Self::new(name);
        jwt.places = Places::read_headers(section);
        if let Some(provider) = section.optional_string("provider") {
            match Provider::from_str(&provider) {
                Ok(provider) => jwt.token = jwt.token.provider(provider),
                Err(why) => section.mistake("provider", why.to_string()),
            }
        }
        token::read(section, &mut jwt.token);
        let token = &mut jwt.token;
        token.tenants = section.strings("tenants").unwrap_or_default();
        let profiles = [
            ("auto", Profile::Auto),
            ("rfc9068", Profile::Rfc9068),
            ("id_token", Profile::IdToken),
        ];
        if let Some(profile) = section.choice("profile", &profiles) {
            token.profile = profile;
        }
        token.client_ids = section.strings("client_id").unwrap_or_default();
        if let Some(types) = section.strings("accepted_types") {
            token.accepted_types = types;
        }
        if let Some(path) = section.optional_string("audience_claim") {
            token.audience_claim = path.as_str().into();
        }
        jwt.read_keys(section);
        jwt
    }

    fn read_keys(&mut self, section: &mut Section<'_, '_>) {
        let remote = section.optional_string("keys").and_then(|keys| {
            let endpoint = token::endpoint(&keys);
            if endpoint.is_none() {
                section.mistake(
                    "keys",
                    "is neither \"discover\" nor the URL of a JWK set; a key of your own goes into secret, public_key \
                     or jwks",
                );
            }
            endpoint
        });
        self.keys = [
            remote.map(KeySource::Remote),
            section.secret("secret").map(KeySource::Secret),
            section.secret("public_key").map(KeySource::PublicKey),
            section.secret("jwks").map(KeySource::Jwks),
        ]
        .into_iter()
        .flatten()
        .collect();
        self.algorithm = section.optional_string("algorithm");
        if let Some(tokens) = section.unsigned("cache") {
            self.cached_tokens = tokens;
        }
        for (key, seconds) in [
            ("refresh", &mut self.refresh_seconds),
            ("stale", &mut self.stale_seconds),
        ] {
            if let Some(given) = section.duration_seconds(key) {
                *seconds = given;
            }
        }
        if let Some(tokens) = section.unsigned("cache") {
            self.cached_tokens = tokens;
        }
    }
}

impl SchemeConfig for Jwt {
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
