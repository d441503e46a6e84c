//! Makes a failure small: leaves out whatever is not needed for it.

use super::oracle::Hole;
use super::run::{Case, again};
use super::table::{Item, Style};
use super::template::{Segment, Spelling, Template};

/// How often a case is tried.
const TRIES: usize = 1500;

/// The smallest case found that fails in the same way.
pub(super) async fn shrink(mut case: Case, mut hole: Hole) -> (Case, Hole) {
    let mut tries = 0;
    'smaller: loop {
        for candidate in candidates(&case) {
            tries += 1;
            if tries > TRIES {
                return (case, hole);
            }
            if let Some(found) = again(&candidate)
                .await
                .filter(|found| found.kind == hole.kind)
            {
                (case, hole) = (candidate, found);
                continue 'smaller;
            }
        }
        return (case, hole);
    }
}

/// Cases that are smaller by one thing, the largest things first.
fn candidates(case: &Case) -> Vec<Case> {
    let mut candidates = Vec::new();
    for items in without_one(&case.table.items) {
        let mut smaller = case.clone();
        smaller.table.items = items;
        candidates.push(smaller);
    }
    for index in 0..case.policy.rules.len() {
        let mut smaller = case.clone();
        smaller.policy.rules.remove(index);
        candidates.push(smaller);
    }
    if case.table.fallback.is_some() {
        let mut smaller = case.clone();
        smaller.table.fallback = None;
        candidates.push(smaller);
    }
    if case.table.forgets {
        let mut smaller = case.clone();
        smaller.table.forgets = false;
        candidates.push(smaller);
    }
    if case.table.rewriting.is_some() {
        let mut smaller = case.clone();
        smaller.table.rewriting = None;
        candidates.push(smaller);
    }
    for index in 0..case.policy.rules.len() {
        let simpler: [fn(&mut super::policy::Rule); 4] = [
            |rule| rule.methods.clear(),
            |rule| rule.always = false,
            |rule| rule.same_slash = false,
            |rule| plain(&mut rule.template),
        ];
        for simplify in simpler {
            let mut smaller = case.clone();
            if let Some(rule) = smaller.policy.rules.get_mut(index) {
                simplify(rule);
            }
            candidates.push(smaller);
        }
    }
    for items in with_one_simpler(&case.table.items) {
        let mut smaller = case.clone();
        smaller.table.items = items;
        candidates.push(smaller);
    }
    candidates.extend(shorter_targets(case));
    let text = |case: &Case| {
        format!(
            "{} {} {:?}",
            case.table,
            case.policy.rules_toml(),
            case.sent
        )
    };
    let own = text(case);
    candidates.retain(|candidate| text(candidate) != own);
    candidates
}

/// The items with one of them left out, or a mount replaced by what is in it.
fn without_one(items: &[Item]) -> Vec<Vec<Item>> {
    let mut all = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let mut fewer = items.to_vec();
        fewer.remove(index);
        all.push(fewer);
        if let Item::Mount(mount) = item {
            if mount.fallback.is_some() {
                let mut fewer = items.to_vec();
                let mut mount = mount.clone();
                mount.fallback = None;
                if let Some(slot) = fewer.get_mut(index) {
                    *slot = Item::Mount(mount);
                }
                all.push(fewer);
            }
            for inner in without_one(&mount.items) {
                let mut fewer = items.to_vec();
                let mut mount = mount.clone();
                mount.items = inner;
                if let Some(slot) = fewer.get_mut(index) {
                    *slot = Item::Mount(mount);
                }
                all.push(fewer);
            }
            let mut flat = items.to_vec();
            flat.splice(
                index..=index,
                mount
                    .items
                    .iter()
                    .cloned()
                    .map(|item| beneath(&mount.prefix, item)),
            );
            all.push(flat);
        }
    }
    all
}

fn beneath(prefix: &Template, mut item: Item) -> Item {
    match &mut item {
        Item::Route(route) => {
            route.template = prefix.join(&route.template);
            route.also = route.also.take().map(|also| prefix.join(&also));
        }
        Item::Mount(mount) => mount.prefix = prefix.join(&mount.prefix),
    }
    item
}

fn with_one_simpler(items: &[Item]) -> Vec<Vec<Item>> {
    let mut all = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let mut simpler: Vec<Item> = Vec::new();
        match item {
            Item::Route(route) => {
                let mut other = route.clone();
                other.methods.clear();
                simpler.push(Item::Route(other));
                let mut other = route.clone();
                other.also = None;
                simpler.push(Item::Route(other));
                let mut other = route.clone();
                other.style = Style::Resource;
                simpler.push(Item::Route(other));
                let mut other = route.clone();
                plain(&mut other.template);
                simpler.push(Item::Route(other));
            }
            Item::Mount(mount) => {
                for inner in with_one_simpler(&mount.items) {
                    let mut mount = mount.clone();
                    mount.items = inner;
                    simpler.push(Item::Mount(mount));
                }
            }
        }
        for item in simpler {
            let mut other = items.to_vec();
            if let Some(slot) = other.get_mut(index) {
                *slot = item;
            }
            all.push(other);
        }
    }
    all
}

/// Literals as they are usually written, and parameters without an expression.
fn plain(template: &mut Template) {
    for segment in &mut template.0 {
        match segment {
            Segment::Literal(_, spelling) => *spelling = Spelling::Plain,
            Segment::Digits | Segment::Letters | Segment::Prefixed => *segment = Segment::Parameter,
            Segment::Parameter | Segment::Wildcard => {}
        }
    }
}

fn shorter_targets(case: &Case) -> Vec<Case> {
    let mut targets = vec![case.sent.path().to_owned()];
    let segments: Vec<&str> = case.sent.target.split('/').collect();
    for index in 1..segments.len() {
        let mut fewer = segments.clone();
        fewer.remove(index);
        targets.push(fewer.join("/"));
    }
    let characters: Vec<char> = case.sent.target.chars().collect();
    for index in 1..characters.len() {
        let mut fewer = characters.clone();
        fewer.remove(index);
        targets.push(fewer.into_iter().collect());
    }
    let usable = targets.into_iter().filter(|target| target.starts_with('/'));
    usable
        .map(|target| {
            let mut smaller = case.clone();
            smaller.sent.target = target;
            smaller
        })
        .collect()
}
