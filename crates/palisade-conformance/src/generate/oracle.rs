//! What must hold of an exchange, told without any code of the product: slow, and plain to see.

use std::fmt;

use super::path::Sent;
use super::policy::{Callers, Policy, Rule};
use super::serve::{Answer, Audited, Ran, Server};
use super::table::{Item, MountKind, Place, Placed, Rewriting, Slashes, Table};
use super::template::{Dialect, Segment, Template, segments};

/// What happened to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) answer: Answer,
    pub(super) ran: Vec<Ran>,
    pub(super) audited: Vec<Audited>,
}

/// The rule of a route.
#[derive(Clone, Copy, Debug)]
enum Own<'a> {
    Rule(&'a Rule),
    /// Rules know the template, but not the method.
    OtherMethod,
    /// No rule covers it.
    Unlisted,
}

/// A handler that ran although the rules of its own route would not have let the caller in.
#[derive(Clone, Debug)]
pub(super) struct Hole {
    pub(super) kind: Kind,
    /// The template of the route that ran, the rule that is its own, and the rule that was applied.
    pub(super) story: String,
}

/// How a wrong rule came to be applied, as far as the request tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The path was changed between judgement and routing.
    Rewritten,
    /// A rule covers only some of the route's paths.
    NarrowerRule,
    /// The path has percent-encoded characters.
    Encoded,
    /// The path ends in a slash, or has an empty segment.
    Slash,
    /// The method decided that another route was taken.
    Method,
    /// The rule has no such method.
    UnlistedMethod,
    /// A guardrail was passed.
    Guardrail,
    /// Another route was taken for another reason.
    OtherRoute,
    /// Two handlers ran, or two audit events were written.
    Twice,
}

/// Why a handler may have run that should not have, if its answer was withheld: nothing can know before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Late {
    /// poem's own `Route` tells which route it took only in the response.
    OwnRoute,
    /// Neither the resource map nor any type of actix-web tells of a plain `default_service`, so nothing stands before it
    /// when a middleware inside of the layer has made the path one that no resource has.
    DefaultService,
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OwnRoute => "poem's own Route tells its route afterwards",
            Self::DefaultService => "a plain default_service by a path that was rewritten inside",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rewritten => "the path was rewritten after it was judged",
            Self::NarrowerRule => "a rule is narrower than the route",
            Self::Encoded => "percent-encoded characters",
            Self::Slash => "a slash at the end, or an empty segment",
            Self::Method => "the method led to another route",
            Self::UnlistedMethod => "a method that the route's rules do not list",
            Self::Guardrail => "a guardrail was passed",
            Self::OtherRoute => "the router took another route",
            Self::Twice => "not one handler and one audit event",
        })
    }
}

/// The hole, if there is one that is not declared.
pub(super) fn judge(
    server: Server,
    table: &Table,
    policy: &Policy,
    sent: &Sent,
    exchange: &Exchange,
) -> Option<Hole> {
    let hole = hole(server, table, policy, sent, exchange)?;
    (hole.kind == Kind::Twice || may_be_late(server, table, exchange).is_none()).then_some(hole)
}

/// Why there was no hole but for the answer that was withheld.
pub(super) fn late(
    server: Server,
    table: &Table,
    policy: &Policy,
    sent: &Sent,
    exchange: &Exchange,
) -> Option<Late> {
    let late = may_be_late(server, table, exchange)?;
    let hole = hole(server, table, policy, sent, exchange)?;
    (hole.kind != Kind::Twice).then_some(late)
}

/// Whether the handler of this exchange, whose answer was withheld, may have run.
fn may_be_late(server: Server, table: &Table, exchange: &Exchange) -> Option<Late> {
    let ran = exchange.ran.first()?;
    if exchange.answer.route.is_some() {
        return None;
    }
    let is_fallback = || {
        let mut fallbacks = table.fallbacks().into_iter();
        fallbacks.any(|(_, fallback)| fallback.id == ran.route)
    };
    let inside = table
        .rewriting
        .is_some_and(|rewriting| matches!(rewriting.place, Place::Inside | Place::Around));
    match server {
        Server::Poem => Some(Late::OwnRoute),
        Server::PoemRoute if is_foreign(&table.items, ran.route) => Some(Late::OwnRoute),
        Server::Actix if inside && is_fallback() => Some(Late::DefaultService),
        _ => None,
    }
}

