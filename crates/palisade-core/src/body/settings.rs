//! `[body]` as it is written.

use serde::Serialize;

/// `[body]`: how long bodies are waited for, and what the validating extractors accept.
#[derive(Debug, Clone, Serialize, Hash)]
#[non_exhaustive]
pub struct Body {
    /// `max`: bytes that an extractor reads where the rule sets no `max_body`. Default 1 MiB.
    pub max: u64,
    /// `idle_timeout`: seconds that the application waits for more of a body; then 408. Default
    /// 30.
    pub idle_timeout: u64,
    /// `total_timeout`: seconds that it waits for a body in all; then 408. Default 300.
    pub total_timeout: u64,
    /// `json_depth`: how deeply JSON may be nested. Default 32.
    pub json_depth: usize,
    /// `json_array`: how many elements a JSON array may have. Default 10,000.
    pub json_array: usize,
}

impl Default for Body {
    fn default() -> Self {
        Self {
            max: 1 << 20,
            idle_timeout: 30,
            total_timeout: 300,
            json_depth: 32,
            json_array: 10_000,
        }
    }
}
