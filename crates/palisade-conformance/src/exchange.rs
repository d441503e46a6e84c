//! One exchange: moves the clock, sends the request, gathers what came of it and judges that.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::always;
use crate::answer::{Answer, shown};
use crate::beside::Beside;
use crate::check::{Observed, check};
use crate::client::{Connection, PATIENCE, Request};
use crate::explain::Twin;
use crate::harness::{AuditLog, Fixture, Running};
use crate::http2;
use crate::keys::Keys;
use crate::model::{Advance, Explained, File, Step};
use crate::normal::normalise;
use crate::overheard::Overheard;
use crate::report::Trace;
use crate::request;
use crate::revoke;
use crate::text::Macros;

/// How long to wait before looking again for what happens `eventually`, and between two moves of the clock.
const PAUSE: Duration = Duration::from_millis(10);

/// A server under test, with the cells that it shares with the runner.
pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) fixture: Fixture,
    /// Its policy before macros were replaced.
    pub(crate) policy: String,
    pub(crate) beside: Arc<Beside>,
    /// Explains what the server does, if that is asked for.
    pub(crate) twin: Option<Twin>,
    /// The audit events of all earlier exchanges are known to have been written: a further one is one too many.
    pub(crate) settled: bool,
}

impl Server {
    /// What differs from the number of requests that the issuer was to get.
    fn count_issuer_requests(&self, wanted: &BTreeMap<String, usize>) -> Vec<String> {
        let Some(issuer) = &self.beside.issuer else {
            return Vec::new();
        };
        let counts = issuer.count(wanted);
        let got = |path: &String| counts.get(path).copied().unwrap_or(0);
        let wrong = wanted.iter().filter(|(path, wanted)| got(path) != **wanted);
        wrong
            .map(|(path, wanted)| {
                let got = got(path);
                format!("issuer: {wanted} requests for {path} were expected, {got} came")
            })
            .collect()
    }
}

/// What is demanded of a framework's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// All that the case says.
    Case,
    /// To be refused by the framework's own parser.
    RefusalByParser,
    /// The status of a declared difference.
    Declared(u16),
}

/// The exchanges of one case, in order.
pub(crate) struct Conversation<'a> {
    file: &'a File,
    keys: &'a Keys,
    server: &'a mut Server,
    each: Option<&'a str>,
    demand: Demand,
    overheard: Option<&'static Overheard>,
    saved: BTreeMap<String, String>,
    connection: Option<Connection>,
    pub(crate) explained: Explained,
}

/// One request and what came of it.
struct Attempt {
    request: Request,
    trace: Trace,
    normal: Vec<u8>,
    events: Vec<Value>,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(
        file: &'a File,
        keys: &'a Keys,
        server: &'a mut Server,
        each: Option<&'a str>,
        demand: Demand,
        overheard: Option<&'static Overheard>,
    ) -> Self {
        Self {
            file,
            keys,
            server,
            each,
            demand,
            overheard,
            saved: BTreeMap::new(),
            connection: None,
            explained: Explained::default(),
        }
    }

    /// Sends the request of `step` and judges the answer, which is also returned in its normalised form.
    ///
    /// # Errors
    /// A mistake in the case that shows only now.
    pub(crate) fn exchange(&mut self, step: &Step) -> Result<(Trace, Vec<u8>), String> {
        let now = self.advance(step);
        let (file, keys, server) = (self.file, self.keys, &self.server);
        server.beside.prepare(file, keys, step, self.each, now)?;
        if let Some(revoke) = &step.send.revoke {
            let revocations = &server.fixture.revocations;
            revoke::revoke(revoke, file, keys, &server.beside, revocations, now)?;
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut attempt = self.attempt(step)?;
            let explained = self.explain(&mut attempt);
            let mistakes = &mut attempt.trace.mistakes;
            if step.send.eventually && !mistakes.is_empty() && Instant::now() < deadline {
                thread::sleep(PAUSE);
                self.advance(step);
                continue;
            }
            self.explained += explained;
            // A twin asks, too.
            if self.demand == Demand::Case && self.server.twin.is_none() {
                mistakes.extend(
                    self.server
                        .count_issuer_requests(&step.expect.issuer_requests),
                );
            }
            return Ok((attempt.trace, attempt.normal));
        }
    }