/// Whether the route is one of poem's own `Route` that is nested in the other one.
fn is_foreign(items: &[Item], route: usize) -> bool {
    fn has(items: &[Item], id: usize) -> bool {
        items.iter().any(|item| match item {
            Item::Route(route) => route.id == id,
            Item::Mount(mount) => has(&mount.items, id),
        })
    }
    items.iter().any(|item| match item {
        Item::Route(_) => false,
        Item::Mount(mount) if mount.kind == MountKind::Foreign => has(&mount.items, route),
        Item::Mount(mount) => is_foreign(&mount.items, route),
    })
}

fn hole(
    server: Server,
    table: &Table,
    policy: &Policy,
    sent: &Sent,
    exchange: &Exchange,
) -> Option<Hole> {
    let beside = exchange.ran.is_empty() && exchange.audited.is_empty();
    if beside && table.outer().is_some() && server.dialect() == Dialect::Axum {
        // The router that mounts the application has nothing there.
        return None;
    }
    if exchange.ran.len() > 1 || exchange.audited.len() != 1 {
        return Some(Hole {
            kind: Kind::Twice,
            story: format!("{:?} {:?}", exchange.ran, exchange.audited),
        });
    }
    let ran = exchange.ran.first()?;
    let mut fallbacks = table.fallbacks().into_iter();
    if fallbacks.any(|(_, fallback)| fallback.id == ran.route) {
        return judge_fallback(table, policy, sent, ran);
    }
    let placed = table.placed(server.dialect());
    let mut own_paths: Vec<&Placed<'_>> = placed
        .iter()
        .filter(|placed| placed.route.id == ran.route)
        .collect();
    if own_paths.len() > 1 {
        // Its handler cannot tell the paths apart, nor can we where both fit.
        let path = segments(&path_as_routed(table, sent));
        let fits = |placed: &&Placed<'_>| loosely(&placed.template.0, &path);
        if own_paths.iter().any(fits) {
            own_paths.retain(fits);
        }
    }
    let mut holes = Vec::new();
    for placed in own_paths {
        holes.push(judge_path(server, table, policy, sent, placed, ran)?);
    }
    holes.into_iter().next()
}

/// The hole, if a handler ran that answers where no route does. It goes by the path, so the rule of the path is its own.
fn judge_fallback(table: &Table, policy: &Policy, sent: &Sent, ran: &Ran) -> Option<Hole> {
    let path = path_as_routed(table, sent);
    let literal = segments(&path).into_iter();
    let place = Template(literal.map(|text| Segment::literal(&text)).collect());
    let own = own(policy, &place, &sent.method);
    let applied = applied(policy, ran, &sent.method);
    let guarded = guardrails(policy, &place, &path);
    let allowed = applied.map_or(Callers::KNOWN, |rule| rule.demand.admits());
    let admitted = admitted(policy, own);
    let passes = allowed.and(guarded).is_within(admitted) && admitted.contains(sent.caller);
    let kind = if !guarded.contains(sent.caller) {
        Kind::Guardrail
    } else if passes {
        return None;
    } else if table.rewriting.is_some() {
        Kind::Rewritten
    } else if path.contains('%') {
        Kind::Encoded
    } else {
        Kind::OtherRoute
    };
    Some(Hole {
        kind,
        story: format!(
            "{:?} ran the fallback #{} by the path {:?}\nthe rule of the path: {}\napplied rule: {}",
            sent.caller,
            ran.route,
            ran.path,
            told(own),
            applied.map_or_else(|| "none".to_owned(), rule_told),
        ),
    })
}

