use super::*;
use crate::{
    ApiKey, ApiKeyEntry, GeneratedKey, Mistakes, RequestHead, SystemEntropy, generate_key,
    jwt::PrincipalKind, policy::Policy, scheme::SchemeConfig,
};
use crate::{principal::Principal, scheme::Outcome};
use proptest::prelude::*;
use std::net::SocketAddr;
use std::sync::Arc;

const NOW: u64 = 1_800_000_000;
const LEGACY: &str = "sk-legacy+1%";

struct Head(Vec<(&'static str, Vec<u8>)>);

impl RequestHead for Head {
    fn method(&self) -> &[u8] {
        b"GET"
    }
    fn target(&self) -> &[u8] {
        b"/"
    }
    fn headers<'h>(&'h self, each: &mut dyn FnMut(&'h str, &'h [u8])) {
        for (name, value) in &self.0 {
            each(name, value);
        }
    }
    fn peer(&self) -> Option<SocketAddr> {
        None
    }
    fn tls(&self) -> bool {
        false
    }
}

fn made() -> GeneratedKey {
    generate_key("pal", &SystemEntropy).unwrap()
}

fn hex_digest(key: &str) -> String {
    let digest = format::digest(key.as_bytes());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digest}")
}

fn try_compile(config: &ApiKey) -> Result<Arc<dyn Scheme>, Vec<String>> {
    let mut mistakes = Mistakes::default();
    let policy = Policy::default();
    let context = policy.build_context();
    config.compile(&context, &mut mistakes).ok_or_else(|| {
        let error = mistakes.into_error();
        error.mistakes().iter().map(ToString::to_string).collect()
    })
}

fn compiled(config: ApiKey) -> Arc<dyn Scheme> {
    try_compile(&config).unwrap()
}

