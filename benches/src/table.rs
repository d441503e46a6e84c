//! The report as text.

use std::fmt::{self, Display, Formatter};

use crate::{
    loopback::SERVERS,
    measure::Cost,
    report::{Instructions, Line, Report, Verdict},
    rows::Framework,
};

/// The whole report for a terminal.
pub(crate) struct Table<'a>(pub(crate) &'a Report);

impl Display for Table<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Report {
            environment,
            signatures,
            lines,
            instructions,
            loopback,
            loopback_verdicts,
        } = self.0;
        writeln!(
            f,
            "{}, {} cores, {}",
            environment.cpu, environment.cores, environment.compiler
        )?;
        writeln!(f, "{}", environment.versions.join(", "))?;
        writeln!(
            f,
            "medians of {} interleaved rounds; + is over the bare router of the same run",
            environment.rounds
        )?;
        let checks: Vec<_> = signatures
            .iter()
            .map(|one| format!("{:?} {} ns", one.of, grouped(one.nanoseconds)))
            .collect();
        writeln!(f, "bare signature checks: {}", checks.join(", "))?;
        for framework in Framework::ALL {
            in_process(
                f,
                framework,
                lines.iter().filter(|line| line.framework == framework),
            )?;
        }
        if !instructions.is_empty() {
            write_instructions(f, instructions)?;
        }
        if !loopback.is_empty() {
            writeln!(
                f,
                "\nloopback, requests/s {:>14} {:>18} {:>18} {:>18}",
                "bare", "peers HS256", "ours HS256", "ours, known RS256"
            )?;
            for framework in Framework::ALL {
                write!(f, "{:<20}", framework.name())?;
                for (side, row) in SERVERS {
                    let wanted = (framework, side, row);
                    let server = loopback
                        .iter()
                        .find(|server| (server.framework, server.side, server.row) == wanted);
                    let rate = server.map(|server| grouped(server.requests_per_second));
                    write!(f, " {:>18}", rate.unwrap_or_else(|| "–".to_owned()))?;
                }
                writeln!(f)?;
            }
            for verdict in loopback_verdicts {
                writeln!(f, "{}", judged(verdict, "≥"))?;
            }
        }
        Ok(())
    }
}

fn in_process<'a>(
    f: &mut Formatter<'_>,
    framework: Framework,
    lines: impl Iterator<Item = &'a Line>,
) -> fmt::Result {
    let mut lines = lines.peekable();
    let Some(first) = lines.peek() else {
        return Ok(());
    };
    writeln!(
        f,
        "\n{}: bare router {} ns, {} allocations",
        framework.name(),
        grouped(first.bare.nanoseconds),
        first.bare.allocations
    )?;
    writeln!(
        f,
        "{:<22} {:>18} {:>18} {:>6}  targets",
        "", "peers", "ours", "ratio"
    )?;
    for line in lines {
        let [peers, ours] = [line.peers, line.ours].map(|cost| added(cost, line.bare));
        let ratio = line
            .ratio
            .map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let verdicts: Vec<_> = line
            .verdicts
            .iter()
            .map(|verdict| judged(verdict, "≤"))
            .collect();
        let row = format!(
            "{:<22} {peers:>18} {ours:>18} {ratio:>6}  {}",
            line.row.name(),
            verdicts.join("; ")
        );
        writeln!(f, "{}", row.trim_end())?;
    }
    Ok(())
}

fn write_instructions(f: &mut Formatter<'_>, lines: &[Instructions]) -> fmt::Result {
    writeln!(
        f,
        "\ninstructions per call     {:>12} {:>12} {:>12} {:>6}",
        "bare", "peers", "ours", "ratio"
    )?;
    for line in lines {
        let name = format!("{}, {}", line.framework.name(), line.row.name());
        write!(f, "{name:<25}")?;
        for count in [line.bare, line.peers, line.ours] {
            let count = count.map(|count| grouped(count as f64));
            write!(f, " {:>12}", count.unwrap_or_else(|| "–".to_owned()))?;
        }
        match (line.bare, line.peers, line.ours) {
            (Some(bare), Some(peers), Some(ours)) => {
                let ratio = (ours as f64 - bare as f64) / (peers as f64 - bare as f64);
                writeln!(f, " {ratio:>6.2}")?;
            }
            _ => writeln!(f)?,
        }
    }
    Ok(())
}

/// What a side adds to the bare router, such as `+6,330 ns  +43`.
fn added(cost: Option<Cost>, bare: Cost) -> String {
    cost.map_or_else(
        || "–".to_owned(),
        |cost| {
            let nanoseconds = cost.nanoseconds - bare.nanoseconds;
            let sign = if nanoseconds < 0.0 { '-' } else { '+' };
            let allocations = cost.allocations - bare.allocations;
            format!("{sign}{} ns {allocations:>+4}", grouped(nanoseconds.abs()))
        },
    )
}

fn judged(verdict: &Verdict, relation: &str) -> String {
    let Verdict {
        what,
        measured,
        limit,
        met,
    } = *verdict;
    let outcome = if met {
        "met".to_owned()
    } else {
        format!("missed by {}", short((measured - limit).abs()))
    };
    format!(
        "{} {what} ({relation} {}): {outcome}",
        short(measured),
        short(limit)
    )
}

/// Two decimals, or none for a whole number.
fn short(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// A whole number with its thousands apart.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        assert_eq!(grouped(0.4), "0");
        assert_eq!(grouped(999.0), "999");
        assert_eq!(grouped(57_812.3), "57,812");
        assert_eq!(grouped(1_000_000.0), "1,000,000");
    }

    #[test]
    fn a_missed_target_says_by_how_much() {
        let verdict = Verdict {
            what: "of a bare call",
            measured: 1.75,
            limit: 1.5,
            met: false,
        };
        assert_eq!(
            judged(&verdict, "≤"),
            "1.75 of a bare call (≤ 1.50): missed by 0.25"
        );
    }
}