/// Whom the rule of a route lets in.
fn admitted(policy: &Policy, own: Own<'_>) -> Callers {
    match own {
        Own::Rule(rule) => rule.demand.admits(),
        Own::OtherMethod => Callers::NONE,
        Own::Unlisted if policy.unlisted_authenticated => Callers::KNOWN,
        Own::Unlisted => Callers::NONE,
    }
}

/// The hole, if the route was taken by this one of its paths.
fn judge_path(
    server: Server,
    table: &Table,
    policy: &Policy,
    sent: &Sent,
    placed: &Placed<'_>,
    ran: &Ran,
) -> Option<Hole> {
    let route =
        &with_slash(server, table, policy, placed, sent).unwrap_or_else(|| placed.template.clone());
    let applied = applied(policy, ran, &sent.method);
    let own = match applied {
        Some(rule) if is_part_of(rule, route, &path_as_judged(table, sent)) => Own::Rule(rule),
        _ => own(policy, route, &sent.method),
    };
    let admitted = admitted(policy, own);
    let allowed = applied.map_or(Callers::KNOWN, |rule| rule.demand.admits());
    let path = path_as_routed(table, sent);
    let guarded = guardrails(policy, &without_empty_wildcard(route, &path), &path);
    let rule_holds = allowed.and(guarded).is_within(admitted);
    let kind = if !guarded.contains(sent.caller) {
        Kind::Guardrail
    } else if !rule_holds {
        diagnose(table, policy, placed, sent, ran, own, applied)
    } else if !admitted.contains(sent.caller) {
        Kind::OtherRoute
    } else {
        return None;
    };
    Some(Hole {
        kind,
        story: format!(
            "{:?} ran route #{} {route} by the path {:?}\nits own rule: {}\napplied rule: {}",
            sent.caller,
            ran.route,
            ran.path,
            told(own),
            applied.map_or_else(|| "none".to_owned(), rule_told),
        ),
    })
}

/// The root of a mount answers `/m/`, too, on axum and poem; a rule for just that path is the root's own then. A wider
/// one is not.
fn with_slash(
    server: Server,
    table: &Table,
    policy: &Policy,
    placed: &Placed<'_>,
    sent: &Sent,
) -> Option<Template> {
    let template = placed.template.other_slash()?;
    let is_root = placed.mounted && placed.template.stem().len() == placed.template.0.len();
    let listed = |rule: &Rule| {
        rule.templates()
            .any(|own| own.0.last().is_some_and(Segment::is_slash) && own.covers(&template))
    };
    (is_root
        && server.dialect() != Dialect::Actix
        && path_as_judged(table, sent).ends_with('/')
        && policy.rules.iter().any(listed))
    .then_some(template)
}

/// The path that the layer saw.
fn path_as_judged(table: &Table, sent: &Sent) -> String {
    let outside = table
        .rewriting
        .filter(|rewriting| matches!(rewriting.place, Place::Outside | Place::Around));
    outside.map_or_else(
        || sent.path().to_owned(),
        |rewriting| rewriting.slashes.rewrite(sent.path()),
    )
}

/// The path that the router saw.
fn path_as_routed(table: &Table, sent: &Sent) -> String {
    match table.rewriting {
        Some(rewriting) if rewriting.place != Place::Around => {
            rewriting.slashes.rewrite(sent.path())
        }
        _ => sent.path().to_owned(),
    }
}

/// Whether some router may take the path by this template: values and what wildcards match may be empty, and the root
/// of a mount may end in a slash.
fn loosely(template: &[Segment], path: &[String]) -> bool {
    match (template, path) {
        ([], []) | ([Segment::Wildcard], _) => true,
        ([], [last]) => last.is_empty(),
        ([Segment::Literal(own, _), template @ ..], [value, path @ ..]) => {
            own == value && loosely(template, path)
        }
        ([_, template @ ..], [_, path @ ..]) => loosely(template, path),
        _ => false,
    }
}

