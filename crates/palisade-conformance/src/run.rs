//! Runs cases against servers: one server per file and framework, frameworks and files side by side, cases in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use palisade_core::{MemoryRevocations, SystemEntropy};

use crate::beside::Beside;
use crate::client::{Connection, Request};
use crate::exchange::{Conversation, Demand, Server};
use crate::explain::Twin;
use crate::harness::{App, AuditLog, Fixture, Handled, Harness, ManualClock};
use crate::keys::Keys;
use crate::model::{Case, File, join};
use crate::overheard::Overheard;
use crate::report::{Cell, MatrixReport, Row, Trace, Verdict};
use crate::suite::Suite;

/// How many files of a framework run at a time.
const SIDE_BY_SIDE: usize = 2;

/// Which cases and frameworks to run.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A part of `file: case name`, or a guard such as `PITFALLS 19`.
    pub text: Option<String>,
    /// The name of one framework.
    pub framework: Option<String>,
    /// Whether `Palisade::explain` is asked about each request, too, and must say what the server did.
    pub explain: bool,
    /// Is told every secret and everything that was said.
    pub overheard: Option<&'static Overheard>,
}

impl Filter {
    fn admits(&self, file: &File, case: &Case) -> bool {
        let Some(text) = &self.text else { return true };
        let named = format!("{}: {}", file.name, case.name).contains(text);
        named || case.guards.iter().any(|guard| guard.to_string() == *text)
    }

    fn admits_framework(&self, name: &str) -> bool {
        self.framework
            .as_deref()
            .is_none_or(|framework| framework == name)
    }
}

/// Runs every case that `filter` admits on every harness.
///
/// # Errors
/// When the keys cannot be made. A server that does not start is a failure of its cases.
pub fn run(
    suite: &Suite,
    harnesses: &[&dyn Harness],
    filter: &Filter,
) -> Result<MatrixReport, String> {
    let started = Instant::now();
    let keys = Keys::shared()?;
    let harnesses: Vec<_> = harnesses
        .iter()
        .copied()
        .filter(|it| filter.admits_framework(it.name()))
        .collect();
    let chosen: Vec<(&File, Vec<&Case>)> = suite
        .files
        .iter()
        .map(|file| {
            (
                file,
                file.cases
                    .iter()
                    .filter(|case| filter.admits(file, case))
                    .collect(),
            )
        })
        .collect();
    let mut columns: Vec<Column> = thread::scope(|scope| {
        let (chosen, keys) = (&chosen, &keys);
        let threads: Vec<_> = harnesses
            .iter()
            .map(|harness| scope.spawn(|| run_files(*harness, keys, chosen, filter)))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(Result::unwrap_or_default).collect()
    });
    let frameworks: Vec<_> = harnesses.iter().map(|harness| harness.name()).collect();
    let mut rows = Vec::new();
    for (index, (file, cases)) in chosen.iter().enumerate() {
        let mut cells: Vec<_> = columns
            .iter_mut()
            .map(|column| column.remove(&index).unwrap_or_default().into_iter())
            .collect();
        for case in cases {
            // A file that a panic cut short is filled up with failures.
            let panicked = || Cell::failed("the harness panicked");
            let cells = cells.iter_mut().map(|cells| cells.next());
            let cells = cells.map(|cell| cell.unwrap_or_else(panicked)).collect();
            rows.push(Row::new(file, case, &frameworks, cells));
        }
    }
    Ok(MatrixReport {
        frameworks,
        rows,
        elapsed: started.elapsed(),
    })
}

/// The cells of one framework, by the number of their file.
type Column = BTreeMap<usize, Vec<Cell>>;

/// All files on one framework, some of them side by side: cases about outages mostly wait.
fn run_files(
    harness: &dyn Harness,
    keys: &Arc<Keys>,
    files: &[(&File, Vec<&Case>)],
    filter: &Filter,
) -> Column {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut column = Column::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((file, cases)) = files.get(index) else {
                return column;
            };
            column.insert(index, run_file(harness, keys, file, cases, filter));
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..SIDE_BY_SIDE).map(|_| scope.spawn(run)).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.flat_map(Result::unwrap_or_default).collect()
    })
}

/// One cell for every case.
fn run_file(
    harness: &dyn Harness,
    keys: &Arc<Keys>,
    file: &File,
    cases: &[&Case],
    filter: &Filter,
) -> Vec<Cell> {
    let mut session = Session {
        harness,
        keys,
        file,
        explain: filter.explain,
        overheard: filter.overheard,
        server: None,
    };
    let mut cells: Vec<_> = cases.iter().map(|case| session.run(case)).collect();
    if let (Err(message), Some(last)) = (session.check_serving(), cells.last_mut()) {
        last.fail(format!("at the end of the file {message}"));
    }
    cells
}

/// One file on one framework, while its cases run.
struct Session<'a> {
    harness: &'a dyn Harness,
    keys: &'a Arc<Keys>,
    file: &'a File,
    explain: bool,
    overheard: Option<&'static Overheard>,
    server: Option<Server>,
}

