//! Proves that the rule that was applied is the one of the route that ran: random tables of routes, random policies
//! over them, and random requests, on the three real routers.
//!
//! | to | look into |
//! |---|---|
//! | see what tables, policies and paths there are | `table.rs`, `policy.rs`, `path.rs` |
//! | see what must hold | `oracle.rs` |
//! | see how a table is served by a framework | `serve/` |
//! | repeat a failure | `cargo xtask conformance --generate 1 --seed SEED`, with the seed that was printed |
//!
//! The oracle shares no code with the product. It looks at the route that ran, finds the most specific rule that covers
//! the template of this route, and demands that the rule that was applied lets in nobody whom that rule keeps out.

mod agree;
mod oracle;
mod path;
mod policy;
pub(crate) mod random;
mod report;
mod run;
mod serve;
mod shrink;
mod table;
mod template;

pub use report::Generated;
pub use run::{Generator, generate};
