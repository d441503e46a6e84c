//! `cargo xtask lint`: fmt, clippy, docs, cargo-deny and advisories, without a warning.

use std::env;
use std::path::PathBuf;
use std::process::Stdio;

use crate::advisories;
use crate::step::{Outcome, Step, cargo, summary};

/// Runs all of them, whatever the one before said, and tells whether nothing failed.
pub(crate) fn command() -> bool {
    let fmt = ["fmt", "--all", "--check"];
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny=warnings",
    ];
    let docs = ["doc", "--workspace", "--no-deps"];
    let outcomes = [
        Step::cargo("fmt", &fmt).run(),
        Step::cargo("clippy", &clippy).run(),
        Step::cargo("docs", &docs)
            .environment("RUSTDOCFLAGS", "--deny=warnings")
            .run(),
        deny(),
        advisories::check(),
    ];
    summary(&outcomes).failed == 0
}

/// Offline, so that a lost network is not a failure. Without its database the advisories are left out.
fn deny() -> Outcome {
    if !is_installed() {
        let why = "cargo-deny is not installed; tidy has checked licences, bans and sources";
        return Outcome::not_run("deny", why, false);
    }
    let mut checks = vec!["deny", "--offline", "check", "bans", "licenses", "sources"];
    if advisories().is_some_and(|folder| folder.is_dir()) {
        checks.push("advisories");
    } else {
        println!("\ndeny: no advisory database here; `cargo deny fetch` gets it");
    }
    Step::cargo("deny", &checks).run()
}

fn is_installed() -> bool {
    let mut version = cargo();
    version
        .args(["deny", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// Where cargo-deny keeps its databases.
fn advisories() -> Option<PathBuf> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".cargo")))?;
    Some(home.join("advisory-dbs"))
}
