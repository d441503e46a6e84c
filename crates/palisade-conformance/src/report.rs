//! What a run showed: the matrix of case and framework, in numbers and in words.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::answer::{Answer, shown};
use crate::books;
use crate::client::Request;
use crate::model::{Case, Explained, File, Guard};

/// More of a request or a response than this is not kept for people to read.
const SHOWN: usize = 4096;

/// The result of a run.
#[derive(Debug)]
pub struct MatrixReport {
    /// The columns.
    pub frameworks: Vec<&'static str>,
    /// One for every case.
    pub rows: Vec<Row>,
    /// How long the run took.
    pub elapsed: Duration,
}

/// One case on every framework.
#[derive(Debug)]
pub struct Row {
    /// The case's file, relative to the tree, without its ending.
    pub file: String,
    /// What the file is about.
    pub about: String,
    /// The line of the case.
    pub line: usize,
    /// The case's name.
    pub name: String,
    /// What it guards.
    pub guards: Vec<Guard>,
    /// In the order of [`MatrixReport::frameworks`].
    pub cells: Vec<Cell>,
    /// Whether the normalised responses are the same.
    pub equality: Equality,
}

/// One case on one framework.
#[derive(Debug)]
pub struct Cell {
    /// How it ended.
    pub verdict: Verdict,
    /// The exchanges, in order.
    pub traces: Vec<Trace>,
    /// How they were explained, if that was asked for.
    pub explained: Explained,
    /// The normalised responses, in order.
    normal: Vec<Vec<u8>>,
    /// This framework's own parser may answer first, so that its answer is not compared.
    parser: bool,
}

/// How a case ended on a framework.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As demanded.
    Pass,
    /// Otherwise: the differences.
    Fail(Vec<String>),
    /// A declared difference, with its reason.
    Declared(String),
}

/// Whether the frameworks answered the same, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Equality {
    /// They did.
    Same,
    /// They did not: what differs first.
    Different(String),
    /// Fewer than two frameworks have an answer to compare.
    NotCompared,
}

/// One exchange, for people to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// What was sent.
    pub request: String,
    /// What came back.
    pub answer: String,
    /// The differences from what the case demands.
    pub mistakes: Vec<String>,
}

/// Passed and failed assertions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cells as demanded and rows that are the same on all frameworks.
    pub passed: usize,
    /// The others.
    pub failed: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl Tally {
    fn count(&mut self, passed: bool) {
        if passed {
            self.passed += 1
        } else {
            self.failed += 1
        }
    }
}

impl MatrixReport {
    /// Whether nothing failed, and something ran.
    pub fn is_green(&self) -> bool {
        let tally = self.tally();
        tally.failed == 0 && tally.passed > 0
    }

    /// Each cell that ran counts as one, and so does each comparison between the frameworks.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for row in &self.rows {
            for cell in row
                .cells
                .iter()
                .filter(|cell| !matches!(cell.verdict, Verdict::Declared(_)))
            {
                tally.count(!matches!(cell.verdict, Verdict::Fail(_)));
            }
            if row.equality != Equality::NotCompared {
                tally.count(row.equality == Equality::Same);
            }
        }
        tally
    }

    /// How many cells are declared differences: neither passed nor failed.
    pub fn declared(&self) -> usize {
        let cells = self.rows.iter().flat_map(|row| &row.cells);
        cells
            .filter(|cell| matches!(cell.verdict, Verdict::Declared(_)))
            .count()
    }

    /// How the exchanges of all cases were explained.
    pub fn explained(&self) -> Explained {
        let mut sum = Explained::default();
        for cell in self.rows.iter().flat_map(|row| &row.cells) {
            sum += cell.explained;
        }
        sum
    }

    /// How many cases guard each entry of the books, those without any included.
    pub fn coverage(&self) -> BTreeMap<Guard, usize> {
        let all = books::entries().iter().map(|entry| entry.guard.clone());
        let mut coverage: BTreeMap<_, _> = all.map(|guard| (guard, 0)).collect();
        for guard in self.rows.iter().flat_map(|row| &row.guards) {
            *coverage.entry(guard.clone()).or_default() += 1;
        }
        coverage
    }
}

