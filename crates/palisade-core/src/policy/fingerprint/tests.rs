//! Every word of a policy counts, and no secret does that could be guessed.

use crate::{
    ApiKey, ApiKeyEntry, Basic, BasicAccount, Jwt, Policy, Secret, fingerprint::Content,
    scheme::SchemeConfig,
};
use std::hash::{Hash, Hasher};

const POLICY: &str = r#"
realm = "shop"
resource = "https://api.example.com"
unlisted = "not_found"
scopes = ["a:read"]
methods = ["PURGE"]
limit_max_keys = 1000
roles = { admin = ["delete"] }
host = { allowed = ["api.example.com"] }
https = { mode = "off", assumed = false }
firewall = { max_target = 8000, max_header_lines = 90, max_header_bytes = 16000 }
body = { max = 1000, json_depth = 30, json_array = 100 }
problems = { type_base = "urn:a:" }
audit = { address = "prefix", principal = "full" }

[headers]
preset = "api"
remove = ["x-xss-protection"]
isolated = false
set = { server = "a" }
hsts = { max_age = 100, include_subdomains = true, preload = false }

[cors]
origins = ["https://a.example"]
credentials = true
methods = ["GET"]
allow_headers = ["x-a"]
expose_headers = ["x-b"]
max_age = 60

[outgoing]
plain_http = ["127.0.0.1"]
private = ["db.internal"]
ca = "file:ca.pem"
timeout = 5

[jwt.main]
issuer = "https://id.example.com"
audience = "urn:api"
secret = "env:JWT"
algorithm = "HS256"
refresh = 600
stale = 86400
leeway = 60
max_bytes = 8192
cache = 10000
accepted_types = ["x+jwt"]
accepted_token_uses = ["app"]
audience_claim = "aud"
principal_claim = "sub"
scope_claims = ["scope"]
roles_claim = "roles"
permissions_claim = "permissions"
tenant_claim = "tid"
ignore = ["issuer"]
authorization = "Bearer"

[introspection.opaque]
issuer = "https://two.example.com"
audience = "urn:two"
endpoint = "discover"
client_id = "api"
client_secret = "env:CLIENT"
client_auth = "basic"
remember = 30
remember_inactive = 5

[api_key.partners]
header = "x-key"
prefix = "shop"
keep = false
cached_keys = 50
store = "sqlite:keys.db"
fresh = 6

[[api_key.partners.key]]
id = "Xy12Ab34Cd56Ef78"
digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
owner = "service1"
scopes = ["k:read"]
roles = ["clerk"]
tenant = "acme"
expires = 2027-01-01T00:00:00Z
active = true
quota = "7/day"

[[basic.services.account]]
name = "backup"
password_hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$PQ"
scopes = ["b:read"]
roles = ["robot"]
tenant = "umbrella"
active = true

[[limit]]
name = "burst"
quota = "100/minute"
by = "tenant"
burst = 9
strict = false
shadow = false
default = true

[[rule]]
path = "/items/{id}"
methods = ["POST"]
require = { any_of = [{ scope = "items:read" }, { role = "boss" }] }
schemes = ["main"]
limits = ["burst"]
add_limits = true
cost = 2
max_body = 77
always = false
probe = false
trailing_slash = "distinct"
allow_encoded = ["/"]
cache = "safe"
corp = "same-site"
"#;

