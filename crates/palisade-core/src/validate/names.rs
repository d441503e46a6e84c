//! Learns what the wire calls a Rust field whose rule is broken. `validator` knows Rust's names, `serde` the wire's,
//! and neither tells the other: so a member of the refused input is changed, and the rules run again. The member that
//! changes what the rule complains about is the field's. What was learned is kept for the life of the process.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::{Map, Value};
use validator::{ValidationErrors, ValidationErrorsKind};

use super::MAX_REMEMBERED;
use super::fit::{alike, could_hold, first_value, same};
use super::place::Step;
use super::retry::{Budget, Change, compare, variants, with_member};
use super::tree::Shapes;

/// The name under which `validator` hides the items of a list.
pub(super) const ITEMS: &str = "_tmp_validator";

/// Where a field stands in the object that its struct was read from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Spot {
    /// Nowhere of its own: the struct is flattened into the object, or was not read from an object.
    Here,
    Member(String),
}

pub(super) struct Names<'a> {
    type_id: TypeId,
    shapes: &'a Shapes,
    broken: &'a ValidationErrors,
    /// The broken rules of a changed input, `None` if it no longer has the target's shape.
    retry: &'a dyn Fn(&Value) -> Option<ValidationErrors>,
    scratch: Value,
    budget: Budget,
}

