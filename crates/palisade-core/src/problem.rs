//! The catalogue of refusals: the only place that knows their status and their words.
//!
//! A refusal is a [`Reason`]; it becomes an RFC 9457 problem document with the status, the
//! title and the detail of its [`Code`]. The client sees this small fixed vocabulary; what
//! really happened is the reason's `cause`, which goes to the audit only.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use std::{fmt::Debug, sync::Arc};

pub use crate::cause::{Cause, Word};

macro_rules! catalogue {
    ($($(#[$doc:meta])* $variant:ident = $status:ident, $code:literal, $title:literal, $detail:literal;)*) => {
        /// What the client is told, by a stable word.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// The stable word in the body's `code` member, such as `insufficient_scope`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $code,)* }
            }

            /// The status of the refusal.
            pub fn status(self) -> StatusCode {
                match self { $(Code::$variant => StatusCode::$status,)* }
            }

            /// The title: the same for every refusal of this code (RFC 9457 §3.1.3).
            pub fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)* }
            }

            /// What the client may do about it.
            pub fn detail(self) -> &'static str {
                match self { $(Code::$variant => $detail,)* }
            }
        }
    };
}

catalogue! {
    /// No credential where one is required, or an `Authorization` scheme the rule does not know.
    CredentialsRequired = UNAUTHORIZED, "credentials_required", "Credentials required",
        "Send a credential of one of the schemes in WWW-Authenticate.";
    /// The request carries its credential in a malformed or ambiguous way.
    InvalidRequest = BAD_REQUEST, "invalid_request", "Malformed credentials",
        "Send exactly one well-formed credential.";
    /// The credential is bad.
    InvalidToken = UNAUTHORIZED, "invalid_token", "Credential not accepted",
        "The credential is malformed, expired, revoked or not meant for this service.";
    /// A scope is missing.
    InsufficientScope = FORBIDDEN, "insufficient_scope", "Insufficient scope",
        "The credential lacks a scope that this operation needs.";
    /// A role, a permission or a policy says no.
    Forbidden = FORBIDDEN, "forbidden", "Forbidden",
        "The caller may not perform this operation.";
    /// The credential is good, the account behind it is disabled.
    AccountDisabled = FORBIDDEN, "account_disabled", "Account disabled",
        "The account of this credential is disabled.";
    /// Only a client certificate would do, and no HTTP scheme can ask for one.
    ClientCertificateRequired = FORBIDDEN, "client_certificate_required", "Client certificate required",
        "Connect with a client certificate that this service trusts.";
    /// The login is too old or too weak (RFC 9470).
    InsufficientUserAuthentication = UNAUTHORIZED, "insufficient_user_authentication", "Stronger login required",
        "Log in again as WWW-Authenticate says.";
    /// A quota is spent.
    QuotaExceeded = TOO_MANY_REQUESTS, "quota_exceeded", "Quota exceeded",
        "Wait as long as Retry-After says.";
    /// No rule lists the path.
    NotFound = NOT_FOUND, "not_found", "Not found",
        "There is nothing here.";
    /// A rule lists the path, but not for this method.
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed",
        "Use one of the methods in Allow.";
    /// The request does not fit what is there already. Core never says so: it is for handlers.
    Conflict = CONFLICT, "conflict", "Conflict",
        "The request does not fit what is there already.";
    /// The method is none that this service knows.
    MethodNotImplemented = NOT_IMPLEMENTED, "method_not_implemented", "Method not implemented",
        "This service does not know the method.";
    /// The host is well-formed, but not ours.
    MisdirectedRequest = MISDIRECTED_REQUEST, "misdirected_request", "Misdirected request",
        "This service does not answer for that host.";
    /// The target or a header is malformed or suspicious.
    RequestRejected = BAD_REQUEST, "request_rejected", "Request rejected",
        "The request is malformed.";
    /// Plain HTTP where HTTPS is required.
    HttpsRequired = FORBIDDEN, "https_required", "HTTPS required",
        "Use HTTPS, and replace any credential that was sent without it.";
    /// A cross-site request that would act with the browser's own credentials.
    CrossOriginBlocked = FORBIDDEN, "cross_origin_blocked", "Cross-origin request blocked",
        "This request may only come from the service's own pages.";
    /// A body that is not well-formed.
    MalformedBody = BAD_REQUEST, "malformed_body", "Malformed body",
        "The body is not well-formed.";
    /// A body nested too deeply.
    BodyTooDeep = BAD_REQUEST, "body_too_deep", "Body nested too deeply",
        "The body is nested more deeply than this service accepts.";
    /// A well-formed input that breaks a rule.
    ValidationFailed = UNPROCESSABLE_ENTITY, "validation_failed", "Validation failed",
        "The input breaks the rules listed in errors.";
    /// A content type that the operation does not read.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type",
        "Send the content type in Accept.";
    /// A content encoding that the operation does not read.
    UnsupportedEncoding = UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", "Unsupported content encoding",
        "Send the body without a content encoding.";
    /// A body larger than the rule allows.
    ContentTooLarge = PAYLOAD_TOO_LARGE, "content_too_large", "Content too large",
        "The body is larger than this service accepts.";
    /// A body that arrives too slowly.
    BodyTimeout = REQUEST_TIMEOUT, "body_timeout", "Body timeout",
        "The body arrived too slowly.";
    /// A request target longer than the policy allows.
    UriTooLong = URI_TOO_LONG, "uri_too_long", "URI too long",
        "The request target is longer than this service accepts.";
    /// More header lines or bytes than the policy allows.
    HeadersTooLarge = REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", "Headers too large",
        "The header fields are larger than this service accepts.";
    /// An issuer, a store or a limiter gave no answer.
    DependencyUnavailable = SERVICE_UNAVAILABLE, "dependency_unavailable", "Dependency unavailable",
        "Try again later.";
    /// A handler panicked, or the service is put together wrongly.
    InternalError = INTERNAL_SERVER_ERROR, "internal_error", "Internal error",
        "The service failed; its operators can find the cause by the request id.";
}

