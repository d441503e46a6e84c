//! PITFALLS 44: broken rules stand under the wire's names, all at once, in order, whatever `validator` calls them.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;
use validator::{ValidationError, ValidationErrors};

use super::*;

#[derive(Debug, Deserialize, Validate)]
struct Probe {
    #[serde(rename = "postCode")]
    #[validate(length(min = 3))]
    post_code: String,
    #[validate(nested)]
    lines: Vec<Line>,
    #[serde(flatten)]
    #[validate(nested)]
    extra: Extra,
}

#[derive(
    Debug, Clone, Deserialize, serde::Serialize, Validate, PartialEq, Eq, Hash, PartialOrd, Ord,
)]
struct Line {
    #[validate(range(min = 1))]
    qty: i64,
}

#[derive(Debug, Deserialize, Validate)]
struct Extra {
    #[serde(default)]
    #[validate(length(min = 2))]
    note: String,
}

#[test]
fn renamed_nested_and_flattened() {
    let body = r#"{"postCode":"a","lines":[{"qty":1},{"qty":0},{"qty":-1}],"note":""}"#;
    assert_eq!(
        broken::<Probe>(body),
        [
            "#/note length",
            "#/lines/1/qty range",
            "#/lines/2/qty range",
            "#/postCode length"
        ]
    );
    // A member that is absent from an object with flattened parts stays at the object.
    assert_eq!(
        broken::<Probe>(r#"{"postCode":"abc","lines":[]}"#),
        ["# length"]
    );
    assert_eq!(
        broken::<Probe>(r#"{"postCode":"","lines":[],"note":""}"#),
        ["#/note length", "#/postCode length"]
    );
}

#[derive(Debug, Deserialize, Validate)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
struct Cases {
    #[validate(length(min = 1))]
    given_name: String,
    #[validate(length(min = 1))]
    r#type: String,
    #[validate(length(min = 1))]
    x2_y: String,
}

#[test]
fn rename_all_keeps_the_declared_order() {
    let body = r#"{"X2-Y":"","TYPE":"","GIVEN-NAME":""}"#;
    for _ in 0..20 {
        assert_eq!(
            broken::<Cases>(body),
            ["#/GIVEN-NAME length", "#/TYPE length", "#/X2-Y length"]
        );
    }
}

#[derive(Debug, Deserialize, Validate)]
struct German {
    #[serde(rename = "plz")]
    #[validate(length(equal = 5))]
    post_code: String,
    #[serde(rename = "ort")]
    #[validate(length(min = 2))]
    city: String,
    #[serde(rename = "alter")]
    #[validate(range(max = 150))]
    age: u8,
    #[serde(rename = "positionen")]
    #[validate(nested)]
    lines: Vec<Line>,
    #[serde(rename = "adresse")]
    #[validate(nested)]
    home: Option<Box<Home>>,
    #[serde(rename = "anrede", default)]
    #[validate(required)]
    title: Option<String>,
}

#[derive(Debug, Deserialize, Validate)]
struct Home {
    #[serde(rename = "strasse")]
    #[validate(length(min = 1))]
    street: String,
}

#[test]
fn names_that_share_nothing_with_rusts_are_learned() {
    let body =
        r#"{"plz":"","ort":"","alter":200,"positionen":[{"qty":0}],"adresse":{"strasse":""}}"#;
    let expected = [
        "#/plz length",
        "#/ort length",
        "#/alter range",
        "#/positionen/0/qty range",
        "#/adresse/strasse length",
        "#/anrede required",
    ];
    for _ in 0..3 {
        assert_eq!(broken::<German>(body), expected);
    }
}

#[derive(Debug, Deserialize, Validate)]
struct Swapped {
    #[serde(rename = "last")]
    #[validate(length(min = 2))]
    first: String,
    #[serde(rename = "first")]
    #[validate(length(min = 3, code = "other"))]
    last: String,
}

#[test]
fn even_swapped_names_with_equal_values() {
    assert_eq!(
        broken::<Swapped>(r#"{"first":"","last":""}"#),
        ["#/last length", "#/first other"]
    );
    assert_eq!(
        broken::<Swapped>(r#"{"first":"abc","last":"a"}"#),
        ["#/last length"]
    );
}

#[derive(Debug, Deserialize, Validate)]
struct Aliased {
    #[serde(alias = "plz")]
    #[validate(length(min = 3))]
    post_code: String,
}

#[test]
fn an_alias_is_the_name_that_was_sent() {
    assert_eq!(
        broken::<Aliased>(r#"{"post_code":"a"}"#),
        ["#/post_code length"]
    );
    assert_eq!(broken::<Aliased>(r#"{"plz":"a"}"#), ["#/plz length"]);
    assert_eq!(
        broken::<Aliased>(r#"{"post_code":""}"#),
        ["#/post_code length"]
    );
}

#[derive(Debug, Deserialize, Validate)]
struct Collections {
    #[serde(default)]
    #[validate(nested)]
    by_name: HashMap<String, Line>,
    #[serde(default)]
    #[validate(nested)]
    sorted: BTreeMap<u32, Line>,
    #[serde(default)]
    #[validate(nested)]
    set: HashSet<Line>,
    #[serde(default)]
    #[validate(nested)]
    grid: Vec<Vec<Line>>,
    #[serde(default)]
    #[validate(nested)]
    maybe: Option<Vec<Line>>,
    #[serde(default)]
    #[validate(length(min = 2))]
    few: Option<Vec<Line>>,
    #[serde(default)]
    #[validate(length(max = 1), nested)]
    both: Vec<Line>,
}

#[test]
fn items_of_every_collection() {
    for _ in 0..10 {
        assert_eq!(
            broken::<Collections>(
                r#"{"by_name":{"a":{"qty":0},"b":{"qty":5},"c/d":{"qty":-1},"e":{"qty":0}}}"#
            ),
            [
                "#/by_name/a/qty range",
                "#/by_name/c~1d/qty range",
                "#/by_name/e/qty range"
            ]
        );
        assert_eq!(
            broken::<Collections>(r#"{"set":[{"qty":3},{"qty":0},{"qty":4}]}"#),
            ["#/set/1/qty range"]
        );
    }
    assert_eq!(
        broken::<Collections>(r#"{"sorted":{"10":{"qty":0},"9":{"qty":1}}}"#),
        ["#/sorted/10/qty range"]
    );
    assert_eq!(
        broken::<Collections>(r#"{"grid":[[{"qty":1}],[{"qty":1},{"qty":0}]]}"#),
        ["#/grid/1/1/qty range"]
    );
    assert_eq!(
        broken::<Collections>(r#"{"maybe":[{"qty":0}]}"#),
        ["#/maybe/0/qty range"]
    );
    assert_eq!(
        broken::<Collections>(r#"{"few":[{"qty":0}]}"#),
        ["#/few length"]
    );
    // A rule and `nested` on one field: built without a panic, the rule wins.
    assert_eq!(
        broken::<Collections>(r#"{"both":[{"qty":0},{"qty":0}]}"#),
        ["#/both length"]
    );
    assert_eq!(
        broken::<Collections>(r#"{"both":[{"qty":0}]}"#),
        ["#/both/0/qty range"]
    );
}

#[derive(Debug, Deserialize, Validate)]
struct Deep {
    #[validate(nested)]
    a: Option<Level>,
}

#[derive(Debug, Deserialize, Validate)]
#[validate(schema(function = ordered, skip_on_field_errors = false))]
struct Level {
    #[serde(rename = "from")]
    #[validate(range(min = 0))]
    start: i64,
    #[validate(range(min = 0))]
    to: i64,
    #[validate(nested)]
    next: Option<Box<Level>>,
    #[serde(default = "nothing")]
    #[validate(nested)]
    absent: Line,
}

fn nothing() -> Line {
    Line { qty: 0 }
}

fn ordered(level: &Level) -> Result<(), ValidationError> {
    if level.start <= level.to {
        Ok(())
    } else {
        Err(ValidationError::new("order"))
    }
}

#[test]
fn two_level_errors_do_not_panic_and_defaults_have_a_place() {
    let body = r#"{"a":{"from":5,"to":-1,"absent":{"qty":1},"next":{"from":1,"to":2,"next":{"from":-9,"to":-8}}}}"#;
    assert_eq!(
        broken::<Deep>(body),
        [
            "#/a/to range",
            "#/a/next/next/from range",
            "#/a/next/next/to range",
            "#/a/next/next/absent range",
            "#/a/next/absent range",
            "#/a order",
        ]
    );
}

#[derive(Debug, Deserialize, Validate)]
struct Signup {
    #[validate(custom(function = rules::username))]
    name: String,
    #[validate(email, length(max = 10))]
    mail: String,
    #[validate(custom(function = rules::password_strength))]
    password: String,
    #[validate(must_match(other = password, message = "must repeat the password"))]
    repeat: String,
    #[validate(custom(function = rules::age))]
    age: Option<u8>,
    #[validate(custom(function = rules::age))]
    years: i64,
    #[validate(custom(function = known))]
    roles: Vec<String>,
    #[validate(custom(function = rules::name))]
    full_name: Option<String>,
}

fn known(roles: &[String]) -> Result<(), ValidationError> {
    rules::each_of(roles, &["admin", "user", "guest"])
}

#[test]
fn all_rules_at_once_with_their_words() {
    let body = r#"{"name":"x y","mail":"nobody in particular","password":"a","repeat":"aa","age":200,"years":-1,
        "roles":["user","root"],"full_name":" "}"#;
    let errors = read::<Signup>(body).unwrap_err().errors;
    let errors: Vec<(String, String)> = errors
        .into_iter()
        .map(|error| match error.place {
            Place::Pointer(pointer) => (
                format!("{pointer} {}", error.code),
                error.detail.into_owned(),
            ),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        (
            "#/name username",
            "must be 3 to 50 letters A-Z a-z, digits, `_` or `-`",
        ),
        ("#/mail length", "must be at most 10 characters long"),
        ("#/mail email", "must be an e-mail address"),
        (
            "#/password password_strength",
            "must have at least 8 characters, an upper-case letter, a digit, a character that is neither letter nor \
             digit",
        ),
        ("#/repeat must_match", "must repeat the password"),
        ("#/age age", "must be 0 to 150"),
        ("#/years age", "must be 0 to 150"),
        ("#/roles one_of", "must be one of admin, user, guest"),
        (
            "#/full_name name",
            "must be 1 to 100 characters, not only white space, without control characters",
        ),
    ];
    assert_eq!(
        errors,
        expected.map(|(place, words)| (place.to_owned(), words.to_owned()))
    );
}

#[derive(Debug, Deserialize, Validate)]
struct Worded {
    #[validate(length(min = 1))]
    a: Vec<u8>,
    #[validate(length(equal = 2))]
    b: String,
    #[validate(range(exclusive_min = 0.5, max = 2.0))]
    c: f64,
    #[validate(length(max = 3))]
    d: String,
    #[validate(range(min = 10))]
    e: u8,
    #[validate(url)]
    f: String,
    #[validate(contains(pattern = "needle"))]
    g: String,
    #[validate(ip)]
    h: String,
}

#[test]
fn words_come_from_the_rules_parameters() {
    let body = r#"{"a":[],"b":"","c":0.5,"d":"abcd","e":9,"f":"x","g":"hay","h":"1.2.3"}"#;
    let details: Vec<_> = read::<Worded>(body)
        .unwrap_err()
        .errors
        .into_iter()
        .map(|error| error.detail)
        .collect();
    assert_eq!(
        details,
        [
            "must have at least 1 item",
            "must be 2 characters long",
            "must be more than 0.5 and at most 2.0",
            "must be at most 3 characters long",
            "must be at least 10",
            "must be a URL",
            "lacks a part that it must contain",
            "must be an IP address",
        ]
    );
}

#[test]
fn at_most_a_hundred_errors() {
    let body = |n: usize| format!(r#"{{"maybe":[{}]}}"#, vec![r#"{"qty":0}"#; n].join(","));
    let exact = read::<Collections>(&body(100)).unwrap_err();
    assert_eq!((exact.errors.len(), exact.truncated), (100, false));
    let over = read::<Collections>(&body(5_000)).unwrap_err();
    assert_eq!((over.errors.len(), over.truncated), (100, true));
    assert_eq!(
        over.errors[99].place,
        Place::Pointer("#/maybe/99/qty".into())
    );
}

#[derive(Debug, Deserialize, Validate)]
struct Skipped {
    #[serde(skip)]
    #[validate(length(min = 1))]
    internal: String,
    #[allow(dead_code, reason = "a neighbour that must not be blamed")]
    other: String,
}

#[test]
fn a_rule_that_no_client_can_keep_is_the_programs_mistake() {
    for body in [r#"{"other":""}"#, r#"{"other":"x"}"#] {
        let (kind, errors) = refused::<Skipped>(body);
        assert!(matches!(kind, InvalidKind::Unmappable { type_name, field }
            if type_name.ends_with("Skipped") && field == "internal"));
        assert!(errors.is_empty());
    }
}

#[derive(Debug, Deserialize, Validate)]
struct Huge {
    #[validate(range(max = 10))]
    n: u128,
}

#[test]
fn a_panic_inside_validator_is_caught() {
    assert_eq!(broken::<Huge>(r#"{"n":11}"#), ["#/n range"]);
    let refused = read::<Huge>(r#"{"n":340282366920938463463374607431768211455}"#).unwrap_err();
    assert!(
        matches!(refused.kind, InvalidKind::Unmappable { .. }),
        "{refused:?}"
    );
}

#[derive(Debug, Deserialize, Validate)]
struct Bare {
    #[allow(dead_code, reason = "validator ignores it: that is the point")]
    lines: Vec<Line>,
}

#[test]
fn a_nested_struct_without_nested_is_not_checked() {
    assert!(read::<Bare>(r#"{"lines":[{"qty":0}]}"#).is_ok());
    assert_eq!(
        broken::<Collections>(r#"{"both":[{"qty":0}]}"#),
        ["#/both/0/qty range"]
    );
}

#[derive(Debug, Deserialize)]
struct ByHand {
    #[serde(rename = "weight")]
    mass: f32,
}

impl Validate for ByHand {
    fn validate(&self) -> Result<(), ValidationErrors> {
        let mut errors = ValidationErrors::new();
        if self.mass < 0.25 {
            errors.add("mass", ValidationError::new("light"));
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }
}

#[test]
fn rules_written_by_hand_carry_no_value_and_are_placed_too() {
    assert_eq!(broken::<ByHand>(r#"{"weight":0.1}"#), ["#/weight light"]);
    assert_eq!(
        broken::<Vec<ByHand>>(r#"[{"weight":1},{"weight":0.2}]"#),
        ["#/1/weight light"]
    );
}

#[derive(Debug, Deserialize, Validate)]
struct Trimmed {
    #[serde(rename = "label", deserialize_with = "trimmed")]
    #[validate(length(min = 2))]
    title: String,
    #[allow(dead_code, reason = "a neighbour that must not be blamed")]
    neighbour: String,
}

fn trimmed<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(String::deserialize(deserializer)?.trim().to_owned())
}

#[test]
fn values_that_change_while_they_are_read() {
    assert_eq!(
        broken::<Trimmed>(r#"{"label":"  a ","neighbour":"a"}"#),
        ["#/label length"]
    );
}

#[derive(Debug, Deserialize, Validate)]
struct FlatRenamed {
    #[serde(rename = "posten")]
    #[validate(nested)]
    lines: Vec<Line>,
    #[serde(rename = "zuhause")]
    #[validate(nested)]
    home: Home,
    #[serde(rename = "notiz")]
    #[validate(length(min = 1))]
    note: String,
    #[serde(flatten)]
    #[validate(length(max = 2))]
    rest: HashMap<String, String>,
}

#[test]
fn renamed_members_beside_a_flattened_map() {
    let body =
        r#"{"posten":[{"qty":0}],"zuhause":{"strasse":""},"notiz":"","x":"1","y":"2","z":"3"}"#;
    assert_eq!(
        broken::<FlatRenamed>(body),
        [
            "# length",
            "#/notiz length",
            "#/posten/0/qty range",
            "#/zuhause/strasse length"
        ]
    );
}
