use super::*;
use crate::{
    headers::Preset,
    policy::{AddressDetail, HttpsMode, LimitKey, PrincipalDetail},
};
use proptest::prelude::*;
use std::io::Write as _;

mod schema;

/// Every section and every key that is read by core itself.
const WHOLE: &str = include_str!("tests/whole.toml");
const BROKEN: &str = include_str!("tests/broken.toml");
const BROKEN_MISTAKES: &str = include_str!("tests/broken.txt");
const DOCS: &str = include_str!("../../../../../docs/policy.md");

fn mistakes(text: &str) -> String {
    match Policy::from_toml_str(text) {
        Ok(mut policy) => policy.take_mistakes().into_error().to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_key_reaches_the_model() {
    let policy = Policy::from_toml_str(WHOLE).unwrap();
    assert_eq!(mistakes(WHOLE), "");
    assert_eq!(policy.realm, "shop");
    assert_eq!(policy.resource.as_deref(), Some("https://api.example.com"));
    assert_eq!(policy.unlisted, Some(Unlisted::Authenticated));
    assert_eq!(policy.scopes, ["items:archive"]);
    assert_eq!(policy.limit_max_keys, 5000);
    assert_eq!(policy.host.allowed, ["api.example.com", "localhost"]);
    assert_eq!(policy.https.mode, HttpsMode::Refuse);
    assert!(policy.https.assumed);
    assert_eq!(policy.firewall.max_target, 4096);
    assert_eq!(policy.firewall.max_header_lines, 50);
    assert_eq!(policy.firewall.max_header_bytes, 8192);
    assert_eq!(policy.headers.preset, Preset::Html);
    assert_eq!(policy.headers.remove, ["x-xss-protection"]);
    assert!(policy.headers.isolated);
    assert_eq!(policy.headers.set["x-team"], "shop");
    assert_eq!(policy.headers.hsts.max_age, 86_400);
    assert!(!policy.headers.hsts.include_subdomains);
    assert!(policy.headers.hsts.preload);
    let cors = policy.cors.as_ref().unwrap();
    assert_eq!(cors.origins, ["https://shop.example.com"]);
    assert!(cors.credentials);
    assert_eq!(cors.methods, ["GET"]);
    assert_eq!(cors.allow_headers, ["x-trace"]);
    assert_eq!(cors.expose_headers, ["x-total"]);
    assert_eq!(cors.max_age, 300);
    assert_eq!(policy.roles["admin"], ["read", "write"]);
    assert_eq!(policy.roles["guest"], ["read"]);
    assert_eq!(policy.body.max, 2 << 20);
    assert_eq!((policy.body.json_depth, policy.body.json_array), (8, 100));
    assert_eq!(
        policy.problem_type_base,
        "https://api.example.com/problems/"
    );
    assert_eq!(policy.audit.address, AddressDetail::Prefix);
    assert_eq!(policy.audit.principal, PrincipalDetail::Hash);
    assert_eq!(policy.outgoing.plain_http, ["127.0.0.1"]);
    assert_eq!(policy.outgoing.private, ["id.internal"]);
    assert!(policy.outgoing.ca.is_some());
    assert_eq!(policy.outgoing.timeout_seconds, 3);
}

#[test]
fn limits_and_rules_reach_the_model() {
    let policy = Policy::from_toml_str(WHOLE).unwrap();
    let [burst, by_tag] = policy.limits.as_slice() else {
        panic!("{:?}", policy.limits)
    };
    assert_eq!(
        (burst.name.as_str(), burst.quota.as_str()),
        ("burst", "100/minute")
    );
    assert_eq!((&burst.by, burst.burst), (&LimitKey::Principal, Some(20)));
    assert!(burst.strict && burst.shadow && burst.default);
    assert_eq!(by_tag.by, LimitKey::Header("x-tag".to_owned()));
    let [users, health] = policy.rules.as_slice() else {
        panic!("{:?}", policy.rules)
    };
    assert_eq!(users.path, "/users/{id}");
    assert_eq!(users.methods, ["GET", "PUT"]);
    assert_eq!(users.schemes, ["partners"]);
    assert_eq!(users.limits.as_deref(), Some(&["by-tag".to_owned()][..]));
    assert_eq!((users.cost, users.max_body), (2, Some(1000)));
    assert!(users.add_limits && users.always && users.same_with_slash && users.handler_caches);
    assert_eq!(users.allow_encoded, ["/", "%"]);
    assert_eq!(users.corp.as_deref(), Some("cross-origin"));
    let require = users.require.as_ref().unwrap().to_string();
    let expected = "scope a and role b and permission c \
                    and (scope d and authenticated) and (role e or (scope f and role g))";
    assert_eq!(require, expected);
    assert!(health.probe && health.require.as_ref().unwrap().is_public());
    assert_eq!(health.cost, 1);
}

#[test]
fn api_keys_reach_the_model() {
    let policy = Policy::from_toml_str(WHOLE).unwrap();
    let [partners] = policy.schemes.as_slice() else {
        panic!("{:?}", policy.schemes)
    };
    let shown = format!("{partners:?}");
    let expected = "ApiKey { name: \"partners\", places: Places { authorization: [\"Token\"], \
        header: Some(\"x-key\"), query: Some(\"key\"), cookie: Some(\"key\"), basic: true, \
        websocket_protocol: Some(\"key\") }, prefix: \"shop\", keep: true, keys: [ApiKeyEntry { \
        id: Some(\"0123456789abcdef\"), owner: \"service1\", scopes: [\"read\"], \
        roles: [\"admin\"], tenant: Some(\"acme\"), expires: Some(1798761600), active: false, quota: Some(\"10/second\"), .. \
        }], store: Some(Store { url: env:KEYS, freshness_seconds: 9 }), cached_keys: 10 }";
    assert_eq!(shown, expected);
}

#[test]
fn an_empty_file_is_the_default_policy() {
    let policy = Policy::from_toml_str("").unwrap();
    assert_eq!(format!("{:?}", policy.rules), "[]");
    assert_eq!(policy.realm, "api");
    assert!(policy.cors.is_none());
    assert_eq!(mistakes("version = 1"), "");
}

#[test]
fn every_mistake_is_reported_with_its_line_and_what_would_be_right() {
    let found = mistakes(BROKEN);
    let schemes: Vec<_> = KINDS.iter().map(|kind| kind.section).collect();
    let parts: Vec<_> = part::KINDS.iter().map(|kind| kind.section).collect();
    let expected = BROKEN_MISTAKES
        .replace("SCHEMES", &schemes.join(", "))
        .replace("PARTS", &parts.join(", "));
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.lines().count(), expected.lines().count());
    assert!(!found.contains("swordfish"));
}

#[test]
fn every_syntax_error_is_reported() {
    let found = mistakes("realm = \n[host\nallowed = []\n[cors]\ncredentials = yes\n");
    let lines: Vec<_> = found.lines().map(|one| one.split(':').next()).collect();
    assert_eq!(lines, [Some("1"), Some("2"), Some("5")], "{found}");
}

#[test]
fn a_file_has_its_name_and_its_folder_in_everything() {
    let folder = std::env::temp_dir().join(format!("palisade-reader-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("policy.toml");
    let write = |bytes: &[u8]| File::create(&path).unwrap().write_all(bytes).unwrap();
    let failure = || Policy::from_file(&path).unwrap_err().to_string();
    let start = path.display().to_string();

    write(b"realm = 1\n");
    let mut policy = Policy::from_file(&path).unwrap();
    assert_eq!(policy.folder.as_deref(), Some(folder.as_path()));
    let error = policy.take_mistakes().into_error().to_string();
    assert_eq!(
        error,
        format!("{start}:1: realm: is an integer; a string is needed")
    );

    write(b"realm = \xff\n");
    assert_eq!(
        failure(),
        format!("{start}: the policy cannot be read: it is not UTF-8")
    );
    write(&vec![b'\n'; (1 << 20) + 1]);
    assert_eq!(
        failure(),
        format!("{start}: the policy cannot be read: it is larger than 1 MiB")
    );
    write(b"a = \n");
    assert!(
        failure().starts_with(&format!("{start}:1: ")),
        "{}",
        failure()
    );
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(failure().starts_with(&format!("{start}: the policy cannot be read: ")));
}

#[test]
fn the_examples_of_the_reference_are_true() {
    let blocks = |language: &str| -> Vec<&str> {
        let blocks = DOCS.split(language).skip(1);
        blocks
            .map(|rest| rest.split("```").next().unwrap())
            .collect()
    };
    let [good, broken, syntax] = blocks("```toml\n")[..] else {
        panic!("three examples")
    };
    let [mistaken, unparsed] = blocks("```text\n")[..] else {
        panic!("two outputs")
    };
    assert_eq!(mistakes(good), "");
    let shown = |text: &str| -> String {
        let found = mistakes(text);
        found
            .lines()
            .map(|one| format!("palisade.toml:{one}\n"))
            .collect()
    };
    assert_eq!(shown(broken), mistaken);
    assert_eq!(shown(syntax), unparsed);
}

proptest! {
    #[test]
    fn no_text_panics_the_reader(text in "(?s).{0,200}") {
        mistakes(&text);
    }

    #[test]
    fn no_tokens_panic_the_reader(
        tokens in prop::collection::vec(
            prop::sample::select(vec![
                "[", "]", "[[", "]]", "{", "}", "=", ".", ",", "\n", "'", "\"", "'''", "1", "-1",
                "1e9", "true", "2027-01-01T00:00:00Z", "'16 KiB'", "rule", "limit", "host",
                "require", "any_of", "headers", "set", "api_key", "key", "\u{fc}", "#", "\0",
            ]),
            0..60,
        ),
    ) {
        mistakes(&tokens.concat());
        mistakes(&tokens.join(" "));
    }

    #[test]
    fn no_change_of_a_policy_panics_the_reader(
        broken in any::<bool>(),
        from in any::<prop::sample::Index>(),
        length in 0..40_usize,
        insert in "(?s).{0,8}",
    ) {
        let text = if broken { BROKEN } else { WHOLE };
        let mut characters: Vec<char> = text.chars().collect();
        let from = from.index(characters.len());
        let to = (from + length).min(characters.len());
        characters.splice(from..to, insert.chars());
        mistakes(&characters.into_iter().collect::<String>());
    }
}
