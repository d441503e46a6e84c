//! Access tokens in JWT form, mostly by `Authorization: Bearer` (RFC 6750): `[jwt.NAME]`.

use super::{
    Carrier, Carriers, Challenge, Credential, Outcome, Places, Presented, Rejected, Scheme,
    SchemeConfig, SchemeKind, Verification,
};
use crate::{
    config::{Mistakes, Section},
    jwt::{
        Algorithm, Ignored, JwkOptions, KeySet, Profile, Provider, TokenError, TokenPolicy,
        TokenVerifier, peek_issuer,
    },
    policy::{BuildContext, Secret},
    principal::Principal,
    view::View,
};
use secrecy::ExposeSecret;
use std::{str::FromStr, sync::Arc};

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
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Jwt {
    /// The scheme's name: `main` in `[jwt.main]`.
    pub name: String,
    /// Where clients send the token; only `authorization` and `header` count. Usually in
    /// `Authorization: Bearer`.
    pub places: Places,
    /// What the tokens must look like.
    pub token: TokenPolicy,
    /// Where the keys come from; exactly one source, checked by the build.
    pub keys: Vec<KeySource>,
    /// `algorithm` of the key. `None`: HS256 for a secret, RS256 for an RSA key that does not say
    /// its own, by the curve for the others.
    pub algorithm: Option<String>,
}

/// Where the keys of an issuer come from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum KeySource {
    /// `secret`: shared with the issuer.
    Secret(Secret),
    /// `public_key`: in PEM.
    PublicKey(Secret),
    /// `jwks`: a JWK set (RFC 7517).
    Jwks(Secret),
}

impl Jwt {
    /// The scheme `name`, still without issuer, audience and key.
    pub fn new(name: impl Into<String>) -> Self {
        let mut token = TokenPolicy::without_audience("");
        token.roles_claim = Some("roles".into());
        token.permissions_claim = Some("permissions".into());
        Self {
            name: name.into(),
            places: Places::default(),
            token,
            keys: Vec::new(),
            algorithm: None,
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

    /// Says which algorithm the key is for.
    #[must_use]
    pub fn algorithm(mut self, name: impl Into<String>) -> Self {
        self.algorithm = Some(name.into());
        self
    }

    /// Says where roles stand in the claims: a name, or a JSON Pointer such as
    /// `/realm_access/roles`.
    #[must_use]
    pub fn roles_claim(mut self, path: &str) -> Self {
        self.token.roles_claim = Some(path.into());
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
        let token = &mut jwt.token;
        token.issuer = section.optional_string("issuer").unwrap_or_default();
        token.audiences = section.strings("audience").unwrap_or_default();
        let profiles = [("auto", Profile::Auto), ("rfc9068", Profile::Rfc9068)];
        if let Some(profile) = section.choice("profile", &profiles) {
            token.profile = profile;
        }
        if let Some(leeway) = section.duration_seconds("leeway") {
            token.leeway_seconds = leeway;
        }
        if let Some(bytes) = section.size("max_bytes") {
            token.max_bytes = bytes;
        }
        if let Some(types) = section.strings("accepted_types") {
            token.accepted_types = types;
        }
        if let Some(uses) = section.strings("accepted_token_uses") {
            token.accepted_token_uses = uses;
        }
        if let Some(path) = section.optional_string("audience_claim") {
            token.audience_claim = path.as_str().into();
        }
        if let Some(path) = section.optional_string("principal_claim") {
            token.principal_claim = path.as_str().into();
        }
        if let Some(paths) = section.strings("scope_claims") {
            token.scope_claims = paths.iter().map(|path| path.as_str().into()).collect();
        }
        for (key, claim) in [
            ("roles_claim", &mut token.roles_claim),
            ("permissions_claim", &mut token.permissions_claim),
            ("tenant_claim", &mut token.tenant_claim),
        ] {
            if let Some(path) = section.optional_string(key) {
                *claim = Some(path.as_str().into());
            }
        }
        token.ignore = read_ignored(section);
        jwt.keys = [
            section.secret("secret").map(KeySource::Secret),
            section.secret("public_key").map(KeySource::PublicKey),
            section.secret("jwks").map(KeySource::Jwks),
        ]
        .into_iter()
        .flatten()
        .collect();
        jwt.algorithm = section.optional_string("algorithm");
        jwt
    }

    fn load_keys(&self, context: &BuildContext<'_>, algorithm: Option<Algorithm>) -> Loaded {
        let [source] = self.keys.as_slice() else {
            let message = match self.keys.is_empty() {
                true => "has no key; give secret, public_key or jwks as env:NAME or file:PATH",
                false => "has keys from several places; keep one of secret, public_key and jwks",
            };
            return Err(("", message.to_owned()));
        };
        let (key, reference) = match source {
            KeySource::Secret(reference) => ("secret", reference),
            KeySource::PublicKey(reference) => ("public_key", reference),
            KeySource::Jwks(reference) => ("jwks", reference),
        };
        let bytes = reference
            .load(context.folder)
            .map_err(|why| (key, why.to_string()))?;
        let bytes = bytes.expose_secret();
        let keys = match source {
            KeySource::Secret(_) => {
                KeySet::from_secret(bytes, algorithm.unwrap_or(Algorithm::HS256))
            }
            KeySource::PublicKey(_) => KeySet::from_pem(bytes, algorithm),
            KeySource::Jwks(_) => self.load_set(bytes, algorithm),
        };
        keys.map_err(|why| (key, why.to_string()))
    }

    fn load_set(
        &self,
        json: &[u8],
        algorithm: Option<Algorithm>,
    ) -> Result<KeySet, crate::jwt::KeyError> {
        let mut options = JwkOptions::default();
        if let Some(algorithm) = algorithm {
            options.rsa_algorithm = algorithm;
        }
        let (keys, skipped) = KeySet::from_jwk_set(json, options)?;
        for key in skipped {
            let (scheme, kid, position) = (&self.name, key.kid.as_deref(), key.position);
            if key.is_alarm() {
                tracing::error!(target: "palisade", scheme, kid, position, "key skipped: {}", key.why);
            } else {
                tracing::warn!(target: "palisade", scheme, kid, position, "key skipped: {}", key.why);
            }
        }
        Ok(keys)
    }
}

/// The keys, or the setting that is wrong and why.
type Loaded = Result<KeySet, (&'static str, String)>;

impl SchemeConfig for Jwt {
    fn name(&self) -> &str {
        &self.name
    }

    fn compile(
        &self,
        context: &BuildContext<'_>,
        mistakes: &mut Mistakes,
    ) -> Option<Arc<dyn Scheme>> {
        let section = format!("jwt.{}", self.name);
        let at = |key: &str| match key {
            "" => section.clone(),
            key => format!("{section}.{key}"),
        };
        let algorithm = self.algorithm.as_deref().and_then(|name| {
            Algorithm::from_str(name)
                .map_err(|why| mistakes.add(at("algorithm"), why.to_string()))
                .ok()
        });
        let usual = Carrier::Authorization("Bearer".into());
        // How long a token may be is judged with the token.
        let carriers = self.places.compile(usual, usize::MAX, &section, mistakes);
        // A reference that is none has been reported: the key is not missing as well.
        let mut sources = ["secret", "public_key", "jwks"].iter();
        let misread = sources.any(|key| mistakes.has(&at(key)));
        let keys = self.load_keys(context, algorithm);
        let keys = keys.map_err(|(key, message)| {
            if !(misread && key.is_empty()) {
                mistakes.add(at(key), message);
            }
        });
        // Without keys, the rest is checked against a stand-in, so that all mistakes show at once.
        let have_keys = keys.is_ok();
        let compiled = self.token.clone().compile(keys.unwrap_or_default());
        let verifier = match compiled {
            Ok(verifier) => verifier,
            Err(wrong) => {
                for mistake in wrong {
                    if have_keys || mistake.setting != "keys" {
                        mistakes.add(at(written_key(mistake.setting)), mistake.message);
                    }
                }
                return None;
            }
        };
        (!mistakes.has(&section)).then(|| {
            Arc::new(Bearer {
                name: self.name.clone(),
                challenge: carriers.challenge(context.realm),
                carriers,
                max_bytes: self.token.max_bytes,
                verifier,
            }) as Arc<dyn Scheme>
        })
    }
}

/// The scheme, ready to verify.
#[derive(Debug)]
struct Bearer {
    name: String,
    carriers: Carriers,
    challenge: Challenge,
    max_bytes: usize,
    verifier: TokenVerifier,
}

impl Scheme for Bearer {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "jwt"
    }

    fn carriers(&self) -> &[Carrier] {
        self.carriers.as_slice()
    }

    fn issuer(&self) -> Option<&str> {
        Some(self.verifier.issuer())
    }

    fn read<'h>(&self, head: &View<'h>) -> Presented<'h> {
        self.carriers.read(head)
    }

