//! `palisade-advisories DATABASE LOCK`: whether a known advisory holds for a locked dependency.
//!
//! The database is a folder with a copy of https://github.com/RustSec/advisory-db. Nothing is fetched and nothing is
//! written. It is the library of cargo-audit without its git: a fifth of the crates, and seconds to build, so that
//! whoever runs the lints on a fresh clone can afford it.
//!
//! Exit code 1: an advisory holds. 2: the check could not be made.

use rustsec::{Database, Lockfile, Report, advisory::Informational, report::Settings};
use std::{env, path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [database, lock] = arguments.as_slice() else {
        eprintln!("usage: palisade-advisories DATABASE LOCK");
        return ExitCode::from(2);
    };
    let opened =
        Database::open(database).and_then(|database| Ok((database, Lockfile::load(lock)?)));
    let (database, locked) = match opened {
        Ok(opened) => opened,
        Err(why) => {
            eprintln!("the advisories cannot be read: {why}");
            return ExitCode::from(2);
        }
    };
    let known = database.iter().count();
    if known == 0 {
        eprintln!("{} holds no advisory", database_name(&arguments));
        return ExitCode::from(2);
    }
    let settings = Settings {
        informational_warnings: vec![
            Informational::Notice,
            Informational::Unmaintained,
            Informational::Unsound,
        ],
        ..Settings::default()
    };
    let report = Report::generate(&database, &locked, &settings);
    for found in &report.vulnerabilities.list {
        let (package, advisory) = (&found.package, &found.advisory);
        println!(
            "{} {}: {}: {}",
            package.name, package.version, advisory.id, advisory.title
        );
        let patched: Vec<_> = found
            .versions
            .patched()
            .iter()
            .map(ToString::to_string)
            .collect();
        println!("  patched in: {}", patched.join(", "));
    }
    for warning in report.warnings.values().flatten() {
        let title = warning
            .advisory
            .as_ref()
            .map(|advisory| format!("{}: {}", advisory.id, advisory.title));
        let (package, title) = (&warning.package, title.unwrap_or_default());
        println!("warning: {} {}: {title}", package.name, package.version);
    }
    let (packages, found) = (locked.packages.len(), report.vulnerabilities.count);
    println!("{known} advisories, {packages} packages, {found} vulnerable");
    match found {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn database_name(arguments: &[PathBuf]) -> String {
    arguments
        .first()
        .map(|folder| folder.display().to_string())
        .unwrap_or_default()
}
