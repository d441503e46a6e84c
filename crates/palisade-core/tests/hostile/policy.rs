//! A policy with something of everything, and credentials that it accepts.

use crate::fake::{AuditLog, CountingEntropy, ManualClock, START};
use aws_lc_rs::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use palisade_core::{ApiKey, Jwt, Palisade, Policy, Secret, generate_key};
use std::sync::Arc;

const POLICY: &str = r#"
    limit_max_keys = 500
    methods = ["PURGE"]
    [host]
    allowed = ["api.example.com", "*.example.org", "[::1]", "127.0.0.1"]
    [https]
    mode = "refuse"
    [headers]
    preset = "html"
    [headers.hsts]
    max_age = 31536000
    [cors]
    origins = ["https://frontend.example.com", "https://*.example.net"]
    credentials = true
    [roles]
    admin = ["read", "delete"]
    [[limit]]
    name = "burst"
    quota = "20/minute"
    by = "address"
    default = true
    [[limit]]
    name = "user"
    quota = "5 per second; 100 per hour"
    by = "principal"
    [[limit]]
    name = "watched"
    quota = "1/hour"
    by = "global"
    shadow = true
    [[rule]]
    path = "/health"
    methods = ["GET"]
    require = "public"
    probe = true
    [[rule]]
    path = "/public/{*rest}"
    require = "public"
    allow_encoded = ["/", "%"]
    cache = "handler"
    corp = "cross-origin"
    [[rule]]
    path = "/optional"
    require = "optional"
    trailing_slash = "same"
    [[rule]]
    path = "/items"
    methods = ["GET", "POST", "PURGE"]
    require = { scope = "items:read" }
    limits = ["user", "watched"]
    add_limits = true
    max_body = 100
    [[rule]]
    path = "/items/{id}"
    methods = ["GET", "DELETE"]
    require = { any_of = [{ scope = "items:read" }, { permission = "delete" }] }
    [[rule]]
    path = "/admin/{*rest}"
    require = { role = "admin" }
    schemes = ["main", "keys"]
    always = true
    [[rule]]
    path = "/admin/open/door"
    require = "public"
"#;

/// The policy, what it writes to, and credentials that it accepts.
pub(crate) struct World {
    pub(crate) palisade: Palisade,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) audit: Arc<AuditLog>,
    /// Tokens, without the scheme's name.
    pub(crate) tokens: Vec<String>,
    pub(crate) api_key: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let (clock, audit) = (Arc::new(ManualClock::default()), Arc::default());
        let entropy = Arc::new(CountingEntropy::default());
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
        let signer = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
        let set = format!(
            r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"e","use":"sig","x":"{}"}}]}}"#,
            BASE64URL.encode(signer.public_key())
        );
        let key = generate_key("pal", &*entropy).unwrap();

        let policy = Policy::from_toml_str(POLICY).unwrap();
        let jwt = |name: &str| {
            Jwt::new(name)
                .issuer(format!("https://{name}.example.com"))
                .audience("urn:api")
        };
        let palisade = policy
            .scheme(jwt("main").secret(Secret::value([7; 32])))
            .scheme(jwt("set").jwks(Secret::value(set)))
            .scheme(
                ApiKey::new("keys")
                    .header("x-api-key")
                    .query("api-key")
                    .cookie("api-key")
                    .key(
                        key.entry("service1")
                            .scopes(["items:read"])
                            .roles(["admin"]),
                    ),
            )
            .with_clock(clock.clone())
            .with_entropy(entropy)
            .with_audit(Arc::clone(&audit) as _)
            .build()
            .unwrap();

        let claims = |name: &str, subject: &str, more: &str| {
            let (issued, expires) = (START - 10, START + 1_000_000);
            format!(
                r#"{{"iss":"https://{name}.example.com","aud":"urn:api","sub":"{subject}","iat":{issued},"exp":{expires},"client_id":"c","jti":"1"{more}}}"#
            )
        };
        let with_secret = |claims: &str| {
            let header = r#"{"alg":"HS256","typ":"at+jwt"}"#;
            token(header, claims, |text| {
                hmac::sign(&secret, text).as_ref().to_vec()
            })
        };
        let with_set = |claims: &str| {
            let header = r#"{"alg":"EdDSA","kid":"e","typ":"JWT"}"#;
            token(header, claims, |text| signer.sign(text).as_ref().to_vec())
        };
        let tokens = vec![
            with_secret(&claims("main", "alice", r#","scope":"items:read""#)),
            with_secret(&claims("main", "bob", r#","roles":["admin"]"#)),
            with_set(&claims("set", "carol", r#","scope":["items:read","x"]"#)),
            with_set(&claims("set", "dave", "")),
        ];
        Self {
            palisade,
            clock,
            audit,
            tokens,
            api_key: key.reveal().to_owned(),
        }
    }
}

fn token(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(claims));
    let signature = BASE64URL.encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}