/// Demands that a run over a deliberately broken adapter has found it out: at least one case beginning with each of
/// `prefixes` is red. A case is written as `file: name`.
///
/// # Errors
/// The prefixes whose cases are all green, or that begin no case.
pub fn must_be_red(report: &MatrixReport, prefixes: &[&str]) -> Result<(), String> {
    let red: Vec<_> = report
        .rows
        .iter()
        .filter(|row| row.is_red())
        .map(|row| format!("{}: {}", row.file, row.name))
        .collect();
    let green: Vec<_> = prefixes
        .iter()
        .filter(|prefix| !red.iter().any(|name| name.starts_with(**prefix)))
        .copied()
        .collect();
    if green.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "the broken adapter was not found out by {}",
            green.join(", ")
        ))
    }
}

impl Row {
    pub(crate) fn new(file: &File, case: &Case, frameworks: &[&str], cells: Vec<Cell>) -> Self {
        let equality = compare(frameworks, &cells);
        let guards = case.guards.clone();
        Self {
            file: file.name.clone(),
            about: file.about.clone(),
            line: case.line,
            name: case.name.clone(),
            guards,
            cells,
            equality,
        }
    }

    /// Whether a framework fails the case, or the frameworks differ.
    pub fn is_red(&self) -> bool {
        matches!(self.equality, Equality::Different(_))
            || self
                .cells
                .iter()
                .any(|cell| matches!(cell.verdict, Verdict::Fail(_)))
    }
}

impl Cell {
    pub(crate) fn passed(parser: bool) -> Self {
        Self {
            verdict: Verdict::Pass,
            traces: Vec::new(),
            explained: Explained::default(),
            normal: Vec::new(),
            parser,
        }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Fail(vec![message.into()]),
            ..Self::passed(false)
        }
    }

    pub(crate) fn declared(reason: &str) -> Self {
        Self {
            verdict: Verdict::Declared(reason.to_owned()),
            ..Self::passed(false)
        }
    }

    pub(crate) fn fail(&mut self, message: String) {
        match &mut self.verdict {
            Verdict::Fail(mistakes) => mistakes.push(message),
            _ => self.verdict = Verdict::Fail(vec![message]),
        }
    }

    /// Keeps an answer for the comparison between the frameworks.
    pub(crate) fn answered(&mut self, normal: Vec<u8>) {
        self.normal.push(normal);
    }

    /// Keeps an exchange for people to read, and its mistakes.
    pub(crate) fn exchanged(&mut self, trace: Trace) {
        for mistake in &trace.mistakes {
            self.fail(mistake.clone());
        }
        self.traces.push(trace);
    }
}

impl Trace {
    pub(crate) fn new(request: &Request, answer: &Answer) -> Self {
        let request = cut(&[request.head.as_slice(), &request.body].concat());
        let answer = match answer {
            Answer::Response(response) => {
                let lines = response
                    .headers
                    .iter()
                    .map(|(name, value)| format!("{}: {}\n", shown(name), shown(value)));
                format!(
                    "{}\n{}\n{}",
                    response.status,
                    lines.collect::<String>(),
                    cut(&response.body)
                )
            }
            other => other.to_string(),
        };
        Self {
            request,
            answer,
            mistakes: Vec::new(),
        }
    }
}

/// Byte-equality of what passed. Cells that failed already say what is wrong with them.
fn compare(frameworks: &[&str], cells: &[Cell]) -> Equality {
    let comparable = |(_, cell): &(&&str, &Cell)| cell.verdict == Verdict::Pass && !cell.parser;
    let mut compared = frameworks.iter().zip(cells).filter(comparable);
    let Some((name, first)) = compared.next() else {
        return Equality::NotCompared;
    };
    let mut equality = Equality::NotCompared;
    for (other_name, other) in compared {
        let different = first
            .normal
            .iter()
            .zip(&other.normal)
            .find(|(one, two)| one != two);
        if let Some((one, two)) = different {
            let (one, two) = first_difference(one, two);
            return Equality::Different(format!("{name}: {one}\n{other_name}: {two}"));
        }
        equality = Equality::Same;
    }
    equality
}