impl Session<'_> {
    fn run(&mut self, case: &Case) -> Cell {
        let own = self.harness.except(&case.info(self.file));
        let except = case.except.get(self.harness.name()).or(own.as_ref());
        let parsers = self.harness.parsers();
        let demand = match except.map(|except| (except.status, &except.reason)) {
            Some((None, reason)) => return Cell::declared(reason),
            Some((Some(status), _)) => Demand::Declared(status),
            None if case.parser.iter().any(|it| parsers.contains(&it.as_str())) => {
                Demand::RefusalByParser
            }
            None => Demand::Case,
        };
        let mut cell = match self.serve(case) {
            Ok(mut server) => {
                let conversation = Conversation::new(
                    self.file,
                    self.keys,
                    &mut server,
                    case.each.as_deref(),
                    demand,
                    self.overheard,
                );
                let cell = converse(conversation, case, demand);
                self.server = Some(server);
                cell
            }
            Err(message) => Cell::failed(format!("the server did not start: {message}")),
        };
        if !case.parser.is_empty()
            && let Err(message) = self.check_serving()
        {
            cell.fail(format!("after the case {message}"));
        }
        if let Some(except) = except.filter(|_| cell.verdict == Verdict::Pass) {
            cell.verdict = Verdict::Declared(except.reason.clone());
        }
        cell
    }

    /// The server that runs if it will do, or a new one.
    fn serve(&mut self, case: &Case) -> Result<Server, String> {
        let policy = join(&self.file.policy, &case.policy_add);
        // Taken, so that the old server is gone before a new one starts.
        let kept = self
            .server
            .take()
            .filter(|server| !case.fresh && server.policy == policy);
        if let Some(server) = kept {
            return Ok(server);
        }
        let beside = Beside::start(&policy, self.keys)?;
        let folder = self.keys.folder().display().to_string();
        let clock = Arc::new(ManualClock::default());
        let revocations = MemoryRevocations::with(100, clock.clone(), &SystemEntropy)
            .map_err(|why| why.to_string())?;
        let fixture = Fixture {
            app: self.file.app,
            policy_toml: beside.expand(&policy.replace("{keys}", &folder))?,
            clock,
            revocations: Arc::new(revocations),
            audit: Arc::new(AuditLog::default()),
            handled: Arc::new(Handled::default()),
        };
        if let Some(overheard) = self.overheard {
            overheard.policy(&policy);
            for (what, secret) in self.keys.secrets() {
                overheard.secret(what, &secret);
            }
        }
        // So that an issuer may be down from the start.
        if let Some(first) = case.steps.first() {
            let (each, now) = (case.each.as_deref(), fixture.clock.unix_seconds());
            beside.prepare(self.file, self.keys, first, each, now)?;
        }
        let running = self.harness.start(&fixture)?;
        if let Some(issuer) = &beside.issuer {
            issuer.count(&BTreeMap::new());
        }
        let explains = self.explain && fixture.app != App::Unlayered;
        Ok(Server {
            twin: explains.then(|| Twin::of(&fixture)).transpose()?,
            running,
            fixture,
            policy,
            beside: Arc::new(beside),
            settled: true,
        })
    }

    /// A new connection must be served, whatever the cases did.
    fn check_serving(&mut self) -> Result<(), String> {
        let Some(server) = &mut self.server else {
            return Ok(());
        };
        server.settled = false;
        let head = format!(
            "GET /health HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.file.defaults.host
        );
        let request = Request {
            head: head.into_bytes(),
            ..Request::default()
        };
        let connection = Connection::open(server.running.address);
        let answer = connection.map_or_else(
            |answer| answer,
            |mut connection| connection.exchange(&request),
        );
        match answer.status() {
            Some(..500) => Ok(()),
            // Nothing but refusals can come from it.
            Some(500) if self.file.app == App::Peerless => Ok(()),
            _ => Err(format!("the server did not serve GET /health: {answer}")),
        }
    }
}

fn converse(mut conversation: Conversation<'_>, case: &Case, demand: Demand) -> Cell {
    let mut cell = Cell::passed(demand == Demand::RefusalByParser);
    converse_into(&mut conversation, case, &mut cell);
    cell.explained = conversation.explained;
    cell
}

fn converse_into(conversation: &mut Conversation<'_>, case: &Case, cell: &mut Cell) {
    for step in &case.steps {
        let times = step.send.repeat.unwrap_or(1);
        for time in 1..=times {
            let (trace, normal) = conversation.exchange(step).unwrap_or_else(|mistake| {
                (
                    Trace {
                        mistakes: vec![mistake],
                        ..Trace::default()
                    },
                    Vec::new(),
                )
            });
            cell.answered(normal);
            let failed = !trace.mistakes.is_empty();
            if failed || time == times {
                cell.exchanged(trace);
            }
            if failed {
                // What follows was written for another state than the one reached.
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
