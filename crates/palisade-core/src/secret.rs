//! Secrets by reference: `env:NAME` or `file:PATH`, never the secret itself in a policy.

use secrecy::{ExposeSecret, SecretSlice};
use serde::{Serialize, Serializer};
use std::{
    fmt,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
};

/// Where a secret or a key comes from. Its `Debug` shows the reference, never the value.
///
/// ```
/// use palisade_core::Secret;
///
/// assert!(Secret::parse("env:JWT_SECRET").is_ok());
/// assert!(Secret::parse("hunter2").is_err());
/// ```
#[derive(Clone)]
pub struct Secret(Source);

#[derive(Clone)]
enum Source {
    Env(String),
    File(PathBuf),
    Value(SecretSlice<u8>),
}

/// Why a secret could not be had; never holds it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SecretError(String);

/// No key file is larger; a mistaken path must not fill the memory.
const MAX_FILE_BYTES: u64 = 1 << 20;

impl Secret {
    /// The value of an environment variable, read when the policy is built.
    pub fn env(name: impl Into<String>) -> Self {
        Self(Source::Env(name.into()))
    }

    /// The content of a file, without the line end that editors add; relative to the folder of
    /// the policy file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// A value that the application got by itself, from a secret manager for instance.
    pub fn value(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Source::Value(bytes.into().into()))
    }

    /// Reads a reference as it stands in a policy file.
    ///
    /// # Errors
    /// The text is neither `env:NAME` nor `file:PATH`. The error does not repeat it, because
    /// it may be a secret that was written by mistake.
    pub fn parse(reference: &str) -> Result<Self, SecretError> {
        match reference.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::env(name)),
            Some(("file", path)) if !path.is_empty() => Ok(Self::file(path)),
            _ => Err(SecretError(
                "is no reference; write `env:NAME` or `file:PATH`, never the secret itself"
                    .to_owned(),
            )),
        }
    }

    /// Fetches the secret.
    ///
    /// # Errors
    /// The variable is not set, or the file cannot be read, is empty or larger than 1 MiB.
    pub fn load(&self, folder: Option<&Path>) -> Result<SecretSlice<u8>, SecretError> {
        let bytes: SecretSlice<u8> = match &self.0 {
            Source::Value(bytes) => bytes.clone(),
            Source::Env(name) => match std::env::var(name) {
                Ok(value) => value.into_bytes().into(),
                Err(_) => {
                    return Err(SecretError(format!(
                        "the environment variable {name} is not set"
                    )));
                }
            },
            Source::File(path) => read(&within(folder, path))?,
        };
        if bytes.expose_secret().is_empty() {
            return Err(SecretError(format!("{self:?} is empty")));
        }
        Ok(bytes)
    }

    /// The value, if a program gave it.
    pub(crate) fn given(&self) -> Option<&[u8]> {
        match &self.0 {
            Source::Value(bytes) => Some(bytes.expose_secret()),
            _ => None,
        }
    }

    /// The file that it is in, if it is in one.
    pub(crate) fn path(&self, folder: Option<&Path>) -> Option<PathBuf> {
        match &self.0 {
            Source::File(path) => Some(within(folder, path)),
            _ => None,
        }
    }
}

fn within(folder: Option<&Path>, path: &Path) -> PathBuf {
    folder.unwrap_or(Path::new("")).join(path)
}

fn read(path: &Path) -> Result<SecretSlice<u8>, SecretError> {
    let failed = |why: std::io::Error| {
        SecretError(format!("the file {} cannot be read: {why}", path.display()))
    };
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE_BYTES {
        return Err(SecretError(format!(
            "the file {} is larger than 1 MiB",
            path.display()
        )));
    }
    let mut bytes = std::fs::read(path).map_err(failed)?;
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    Ok(bytes.into())
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Env(name) => write!(f, "env:{name}"),
            Source::File(path) => write!(f, "file:{}", path.display()),
            Source::Value(_) => f.write_str("value:***"),
        }
    }
}

/// The reference, never the value.
impl Hash for Secret {
    fn hash<H: Hasher>(&self, state: &mut H) {
        format!("{self:?}").hash(state);
    }
}

/// The reference, never the value.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_written_by_mistake_is_not_repeated() {
        let error = Secret::parse("hunter2-swordfish").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        let value = Secret::value("hunter2-swordfish");
        assert!(!format!("{value:?}").contains("hunter2"));
    }

    #[test]
    fn a_missing_or_empty_source_says_which() {
        let error = Secret::env("PALISADE_TEST_UNSET").load(None).unwrap_err();
        assert!(error.to_string().contains("PALISADE_TEST_UNSET"));
        let error = Secret::file("/nonexistent/key").load(None).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/key"));
        assert!(Secret::value("").load(None).is_err());
    }
}
