//! Random route tables, as data.

mod show;

use super::random::Random;
use super::template::{Dialect, Segment, Spelling, Template, canonical};

/// The literals of tables, policies and paths: few, so that they meet.
pub(super) const LITERALS: [&str; 14] = [
    "a", "b", "users", "admin", "me", "7", "v1", "A", "@me", "a+b", "a:b", "ü", "x y", "@",
];

/// The routes of an application, and what rewrites paths in front of them.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// In the order of registration.
    pub(super) items: Vec<Item>,
    pub(super) fallback: Option<Fallback>,
    pub(super) rewriting: Option<Rewriting>,
    /// Whether a middleware makes responses anew, on poem: what its router noted in them is lost.
    pub(super) forgets: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Item {
    Route(Route),
    Mount(Mount),
}

#[derive(Clone, Debug)]
pub(super) struct Route {
    /// What its handler answers.
    pub(super) id: usize,
    /// Beneath its mount.
    pub(super) template: Template,
    /// A second path of the same handler: `web::resource(["/a", "/b"])`.
    pub(super) also: Option<Template>,
    /// Empty: all.
    pub(super) methods: Vec<&'static str>,
    pub(super) style: Style,
}

/// How actix-web's users may write a route; the others have one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `route("/x", web::get().to(…))`, once for each method.
    Route,
    /// `service(web::resource("/x").route(…).route(…))`.
    Resource,
    /// The same with a guard that wants a header.
    Guarded,
}

/// Routes beneath a prefix.
#[derive(Clone, Debug)]
pub(super) struct Mount {
    /// Empty: `merge`, a scope without a path, a nest at `/`.
    pub(super) prefix: Template,
    pub(super) kind: MountKind,
    pub(super) items: Vec<Item>,
    pub(super) fallback: Option<Fallback>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MountKind {
    /// `nest`, a scope.
    Nest,
    /// `nest_service` on axum, a scope, `nest_no_strip` on poem.
    Service,
    /// The same on axum, and poem's own `Route` on poem, where nothing confirms the routes beneath.
    Foreign,
    /// The whole application, secured on its own and mounted by a router that knows nothing of it, on axum; a nest
    /// elsewhere.
    Outer,
}

/// What answers where no route does: on axum and actix-web.
#[derive(Clone, Debug)]
pub(super) struct Fallback {
    /// What its handler answers.
    pub(super) id: usize,
    /// Routes of a router in the place of the handler, on axum. Empty: the handler.
    pub(super) items: Vec<Item>,
}

/// A middleware that changes paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rewriting {
    pub(super) place: Place,
    pub(super) slashes: Slashes,
}

/// Where a middleware stands, seen from the security layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Outside,
    Inside,
    /// Inside of one security layer and outside of another of the same policy.
    Between,
    /// Outside of the layer, and undone inside of it.
    Around,
}

/// What a middleware does to a path, after the modes of `NormalizePath`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slashes {
    Trim,
    MergeOnly,
    Always,
    /// No mode of `NormalizePath`: characters are encoded only where they must be.
    Decode,
}

/// A route with its whole path.
#[derive(Clone, Debug)]
pub(super) struct Placed<'a> {
    pub(super) route: &'a Route,
    pub(super) template: Template,
    /// Whether it is the root of a mount.
    pub(super) mounted: bool,
}

impl Slashes {
    pub(super) fn rewrite(self, path: &str) -> String {
        if self == Self::Decode {
            return decode(path);
        }
        let path = match self {
            Self::Always => format!("{path}/"),
            Self::MergeOnly | Self::Decode => path.to_owned(),
            Self::Trim => path.trim_end_matches('/').to_owned(),
        };
        let mut merged = String::new();
        for character in path.chars() {
            if character != '/' || !merged.ends_with('/') {
                merged.push(character);
            }
        }
        if merged.is_empty() {
            merged.push('/');
        }
        merged
    }
}

impl Rewriting {
    fn random(random: &mut Random, reports: bool) -> Self {
        let place = match reports && random.chance(40) {
            true => Place::Around,
            false => random.pick(&[
                Place::Outside,
                Place::Inside,
                Place::Inside,
                Place::Between,
                Place::Around,
                Place::Around,
            ]),
        };
        let slashes = match place {
            Place::Around => random.pick(&[Slashes::Decode, Slashes::Decode, Slashes::Trim]),
            _ => random.pick(&[
                Slashes::Trim,
                Slashes::Trim,
                Slashes::MergeOnly,
                Slashes::Always,
            ]),
        };
        Self { place, slashes }
    }
}