impl<'a> Names<'a> {
    pub(super) fn new<T: 'static>(
        tree: &Value,
        shapes: &'a Shapes,
        broken: &'a ValidationErrors,
        retry: &'a dyn Fn(&Value) -> Option<ValidationErrors>,
    ) -> Self {
        Self {
            type_id: TypeId::of::<T>(),
            shapes,
            broken,
            retry,
            scratch: tree.clone(),
            budget: Budget::for_tree(tree),
        }
    }

    /// Where the last name of the Rust path `rust` stands in `node`, which stands at `steps`; `None` if that cannot be
    /// known, which is a mistake of the target type.
    pub(super) fn find(
        &mut self,
        node: &Value,
        steps: &[Step],
        rust: &[&str],
        kind: &ValidationErrorsKind,
    ) -> Option<Spot> {
        let (Value::Object(object), Some(rust_name)) = (node, rust.last()) else {
            return Some(Spot::Here);
        };
        let fields = self.shapes.of(node);
        let value = first_value(kind);
        let is_same = |name: &str| {
            value.is_some_and(|value| object.get(name).is_some_and(|m| same(m, value)))
        };
        // What was learned counts only for names that are there: an answer must not depend on earlier requests.
        let is_there =
            |spot: &Spot| matches!(spot, Spot::Member(name) if object.contains_key(name));
        if let Some(known) = recall(self.type_id, rust)
            .into_iter()
            .find(|spot| *spot == Spot::Here || is_there(spot))
        {
            return Some(known);
        }
        let mut candidates: Vec<&str> = match fields {
            Some(fields) => fields.to_vec(),
            None => object.keys().map(String::as_str).collect(),
        };
        candidates.retain(|name| {
            object
                .get(*name)
                .is_none_or(|member| could_hold(member, kind))
        });
        candidates.sort_by_cached_key(|name| {
            (
                !alike(name, rust_name),
                !object.contains_key(*name),
                !is_same(name),
            )
        });
        let alike_name = candidates
            .first()
            .copied()
            .filter(|name| alike(name, rust_name));

        if fields.is_none() && alike_name.is_none() {
            match kind {
                ValidationErrorsKind::Struct(inner)
                    if self.is_flattened(object, steps, rust, inner) =>
                {
                    remember(self.type_id, rust, Spot::Here);
                    return Some(Spot::Here);
                }
                // A rule on a flattened map is about all members: only an equal value tells a renamed field from it.
                ValidationErrorsKind::Field(_) => candidates.retain(|name| is_same(name)),
                _ => {}
            }
        }
        if let Some(name) = self.learn(&candidates, object, steps, rust) {
            let learned = Spot::Member(name);
            remember(self.type_id, rust, learned.clone());
            return Some(learned);
        }
        if let Some(name) = alike_name {
            return Some(Spot::Member(name.to_owned()));
        }
        if fields.is_none() {
            return Some(Spot::Here);
        }
        // Nothing was tried: the value is the last witness.
        let mut equal = candidates.iter().filter(|name| is_same(name));
        match (self.budget.is_spent(), equal.next(), equal.next()) {
            (true, Some(only), None) => Some(Spot::Member((*only).to_owned())),
            (true, ..) => Some(Spot::Here),
            _ => None,
        }
    }

    /// Learns the names of the fields that the items of a set or map complain about, before it is known which item is
    /// which: any item will do.
    pub(super) fn prepare(
        &mut self,
        items: &[(Step, &Value)],
        steps: &[Step],
        rust: &[&str],
        errors: &ValidationErrors,
    ) {
        for (field, kind) in errors.errors() {
            let path: Vec<&str> = rust.iter().copied().chain([field.as_ref()]).collect();
            for (step, item) in items.iter().take(MAX_CANDIDATES) {
                if field == ITEMS || self.known(&path).is_some() {
                    break;
                }
                let steps: Vec<Step> = steps.iter().chain([step]).cloned().collect();
                // What it learns is remembered; what it guesses is not wanted yet.
                let _ = self.find(item, &steps, &path, kind);
            }
        }
    }

    /// The wire names that were learned for a field.
    pub(super) fn known(&self, rust: &[&str]) -> Option<Spot> {
        recall(self.type_id, rust).into_iter().next()
    }

    /// Whether the struct with these errors is flattened: then a simple member of the object itself is the field that
    /// one of its rules complains about.
    fn is_flattened(
        &mut self,
        object: &Map<String, Value>,
        steps: &[Step],
        rust: &[&str],
        inner: &ValidationErrors,
    ) -> bool {
        inner.errors().iter().any(|(field, kind)| {
            let path: Vec<&str> = rust.iter().copied().chain([field.as_ref()]).collect();
            let value = first_value(kind);
            let likely: Vec<&str> = object
                .iter()
                .filter(|(name, member)| match kind {
                    ValidationErrorsKind::Field(_) => {
                        alike(name, field) || value.is_some_and(|value| same(member, value))
                    }
                    _ => alike(name, field),
                })
                .map(|(name, _)| name.as_str())
                .collect();
            self.learn(&likely, object, steps, &path).is_some()
        })
    }

    /// The candidate whose change changes what the rules at `rust` complain about: a new complaint proves it; a
    /// complaint that vanishes only suggests it, since a rule may compare two fields.
    fn learn(
        &mut self,
        candidates: &[&str],
        object: &Map<String, Value>,
        steps: &[Step],
        rust: &[&str],
    ) -> Option<String> {
        let mut suggested = None;
        for name in candidates.iter().take(MAX_CANDIDATES) {
            for variant in variants(object.get(*name)) {
                if !self.budget.spend() {
                    return suggested;
                }
                let Some(after) =
                    with_member(&mut self.scratch, steps, name, variant, self.retry).flatten()
                else {
                    continue;
                };
                match compare(self.broken, &after, rust) {
                    Change::None => {}
                    Change::Vanished => _ = suggested.get_or_insert_with(|| (*name).to_owned()),
                    Change::New => return Some((*name).to_owned()),
                }
            }
            if suggested.is_some() && rust.last().is_some_and(|rust_name| alike(name, rust_name)) {
                return suggested;
            }
        }
        suggested
    }
}

const MAX_CANDIDATES: usize = 32;

/// Where each field stands: several names if it has aliases. A name enters only if it proved to be the field's.
type Learned = HashMap<(TypeId, String), Vec<Spot>>;

static LEARNED: LazyLock<Mutex<Learned>> = LazyLock::new(Mutex::default);

const MAX_ALIASES: usize = 8;
const MAX_NAME_BYTES: usize = 256;

fn recall(type_id: TypeId, rust: &[&str]) -> Vec<Spot> {
    let learned = LEARNED.lock().unwrap_or_else(PoisonError::into_inner);
    learned
        .get(&(type_id, rust.join(".")))
        .cloned()
        .unwrap_or_default()
}

fn remember(type_id: TypeId, rust: &[&str], spot: Spot) {
    if matches!(&spot, Spot::Member(name) if name.len() > MAX_NAME_BYTES) {
        return;
    }
    let mut learned = LEARNED.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (type_id, rust.join("."));
    if learned.len() >= MAX_REMEMBERED && !learned.contains_key(&key) {
        return;
    }
    let spots = learned.entry(key).or_default();
    if spots.len() < MAX_ALIASES && !spots.contains(&spot) {
        spots.push(spot);
    }
}
