//! What the crates depend on: core on no framework, adapters on core alone, nobody on what `deny.toml` forbids.
//!
//! cargo-deny checks licences, bans and sources better, where it is installed. This is for where it is not.

use std::collections::BTreeSet;

use super::tree::{ADAPTERS, assert_none, file, shipped_crates};
use crate::step::cargo;

/// Frameworks, runtimes and what opens sockets, by the name or the beginning of the name.
const NOT_IN_CORE: [&str; 18] = [
    "actix",
    "async-io",
    "async-std",
    "axum",
    "h2",
    "hyper",
    "mio",
    "poem",
    "redis",
    "reqwest",
    "rocket",
    "rustls",
    "smol",
    "socket2",
    "sqlx",
    "tokio",
    "tower",
    "warp",
];

#[test]
fn core_has_no_framework_runtime_or_socket() {
    let wrong = |package| {
        let mut packages = dependencies(package, "{p}");
        packages.retain(|package| NOT_IN_CORE.iter().any(|name| is_or_begins(package, name)));
        packages.into_iter().collect()
    };
    assert_none(wrong("palisade-core"), "core decides and does nothing else");
    let seen: Vec<_> = wrong("palisade-tower");
    assert!(!seen.is_empty(), "an adapter has what core must not have");
}

#[test]
fn adapters_depend_on_core_alone() {
    for adapter in ADAPTERS {
        let ours: Vec<_> = dependencies(adapter, "{p}")
            .into_iter()
            .filter_map(|package| Some(package.split_once(' ')?.0.to_owned()))
            .filter(|name| name.starts_with("palisade-") && name != adapter)
            .collect();
        assert_eq!(ours, ["palisade-core"], "{adapter}");
    }
}

/// PITFALLS 14, PITFALLS 46.
#[test]
fn shipped_crates_depend_on_nothing_banned() {
    let bans = list("deny", "crate = ");
    assert!(bans.iter().any(|ban| ban == "ring"), "{bans:?}");
    let wrong = shipped_dependencies("{p}")
        .into_iter()
        .filter(|package| bans.iter().any(|ban| is_banned(package, ban)))
        .collect();
    assert_none(wrong, "deny.toml bans");
}

#[test]
fn shipped_crates_have_allowed_licences() {
    let allowed = list("allow", "");
    assert!(allowed.iter().any(|licence| licence == "MIT"));
    let wrong = shipped_dependencies("{p}: {l}")
        .into_iter()
        .filter(|package| {
            let licence = package.rsplit(": ").next().unwrap_or_default();
            !is_allowed(licence, &allowed)
        })
        .collect();
    assert_none(wrong, "deny.toml does not allow the licence of");
}

#[test]
fn every_dependency_comes_from_crates_io() {
    let lock = file("Cargo.lock");
    let wrong = lock
        .text
        .lines()
        .filter(|line| line.starts_with("source = "))
        .filter(|line| !line.contains("\"registry+https://github.com/rust-lang/crates.io-index\""))
        .map(str::to_owned)
        .collect();
    assert_none(wrong, "Cargo.lock names another source");
}

fn shipped_dependencies(format: &str) -> BTreeSet<String> {
    let crates = shipped_crates();
    crates
        .iter()
        .flat_map(|name| dependencies(name, format))
        .collect()
}

/// What a build of `package` with all features takes in, itself included, as `NAME vVERSION`.
fn dependencies(package: &str, format: &str) -> BTreeSet<String> {
    let mut tree = cargo();
    tree.args(["tree", "--locked", "--all-features", "--prefix=none"]);
    tree.args(["--edges=normal,build", "--package", package]);
    tree.args(["--format", format]);
    let output = tree.output().expect("cargo starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(|line| line.trim_end_matches(" (*)"));
    lines.map(str::to_owned).collect()
}

/// The quoted texts of the list `key` in `deny.toml` that follow `before`.
fn list(key: &str, before: &str) -> Vec<String> {
    let deny = file("deny.toml").text;
    let start = format!("\n{key} = [\n");
    let (_, list) = deny
        .split_once(&start)
        .unwrap_or_else(|| panic!("deny.toml has no list `{key}`"));
    let (list, _) = list.split_once("\n]").expect("the list has an end");
    let quoted = |line: &str| {
        let (_, text) = line.split_once(&format!("{before}\""))?;
        Some(text.split_once('"')?.0.to_owned())
    };
    list.lines().filter_map(quoted).collect()
}

/// `tokio` is, and `tokio-util` begins with, `tokio`; `tokioless` does neither.
fn is_or_begins(package: &str, name: &str) -> bool {
    let rest = package.strip_prefix(name);
    rest.is_some_and(|rest| rest.starts_with([' ', '-', '_']))
}

/// `ban` is a name, or a name and the first version that is not banned: `h2:<0.4`.
fn is_banned(package: &str, ban: &str) -> bool {
    let (name, below) = ban.split_once(":<").unwrap_or((ban, ""));
    let Some(version) = package
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix(" v"))
    else {
        return false;
    };
    below.is_empty() || major_and_minor(version) < major_and_minor(below)
}

fn major_and_minor(version: &str) -> Vec<u64> {
    let parts = version.split(['.', ' ']).take(2);
    parts.filter_map(|part| part.parse().ok()).collect()
}

/// One alternative of every part must be allowed. Where `OR` contains `AND` this asks for too much, never for too little.
fn is_allowed(licence: &str, allowed: &[String]) -> bool {
    let licence = licence.replace('/', " OR ").replace(['(', ')'], "");
    licence.split(" AND ").all(|part| {
        let mut alternatives = part.split(" OR ").map(str::trim);
        alternatives.any(|one| allowed.iter().any(|it| it == one))
    })
}

#[test]
fn packages_are_told_by_name_and_version() {
    assert!(is_or_begins("tokio-util v0.7.1", "tokio"));
    assert!(!is_or_begins("miow v0.6.0", "mio"));
    assert!(is_banned("h2 v0.3.27", "h2:<0.4"));
    assert!(!is_banned("h2 v0.4.20", "h2:<0.4"));
    assert!(!is_banned("ring-compat v0.8.0", "ring"));
}

#[test]
fn licences_are_judged_by_their_parts() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned()];
    assert!(is_allowed("MIT/Apache-2.0", &allowed));
    assert!(is_allowed("ISC AND (Apache-2.0 OR MIT)", &allowed));
    assert!(!is_allowed("MIT AND MPL-2.0", &allowed));
    assert!(!is_allowed("", &allowed));
}
