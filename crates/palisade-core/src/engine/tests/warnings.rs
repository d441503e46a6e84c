//! Policies that look closed and are open, and values that can never work.

use crate::{Limit, LimitKey, Palisade, Policy, Rule, public};
use std::slice;

/// The keys of all mistakes.
fn mistakes(text: &str) -> Vec<String> {
    let error = Palisade::from_toml_str(text).expect_err(text);
    let keys = error.mistakes().iter().map(|one| one.key.clone());
    keys.collect()
}

/// The keys of all warnings of a good policy.
fn warnings(text: &str) -> Vec<String> {
    let palisade = Palisade::from_toml_str(text).unwrap_or_else(|why| panic!("{text}: {why}"));
    palisade.warnings().into_iter().map(|one| one.key).collect()
}

const OPEN: &str = "[[rule]]\npath = '/'\nrequire = 'public'\n";

#[test]
fn an_empty_list_that_would_mean_everything_is_a_mistake() {
    for (text, key) in [
        ("[host]\nallowed = []", "host.allowed"),
        (
            "[cors]\norigins = ['https://a.example']\nmethods = []",
            "cors.methods",
        ),
        ("[cors]\norigins = []", "cors.origins"),
        ("[api_key.a]\nauthorization = []", "api_key.a.authorization"),
    ] {
        assert_eq!(mistakes(&format!("{text}\n{OPEN}")), [key], "{text}");
    }
    for list in ["methods", "schemes"] {
        let key = format!("rule[0].{list}");
        assert_eq!(mistakes(&format!("{OPEN}{list} = []")), [key]);
    }
    assert_eq!(
        mistakes(&format!("{OPEN}limits = []\nadd_limits = true")),
        ["rule[0].add_limits"]
    );
    let rule = || Rule::new("/").require(public());
    let none: [&str; 0] = [];
    let broken = Policy::builder()
        .hosts(none)
        .rule(rule().methods(none).schemes(none));
    let error = broken.build().unwrap_err();
    let keys: Vec<_> = error.mistakes().iter().map(|one| &*one.key).collect();
    assert_eq!(keys, ["host.allowed", "rule[0].methods", "rule[0].schemes"]);
}

/// `limits = []` says what it means: a reviewer sees it, and `check` lists the rule without limits.
#[test]
fn a_rule_may_be_without_limits_on_purpose() {
    let limit = "[[limit]]\nname = 'burst'\nquota = '9/m'\ndefault = true\n";
    let rule = "[[rule]]\npath = '/'\nrequire = 'public'\nlimits = []\n";
    let palisade = Palisade::from_toml_str(&format!("{limit}{rule}")).unwrap();
    assert_eq!(palisade.warnings(), []);
    let described = palisade.describe();
    assert!(described.rules[0].limits.is_empty());
    assert_eq!(described.unlisted.limits, ["burst"]);
}

#[test]
fn a_wildcard_over_strangers_is_a_mistake_or_a_warning() {
    let host = |name: &str| format!("[host]\nallowed = ['{name}']\n{OPEN}");
    assert_eq!(mistakes(&host("*.com")), ["host.allowed[0]"]);
    assert_eq!(mistakes(&host("*.dev:8443")), ["host.allowed[0]"]);
    assert_eq!(warnings(&host("*.github.io")), ["host.allowed[0]"]);
    for fine in ["*.example.com", "*.localhost", "*.team.svc", "github.io"] {
        assert_eq!(warnings(&host(fine)), [""; 0], "{fine}");
    }
}

