//! `[cors]` as it is written.

use serde::Serialize;

/// `[cors]`: who may read responses from other origins.
#[derive(Debug, Clone, Serialize, Hash)]
#[non_exhaustive]
pub struct Cors {
    /// `origins`: `https://app.example.com`, `https://*.example.com`, or `*` alone.
    pub origins: Vec<String>,
    /// `credentials`: whether browsers may send cookies along. Default false.
    pub credentials: bool,
    /// `methods` that a preflight allows.
    pub methods: Vec<String>,
    /// `allow_headers`: request headers beside the default ones and those of the schemes.
    pub allow_headers: Vec<String>,
    /// `expose_headers`: response headers beside the default ones.
    pub expose_headers: Vec<String>,
    /// `max_age`: seconds that a browser may remember a preflight. Default 600.
    pub max_age: u64,
}

impl Default for Cors {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            credentials: false,
            methods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
                .map(str::to_owned)
                .to_vec(),
            allow_headers: Vec::new(),
            expose_headers: Vec::new(),
            max_age: 600,
        }
    }
}

impl Cors {
    /// Lets pages of these origins read responses.
    pub fn origins<O: Into<String>>(origins: impl IntoIterator<Item = O>) -> Self {
        Self {
            origins: origins.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// Lets browsers send cookies along.
    #[must_use]
    pub fn credentials(mut self, credentials: bool) -> Self {
        self.credentials = credentials;
        self
    }
}
