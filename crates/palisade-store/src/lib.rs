//! API keys and users in SQL: SQLite embedded for one machine, Postgres for many nodes.
//!
//! A policy that names a store finds its keys and accounts here:
//!
//! ```no_run
//! use palisade_core::Policy;
//!
//! let palisade = Policy::from_file("palisade.toml")?   // [api_key.partners] store = "sqlite:keys.db"
//!     .with(palisade_store::companion())
//!     .build()?;
//! # Ok::<(), palisade_core::ConfigError>(())
//! ```
//!
//! Look-ups are answered from memory; only a key that was not asked for yet costs a question to
//! the database. A change is seen at once where it was made, on another node after `fresh`
//! seconds at the latest, and with Postgres immediately, because it notifies. While the database
//! is away, what is in memory serves until it is `fresh` seconds old, and after that nobody is
//! let in: a revocation must not be overlooked. It is opened again as soon as it is back.
//!
//! A [`Store`] makes keys and users, lists them and takes them back, with or without a policy.
//!
//! # URLs
//! - `sqlite:FILE`: relative to the policy's folder; made if it is missing, readable by its
//!   owner alone.
//!   To put a copy in its place, `sqlite3 FILE ".restore COPY"` works while it is in use; who
//!   moves files instead removes `FILE-wal` and `FILE-shm` with the old one.
//! - `postgres://USER:PASSWORD@HOST:PORT/NAME`: encrypted, and the server must prove to be HOST
//!   (`sslmode=verify-full`) unless it is on this machine or `sslmode` says `require`, which
//!   encrypts for whoever answers, or `disable`. `sslrootcert=FILE` names who vouches for it
//!   beside the public authorities; a relative file is relative to the policy's folder. Modes
//!   that may fall back to plaintext are refused for other machines.

mod companion;
mod database;
mod error;
mod keys;
mod location;
mod memory;
mod node;
mod rows;
mod store;
#[cfg(test)]
mod tests;
mod usage;
mod users;

pub use companion::{Stores, companion};
pub use error::StoreError;
pub use keys::{ImportReport, KeyImport, Keys};
pub use rows::{KeyFilter, KeyRecord, NewKey, NewUser, UserRecord};
pub use store::Store;
pub use users::Users;
