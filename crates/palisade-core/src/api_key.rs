//! API keys: their form, and what is kept of them.
//!
//! A key reads `pfx_<id>_<secret><checksum>`. A policy or a database holds its id and the SHA-256 of the whole key, never
//! the key itself; keys of another form, from an earlier system, are found by their digest alone.

mod entry;
pub(crate) mod format;
mod stored;

pub use entry::ApiKeyEntry;
pub use format::{GeneratedKey, generate_key};
pub use stored::StoredKey;
