//! `[outgoing]`: what Palisade itself may ask, and how.

use crate::secret::Secret;
use serde::Serialize;

/// `[outgoing]`: the requests that Palisade itself makes, to issuers for instance.
///
/// Unless named here, only HTTPS to public addresses is asked.
#[derive(Debug, Clone, Serialize, Hash)]
#[non_exhaustive]
pub struct Outgoing {
    /// `plain_http`: hosts that may be asked over plain HTTP, at whatever address they have.
    pub plain_http: Vec<String>,
    /// `private`: hosts that may have a private address.
    pub private: Vec<String>,
    /// `ca`: certificates in PEM that are trusted beside those of the system.
    pub ca: Option<Secret>,
    /// `timeout`: seconds that an answer may take. Default 5.
    #[serde(rename = "timeout")]
    pub timeout_seconds: u64,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self {
            plain_http: Vec::new(),
            private: Vec::new(),
            ca: None,
            timeout_seconds: 5,
        }
    }
}
