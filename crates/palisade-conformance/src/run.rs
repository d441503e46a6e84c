//! Runs cases against servers: one server per file and framework, the frameworks side by side, cases in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::case::CaseText;
use crate::check::{self, Observed};
use crate::client::{Answer, Connection, Request};
use crate::harness::{AuditLog, Fixture, Handled, Harness, ManualClock, Running};
use crate::http2;
use crate::keys::Keys;
use crate::normal;
use crate::report::{Cell, MatrixReport, Row, Trace, Verdict};
use crate::request;
use crate::suite::{Case, File, Suite, join};
use crate::text::Macros;

/// How long an audit event may follow its response.
const EVENT_DELAY: Duration = Duration::from_secs(1);

/// Which cases and frameworks to run.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A part of `file: case name`, or a guard such as `PITFALLS 19`.
    pub text: Option<String>,
    /// The name of one framework.
    pub framework: Option<String>,
}

impl Filter {
    fn admits(&self, file: &File, case: &Case) -> bool {
        let Some(text) = &self.text else { return true };
        format!("{}: {}", file.name, case.name).contains(text)
            || case.guards.iter().any(|guard| guard.to_string() == *text)
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
    let chosen = |harness: &&&dyn Harness| {
        filter
            .framework
            .as_deref()
            .is_none_or(|name| name == harness.name())
    };
    let harnesses: Vec<_> = harnesses.iter().filter(chosen).copied().collect();
    let files: Vec<(&File, Vec<&Case>)> = suite
        .files
        .iter()
        .map(|file| {
            (
                file,
                file.cases
                    .iter()
                    .filter(|case| filter.admits(file, case))
                    .collect::<Vec<_>>(),
            )
        })
        .filter(|(_, cases)| !cases.is_empty())
        .collect();
    let columns: Vec<Vec<Cell>> = thread::scope(|scope| {
        let (files, keys) = (&files, &keys);
        let run_all = |harness| {
            move || {
                files
                    .iter()
                    .flat_map(|(file, cases)| run_file(harness, keys, file, cases))
                    .collect()
            }
        };
        let threads: Vec<_> = harnesses
            .iter()
            .map(|harness| scope.spawn(run_all(*harness)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_default())
            .collect()
    });
    let frameworks: Vec<_> = harnesses.iter().map(|harness| harness.name()).collect();
    let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
    let rows = files
        .iter()
        .flat_map(|(file, cases)| cases.iter().map(move |case| (*file, *case)));
    let rows = rows.map(|(file, case)| {
        let cells = columns.iter_mut().map(|column| {
            column
                .next()
                .unwrap_or_else(|| Cell::failed("the runner itself broke off"))
        });
        Row::new(file, case, &frameworks, cells.collect())
    });
    let rows = rows.collect::<Vec<_>>();
    Ok(MatrixReport {
        frameworks,
        rows,
        elapsed: started.elapsed(),
    })
}

/// One cell for every case.
fn run_file(harness: &dyn Harness, keys: &Arc<Keys>, file: &File, cases: &[&Case]) -> Vec<Cell> {
    let mut session = Session {
        harness,
        keys,
        file,
        server: None,
        settled: false,
    };
    let mut cells: Vec<_> = cases.iter().map(|case| session.run(case)).collect();
    if let (Err(message), Some(last)) = (session.check_serving(), cells.last_mut()) {
        last.fail(format!("at the end of the file {message}"));
    }
    cells
}

/// The server of one file on one framework, while its cases run.
struct Session<'a> {
    harness: &'a dyn Harness,
    keys: &'a Arc<Keys>,
    file: &'a File,
    server: Option<Server>,
    /// All audit events of earlier exchanges are known to have been written.
    settled: bool,
}

struct Server {
    running: Running,
    fixture: Fixture,
}

impl Session<'_> {
    fn run(&mut self, case: &Case) -> Cell {
        let declared = case.except.get(self.harness.name());
        if let Some(except) = declared.filter(|except| except.status.is_none()) {
            return Cell::declared(&except.reason);
        }
        if let Err(message) = self.serve(case) {
            return Cell::failed(message);
        }
        let mut cell = self.run_steps(case, declared.and_then(|except| except.status));
        if !case.parser.is_empty()
            && let Err(message) = self.check_serving()
        {
            cell.fail(format!("after the case {message}"));
        }
        if let Some(except) = declared.filter(|_| cell.verdict == Verdict::Pass) {
            cell.verdict = Verdict::Declared(except.reason.clone());
        }
        cell
    }