/// The first line in which two normalised responses differ, of each.
pub(crate) fn first_difference(one: &[u8], two: &[u8]) -> (String, String) {
    let (one, two) = (shown(one), shown(two));
    let (mut one, mut two) = (one.split('\n'), two.split('\n'));
    loop {
        let (a, b) = (one.next(), two.next());
        if a != b || a.is_none() {
            let line = |line: Option<&str>| {
                line.filter(|line| !line.is_empty())
                    .unwrap_or("(no line)")
                    .to_owned()
            };
            return (line(a), line(b));
        }
    }
}

fn cut(bytes: &[u8]) -> String {
    match bytes.get(..SHOWN) {
        Some(start) => format!("{}\n… and {} bytes more", shown(start), bytes.len() - SHOWN),
        None => shown(bytes),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::FRAMEWORKS;

    fn cell(normal: &str) -> Cell {
        let mut cell = Cell::passed(false);
        cell.answered(normal.into());
        cell.exchanged(Trace {
            request: "GET /<a>".into(),
            answer: normal.into(),
            mistakes: vec![],
        });
        cell
    }

    pub(crate) fn report() -> MatrixReport {
        let row = |name: &str, cells: Vec<Cell>| Row {
            file: "refusals".to_owned(),
            about: "What is refused".to_owned(),
            line: 3,
            name: name.to_owned(),
            guards: vec![Guard {
                list: "PITFALLS".to_owned(),
                number: 19,
            }],
            equality: compare(&FRAMEWORKS, &cells),
            cells,
        };
        let mut failed = cell("200\na: 1");
        failed.exchanged(Trace {
            request: "GET /".into(),
            answer: "200 <script>".into(),
            mistakes: vec!["status: expected 400, got 200".into()],
        });
        let rows = vec![
            row(
                "same",
                vec![
                    cell("200\na: 1"),
                    cell("200\na: 1"),
                    Cell::declared("has no <HTTP/2>"),
                ],
            ),
            row(
                "different",
                vec![
                    cell("200\na: 1\nb: 1"),
                    cell("200\na: 1\nb: 2"),
                    cell("200\na: 1\nb: 1"),
                ],
            ),
            row(
                "wrong & bad",
                vec![cell("200\na: 1"), failed, cell("200\na: 1")],
            ),
        ];
        MatrixReport {
            frameworks: FRAMEWORKS.to_vec(),
            rows,
            elapsed: Duration::from_millis(1234),
        }
    }

    #[test]
    fn counts_cells_and_comparisons() {
        assert_eq!(
            report().tally(),
            Tally {
                passed: 7 + 2,
                failed: 1 + 1
            }
        );
        assert!(!report().is_green());
    }

    #[test]
    fn names_the_first_difference_between_frameworks() {
        assert_eq!(
            report().rows[1].equality,
            Equality::Different("axum: b: 1\nactix: b: 2".to_owned())
        );
    }

    #[test]
    fn a_broken_adapter_must_be_found_out() {
        assert_eq!(
            must_be_red(&report(), &["refusals: wrong", "refusals: diff"]),
            Ok(())
        );
        assert_eq!(
            must_be_red(&report(), &["refusals: same", "refusals: wrong", "x"]).unwrap_err(),
            "the broken adapter was not found out by refusals: same, x"
        );
    }

    #[test]
    fn coverage_names_what_no_case_guards() {
        let coverage = report().coverage();
        let count = |number| {
            coverage[&Guard {
                list: "PITFALLS".to_owned(),
                number,
            }]
        };
        assert_eq!((count(19), count(20)), (3, 0));
    }

    #[test]
    fn long_texts_are_cut() {
        assert!(cut(&[b'a'; SHOWN + 7]).ends_with("… and 7 bytes more"));
    }
}
