//! Where and with what a run was made: numbers without this mean nothing.

use std::{fs, process::Command, thread::available_parallelism};

use serde::Serialize;

/// The crates whose versions decide the numbers.
const CRATES: [&str; 11] = [
    "axum",
    "actix-web",
    "poem",
    "tower-http",
    "tower_governor",
    "governor",
    "actix-cors",
    "actix-web-httpauth",
    "jsonwebtoken",
    "aws-lc-rs",
    "tokio",
];
const LOCK: &str = include_str!("../../Cargo.lock");

/// The machine, the compiler, the versions.
#[derive(Debug, Serialize)]
pub(crate) struct Environment {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) compiler: String,
    pub(crate) versions: Vec<String>,
    pub(crate) rounds: usize,
}

impl Environment {
    pub(crate) fn read(rounds: usize) -> Self {
        Self {
            cpu: cpu().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: available_parallelism().map_or(1, usize::from),
            compiler: compiler().unwrap_or_else(|| "rustc".to_owned()),
            versions: CRATES
                .into_iter()
                .filter_map(|name| Some(format!("{name} {}", version(LOCK, name)?)))
                .collect(),
            rounds,
        }
    }
}

fn cpu() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn compiler() -> Option<String> {
    let output = Command::new("rustc").arg("--version").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// The version of a crate in a lock file.
fn version<'lock>(lock: &'lock str, name: &str) -> Option<&'lock str> {
    let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(rest.split_once('"')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_crate_is_in_the_lock_file() {
        for name in CRATES {
            assert!(version(LOCK, name).is_some(), "{name}");
        }
    }
}
