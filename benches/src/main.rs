//! Palisade measured beside the stacks that users would pick today, on axum, actix-web and poem, in one run.
//!
//! `cargo xtask bench` prints the table and writes `bench.json` and `bench.svg`. Calls are made inside the process on
//! one thread; `--instructions` adds counts by valgrind and `--loopback` adds requests per second over 127.0.0.1.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "never shipped, and a benchmark that goes wrong must stop at once"
)]

mod drive;
mod environment;
mod instructions;
mod loopback;
mod measure;
mod ours;
mod peers;
mod report;
mod rows;
mod stacks;
mod svg;
mod table;
mod tokens;

use std::{error::Error, fs, path::PathBuf, rc::Rc};

use clap::Parser;

use crate::{
    environment::Environment,
    measure::Stack,
    report::{Report, Signature},
    rows::{Credential, Subject},
    tokens::Signing,
};

/// Measures Palisade beside the stacks that users would pick today.
#[derive(Debug, Parser)]
struct Arguments {
    /// Interleaved rounds, each with one batch of every stack
    #[arg(long, default_value_t = 301)]
    rounds: usize,
    /// Count instructions per request too, if valgrind is installed
    #[arg(long)]
    instructions: bool,
    /// Measure requests per second over 127.0.0.1 too
    #[arg(long)]
    loopback: bool,
    /// Where bench.json and bench.svg go
    #[arg(long, default_value = "target/bench", value_name = "DIR")]
    out: PathBuf,
    /// Only call one subject; what runs under valgrind
    #[arg(long, hide = true, value_name = "SUBJECT", requires = "calls")]
    only: Option<String>,
    #[arg(long, hide = true)]
    calls: Option<u32>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if let (Some(id), Some(calls)) = (&arguments.only, arguments.calls) {
        return only(id, calls);
    }
    let runtime = Rc::new(stacks::runtime());
    let subjects = Subject::all();
    let mut stacks: Vec<_> = subjects
        .iter()
        .map(|subject| stacks::stack(&runtime, *subject))
        .collect();
    let signed = [
        Credential::Hs256,
        Credential::Rs256,
        Credential::Es256,
        Credential::EdDsa,
    ];
    let checks = signed.iter().filter_map(|of| Signing::of(*of));
    stacks.extend(checks.map(|signing| Stack::other(signing.bare_check())));
    let mut costs = measure::measure(&mut stacks, arguments.rounds).into_iter();
    let of_subjects: Vec<_> = subjects.iter().copied().zip(costs.by_ref()).collect();
    let signatures: Vec<_> = signed
        .into_iter()
        .zip(costs)
        .map(|(of, cost)| Signature::new(of, cost))
        .collect();
    let loopback = if arguments.loopback {
        loopback::run()
    } else {
        Vec::new()
    };
    let report = Report {
        environment: Environment::read(arguments.rounds),
        lines: report::lines(&of_subjects, &signatures),
        signatures,
        instructions: counts(&arguments, &subjects)?,
        loopback_verdicts: report::loopback_verdicts(&loopback),
        loopback,
    };
    print!("{}", table::Table(&report));
    fs::create_dir_all(&arguments.out)?;
    fs::write(
        arguments.out.join("bench.json"),
        serde_json::to_vec_pretty(&report)?,
    )?;
    fs::write(arguments.out.join("bench.svg"), svg::chart(&report))?;
    println!(
        "\nwritten to {0}/bench.json and {0}/bench.svg",
        arguments.out.display()
    );
    Ok(())
}

/// Calls one subject and nothing else.
fn only(id: &str, calls: u32) -> Result<(), Box<dyn Error>> {
    let subject = Subject::from_id(id).ok_or_else(|| format!("no subject is called {id}"))?;
    let runtime = Rc::new(stacks::runtime());
    let mut stack = stacks::stack(&runtime, subject);
    allocation_counter::opt_out(|| stack.run(calls));
    Ok(())
}

/// Instructions, if asked for and possible.
fn counts(
    arguments: &Arguments,
    subjects: &[Subject],
) -> Result<Vec<report::Instructions>, Box<dyn Error>> {
    if !arguments.instructions {
        return Ok(Vec::new());
    }
    if !instructions::available() {
        eprintln!("valgrind is not installed: no instruction counts");
        return Ok(Vec::new());
    }
    let mut counts = Vec::new();
    for subject in subjects
        .iter()
        .filter(|subject| instructions::ROWS.contains(&subject.row))
    {
        counts.push((*subject, instructions::per_call(*subject)?));
    }
    Ok(report::instruction_lines(&counts))
}
