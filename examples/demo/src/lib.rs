//! The demo API, without a web framework: one policy and one small domain, shared by the
//! servers on axum, actix-web and poem.
//!
//! Each server maps its framework's requests to the functions here, and back; see `app` in
//! `examples/axum`, `examples/actix` and `examples/poem`.
//!
//! - [`POLICY`]: who may do what, as a file.
//! - [`Store`]: users and items in SQLite or Postgres.
//! - [`answers`]: what the routes without a domain say.
//! - [`DomainError`]: how the domain says no, in the words of the security layer.
//! - [`run`]: from the command line to the end of the process.
//! - [`serve_with_hyper`]: the connections of axum and poem, whose own servers wait for ever for the
//!   head of a request.

pub mod answers;
mod database;
mod demo_data;
mod greeting;
mod hyper_server;
mod items;
mod keys;
mod options;
mod policy;
mod problem;
mod run;
mod store;
mod users;

pub use database::Database;
pub use demo_data::{DEMO_USERS, DemoUser};
pub use hyper_server::serve_with_hyper;
pub use items::{Item, ItemPath, ItemQuery, NewItem};
pub use options::Options;
pub use policy::POLICY;
pub use problem::DomainError;
pub use run::{Demo, Shutdown, run};
pub use store::Store;
pub use users::{NewUser, User};
