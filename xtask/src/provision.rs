//! What the tests need that no crate brings: a Postgres, found or installed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// By this the tests learn where Postgres is; without it, they look in `PATH` only.
pub(crate) const POSTGRES: &str = "PALISADE_POSTGRES_BIN";

/// With this set, tests without a Postgres fail.
pub(crate) const REQUIRED: &str = "PALISADE_REQUIRE_POSTGRES";

/// An installation that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(180);

/// The folder of `postgres` and `initdb`; where there is none, and this is root on a Debian, after installing it.
/// Otherwise why not.
pub(crate) fn postgres() -> Result<PathBuf, String> {
    // It refuses to run as root, so the tests start it as somebody else.
    if is_root() && !in_path("setpriv") {
        return Err(
            "this is root, and there is no setpriv to run Postgres as somebody else".to_owned(),
        );
    }
    if let Some(found) = find() {
        return Ok(found);
    }
    if is_root() && in_path("apt-get") {
        install()?;
    }
    find().ok_or_else(|| {
        format!("there is no Postgres; install it (`apt-get install postgresql`) or name its folder in {POSTGRES}")
    })
}

fn find() -> Option<PathBuf> {
    let named = env::var_os(POSTGRES).map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let installed = versions.map(|version| version.path().join("bin"));
    let mut places = named
        .into_iter()
        .chain(env::split_paths(&path))
        .chain(installed);
    places.find(|place| has(place, "initdb") && has(place, "postgres"))
}

fn install() -> Result<(), String> {
    println!("\n== postgres: apt-get install postgresql");
    let mut apt = Command::new("apt-get");
    apt.args([
        "install",
        "--yes",
        "--quiet",
        "--no-install-recommends",
        "postgresql",
    ]);
    // Nobody is asked anything, and no server is started: the tests start their own.
    apt.env("DEBIAN_FRONTEND", "noninteractive")
        .env("RUNLEVEL", "1");
    apt.stdin(Stdio::null()).stdout(Stdio::null());
    let mut running = apt
        .spawn()
        .map_err(|error| format!("apt-get cannot be started: {error}"))?;
    let started = Instant::now();
    loop {
        match running.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => {
                return Err(format!(
                    "there is no Postgres, and apt-get ended with {status}"
                ));
            }
            Ok(None) if started.elapsed() < PATIENCE => sleep(Duration::from_millis(200)),
            Ok(None) => {
                // It must not go on while the tests run; that it has ended already is fine.
                let _ = running.kill();
                let _ = running.wait();
                let seconds = PATIENCE.as_secs();
                return Err(format!(
                    "there is no Postgres, and apt-get took longer than {seconds} s"
                ));
            }
            Err(error) => return Err(format!("apt-get got lost: {error}")),
        }
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout == b"0\n")
}

fn in_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| has(&folder, program))
}

fn has(folder: &Path, program: &str) -> bool {
    folder.join(program).is_file()
}
