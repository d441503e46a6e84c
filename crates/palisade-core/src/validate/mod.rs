//! What stands behind `ValidJson`, `ValidQuery`, `ValidForm` and `ValidPath`.
//!
//! An input passes three gates: it must be well-formed, it must have the shape of the target type (`serde`), and it
//! must keep the target's rules (`validator`). The first failing gate answers, in the wire's own names, and never with
//! a submitted value.
//!
//! | gate | answer |
//! |---|---|
//! | content type, content encoding | [`InvalidKind::UnsupportedMediaType`], [`InvalidKind::UnsupportedEncoding`] |
//! | syntax, duplicate members, depth | [`InvalidKind::MalformedBody`], [`InvalidKind::BodyTooDeep`] |
//! | array and object sizes, shape | [`InvalidKind::Failed`], the first mistake |
//! | rules | [`InvalidKind::Failed`], all broken rules up to [`MAX_ERRORS`] |
//!
//! An input that passes costs one walk over its bytes, one deserialisation and the rules. Only a refusal builds a tree
//! of the input, to find out where the mistake is and what the wire calls it; that work is bounded too.
//!
//! A number is finite: neither `NaN` nor an infinity is one, in whatever text it is written.
//!
//! Rules run again on changed copies of a refused input while the names of a type are being learned, so they must be
//! free of side effects. A nested struct needs `#[validate(nested)]`: `validator` ignores a bare `#[validate]`, so
//! write one test that sees each rule fire.
//!
//! ```
//! use palisade_core::validate::{InvalidKind, JsonLimits, json};
//!
//! #[derive(Debug, serde::Deserialize, validator::Validate)]
//! #[serde(rename_all = "camelCase")]
//! struct Address {
//!     #[validate(length(min = 3, max = 10))]
//!     post_code: String,
//! }
//!
//! let refused = json::<Address>(
//!     Some(b"application/json"),
//!     None,
//!     br#"{"postCode": "1"}"#,
//!     &JsonLimits::default(),
//! )
//! .unwrap_err();
//! assert_eq!(refused.kind, InvalidKind::Failed);
//! assert_eq!(
//!     serde_json::to_value(&refused.errors).unwrap(),
//!     serde_json::json!([{
//!         "pointer": "#/postCode",
//!         "code": "length",
//!         "detail": "must be 3 to 10 characters long",
//!     }])
//! );
//! ```

mod broken;
mod finite;
mod fit;
mod guard;
mod media;
mod names;
mod pairs;
mod place;
mod retry;
pub mod rules;
mod shape;
mod tree;
mod wording;

use std::any::type_name;
use std::borrow::Cow;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{LazyLock, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::Value;
use validator::Validate;

pub use guard::JsonLimits;
pub use pairs::{MAX_FORM_BYTES, MAX_PAIRS, MAX_QUERY_BYTES, form, path, query};
pub use place::{FieldError, MAX_NAME_CHARS, Place};

use finite::Finite;
use place::Source;

/// Most field errors in one answer; beyond it [`Invalid::truncated`] is set.
pub const MAX_ERRORS: usize = 100;

/// Why an input was refused; the caller turns it into a problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct Invalid {
    /// Which gate refused.
    pub kind: InvalidKind,
    /// Where and why, in the order of the target's declaration where that is known.
    pub errors: Vec<FieldError>,
    /// More errors were found than [`MAX_ERRORS`]: `errors_truncated` in the problem.
    pub truncated: bool,
}