impl Route {
    pub(super) fn templates(&self) -> impl Iterator<Item = &Template> {
        [&self.template].into_iter().chain(&self.also)
    }
}

impl Table {
    /// With `reports`, paths are rewritten more often, so that few tables show what comes of it.
    pub(super) fn random(random: &mut Random, reports: bool) -> Self {
        let mut made = Vec::new();
        let count = 1 + random.below(5);
        let mut items = items(random, 0, count, &mut made);
        if random.chance(60) {
            let siblings = siblings(random, &mut made);
            let is_new = |sibling: &Item| {
                let template = template_of(sibling);
                let mut known = items.iter().filter_map(template_of);
                !known.any(|known| template.is_some_and(|template| known.is_same_as(template)))
            };
            let siblings: Vec<Item> = siblings.into_iter().filter(is_new).collect();
            items.extend(siblings);
        }
        if random.chance(35) {
            sort(&mut items);
        } else {
            random.shuffle(&mut items);
        }
        let mut table = Self {
            items,
            fallback: fallback(random, 0, 8, &mut made),
            rewriting: random
                .chance(if reports { 60 } else { 20 })
                .then(|| Rewriting::random(random, reports)),
            forgets: random.chance(6),
        };
        if table.rewriting.is_none() && random.chance(7) {
            table.items = vec![Item::Mount(Mount {
                prefix: Template(prefix(random)),
                kind: MountKind::Outer,
                items: table.items,
                fallback: table.fallback.take(),
            })];
        }
        table
    }

    /// The application that is secured on its own, if another router mounts it.
    pub(super) fn outer(&self) -> Option<&Mount> {
        match self.items.as_slice() {
            [Item::Mount(mount)] if mount.kind == MountKind::Outer => Some(mount),
            _ => None,
        }
    }

    /// Whether a mount is of the kind.
    pub(super) fn has(&self, kind: MountKind) -> bool {
        fn has(items: &[Item], kind: MountKind) -> bool {
            items.iter().any(|item| match item {
                Item::Mount(mount) => mount.kind == kind || has(&mount.items, kind),
                Item::Route(_) => false,
            })
        }
        has(&self.items, kind)
    }

    /// The fallbacks, each with the prefix of its mount.
    pub(super) fn fallbacks(&self) -> Vec<(Template, &Fallback)> {
        fn find<'a>(
            items: &'a [Item],
            prefix: &Template,
            found: &mut Vec<(Template, &'a Fallback)>,
        ) {
            for item in items {
                if let Item::Mount(mount) = item {
                    let prefix = prefix.join(&mount.prefix);
                    found.extend(mount.fallback.iter().map(|own| (prefix.clone(), own)));
                    find(&mount.items, &prefix, found);
                }
            }
        }
        let own = self.fallback.iter().map(|own| (Template::default(), own));
        let mut found: Vec<_> = own.collect();
        find(&self.items, &Template::default(), &mut found);
        found
    }

    /// The routes as a framework sees them: the root of a mount has no form with a slash on axum and poem.
    pub(super) fn placed(&self, dialect: Dialect) -> Vec<Placed<'_>> {
        let mut placed = Vec::new();
        place(&self.items, &Template::default(), dialect, &mut placed);
        if dialect == Dialect::Axum {
            for (prefix, fallback) in self.fallbacks() {
                place(&fallback.items, &prefix, dialect, &mut placed);
            }
        }
        placed
    }

    /// Paths of the mounts.
    pub(super) fn mounts(&self) -> Vec<Template> {
        let mut mounts = Vec::new();
        find_mounts(&self.items, &Template::default(), &mut mounts);
        mounts
    }
}

/// Whether two routes could be meant by one path, so that routers choose in their own ways.
pub(super) fn overlap(one: &Template, other: &Template) -> bool {
    one.covers(other) || other.covers(one) || meet(&one.0, &other.0)
}

fn meet(one: &[Segment], other: &[Segment]) -> bool {
    match (one, other) {
        ([], []) => true,
        ([Segment::Wildcard], [_, ..]) | ([_, ..], [Segment::Wildcard]) => true,
        ([Segment::Literal(a, _), one @ ..], [Segment::Literal(b, _), other @ ..]) => {
            a == b && meet(one, other)
        }
        ([_, one @ ..], [_, other @ ..]) => meet(one, other),
        _ => false,
    }
}

