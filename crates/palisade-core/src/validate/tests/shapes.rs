//! The gates before the rules: media type, syntax, shape.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Strict {
    user_name: String,
    age: u8,
    #[serde(default)]
    ratio: f32,
    #[serde(default)]
    lines: Vec<Line>,
    #[serde(default)]
    by_name: BTreeMap<String, Line>,
    #[serde(default)]
    by_number: BTreeMap<u16, Line>,
    #[serde(default)]
    role: Option<Role>,
    #[serde(default)]
    pair: Option<(u8, u8)>,
    #[serde(default)]
    flag: bool,
    #[serde(default, alias = "mail")]
    email: Option<String>,
}

#[derive(Debug, Deserialize, Validate)]
struct Line {
    #[allow(dead_code, reason = "only its shape matters")]
    qty: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Admin,
    Custom(#[allow(dead_code, reason = "only its shape matters")] Line),
}

#[test]
fn a_good_body() {
    let good: Strict = read(
        r#" {"userName":"ann","age":30,"lines":[{"qty":1}],"byName":{"a":{"qty":2}},"byNumber":{"7":{"qty":3}},
        "role":{"custom":{"qty":1}},"pair":[1,2],"ratio":1,"flag":true,"mail":"x"} "#,
    )
    .unwrap();
    assert_eq!(
        (
            good.user_name.as_str(),
            good.age,
            good.lines.len(),
            good.by_number.len()
        ),
        ("ann", 30, 1, 1)
    );
    assert!(good.flag && good.by_name.contains_key("a") && good.pair == Some((1, 2)));
    assert!(
        good.email.is_some() && good.ratio == 1.0 && matches!(good.role, Some(Role::Custom(_)))
    );
    assert!(matches!(
        read::<Strict>(r#"{"userName":"ann","age":3,"role":"admin"}"#)
            .unwrap()
            .role,
        Some(Role::Admin)
    ));
}

#[test]
fn media_types_and_encodings_are_judged_before_the_body() {
    let kind = |content_type: Option<&[u8]>, coding: Option<&[u8]>| {
        json::<Line>(content_type, coding, b"{", &JsonLimits::default())
            .unwrap_err()
            .kind
    };
    assert_eq!(kind(None, None), InvalidKind::UnsupportedMediaType);
    assert_eq!(
        kind(Some(b"text/plain"), None),
        InvalidKind::UnsupportedMediaType
    );
    assert_eq!(
        kind(Some(b"application/json"), Some(b"gzip")),
        InvalidKind::UnsupportedEncoding
    );
    assert_eq!(
        kind(Some(b"application/json"), Some(b"identity")),
        InvalidKind::MalformedBody
    );
}

#[test]
fn the_first_shape_error_with_its_pointer() {
    let ok = r#""userName":"a","age":1"#;
    let cases = [
        ("{}".into(), "#/userName missing"),
        (r#"{"userName":"a"}"#.into(), "#/age missing"),
        (r#"{"userName":5,"age":1}"#.into(), "#/userName wrong_type"),
        (
            r#"{"userName":null,"age":1}"#.into(),
            "#/userName wrong_type",
        ),
        (r#"{"userName":"a","age":"1"}"#.into(), "#/age wrong_type"),
        (r#"{"userName":"a","age":256}"#.into(), "#/age out_of_range"),
        (r#"{"userName":"a","age":-1}"#.into(), "#/age out_of_range"),
        (r#"{"userName":"a","age":1.5}"#.into(), "#/age wrong_type"),
        (
            format!(r#"{{{ok},"isAdmin":true}}"#),
            "#/isAdmin unknown_field",
        ),
        (
            format!(r#"{{{ok},"user_name":"b"}}"#),
            "#/user_name unknown_field",
        ),
        (format!(r#"{{{ok},"a/b~":1}}"#), "#/a~1b~0 unknown_field"),
        (format!(r#"{{{ok},"lines":{{}}}}"#), "#/lines wrong_type"),
        (
            format!(r#"{{{ok},"lines":[{{"qty":1}},{{"qty":"x"}},{{}}]}}"#),
            "#/lines/1/qty wrong_type",
        ),
        (
            format!(r#"{{{ok},"lines":[{{"qty":1}},{{}}]}}"#),
            "#/lines/1/qty missing",
        ),
        (format!(r#"{{{ok},"lines":[7]}}"#), "#/lines/0 wrong_type"),
        (
            format!(r#"{{{ok},"byName":{{"a/b":{{"qty":"x"}}}}}}"#),
            "#/byName/a~1b/qty wrong_type",
        ),
        (
            format!(r#"{{{ok},"byNumber":{{"7":{{"qty":"x"}}}}}}"#),
            "#/byNumber/7/qty wrong_type",
        ),
        (
            format!(r#"{{{ok},"role":"root"}}"#),
            "#/role unknown_variant",
        ),
        (format!(r#"{{{ok},"role":5}}"#), "#/role wrong_type"),
        (
            format!(r#"{{{ok},"role":{{"custom":{{"qty":"x"}}}}}}"#),
            "#/role/custom/qty wrong_type",
        ),
        (
            format!(r#"{{{ok},"role":{{"custom":{{}},"admin":{{}}}}}}"#),
            "#/role wrong_type",
        ),
        (format!(r#"{{{ok},"pair":[1]}}"#), "#/pair wrong_length"),
        (format!(r#"{{{ok},"pair":[1,2,3]}}"#), "#/pair wrong_length"),
        (format!(r#"{{{ok},"flag":1}}"#), "#/flag wrong_type"),
        (
            format!(r#"{{{ok},"email":"a","mail":"b"}}"#),
            "#/email repeated",
        ),
        ("[]".into(), "# wrong_length"),
        ("5".into(), "# wrong_type"),
        ("null".into(), "# wrong_type"),
    ];
    for (body, expected) in cases {
        assert_eq!(
            refused::<Strict>(&body),
            (InvalidKind::Failed, vec![expected.to_owned()]),
            "{body}"
        );
    }
}

#[test]
fn a_number_that_is_no_map_key_is_refused_without_its_name() {
    let (kind, errors) =
        refused::<Strict>(r#"{"userName":"a","age":1,"byNumber":{"x":{"qty":1}}}"#);
    assert_eq!(kind, InvalidKind::Failed);
    assert!(errors[0].starts_with("#/byNumber"), "{errors:?}");
}

#[test]
fn unknown_names_are_cut() {
    let body = format!(r#"{{"userName":"a","age":1,"{}":1}}"#, "n".repeat(500));
    assert_eq!(
        refused::<Strict>(&body).1,
        [format!("#/{} unknown_field", "n".repeat(64))]
    );
}

#[test]
fn details_say_what_would_be_right_in_the_wires_terms() {
    let detail = |body: &str| read::<Strict>(body).unwrap_err().errors.remove(0).detail;
    assert_eq!(detail(r#"{"userName":5}"#), "must be a string");
    assert_eq!(detail(r#"{"age":"x"}"#), "must be a whole number");
    assert_eq!(detail(r#"{"ratio":"x"}"#), "must be a number");
    assert_eq!(detail(r#"{"lines":1}"#), "must be an array");
    assert_eq!(detail(r#"{"lines":[1]}"#), "must be an object");
    assert_eq!(detail(r#"{"byName":1}"#), "must be an object");
    assert_eq!(detail(r#"{"flag":1}"#), "must be true or false");
    assert_eq!(detail(r#"{"pair":1}"#), "must be an array");
    assert_eq!(detail("{}"), "is required");
}

#[derive(Debug, Deserialize, Validate)]
struct Outer {
    #[allow(dead_code, reason = "only its shape matters")]
    id: u8,
    #[serde(flatten)]
    #[allow(dead_code, reason = "only its shape matters")]
    inner: Inner,
}

#[derive(Debug, Deserialize, Validate)]
struct Inner {
    #[allow(dead_code, reason = "only its shape matters")]
    note: String,
    #[allow(dead_code, reason = "only its shape matters")]
    size: u8,
}

#[test]
fn flattened_members_have_pointers_too() {
    assert_eq!(
        refused::<Outer>(r#"{"id":1,"size":2}"#).1,
        ["#/note missing"]
    );
    assert_eq!(
        refused::<Outer>(r#"{"note":"a","size":2}"#).1,
        ["#/id missing"]
    );
    assert_eq!(
        refused::<Outer>(r#"{"id":1,"note":5,"size":2}"#).1,
        ["#/note wrong_type"]
    );
    assert_eq!(
        refused::<Outer>(r#"{"id":1,"note":"a","size":300}"#).1,
        ["#/size out_of_range"]
    );
    // Two mistakes inside the buffer: no single replacement mends it, the object is as near as it gets.
    assert_eq!(
        refused::<Outer>(r#"{"id":1,"note":5,"size":300}"#).1,
        ["# wrong_type"]
    );
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind")]
enum Event {
    Made { size: u8 },
}

impl Validate for Event {
    fn validate(&self) -> Result<(), validator::ValidationErrors> {
        let Self::Made { size } = self;
        if *size > 100 {
            Err(validator::ValidationErrors::new())
        } else {
            Ok(())
        }
    }
}

#[test]
fn tagged_enums() {
    assert!(read::<Event>(r#"{"kind":"Made","size":1}"#).is_ok());
    assert_eq!(refused::<Event>(r#"{"size":1}"#).1, ["#/kind missing"]);
    assert_eq!(refused::<Event>(r#"{"kind":"Made"}"#).1, ["#/size missing"]);
    assert_eq!(
        refused::<Event>(r#"{"kind":"Made","size":"x"}"#).1,
        ["#/size wrong_type"]
    );
    assert_eq!(
        refused::<Event>(r#"{"kind":"Gone","size":1}"#).1,
        ["#/kind unknown_variant"]
    );
    assert_eq!(
        refused::<Event>(r#"{"kind":"Made","size":101}"#),
        (InvalidKind::Failed, vec![])
    );
}

#[test]
fn duplicates_are_refused_even_where_serde_would_take_the_last() {
    let body = r#"{"userName":"a","age":1,"byName":{"a":{"qty":1},"a":{"qty":2}}}"#;
    assert_eq!(
        refused::<Strict>(body),
        (
            InvalidKind::MalformedBody,
            vec!["#/byName/a duplicate_member".into()]
        )
    );
    let ignored = r#"{"id":1,"note":"a","size":1,"x":{"y":1,"\u0079":2}}"#;
    assert_eq!(
        refused::<Outer>(ignored),
        (
            InvalidKind::MalformedBody,
            vec!["#/x/y duplicate_member".into()]
        )
    );
}
