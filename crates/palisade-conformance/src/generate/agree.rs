//! Where the frameworks may answer one request in different ways, and where they may not.

use std::fmt;

use super::oracle::Exchange;
use super::path::Sent;
use super::serve::Server;
use super::table::{Place, Table, overlap};
use super::template::{Dialect, Segment, Spelling};

/// A difference between the frameworks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Difference {
    /// Why it is no fault; `None`: it is one.
    pub(super) declared: Option<Declared>,
    /// What the frameworks did, as far as it differs.
    pub(super) outcomes: Vec<Outcome>,
}

/// What is known to make routers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Declared {
    /// One of the frameworks took another route than was judged, or could not tell, and answered 500.
    Unconfirmed,
    /// A middleware rewrote the path; axum has none of its own, and the others stand where they stand.
    Rewriting,
    /// A guard, a regular expression or a mixed segment, which not every framework has.
    Syntax,
    /// A literal that is written encoded, which each router reads in its own way.
    Spelling,
    /// Percent-encoded characters: actix-web decodes before it routes.
    Encoded,
    /// A slash at the end or an empty segment: wildcards and mounts match them in different ways.
    Slash,
    /// Two routes of the table could be meant.
    Overlap,
    /// HEAD, and methods that a route does not have.
    Method,
    /// A mount, or a route that one of the routers does not have.
    Mount,
    /// What answers where no route does: poem has none, axum's may be a router of its own, and a router of axum that
    /// mounts the whole application answers by itself beside it.
    Fallback,
}

/// What a framework did, for comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// The layer refused before anything was routed.
    Refused(u16),
    /// The answer was 500: the route was not the one that was judged.
    Unconfirmed,
    /// The handler of this route answered.
    Ran(usize),
    /// The router has no route, or none for the method.
    NoRoute,
}

impl fmt::Display for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unconfirmed => "500, because the route was not confirmed",
            Self::Rewriting => "a middleware rewrote the path",
            Self::Syntax => "guards, regular expressions, mixed segments",
            Self::Spelling => "a literal that is written encoded",
            Self::Encoded => "percent-encoded characters",
            Self::Slash => "a slash at the end, or an empty segment",
            Self::Overlap => "two routes could be meant",
            Self::Method => "a method that the route does not have",
            Self::Mount => "mounts",
            Self::Fallback => "fallbacks, or nothing is there that could be secured",
        })
    }
}

/// The difference, if there is one.
pub(super) fn difference(
    table: &Table,
    sent: &Sent,
    exchanges: &[(Server, Exchange)],
) -> Option<Difference> {
    let mut outcomes: Vec<Outcome> = exchanges
        .iter()
        .map(|(_, exchange)| outcome(exchange))
        .collect();
    outcomes.sort_unstable();
    outcomes.dedup();
    if outcomes.len() < 2 {
        return None;
    }
    let layer = outcomes
        .iter()
        .any(|outcome| matches!(outcome, Outcome::Refused(_)));
    let declared = match layer {
        // What the layer itself refuses is refused everywhere.
        true if table.outer().is_some() => Some(Declared::Fallback),
        true => rewriting(table),
        false if outcomes.contains(&Outcome::Unconfirmed) => Some(Declared::Unconfirmed),
        false => declared(table, sent),
    };
    Some(Difference { declared, outcomes })
}

fn outcome(exchange: &Exchange) -> Outcome {
    let refused = exchange.audited.iter().any(|audited| audited.refused);
    match (exchange.answer.route, exchange.answer.status) {
        (Some(route), _) => Outcome::Ran(route),
        (None, 500) => Outcome::Unconfirmed,
        (None, status) if refused && exchange.ran.is_empty() => Outcome::Refused(status),
        (None, _) => Outcome::NoRoute,
    }
}

fn rewriting(table: &Table) -> Option<Declared> {
    let outside = table
        .rewriting
        .is_some_and(|rewriting| matches!(rewriting.place, Place::Outside | Place::Around));
    outside.then_some(Declared::Rewriting)
}

fn declared(table: &Table, sent: &Sent) -> Option<Declared> {
    use super::table::{Item, Style};
    fn guarded(items: &[Item]) -> bool {
        items.iter().any(|item| match item {
            Item::Route(route) => route.style == Style::Guarded,
            Item::Mount(mount) => guarded(&mount.items),
        })
    }
    let routes = table.placed(Dialect::Actix);
    let has = |wanted: fn(&Segment) -> bool| {
        routes
            .iter()
            .any(|placed| placed.template.0.iter().any(wanted))
    };
    let path = sent.path();
    let pairs = || {
        routes.iter().enumerate().flat_map(|(index, one)| {
            let others = routes.iter().skip(index + 1);
            others.map(move |other| (one, other))
        })
    };
    if table.rewriting.is_some() {
        Some(Declared::Rewriting)
    } else if !table.fallbacks().is_empty() {
        Some(Declared::Fallback)
    } else if path.contains('%') {
        Some(Declared::Encoded)
    } else if path.contains("//") || path.ends_with('/') {
        Some(Declared::Slash)
    } else if guarded(&table.items)
        || has(|segment| {
            matches!(
                segment,
                Segment::Digits | Segment::Letters | Segment::Prefixed
            )
        })
    {
        Some(Declared::Syntax)
    } else if has(|segment| {
        match segment {
            // A colon can only be written encoded on poem.
            Segment::Literal(text, spelling) => *spelling != Spelling::Plain || text.contains(':'),
            _ => false,
        }
    }) {
        Some(Declared::Spelling)
    } else if pairs().any(|(one, other)| overlap(&one.template, &other.template)) {
        Some(Declared::Overlap)
    } else if routes.iter().any(|placed| {
        !placed.route.methods.is_empty() && !placed.route.methods.contains(&sent.method.as_str())
    }) {
        Some(Declared::Method)
    } else if !table.mounts().is_empty() {
        Some(Declared::Mount)
    } else {
        None
    }
}
