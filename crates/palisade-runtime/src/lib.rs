//! What runs beside a server that Palisade guards.

mod background;

pub use background::{Background, Stopping};
