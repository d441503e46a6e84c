use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
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
        slash.insert(&pattern("/users"), ()).is_ok(),
        "a refused pattern leaves nothing behind"
    );
}

/// The template that a path is certain to fall under; `Err`: there is none such.
fn certain<'t, T>(table: &'t PathTable<T>, path: &str) -> Result<Option<&'t str>, ()> {
    let found = table.find(path).map_err(|_| ())?;
    Ok(found.map(|found| found.template))
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
        ("/d/x/", Some("/d/{*rest}")),
        ("*", None),
        ("", None),
    ] {
        assert_eq!(certain(&table, path), Ok(template), "{path}");
        let found = table.find(path).unwrap();
        assert_eq!(found.map(|found| *found.value), template, "{path}");
    }
    assert_eq!(
        certain(&table, "/d/"),
        Err(()),
        "a wildcard may match nothing"
    );
}

/// Each line is a kind of path by which a request reached a route under the rule of another one.
#[test]
fn a_path_that_two_routers_read_in_two_ways_is_ambiguous() {
    let ambiguous = |templates: &[&str], path: &str| certain(&table(templates), path).is_err();
    for (templates, path) in [
        (&["/u/@me", "/u/{id}"][..], "/u/%40me"),
        (&["/u/@me", "/u/@me/{x}", "/u/{id}/{x}"], "/u/%40me/7"),
        (&["/u/@me"], "/u/%40me"),
        (&["/p/a+b/{x}", "/p/{a}/{x}"], "/p/a%2Bb/77"),
        (&["/ü", "/{x}"], "/%c3%bc"),
        (&["/a[b", "/{x}"], "/a[b"),
        (&["/{*rest}", "/admin"], "/admin/"),
        (&["/{*rest}", "/admin/{*rest}"], "/admin/"),
        (&["/admin"], "/admin/"),
        (&["/admin/{*rest}"], "/admin/"),
        (&["/{*rest}"], "/"),
        (&["/{x}/", "/admin"], "/admin/"),
        (&["/u/{id}", "/u/@me/"], "/u/%40me/"),
    ] {
        assert!(ambiguous(templates, path), "{templates:?} {path}");
    }
    for (templates, path) in [
        (&["/u/@me", "/u/{id}"][..], "/u/@me"),
        (&["/u/@me", "/u/{id}"], "/u/%40you"),
        (&["/ü", "/{x}"], "/%C3%BC"),
        (&["/100%25", "/{x}"], "/100%25"),
        (&["/a b", "/{x}"], "/a%20b"),
        (&["/a/{*rest}", "/a/b c"], "/a/b%20d/"),
        (&["/{*rest}", "/"], "/"),
        (&["/{*rest}", "/admin", "/admin/"], "/admin/"),
        (&["/{x}/", "/{x}"], "/admin/"),
        (&["/{*rest}"], "/admin/"),
    ] {
        assert!(!ambiguous(templates, path), "{templates:?} {path}");
    }
}

#[test]
fn a_route_is_covered_by_the_most_specific_pattern_for_all_its_paths() {
    use crate::rule::template::TemplateSyntax;
    let table = table(&[
        "/",
        "/u/@me",
        "/u/{id}",
        "/u/{id}/",
        "/f/{*rest}",
        "/{*rest}",
        "/ü/{x}",
    ]);
    for (syntax, route, covering) in [
        (TemplateSyntax::Axum, "/", Some("/")),
        (TemplateSyntax::Axum, "/u/@me", Some("/u/@me")),
        (TemplateSyntax::Axum, "/u/{name}", Some("/u/{id}")),
        (TemplateSyntax::Axum, "/u/{name}/", Some("/u/{id}/")),
        (TemplateSyntax::Axum, "/u/%40me", Some("/u/{id}")),
        (TemplateSyntax::Axum, "/u", Some("/{*rest}")),
        (TemplateSyntax::Axum, "/f/{a}/{b}", Some("/f/{*rest}")),
        (TemplateSyntax::Axum, "/%C3%BC/{x}", Some("/ü/{x}")),
        (TemplateSyntax::Actix, "/ü/{x}", Some("/ü/{x}")),
        (TemplateSyntax::Actix, "/u/{id:\\d+}", Some("/u/{id}")),
        (TemplateSyntax::Actix, "/u/{id:.+}", Some("/{*rest}")),
        (TemplateSyntax::Poem, "/u/v:id", Some("/u/{id}")),
        (TemplateSyntax::Poem, "/u/*rest", Some("/{*rest}")),
    ] {
        let place = table.covering(&RouteTemplate::parse(route, syntax));
        let found = place.and_then(|place| table.at(place));
        assert_eq!(found.map(|found| found.template), covering, "{route}");
    }
}

