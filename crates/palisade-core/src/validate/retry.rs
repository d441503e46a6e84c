//! Changing a refused input and reading it again: what is changed, how often, and what the rules then say otherwise.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use validator::{ValidationErrors, ValidationErrorsKind};

use super::names::ITEMS;
use super::place::Step;

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

    pub(super) fn is_spent(&self) -> bool {
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
pub(super) fn variants(value: Option<&Value>) -> Vec<Value> {
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
pub(super) enum Change {
    None,
    Vanished,
    New,
}

/// Compares the values that the rules at and below `rust` complain about, whatever the item they stand in.
pub(super) fn compare(
    before: &ValidationErrors,
    after: &ValidationErrors,
    rust: &[&str],
) -> Change {
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
