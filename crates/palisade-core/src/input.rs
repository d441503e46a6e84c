//! What the validating extractors of all adapters share: from bytes to a value, or to the
//! refusal of this request.

use crate::{
    body::refused_in,
    cause::Cause,
    engine::Grant,
    problem::{Code, Reason},
    reply::Reply,
    validate::{self, Invalid, InvalidKind, JsonLimits},
};
use http::{HeaderName, HeaderValue, header};
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::error::Error;
use validator::Validate;

/// The two request fields that say how a body is to be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct BodyKind<'a> {
    /// `Content-Type`.
    pub content_type: Option<&'a [u8]>,
    /// `Content-Encoding`.
    pub content_encoding: Option<&'a [u8]>,
}

impl Grant {
    /// The refusal of a body that ended with `error`: 413 or 408 if the guard stopped it, else
    /// 400.
    pub fn body_failed(&self, error: &(dyn Error + 'static)) -> Reply {
        match refused_in(error) {
            Some(refused) => self.refuse(refused.reason()),
            None => self.body_unreadable(),
        }
    }

    /// Reads a JSON body and checks its rules.
    ///
    /// # Errors
    /// The refusal: 415, 400, or 422 with every broken rule.
    pub fn valid_json<T>(&self, kind: BodyKind<'_>, body: &[u8]) -> Result<T, Reply>
    where
        T: DeserializeOwned + Validate + 'static,
    {
        let limits = self.json_limits();
        validate::json(kind.content_type, kind.content_encoding, body, &limits)
            .map_err(|invalid| self.refuse_input(invalid, "application/json"))
    }

    /// Reads a body of `application/x-www-form-urlencoded` and checks its rules.
    ///
    /// # Errors
    /// The refusal: 415, 400, or 422 with every broken rule.
    pub fn valid_form<T>(&self, kind: BodyKind<'_>, body: &[u8]) -> Result<T, Reply>
    where
        T: DeserializeOwned + Validate + 'static,
    {
        validate::form(kind.content_type, kind.content_encoding, body)
            .map_err(|invalid| self.refuse_input(invalid, "application/x-www-form-urlencoded"))
    }

    /// Reads the query and checks its rules.
    ///
    /// # Errors
    /// The refusal: 400, or 422 with every broken rule.
    pub fn valid_query<T>(&self, query: Option<&str>) -> Result<T, Reply>
    where
        T: DeserializeOwned + Validate + 'static,
    {
        validate::query(query.unwrap_or_default().as_bytes())
            .map_err(|invalid| self.refuse_input(invalid, ""))
    }

    /// Reads the parameters of the path, decoded, and checks their rules.
    ///
    /// # Errors
    /// The refusal: 422 with every broken rule.
    pub fn valid_path<T>(&self, parameters: &[(Cow<'_, str>, Cow<'_, str>)]) -> Result<T, Reply>
    where
        T: DeserializeOwned + Validate + 'static,
    {
        validate::path(parameters).map_err(|invalid| self.refuse_input(invalid, ""))
    }

    /// The refusal of a body that is larger than [`max_body`](Self::max_body).
    pub fn body_too_large(&self) -> Reply {
        self.refuse(Reason::new(Code::ContentTooLarge, Cause::BodyTooLarge))
    }

    /// The refusal of a body that broke off or could not be read.
    pub fn body_unreadable(&self) -> Reply {
        self.refuse(Reason::new(Code::MalformedBody, Cause::BodyUnreadable))
    }

    fn json_limits(&self) -> JsonLimits {
        let body = self.body_limits();
        JsonLimits {
            max_depth: body.json_depth,
            max_items: body.json_array,
            ..JsonLimits::default()
        }
    }

    fn refuse_input(&self, invalid: Invalid, media_type: &'static str) -> Reply {
        let Invalid {
            kind,
            errors,
            truncated,
        } = invalid;
        let accept = |name: HeaderName, value| (name, HeaderValue::from_static(value));
        let mut reason = match kind {
            InvalidKind::MalformedBody => Reason::new(Code::MalformedBody, Cause::MalformedBody),
            InvalidKind::BodyTooDeep => Reason::new(Code::BodyTooDeep, Cause::BodyTooDeep),
            InvalidKind::Failed => Reason::new(Code::ValidationFailed, Cause::ValidationFailed),
            // RFC 9110 §15.5.16 and RFC 7694 §3: say what would have been read.
            InvalidKind::UnsupportedMediaType => {
                Reason::new(Code::UnsupportedMediaType, Cause::ContentType)
                    .headers([accept(header::ACCEPT, media_type)])
            }
            InvalidKind::UnsupportedEncoding => {
                Reason::new(Code::UnsupportedEncoding, Cause::ContentEncoding)
                    .headers([accept(header::ACCEPT_ENCODING, "identity")])
            }
            InvalidKind::Unmappable { .. } => {
                Reason::new(Code::InternalError, Cause::ValidationRulesUnmappable)
            }
        };
        if !errors.is_empty() {
            reason = reason.member("errors", &errors);
        }
        if truncated {
            reason = reason.member("errors_truncated", &true);
        }
        self.refuse(reason)
    }
}
