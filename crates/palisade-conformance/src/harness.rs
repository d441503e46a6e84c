//! The seam between a case and a framework: what a server under test is given, and how it is started.

#[cfg(feature = "actix")]
pub(crate) mod actix;
#[cfg(feature = "axum")]
pub(crate) mod axum;
#[cfg(feature = "poem")]
pub(crate) mod poem;
#[cfg(any(feature = "axum", feature = "actix", feature = "poem"))]
pub(crate) mod serve;

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::waiting;
use palisade_core::audit::{AuditEvent, AuditSink};
use palisade_core::{Clock, MemoryRevocations, Palisade, Policy};
use serde::Deserialize;
use serde_json::Value;
use tokio::runtime::Builder;

/// The harnesses of all frameworks that are built in.
pub fn all() -> Vec<&'static dyn Harness> {
    vec![
        #[cfg(feature = "axum")]
        &axum::Axum,
        #[cfg(feature = "actix")]
        &actix::Actix,
        #[cfg(feature = "poem")]
        &poem::Poem,
    ]
}

/// One framework's way to serve the conformance applications.
pub trait Harness: Sync {
    /// The framework's short name, as cases and the matrix write it: `axum`, `actix`, `poem`.
    fn name(&self) -> &'static str;

    /// Starts a real server on `127.0.0.1:0` in threads of its own.
    ///
    /// # Errors
    /// Why the server could not start: a mistake in the policy, a socket that cannot be opened.
    fn start(&self, fixture: &Fixture) -> Result<Running, String>;
}

/// What one server under test is made of. The cells are shared with the runner, which reads and moves them from outside.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// The application to serve.
    pub app: App,
    /// The policy, ready to be parsed: its macros are expanded.
    pub policy_toml: String,
    /// The only clock the server may read.
    pub clock: Arc<ManualClock>,
    /// Where the server's audit events go.
    pub audit: Arc<AuditLog>,
    /// Counts the handlers that ran.
    pub handled: Arc<Handled>,
    /// What is taken back while the server runs.
    pub revocations: Arc<MemoryRevocations>,
}

impl Fixture {
    /// The policy, compiled, with the fixture's clock, audit and revocations. What it depends on has answered, or had
    /// the `timeout` of the policy to.
    ///
    /// # Errors
    /// The mistakes in the policy.
    pub fn palisade(&self) -> Result<Palisade, String> {
        let mut policy = Policy::from_toml_str(&self.policy_toml).map_err(|why| why.to_string())?;
        if !self.policy_toml.contains("[failures]") {
            // All cases come from one address, and most of them fail on purpose.
            policy.failures.quota = "1000000/second".to_owned();
        }
        let palisade = waiting::add(policy, &self.policy_toml)
            .with(palisade_oauth::companion())
            .with(palisade_store::companion())
            .with_clock(self.clock.clone())
            .with_audit(self.audit.clone())
            .with_revocations(self.revocations.clone())
            .build()
            .map_err(|why| why.to_string())?;
        let runtime = Builder::new_current_thread().build();
        let runtime = runtime.map_err(|why| why.to_string())?;
        // On a thread of its own, because actix-web may ask within one of its own runtimes. A server starts without
        // an answer, too: then its cases say what is missing.
        let asked = palisade.clone();
        let ready = move || runtime.block_on(asked.ready());
        let _ = thread::spawn(ready).join();
        Ok(palisade)
    }
}

/// The applications that cases are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum App {
    /// Routes made for cases alone: they echo what the handler saw.
    Probe,
    /// The example application.
    Demo,
    /// `Probe` without the security layer.
    Unlayered,
    /// `Probe` on a server that does not tell the address of the peer.
    Peerless,
}

/// A running server; dropping it stops it.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    stop: Option<Box<dyn FnOnce() + Send>>,
}

impl Running {
    /// A server at `address`. `stop` is called once, on drop, and returns when the server has let go of its threads.
    pub fn new(address: SocketAddr, stop: impl FnOnce() + Send + 'static) -> Self {
        Self {
            address,
            stop: Some(Box::new(stop)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop();
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// A clock that moves only when a case says so.
#[derive(Debug)]
pub struct ManualClock {
    unix_millis: AtomicU64,
    monotonic_nanos: AtomicU64,
}

impl ManualClock {
    /// Where every server's clock starts: 2026-06-01T00:00:00Z.
    pub const START_UNIX_SECONDS: u64 = 1_780_272_000;

    /// Seconds since the Unix epoch.
    pub fn unix_seconds(&self) -> u64 {
        self.unix_millis() / 1000
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        self.unix_millis
            .fetch_add(by.as_millis().try_into().unwrap_or(0), Ordering::SeqCst);
        self.monotonic_nanos
            .fetch_add(by.as_nanos().try_into().unwrap_or(0), Ordering::SeqCst);
    }

    /// Sets the wall clock back, as an administrator or NTP may; the monotonic clock stands still.
    pub fn set_back(&self, by: Duration) {
        let by = by.as_millis().try_into().unwrap_or(u64::MAX);
        let _ = self
            .unix_millis
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| {
                Some(now.saturating_sub(by))
            });
    }
}

impl Clock for ManualClock {
    fn unix_millis(&self) -> u64 {
        self.unix_millis.load(Ordering::SeqCst)
    }

    fn monotonic_nanos(&self) -> u64 {
        self.monotonic_nanos.load(Ordering::SeqCst)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self {
            unix_millis: AtomicU64::new(Self::START_UNIX_SECONDS * 1000),
            // Not zero: code that subtracts a period from the first instant must not be excused.
            monotonic_nanos: AtomicU64::new(1_000_000_000),
        }
    }
}

/// The audit events a server wrote, as JSON.
#[derive(Debug, Default)]
pub struct AuditLog(Mutex<Vec<Value>>);

impl AuditLog {
    /// Appends one event.
    pub fn push(&self, event: Value) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event);
    }

    /// Takes out the events written so far, oldest first.
    pub fn take(&self) -> Vec<Value> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AuditSink for AuditLog {
    fn record(&self, event: &AuditEvent<'_>) {
        // An event that cannot be written shows as `null`, which no case expects.
        self.push(serde_json::to_value(event).unwrap_or_default());
    }
}

/// How many handlers ran.
#[derive(Debug, Default)]
pub struct Handled(AtomicU64);

impl Handled {
    /// Called by every handler of the application under test, first thing.
    pub fn mark(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// Handlers run since the server started.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_never_goes_back() {
        let clock = ManualClock::default();
        let before = clock.monotonic_nanos();
        clock.advance(Duration::from_secs(30));
        clock.set_back(Duration::from_secs(90));
        assert_eq!(clock.unix_seconds(), ManualClock::START_UNIX_SECONDS - 60);
        assert_eq!(clock.monotonic_nanos(), before + 30_000_000_000);
    }

    #[test]
    fn dropping_a_server_stops_it_once() {
        let stopped = Arc::new(Handled::default());
        let seen = stopped.clone();
        drop(Running::new(
            SocketAddr::from(([127, 0, 0, 1], 1)),
            move || seen.mark(),
        ));
        assert_eq!(stopped.count(), 1);
    }
}