/// The most specific rule whose template covers the route's: a literal goes before a parameter, a parameter before a
/// wildcard, from the left. Only then comes the method.
fn own<'a>(policy: &'a Policy, route: &Template, method: &str) -> Own<'a> {
    let mut best: Vec<(Vec<u8>, &Rule)> = Vec::new();
    for rule in &policy.rules {
        let covering = rule.templates().find(|template| template.covers(route));
        let Some(ranks) = covering.map(|template| template.ranks()) else {
            continue;
        };
        match best.first() {
            Some((other, _)) if *other < ranks => {}
            Some((other, _)) if *other == ranks => best.push((ranks, rule)),
            _ => best = vec![(ranks, rule)],
        }
    }
    if best.is_empty() {
        return Own::Unlisted;
    }
    let named = best.iter().find(|(_, rule)| rule.names(method));
    let any = best.iter().find(|(_, rule)| rule.methods.is_empty());
    named
        .or(any)
        .map_or(Own::OtherMethod, |(_, rule)| Own::Rule(rule))
}

/// Whether the rule says that it is about a part of the route, and the path is in this part.
fn is_part_of(rule: &Rule, route: &Template, path: &str) -> bool {
    let path = segments(path);
    rule.route.as_ref().is_some_and(|own| own.is_same_as(route))
        && rule.templates().any(|template| template.fits(&path))
}

/// The rule that the grant names.
fn applied<'a>(policy: &'a Policy, ran: &Ran, method: &str) -> Option<&'a Rule> {
    let path = ran.rule.as_deref().filter(|path| !path.is_empty())?;
    let same = || policy.rules.iter().filter(|rule| rule.path() == path);
    let named = same().find(|rule| rule.names(method));
    named.or_else(|| same().find(|rule| rule.methods.is_empty()))
}

/// Whom the guardrails above the route let in, and above the path that it was taken by.
fn guardrails(policy: &Policy, route: &Template, path: &str) -> Callers {
    let path: Vec<Segment> = segments(path)
        .iter()
        .map(|text| Segment::literal(text))
        .collect();
    let path = Template(path);
    let above = policy.rules.iter().filter(|rule| {
        rule.always && (rule.template.is_above(route) || rule.template.is_above(&path))
    });
    above.fold(Callers::ALL, |all, rule| all.and(rule.demand.admits()))
}

/// The route without its wildcard, where that has matched nothing: what was taken lies beneath no more than the rest.
fn without_empty_wildcard(route: &Template, path: &str) -> Template {
    let mut taken = route.clone();
    let last = taken.0.len().saturating_sub(1);
    let is_empty = segments(path).get(last).is_none_or(String::is_empty);
    if is_empty && taken.0.last() == Some(&Segment::Wildcard) {
        taken.0.pop();
        taken.0.push(Segment::literal(""));
    }
    taken
}

/// A plain request for a route that only one route can take, by the route's own rule: whether the caller must get in.
pub(super) fn ordinary(
    server: Server,
    table: &Table,
    policy: &Policy,
    sent: &Sent,
) -> Option<bool> {
    if table
        .rewriting
        .is_some_and(|rewriting| rewriting.place != Place::Outside)
    {
        return None;
    }
    // What nothing confirms is refused where it is uncertain.
    if table.has(MountKind::Foreign) {
        return None;
    }
    let routes = table.placed(server.dialect());
    let path = segments(&path_as_routed(table, sent));
    let own =
        |placed: &&Placed<'_>| Some(placed.route.id) == sent.meant && placed.template.fits(&path);
    let meant = routes.iter().find(own)?;
    let plain = meant.template.0.iter().all(|segment| !is_spelled(segment));
    let other = |placed: &Placed<'_>| {
        placed.template != meant.template && loosely(&placed.template.0, &path)
            || placed.template == meant.template && placed.route.id != meant.route.id
    };
    // A resource of several paths is foreign to actix-web's own way of telling routes apart.
    if !plain || meant.route.also.is_some() || routes.iter().any(other) {
        return None;
    }
    let Own::Rule(rule) = self::own(policy, &meant.template, &sent.method) else {
        return None;
    };
    // A path that ends in a slash needs a rule that does.
    let slash = |template: Template| template.0.last().is_some_and(Segment::is_slash);
    if path.last().is_some_and(String::is_empty) && !rule.templates().any(slash) {
        return None;
    }
    // Another rule for this path would be narrower than the route, or for a part of its methods.
    let closer = |other: &&Rule| {
        other.templates().any(|template| template.fits(&path))
            && other.template.ranks() < rule.template.ranks()
    };
    if policy.rules.iter().any(|other| closer(&other)) {
        return None;
    }
    let guarded = guardrails(policy, &meant.template, sent.path());
    Some(rule.demand.admits().and(guarded).contains(sent.caller))
}

