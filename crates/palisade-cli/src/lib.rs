//! The `palisade` command.