fn place<'a>(items: &'a [Item], prefix: &Template, dialect: Dialect, placed: &mut Vec<Placed<'a>>) {
    for item in items {
        match item {
            Item::Route(route) => {
                for template in route.templates() {
                    let at_root = template.0.len() == 1 && template.stem().is_empty();
                    let mut template =
                        match at_root && !prefix.0.is_empty() && dialect != Dialect::Actix {
                            true => prefix.clone(),
                            false => prefix.join(template),
                        };
                    if template.0.is_empty() {
                        template = Template(vec![Segment::literal("")]);
                    }
                    placed.push(Placed {
                        route,
                        mounted: !prefix.0.is_empty() && template.0.len() == prefix.0.len(),
                        template,
                    });
                }
            }
            Item::Mount(mount) => place(&mount.items, &prefix.join(&mount.prefix), dialect, placed),
        }
    }
}

fn find_mounts(items: &[Item], prefix: &Template, mounts: &mut Vec<Template>) {
    for item in items {
        if let Item::Mount(mount) = item {
            let prefix = prefix.join(&mount.prefix);
            mounts.push(prefix.clone());
            find_mounts(&mount.items, &prefix, mounts);
        }
    }
}

fn items(random: &mut Random, depth: usize, count: usize, made: &mut Vec<usize>) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for _ in 0..count {
        if depth < 2 && random.chance(18) {
            let prefix = match random.chance(10) {
                true => Vec::new(),
                false => prefix(random),
            };
            items.push(mount(random, prefix, depth, made));
            if random.chance(15) {
                let overlapping = overlapping(random, &items);
                items.push(mount(random, overlapping, depth, made));
            }
            continue;
        }
        let known: Vec<&Template> = items.iter().filter_map(template_of).collect();
        let mut template = any_template(random, &known, depth);
        // Most routers refuse a path that is there already.
        for _ in 0..3 {
            if known.iter().any(|known| known.is_same_as(&template)) && random.chance(95) {
                template = any_template(random, &known, depth);
            }
        }
        let also = random
            .chance(6)
            .then(|| neighbour(random, template.clone()));
        made.push(made.len());
        items.push(Item::Route(Route {
            id: made.len(),
            also: also.filter(|also| !also.is_same_as(&template)),
            template,
            methods: methods(random),
            style: random.pick(&[Style::Route, Style::Route, Style::Resource, Style::Guarded]),
        }));
    }
    items
}

fn mount(random: &mut Random, prefix: Vec<Segment>, depth: usize, made: &mut Vec<usize>) -> Item {
    let count = 1 + random.below(3);
    let kind = random.pick(&[
        MountKind::Nest,
        MountKind::Nest,
        MountKind::Service,
        MountKind::Service,
        MountKind::Foreign,
    ]);
    // axum merges no routers of which both have a fallback.
    let chance = if prefix.is_empty() { 0 } else { 8 };
    Item::Mount(Mount {
        prefix: Template(prefix),
        kind,
        items: self::items(random, depth + 1, count, made),
        fallback: fallback(random, depth + 1, chance, made),
    })
}

/// Where a mount is: mostly a literal.
fn prefix(random: &mut Random) -> Vec<Segment> {
    match random.below(20) {
        0 | 1 => vec![Segment::Parameter],
        2 => vec![Segment::Prefixed],
        3 => vec![literal(random), Segment::Parameter],
        4..=6 => vec![literal(random), literal(random)],
        _ => vec![literal(random)],
    }
}

/// Where a mount is whose paths another mount could take, too.
fn overlapping(random: &mut Random, items: &[Item]) -> Vec<Segment> {
    let mut mounts = items.iter().filter_map(|item| match item {
        Item::Mount(mount) => Some(&mount.prefix),
        Item::Route(_) => None,
    });
    let mut prefix = mounts.next_back().cloned().unwrap_or_default().0;
    match prefix.last_mut() {
        Some(last) if random.chance(60) => *last = Segment::Parameter,
        _ => prefix.push(literal(random)),
    }
    prefix
}

fn fallback(
    random: &mut Random,
    depth: usize,
    chance: usize,
    made: &mut Vec<usize>,
) -> Option<Fallback> {
    if !random.chance(chance) {
        return None;
    }
    made.push(made.len());
    let id = made.len();
    let count = if random.chance(40) {
        1 + random.below(3)
    } else {
        0
    };
    Some(Fallback {
        id,
        // Deep, so that there are no mounts in it.
        items: items(random, depth + 2, count, made),
    })
}

