//! Not written yet.

pub mod firewall;
pub mod host;
pub mod rule;
