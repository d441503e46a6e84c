//! Learns what the wire calls a Rust field whose rule is broken. `validator` knows Rust's names, `serde` the wire's,
//! and neither tells the other: so a member of the refused input is changed, and the rules run again. The member that
//! changes what the rule complains about is the field's. What was learned is kept for the life of the process.

use std::any::TypeId;
use std::collections::{BTreeMap, HashMap};
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::{Map, Value, json};
use validator::{ValidationErrors, ValidationErrorsKind};

use super::place::Step;
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

/// How often an input may be read again to explain it, so that a refusal stays cheap: less often if it is large.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Budget {
    const MAX_READS: usize = 64;
    const MAX_VALUES: usize = 20_000;

    pub(super) fn for_tree(tree: &Value) -> Self {
        Self((Self::MAX_VALUES / size(tree)).min(Self::MAX_READS))
    }

    pub(super) fn spend(&mut self) -> bool {
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }

    fn is_spent(&self) -> bool {
        self.0 == 0
    }
}

/// Values in the tree, long strings counted by length.
fn size(tree: &Value) -> usize {
    1 + match tree {
        Value::String(text) => text.len() / 64,
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(members) => members.values().map(size).sum(),
        _ => 0,
    }
}

/// Calls `look` with one member replaced or added, then puts everything back.
pub(super) fn with_member<R>(
    tree: &mut Value,
    steps: &[Step],
    name: &str,
    value: Value,
    look: impl FnOnce(&Value) -> R,
) -> Option<R> {
    let original = object_at(tree, steps)?.insert(name.to_owned(), value);
    let seen = look(tree);
    let object = object_at(tree, steps)?;
    match original {
        Some(original) => object.insert(name.to_owned(), original),
        None => object.remove(name),
    };
    Some(seen)
}

fn object_at<'t>(tree: &'t mut Value, steps: &[Step]) -> Option<&'t mut Map<String, Value>> {
    steps
        .iter()
        .try_fold(tree, |value, step| match step {
            Step::Member(name) => value.get_mut(name),
            Step::Item(index) => value.get_mut(index),
        })?
        .as_object_mut()
}

