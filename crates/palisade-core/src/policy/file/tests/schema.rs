//! The schema of a policy file, beside its readers and its reference.

use super::*;
use crate::config::reference;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use toml::de::{DeTable, DeValue};

type Keys = BTreeSet<(String, String)>;

/// Every section and key of a schema; `conditions` hold conditions, which are told once.
fn keys(root: &Value, shape: &Value, path: &str, keys_found: &mut Keys) {
    let beneath = |key: &str| match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    for (key, shape) in shape["properties"].as_object().into_iter().flatten() {
        keys_found.insert((path.to_owned(), key.clone()));
        if !matches!(key.as_str(), "all_of" | "any_of") {
            keys(root, shape, &beneath(key), keys_found);
        }
    }
    if shape["additionalProperties"].is_object() {
        keys_found.insert((path.to_owned(), "NAME".to_owned()));
        keys(
            root,
            &shape["additionalProperties"],
            &beneath("NAME"),
            keys_found,
        );
    }
    keys_of_parts(root, shape, path, keys_found);
}

fn keys_of_parts(root: &Value, shape: &Value, path: &str, keys_found: &mut Keys) {
    let parts = shape["anyOf"].as_array().into_iter().flatten();
    for part in parts.chain(shape.get("items")) {
        keys(root, part, path, keys_found);
    }
    if let Some(name) = shape["$ref"].as_str() {
        keys(root, target(root, name), path, keys_found);
    }
}

fn target<'s>(root: &'s Value, reference: &str) -> &'s Value {
    &root["$defs"][reference.strip_prefix("#/$defs/").unwrap()]
}

/// The places in `value` that do not fit, as keys of the policy file.
fn unfit(root: &Value, shape: &Value, value: &Value, path: &str, places: &mut Vec<String>) {
    let beneath = |key: &str| crate::config::join(path, key);
    let mut wrong = match shape["type"].as_str() {
        None => false,
        Some("string") => !value.is_string(),
        Some("boolean") => !value.is_boolean(),
        Some("integer") => !value.is_i64() && !value.is_u64(),
        Some("array") => !value.is_array(),
        Some("object") => !value.is_object(),
        Some(other) => panic!("{other}"),
    };
    wrong |= shape["enum"]
        .as_array()
        .is_some_and(|words| !words.contains(value));
    if let Some(number) = value.as_i64() {
        wrong |= shape["minimum"]
            .as_i64()
            .is_some_and(|least| number < least);
        wrong |= shape["maximum"].as_i64().is_some_and(|most| number > most);
    }
    if let (Some(text), Some(pattern)) = (value.as_str(), shape["pattern"].as_str()) {
        wrong |= !regex_lite::Regex::new(pattern).unwrap().is_match(text);
    }
    if let Some(parts) = shape["anyOf"].as_array() {
        wrong |= parts.iter().all(|part| {
            let mut inner = Vec::new();
            unfit(root, part, value, path, &mut inner);
            !inner.is_empty()
        });
    }
    if wrong {
        places.push(path.to_owned());
        return;
    }
    if let Some(name) = shape["$ref"].as_str() {
        unfit(root, target(root, name), value, path, places);
    }
    for (index, element) in value.as_array().into_iter().flatten().enumerate() {
        if let Some(items) = shape.get("items") {
            unfit(root, items, element, &format!("{path}[{index}]"), places);
        }
    }
    let Some(members) = value.as_object().filter(|_| shape["type"] == "object") else {
        return;
    };
    for (key, value) in members {
        let shape = shape["properties"]
            .get(key)
            .unwrap_or(&shape["additionalProperties"]);
        match shape {
            Value::Bool(false) => places.push(beneath(key)),
            shape => unfit(root, shape, value, &beneath(key), places),
        }
    }
    let required = shape["required"].as_array().into_iter().flatten();
    let missing = required.filter_map(|key| key.as_str());
    places.extend(
        missing
            .filter(|key| !members.contains_key(*key))
            .map(beneath),
    );
}

fn unfit_places(text: &str) -> Vec<String> {
    let (schema, mut places) = (policy_schema(), Vec::new());
    let (root, _) = DeTable::parse_recoverable(text);
    unfit(&schema, &schema, &table(root.get_ref()), "", &mut places);
    places
}

