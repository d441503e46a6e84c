//! Sends streams until enough have been answered.

use std::thread;
use std::time::Duration;

use super::agree::{Difference, Kind, differences};
use super::grammar::Stream;
use super::report::{Compared, told};
use super::serve::{Answer, Heard, Servers, Setup};
use super::shrink::shrink;
use crate::generate::random::Random;

/// Streams are shared out among as many threads on every machine, each with servers of its own, so that a seed finds the
/// same everywhere.
const THREADS: u64 = 4;

/// How long a server may say nothing before it is taken to wait for more. Few streams come to this.
const QUIET: Duration = Duration::from_secs(2);

/// The same, for streams whose answers differ: a slow machine must not make a difference.
const QUIET_AGAIN: Duration = Duration::from_secs(5);

/// The same, while a failure is made small: a stream that differs by slowness alone is no smaller failure.
const QUIET_SMALL: Duration = Duration::from_millis(500);

/// After as many streams there are new servers: what handlers have stored does not grow without end.
const AFRESH: u64 = 500;

/// What to send.
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    /// How many streams of bytes to send to each server.
    pub streams: u64,
    /// The seed of the first stream; the next stream has the next seed.
    pub seed: u64,
    /// Whether to tell one example of each declared difference, too.
    pub examples: bool,
}

/// Sends random bytes to the three demo servers and compares what they answer.
///
/// # Errors
/// A server does not start.
pub fn compare(bytes: Bytes) -> Result<Compared, String> {
    let setup = &Setup::new()?;
    let parts: Vec<Result<Compared, String>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS.min(bytes.streams))
            .map(|thread| scope.spawn(move || share(bytes, thread, setup)))
            .collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            let ended: thread::Result<Result<Compared, String>> = thread.join();
            ended.unwrap_or_else(|_| Err("the generator panicked".to_owned()))
        };
        threads.into_iter().map(join).collect()
    });
    let mut all = Compared::default();
    for part in parts {
        all.add(part?);
    }
    Ok(all)
}

/// One thread's share of the streams.
fn share(bytes: Bytes, thread: u64, setup: &Setup) -> Result<Compared, String> {
    let mut compared = Compared::default();
    let mut servers = Servers::start(setup)?;
    let mut sent = 0;
    let mut index = thread;
    while index < bytes.streams {
        if sent >= AFRESH {
            servers = Servers::start(setup)?;
            sent = 0;
        }
        let seed = bytes.seed.wrapping_add(index);
        let stream = Stream::random(&mut Random::new(seed));
        let heard = servers.hear(&stream, QUIET);
        sent += 1;
        index += THREADS;
        compared.count(&heard);
        let parted = differences(&stream, &heard);
        for difference in &parted {
            if compared.knows(difference) {
                compared.difference(difference, String::new());
            } else if difference.kind == Kind::Undeclared {
                found(setup, seed, &stream, &heard, difference, &mut compared)?;
            } else {
                let told = bytes.examples.then(|| told(seed, &stream, &heard));
                compared.difference(difference, told.unwrap_or_default());
            }
        }
        // Servers that disagree may have stored different things. And actix-web, where it closed without an answer, has
        // dropped a handler that may have held the one connection to its database, which lies in memory.
        let dropped = parted.iter().any(|it| it.steps.contains("actix closed"));
        if dropped || (!parted.is_empty() && changes(&heard)) {
            servers = Servers::start(setup)?;
            sent = 0;
        }
    }
    Ok(compared)
}

/// Whether what the handlers have stored may differ: some wrote, and not all the same.
fn changes(heard: &[Heard]) -> bool {
    let mut writes = heard.iter().map(|heard| {
        let wrote = |answer: &&Answer| {
            let is_item = || answer.normal.windows(5).any(|window| window == b"\"id\":");
            answer.by_layer
                && (matches!(answer.status, 201 | 204) || (answer.status == 200 && is_item()))
        };
        heard.answers.iter().filter(wrote).collect::<Vec<_>>()
    });
    let first = writes.next();
    writes.any(|other| Some(other) != first)
}

/// Looks again on new servers, with patience, and makes the stream small.
fn found(
    setup: &Setup,
    seed: u64,
    stream: &Stream,
    heard: &[Heard],
    difference: &Difference,
    compared: &mut Compared,
) -> Result<(), String> {
    let like = |stream: &Stream, heard: &[Heard]| {
        let mut found = differences(stream, heard).into_iter();
        found.find(|found| found.is_like(difference))
    };
    let servers = Servers::start(setup)?;
    let told = match like(stream, &servers.hear(stream, QUIET_AGAIN)) {
        None => {
            compared.not_again(told(seed, stream, heard));
            return Ok(());
        }
        Some(_) => {
            let mut judge = |stream: &Stream| like(stream, &servers.hear(stream, QUIET_SMALL));
            let small = shrink(stream.clone(), difference, &mut judge);
            told(seed, &small, &servers.hear(&small, QUIET))
        }
    };
    compared.difference(difference, told);
    Ok(())
}