/// Every line but the brackets is changed, one after the other.
const CHANGES: &[(&str, &str)] = &[
    ("realm = \"shop\"", "realm = \"shop2\""),
    ("resource = \"https://api", "resource = \"https://api2"),
    ("unlisted = \"not_found\"", "unlisted = \"authenticated\""),
    ("scopes = [\"a:read\"]", "scopes = [\"a:write\"]"),
    ("methods = [\"PURGE\"]", "methods = [\"BAN\"]"),
    ("limit_max_keys = 1000", "limit_max_keys = 1001"),
    ("admin = [\"delete\"]", "admin = [\"erase\"]"),
    ("admin = [\"delete\"]", "root = [\"delete\"]"),
    ("allowed = [\"api", "allowed = [\"www"),
    ("mode = \"off\"", "mode = \"refuse\""),
    ("assumed = false", "assumed = true"),
    ("max_target = 8000", "max_target = 8001"),
    ("max_header_lines = 90", "max_header_lines = 91"),
    ("max_header_bytes = 16000", "max_header_bytes = 16001"),
    ("body = { max = 1000", "body = { max = 1001"),
    ("json_depth = 30", "json_depth = 31"),
    ("json_array = 100", "json_array = 101"),
    ("urn:a:", "urn:b:"),
    ("address = \"prefix\"", "address = \"hash\""),
    ("principal = \"full\"", "principal = \"hash\""),
    ("preset = \"api\"", "preset = \"reference\""),
    ("remove = [\"x-xss-protection\"]", "remove = []"),
    ("isolated = false", "isolated = true"),
    ("server = \"a\"", "server = \"b\""),
    ("hsts = { max_age = 100", "hsts = { max_age = 101"),
    ("include_subdomains = true", "include_subdomains = false"),
    ("preload = false", "preload = true"),
    ("origins = [\"https://a", "origins = [\"https://b"),
    ("credentials = true", "credentials = false"),
    ("methods = [\"GET\"]", "methods = [\"PUT\"]"),
    ("allow_headers = [\"x-a\"]", "allow_headers = [\"x-c\"]"),
    ("expose_headers = [\"x-b\"]", "expose_headers = [\"x-c\"]"),
    ("max_age = 60", "max_age = 61"),
    ("plain_http = [\"127.0.0.1\"]", "plain_http = []"),
    ("private = [\"db.internal\"]", "private = []"),
    ("ca = \"file:ca.pem\"", "ca = \"file:cb.pem\""),
    ("timeout = 5", "timeout = 6"),
    ("[jwt.main]", "[jwt.other]"),
    ("issuer = \"https://id", "issuer = \"https://ie"),
    ("audience = \"urn:api\"", "audience = \"urn:apj\""),
    ("secret = \"env:JWT\"", "secret = \"env:JWS\""),
    ("secret = \"env:JWT\"", "jwks = \"env:JWT\""),
    ("algorithm = \"HS256\"", "algorithm = \"HS512\""),
    ("refresh = 600", "refresh = 601"),
    ("stale = 86400", "stale = 86401"),
    ("leeway = 60", "leeway = 61"),
    ("max_bytes = 8192", "max_bytes = 8193"),
    ("cache = 10000", "cache = 10001"),
    (
        "accepted_types = [\"x+jwt\"]",
        "accepted_types = [\"y+jwt\"]",
    ),
    (
        "accepted_token_uses = [\"app\"]",
        "accepted_token_uses = []",
    ),
    ("audience_claim = \"aud\"", "audience_claim = \"aux\""),
    ("principal_claim = \"sub\"", "principal_claim = \"sux\""),
    ("scope_claims = [\"scope\"]", "scope_claims = [\"scp\"]"),
    ("roles_claim = \"roles\"", "roles_claim = \"/a/roles\""),
    (
        "permissions_claim = \"permissions\"",
        "permissions_claim = \"perms\"",
    ),
    ("tenant_claim = \"tid\"", "tenant_claim = \"tie\""),
    ("ignore = [\"issuer\"]", "ignore = [\"audience\"]"),
    ("authorization = \"Bearer\"", "authorization = \"Token\""),
    (
        "endpoint = \"discover\"",
        "endpoint = \"https://two.example.com/i\"",
    ),
    ("client_id = \"api\"", "client_id = \"apj\""),
    (
        "client_secret = \"env:CLIENT\"",
        "client_secret = \"env:CLIENS\"",
    ),
    ("issuer = \"https://two", "issuer = \"https://too"),
    ("audience = \"urn:two\"", "audience = \"urn:too\""),
    ("client_auth = \"basic\"", "client_auth = \"post\""),
    ("remember = 30", "remember = 31"),
    ("remember_inactive = 5", "remember_inactive = 6"),
    ("header = \"x-key\"", "query = \"x-key\""),
    ("prefix = \"shop\"", "prefix = \"shoq\""),
    ("keep = false", "keep = true"),
    ("cached_keys = 50", "cached_keys = 51"),
    ("store = \"sqlite:keys.db\"", "store = \"sqlite:kept.db\""),
    ("\nfresh = 6", "\nfresh = 7"),
    ("id = \"Xy12", "id = \"Xy13"),
    ("digest = \"sha256:9f", "digest = \"sha256:8f"),
    ("owner = \"service1\"", "owner = \"service2\""),
    ("scopes = [\"k:read\"]", "scopes = [\"k:write\"]"),
    ("roles = [\"clerk\"]", "roles = [\"clown\"]"),
    ("tenant = \"acme\"", "tenant = \"acne\""),
    ("expires = 2027", "expires = 2028"),
    ("active = true\nquota", "active = false\nquota"),
    ("quota = \"7/day\"", "quota = \"8/day\""),
    ("name = \"backup\"", "name = \"backip\""),
    ("c2FsdHNhbHRzYWx0c2FsdA$PQ", "c2FsdHNhbHRzYWx0c2FsdA$PR"),
    ("scopes = [\"b:read\"]", "scopes = [\"b:write\"]"),
    ("roles = [\"robot\"]", "roles = [\"rabbit\"]"),
    (
        "tenant = \"umbrella\"\nactive = true",
        "tenant = \"umbrella\"\nactive = false",
    ),
    ("tenant = \"umbrella\"", "tenant = \"parasol\""),
    ("name = \"burst\"", "name = \"bursts\""),
    ("quota = \"100/minute\"", "quota = \"100/hour\""),
    ("by = \"tenant\"", "by = \"header:tenant\""),
    ("burst = 9", "burst = 8"),
    ("strict = false", "strict = true"),
    ("shadow = false", "shadow = true"),
    ("default = true", "default = false"),
    ("path = \"/items/{id}\"", "path = \"/items/{key}\""),
    ("methods = [\"POST\"]", "methods = [\"PUT\"]"),
    ("any_of", "all_of"),
    ("scope = \"items:read\"", "scope = \"items:list\""),
    ("scope = \"items:read\"", "role = \"items:read\""),
    ("schemes = [\"main\"]", "schemes = [\"opaque\"]"),
    ("limits = [\"burst\"]\n", "limits = []\n"),
    ("add_limits = true", "add_limits = false"),
    ("cost = 2", "cost = 3"),
    ("max_body = 77", "max_body = 78"),
    ("always = false", "always = true"),
    ("probe = false", "probe = true"),
    ("trailing_slash = \"distinct\"", "trailing_slash = \"same\""),
    ("allow_encoded = [\"/\"]", "allow_encoded = [\";\"]"),
    ("cache = \"safe\"", "cache = \"handler\""),
    ("corp = \"same-site\"", "corp = \"cross-origin\""),
];

