//! Query strings, forms, path parameters.

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize, Validate)]
#[serde(rename_all = "kebab-case")]
struct Page {
    #[serde(default)]
    #[validate(range(min = 1, max = 1000))]
    page_number: Option<u32>,
    #[serde(default)]
    #[validate(length(max = 2))]
    tags: Vec<String>,
    #[serde(default, rename = "q")]
    #[validate(length(max = 5))]
    search: String,
    #[serde(default)]
    exact: bool,
    #[serde(default)]
    sort: Option<Sort>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Sort {
    Up,
    Down,
}

fn refused_query(raw: &[u8]) -> (InvalidKind, Vec<String>) {
    listed(
        query::<Page>(raw)
            .err()
            .unwrap_or_else(|| panic!("accepted: {}", raw.escape_ascii())),
    )
}

#[test]
fn good_queries() {
    let page: Page =
        query(b"page-number=3&tags=a&tags=b%20c&q=%C3%BC+x&exact=true&sort=down&other=1").unwrap();
    assert_eq!(
        (page.page_number, page.search.as_str(), page.exact),
        (Some(3), "ü x", true)
    );
    assert_eq!(
        (page.tags, page.sort),
        (vec!["a".to_owned(), "b c".to_owned()], Some(Sort::Down))
    );
    assert_eq!(query::<Page>(b"tags=a").unwrap().tags, ["a"]);
    assert!(
        query::<Page>(b"page-number=")
            .unwrap()
            .page_number
            .is_none()
    );
    assert!(
        query::<Page>(b"").is_ok() && query::<Page>(b"&&=").is_ok() && query::<Page>(b"q").is_ok()
    );
    assert_eq!(query::<Page>("q=ü".as_bytes()).unwrap().search, "ü");
}

#[test]
fn malformed_text() {
    for raw in [
        &b"q=%"[..],
        b"q=%4",
        b"q=%zz",
        b"%g0=1",
        b"q=%ff",
        b"q=%C3&x=%BC",
        b"q=%C3",
        b"%C3%28=1",
        b"q=\xff",
        b"q=%ED%A0%80",
        b"q=%C0%AF",
    ] {
        let (kind, errors) = refused_query(raw);
        assert_eq!(
            (kind, errors),
            (
                InvalidKind::MalformedBody,
                vec!["query: bad_encoding".into()]
            )
        );
    }
}

#[test]
fn shapes_and_rules_in_text() {
    let cases = [
        ("page-number=x", "query:page-number wrong_type"),
        ("page-number=1.5", "query:page-number wrong_type"),
        ("page-number=-1", "query:page-number out_of_range"),
        ("page-number=99999999999", "query:page-number out_of_range"),
        ("page-number=0", "query:page-number range"),
        ("page-number=1&page-number=2", "query:page-number repeated"),
        ("q=a&q=b", "query:q repeated"),
        ("exact=1", "query:exact wrong_type"),
        ("exact=", "query:exact wrong_type"),
        ("sort=left", "query:sort unknown_variant"),
        ("sort=up&sort=up", "query:sort repeated"),
        ("tags=a&tags=b&tags=c", "query:tags length"),
        ("q=abcdef", "query:q length"),
    ];
    for (raw, expected) in cases {
        assert_eq!(
            refused_query(raw.as_bytes()),
            (InvalidKind::Failed, vec![expected.to_owned()]),
            "{raw}"
        );
    }
    assert_eq!(
        refused_query(b"q=abcdef&page-number=0&tags=1&tags=2&tags=3").1,
        [
            "query:page-number range",
            "query:tags length",
            "query:q length"
        ]
    );
}

#[test]
fn sizes() {
    let many = "q=a&".repeat(MAX_PAIRS);
    assert_eq!(refused_query(many.as_bytes()).1, ["query: too_many_pairs"]);
    let long = format!("x={}", "a".repeat(MAX_QUERY_BYTES));
    assert_eq!(refused_query(long.as_bytes()).1, ["query: too_long"]);
}

#[test]
fn forms() {
    let urlencoded = Some(&b"application/x-www-form-urlencoded"[..]);
    assert_eq!(
        form::<Page>(urlencoded, None, b"q=a%26b").unwrap().search,
        "a&b"
    );
    let kind = |content_type, coding| form::<Page>(content_type, coding, b"q=a").unwrap_err().kind;
    assert_eq!(kind(None, None), InvalidKind::UnsupportedMediaType);
    assert_eq!(
        kind(Some(b"application/json"), None),
        InvalidKind::UnsupportedMediaType
    );
    assert_eq!(
        kind(urlencoded, Some(b"br")),
        InvalidKind::UnsupportedEncoding
    );
    let (kind, errors) = listed(form::<Page>(urlencoded, None, b"page-number=0").unwrap_err());
    assert_eq!(
        (kind, errors),
        (InvalidKind::Failed, vec!["form:page-number range".into()])
    );
}

#[derive(Debug, Deserialize, Validate)]
struct ItemPath {
    #[validate(range(min = 1))]
    id: u32,
    #[serde(rename = "tenant")]
    #[validate(length(min = 3))]
    customer: String,
}

#[test]
fn paths() {
    let good: ItemPath = path(&pairs(&[("tenant", "a&b=%41+ü"), ("id", "7")])).unwrap();
    assert_eq!((good.id, good.customer.as_str()), (7, "a&b=%41+ü"));
    let cases = [
        (
            &[("id", "x"), ("tenant", "abc")][..],
            vec!["path:id wrong_type"],
        ),
        (
            &[("id", "99999999999"), ("tenant", "abc")],
            vec!["path:id out_of_range"],
        ),
        (&[("id", "1")], vec!["path:tenant missing"]),
        (
            &[("id", "0"), ("tenant", "a")],
            vec!["path:id range", "path:tenant length"],
        ),
        (&[], vec!["path:id missing"]),
    ];
    for (parameters, expected) in cases {
        assert_eq!(
            listed(path::<ItemPath>(&pairs(parameters)).unwrap_err()).1,
            expected,
            "{parameters:?}"
        );
    }
}

#[derive(Debug, Deserialize, Validate)]
struct Numbers {
    #[serde(default)]
    #[validate(range(min = 0.0, max = 10.0))]
    wide: Option<f64>,
    #[serde(default)]
    #[validate(range(min = 0.0))]
    narrow: Option<f32>,
    #[serde(default)]
    many: Vec<f64>,
    #[serde(default)]
    pair: Option<(f32, Kilograms)>,
    #[serde(default)]
    by_name: std::collections::BTreeMap<String, f32>,
    #[serde(default)]
    kind: Option<Kind>,
    #[serde(default)]
    label: String,
}

#[derive(Debug, Deserialize)]
struct Kilograms(f64);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Weight(f32),
    Size { of: f32 },
    Inf,
}

