//! What a policy file may hold, as its readers ask for it: JSON Schema (draft 2020-12).
//!
//! The readers themselves are run, over a table that answers nothing, and each key they ask for
//! is noted with what it takes. So the schema cannot disagree with them.

use super::reference;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The keys of one table.
#[derive(Debug, Default)]
pub(super) struct Outline {
    properties: Map<String, Value>,
    required: Vec<&'static str>,
    /// What keys of the user's choice take.
    any: Option<Value>,
    /// Shapes that are used in several places, in themselves too; null while they are made.
    shared: BTreeMap<&'static str, Value>,
}

impl Outline {
    /// Notes a key of the table at `path`, and what the reference says about it.
    pub(super) fn note(&mut self, path: &str, key: &str, mut shape: Value) {
        if let (Some(text), Some(shape)) = (reference::meaning(path, key), shape.as_object_mut()) {
            shape.insert("description".to_owned(), text.into());
        }
        self.properties.insert(key.to_owned(), shape);
    }

    /// Notes that the table must have the key.
    pub(super) fn require(&mut self, key: &'static str) {
        self.required.push(key);
    }

    /// Notes what keys of the user's choice take.
    pub(super) fn note_any(&mut self, shape: Value) {
        self.any = Some(shape);
    }

    /// The outline of a table beneath this one; [`adopt`](Self::adopt) takes it back.
    pub(super) fn beneath(&mut self) -> Self {
        Self {
            shared: std::mem::take(&mut self.shared),
            ..Self::default()
        }
    }

    /// The shape of a table beneath this one.
    pub(super) fn adopt(&mut self, mut inner: Self) -> Value {
        self.shared = std::mem::take(&mut inner.shared);
        inner.shape()
    }

    /// Whether the shape of this name has yet to be made.
    pub(super) fn lacks(&mut self, name: &'static str) -> bool {
        let lacks = !self.shared.contains_key(name);
        self.shared.entry(name).or_default();
        lacks
    }

    /// Gives the shape of this name.
    pub(super) fn share(&mut self, name: &'static str, shape: Value) {
        self.shared.insert(name, shape);
    }

    /// The schema of the whole file.
    pub(super) fn into_schema(mut self) -> Value {
        let shared = std::mem::take(&mut self.shared);
        let mut schema = self.shape();
        if let Some(members) = schema.as_object_mut() {
            let dialect = "https://json-schema.org/draft/2020-12/schema";
            members.insert("$schema".to_owned(), dialect.into());
            members.insert("title".to_owned(), "Palisade policy".into());
            members.insert("$defs".to_owned(), json!(shared));
        }
        schema
    }

    fn shape(self) -> Value {
        let mut shape = json!({
            "type": "object",
            "additionalProperties": self.any.unwrap_or(Value::Bool(false)),
        });
        if let Some(members) = shape.as_object_mut() {
            if !self.properties.is_empty() {
                members.insert("properties".to_owned(), self.properties.into());
            }
            if !self.required.is_empty() {
                members.insert("required".to_owned(), json!(self.required));
            }
        }
        shape
    }
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn texts() -> Value {
    json!({ "anyOf": [text(), list(text())] })
}

/// A list with at least one element.
pub(super) fn some_texts() -> Value {
    json!({ "anyOf": [text(), { "type": "array", "items": text(), "minItems": 1 }] })
}

pub(super) fn boolean() -> Value {
    json!({ "type": "boolean" })
}

/// A whole number that fits `N`.
pub(super) fn unsigned<N: TryFrom<u64>>() -> Value {
    let mut shape = json!({ "type": "integer", "minimum": 0 });
    let ends = [u8::MAX.into(), u16::MAX.into(), u64::from(u32::MAX)];
    let end = ends.into_iter().find(|end| N::try_from(end + 1).is_err());
    if let (Some(end), Some(members)) = (end, shape.as_object_mut()) {
        members.insert("maximum".to_owned(), end.into());
    }
    shape
}

pub(super) fn size() -> Value {
    measured("B|kB|MB|KiB|MiB")
}

pub(super) fn seconds() -> Value {
    measured("s|m|min|h|d")
}

fn measured(units: &str) -> Value {
    let pattern = format!(r"^\s*[0-9]+\s*({units})?\s*$");
    json!({ "anyOf": [unsigned::<u64>(), { "type": "string", "pattern": pattern }] })
}

/// TOML has date-times of its own, which tools show to a schema as texts.
pub(super) fn datetime() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

pub(super) fn secret() -> Value {
    json!({ "type": "string", "pattern": "^(env|file):." })
}

pub(super) fn words<T>(choices: &[(&str, T)]) -> Value {
    let words: Vec<_> = choices.iter().map(|&(word, _)| word).collect();
    json!({ "enum": words })
}

pub(super) fn list(element: Value) -> Value {
    json!({ "type": "array", "items": element })
}

/// One of these words, or a table of the shared shape `name`.
pub(super) fn words_or_shared<T>(choices: &[(&str, T)], name: &str) -> Value {
    json!({ "anyOf": [words(choices), { "$ref": format!("#/$defs/{name}") }] })
}