/// A path in which no character is encoded that need not be.
fn decode(path: &str) -> String {
    let segments = path.split('/').map(|segment| {
        let decoded = percent_encoding::percent_decode_str(segment).decode_utf8();
        match decoded {
            Ok(decoded) if !decoded.contains(['/', '%']) => canonical(&decoded),
            _ => segment.to_owned(),
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// A literal, a parameter and a wildcard in one place, where routers and rules must choose between them.
fn siblings(random: &mut Random, made: &mut Vec<usize>) -> Vec<Item> {
    let prefix: Vec<Segment> = (0..random.below(2)).map(|_| literal(random)).collect();
    let tail: Vec<Segment> = (0..random.below(2)).map(|_| literal(random)).collect();
    let mut siblings = Vec::new();
    // axum takes no wildcard beside a parameter.
    let left_out = match random.below(10) {
        0 => None,
        1..=6 => Some(Segment::Wildcard),
        _ => Some(Segment::Parameter),
    };
    for choice in [literal(random), Segment::Parameter, Segment::Wildcard] {
        if left_out.as_ref() == Some(&choice) || random.chance(15) {
            continue;
        }
        let mut segments = prefix.clone();
        segments.push(choice.clone());
        if choice != Segment::Wildcard {
            segments.extend(tail.iter().cloned());
        }
        made.push(made.len());
        siblings.push(Item::Route(Route {
            id: made.len(),
            template: Template(segments),
            also: None,
            methods: methods(random),
            style: random.pick(&[Style::Route, Style::Resource]),
        }));
    }
    siblings
}

fn template_of(item: &Item) -> Option<&Template> {
    match item {
        Item::Route(route) => Some(&route.template),
        Item::Mount(_) => None,
    }
}

fn methods(random: &mut Random) -> Vec<&'static str> {
    match random.below(8) {
        0..=2 => Vec::new(),
        3 => vec!["GET", "POST"],
        4 => vec!["POST"],
        5 => vec!["DELETE"],
        6 => vec!["GET", "DELETE"],
        _ => vec!["GET"],
    }
}

pub(super) fn literal(random: &mut Random) -> Segment {
    let spelling = match random.below(10) {
        0 => Spelling::Upper,
        1 => Spelling::Lower,
        _ => Spelling::Plain,
    };
    Segment::Literal(random.pick(&LITERALS).to_owned(), spelling)
}

fn segment(random: &mut Random) -> Segment {
    match random.below(20) {
        0..=11 => literal(random),
        12..=16 => Segment::Parameter,
        17 => Segment::Digits,
        18 => Segment::Letters,
        _ => Segment::Prefixed,
    }
}

fn any_template(random: &mut Random, known: &[&Template], depth: usize) -> Template {
    if !known.is_empty() && random.chance(60) {
        let near = random.pick(known).clone();
        return neighbour(random, near);
    }
    template(random, depth)
}

fn template(random: &mut Random, depth: usize) -> Template {
    if random.chance(if depth == 0 { 8 } else { 25 }) {
        // The root of a mount is `""` in actix-web's scopes, and many write `"/"`.
        let slash = depth == 0 || random.chance(25);
        return Template(slash.then(|| Segment::literal("")).into_iter().collect());
    }
    let mut segments = Vec::new();
    for _ in 0..1 + random.below(3) {
        segments.push(segment(random));
    }
    match random.below(100) {
        0..=15 => segments.push(Segment::Wildcard),
        16..=22 => segments.push(Segment::literal("")),
        23..=28 => segments = vec![Segment::Wildcard],
        _ => {}
    }
    Template(segments)
}

/// A template beside another one: that is where routers and rules differ.
fn neighbour(random: &mut Random, mut near: Template) -> Template {
    let last = near.0.last().cloned();
    let place = random.below(near.0.len());
    match random.below(6) {
        0 if last != Some(Segment::Wildcard) => {
            near.0 = near.stem().to_vec();
            near.0.push(Segment::Wildcard);
        }
        1 => {
            if let Some(other) = near.other_slash() {
                near = other;
            }
        }
        2 if last != Some(Segment::Wildcard) => {
            near.0 = near.stem().to_vec();
            near.0.push(segment(random));
        }
        3 if near.0.len() > 1 => {
            near.0.pop();
        }
        _ => {
            let replaced = segment(random);
            if let Some(slot) = near.0.get_mut(place) {
                *slot = replaced;
            }
        }
    }
    if near.0.is_empty() {
        near.0.push(Segment::literal(""));
    }
    near
}

/// The usual order: literals before parameters before wildcards.
fn sort(items: &mut [Item]) {
    for item in &mut *items {
        if let Item::Mount(mount) = item {
            sort(&mut mount.items);
        }
    }
    items.sort_by_key(|item| match item {
        Item::Route(route) => route.template.ranks(),
        Item::Mount(mount) => mount
            .prefix
            .join(&Template(vec![Segment::Wildcard]))
            .ranks(),
    });
}