#[test]
fn no_text_yields_a_number_that_is_not_finite() {
    for bad in [
        "NaN", "nan", "-NaN", "inf", "-inf", "Infinity", "1e999", "-1e999", "%4EaN",
    ] {
        for name in ["wide", "narrow", "many"] {
            let text = format!("many=1&{name}={bad}");
            for read in [
                query::<Numbers>(text.as_bytes()).err(),
                form::<Numbers>(
                    Some(b"application/x-www-form-urlencoded"),
                    None,
                    text.as_bytes(),
                )
                .err(),
            ] {
                let refused = read.unwrap_or_else(|| panic!("accepted: {text}"));
                assert_eq!(refused.kind, InvalidKind::Failed, "{text}");
                assert_eq!(refused.errors.len(), 1, "{text}");
            }
        }
        let parameters = [("wide".into(), bad.replace("%4E", "N").into())];
        assert!(path::<Numbers>(&parameters).is_err(), "{bad}");
    }
    // More than an f32 can hold.
    assert!(query::<Numbers>(b"narrow=1e39").is_err());
    assert!(query::<Numbers>(b"wide=9.5&narrow=1e38&many=1&many=1e300").is_ok());
    // Words stay words.
    let read = query::<Numbers>(b"label=NaN&kind=inf").unwrap();
    assert_eq!(read.label, "NaN");
    assert!(matches!(read.kind, Some(Kind::Inf)));
}

#[test]
fn no_json_number_becomes_infinite_where_the_target_is_small() {
    let read = read::<Numbers>;
    for (bad, pointer) in [
        (r#"{"narrow":1e39}"#, "#/narrow"),
        (r#"{"pair":[1e300,1]}"#, "#/pair/0"),
        (r#"{"by_name":{"a":1,"b":-1e39}}"#, "#/by_name/b"),
        (r#"{"kind":{"weight":1e39}}"#, "#/kind/weight"),
        (r#"{"kind":{"size":{"of":1e39}}}"#, "#/kind/size/of"),
    ] {
        let found = listed(read(bad).unwrap_err()).1;
        assert!(
            found.len() == 1 && found[0].contains(pointer) && found[0].contains("out_of_range"),
            "{bad}: {found:?}"
        );
    }
    for text in [
        r#"{"wide":"NaN"}"#,
        r#"{"narrow":"1"}"#,
        r#"{"many":["inf"]}"#,
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    let good =
        r#"{"narrow":3e38,"many":[1e300],"pair":[1,1e300],"kind":{"weight":1},"label":"inf"}"#;
    let read = read(good).unwrap();
    assert_eq!(read.many, [1e300]);
    assert_eq!(
        read.pair.map(|(one, Kilograms(two))| (one, two)),
        Some((1.0, 1e300))
    );
    assert_eq!(read.by_name.len(), 0);
    assert!(matches!(read.kind, Some(Kind::Weight(one)) if one == 1.0));
    assert_eq!(read.label, "inf");
    let size = super::read::<Numbers>(r#"{"kind":{"size":{"of":2}}}"#).unwrap();
    assert!(matches!(size.kind, Some(Kind::Size { of }) if of == 2.0));
}