    fn recognises(&self, credential: &Credential<'_>) -> bool {
        let issuer = peek_issuer(&credential.bytes, self.max_bytes);
        self.verifier.is_for(issuer.as_deref())
    }

    fn verify(&self, credential: &Credential<'_>, unix_seconds: u64) -> Verification {
        Verification::Done(
            match self.verifier.verify(&credential.bytes, unix_seconds) {
                Ok(token) => Outcome::Verified(Principal::from(token)),
                Err(why) => Outcome::Rejected(Rejected {
                    cause: why.reason(),
                    hint: hint(why),
                }),
            },
        )
    }

    fn challenge(&self) -> Option<Challenge> {
        Some(self.challenge.clone())
    }
}

/// Where the policy file has a setting of the token policy.
fn written_key(setting: &'static str) -> &'static str {
    match setting {
        "audiences" => "audience",
        "leeway_seconds" => "leeway",
        other => other,
    }
}

/// Mostly a matter of configuration, so the log names the setting that would accept it.
fn hint(why: TokenError) -> Option<&'static str> {
    match why.setting()? {
        "audiences" => Some(
            "the token is for another audience; if it should be accepted, add it to `audience`",
        ),
        "accepted_types" => Some(
            "the token's `typ` is not that of an access token; if it should be accepted, add it to `accepted_types`",
        ),
        "accepted_token_uses" => Some(
            "the token is marked as another kind of token; if it should be accepted, add the mark to `accepted_token_uses`",
        ),
        _ => None,
    }
}

fn read_ignored(section: &mut Section<'_, '_>) -> Ignored {
    let mut ignored = Ignored::default();
    for name in section.strings("ignore").unwrap_or_default() {
        match name.as_str() {
            "issuer" => ignored.issuer = true,
            "audience" => ignored.audience = true,
            other => section.mistake(
                "ignore",
                format!("{other:?} cannot be ignored; only \"issuer\" and \"audience\" can"),
            ),
        }
    }
    ignored
}