#[test]
fn a_segment_longer_than_any_literal_is_a_parameter() {
    let literal = "a".repeat(LONGEST_LITERAL - 2);
    let table = table(&[&format!("/é{literal}"), "/{id}"]);
    assert_eq!(
        certain(&table, &format!("/%C3%A9{literal}")),
        Ok(Some(format!("/é{literal}").as_str()))
    );
    assert_eq!(
        certain(&table, &format!("/%C3%A9{literal}a")),
        Ok(Some("/{id}"))
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
        let Ok(found) = table.find(target.path) else {
            return Ok(Outcome::Refused("ambiguous_path".into()));
        };
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

/// A way to read a path: whether a literal is what a segment says, and whether a wildcard may match nothing.
type Way = (fn(&str, &str) -> bool, bool);

const SENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'@').remove(b'+');

fn as_sent(literal: &str, segment: &str) -> bool {
    utf8_percent_encode(literal, SENT).to_string() == segment
}

fn decoded(literal: &str, segment: &str) -> bool {
    percent_decode_str(segment).decode_utf8().unwrap() == literal
}

/// actix-web decodes all but a few codes; of these, only the plus sign stands in literals here.
fn partly(literal: &str, segment: &str) -> bool {
    decoded(literal, segment) && !segment.to_ascii_lowercase().contains("%2b")
}

/// How specific a pattern is at each segment if it matches, the way one would explain it: smaller is more specific.
fn rank(template: &str, path: &str, (is_literal, empty): Way) -> Option<Vec<u8>> {
    let mut texts = path.split('/');
    let mut ranks = Vec::new();
    for segment in template.split('/') {
        let text = texts.next()?;
        let (rank, matches) = match segment {
            "{*r}" => (
                2,
                !text.is_empty() || (empty && texts.clone().next().is_none()),
            ),
            "{x}" => (1, !text.is_empty()),
            literal => (0, is_literal(literal, text)),
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

/// The most specific template, by one way to read the path.
fn best<'t>(templates: &'t [String], path: &str, way: Way) -> Option<&'t str> {
    let ranked = templates
        .iter()
        .filter_map(|template| Some((rank(template, path, way)?, template.as_str())));
    Some(ranked.min()?.1)
}

/// Whether all ways to read a path lead to one template.
fn expected<'t>(templates: &'t [String], path: &str) -> Result<Option<&'t str>, ()> {
    let ways: [fn(&str, &str) -> bool; 3] = [as_sent, partly, decoded];
    let first = best(templates, path, (as_sent, false));
    let mut others = Vec::new();
    for way in ways {
        others.push(best(templates, path, (way, false)));
    }
    let differs = |other: &Option<&str>| *other != first;
    if others.iter().any(differs) {
        return Err(());
    }
    let Some(stem) = path.strip_suffix('/') else {
        return Ok(first);
    };
    for way in ways {
        let mut others = vec![best(templates, path, (way, true))];
        if !stem.is_empty() {
            others.push(best(templates, stem, (way, false)));
        }
        for other in others.into_iter().filter(differs) {
            let listed = first.filter(|first| first.ends_with('/'));
            let kinds = |template: &str| -> Vec<u8> {
                let kind = |text| match text {
                    "{*r}" => 2,
                    "{x}" => 1,
                    _ => 0,
                };
                template.trim_matches('/').split('/').map(kind).collect()
            };
            let is_first = |listed| other.is_none_or(|other| kinds(listed) <= kinds(other));
            if !listed.is_some_and(is_first) {
                return Err(());
            }
        }
    }
    Ok(first)
}

fn joined(segments: Vec<&'static str>) -> String {
    format!("/{}", segments.join("/"))
}

fn templates() -> impl Strategy<Value = Vec<String>> {
    let inner = prop::collection::vec(
        prop::sample::select(vec!["a", "b", "a@b", "a+b", "é", "{x}", "{x}"]),
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
        "a", "b", "a", "b", "a@b", "a%40b", "é", "%C3%A9", "%c3%a9", "a%2Fb", "c", "", "a+b",
        "a%2Bb",
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
            let found = table.find(path).map(|found| found.map(|found| *found.value)).map_err(|_| ());
            prop_assert_eq!(found, expected(&templates, path), "{} in {:?}", path, templates);
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
                for path in paths.iter().filter(|path| rank(template, path, (decoded, false)).is_some()) {
                    let is_above = above.is_above(path);
                    prop_assert!(is_above || !above.covers(other), "{:?} {:?} {}", above, other, path);
                    prop_assert!(!is_above || above.overlaps(other), "{:?} {:?} {}", above, other, path);
                }
            }
        }
    }
}
