//! A response made by core.

use crate::misuse;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

/// A whole response made by core, for the adapter to send as it is.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The header lines, in order; a name may repeat.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// What an extractor or a guard answers when no layer of Palisade ran before it: a
    /// mistake of the application's author, so it names the fix.
    pub fn missing_layer() -> Self {
        Self::misconfigured(
            "the security layer is missing: wrap the application with \
             SecurityLayer::new(palisade) outside of every guard and extractor",
        )
    }

    /// A 500 whose body tells the application's author what to repair.
    pub(crate) fn misconfigured(detail: &'static str) -> Self {
        misuse::tell(detail);
        let body = serde_json::json!({
            "type": "about:blank",
            "title": "Internal error",
            "status": 500,
            "detail": detail,
            "code": "internal_error",
        });
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            headers: vec![
                (
                    http::header::CONTENT_TYPE,
                    HeaderValue::from_static("application/problem+json"),
                ),
                (
                    http::header::CACHE_CONTROL,
                    HeaderValue::from_static("no-store"),
                ),
            ],
            body: body.to_string().into(),
        }
    }
}
