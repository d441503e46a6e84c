//! The cases that prove Palisade the same on every framework, and what runs them.
//!
//! A case is data: the bytes of a request, and what must come back. Cases lie in `cases/**/*.toml`; their format is
//! described in `cases/README.md`. A [`Harness`] serves the two applications that cases are written for on one
//! framework; [`run`] starts one server for every file and framework, sends the requests over real sockets with a
//! client that repairs nothing, and makes a [`MatrixReport`] of case and framework. In it, three things are demanded of
//! every case: that each framework does what the case says, that their normalised responses are equal byte for byte,
//! and that each server still serves afterwards.
//!
//! | to | look into |
//! |---|---|
//! | add a case | `cases/README.md` |
//! | add a framework | [`Harness`] |
//! | prove an adapter in another repository | below |
//! | learn what is compared | `normal.rs` |
//! | see how routes and rules are tried at random | `generate/` |
//! | see how the three servers are sent random bytes | `bytes/` |
//! | see how bytes are sent and read | `client.rs`, `http1.rs`, `http2.rs` |
//!
//! # An adapter of your own
//!
//! An adapter outside of this repository proves itself with the same cases. Its crate depends on this one by git, with
//! `default-features = false`, or with the feature `axum` (`actix`, `poem`) to be compared byte for byte with that
//! framework, too. It brings the probe application, whose routes `cases/README.md` lists and whose answers
//! [`probe::Seen`] makes, and a [`Harness`] that serves it. `tests/foreign/` is written like such a crate: plain hyper.
//!
//! ```no_run
//! use palisade_conformance::{App, CaseInfo, Except, Filter, Fixture, Harness, Running, run, suite};
//!
//! struct MyFramework;
//!
//! impl Harness for MyFramework {
//!     fn name(&self) -> &'static str {
//!         "mine"
//!     }
//!
//!     fn start(&self, fixture: &Fixture) -> Result<Running, String> {
//!         let server = MyServer::start(fixture.app, fixture.palisade()?, fixture.handled.clone());
//!         Ok(Running::new(server.address, move || server.stop()))
//!     }
//!
//!     fn except(&self, case: &CaseInfo<'_>) -> Option<Except> {
//!         (case.app == App::Demo).then(|| Except::not_run("the example application is not served"))
//!     }
//! }
//!
//! # use std::{net::SocketAddr, sync::Arc};
//! # struct MyServer { address: SocketAddr }
//! # impl MyServer {
//! #     fn start(_: App, _: palisade_core::Palisade, _: Arc<palisade_conformance::Handled>) -> Self {
//! #         Self { address: ([127, 0, 0, 1], 0).into() }
//! #     }
//! #     fn stop(self) {}
//! # }
//! # fn proof() -> Result<(), String> {
//! let report = run(&suite()?, &[&MyFramework], &Filter::default())?;
//! assert!(report.is_green(), "{report}");
//! # Ok(())
//! # }
//! ```
//!
//! [`Suite::retain`] and [`Filter`] choose cases, [`Harness::parsers`] says whose HTTP parser the server has, and
//! [`must_be_red`] shows that an adapter with a mistake is found out.

mod always;
mod answer;
mod bare;
mod beside;
mod books;
pub mod broken;
#[cfg(all(feature = "axum", feature = "actix", feature = "poem"))]
pub mod bytes;
mod case;
mod cells;
mod check;
mod client;
mod command;
mod corpus;
mod exchange;
mod explain;
mod fields;
#[cfg(all(feature = "axum", feature = "actix", feature = "poem"))]
pub mod generate;
pub mod harness;
mod head;
mod html;
mod http1;
mod http2;
pub mod inputs;
mod issuer;
mod keys;
mod lint;
pub mod loopback;
mod model;
mod normal;
mod overheard;
mod prepare;
mod print;
pub mod probe;
mod reader;
mod reasons;
mod report;
mod request;
mod revoke;
mod run;
mod stored;
mod suite;
mod text;
mod token;
mod waiting;

pub use cells::{AuditLog, Handled, ManualClock};
pub use command::{USAGE, command};
pub use harness::{Fixture, Harness, Running};
pub use model::{App, CaseInfo, Except, Explained, Guard, Mistake, PRINCIPAL_ECHO};
pub use overheard::{Leak, Overheard};
pub use report::{Cell, Equality, MatrixReport, Row, Tally, Trace, Verdict, must_be_red};
pub use run::{Filter, run};
pub use suite::{Suite, cases, suite};

/// The programs of the README compile.
#[cfg(all(doctest, feature = "axum", feature = "actix", feature = "poem"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
