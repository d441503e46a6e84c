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
use std::sync::Arc;
use std::thread;

use palisade_core::{MemoryRevocations, Palisade, Policy};
use tokio::runtime::Builder;

pub use crate::cells::{AuditLog, Handled, ManualClock};
pub use crate::model::{App, CaseInfo, Except};
use crate::waiting;

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

    /// The frameworks whose HTTP parser refuses what this one's may refuse, as `parser` of a case names them. The
    /// default is the framework itself. A server with hyper says `axum`; a server with a parser of its own names all
    /// three, `axum`, `actix` and `poem`.
    fn parsers(&self) -> Vec<&'static str> {
        vec![self.name()]
    }

    /// What this framework does differently in a case, as `except` of a case file says it of those in this repository.
    /// Such cells are declared in the matrix, and count neither as passed nor as failed. The default is: nothing.
    fn except(&self, case: &CaseInfo<'_>) -> Option<Except> {
        let _ = case;
        None
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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
