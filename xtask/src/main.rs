//! `cargo xtask`: what contributors and continuous integration run. One file per command, and no dependencies, so that
//! the first call answers within seconds of a fresh clone.

mod advisories;
mod bench;
mod ci;
mod conformance;
mod lint;
mod provision;
mod step;
mod tally;
mod test;
mod tidy;

use std::env;
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  test          Everything that must pass: tidy, unit, integration and doc tests, conformance.
                Needs Rust and a C compiler; Postgres is installed if root can. Ends with
                `N passed, N failed`.
  conformance   The cases on axum, actix-web and poem over real sockets, as a matrix.
                  --html FILE        also write the matrix as a page
                  --filter TEXT      only cases whose `file: name` contains TEXT, or that guard it
                  --framework NAME   only axum, actix or poem
                  --generate N       instead answer N requests to random routes under random rules
                  --bytes N          instead send N streams of random bytes to the three demo servers
                  --seed SEED        where to begin, as a failure prints it
  bench         Measures Palisade beside the stacks that users would pick today; writes a table,
                JSON and an SVG chart. `cargo xtask bench --help` lists its options.
  tidy          The rules that a compiler does not check: dependencies, adapters, invariants, files.
  lint          fmt, clippy, docs and cargo-deny, without a warning; and advisories about locked
                dependencies, from the copy of the RustSec database that PALISADE_ADVISORY_DB names.
  ci            test, then lint.

Working on one thing:
  cargo test -p palisade-core jwt                      one module's tests
  cargo xtask conformance --filter \"PITFALLS 19\"       the cases that guard one entry
                                                       of docs/pitfalls.md
  cargo run -p palisade-example-axum                   the demo API; also -actix and -poem
";

fn main() -> ExitCode {
    let args: Vec<_> = env::args().skip(1).collect();
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", [].as_slice()),
    };
    let ended = match command {
        "test" => alone(rest, test::command),
        "conformance" => conformance::command(rest),
        "bench" => bench::command(rest),
        "tidy" => alone(rest, tidy::command),
        "lint" => alone(rest, lint::command),
        "ci" => alone(rest, ci::command),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(true)
        }
        _ => Err(format!("there is no command `{command}`\n\n{HELP}")),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{}", message.trim_end());
            ExitCode::from(2)
        }
    }
}

/// Runs a command that takes no arguments.
fn alone(args: &[String], command: fn() -> bool) -> Result<bool, String> {
    match args.first() {
        None => Ok(command()),
        Some(arg) => Err(format!(
            "unknown argument `{arg}`; this command takes none\n\n{HELP}"
        )),
    }
}
