//! `[headers]` as it is written.

use serde::Serialize;
use std::collections::BTreeMap;

/// `[headers]`: the security headers of every response.
#[derive(Debug, Clone, Default, Serialize, Hash)]
#[non_exhaustive]
pub struct Headers {
    /// `preset`: the set to begin with.
    pub preset: Preset,
    /// `[headers.set]`: fields to add, or to change in the preset.
    pub set: BTreeMap<String, String>,
    /// `remove`: fields of the preset to leave out.
    pub remove: Vec<String>,
    /// `[headers.hsts]`.
    pub hsts: Hsts,
    /// `isolated`: adds `Cross-Origin-Embedder-Policy: require-corp`; preset `html` only.
    pub isolated: bool,
}

impl Headers {
    /// The headers of a preset.
    pub fn preset(preset: Preset) -> Self {
        Self {
            preset,
            ..Self::default()
        }
    }

    /// Adds or changes a field.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.set.insert(name.into(), value.into());
        self
    }

    /// Leaves a field of the preset out.
    #[must_use]
    pub fn remove(mut self, name: impl Into<String>) -> Self {
        self.remove.push(name.into());
        self
    }
}

/// A ready-made set of security headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Hash)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Preset {
    /// `api`: for services that answer with data.
    #[default]
    Api,
    /// `html`: for services that answer with pages; the policy for scripts and styles carries a
    /// fresh nonce on every response.
    Html,
    /// `reference`: the union of the OWASP-style header lists that most guides print, in its
    /// safe form.
    Reference,
    /// `none`: only what `[headers.set]` names.
    None,
}

/// `[headers.hsts]`: `Strict-Transport-Security` (RFC 6797), sent over HTTPS only.
#[derive(Debug, Clone, Serialize, Hash)]
#[non_exhaustive]
pub struct Hsts {
    /// `max_age`: seconds. Default one year; 0 tells browsers to forget.
    pub max_age: u64,
    /// `include_subdomains`. Default true.
    pub include_subdomains: bool,
    /// `preload`. Default false: it cannot be taken back quickly.
    pub preload: bool,
}

impl Default for Hsts {
    fn default() -> Self {
        Self {
            max_age: 31_536_000,
            include_subdomains: true,
            preload: false,
        }
    }
}