fn of(text: &str) -> String {
    Policy::from_toml_str(text).unwrap().fingerprint()
}

/// PITFALLS 67.
#[test]
fn every_word_of_a_policy_changes_its_name() {
    let name = of(POLICY);
    assert_eq!(name, of(POLICY), "the same words have the same name");
    assert_eq!(name, of(&POLICY.replace(" = ", "=")), "blanks are no words");
    assert!(name.len() == 16 && name.bytes().all(|b| b.is_ascii_hexdigit()));
    for (from, to) in CHANGES {
        assert!(POLICY.contains(from), "{from}");
        assert_ne!(name, of(&POLICY.replacen(from, to, 1)), "{from} -> {to}");
    }
    // Where a line was forgotten, nothing tests that it counts.
    for line in POLICY.lines().filter(|line| line.contains(" = ")) {
        let changed = CHANGES.iter().any(|(from, to)| {
            POLICY
                .replacen(from, to, 1)
                .lines()
                .zip(POLICY.lines())
                .any(|(new, old)| old == line && new != old)
        });
        assert!(changed, "{line}");
    }
}

/// What was said of one list must not be said of the next by other words.
#[test]
fn words_cannot_move_from_one_place_to_another() {
    let two = |first: &[&str], second: &[&str]| {
        let key = |owner: &str, scopes: &[&str]| {
            ApiKeyEntry::new(owner, "sha256:00")
                .id("a")
                .scopes(scopes.iter().copied())
        };
        let keys = ApiKey::new("a").key(key("o", first)).key(key("o", second));
        Policy::builder().scheme(keys).fingerprint()
    };
    assert_ne!(two(&["x"], &["y"]), two(&["x", "y"], &[]));
    assert_ne!(two(&["xy"], &[]), two(&["x", "y"], &[]));
    let jwt = |name: &str, audience: &str| {
        Policy::builder()
            .scheme(Jwt::new(name).audience(audience))
            .fingerprint()
    };
    assert_ne!(jwt("ab", "c"), jwt("a", "bc"));
}

/// The name shows in the log, and a key of an earlier system may be short: whoever tries keys must
/// pay for each as for a password.
#[test]
fn digests_of_short_keys_count_and_are_hashed_slowly() {
    let policy = |digest: &str, hash: &str| {
        Policy::builder()
            .scheme(ApiKey::new("old").key(ApiKeyEntry::new("o", digest)))
            .scheme(Basic::new("b").account(BasicAccount::new("n", hash)))
    };
    let name = policy("sha256:01", "$2b$a").fingerprint();
    assert_ne!(name, policy("sha256:02", "$2b$a").fingerprint());
    assert_ne!(name, policy("sha256:01", "$2b$b").fingerprint());

    let keys = ApiKey::new("old").key(ApiKeyEntry::new("o", "sha256:01"));
    let (mut quick, mut told) = (Content::new(), Content::new());
    "api_key".hash(&mut quick);
    keys.hash(&mut quick);
    keys.fingerprint(&mut told);
    assert_ne!(
        quick.finish(),
        told.finish(),
        "the quick hash is not what counts"
    );
}

#[test]
fn of_a_secret_the_reference_counts_and_never_the_value() {
    let policy = |secret: Secret| {
        Policy::builder()
            .scheme(Jwt::new("a").secret(secret))
            .fingerprint()
    };
    assert_ne!(policy(Secret::env("A")), policy(Secret::env("B")));
    assert_ne!(policy(Secret::env("A")), policy(Secret::file("A")));
    let values = ["swordfish", "hunter2"].map(|value| policy(Secret::value(value)));
    assert_eq!(values[0], values[1]);
}