    /// Starts a server unless the one that runs will do.
    fn serve(&mut self, case: &Case) -> Result<(), String> {
        let policy = join(&self.file.policy, &case.policy_add)
            .replace("{keys}", &self.keys.folder().display().to_string());
        if !case.fresh
            && self
                .server
                .as_ref()
                .is_some_and(|server| server.fixture.policy_toml == policy)
        {
            return Ok(());
        }
        // The old one first, so that no two of them run at a time.
        self.server = None;
        let fixture = Fixture {
            app: self.file.app,
            policy_toml: policy,
            clock: Arc::new(ManualClock::default()),
            audit: Arc::new(AuditLog::default()),
            handled: Arc::new(Handled::default()),
        };
        let running = self
            .harness
            .start(&fixture)
            .map_err(|message| format!("the server did not start: {message}"))?;
        self.server = Some(Server { running, fixture });
        self.settled = true;
        Ok(())
    }

    fn run_steps(&mut self, case: &Case, declared: Option<u16>) -> Cell {
        let parser = case.parser.iter().any(|name| name == self.harness.name());
        let mut cell = Cell::passed(parser);
        let Some(server) = &self.server else {
            return Cell::failed("there is no server");
        };
        let mut exchanges = Exchanges {
            keys: self.keys,
            file: self.file,
            server,
            case,
            saved: BTreeMap::new(),
            connection: None,
            settled: self.settled,
        };
        'steps: for step in &case.steps {
            let times = step.repeat.unwrap_or(1);
            for time in 1..=times {
                let (trace, normal) = match exchanges.run(step, parser, declared) {
                    Ok(done) => done,
                    Err(message) => (
                        Trace {
                            mistakes: vec![message],
                            ..Trace::default()
                        },
                        Vec::new(),
                    ),
                };
                cell.answered(normal);
                if !trace.mistakes.is_empty() {
                    cell.exchanged(trace);
                    // What follows was written for another state than the one reached.
                    break 'steps;
                }
                if time == times {
                    cell.exchanged(trace);
                }
            }
        }
        self.settled = !parser;
        cell
    }

    /// A new connection must be served, whatever the cases did.
    fn check_serving(&mut self) -> Result<(), String> {
        let Some(server) = &self.server else {
            return Ok(());
        };
        let head = format!(
            "GET /health HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.file.defaults.host
        );
        let request = Request {
            head: head.into_bytes(),
            ..Request::default()
        };
        self.settled = false;
        let answer = Connection::open(server.running.address).map_or_else(
            |answer| answer,
            |mut connection| connection.exchange(&request),
        );
        match answer {
            Answer::Response(response) if response.status < 500 => Ok(()),
            other => Err(format!(
                "the server did not serve GET /health: {}",
                check::describe(&other)
            )),
        }
    }
}

/// The exchanges of one case.
struct Exchanges<'a> {
    keys: &'a Keys,
    file: &'a File,
    server: &'a Server,
    case: &'a Case,
    saved: BTreeMap<String, String>,
    connection: Option<Connection>,
    settled: bool,
}