/// Why a request is refused: what the client is told, and what the audit is told.
#[derive(Debug, Clone)]
pub struct Reason {
    code: Code,
    word: Word,
    headers: Vec<(HeaderName, HeaderValue)>,
    members: String,
    /// Boxed, because most have none, and reasons are moved a lot.
    missing: Option<Box<Missing>>,
}

/// The part of a requirement that a caller does not meet.
#[derive(Debug, Clone)]
struct Missing(String);

/// What the audit and explanations tell of a refusal.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) word: Word,
    /// The part of a requirement that the caller does not meet.
    pub(crate) missing: Option<Box<str>>,
}

impl Reason {
    /// A refusal of this code, with a word for the audit: a [`Cause`], or of an application a stable snake_case word of
    /// its own, as `&'static str`, `String` or `Cow<'static, str>`.
    pub fn new(code: Code, word: impl Into<Word>) -> Self {
        Self {
            code,
            word: word.into(),
            headers: Vec::new(),
            members: String::new(),
            missing: None,
        }
    }

    /// What the client is told.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What really happened, for the audit.
    pub fn cause(&self) -> &str {
        self.word.as_str()
    }

    /// The same, with whose word it is.
    pub fn word(&self) -> &Word {
        &self.word
    }

    /// Adds one header line to the refusal.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds header lines to the refusal.
    #[must_use]
    pub fn headers(mut self, lines: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Self {
        self.headers.extend(lines);
        self
    }

    /// Adds a member to the body; a value that cannot be serialised is left out.
    #[must_use]
    pub fn member(mut self, name: &'static str, value: &impl serde::Serialize) -> Self {
        if let Ok(json) = serde_json::to_string(value) {
            self.members.reserve(name.len() + json.len() + 4);
            for part in [",\"", name, "\":", &json] {
                self.members.push_str(part);
            }
        }
        self
    }

    /// Takes the challenges over as the first header lines.
    pub(crate) fn challenges(mut self, lines: Vec<(HeaderName, HeaderValue)>) -> Self {
        self.headers = lines;
        self
    }

    /// What is told of it, but not to the client.
    pub(crate) fn refusal(&self) -> Refusal {
        Refusal {
            code: self.code,
            word: self.word.clone(),
            missing: self
                .missing
                .as_ref()
                .map(|missing| missing.0.as_str().into()),
        }
    }

    /// Names the part of a requirement that the caller does not meet; the client is not told.
    #[must_use]
    pub(crate) fn missing(mut self, part: Option<String>) -> Self {
        self.missing = part.map(|part| Box::new(Missing(part)));
        self
    }

    pub(crate) fn take_headers(&mut self) -> Vec<(HeaderName, HeaderValue)> {
        std::mem::take(&mut self.headers)
    }
}

/// A refusal about to be written: what a [`ProblemRenderer`] may show.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    /// What the client is told.
    pub code: Code,
    /// The URI of the problem type (RFC 9457 §3.1.1).
    pub type_uri: &'a str,
    /// Joins the response to its audit event.
    pub request_id: &'a str,
    /// Further members as JSON, each with a leading comma: `,"errors":[…]`.
    pub members: &'a str,
}

