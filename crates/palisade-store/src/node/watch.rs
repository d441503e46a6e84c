//! The work in the background: opens the database, asks for changes, writes what was noted, and
//! opens it again when it was lost.

use super::{Shared, State, no_answer, poll::prune};
use crate::{
    database::Database,
    error::{cannot_open, unavailable},
    location::Kind,
};
use palisade_core::{Clock, SourceError, SystemClock};
use palisade_runtime::Stopping;
use sqlx::{Error, postgres::PgListener};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::{interval, sleep, timeout};

/// How long it waits before it tries again, first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A database that fails sooner than this is opened less and less often.
const STABLE_NANOS: u64 = 10_000_000_000;

/// Watches until it is told to stop, then writes what is left.
pub(super) async fn watch(shared: Arc<Shared>, stopping: Stopping) {
    tokio::select! {
        () = stopping => {}
        () = keep_open(&shared) => {}
    }
    let last = shared.state.send_replace(State::Down(SourceError::new(
        "the database",
        "it was closed",
    )));
    let written = match &last {
        State::Open(database) => {
            let written = shared.usage.write(database).await;
            database.clone().close(shared.pace.look_up).await;
            written.map_err(|error| unavailable(&error))
        }
        State::Down(error) => Err(error.clone()),
        State::Opening => Ok(()),
    };
    if let Err(error) = written
        && !shared.usage.is_empty()
    {
        tracing::warn!(target: "palisade", database = %shared.location, %error,
            "the last times of use of API keys are lost");
    }
}

/// Opens the database, stays with it until it fails, and begins anew.
async fn keep_open(shared: &Shared) {
    let clock = SystemClock::default();
    let mut outage = Outage::default();
    let mut opened_before = false;
    let mut wait = RETRY.0;
    loop {
        // A file that is gone is no empty database: it was there.
        let limit = match opened_before {
            true => shared.pace.open,
            false => shared.pace.first_open,
        };
        let opening = Database::open(&shared.location, !opened_before, limit);
        let opened = timeout(limit, opening).await;
        let opened = opened.unwrap_or_else(|_| Err(Error::PoolTimedOut));
        let error = match opened {
            Ok(database) => {
                shared.lose_position().await;
                match poll(shared, &database).await {
                    Ok(()) => {
                        opened_before = true;
                        let since = clock.monotonic_nanos();
                        shared.state.send_replace(State::Open(database.clone()));
                        outage.ends(shared);
                        let error = stay(shared, &database).await;
                        if clock.monotonic_nanos().saturating_sub(since) > STABLE_NANOS {
                            wait = RETRY.0;
                        }
                        shared.state.send_replace(State::Down(error.clone()));
                        database.close(shared.pace.look_up).await;
                        error
                    }
                    Err(error) => {
                        database.close(shared.pace.look_up).await;
                        error
                    }
                }
            }
            Err(error) => cannot_open(&shared.location, &error),
        };
        outage.begins(shared, &error);
        shared.state.send_replace(State::Down(error));
        sleep(wait).await;
        wait = (wait * 2).min(RETRY.1);
    }
}

/// Asks for changes and writes what was noted, until the database fails.
async fn stay(shared: &Shared, database: &Database) -> SourceError {
    tokio::select! {
        error = serve(shared, database) => error,
        () = listen(shared, database.kind()) => no_answer(shared.pace.look_up),
    }
}

async fn serve(shared: &Shared, database: &Database) -> SourceError {
    let mut writing = Writing::default();
    let pace = shared.pace;
    let mut writes = interval(pace.write);
    let mut prunes = interval(pace.prune);
    loop {
        let pause = Duration::from_millis(shared.poll_millis.load(Ordering::Relaxed));
        // Whatever ends the pause, it asks for changes then. A lock that somebody else holds
        // must not keep it from that for long.
        tokio::select! {
            () = sleep(pause) => {}
            () = shared.wake.notified() => {}
            _ = writes.tick() => {
                let written = timeout(pace.look_up, shared.usage.write(database)).await;
                writing.ended(shared, written.unwrap_or(Err(Error::PoolTimedOut)));
            }
            _ = prunes.tick() => {
                // What is not removed now is removed later.
                let _ = timeout(pace.look_up, prune(database)).await;
            }
        }
        if database.is_suspect() {
            return SourceError::new("the database", "a look-up failed");
        }
        if let Err(error) = poll(shared, database).await {
            return error;
        }
    }
}

async fn poll(shared: &Shared, database: &Database) -> Result<(), SourceError> {
    let limit = shared.pace.look_up;
    match timeout(limit, shared.poll(database)).await {
        Ok(polled) => polled.map_err(|error| unavailable(&error)),
        Err(_) => Err(no_answer(limit)),
    }
}

/// Hears of changes as they are made, where the database can tell; never ends.
async fn listen(shared: &Shared, kind: Kind) {
    if kind != Kind::Postgres {
        return std::future::pending().await;
    }
    let mut wait = RETRY.0;
    loop {
        if let Ok(mut listener) = listener(shared).await {
            wait = RETRY.0;
            // What was changed before it listened, and after each time it did not.
            shared.wake.notify_one();
            while let Ok(Some(_)) = listener.try_recv().await {
                shared.wake.notify_one();
            }
            shared.wake.notify_one();
        }
        sleep(wait).await;
        wait = (wait * 2).min(RETRY.1);
    }
}

async fn listener(shared: &Shared) -> Result<PgListener, Error> {
    let connecting = async {
        let mut listener = PgListener::connect(shared.location.reveal()).await?;
        listener.eager_reconnect(false);
        listener.listen("palisade_changes").await?;
        Ok(listener)
    };
    timeout(shared.pace.open, connecting)
        .await
        .unwrap_or(Err(Error::PoolTimedOut))
}

/// One line in the log when the database is lost, and one when it is back.
#[derive(Default)]
struct Outage {
    began: bool,
}

impl Outage {
    fn begins(&mut self, shared: &Shared, error: &SourceError) {
        if !self.began {
            tracing::error!(target: "palisade", database = %shared.location, %error,
                "a database is lost: who must be looked up there is refused with 503 until it is back");
        }
        self.began = true;
    }

    fn ends(&mut self, shared: &Shared) {
        if self.began {
            tracing::info!(target: "palisade", database = %shared.location, "a database is back");
        }
        self.began = false;
    }
}

/// One line in the log when times of use cannot be written, and one when they can again.
#[derive(Default)]
struct Writing {
    failed: bool,
}

impl Writing {
    fn ended(&mut self, shared: &Shared, written: Result<(), Error>) {
        let database = &shared.location;
        match written {
            Ok(()) if self.failed => {
                tracing::info!(target: "palisade", %database, "a database can be written again");
                self.failed = false;
            }
            Err(error) if !self.failed => {
                tracing::warn!(target: "palisade", %database, %error,
                    "a database cannot be written; look-ups go on, times of use are kept for later");
                self.failed = true;
            }
            _ => {}
        }
        let keys = shared.usage.take_lost();
        if keys > 0 {
            tracing::warn!(target: "palisade", %database, keys,
                "too many API keys were used at once: of these the time is not kept");
        }
    }
}
