use super::*;
use crate::generate::policy::{Caller, Demand};
use crate::generate::table::{Item, Rewriting, Route, Slashes, Style};

fn template(text: &str) -> Template {
    let segment = |text: &str| match text {
        "{}" => Segment::Parameter,
        "{*}" => Segment::Wildcard,
        text => Segment::literal(text),
    };
    Template(text.split('/').skip(1).map(segment).collect())
}

fn rule(path: &str, demand: Demand) -> Rule {
    Rule {
        template: template(path),
        methods: Vec::new(),
        demand,
        always: false,
        same_slash: false,
        route: None,
    }
}

/// Judges that route 1, of the template `route`, ran for an anonymous caller under the rule `applied`.
fn judged(rules: &[Rule], route: &str, sent: &str, applied: &str) -> Option<Kind> {
    let route = Route {
        id: 1,
        template: template(route),
        also: None,
        methods: Vec::new(),
        style: Style::Resource,
    };
    let table = Table {
        items: vec![Item::Route(route)],
        fallback: None,
        forgets: false,
        rewriting: sent.ends_with('/').then_some(Rewriting {
            place: Place::Inside,
            slashes: Slashes::Trim,
        }),
    };
    let policy = Policy {
        rules: rules.to_vec(),
        unlisted_authenticated: false,
        reports: false,
    };
    let sent = Sent {
        method: "GET".to_owned(),
        target: sent.to_owned(),
        caller: Caller::Anonymous,
        guard: false,
        meant: None,
    };
    let ran = Ran {
        route: 1,
        path: sent.target.trim_end_matches('/').to_owned(),
        rule: Some(applied.to_owned()),
    };
    let audited = Audited {
        refused: false,
        status: Some(200),
        code: None,
        reason: None,
        rule: ran.rule.clone(),
    };
    let exchange = Exchange {
        answer: Answer {
            status: 200,
            route: Some(1),
        },
        ran: vec![ran],
        audited: vec![audited],
    };
    judge(Server::Axum, &table, &policy, &sent, &exchange).map(|hole| hole.kind)
}

#[test]
fn the_rule_of_the_route_itself_is_no_hole() {
    let rules = [rule("/u/{}", Demand::Public), rule("/{*}", Demand::Role)];
    assert_eq!(judged(&rules, "/u/{}", "/u/7", "/u/{p1}"), None);
    // The most specific rule that covers the route is its own, whatever else is wider.
    assert_eq!(judged(&rules, "/u/me", "/u/me", "/u/{p1}"), None);
}

#[test]
fn another_rule_is_a_hole_of_its_kind() {
    let rules = [
        rule("/u/@me", Demand::Public),
        rule("/u/{}", Demand::Role),
        rule("/{*}", Demand::Public),
    ];
    let kind = |route, sent, applied| judged(&rules, route, sent, applied);
    assert_eq!(kind("/u/{}", "/u/%40me", "/u/@me"), Some(Kind::Encoded));
    assert_eq!(kind("/u/{}", "/u/@me", "/u/@me"), Some(Kind::NarrowerRule));
    assert_eq!(kind("/u/{}", "/u/x/", "/{*p0}"), Some(Kind::Rewritten));
    assert_eq!(kind("/u/{}", "/u/x", "/u/{p1}"), Some(Kind::OtherRoute));
    assert_eq!(kind("/u/{}", "/u/x", "/{*p0}"), Some(Kind::NarrowerRule));
}

#[test]
fn a_stricter_rule_is_none_and_a_passed_guardrail_is_one() {
    let guardrail = Rule {
        always: true,
        ..rule("/u/{*}", Demand::Role)
    };
    let rules = [rule("/u/{}", Demand::Public), guardrail];
    assert_eq!(
        judged(&rules, "/u/{}", "/u/7", "/u/{p1}"),
        Some(Kind::Guardrail)
    );
    let rules = [
        rule("/u/7", Demand::Authenticated),
        rule("/u/{}", Demand::Public),
    ];
    assert_eq!(judged(&rules, "/u/{}", "/u/7", "/u/7"), None);
}

#[test]
fn a_route_without_a_rule_is_for_nobody() {
    let rules = [rule("/a", Demand::Public)];
    assert_eq!(judged(&rules, "/{}", "/a", "/a"), Some(Kind::NarrowerRule));
}
