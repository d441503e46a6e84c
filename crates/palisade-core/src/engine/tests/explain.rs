//! `explain` and `describe`: what people are told of a policy and of a request.

use super::*;
use crate::{ApiKey, Decided, Ending, Explanation, Stage, SystemEntropy, generate_key};

const POLICY: &str = "
    [host]
    allowed = ['localhost']
    [[limit]]
    name = 'burst'
    quota = '2/minute'
    default = true
    [[rule]]
    path = '/health'
    require = 'public'
    [[rule]]
    path = '/items/{id}'
    methods = ['GET']
    require = { scope = 'items:read' }
    max_body = 10
";

/// The policy with one good key, and that key.
fn palisade() -> (Palisade, &'static str) {
    let made = generate_key("shop", &SystemEntropy).unwrap();
    let keys = ApiKey::new("partners").prefix("shop");
    let entry = made.entry("service1").scopes(["items:read"]);
    let policy = Policy::from_toml_str(POLICY).unwrap();
    let key = made.reveal().to_owned();
    let palisade = policy.scheme(keys.key(entry)).build().unwrap();
    (palisade, key.leak())
}

fn explain(palisade: &Palisade, head: &Head) -> Explanation {
    let mut future = Box::pin(palisade.explain(head));
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(told) = future.as_mut().poll(&mut context) {
            return told;
        }
    }
}

fn saw(told: &Explanation, stage: Stage) -> &str {
    let mut stages = told.stages.iter();
    &stages.find(|own| own.stage == stage).unwrap().saw
}

#[test]
fn an_admitted_request_passes_every_stage() {
    let (palisade, key) = palisade();
    let told = explain(&palisade, &get("/items/7?a=b", &[("x-api-key", key)]));
    let words: Vec<_> = told.stages.iter().map(|one| one.stage.as_str()).collect();
    assert_eq!(
        words,
        [
            "firewall",
            "client",
            "host",
            "https",
            "preflight",
            "rule",
            "read",
            "cross_origin",
            "address_limits",
            "verify",
            "caller_limits",
            "judge"
        ]
    );
    assert!(told.stages.iter().all(|one| one.decided == Decided::Passed));
    assert_eq!((told.ending, told.status), (Ending::Admit, None));
    assert_eq!(told.rule.as_deref(), Some("/items/{id}"));
    assert_eq!(told.scheme.as_deref(), Some("partners"));
    assert_eq!(told.principal.as_ref().unwrap().subject, "service1");
    assert_eq!(told.hidden, ["x-api-key"]);
    assert_eq!(told.limits[0].remaining, 1);
    assert_eq!(
        saw(&told, Stage::Read),
        "a credential for partners in header x-api-key"
    );
    assert_eq!(
        saw(&told, Stage::AddressLimits),
        "burst (2/minute): 1 left, 30 s"
    );
    assert_eq!(saw(&told, Stage::Judge), "scope items:read, for service1");
    let shown = serde_json::to_string(&told).unwrap() + &format!("{told:?}");
    assert!(!shown.contains(key) && !shown.contains("a=b"), "{shown}");
}

#[test]
fn a_refusal_ends_at_its_stage_and_tells_the_true_reason() {
    let (palisade, key) = palisade();
    let (rest, last) = key.split_at(key.len() - 1);
    let wrong = format!("{rest}{}", if last == "x" { "y" } else { "x" }).leak();
    for (target, lines, stage, cause) in [
        ("/%61dmin", &[][..], Stage::Firewall, "encoded_unreserved"),
        (
            "/items/7",
            &[("x-api-key", &*wrong)][..],
            Stage::Verify,
            "key_checksum",
        ),
        ("/items/7", &[][..], Stage::Judge, "no_credential"),
        ("/nowhere", &[][..], Stage::AddressLimits, "quota_exceeded"),
    ] {
        let told = explain(&palisade, &get(target, lines));
        let last = told.stages.last().unwrap();
        assert_eq!(
            (last.stage, last.decided),
            (stage, Decided::Refused),
            "{told:?}"
        );
        assert_eq!(told.cause.as_deref(), Some(cause));
        assert_eq!(told.ending, Ending::Refuse);
        let body: serde_json::Value = serde_json::from_str(&told.body.unwrap()).unwrap();
        assert_eq!(body["code"], told.code.unwrap());
        assert!(!told.headers.is_empty());
    }
}

#[test]
fn explaining_is_not_audited() {
    let events = Arc::new(Events::default());
    let policy = Policy::from_toml_str(POLICY).unwrap();
    let palisade = policy
        .scheme(ApiKey::new("a"))
        .with_audit(events.clone())
        .build();
    explain(&palisade.unwrap(), &get("/health", &[]));
    assert_eq!(events.take(), [""; 0]);
}

#[test]
fn an_answer_from_elsewhere_is_waited_for() {
    let policy = Policy::builder().rule(Rule::new("/a").require(authenticated()));
    let palisade = policy.custom_scheme(Told::new(true)).build().unwrap();
    let told = explain(&palisade, &get("/a", &[("x-told", "alice")]));
    assert_eq!(told.ending, Ending::Admit);
    assert_eq!(
        saw(&told, Stage::Verify),
        "told told: a good credential of alice, by told"
    );
    let told = explain(&palisade, &get("/a", &[("x-told", "down")]));
    assert_eq!(told.status, Some(503));
    assert_eq!(told.remark.as_deref(), Some("told is unavailable: down"));
}

#[test]
fn a_description_names_what_holds_on_every_path() {
    let policy = Policy::from_toml_str(
        "[[rule]]\npath = '/admin/{*rest}'\nrequire = { role = 'admin' }\nalways = true\n\
         [[rule]]\npath = '/admin/users'\nrequire = { scope = 'users' }\n\
         [[rule]]\npath = '/health'\nprobe = true\n",
    );
    let palisade = policy
        .unwrap()
        .custom_scheme(Told::new(false))
        .build()
        .unwrap();
    let described = palisade.describe();
    let rows = described.rules.iter();
    let rows = rows.map(|rule| {
        (
            rule.path.as_str(),
            rule.requirement.as_str(),
            rule.schemes.len(),
        )
    });
    assert_eq!(
        rows.collect::<Vec<_>>(),
        [
            ("/admin/{*rest}", "role admin", 1),
            ("/admin/users", "scope users and role admin", 1),
            ("/health", "public", 0),
        ]
    );
    assert_eq!(described.unlisted.requirement, "not found");
    assert_eq!(
        described.schemes[0].carriers[0].to_string(),
        "header x-told"
    );
    assert_eq!(described.settings["firewall"]["max_target"], 8192);
    assert_eq!(described.settings["outgoing"]["timeout"], 5);
    assert_eq!(described.settings["headers"]["preset"], "api");
}