fn table(table: &DeTable<'_>) -> Value {
    let members = table.iter();
    members
        .map(|(key, own)| (key.get_ref().to_string(), plain(own.get_ref())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => json!(text),
        DeValue::Integer(number) => number
            .as_str()
            .parse::<i64>()
            .map_or(json!(0.5), Value::from),
        DeValue::Float(number) => json!(number.as_str().parse::<f64>().unwrap()),
        DeValue::Boolean(flag) => json!(flag),
        DeValue::Datetime(moment) => json!(moment.to_string()),
        DeValue::Array(list) => list.iter().map(|own| plain(own.get_ref())).collect(),
        DeValue::Table(own) => table(own),
    }
}

#[test]
fn the_reference_and_the_schema_know_the_same_keys() {
    let mut read = Keys::new();
    keys(&policy_schema(), &policy_schema(), "", &mut read);
    let documented = reference::rows().map(|row| (row.section.to_owned(), row.key.to_owned()));
    // A table with a heading of its own need not be a row as well.
    let has_heading = |(section, key): &(String, String)| {
        let path = crate::config::join(section, key);
        let named = format!("{path}.NAME");
        [&path, &named].iter().any(|path| {
            DOCS.contains(&format!("\n## `[{path}]")) || DOCS.contains(&format!("\n## `[[{path}]"))
        })
    };
    let documented: Keys = documented.filter(|key| !has_heading(key)).collect();
    let read: Keys = read.into_iter().filter(|key| !has_heading(key)).collect();
    assert_eq!(documented, read);
}

#[test]
fn every_key_has_a_description() {
    let schema = policy_schema();
    let described = |value: &Value| value["description"].as_str().map(str::to_owned);
    assert_eq!(
        described(&schema["properties"]["firewall"]["properties"]["max_target"]).as_deref(),
        Some("size of path and query; more is 414 (default: `8192`)")
    );
    assert!(described(&schema["$defs"]["conditions"]["properties"]["scope"]).is_some());
    assert!(described(&schema["properties"]["rule"]["items"]["properties"]["path"]).is_some());
    assert!(
        schema["properties"]["headers"]["properties"]["set"]["additionalProperties"].is_object()
    );
}

#[test]
fn what_the_reader_reads_fits_the_schema() {
    assert_eq!(unfit_places(WHOLE), [""; 0]);
    assert_eq!(unfit_places(""), [""; 0]);
    let example = DOCS.split("```toml\n").nth(1).unwrap();
    assert_eq!(unfit_places(example.split("```").next().unwrap()), [""; 0]);
}

/// What stands alone in a policy is a setting in its description, under the same key.
#[test]
fn the_description_of_a_policy_has_every_setting_of_the_schema() {
    let text = "resource = 'https://api.example.com'\n[cors]\norigins = ['https://a.example.com']\n\
        [security_txt]\ncontact = 'mailto:a@example.com'\nexpires = 2027-06-01T00:00:00Z";
    let palisade = crate::Palisade::from_toml_str(text).unwrap();
    let settings = palisade.describe().settings;
    let is_lone = |shape: &Value| shape["type"] != "array" || shape["items"]["type"] != "object";
    let is_named = |shape: &Value| shape["additionalProperties"].is_object();
    for (key, shape) in policy_schema()["properties"].as_object().unwrap() {
        if !is_lone(shape) || is_named(shape) {
            continue;
        }
        let own = settings
            .get(key)
            .unwrap_or_else(|| panic!("no setting {key}"));
        for inner in shape["properties"].as_object().into_iter().flatten() {
            assert!(own.get(inner.0).is_some(), "no setting {key}.{}", inner.0);
        }
    }
}

/// Mistakes that no schema can find: date-times are texts to it, and it does not know what a
/// text means.
const BEYOND: &[&str] = &[
    "version",
    "limit[0].by",
    "api_key.partners.key[0].expires",
    "api_key.partners.key[1].expires",
    "rule[2].require",
];

#[test]
fn what_the_reader_refuses_does_not_fit_the_schema() {
    let places = unfit_places(BROKEN);
    let mistakes = Policy::from_toml_str(BROKEN)
        .unwrap()
        .take_mistakes()
        .into_error();
    let within = |inner: &str, outer: &str| {
        let rest = inner.strip_prefix(outer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let alike = |one: &str, other: &str| within(one, other) || within(other, one);
    for mistake in mistakes.mistakes() {
        let found = places.iter().any(|place| alike(&mistake.key, place));
        let beyond = BEYOND.contains(&mistake.key.as_str());
        assert!(found != beyond, "{mistake}: found {found}");
    }
    for place in &places {
        let mut mistakes = mistakes.mistakes().iter();
        assert!(
            mistakes.any(|mistake| alike(&mistake.key, place)),
            "{place}"
        );
    }
}
