//! Which part of an input explains which broken rules, judged by names and values.

use serde_json::Value;
use validator::{ValidationErrors, ValidationErrorsKind};

use super::names::Spot;

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

pub(super) fn could_hold(member: &Value, kind: &ValidationErrorsKind) -> bool {
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
pub(super) fn first_value(kind: &ValidationErrorsKind) -> Option<&Value> {
    match kind {
        ValidationErrorsKind::Field(rules) => {
            rules.iter().find_map(|rule| rule.params.get("value"))
        }
        _ => None,
    }
}

/// Equal, or equal numbers written differently, or the text of the number.
pub(super) fn same(member: &Value, value: &Value) -> bool {
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
pub(super) fn alike(wire: &str, rust: &str) -> bool {
    let plain = |name| {
        str::chars(name)
            .filter(|c| !matches!(c, '_' | '-'))
            .flat_map(char::to_lowercase)
    };
    plain(wire).eq(plain(rust.strip_prefix("r#").unwrap_or(rust)))
}
