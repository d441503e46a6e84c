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
//! | learn what is compared | `normal.rs` |
//! | see how routes and rules are tried at random | `generate/` |
//! | see how the three servers are sent random bytes | `bytes/` |
//! | see how bytes are sent and read | `client.rs`, `http1.rs`, `http2.rs` |

mod always;
mod answer;
mod bare;
mod beside;
mod books;
pub mod broken;
#[cfg(all(feature = "axum", feature = "actix", feature = "poem"))]
pub mod bytes;
mod case;
mod check;
mod client;
mod command;
mod corpus;
mod exchange;
mod explain;
#[cfg(all(feature = "axum", feature = "actix", feature = "poem"))]
pub mod generate;
pub mod harness;
mod html;
mod http1;
mod http2;
pub mod inputs;
mod issuer;
mod keys;
mod lint;
pub mod loopback;
mod normal;
mod overheard;
mod print;
#[cfg(any(feature = "axum", feature = "actix", feature = "poem"))]
mod probe;
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

pub use case::Guard;
pub use check::PRINCIPAL_ECHO;
pub use command::{USAGE, cases, command, suite};
pub use explain::Explained;
pub use harness::{App, AuditLog, Fixture, Handled, Harness, ManualClock, Running};
pub use overheard::{Leak, Overheard};
pub use report::{Cell, Equality, MatrixReport, Row, Tally, Trace, Verdict, must_be_red};
pub use run::{Filter, run};
pub use suite::{Mistake, Suite};

/// The programs of the README compile.
#[cfg(all(doctest, feature = "axum", feature = "actix", feature = "poem"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