/// Every parameter as one that takes any value: regular expressions are not everywhere.
fn as_routed(template: &Template) -> Template {
    let segments = template.0.iter().map(|segment| match segment {
        Segment::Digits | Segment::Letters | Segment::Prefixed => Segment::Parameter,
        other => other.clone(),
    });
    Template(segments.collect())
}

fn is_spelled(segment: &Segment) -> bool {
    use super::template::Spelling;
    matches!(
        segment,
        Segment::Literal(_, Spelling::Upper | Spelling::Lower)
    )
}

fn diagnose(
    table: &Table,
    policy: &Policy,
    placed: &Placed<'_>,
    sent: &Sent,
    ran: &Ran,
    own: Own<'_>,
    applied: Option<&Rule>,
) -> Kind {
    let path = sent.path();
    if let Some(Rewriting { place, slashes }) = table.rewriting
        && place == Place::Around
        && path_as_judged(table, sent) != path
    {
        return match slashes {
            Slashes::Decode => Kind::Encoded,
            _ => Kind::Slash,
        };
    }
    if table.rewriting.is_some() && !path.ends_with(&ran.path) {
        return Kind::Rewritten;
    }
    if path.contains('%') && applied.is_some_and(|rule| !has_other_encoded_reading(rule, path)) {
        return Kind::Encoded;
    }
    if path.contains("//") || path.ends_with('/') && path != "/" {
        return Kind::Slash;
    }
    if matches!(own, Own::OtherMethod) {
        return Kind::UnlistedMethod;
    }
    let Some(rule) = applied else {
        return Kind::OtherRoute;
    };
    // A route that the applied rule is for, and that the method kept from being taken.
    let routes = table.placed(Dialect::Actix);
    let other = |other: &&Placed<'_>| {
        other.route.id != placed.route.id
            && as_routed(&other.template).fits(&segments(path))
            && rule
                .templates()
                .any(|template| template.covers(&other.template))
    };
    match routes.iter().find(other) {
        Some(other)
            if !other.route.methods.is_empty()
                && !other.route.methods.contains(&sent.method.as_str()) =>
        {
            Kind::Method
        }
        Some(_) => Kind::OtherRoute,
        None if policy.rules.iter().any(|own| std::ptr::eq(own, rule)) => Kind::NarrowerRule,
        None => Kind::OtherRoute,
    }
}

/// Whether the rule fits the path as it was sent, so that no decoding was needed to find it.
fn has_other_encoded_reading(rule: &Rule, path: &str) -> bool {
    let raw: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
    rule.templates().any(|template| {
        let canonical = template.0.iter().map(|segment| match segment {
            Segment::Literal(text, _) => Segment::literal(&super::template::canonical(text)),
            other => other.clone(),
        });
        Template(canonical.collect()).fits(&raw)
    })
}

fn told(own: Own<'_>) -> String {
    match own {
        Own::Rule(rule) => rule_told(rule),
        Own::OtherMethod => "none for this method".to_owned(),
        Own::Unlisted => "none".to_owned(),
    }
}

fn rule_told(rule: &Rule) -> String {
    format!("{} {:?} {:?}", rule.path(), rule.methods, rule.demand)
}

#[cfg(test)]
mod tests;
