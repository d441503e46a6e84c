//! The command line, the same for the three servers.

use crate::Database;
use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf};

/// The demo API behind one security policy.
#[derive(Debug, clap::Parser)]
pub struct Options {
    /// The policy file, loaded again when it changes and at SIGHUP; the built-in policy if none is
    /// given
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// How many seconds a client may take for the head of a request; the policy has the time for
    /// the body
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    pub head_timeout: NonZeroU32,
    /// The database of users, items and API keys: sqlite:FILE, postgres://USER@HOST/NAME, or in
    /// memory
    #[arg(
        long,
        value_name = "URL",
        default_value = "sqlite::memory:",
        env = "PALISADE_DEMO_DATABASE",
        hide_env_values = true
    )]
    pub database: Database,
    /// Put the users john and alice and their items into an empty database; a database in memory
    /// always has them
    #[arg(long)]
    pub demo_data: bool,
    /// Where to keep the keys that the first start makes; without it every start makes new ones
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Options::command().debug_assert();
    }
}