    /// Moves the clock as `step` says; returns the time.
    fn advance(&self, step: &Step) -> u64 {
        let clock = &self.server.fixture.clock;
        match step.send.advance {
            Some(Advance { by, back: true }) => clock.set_back(by),
            Some(Advance { by, back: false }) => clock.advance(by),
            None => {}
        }
        clock.unix_seconds()
    }

    /// What `explain` says of a request that the layer saw; differences become mistakes.
    fn explain(&self, attempt: &mut Attempt) -> Explained {
        let (Some(twin), [event]) = (&self.server.twin, attempt.events.as_slice()) else {
            return Explained::default();
        };
        let host = &self.file.defaults.host;
        match twin.compare(
            &attempt.request,
            (host, self.file.http2),
            event,
            (&self.server.beside, &attempt.normal),
        ) {
            Ok(mut explained) => {
                if self.server.beside.is_something() {
                    explained.with_services = explained.agreed();
                }
                explained
            }
            Err(different) => {
                attempt.trace.mistakes.extend(different);
                Explained {
                    different: 1,
                    ..Explained::default()
                }
            }
        }
    }

    fn attempt(&mut self, step: &Step) -> Result<Attempt, String> {
        let (file, keys, saved) = (self.file, self.keys, self.saved.clone());
        let now = self.server.fixture.clock.unix_seconds();
        let minted = RefCell::new(Vec::new());
        let beside = self.server.beside.clone();
        let token = |name: &str| {
            let text = file.mint(name, keys, &beside, now)?;
            minted.borrow_mut().push(text.clone());
            Ok(text)
        };
        let macros = Macros {
            host: &file.defaults.host,
            address: &self.server.running.address.to_string(),
            now,
            each: self.each,
            saved: &saved,
            token: &token,
            beside: &beside,
        };
        let request = request::build(&step.send, &macros, file.http2)?;

        if let Some(overheard) = self.overheard {
            overheard.head(&request.head);
            for credential in minted.borrow().iter() {
                overheard.credential(credential);
            }
        }
        let mut late = self.server.fixture.audit.take();
        self.hear_events(&late);
        if !self.server.settled {
            late.clear();
        }
        let handled = self.server.fixture.handled.count();
        let sent = Instant::now();
        let (answer, closed) = self.send_while_time_passes(step, &request)?;
        let took = sent.elapsed();
        let mut trace = Trace::new(&request, &answer);
        let normal = answer.response().map(normalise).unwrap_or_default();
        let normal = beside.normalise(normal);
        self.server.settled = self.demand == Demand::Case;
        let mut observed = Vec::new();
        match self.demand {
            Demand::Case => {
                let Fixture {
                    audit,
                    handled: handlers,
                    ..
                } = &self.server.fixture;
                // Whoever was not reached writes none.
                let wanted = match answer {
                    Answer::Unreachable(_) => 0,
                    _ => step.expect.events.unwrap_or(1),
                };
                let events = take_events(audit, wanted);
                let handlers = handlers.count() - handled;
                self.hear_events(&events);
                if let (0, Some(overheard)) = (handlers, self.overheard) {
                    overheard.said("answer", &normal);
                }
                let seen = Observed {
                    answer,
                    handlers,
                    events,
                    closed,
                };
                trace.mistakes = check(&step.expect, &seen, &macros);
                trace.mistakes.extend(always::check(&seen));
                if let Some(within) = step.expect.within.filter(|within| took > within.by) {
                    let within = within.by;
                    trace
                        .mistakes
                        .push(format!("time: {took:?}, at most {within:?} were allowed"));
                }
                trace.mistakes.extend(leaks(&minted.borrow(), &seen));
                if let Some(first) = late.first() {
                    let late = late.len();
                    trace.mistakes.push(format!(
                        "audit: {late} events too many before this exchange, the first {first}"
                    ));
                }
                if trace.mistakes.is_empty() {
                    self.save(step, &seen.answer)?;
                }
                observed = seen.events;
            }
            Demand::RefusalByParser if !answer.is_refusal_by_parser() => {
                trace.mistakes.push(format!(
                    "the framework's parser was to refuse this, but {answer}"
                ));
            }
            Demand::Declared(status) if answer.status() != Some(status) => {
                trace.mistakes.push(format!(
                    "status: {status} was declared for this framework, but {answer}"
                ));
            }
            Demand::RefusalByParser | Demand::Declared(_) => {}
        }
        Ok(Attempt {
            request,
            trace,
            normal,
            events: observed,
        })
    }

