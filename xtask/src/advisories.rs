//! Advisories about locked dependencies, from a copy of the RustSec database that somebody has fetched.

use std::env;
use std::path::{Path, PathBuf};

use crate::step::{Outcome, Step, cargo, root};

/// The folder with the copy; relative to the root of the repository.
const DATABASE: &str = "PALISADE_ADVISORY_DB";

const NAME: &str = "advisories";

/// Holds `Cargo.lock` against the database. Without one, says why nothing was checked.
pub(crate) fn check() -> Outcome {
    let database = match database() {
        Ok(folder) => folder,
        Err(why) => return Outcome::not_run(NAME, &why, false),
    };
    let arguments = |lock: &str| arguments(&database, &root().join(lock));
    // Where the planted package is not found, nothing would be.
    let planted = cargo()
        .args(arguments("xtask/advisories/planted.lock"))
        .output();
    match planted.map(|output| (output.status.code(), output.stderr)) {
        Ok((Some(1), _)) => Step::cargo(NAME, &[]).args(&arguments("Cargo.lock")).run(),
        Ok((_, errors)) => {
            eprint!("{}", String::from_utf8_lossy(&errors));
            Outcome::not_run(NAME, "the planted advisory was not found", true)
        }
        Err(error) => Outcome::not_run(NAME, &format!("cargo cannot be started: {error}"), true),
    }
}

fn database() -> Result<PathBuf, String> {
    let named = env::var_os(DATABASE).filter(|folder| !folder.is_empty());
    let named = named.ok_or_else(|| {
        format!("{DATABASE} names no copy of https://github.com/RustSec/advisory-db")
    })?;
    let folder = root().join(named);
    match folder.join("crates").is_dir() {
        true => Ok(folder),
        false => Err(format!(
            "{DATABASE} names {}, which is no copy of the database",
            folder.display()
        )),
    }
}

/// A package of its own, outside of the workspace: nothing of it is built unless it is needed.
fn arguments(database: &Path, lock: &Path) -> Vec<String> {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let text = |path: &Path| path.to_string_lossy().into_owned();
    vec![
        "run".to_owned(),
        "--quiet".to_owned(),
        "--locked".to_owned(),
        "--manifest-path".to_owned(),
        text(&root().join("xtask/advisories/Cargo.toml")),
        "--target-dir".to_owned(),
        text(&target.join(NAME)),
        "--".to_owned(),
        text(database),
        text(lock),
    ]
}
