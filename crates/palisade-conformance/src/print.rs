//! The matrix as text, for a terminal and for the log of a continuous integration.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use crate::report::{Equality, MatrixReport, Verdict};

impl fmt::Display for MatrixReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self
            .rows
            .iter()
            .map(|row| row.file.len())
            .max()
            .unwrap_or(0)
            .max(4);
        write!(f, "{:width$}  cases", "file")?;
        for framework in self.frameworks.iter().chain(&["same"]) {
            write!(f, "  {framework:>9}")?;
        }
        writeln!(f)?;
        for file in self.files() {
            let rows: Vec<_> = self.rows.iter().filter(|row| row.file == file).collect();
            write!(f, "{file:width$}  {:5}", rows.len())?;
            for column in 0..self.frameworks.len() {
                write!(
                    f,
                    "  {:>9}",
                    summary(
                        rows.iter()
                            .filter_map(|row| row.cells.get(column))
                            .map(|cell| &cell.verdict)
                    )
                )?;
            }
            let different = rows
                .iter()
                .filter(|row| matches!(row.equality, Equality::Different(_)))
                .count();
            let compared = rows
                .iter()
                .filter(|row| row.equality != Equality::NotCompared)
                .count();
            writeln!(
                f,
                "  {:>9}",
                if different > 0 {
                    format!("{different} DIFFER")
                } else {
                    compared.to_string()
                }
            )?;
        }
        f.write_str(&self.failures())?;
        writeln!(
            f,
            "\n{} cases in {:.1} s\n{}",
            self.rows.len(),
            self.elapsed.as_secs_f32(),
            self.tally()
        )
    }
}

impl MatrixReport {
    /// Writes the matrix by file, every failure in full and the tally to standard output.
    pub fn print(&self) {
        print!("{self}");
    }

    /// Every failure in full: the case, the differences, the request and the answer.
    pub fn failures(&self) -> String {
        let mut text = String::new();
        for row in self.rows.iter().filter(|row| row.is_red()) {
            let _ = writeln!(text, "\n{}.toml:{}  {}", row.file, row.line, row.name);
            for (framework, cell) in self.frameworks.iter().zip(&row.cells) {
                let Verdict::Fail(mistakes) = &cell.verdict else {
                    continue;
                };
                let _ = writeln!(text, "  {framework}");
                for mistake in mistakes {
                    let _ = writeln!(text, "    {mistake}");
                }
                if let Some(trace) = cell.traces.last().filter(|trace| !trace.request.is_empty()) {
                    let _ = writeln!(
                        text,
                        "{}{}",
                        quoted("    > ", &trace.request),
                        quoted("    < ", &trace.answer)
                    );
                }
            }
            if let Equality::Different(difference) = &row.equality {
                let _ = writeln!(
                    text,
                    "  the frameworks answer differently\n{}",
                    quoted("    ", difference)
                );
            }
        }
        text
    }

    fn files(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        self.rows
            .iter()
            .map(|row| row.file.as_str())
            .filter(|file| seen.insert(*file))
            .collect()
    }
}

fn summary<'a>(verdicts: impl Iterator<Item = &'a Verdict>) -> String {
    let (mut passed, mut failed, mut declared) = (0, 0, 0);
    for verdict in verdicts {
        match verdict {
            Verdict::Pass => passed += 1,
            Verdict::Fail(_) => failed += 1,
            Verdict::Declared(_) => declared += 1,
        }
    }
    match (failed, declared) {
        (0, 0) => passed.to_string(),
        (0, _) => format!("{passed} ({declared})"),
        _ => format!("{failed} FAIL"),
    }
}

fn quoted(mark: &str, text: &str) -> String {
    text.trim_end()
        .lines()
        .map(|line| format!("{mark}{line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::report::tests::report;

    #[test]
    fn prints_the_matrix_the_failures_and_the_tally() {
        assert_eq!(
            report().to_string(),
            "\
file      cases       axum      actix       poem       same
refusals      3          3     1 FAIL      2 (1)   1 DIFFER

refusals.toml:3  different
  the frameworks answer differently
    axum: b: 1
    actix: b: 2


refusals.toml:3  wrong & bad
  actix
    status: expected 400, got 200
    > GET /
    < 200 <script>


3 cases in 1.2 s
9 passed, 2 failed
"
        );
    }
}
