//! From the broken rules that `validator` reports to errors in the wire's names and order.

use std::any::type_name;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;
use validator::{Validate, ValidationErrors, ValidationErrorsKind};

use super::fit::fit;
use super::names::{ITEMS, Names, Spot};
use super::place::{FieldError, Source, Step};
use super::retry::fingerprint;
use super::tree::{Node, Shapes};
use super::{Invalid, InvalidKind, MAX_ERRORS, validated, wording};

/// `errors` are the broken rules of the `T` that was read from `tree`.
pub(super) fn explain<T>(tree: &Value, errors: &ValidationErrors, source: Source) -> Invalid
where
    T: DeserializeOwned + Validate + 'static,
{
    let read = |tree: &Value, shapes: &Shapes| {
        T::deserialize(Node {
            value: tree,
            text: source.is_text(),
            shapes,
        })
        .ok()
    };
    let retry = |tree: &Value| match validated(&read(tree, &Shapes::default())?)? {
        Ok(()) => Some(ValidationErrors::new()),
        Err(errors) => Some(errors),
    };
    let shapes = Shapes::default();
    // Only for the names that it leaves in `shapes`.
    drop(read(tree, &shapes));

    let mut report = Report {
        source,
        names: Names::new::<T>(tree, &shapes, errors, &retry),
        shapes: &shapes,
        steps: Vec::new(),
        rust: Vec::new(),
        errors: Vec::new(),
        truncated: false,
    };
    match report.walk(Some(tree), errors) {
        Ok(()) => Invalid {
            kind: InvalidKind::Failed,
            errors: report.errors,
            truncated: report.truncated,
        },
        Err(Unknown(field)) => Invalid::unmappable(type_name::<T>(), field),
    }
}

type Items = BTreeMap<usize, Box<ValidationErrors>>;

/// Items of a map times broken items in it: how many pairs are compared at most.
const MAX_COMPARISONS: usize = 20_000;

/// The Rust path of a field that the wire does not know.
struct Unknown(String);

/// One walk over the errors, beside the tree they were found in. A part that is absent from the tree (a default) is
/// `None`: everything below it is reported where it would stand.
struct Report<'a> {
    source: Source,
    names: Names<'a>,
    shapes: &'a Shapes,
    steps: Vec<Step>,
    rust: Vec<&'a str>,
    errors: Vec<FieldError>,
    truncated: bool,
}

impl<'a> Report<'a> {
    fn walk(&mut self, node: Option<&Value>, errors: &'a ValidationErrors) -> Result<(), Unknown> {
        let mut fields = Vec::with_capacity(errors.errors().len());
        for (rust_name, kind) in errors.errors() {
            let spot = self.spot(node, rust_name, kind)?;
            fields.push((self.position(node, &spot), spot, rust_name, kind));
        }
        fields.sort_by(|a, b| (a.0, &a.1, a.2).cmp(&(b.0, &b.1, b.2)));
        for (_, spot, rust_name, kind) in fields {
            let is_items = rust_name == ITEMS;
            if !is_items {
                self.rust.push(rust_name);
            }
            match spot {
                Spot::Here => self.part(node, kind)?,
                Spot::Member(name) => {
                    let member = node.and_then(|node| node.get(&name));
                    self.step(Step::Member(name), |report| report.part(member, kind))?;
                }
            }
            if !is_items {
                self.rust.pop();
            }
        }
        Ok(())
    }

    fn part(
        &mut self,
        node: Option<&Value>,
        kind: &'a ValidationErrorsKind,
    ) -> Result<(), Unknown> {
        match kind {
            ValidationErrorsKind::Struct(inner) => return self.walk(node, inner),
            ValidationErrorsKind::List(items) => return self.items(node, items),
            ValidationErrorsKind::Field(rules) => {
                for rule in rules {
                    if self.errors.len() == MAX_ERRORS {
                        self.truncated = true;
                        break;
                    }
                    self.errors.push(self.source.error(
                        &self.steps,
                        rule.code.clone(),
                        wording::detail(rule),
                    ));
                }
            }
        }
        Ok(())
    }