impl Exchanges<'_> {
    /// Sends one request and judges the answer. An error is a mistake in the case.
    fn run(
        &mut self,
        step: &CaseText,
        parser: bool,
        declared: Option<u16>,
    ) -> Result<(Trace, Vec<u8>), String> {
        let Fixture {
            clock,
            audit,
            handled,
            ..
        } = &self.server.fixture;
        if let Some(advance) = step.advance {
            if advance.back {
                clock.set_back(advance.by)
            } else {
                clock.advance(advance.by)
            }
        }
        let now = clock.unix_seconds();
        let address = self.server.running.address.to_string();
        let (file, keys) = (self.file, self.keys);
        let token = |name: &str| {
            let token = file
                .tokens
                .get(name)
                .ok_or_else(|| format!("there is no token `{name}`"))?;
            let mut token = token.clone();
            let exact = Macros {
                host: &file.defaults.host,
                address: "",
                now,
                each: None,
                saved: &BTreeMap::new(),
                token: &|_| Err("a token cannot contain a token".to_owned()),
            };
            for text in [&mut token.header_json, &mut token.claims_json]
                .into_iter()
                .flatten()
            {
                *text = exact.expand(text)?;
            }
            token.mint(&file.defaults.token, keys, now)
        };
        let saved = self.saved.clone();
        let macros = Macros {
            host: &file.defaults.host,
            address: &address,
            now,
            each: self.case.each.as_deref(),
            saved: &saved,
            token: &token,
        };
        let request = request::build(step, &macros, file.http2)?;

        let late = audit.take();
        let before = handled.count();
        let (answer, closed) = self.send(step, &request)?;
        let mut trace = Trace::new(&request, &answer);
        let normal = if let Answer::Response(response) = &answer {
            normal::normalise(response)
        } else {
            Vec::new()
        };
        if parser {
            if !check::is_refused_by_parser(&answer) {
                trace.mistakes.push(format!(
                    "the framework's parser was to refuse this, but {}",
                    check::describe(&answer)
                ));
            }
        } else if let Some(status) = declared {
            if !matches!(&answer, Answer::Response(response) if response.status == status) {
                trace.mistakes.push(format!(
                    "status: {status} was declared for this framework, but {}",
                    check::describe(&answer)
                ));
            }
            self.settled = false;
            return Ok((trace, normal));
        } else {
            let events = take_events(audit, step.events.unwrap_or(1));
            let seen = Observed {
                handlers: handled.count() - before,
                answer,
                events,
                closed,
            };
            trace.mistakes = check::check(step, &seen, &macros);
            if self.settled && !late.is_empty() {
                trace.mistakes.push(format!(
                    "audit: {} events too many before this exchange, the first {:?}",
                    late.len(),
                    late.first()
                ));
            }
            if trace.mistakes.is_empty() {
                self.save(step, &seen.answer)?;
            }
        }
        self.settled = !parser;
        Ok((trace, normal))
    }

    fn send(
        &mut self,
        step: &CaseText,
        request: &Request,
    ) -> Result<(Answer, Option<bool>), String> {
        let address = self.server.running.address;
        if self.file.http2 {
            return Ok((
                http2::exchange(address, &self.file.defaults.host, request)?,
                None,
            ));
        }
        let reused = self.connection.take().filter(|_| step.keep_alive);
        let mut connection = match reused.map_or_else(|| Connection::open(address), Ok) {
            Ok(connection) => connection,
            Err(answer) => return Ok((answer, None)),
        };
        if step.hang_up {
            return Ok((connection.hang_up(request), None));
        }
        let answer = connection.exchange(request);
        let closed = step.closes.map(|_| connection.is_closed());
        self.connection = Some(connection);
        Ok((answer, closed))
    }

    /// Keeps values for later steps: a pointer into the JSON body, or `header:NAME`.
    fn save(&mut self, step: &CaseText, answer: &Answer) -> Result<(), String> {
        let Answer::Response(response) = answer else {
            return Ok(());
        };
        for (name, place) in &step.save {
            let value = if let Some(header) = place.strip_prefix("header:") {
                response.header(header).next().map(check::shown)
            } else {
                let body: serde_json::Value =
                    serde_json::from_slice(&response.body).unwrap_or_default();
                body.pointer(place).map(|value| {
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned)
                })
            };
            self.saved.insert(
                name.clone(),
                value.ok_or_else(|| format!("there is no `{place}` to save as `{name}`"))?,
            );
        }
        Ok(())
    }
}

/// Waits until `wanted` events are there; takes also those that are too many.
fn take_events(audit: &AuditLog, wanted: usize) -> Vec<serde_json::Value> {
    let deadline = Instant::now() + EVENT_DELAY;
    let mut events = audit.take();
    while events.len() < wanted && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
        events.extend(audit.take());
    }
    events
}