#[test]
fn a_limit_by_a_header_alone_is_a_warning() {
    let policy = |others: &[Limit], limits: Option<&[&str]>| {
        let by = LimitKey::Header("x-tenant".to_owned());
        let header = Limit::new("header", "9/minute").by(by).everywhere();
        let mut rule = Rule::new("/a").require(public());
        if let Some(limits) = limits {
            rule = rule.limits(limits.iter().copied());
        }
        let mut policy = Policy::builder().limit(header).rule(rule);
        policy.limits.extend(others.iter().cloned());
        let warnings = policy.build().unwrap().warnings();
        warnings
            .into_iter()
            .map(|one| format!("{one}"))
            .collect::<Vec<_>>()
    };
    let address = Limit::new("address", "9/minute").everywhere();
    let mut shadow = address.clone();
    shadow.shadow = true;
    assert_eq!(policy(slice::from_ref(&address), None), [""; 0]);
    let alone = policy(&[], None);
    assert!(
        alone[0].starts_with("limit[0].by: ") && alone[0].contains("limits /a:"),
        "{alone:?}"
    );
    assert_eq!(alone.len(), 1, "one warning for each limit");
    assert_eq!(
        policy(&[shadow], None).len(),
        1,
        "what is only watched limits nobody"
    );
    assert_eq!(
        policy(slice::from_ref(&address), Some(&["header"])).len(),
        1
    );
    assert_eq!(policy(&[address], Some(&[])), [""; 0]);
}

#[test]
fn a_method_that_http_does_not_know_is_declared() {
    let rule =
        |method: &str| format!("[[rule]]\npath='/a'\nrequire='public'\nmethods=['{method}']");
    for bad in ["PSOT", "PURGE", "*", "get", "TRACE"] {
        assert_eq!(mistakes(&rule(bad)), ["rule[0].methods[0]"], "{bad}");
    }
    for good in ["POST", "PROPFIND", "QUERY"] {
        assert_eq!(warnings(&rule(good)), [""; 0], "{good}");
    }
    let declared = format!("methods = ['PURGE']\n{}", rule("PURGE"));
    assert_eq!(warnings(&declared), [""; 0]);
    assert_eq!(
        mistakes(&format!("methods = ['purge', '*']\n{OPEN}")),
        ["methods[0]", "methods[1]"]
    );
}

#[test]
fn a_rule_for_a_path_that_core_answers_is_a_mistake() {
    let resource = "resource = 'https://api.example.com'";
    let contact =
        "[security_txt]\ncontact = 'mailto:a@example.com'\nexpires = 2999-01-01T00:00:00Z";
    for (text, path) in [
        (
            format!("{resource}\n"),
            "/.well-known/oauth-protected-resource",
        ),
        (format!("{contact}\n"), "/.well-known/security.txt"),
    ] {
        let rule = format!("[[rule]]\npath = '{path}'\nrequire = 'authenticated'\n");
        let scheme = "[api_key.a]\nprefix = 'pk'\n";
        assert_eq!(
            mistakes(&format!("{text}{OPEN}{rule}{scheme}")),
            ["rule[1].path"]
        );
        let guard = "[[rule]]\npath = '/{*rest}'\nrequire = 'authenticated'\nalways = true\n";
        let palisade = Palisade::from_toml_str(&format!("{text}{guard}{OPEN}{scheme}")).unwrap();
        let described = palisade.describe();
        let own = described
            .rules
            .iter()
            .find(|rule| rule.path == path)
            .unwrap();
        assert_eq!(
            (own.requirement.as_str(), own.endpoint.is_some()),
            ("public", true)
        );
    }
}

#[test]
fn a_redirect_to_https_needs_a_host_of_its_own() {
    for (text, wrong) in [
        ("mode = 'redirect'", &["https.host"][..]),
        (
            "mode = 'redirect'\nhost = 'www.example.com/a'",
            &["https.host"],
        ),
        ("mode = 'refuse'\nhost = 'www.example.com'", &["https.host"]),
    ] {
        assert_eq!(
            mistakes(&format!("[https]\n{text}\n{OPEN}")),
            wrong,
            "{text}"
        );
    }
    assert_eq!(
        warnings(&format!(
            "[https]\nmode = 'redirect'\nhost = '[::1]:8443'\n{OPEN}"
        )),
        [""; 0]
    );
}