    /// `validator` counts items as its collection iterates. For a list that is the place on the wire.
    fn items(&mut self, node: Option<&Value>, items: &'a Items) -> Result<(), Unknown> {
        let entries: Vec<(Step, &Value)> = match node {
            Some(Value::Array(values)) => values
                .iter()
                .enumerate()
                .map(|(i, v)| (Step::Item(i), v))
                .collect(),
            Some(Value::Object(members)) => members
                .iter()
                .map(|(n, v)| (Step::Member(n.clone()), v))
                .collect(),
            _ => {
                return items
                    .values()
                    .try_for_each(|errors| self.walk(None, errors));
            }
        };
        let Some(Value::Array(values)) = node else {
            return self.unordered(node, &entries, items);
        };
        let is_list = items.iter().all(|(index, errors)| {
            values
                .get(*index)
                .is_some_and(|value| fit(value, errors, &|_| None).is_some())
        });
        if !is_list {
            return self.unordered(node, &entries, items);
        }
        for (index, errors) in items {
            if self.truncated {
                break;
            }
            self.step(Step::Item(*index), |report| {
                report.walk(values.get(*index), errors)
            })?;
        }
        Ok(())
    }

    /// In a set or a map only the values tell which item is meant.
    fn unordered(
        &mut self,
        node: Option<&Value>,
        entries: &[(Step, &'_ Value)],
        items: &'a Items,
    ) -> Result<(), Unknown> {
        let mut left: Vec<(usize, &'a ValidationErrors)> =
            items.iter().map(|(i, errors)| (*i, &**errors)).collect();
        left.sort_by_cached_key(|(_, errors)| fingerprint(errors));
        let most = (MAX_COMPARISONS / entries.len().max(1)).clamp(16, MAX_ERRORS + 1);
        let is_cut = left.len() > most;
        left.truncate(most);

        let fields: BTreeMap<&'a str, &'a ValidationErrors> = left
            .iter()
            .flat_map(|(_, errors)| {
                errors
                    .errors()
                    .keys()
                    .map(move |field| (field.as_ref(), *errors))
            })
            .collect();
        for errors in fields.values() {
            self.names.prepare(entries, &self.steps, &self.rust, errors);
        }
        let known: BTreeMap<&str, Spot> = fields
            .into_keys()
            .filter_map(|field| {
                let path: Vec<&str> = self.rust.iter().copied().chain([field]).collect();
                Some((field, self.names.known(&path)?))
            })
            .collect();
        let known = |field: &str| known.get(field).cloned();

        for (step, value) in entries {
            if left.is_empty() || self.truncated {
                break;
            }
            let best = left
                .iter()
                .enumerate()
                .filter_map(|(at, (_, errors))| Some((fit(value, errors, &known)?, Reverse(at))))
                .max()
                .filter(|(score, _)| *score > 0);
            if let Some((_, Reverse(at))) = best {
                let (_, errors) = left.remove(at);
                self.step(step.clone(), |report| report.walk(Some(value), errors))?;
            }
        }
        // No item explains what is left: its values were changed while they were read.
        for (index, errors) in left {
            match node.and_then(|node| node.get(index)) {
                Some(value) => {
                    self.step(Step::Item(index), |report| report.walk(Some(value), errors))?
                }
                None => self.walk(None, errors)?,
            }
        }
        self.truncated |= is_cut;
        Ok(())
    }

    fn step(
        &mut self,
        step: Step,
        then: impl FnOnce(&mut Self) -> Result<(), Unknown>,
    ) -> Result<(), Unknown> {
        self.steps.push(step);
        let result = then(self);
        self.steps.pop();
        result
    }

    fn spot(
        &mut self,
        node: Option<&Value>,
        rust_name: &'a str,
        kind: &ValidationErrorsKind,
    ) -> Result<Spot, Unknown> {
        // Rules of a whole struct stand under this name.
        if rust_name == "__all__" || rust_name == ITEMS {
            return Ok(Spot::Here);
        }
        let Some(node) = node else {
            return Ok(Spot::Here);
        };
        self.rust.push(rust_name);
        let found = self.names.find(node, &self.steps, &self.rust, kind);
        let path = self.rust.join(".");
        self.rust.pop();
        found.ok_or(Unknown(path))
    }

    /// Declared order; what the declaration does not tell comes last, by name.
    fn position(&self, node: Option<&Value>, spot: &Spot) -> usize {
        let Spot::Member(name) = spot else {
            return usize::MAX;
        };
        node.and_then(|node| self.shapes.of(node))
            .and_then(|names| names.iter().position(|declared| declared == name))
            .unwrap_or(usize::MAX)
    }
}