/// What is in each place that is not empty: the key and its place, or the fault.
fn read(scheme: &dyn Scheme, lines: &[(&'static str, &str)], query: &str) -> String {
    let lines = lines.iter().map(|&(name, value)| (name, value.into()));
    let head = Head(lines.collect());
    let mut view = View::of(&head);
    view.set_target("/", Some(query));
    let all = 0..scheme.carriers().len();
    let found = all.filter_map(|place| match scheme.read(&view, place) {
        Presented::Nothing => None,
        Presented::Malformed(fault) => Some(fault.to_owned()),
        Presented::Credential(credential) => {
            let key = String::from_utf8_lossy(&credential.bytes);
            Some(format!("{key}@{}", credential.carrier))
        }
    });
    match found.collect::<Vec<_>>().join(" ") {
        found if found.is_empty() => "nothing".to_owned(),
        found => found,
    }
}

fn verify(scheme: &dyn Scheme, key: &str) -> Result<Principal, &'static str> {
    let credential = Credential {
        bytes: key.as_bytes().into(),
        carrier: 0,
    };
    match scheme.verify(&credential, NOW) {
        Verification::Done(Outcome::Verified(verified)) => Ok(verified),
        Verification::Done(Outcome::Rejected(rejected)) => Err(rejected.cause),
        other => panic!("{other:?}"),
    }
}

fn everywhere() -> Arc<dyn Scheme> {
    let config = ApiKey::new("p").header("X-Key").query("api-key");
    compiled(config.cookie("key"))
}

#[test]
fn a_key_is_read_from_each_place() {
    let scheme = everywhere();
    let scheme = &*scheme;
    assert_eq!(read(scheme, &[("x-key", " k1 ")], ""), "k1@0");
    assert_eq!(read(scheme, &[], "a=b&api-key=k%2d1&c"), "k-1@1");
    assert_eq!(read(scheme, &[], "%61pi%2Dkey=k1"), "k1@1");
    assert_eq!(read(scheme, &[("cookie", "a=b; key=k1")], ""), "k1@2");
    assert_eq!(
        read(scheme, &[("cookie", "xkey=k1")], "xapi-key=1"),
        "nothing"
    );
    let longest = "k".repeat(512);
    let found = read(scheme, &[("x-key", &longest)], "");
    assert_eq!(found, format!("{longest}@0"));
}

#[test]
fn every_place_is_read_by_itself() {
    let scheme = everywhere();
    let cookies = ("cookie", "key=a; key=b");
    let found = read(&*scheme, &[("x-key", "k1"), cookies], "api-key=");
    assert_eq!(found, "k1@0 empty repeated");
}

#[test]
fn more_than_one_key_or_a_broken_one_is_malformed() {
    let scheme = everywhere();
    let scheme = &*scheme;
    let key = ("x-key", "k1");
    assert_eq!(read(scheme, &[key, key], ""), "repeated");
    assert_eq!(read(scheme, &[key], "api-key=k1"), "k1@0 k1@1");
    assert_eq!(read(scheme, &[], "api-key=k1&%61pi-key=k1"), "repeated");
    assert_eq!(read(scheme, &[("x-key", "  ")], ""), "empty");
    assert_eq!(read(scheme, &[], "api-key"), "empty");
    assert_eq!(read(scheme, &[], "api-key="), "empty");
    assert_eq!(read(scheme, &[("cookie", "key=")], ""), "empty");
    assert_eq!(read(scheme, &[("x-key", &"k".repeat(513))], ""), "too_long");
    for bad in ["%", "%4", "%4g", "%+1", "a%zz"] {
        assert_eq!(
            read(scheme, &[], &format!("api-key={bad}")),
            "encoding",
            "{bad}"
        );
    }
}

#[test]
fn the_default_place_is_the_header() {
    let scheme = compiled(ApiKey::new("p"));
    assert_eq!(
        scheme.carriers(),
        [Carrier::Header("x-api-key".parse().unwrap())]
    );
    let scheme = compiled(ApiKey::new("p").cookie("c"));
    assert_eq!(scheme.carriers(), [Carrier::Cookie("c".to_owned())]);
}

#[test]
fn a_good_key_speaks_for_its_owner() {
    let made = made();
    let entry = made
        .entry("service1")
        .scopes(["read"])
        .roles(["admin"])
        .tenant("acme");
    let scheme = compiled(ApiKey::new("partners").key(entry.expires(NOW + 1)));
    let verified = verify(&*scheme, made.reveal()).unwrap();
    assert_eq!(verified.issuer(), "palisade:api_key/partners");
    assert_eq!(verified.subject(), "service1");
    assert_eq!(verified.principal_kind(), PrincipalKind::Client);
    assert!(verified.has_scope("read") && verified.has_role("admin"));
    assert_eq!(verified.tenant_name(), Some("acme"));
    assert_eq!(verified.credential_name(), Some(made.id()));
    let challenge = scheme.challenge().unwrap();
    assert_eq!(challenge.to_value(), r#"ApiKey realm="api""#);
    assert!(!scheme.shows_credential());
}

#[test]
fn every_refusal_has_its_cause() {
    let keys: Vec<_> = (0..4).map(|_| made()).collect();
    let [active, expired, revoked, unknown] = keys.as_slice() else {
        unreachable!()
    };
    let scheme = compiled(
        ApiKey::new("p")
            .key(active.entry("a"))
            .key(expired.entry("b").expires(NOW))
            .key(revoked.entry("c").active(false)),
    );
    let cause = |key: &str| verify(&*scheme, key).map(|_| ()).unwrap_err();
    assert_eq!(cause(expired.reveal()), "expired");
    assert_eq!(cause(revoked.reveal()), "revoked");
    assert_eq!(cause(unknown.reveal()), "key_unknown");
    assert_eq!(cause("hunter2"), "key_shape");
    assert_eq!(
        cause(&active.reveal().replacen("pal_", "abc_", 1)),
        "key_prefix"
    );
    let (body, _) = active.reveal().split_at(active.reveal().len() - 6);
    assert_eq!(cause(&format!("{body}000000")), "key_checksum");
    assert!(verify(&*scheme, active.reveal()).is_ok());
}

#[test]
fn an_end_in_milliseconds_is_a_mistake() {
    let key = made();
    let with = |expires| try_compile(&ApiKey::new("p").key(key.entry("a").expires(expires)));
    let mistakes = with(NOW * 1000).unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert!(
        mistakes[0].starts_with("api_key.p.key[0].expires: is in milliseconds; give seconds"),
        "{mistakes:?}"
    );
    assert!(with(253_402_300_799).is_ok());
}

#[test]
fn the_id_alone_opens_nothing() {
    let (known, other) = (made(), made());
    let entry = ApiKeyEntry::new("a", known.digest()).id(other.id());
    let scheme = compiled(ApiKey::new("p").key(entry));
    assert_eq!(
        verify(&*scheme, other.reveal()).unwrap_err(),
        "key_mismatch"
    );
    assert_eq!(verify(&*scheme, known.reveal()).unwrap_err(), "key_unknown");
}

#[test]
fn a_key_of_an_earlier_system_is_found_by_its_digest() {
    let digest = hex_digest(LEGACY);
    let scheme = compiled(ApiKey::new("p").key(ApiKeyEntry::new("old", &digest)));
    let verified = verify(&*scheme, LEGACY).unwrap();
    assert_eq!(verified.subject(), "old");
    assert_eq!(verified.credential_name(), digest.get(7..39));
    assert_eq!(verify(&*scheme, "sk-legacy").unwrap_err(), "key_unknown");
}

#[test]
fn of_two_schemes_in_one_place_each_knows_its_own() {
    let (ours, theirs) = (made(), generate_key("abc", &SystemEntropy).unwrap());
    let entry = ApiKeyEntry::new("old", hex_digest(LEGACY));
    let scheme = compiled(ApiKey::new("p").key(entry));
    let recognises = |key: &str| {
        scheme.recognises(&Credential {
            bytes: key.as_bytes().into(),
            carrier: 0,
        })
    };
    assert!(recognises(ours.reveal()));
    assert!(recognises(LEGACY));
    assert!(!recognises(theirs.reveal()));
    assert!(!recognises("sk-other"));
}

#[test]
fn every_mistake_is_found_and_no_key_is_repeated() {
    let made = made();
    let key = made.reveal();
    let config = ApiKey::new("p")
        .header("authorization")
        .query("api key")
        .cookie("")
        .prefix("P")
        .key(ApiKeyEntry::new("", key))
        .key(made.entry("a").id(key))
        .key(made.entry("a"))
        .key(ApiKeyEntry::new("b", hex_digest(LEGACY)).id(made.id()));
    let found = try_compile(&config).unwrap_err();
    let keys: Vec<_> = found
        .iter()
        .map(|one| one.split(": ").next().unwrap())
        .collect();
    let expected = [
        "api_key.p.prefix",
        "api_key.p.header",
        "api_key.p.query",
        "api_key.p.cookie",
        "api_key.p.key[0].owner",
        "api_key.p.key[0].digest",
        "api_key.p.key[1].id",
        "api_key.p.key[2].digest",
        "api_key.p.key[3].id",
    ];
    assert_eq!(keys, expected, "{found:#?}");
    let shown = format!("{found:?}{:?}", ApiKeyEntry::new("a", key));
    assert!(!shown.contains(key), "{shown}");
}

#[test]
fn nothing_printed_holds_a_key_or_a_digest() {
    let made = made();
    let config = ApiKey::new("p").key(made.entry("a"));
    let scheme = compiled(config.clone());
    let shown = format!("{made:?}{config:?}{scheme:?}");
    assert!(!shown.contains(made.reveal()));
    let hidden = made.digest().trim_start_matches("sha256:");
    assert!(!format!("{config:?}{scheme:?}").contains(hidden));
}

proptest! {
    #[test]
    fn no_bytes_panic(value in prop::collection::vec(any::<u8>(), 0..90), query in ".{0,60}") {
        let scheme = everywhere();
        let query = format!("api-key=%{query}");
        let head = Head(vec![("x-key", value.clone()), ("cookie", value.clone())]);
        let mut view = View::of(&head);
        view.set_target("/", Some(&query));
        for place in 0..scheme.carriers().len() {
            scheme.read(&view, place);
        }
        let credential = Credential { bytes: value.into(), carrier: 0 };
        scheme.recognises(&credential);
        let Verification::Done(Outcome::Rejected(_)) = scheme.verify(&credential, NOW) else {
            panic!("random bytes are a key");
        };
    }

    #[test]
    fn every_single_change_of_a_key_is_refused(at in 0..70_usize, to in "[a-zA-Z0-9_]") {
        let made = made();
        let scheme = compiled(ApiKey::new("p").key(made.entry("a")));
        let mut key = made.reveal().to_owned();
        key.replace_range(at..=at, &to);
        prop_assert_eq!(verify(&*scheme, &key).is_ok(), key == made.reveal());
    }
}