/// Other values of the same type, nearest first.
fn variants(value: Option<&Value>) -> Vec<Value> {
    match value {
        None | Some(Value::Null) => vec![
            "a".into(),
            1.into(),
            "1".into(),
            true.into(),
            json!([]),
            json!({}),
        ],
        Some(Value::Bool(value)) => vec![(!value).into(), Value::Null],
        Some(Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
            (Some(n), _) => vec![
                n.saturating_add(1).into(),
                n.saturating_sub(1).into(),
                1.into(),
                Value::Null,
            ],
            (None, Some(n)) => vec![(n / 2.0).into(), (n * 2.0).into(), 1.into(), Value::Null],
            _ => vec![1.into(), Value::Null],
        },
        Some(Value::String(text)) => match text.parse::<i64>() {
            Ok(n) => vec![
                n.saturating_add(1).to_string().into(),
                n.saturating_sub(1).to_string().into(),
                "a".into(),
            ],
            Err(_) => vec![
                format!("{text}a").into(),
                "a".into(),
                "1".into(),
                Value::Null,
            ],
        },
        Some(Value::Array(items)) => {
            let mut found: Vec<Value> = Vec::new();
            if let Some((first, rest)) = items.split_first() {
                found.extend(variants(Some(first)).into_iter().take(2).map(|first| {
                    Value::Array(std::iter::once(first).chain(rest.iter().cloned()).collect())
                }));
                found.push(Value::Array(rest.to_vec()));
            }
            found.extend([json!([]), json!(["a"]), Value::Null]);
            found
        }
        Some(Value::Object(members)) => {
            let changed = members.iter().take(8).flat_map(|(name, member)| {
                variants(Some(member))
                    .into_iter()
                    .take(2)
                    .map(move |variant| {
                        let mut members = members.clone();
                        members.insert(name.clone(), variant);
                        Value::Object(members)
                    })
            });
            changed.chain([json!({}), Value::Null]).collect()
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Change {
    None,
    Vanished,
    New,
}

/// Compares the values that the rules at and below `rust` complain about, whatever the item they stand in.
fn compare(before: &ValidationErrors, after: &ValidationErrors, rust: &[&str]) -> Change {
    let mut balance: BTreeMap<String, isize> = BTreeMap::new();
    complaints(before, rust, &mut |value| {
        *balance.entry(value).or_default() -= 1
    });
    complaints(after, rust, &mut |value| {
        *balance.entry(value).or_default() += 1
    });
    if balance.values().any(|n| *n > 0) {
        Change::New
    } else if balance.values().any(|n| *n < 0) {
        Change::Vanished
    } else {
        Change::None
    }
}

/// Names and values of all complaints in a set of errors, whatever its order.
pub(super) fn fingerprint(errors: &ValidationErrors) -> Vec<String> {
    let mut found = Vec::new();
    complaints(errors, &[], &mut |complaint| found.push(complaint));
    found.sort_unstable();
    found
}

fn complaints(errors: &ValidationErrors, rust: &[&str], found: &mut dyn FnMut(String)) {
    for (name, kind) in errors.errors() {
        let rest = match rust.split_first() {
            _ if name == ITEMS => rust,
            None => rust,
            Some((first, rest)) if name == first => rest,
            Some(_) => continue,
        };
        match kind {
            ValidationErrorsKind::Struct(inner) => complaints(inner, rest, found),
            ValidationErrorsKind::List(items) => items
                .values()
                .for_each(|item| complaints(item, rest, found)),
            ValidationErrorsKind::Field(rules) if rest.is_empty() => {
                rules.iter().for_each(|rule| {
                    found(format!(
                        "{name}={}",
                        rule.params.get("value").unwrap_or(&Value::Null)
                    ))
                })
            }
            ValidationErrorsKind::Field(_) => {}
        }
    }
}

/// How well `node` explains the errors: `None` if it cannot be what they were found in. `known` are the wire names
/// learned for the fields of `node`.
pub(super) fn fit(
    node: &Value,
    errors: &ValidationErrors,
    known: &dyn Fn(&str) -> Option<Spot>,
) -> Option<isize> {
    let Value::Object(object) = node else {
        return Some(0);
    };
    errors.errors().iter().try_fold(0, |score, (field, kind)| {
        let (is_known, mut members): (bool, Vec<&Value>) = match known(field) {
            Some(Spot::Member(name)) => (true, object.get(&name).into_iter().collect()),
            Some(Spot::Here) => (false, vec![node]),
            None => (
                false,
                object
                    .iter()
                    .filter(|(name, _)| alike(name, field))
                    .map(|(_, member)| member)
                    .collect(),
            ),
        };
        let better = match kind {
            ValidationErrorsKind::Field(_) => match first_value(kind) {
                None | Some(Value::Null) => 0,
                Some(value) if members.iter().any(|member| same(member, value)) => 2,
                Some(_) if is_known && !members.is_empty() => return None,
                Some(value) if object.values().any(|member| same(member, value)) => 1,
                Some(_) if !members.is_empty() => return None,
                Some(_) => -2,
            },
            _ if members.is_empty() => 0,
            _ => {
                members.retain(|member| could_hold(member, kind));
                fit_part(members.first()?, kind)?
            }
        };
        Some(score + better)
    })
}

fn fit_part(member: &Value, kind: &ValidationErrorsKind) -> Option<isize> {
    match (kind, member) {
        (ValidationErrorsKind::Struct(inner), _) => fit(member, inner, &|_| None),
        (ValidationErrorsKind::List(errors), Value::Array(items)) => {
            errors.iter().try_fold(0, |score, (index, errors)| {
                Some(score + fit(items.get(*index)?, errors, &|_| None).unwrap_or(0))
            })
        }
        _ => Some(0),
    }
}

fn could_hold(member: &Value, kind: &ValidationErrorsKind) -> bool {
    let is_container = |value: &Value| value.is_object() || value.is_array();
    match kind {
        ValidationErrorsKind::Field(_) => true,
        ValidationErrorsKind::Struct(_) => member.is_object(),
        ValidationErrorsKind::List(errors) => match member {
            Value::Array(items) => {
                items.iter().filter(|item| is_container(item)).count() >= errors.len()
            }
            Value::Object(members) => {
                members.values().filter(|item| is_container(item)).count() >= errors.len()
            }
            _ => false,
        },
    }
}

/// The submitted value as the rule saw it: for comparing, never for showing.
fn first_value(kind: &ValidationErrorsKind) -> Option<&Value> {
    match kind {
        ValidationErrorsKind::Field(rules) => {
            rules.iter().find_map(|rule| rule.params.get("value"))
        }
        _ => None,
    }
}

/// Equal, or equal numbers written differently, or the text of the number.
fn same(member: &Value, value: &Value) -> bool {
    match (member, value) {
        (Value::Number(a), Value::Number(b)) => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "an f32 field has lost the same digits"
            )]
            let equal = |a: f64, b: f64| a == b || a as f32 == b as f32;
            a == b || a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| equal(a, b))
        }
        (Value::String(text), Value::Number(number)) => *text == number.to_string(),
        _ => member == value,
    }
}

/// Whether two names differ only in case, `_` and `-`, as by `rename_all`.
fn alike(wire: &str, rust: &str) -> bool {
    let plain = |name| {
        str::chars(name)
            .filter(|c| !matches!(c, '_' | '-'))
            .flat_map(char::to_lowercase)
    };
    plain(wire).eq(plain(rust.strip_prefix("r#").unwrap_or(rust)))
}

/// The wire names of a field, several if it has aliases. Grows with the program's types, not with their clients: a name
/// enters only if it proved to be the field's.
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
    let mut learned = LEARNED.lock().unwrap_or_else(PoisonError::into_inner);
    let spots = learned.entry((type_id, rust.join("."))).or_default();
    let is_short = matches!(&spot, Spot::Here)
        || matches!(&spot, Spot::Member(name) if name.len() <= MAX_NAME_BYTES);
    if is_short && spots.len() < MAX_ALIASES && !spots.contains(&spot) {
        spots.push(spot);
    }
}
