//! What runs beside a server that Palisade guards.

mod background;
mod watch;

pub use background::{Background, Stopping};
pub use watch::{Watch, watch};
