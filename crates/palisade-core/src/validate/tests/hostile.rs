//! PITFALLS 45: no input panics, and no refusal holds a submitted value.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

#[derive(Debug, Deserialize, Validate)]
#[serde(rename_all = "camelCase")]
struct Everything {
    #[validate(length(max = 5), email)]
    user_name: String,
    #[validate(range(min = 10, max = 20))]
    age: Option<u8>,
    #[validate(range(min = 0.5))]
    ratio: Option<f64>,
    #[validate(nested, length(max = 3))]
    lines: Option<Vec<Part>>,
    #[serde(default, rename = "x-map")]
    #[validate(nested)]
    parts: HashMap<String, Part>,
    #[serde(default)]
    #[allow(dead_code, reason = "only its shape matters")]
    choice: Option<Choice>,
    #[serde(flatten)]
    #[validate(nested)]
    flat: Part,
    #[serde(default)]
    #[validate(must_match(other = user_name))]
    again: String,
}

#[derive(Debug, Clone, Deserialize, serde::Serialize, Validate)]
struct Part {
    #[serde(default)]
    #[validate(length(min = 1, max = 4), contains(pattern = "@"))]
    note: String,
    #[serde(default, rename = "q")]
    #[validate(range(max = 3))]
    qty: i64,
    #[serde(default)]
    #[validate(nested)]
    below: Vec<Part>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Choice {
    #[allow(dead_code, reason = "only its shape matters")]
    Number(i8),
    #[allow(dead_code, reason = "only its shape matters")]
    Name { name: String },
}

#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default)]
    #[validate(length(max = 3))]
    a: String,
    #[serde(default)]
    #[validate(range(max = 3))]
    b: Option<i16>,
    #[serde(default, rename = "c-d")]
    #[validate(length(max = 1))]
    c: Vec<String>,
    #[serde(default)]
    #[validate(length(max = 2))]
    e: BTreeMap<String, String>,
}

const MARKER: &str = "s3cr3t-MARKER";

