use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::firewall::{EncodedSet, FirewallLimits, Refused, check_target};

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

fn table(templates: &[&str]) -> PathTable<()> {
    let mut table = PathTable::new();
    for template in templates {
        table.insert(&pattern(template), ()).unwrap();
    }
    table
}

#[test]
fn two_patterns_for_the_same_paths_are_a_tie() {
    let mut users = table(&["/users/{id}", "/files/{*rest}", "/u/a@b"]);
    for other in ["/users/{user}", "/files/{*path}", "/u/a%40b"] {
        let message = users.insert(&pattern(other), ()).unwrap_err();
        assert!(
            message.contains(&format!("and `{other}` match the same paths")),
            "{message}"
        );
        assert!(users.get_mut(&pattern(other)).is_some(), "{other}");
    }
    let same = pattern("/users").with_same_trailing_slash();
    users.insert(&same, ()).unwrap();
    for other in ["/users", "/users/"] {
        assert!(users.insert(&pattern(other), ()).is_err(), "{other}");
        assert!(users.get_mut(&pattern(other)).is_none(), "{other}");
    }
    assert!(users.get_mut(&same).is_some());
    assert_eq!(users.iter().count(), 4);

    let mut slash = table(&["/users/"]);
    assert!(slash.insert(&same, ()).is_err());
    assert!(
        slash.find("/users").is_none(),
        "a refused pattern leaves nothing behind"
    );
}

#[test]
fn a_slash_at_the_end_counts_unless_the_pattern_says_otherwise() {
    let mut table = PathTable::new();
    for template in ["/", "/a", "/b/", "/c/{id}", "/d/{*rest}"] {
        table
            .insert(&pattern(template).with_same_trailing_slash(), template)
            .unwrap();
    }
    for (path, template) in [
        ("/", Some("/")),
        ("/a", Some("/a")),
        ("/a/", Some("/a")),
        ("/b", Some("/b/")),
        ("/b/", Some("/b/")),
        ("/c/7", Some("/c/{id}")),
        ("/c/7/", Some("/c/{id}")),
        ("/c/", None),
        ("/c", None),
        ("/d", None),
        ("/d/", None),
        ("/d/x/", Some("/d/{*rest}")),
        ("*", None),
        ("", None),
    ] {
        assert_eq!(
            table.find(path).map(|found| found.template),
            template,
            "{path}"
        );
        assert_eq!(
            table.find(path).map(|found| *found.value),
            template,
            "{path}"
        );
    }
}

#[test]
fn a_segment_longer_than_any_literal_is_a_parameter() {
    let literal = "a".repeat(LONGEST_LITERAL - 2);
    let table = table(&[&format!("/é{literal}"), "/{id}"]);
    assert_eq!(
        table.find(&format!("/%C3%A9{literal}")).unwrap().template,
        format!("/é{literal}")
    );
    assert_eq!(
        table.find(&format!("/%C3%A9{literal}a")).unwrap().template,
        "/{id}"
    );
}

#[derive(Deserialize)]
struct Corpus {
    routes: Vec<Route>,
    paths: Vec<Case>,
}

#[derive(Deserialize)]
struct Route {
    template: String,
    #[serde(default)]
    allow_encoded: Vec<String>,
}

#[derive(Deserialize)]
struct Case {
    request: String,
    #[serde(default)]
    pad: usize,
    template: Option<String>,
    refused: Option<String>,
    #[serde(default)]
    unlisted: bool,
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Template(String),
    Refused(String),
    Unlisted,
}

