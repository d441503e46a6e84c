//! What a broken rule says to the client: the rule's own parameters, never the submitted value.

use serde_json::Value;
use validator::ValidationError;

use super::Words;

/// The `message` of the rule if it has one, else words made from its parameters.
pub(super) fn detail(error: &ValidationError) -> Words {
    if let Some(message) = &error.message {
        return message.clone();
    }
    match error.code.as_ref() {
        "length" => length(error),
        "range" => range(error),
        "required" => "is required".into(),
        "email" => "must be an e-mail address".into(),
        "url" => "must be a URL".into(),
        "ip" => "must be an IP address".into(),
        "credit_card" => "must be a card number".into(),
        "must_match" => "must equal the field that it repeats".into(),
        "contains" => "lacks a part that it must contain".into(),
        "does_not_contain" => "contains a part that it must not".into(),
        "non_control_character" => "must not contain control characters".into(),
        "regex" => "does not have the expected form".into(),
        _ => "is not acceptable".into(),
    }
}

fn length(error: &ValidationError) -> Words {
    let bound = |name: &str| error.params.get(name);
    let (have, unit, units, end) = match error.params.get("value") {
        Some(Value::Array(_) | Value::Object(_)) => ("have", "item", "items", ""),
        _ => ("be", "character", "characters", " long"),
    };
    let amount = |n: &Value| format!("{n} {}{end}", if *n == 1 { unit } else { units });
    match (bound("min"), bound("max"), bound("equal")) {
        (.., Some(equal)) => format!("must {have} {}", amount(equal)).into(),
        (Some(min), Some(max), _) => format!("must {have} {min} to {}", amount(max)).into(),
        (Some(min), ..) => format!("must {have} at least {}", amount(min)).into(),
        (_, Some(max), _) => format!("must {have} at most {}", amount(max)).into(),
        _ => "has the wrong length".into(),
    }
}

fn range(error: &ValidationError) -> Words {
    let bounds: Vec<String> = [
        ("min", "at least"),
        ("exclusive_min", "more than"),
        ("max", "at most"),
        ("exclusive_max", "less than"),
    ]
    .into_iter()
    .filter_map(|(name, words)| Some(format!("{words} {}", error.params.get(name)?)))
    .collect();
    if bounds.is_empty() {
        "is out of range".into()
    } else {
        format!("must be {}", bounds.join(" and ")).into()
    }
}
