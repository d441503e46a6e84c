//! Runs the cases of this repository on every framework.

use std::env::args;
use std::process::ExitCode;

use palisade_conformance::{command, harness};

fn main() -> ExitCode {
    let args: Vec<_> = args().skip(1).collect();
    match command(&args, &harness::all()) {
        Ok(tally) if tally.failed == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}