/// The corpus that every framework is held to, in the crate of the conformance suite.
#[test]
fn the_path_corpus_is_decided_as_written() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../palisade-conformance/corpus/paths.toml"
    );
    let corpus: Corpus = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut table = PathTable::new();
    for route in &corpus.routes {
        let allowed = route
            .allow_encoded
            .iter()
            .fold(EncodedSet::NONE, |allowed, entry| {
                allowed | EncodedSet::parse(entry).unwrap()
            });
        table.insert(&pattern(&route.template), allowed).unwrap();
    }
    let decide = |request: &str| -> Result<Outcome, Refused> {
        let target = check_target(request.as_bytes(), &FirewallLimits::default())?;
        let found = table.find(target.path);
        target.refuse_unless(
            found
                .as_ref()
                .map_or(EncodedSet::NONE, |found| *found.value),
        )?;
        Ok(found.map_or(Outcome::Unlisted, |found| {
            Outcome::Template(found.template.into())
        }))
    };
    let wrong: Vec<String> = corpus
        .paths
        .iter()
        .filter_map(|case| {
            let request = format!("{}{}", case.request, "a".repeat(case.pad));
            let expected = match (&case.template, &case.refused, case.unlisted) {
                (Some(template), None, false) => Outcome::Template(template.clone()),
                (None, Some(reason), false) => Outcome::Refused(reason.clone()),
                (None, None, true) => Outcome::Unlisted,
                _ => panic!("`{}` needs one expectation", case.request),
            };
            let found = decide(&request)
                .unwrap_or_else(|refused| Outcome::Refused(refused.reason().into()));
            (found != expected).then(|| format!("{}: {found:?}, not {expected:?}", case.request))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(corpus.paths.len() > 200);
}

/// How specific a pattern is at each segment if it matches, the way one would explain it: smaller is more specific.
fn rank(template: &str, path: &str) -> Option<Vec<u8>> {
    let mut texts = path.split('/');
    let mut ranks = Vec::new();
    for segment in template.split('/') {
        let text = percent_decode_str(texts.next()?).decode_utf8().unwrap();
        let (rank, matches) = match segment {
            "{*r}" => (2, !text.is_empty()),
            "{x}" => (1, !text.is_empty()),
            literal => (0, literal == text),
        };
        if !matches {
            return None;
        }
        ranks.push(rank);
        if rank == 2 {
            return Some(ranks);
        }
    }
    texts.next().is_none().then_some(ranks)
}

fn joined(segments: Vec<&'static str>) -> String {
    format!("/{}", segments.join("/"))
}

fn templates() -> impl Strategy<Value = Vec<String>> {
    let inner = prop::collection::vec(
        prop::sample::select(vec!["a", "b", "a@b", "é", "{x}", "{x}"]),
        0..4,
    );
    let last = prop::sample::select(vec!["a", "b", "", "{x}", "{*r}", "{*r}"]);
    let template = (inner, last).prop_map(|(mut segments, last)| {
        segments.push(last);
        joined(segments)
    });
    prop::collection::vec(template, 1..10)
}

fn paths() -> impl Strategy<Value = Vec<String>> {
    const TEXTS: &[&str] = &[
        "a", "b", "a", "b", "a@b", "a%40b", "é", "%C3%A9", "%c3%a9", "a%2Fb", "c", "",
    ];
    let path = prop::collection::vec(prop::sample::select(TEXTS), 1..6).prop_map(joined);
    prop::collection::vec(path, 8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// 32,000 paths. Parameters share one name here: a name repeated in one pattern is renamed for the table.
    #[test]
    fn the_table_agrees_with_a_naive_matcher(mut templates in templates(), paths in paths()) {
        templates.sort();
        templates.dedup();
        let mut table = PathTable::new();
        for template in &templates {
            let mut number = 0;
            let renamed: String = template
                .split_inclusive("{x")
                .map(|piece| {
                    number += 1;
                    if piece.ends_with("{x") { format!("{piece}{number}") } else { piece.into() }
                })
                .collect();
            table.insert(&pattern(&renamed), template.as_str()).unwrap();
        }
        for path in &paths {
            let expected = templates
                .iter()
                .filter_map(|template| Some((rank(template, path)?, template.as_str())))
                .min();
            let found = table.find(path).map(|found| *found.value);
            prop_assert_eq!(found, expected.map(|(_, template)| template), "{} in {:?}", path, templates);
        }
    }

    /// What a pattern covers, it is above on every path; what it does not overlap, on none.
    #[test]
    fn covering_is_what_holds_on_every_path(one in templates(), paths in paths()) {
        let unnamed = |template: &String| template.matches("{x}").count() < 2;
        let patterns: Vec<(Pattern, &str)> =
            one.iter().filter(|template| unnamed(template)).map(|text| (pattern(text), text.as_str())).collect();
        for (above, _) in &patterns {
            for (other, template) in &patterns {
                for path in paths.iter().filter(|path| rank(template, path).is_some()) {
                    let is_above = above.is_above(path);
                    prop_assert!(is_above || !above.covers(other), "{:?} {:?} {}", above, other, path);
                    prop_assert!(!is_above || above.overlaps(other), "{:?} {:?} {}", above, other, path);
                }
            }
        }
    }
}
