//! Runs tables until enough requests have been answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use palisade_core::Palisade;
use tokio::runtime::Builder;
use tokio::task::LocalSet;

use super::agree;
use super::oracle::{Exchange, Hole, judge, late, ordinary};
use super::path::Sent;
use super::policy::Policy;
use super::random::Random;
use super::report::{Found, Generated};
use super::serve::{App, Log, Server, bytes, palisade, read};
use super::shrink::shrink;
use super::table::Table;
use super::template::Dialect;
use crate::client::Connection;

/// How many requests each table is asked, besides a plain one for each of its routes.
const TRICKY: usize = 50;

/// Of how many tables one is asked over real sockets, too.
const SOCKETS: u64 = 50;

/// Tables are shared out among as many threads on every machine, so that a seed finds the same everywhere.
const THREADS: u64 = 2;

/// What to generate.
#[derive(Clone, Copy, Debug)]
pub struct Generator {
    /// How many requests to send at least; one that is sent to three frameworks counts as three.
    pub exchanges: u64,
    /// The seed of the first table; the next table has the next seed.
    pub seed: u64,
    /// Whether the policies say `uncertain = "report"`, so that the faults are back which are refused else.
    pub reports: bool,
    /// Whether to show how far it is.
    pub progress: bool,
}

/// Everything that one request needs to be sent again.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) server: Server,
    pub(super) table: Table,
    pub(super) policy: Policy,
    pub(super) sent: Sent,
}

/// Generates tables, policies and requests, and judges what the frameworks did.
///
/// # Errors
/// No runtime can be started.
pub fn generate(generator: Generator) -> Result<Generated, String> {
    let done = AtomicU64::new(0);
    let parts: Vec<Result<Generated, String>> = thread::scope(|scope| {
        let start = |thread| {
            let done = &done;
            scope.spawn(move || share(generator, thread, done))
        };
        let threads: Vec<_> = (0..THREADS).map(start).collect();
        if generator.progress {
            scope.spawn(|| progress(generator.exchanges, &done));
        }
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            let ended: thread::Result<Result<Generated, String>> = thread.join();
            ended.unwrap_or_else(|_| Err("the generator panicked".to_owned()))
        };
        let parts = threads.into_iter().map(join).collect();
        done.store(u64::MAX, Ordering::Relaxed);
        parts
    });
    let mut all = Generated::default();
    for part in parts {
        all.add(part?);
    }
    Ok(all)
}

/// One thread's share of the tables.
fn share(generator: Generator, thread: u64, done: &AtomicU64) -> Result<Generated, String> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| why.to_string())?;
    let mut generated = Generated::default();
    let mut seed = generator.seed.wrapping_add(thread);
    // A single table is what a seed was printed for.
    let enough = match generator.exchanges {
        1 if thread > 0 => 0,
        1 => 1,
        exchanges => exchanges.div_ceil(THREADS),
    };
    while generated.exchanges < enough {
        let before = generated.exchanges;
        LocalSet::new().block_on(&runtime, one_table(seed, generator.reports, &mut generated));
        done.fetch_add(generated.exchanges - before, Ordering::Relaxed);
        seed = seed.wrapping_add(THREADS);
        if enough == 1 {
            break;
        }
    }
    Ok(generated)
}