/// Replaces the body of refusals, for APIs whose clients expect another shape.
///
/// Status, challenge and security headers stay what they are.
pub trait ProblemRenderer: Debug + Send + Sync {
    /// The content type and the body; `None` keeps the problem document.
    fn render(&self, problem: &Problem<'_>) -> Option<(HeaderValue, Bytes)>;
}

/// The bodies of refusals.
#[derive(Debug, Clone)]
pub(crate) struct Problems {
    /// One for each code, in the order of [`Code::ALL`].
    templates: Vec<Template>,
    renderer: Option<Arc<dyn ProblemRenderer>>,
}

/// What every problem document of a code has, written once.
#[derive(Debug, Clone)]
struct Template {
    type_uri: Box<str>,
    /// The document up to the name of the request id.
    start: Box<str>,
}

/// The IANA-registered type of a spent quota (draft-ietf-httpapi-ratelimit-headers-10 §6).
const QUOTA_TYPE: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

impl Problems {
    /// Types whose URIs begin with `type_base`.
    pub(crate) fn new(type_base: &str, renderer: Option<Arc<dyn ProblemRenderer>>) -> Self {
        let templates = Code::ALL.iter().map(|&code| {
            let type_uri = match code {
                Code::QuotaExceeded => QUOTA_TYPE.to_owned(),
                _ => [type_base, code.as_str()].concat(),
            };
            Template {
                start: start(code, &type_uri).into(),
                type_uri: type_uri.into(),
            }
        });
        Self {
            templates: templates.collect(),
            renderer,
        }
    }

    /// The content type and the body of a refusal.
    pub(crate) fn render(&self, reason: &Reason, request_id: &str) -> (HeaderValue, Bytes) {
        // Every code has a template: it is the index of its variant.
        let template = self.templates.get(reason.code as usize);
        let (type_uri, start) = template.map_or(("about:blank", "{\""), |template| {
            (&*template.type_uri, &*template.start)
        });
        let problem = Problem {
            code: reason.code,
            type_uri,
            request_id,
            members: &reason.members,
        };
        let custom = self.renderer.as_ref().and_then(|r| r.render(&problem));
        custom.unwrap_or_else(|| (PROBLEM_JSON, problem.finish(start).into()))
    }
}

impl Problem<'_> {
    /// The problem document as JSON.
    ///
    /// Nothing here needs escaping: the type base is checked when the policy is compiled, the
    /// request id is hexadecimal, the rest stands in the catalogue.
    pub fn to_json(&self) -> String {
        self.finish(&start(self.code, self.type_uri))
    }

    /// What differs from refusal to refusal, after what does not.
    fn finish(&self, start: &str) -> String {
        [
            start,
            "request_id\":\"",
            self.request_id,
            "\"",
            self.members,
            "}",
        ]
        .concat()
    }
}

/// The document of a code up to the name of the request id.
fn start(code: Code, type_uri: &str) -> String {
    [
        "{\"type\":\"",
        type_uri,
        "\",\"title\":\"",
        code.title(),
        "\",\"status\":",
        code.status().as_str(),
        ",\"detail\":\"",
        code.detail(),
        "\",\"code\":\"",
        code.as_str(),
        "\",\"",
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems() -> Problems {
        Problems::new("urn:palisade:problem:", None)
    }

    #[test]
    fn every_code_makes_a_document_that_parses() {
        for &code in Code::ALL {
            let reason = Reason::new(code, "cause").member("errors", &["a\"b"]);
            let (content_type, body) = problems().render(&reason, "0123");
            let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(content_type, "application/problem+json");
            assert_eq!(json["status"], code.status().as_u16());
            assert_eq!(json["code"], code.as_str());
            assert_eq!(json["errors"][0], "a\"b");
            assert!(code.status().is_client_error() || code.status().is_server_error());
        }
    }

    #[test]
    fn the_cause_stays_out_of_the_body() {
        let (_, body) = problems().render(&Reason::new(Code::InvalidToken, "signature"), "0123");
        assert!(!String::from_utf8_lossy(&body).contains("signature"));
    }
}