/// Every body made by putting the marker (or something with it) at one place of a valid or half-valid document.
fn planted(document: &Value) -> Vec<Value> {
    let mut found = vec![
        json!(MARKER),
        json!([MARKER]),
        json!(77_777_123_u64),
        json!(-77_777_123),
        json!(77777.123),
    ];
    match document {
        Value::Object(members) => {
            for (name, member) in members {
                for changed in planted(member) {
                    let mut members = members.clone();
                    members.insert(name.clone(), changed);
                    found.push(Value::Object(members));
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                for changed in planted(item) {
                    let mut items = items.clone();
                    items[index] = changed;
                    found.push(Value::Array(items));
                }
            }
        }
        _ => {}
    }
    found
}

fn assert_silent(refused: &Invalid, input: &str) {
    let shown = format!(
        "{} {refused:?} {refused}",
        serde_json::to_string(&refused.errors).unwrap()
    );
    for secret in [MARKER, "77777", "Everything", "Part", "u8", "i64", "struct"] {
        // The kind for a mistake of the program names the type: it is for logs.
        let hidden =
            !shown.contains(secret) || matches!(refused.kind, InvalidKind::Unmappable { .. });
        assert!(hidden, "{secret} in {shown}\nfor {input}");
    }
}

#[test]
fn no_submitted_value_is_echoed() {
    let documents = [
        json!({"userName": "a@b.c", "age": 15, "ratio": 1.0, "lines": [{"note": "@", "q": 1, "below": [{"note": "@"}]}],
            "x-map": {"k": {"note": "@"}}, "choice": {"name": "n"}, "note": "@", "q": 0, "below": [], "again": "a@b.c"}),
        json!({"userName": "", "age": 1, "lines": [{"q": 9}], "x-map": {"k": {"q": 9}}, "choice": 1, "again": "x"}),
    ];
    let mut refusals = 0;
    for body in documents.iter().flat_map(planted) {
        let body = body.to_string();
        if let Err(refused) = read::<Everything>(&body) {
            assert_silent(&refused, &body);
            assert!(
                !matches!(refused.kind, InvalidKind::Unmappable { .. }),
                "{body}"
            );
            refusals += 1;
        }
    }
    assert!(refusals > 100, "{refusals}");
    for broken in [
        format!("{{\"userName\":\"{MARKER}"),
        MARKER.to_owned(),
        format!("[\"{MARKER}\",]"),
    ] {
        assert_silent(&read::<Everything>(&broken).unwrap_err(), &broken);
    }
    for raw in [
        "a=M",
        "b=M",
        "c-d=M&c-d=M",
        "a=M&a=M",
        "b=M&b=M",
        "e=M",
        "a=M%",
        "b=77777123",
        "a=%ff&b=M",
    ] {
        let raw = raw.replace('M', MARKER);
        assert_silent(&query::<Text>(raw.as_bytes()).unwrap_err(), &raw);
        assert_silent(
            &form::<Text>(
                Some(b"application/x-www-form-urlencoded"),
                None,
                raw.as_bytes(),
            )
            .unwrap_err(),
            &raw,
        );
    }
    for name in ["a", "b"] {
        assert_silent(&path::<Text>(&pairs(&[(name, MARKER)])).unwrap_err(), name);
    }
}

#[test]
fn names_of_members_are_shown_cut_and_escaped() {
    let body = json!({"userName": "a@b.c", "x-map": {"<script>\"\u{0}\u{202e}".repeat(20): {"q": 9}}, "note": "@"});
    let refused = read::<Everything>(&body.to_string()).unwrap_err();
    let shown = serde_json::to_string(&refused.errors).unwrap();
    assert!(
        shown.is_ascii() && !shown.contains('<') && shown.len() < 800,
        "{shown}"
    );
}

#[test]
fn a_refusal_of_a_large_body_names_a_hundred_mistakes() {
    let part = json!({"note": "", "q": 9, "below": [{"note": "", "q": 9}]});
    let map: serde_json::Map<String, Value> = (0..1_000)
        .map(|n| (format!("k{n}"), part.clone()))
        .collect();
    let body =
        json!({"userName": "x", "lines": vec![part; 3], "x-map": map, "note": ""}).to_string();
    let refused = read::<Everything>(&body).unwrap_err();
    assert_eq!((refused.errors.len(), refused.truncated), (100, true));
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("userName"),
        Just("age"),
        Just("lines"),
        Just("x-map"),
        Just("note"),
        Just("q"),
        Just("below"),
        Just("choice"),
        Just("name"),
        Just("again"),
        Just("user_name"),
        Just("a/~b"),
        Just(""),
        Just("qty"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5_i64..30).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[@a-z]{0,6}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(word.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Bodies that nearly fit, so that rules are reached and not only shapes.
fn near_json() -> impl Strategy<Value = Value> {
    let part = ("[@a]{0,6}", -5_i64..9).prop_map(|(note, q)| json!({"note": note, "q": q}));
    let part = (part.clone(), prop::collection::vec(part, 0..3)).prop_map(|(mut part, below)| {
        part["below"] = below.into();
        part
    });
    let map = prop::collection::hash_map("[a-c/~ü]{0,3}", part.clone(), 0..4);
    (
        "[@a.]{0,8}",
        any::<Option<u8>>(),
        prop::option::of(prop::collection::vec(part.clone(), 0..5)),
        map,
        part,
        "[@a.]{0,2}",
    )
        .prop_map(|(user, age, lines, map, mut flat, again)| {
            flat["userName"] = user.into();
            flat["age"] = age.into();
            flat["lines"] = lines.into();
            flat["x-map"] = json!(map);
            flat["again"] = again.into();
            flat
        })
}

/// Follows a pointer as a client would.
fn resolves(body: &Value, pointer: &str) -> bool {
    let Some(path) = pointer.strip_prefix('#') else {
        return false;
    };
    let mut bytes = Vec::new();
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    body.pointer(std::str::from_utf8(&bytes).unwrap()).is_some()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2 * ProptestConfig::default().cases, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let limits = JsonLimits::default();
        let _ = json::<Everything>(Some(b"application/json"), None, &bytes, &limits);
        let _ = json::<Everything>(Some(&bytes), Some(&bytes), b"{}", &limits);
        let _ = query::<Text>(&bytes);
        let _ = form::<Text>(Some(b"application/x-www-form-urlencoded"), None, &bytes);
    }

    #[test]
    fn random_json_like_text_never_panics(text in r#"[\[\]{}",:\\u0-9a-f .eE+-]{0,80}"#) {
        let _ = read::<Everything>(&text);
        let _ = read::<Vec<Part>>(&text);
    }

    #[test]
    fn random_json_never_panics_and_agrees_with_serde(body in any_json()) {
        let text = body.to_string();
        let shape_fits = serde_json::from_str::<Everything>(&text).is_ok();
        match read::<Everything>(&text) {
            Ok(_) => prop_assert!(shape_fits),
            Err(refused) => {
                let unmappable = matches!(refused.kind, InvalidKind::Unmappable { .. });
                prop_assert!(!unmappable, "{refused:?}");
                prop_assert!(!refused.errors.is_empty());
            }
        }
    }

    #[test]
    fn broken_rules_point_at_members_that_exist(body in near_json()) {
        let text = body.to_string();
        let value: Everything = serde_json::from_str(&text).unwrap();
        match read::<Everything>(&text) {
            Ok(_) => prop_assert!(value.validate().is_ok()),
            Err(refused) => {
                prop_assert!(value.validate().is_err());
                prop_assert_eq!(&refused.kind, &InvalidKind::Failed);
                for error in &refused.errors {
                    let Place::Pointer(pointer) = &error.place else { panic!("{error:?}") };
                    prop_assert!(pointer != "#" && resolves(&body, pointer), "{error:?} in {text}");
                }
                // Two readings tell the same, though the collections iterate differently.
                prop_assert_eq!(&refused, &read::<Everything>(&text).unwrap_err());
            }
        }
    }

    #[test]
    fn random_pairs_never_panic(pairs in prop::collection::vec(("[abe]|c-d|\\PC{0,4}", any::<String>()), 0..6)) {
        let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let from_path = path::<Text>(&pairs);
        let encoded = serde_html_form::to_string(&pairs).unwrap();
        let from_query = query::<Text>(encoded.as_bytes());
        prop_assert_eq!(from_path.is_ok(), from_query.is_ok());
        if let Err(refused) = from_query {
            prop_assert_eq!(refused.kind, InvalidKind::Failed);
        }
    }
}
