//! `cargo xtask conformance`, as a function.

use std::fs;
use std::path::PathBuf;
#[cfg(all(feature = "axum", feature = "actix", feature = "poem"))]
use std::time::{SystemTime, UNIX_EPOCH};

use crate::broken;
#[cfg(all(feature = "axum", feature = "actix", feature = "poem"))]
use crate::bytes::{Bytes, compare};
#[cfg(all(feature = "axum", feature = "actix", feature = "poem"))]
use crate::generate::{Generator, generate};
use crate::harness::Harness;
use crate::report::Tally;
use crate::run::{Filter, run};
use crate::suite::suite;

/// How the command is used.
pub const USAGE: &str = "\
usage: cargo xtask conformance [--html FILE] [--filter TEXT] [--framework NAME] [--explain] [--coverage] [--broken]
       cargo xtask conformance --generate N [--seed SEED]
       cargo xtask conformance --bytes N [--seed SEED]

  --html FILE        also write the matrix as a page
  --filter TEXT      only cases whose `file: name` contains TEXT, or that guard it (`PITFALLS 19`)
  --framework NAME   only one framework
  --explain          also ask `Palisade::explain` about each request, and demand that it says what the server did
  --coverage         also list how many cases guard each line
  --broken           instead run deliberately broken adapters, and demand that the cases find each one out
  --generate N       instead answer N requests to random routes under random policies; 1: one table
  --bytes N          instead send N streams of random bytes to each of the three demo servers; 1: one stream
  --seed SEED        where to begin, as a failure prints it; without it by the clock";

/// Runs the cases of this repository on `harnesses`, prints the matrix and returns the tally.
///
/// # Errors
/// Wrong arguments, mistakes in case files, or a page that cannot be written. Failed cases are not an error: they are
/// in the tally.
pub fn command(args: &[String], harnesses: &[&dyn Harness]) -> Result<Tally, String> {
    let options = Options::parse(args)?;
    if let Some(name) = options
        .filter
        .framework
        .as_deref()
        .filter(|name| !harnesses.iter().any(|harness| harness.name() == *name))
    {
        let names: Vec<_> = harnesses.iter().map(|harness| harness.name()).collect();
        return Err(format!(
            "there is no framework `{name}`; there are {}",
            names.join(", ")
        ));
    }
    if let Some(exchanges) = options.generate {
        return generated(exchanges, options.seed);
    }
    if let Some(streams) = options.bytes {
        return compared(streams, options.seed);
    }
    let suite = suite()?;
    if options.broken {
        return Ok(broken::command(&suite));
    }
    let report = run(&suite, harnesses, &options.filter)?;
    if report.rows.is_empty() {
        return Err("no case matches the filter".to_owned());
    }
    if options.coverage {
        for (guard, cases) in report.coverage() {
            println!(
                "{guard}: {}",
                if cases == 0 {
                    "no case".to_owned()
                } else {
                    cases.to_string()
                }
            );
        }
        println!();
    }
    report.print();
    if options.filter.explain {
        println!("{}", report.explained());
    }
    if let Some(path) = &options.html {
        fs::write(path, report.html())
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(report.tally())
}

/// Runs the generator, prints what it found, and counts each table as one.
#[cfg(all(feature = "axum", feature = "actix", feature = "poem"))]
fn generated(exchanges: u64, seed: Option<u64>) -> Result<Tally, String> {
    let seed = seed.unwrap_or_else(seed_of_now);
    println!("--generate {exchanges} --seed {seed}");
    let found = generate(Generator {
        exchanges,
        seed,
        reports: false,
        progress: true,
    })?;
    println!("{found}");
    let tally = found.tally();
    println!("{tally}");
    Ok(tally)
}

/// Sends random bytes, prints what the servers made of them, and counts each stream as one.
#[cfg(all(feature = "axum", feature = "actix", feature = "poem"))]
fn compared(streams: u64, seed: Option<u64>) -> Result<Tally, String> {
    let seed = seed.unwrap_or_else(seed_of_now);
    println!("--bytes {streams} --seed {seed}");
    let found = compare(Bytes {
        streams,
        seed,
        examples: true,
    })?;
    println!("{found}");
    let tally = found.tally();
    println!("{tally}");
    Ok(tally)
}

#[cfg(all(feature = "axum", feature = "actix", feature = "poem"))]
fn seed_of_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() * 1_000_000)
}

#[cfg(not(all(feature = "axum", feature = "actix", feature = "poem")))]
fn compared(_: u64, _: Option<u64>) -> Result<Tally, String> {
    Err("random bytes compare all frameworks, and not all of them are built in".to_owned())
}

#[cfg(not(all(feature = "axum", feature = "actix", feature = "poem")))]
fn generated(_: u64, _: Option<u64>) -> Result<Tally, String> {
    Err("the generator compares all frameworks, and not all of them are built in".to_owned())
}

#[derive(Debug, Default)]
struct Options {
    filter: Filter,
    html: Option<PathBuf>,
    coverage: bool,
    broken: bool,
    generate: Option<u64>,
    bytes: Option<u64>,
    seed: Option<u64>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || {
                args.next()
                    .cloned()
                    .ok_or_else(|| format!("{arg} needs a value\n{USAGE}"))
            };
            match arg.as_str() {
                "--html" => options.html = Some(value()?.into()),
                "--filter" => options.filter.text = Some(value()?),
                "--framework" => options.filter.framework = Some(value()?),
                "--explain" => options.filter.explain = true,
                "--generate" => options.generate = Some(number(&value()?)?),
                "--bytes" => options.bytes = Some(number(&value()?)?),
                "--seed" => options.seed = Some(number(&value()?)?),
                "--coverage" => options.coverage = true,
                "--broken" => options.broken = true,
                _ => return Err(format!("unknown argument `{arg}`\n{USAGE}")),
            }
        }
        Ok(options)
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.replace('_', "")
        .parse()
        .map_err(|_| format!("`{text}` is no number\n{USAGE}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(
            &line
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn arguments() {
        let options =
            parse("--html page.html --filter PITFALLS --framework poem --coverage").unwrap();
        assert_eq!(options.html.as_deref(), Some(Path::new("page.html")));
        assert_eq!(
            (
                options.filter.text.as_deref(),
                options.filter.framework.as_deref()
            ),
            (Some("PITFALLS"), Some("poem"))
        );
        assert!(options.coverage);
        let options = parse("--generate 1_000_000 --seed 7").unwrap();
        assert_eq!((options.generate, options.seed), (Some(1_000_000), Some(7)));
        assert_eq!(parse("--bytes 20").unwrap().bytes, Some(20));
        assert!(
            parse("--seed x")
                .unwrap_err()
                .starts_with("`x` is no number")
        );
        assert!(
            parse("--html")
                .unwrap_err()
                .starts_with("--html needs a value\nusage: ")
        );
        assert!(
            parse("--htm x")
                .unwrap_err()
                .starts_with("unknown argument `--htm`\nusage: ")
        );
    }

    #[test]
    fn an_unknown_framework_is_named() {
        assert_eq!(
            command(&["--framework".into(), "warp".into()], &[]).unwrap_err(),
            "there is no framework `warp`; there are "
        );
    }
}