async fn one_table(seed: u64, reports: bool, generated: &mut Generated) {
    let mut random = Random::new(seed);
    let table = Table::random(&mut random, reports);
    let policy = Policy::random(&mut random, &table, reports);
    let mut routes = table.placed(Dialect::Actix);
    let known: Vec<usize> = routes.iter().map(|placed| placed.route.id).collect();
    // The routes of a fallback that is a router.
    routes.extend(
        table
            .placed(Dialect::Axum)
            .into_iter()
            .filter(|placed| !known.contains(&placed.route.id)),
    );
    let mut requests: Vec<Sent> = routes
        .iter()
        .map(|placed| Sent::plain(&mut random, placed))
        .collect();
    requests.extend((0..TRICKY).map(|_| Sent::tricky(&mut random, &table, &policy)));

    let log = Arc::new(Log::default());
    let palisade = match palisade(&policy.toml(), &log) {
        Ok(palisade) => palisade,
        Err(why) => return generated.policy_refused(seed, &why),
    };
    generated.tables += 1;
    let mut apps: Vec<(Server, App)> = Vec::new();
    for server in Server::ALL {
        match server.build(&table, &palisade, &log).await {
            Ok(app) => apps.push((server, app)),
            Err(why) => generated.table_refused(server, &why),
        }
    }
    let mut answered: Vec<(Server, &Sent, Exchange)> = Vec::new();
    for sent in &requests {
        let mut outcomes = Vec::new();
        for (server, app) in &apps {
            let Some(exchange) = exchange(app, &log, sent).await else {
                generated.unsendable += 1;
                continue;
            };
            generated.count(*server, &exchange);
            let case = || Case {
                server: *server,
                table: table.clone(),
                policy: policy.clone(),
                sent: sent.clone(),
            };
            if let Some(hole) = judge(*server, &table, &policy, sent, &exchange) {
                // A fault that was put back on purpose need not be made small.
                let found = match generated.knows(*server, hole.kind) || reports {
                    true => None,
                    false => Some(found(seed, case(), hole.clone()).await),
                };
                generated.hole(*server, hole.kind, found);
            } else if let Some(late) = late(*server, &table, &policy, sent, &exchange) {
                generated.late(late);
            } else if ordinary(*server, &table, &policy, sent) == Some(true) {
                generated.ordinary(*server, seed, &exchange, &case);
            }
            outcomes.push((*server, exchange));
        }
        let comparable: Vec<(Server, Exchange)> = outcomes
            .iter()
            .filter(|(server, _)| server.agrees())
            .cloned()
            .collect();
        if let Some(difference) = agree::difference(&table, sent, &comparable) {
            generated.difference(difference, seed, &table, &policy, sent, &comparable);
        }
        answered.extend(
            outcomes
                .into_iter()
                .map(|(server, exchange)| (server, sent, exchange)),
        );
    }
    if !seed.is_multiple_of(SOCKETS) {
        return;
    }
    for (server, _) in &apps {
        let own = answered.iter().filter(|(other, ..)| other == server);
        let sent = own.map(|(_, sent, exchange)| (*sent, exchange));
        match over_a_socket(*server, &table, &palisade, &log, sent) {
            Ok(exchanges) => generated.over_sockets(exchanges),
            Err(unlike) => generated.not_as_in_process(*server, seed, &unlike),
        }
    }
}

/// Sends requests over a real socket, and demands the answers that were given in process.
///
/// # Errors
/// The first difference, or a server that does not start.
fn over_a_socket<'a>(
    server: Server,
    table: &Table,
    palisade: &Palisade,
    log: &Arc<Log>,
    requests: impl Iterator<Item = (&'a Sent, &'a Exchange)>,
) -> Result<u64, String> {
    let running = server.start(table, palisade, log)?;
    let open = || Connection::open(running.address).map_err(|why| why.to_string());
    let mut connection = open()?;
    let mut exchanges = 0;
    for (sent, expected) in requests {
        let answer = connection.exchange(&bytes(sent));
        let closed = answer.response().is_none_or(|response| {
            let mut values = response.header("connection");
            values.any(|value| value.eq_ignore_ascii_case(b"close"))
        });
        if closed {
            connection = open()?;
        }
        let (ran, audited) = log.take();
        if audited.is_empty() && answer.is_refusal_by_parser() {
            continue;
        }
        exchanges += 1;
        let found = read(&answer).map(|answer| Exchange {
            answer,
            ran,
            audited,
        });
        if found.as_ref() != Some(expected) {
            return Err(format!(
                "{sent:?}\nin process: {expected:?}\nover a socket: {found:?}"
            ));
        }
    }
    Ok(exchanges)
}

/// The failure, made small.
async fn found(seed: u64, case: Case, hole: Hole) -> Found {
    let (case, hole) = shrink(case, hole).await;
    Found { seed, case, hole }
}

/// Sends a request, unless the server's parser would not take it.
async fn exchange(app: &App, log: &Log, sent: &Sent) -> Option<Exchange> {
    let answer = app(sent).ok()?.await;
    let (ran, audited) = log.take();
    Some(Exchange {
        answer,
        ran,
        audited,
    })
}

/// Judges one case once more, on an application of its own.
pub(super) async fn again(case: &Case) -> Option<Hole> {
    let log = Arc::new(Log::default());
    let palisade = palisade(&case.policy.toml(), &log).ok()?;
    let app = case.server.build(&case.table, &palisade, &log).await.ok()?;
    let exchange = exchange(&app, &log, &case.sent).await?;
    judge(
        case.server,
        &case.table,
        &case.policy,
        &case.sent,
        &exchange,
    )
}

fn progress(exchanges: u64, done: &AtomicU64) {
    let start = Instant::now();
    let mut shown = Duration::ZERO;
    loop {
        thread::sleep(Duration::from_millis(200));
        let done = done.load(Ordering::Relaxed);
        if done >= exchanges {
            return;
        }
        if start.elapsed() - shown >= Duration::from_secs(5) {
            shown = start.elapsed();
            eprintln!(
                "{done} of {exchanges} exchanges after {} s",
                shown.as_secs()
            );
        }
    }
}