/// The gate that refused. Exhaustive on purpose: each has its status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKind {
    /// 400 `malformed_body`: not the format it claims to be, or a member stands twice in one object.
    #[error("the input is malformed")]
    MalformedBody,
    /// 400 `body_too_deep`: nested beyond [`JsonLimits::max_depth`].
    #[error("the body is nested too deeply")]
    BodyTooDeep,
    /// 422 `validation_failed`: well-formed, but of the wrong shape or against a rule.
    #[error("the input breaks a rule")]
    Failed,
    /// 415 `unsupported_media_type`.
    #[error("the content type is missing or not supported")]
    UnsupportedMediaType,
    /// 415 `unsupported_encoding`.
    #[error("the content encoding is not supported")]
    UnsupportedEncoding,
    /// 500 `internal_error`: a mistake in the target type, already logged with what would be right.
    #[error("the rules of the target cannot be told apart on the wire")]
    Unmappable {
        /// The Rust type, for logs only.
        type_name: &'static str,
        /// The Rust field as `validator` names it, for logs only; empty if a rule panicked.
        field: String,
    },
}

impl Invalid {
    fn of(kind: InvalidKind) -> Self {
        Self {
            kind,
            errors: Vec::new(),
            truncated: false,
        }
    }

    fn at(kind: InvalidKind, error: FieldError) -> Self {
        Self {
            kind,
            errors: vec![error],
            truncated: false,
        }
    }

    /// Told once for each field: clients choose how often it happens.
    fn unmappable(type_name: &'static str, field: String) -> Self {
        static TOLD: LazyLock<Mutex<HashSet<(&str, String)>>> = LazyLock::new(Mutex::default);
        let is_new = {
            let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
            told.len() < MAX_REMEMBERED && told.insert((type_name, field.clone()))
        };
        if is_new {
            tracing::error!(
                type_name,
                field,
                "a broken rule cannot be placed in the input: put rules on fields that serde reads, under names that \
                 differ from Rust's only by case, `_` and `-`, with values that serde_json can hold"
            );
        }
        Self::of(InvalidKind::Unmappable { type_name, field })
    }
}

/// Fields of target types that are remembered for the life of the process. A program has few, but a recursive type has
/// as many as its clients care to nest.
const MAX_REMEMBERED: usize = 4_096;

/// Reads a JSON body (RFC 8259) into `T` and checks its rules. The caller has limited the size of `body`.
///
/// `content_type` and `content_encoding` are the field values; `None` where the field is absent. Accepted are
/// `application/json` and `application/*+json` in UTF-8, without a content encoding.
///
/// # Errors
/// The first gate that refuses; see the [module](self).
pub fn json<T>(
    content_type: Option<&[u8]>,
    content_encoding: Option<&[u8]>,
    body: &[u8],
    limits: &JsonLimits,
) -> Result<T, Invalid>
where
    T: DeserializeOwned + Validate + 'static,
{
    media::require_json(content_type)?;
    media::require_identity(content_encoding)?;
    guard::check(body, limits)?;
    let tree = || serde_json::from_slice(body).map_err(|_| Invalid::of(InvalidKind::MalformedBody));
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = T::deserialize(Finite(&mut json)).and_then(|value| json.end().map(|()| value));
    match read {
        Ok(value) => keep_rules(value, tree, Source::Json),
        Err(_) => Err(shape::explain::<T>(&tree()?, Source::Json)),
    }
}

/// Runs the rules of `value`; only if one is broken, asks for the tree the value was read from.
fn keep_rules<T>(
    value: T,
    tree: impl FnOnce() -> Result<Value, Invalid>,
    source: Source,
) -> Result<T, Invalid>
where
    T: DeserializeOwned + Validate + 'static,
{
    match validated(&value) {
        Some(Ok(())) => Ok(value),
        Some(Err(errors)) => Err(broken::explain::<T>(&tree()?, &errors, source)),
        None => Err(Invalid::unmappable(type_name::<T>(), String::new())),
    }
}

/// `validator` panics while it builds an error whose submitted value `serde_json` cannot hold (a `u128` beyond 64
/// bits, say): input decides, so it must be caught. `None` is a panic.
fn validated<T: Validate>(value: &T) -> Option<Result<(), validator::ValidationErrors>> {
    catch_unwind(AssertUnwindSafe(|| value.validate())).ok()
}

/// Details that never change are borrowed.
type Words = Cow<'static, str>;

#[cfg(test)]
mod tests;