    fn hear_events(&self, events: &[Value]) {
        if let Some(overheard) = self.overheard {
            for event in events {
                overheard.said("audit", event.to_string().as_bytes());
            }
        }
    }

    /// Moves the clock, again and again, until the answer is there, if the step says so.
    fn send_while_time_passes(
        &mut self,
        step: &Step,
        request: &Request,
    ) -> Result<(Answer, Option<bool>), String> {
        let Some(Advance { by, .. }) = step.send.meanwhile else {
            return self.send(step, request);
        };
        let clock = self.server.fixture.clock.clone();
        let answered = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !answered.load(Ordering::SeqCst) {
                    thread::sleep(PAUSE);
                    clock.advance(by);
                }
            });
            let sent = self.send(step, request);
            answered.store(true, Ordering::SeqCst);
            sent
        })
    }

    /// The answer, and whether the connection was closed after it if the case asks.
    fn send(&mut self, step: &Step, request: &Request) -> Result<(Answer, Option<bool>), String> {
        let address = self.server.running.address;
        if self.file.http2 {
            return Ok((
                http2::exchange(address, &self.file.defaults.host, request)?,
                None,
            ));
        }
        let kept = self.connection.take().filter(|_| step.send.keep_alive);
        let mut connection = match kept.map_or_else(|| Connection::open(address), Ok) {
            Ok(connection) => connection,
            Err(answer) => return Ok((answer, None)),
        };
        if step.send.hang_up {
            return Ok((connection.hang_up(request), None));
        }
        let answer = connection.exchange(request);
        let closed = step
            .expect
            .closes
            .map(|closes| connection.is_closed(closes));
        self.connection = Some(connection);
        Ok((answer, closed))
    }

    /// Keeps values for later steps: a pointer into the JSON body, or `header:NAME`.
    fn save(&mut self, step: &Step, answer: &Answer) -> Result<(), String> {
        let Some(response) = answer.response() else {
            return Ok(());
        };
        for (name, place) in &step.send.save {
            let value = if let Some(header) = place.strip_prefix("header:") {
                response.header(header).next().map(shown)
            } else {
                let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
                body.pointer(place).map(|value| {
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned)
                })
            };
            let value =
                value.ok_or_else(|| format!("there is no `{place}` to save as `{name}`"))?;
            self.saved.insert(name.clone(), value);
        }
        Ok(())
    }
}

/// No credential that was sent may stand in an event, nor in the answer of a request that no handler saw.
fn leaks(credentials: &[String], seen: &Observed) -> Vec<String> {
    let events = seen.events.iter().map(|event| ("audit", event.to_string()));
    let refusal = seen.answer.response().filter(|_| seen.handlers == 0);
    let refusal = refusal.map(|response| {
        let values = response.headers.iter().map(|(_, value)| &**value);
        let texts = values.chain([&*response.body]).map(shown);
        ("response", texts.collect::<Vec<_>>().join("\n"))
    });
    let mut found = Vec::new();
    for (place, text) in events.chain(refusal) {
        if credentials
            .iter()
            .any(|credential| text.contains(credential))
        {
            found.push(format!("{place}: holds a credential that was sent: {text}"));
        }
    }
    found
}

/// Waits until `wanted` events are there; takes also those that are too many.
fn take_events(audit: &AuditLog, wanted: usize) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    let mut events = audit.take();
    while events.len() < wanted && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
        events.extend(audit.take());
    }
    events
}
