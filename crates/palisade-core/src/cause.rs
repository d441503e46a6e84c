//! The words that Palisade itself writes into the audit's `reason`: one list, a line for each.
//!
//! `docs/audit.md` has a row for each word, for operators: what happened, and what to do about it. A test compares both.
//!
//! ```
//! use palisade_core::problem::Cause;
//!
//! assert_eq!(Cause::CrossSite.as_str(), "cross_site");
//! assert_eq!(Cause::from_word("cross_site"), Some(Cause::CrossSite));
//! assert_eq!(Cause::from_word("a_word_of_an_application"), None);
//! ```

use std::{borrow::Cow, fmt};

macro_rules! causes {
    ($($(#[doc = $meaning:literal])+ $variant:ident = $word:literal;)*) => {
        /// What really happened when a request was refused, for the audit: a word of Palisade's own.
        ///
        /// A word keeps its meaning; new ones may be added.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Cause {
            $($(#[doc = $meaning])+ $variant,)*
        }

        impl Cause {
            /// Every cause, in the order of the documentation.
            pub const ALL: &'static [Cause] = &[$(Cause::$variant),*];

            /// The stable word in the audit's `reason`, such as `cross_site`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Cause::$variant => $word,)* }
            }

            /// The cause with this word; `None` for a word of an application.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Cause::$variant),)*
                    _ => None,
                }
            }

            /// What happened, in a sentence for operators.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Cause::$variant => concat!($($meaning),+).trim_start(),)* }
            }
        }
    };
}

causes! {
    // The head of the request.
    /// The method is none that HTTP or the policy knows.
    UnknownMethod = "unknown_method";
    /// Path and query together are longer than the policy allows.
    TargetTooLong = "target_too_long";
    /// The head has more lines than the policy allows.
    TooManyHeaderLines = "too_many_header_lines";
    /// The header lines together have more bytes than the policy allows.
    HeadersTooLarge = "headers_too_large";
    /// The target is neither a path nor a URL, such as the `host:port` of CONNECT.
    AuthorityForm = "authority_form";
    /// The target is a URL of another scheme than `http` and `https`.
    UnsupportedScheme = "unsupported_scheme";
    /// The target has a `#`, which stays in the client.
    Fragment = "fragment";
    /// The path is longer than the limit of its check.
    PathTooLong = "path_too_long";
    /// The path has a control byte.
    Control = "control";
    /// The path has a space that is not encoded.
    Space = "space";
    /// The target has bytes beyond ASCII that are not encoded.
    NonAscii = "non_ascii";
    /// The path has a character that no URI may contain, such as `<` or `"`.
    ForbiddenCharacter = "forbidden_character";
    /// The path has a backslash, plain or encoded, which some systems take for a slash.
    Backslash = "backslash";
    /// The path has an empty segment, `//`.
    DoubleSlash = "double_slash";
    /// The path has a segment `.` or `..`, plain or encoded.
    DotSegment = "dot_segment";
    /// The path has a `%` without two hexadecimal digits.
    BadPercent = "bad_percent";
    /// The path encodes a letter, a digit or one of `-._~`, which needs no encoding.
    EncodedUnreserved = "encoded_unreserved";
    /// The path has an encoded control character or line separator.
    EncodedControl = "encoded_control";
    /// The encoded bytes of the path are not UTF-8.
    InvalidUtf8 = "invalid_utf8";
    /// The path has an encoded slash, which the rule does not allow.
    EncodedSlash = "encoded_slash";
    /// The path is encoded twice, which the rule does not allow.
    DoubleEncoding = "double_encoding";
    /// The path has a `;`, plain or encoded, which the rule does not allow.
    Semicolon = "semicolon";
    /// The query is longer than the limit of its check.
    QueryTooLong = "query_too_long";
    /// The query has a control byte.
    QueryControl = "query_control";
    /// The query has a space that is not encoded.
    QuerySpace = "query_space";
    /// The query has bytes beyond ASCII that are not encoded.
    QueryNonAscii = "query_non_ascii";
    /// The query has a `%` without two hexadecimal digits.
    QueryBadPercent = "query_bad_percent";
    /// The value of a header has a control character.
    HeaderControlCharacter = "header_control_character";
    /// The name of a header cannot be one.
    HeaderName = "header_name";
    /// The target is `*`, but the method is not OPTIONS.
    AsteriskForm = "asterisk_form";
    /// `Content-Length` occurs twice or is no number.
    ContentLengthMalformed = "content_length_malformed";
    /// `Transfer-Encoding` is not just `chunked`, or stands beside a `Content-Length`.
    TransferEncoding = "transfer_encoding";
    /// A WebSocket handshake is not a GET, or has a body.
    WebsocketHandshake = "websocket_handshake";
    /// `Content-Type` occurs twice.
    ContentTypeRepeated = "content_type_repeated";
    /// `Content-Encoding` occurs twice.
    ContentEncodingRepeated = "content_encoding_repeated";
    /// `Origin` occurs twice.
    OriginRepeated = "origin_repeated";
    /// `Expect` occurs twice.
    ExpectRepeated = "expect_repeated";
    /// `Access-Control-Request-Method` occurs twice.
    AccessControlRequestMethodRepeated = "access_control_request_method_repeated";
    /// A header `Sec-Fetch-…` occurs twice.
    SecFetchRepeated = "sec_fetch_repeated";
    /// `Sec-WebSocket-Key` or `Sec-WebSocket-Version` occurs twice.
    SecWebsocketRepeated = "sec_websocket_repeated";
    /// The server does not tell the address of the connection.
    PeerAddressMissing = "peer_address_missing";
    /// The host is well-formed, but not one that the policy lists.
    HostNotListed = "host_not_listed";
    /// `Host` occurs twice.
    HostRepeated = "host_repeated";
    /// The host is not a name or an address with or without a port.
    HostMalformed = "host_malformed";
    /// The host in the target and `Host` differ.
    HostDiffersFromAuthority = "host_differs_from_authority";
    /// The request names no host.
    HostMissing = "host_missing";
    /// The request came over plain HTTP, where the policy wants HTTPS.
    PlainHttp = "plain_http";
    /// Two routers could take the path for one of different rules.
    AmbiguousPath = "ambiguous_path";
    // Credentials in the request.
    /// `Authorization` occurs twice.
    RepeatedAuthorization = "repeated_authorization";
    /// The credential of one scheme is there twice.
    Repeated = "repeated";
    /// Credentials of two schemes are there, and only one may be.
    TwoCredentials = "two_credentials";
    /// The place of the credential is there, but empty.
    Empty = "empty";
    /// The credential has more bytes than its scheme reads.
    TooLong = "too_long";
    /// What follows the scheme name in `Authorization` is not a single token.
    BearerMalformed = "bearer_malformed";
    /// The credential among the protocols of a WebSocket handshake is not a token.
    WebsocketProtocolMalformed = "websocket_protocol_malformed";
    /// The credential in the query is not well percent-encoded.
    Encoding = "encoding";
    /// What follows `Basic` is not Base64.
    BasicBase64 = "basic_base64";
    /// What follows `Basic` has no colon between name and password.
    BasicNoColon = "basic_no_colon";
    /// A key was sent as the name in `Basic`, but the password is not empty.
    BasicPassword = "basic_password";
    /// A page of another site sent a request with a cookie or another credential of the browser.
    CrossSite = "cross_site";
    // Limits.
    /// A limit is spent.
    QuotaExceeded = "quota_exceeded";
    /// Too many credentials have failed at the client's address.
    TooManyFailures = "too_many_failures";
    /// The header that a limit counts by occurs twice.
    LimitHeaderRepeated = "limit_header_repeated";
    /// The store that counts a limit gave no answer.
    LimitsUnavailable = "limits_unavailable";
    // Verification.
    /// A credential was to be verified, but its scheme is gone.
    NoScheme = "no_scheme";
    /// What the scheme must ask, such as an issuer, a database or a store of revocations, gave no answer.
    SourceUnavailable = "source_unavailable";
    /// The time of the credential is over.
    Expired = "expired";
    /// The time of the token has not begun (`nbf`).
    NotYetValid = "not_yet_valid";
    /// The credential was taken back.
    Revoked = "revoked";
    /// The token has characters that no token can have.
    Characters = "characters";
    /// The token does not have the three parts of a JWT.
    Parts = "parts";
    /// The token is encrypted, which is not read.
    Encrypted = "encrypted";
    /// A part of the token is not base64url without padding.
    Base64url = "base64url";
    /// Header or claims of the token are not a JSON object.
    Json = "json";
    /// A name occurs twice in one JSON object of the token.
    DuplicateMember = "duplicate_member";
    /// A member of the token's header has the wrong JSON type.
    HeaderType = "header_type";
    /// The token demands an extension by a `crit` header, and none is known.
    Crit = "crit";
    /// The token is compressed.
    Zip = "zip";
    /// The token has a `b64` header.
    B64 = "b64";
    /// No key of the issuer is for the token's algorithm.
    Algorithm = "algorithm";
    /// The `kid` of the token names no key of the issuer.
    UnknownKid = "unknown_kid";
    /// The token names no key, and more than one fits.
    AmbiguousKey = "ambiguous_key";
    /// The signature does not match.
    Signature = "signature";
    /// The token is from another issuer.
    Issuer = "issuer";
    /// The token is for another audience.
    Audience = "audience";
    /// The `typ` of the token is not that of an access token.
    Type = "type";
    /// A claim says that this is not an access token, but an ID or a refresh token.
    TokenUse = "token_use";
    /// A claim that is needed is missing or empty.
    ClaimMissing = "claim_missing";
    /// A claim that decides something has the wrong JSON type.
    ClaimType = "claim_type";
    /// A date in the token is negative or too large.
    ClaimRange = "claim_range";
    /// A date in the token is in milliseconds, where seconds belong.
    Milliseconds = "milliseconds";
    /// The token was issued in the future (`iat`).
    IssuedInFuture = "issued_in_future";
    /// The tenant in the token is not the one that its issuer speaks for.
    Tenant = "tenant";
    /// The authorization server does not know the token as active.
    Inactive = "inactive";
    /// The answer of the authorization server does not say true or false for `active`.
    IntrospectionActiveType = "introspection_active_type";
    /// The token is bound to a key or a certificate (`cnf`), which is not checked here.
    SenderConstrained = "sender_constrained";
    /// The API key does not have the form of one.
    KeyShape = "key_shape";
    /// The API key has another prefix.
    KeyPrefix = "key_prefix";
    /// The checksum of the API key is wrong.
    KeyChecksum = "key_checksum";
    /// No such API key is known.
    KeyUnknown = "key_unknown";
    /// The id of the API key is known, but its secret is another.
    KeyMismatch = "key_mismatch";
    /// Name and password are not UTF-8.
    BasicUtf8 = "basic_utf8";
    /// Name or password has a control character.
    BasicControlCharacter = "basic_control_character";
    /// No such account is known, or its stored password hash cannot be read.
    AccountUnknown = "account_unknown";
    /// The password is wrong.
    PasswordWrong = "password_wrong";
    /// The account or key is good, but disabled.
    AccountDisabled = "account_disabled";
    // Rules and requirements.
    /// No rule lists the path.
    PathNotListed = "path_not_listed";
    /// Rules list the path, but not for this method.
    MethodNotListed = "method_not_listed";
    /// The rule needs a caller, and the request has no credential.
    NoCredential = "no_credential";
    /// `Authorization` names a scheme that the rule does not accept.
    UnknownAuthorizationScheme = "unknown_authorization_scheme";
    /// The cookie is not good any more, and counts as none.
    StaleCookie = "stale_cookie";
    /// The caller lacks a role, a permission or another part of the requirement; `missing` names it.
    RequirementNotMet = "requirement_not_met";
    /// The credential lacks a scope; `missing` names it.
    ScopeMissing = "scope_missing";
    /// What a requirement must ask gave no answer.
    RequirementUnavailable = "requirement_unavailable";
    /// A requirement of a route would have to wait for an answer, which only one of a rule can.
    RequirementCannotWait = "requirement_cannot_wait";
    /// The body says itself that it is larger than the rule allows.
    ContentLength = "content_length";
    // Rule and route.
    /// The route that was taken has another rule than the one that was applied.
    RouteOfAnotherRule = "route_of_another_rule";
    /// The framework may take the route of another rule for the request.
    RouteUncertain = "route_uncertain";
    /// A route beneath a mount that promises it did not confirm its rule.
    RouteNotConfirmed = "route_not_confirmed";
    /// The adapter cannot read the routes of the application.
    RoutesUnknown = "routes_unknown";
    /// Something inside of the security layer changed the method.
    MethodChangedAfterJudgement = "method_changed_after_judgement";
    /// Something inside of the security layer changed the path.
    PathChangedAfterJudgement = "path_changed_after_judgement";
    // Bodies and inputs.
    /// The body turned out larger than the rule allows.
    BodyTooLarge = "body_too_large";
    /// No byte of the body came for too long.
    BodyIdle = "body_idle";
    /// The body as a whole took too long.
    BodyTooSlow = "body_too_slow";
    /// The body broke off or could not be read.
    BodyUnreadable = "body_unreadable";
    /// The body, the query or the form is not well-formed.
    MalformedBody = "malformed_body";
    /// The JSON of the body is nested too deeply.
    BodyTooDeep = "body_too_deep";
    /// The input breaks rules; the client is told which.
    ValidationFailed = "validation_failed";
    /// The body is of a type that the extractor does not read.
    ContentType = "content_type";
    /// The body is compressed or otherwise encoded.
    ContentEncoding = "content_encoding";
    /// A broken rule cannot be matched to a field of the input.
    ValidationRulesUnmappable = "validation_rules_unmappable";
    /// The claims of the token do not fit the type that the handler asks for.
    ClaimsDoNotFit = "claims_do_not_fit";
    // The service itself.
    /// A handler panicked.
    Panic = "panic";
    /// The service inside of the layer failed without a response.
    ServiceError = "service_error";
    /// The system gave no random bytes for the nonce of a page.
    NoEntropy = "no_entropy";
    /// An adapter asked for a verdict that it already had.
    VerdictAskedTwice = "verdict_asked_twice";
    /// An adapter went on with an answer that belongs to another step.
    AnswerToAnotherQuestion = "answer_to_another_question";
}

/// The word.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the audit's `reason` says: a word of Palisade, or one of the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Palisade's own.
    Palisade(Cause),
    /// Of the application, or of a scheme from outside of Palisade; a stable snake_case word, too.
    Application(Cow<'static, str>),
}

impl Word {
    /// The word of a scheme, which is text because schemes come from outside of Palisade, too. A word of Palisade means
    /// the same whichever scheme says it.
    pub(crate) fn of_scheme(word: &'static str) -> Self {
        Cause::from_word(word).map_or(Word::Application(Cow::Borrowed(word)), Word::Palisade)
    }

    /// The word as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Word::Palisade(cause) => cause.as_str(),
            Word::Application(word) => word,
        }
    }

    /// Palisade's own word; `None` for one of the application.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Word::Palisade(cause) => Some(*cause),
            Word::Application(_) => None,
        }
    }
}

impl From<Cause> for Word {
    fn from(cause: Cause) -> Self {
        Word::Palisade(cause)
    }
}

impl From<&'static str> for Word {
    fn from(word: &'static str) -> Self {
        Word::Application(Cow::Borrowed(word))
    }
}

impl From<String> for Word {
    fn from(word: String) -> Self {
        Word::Application(Cow::Owned(word))
    }
}

impl From<Cow<'static, str>> for Word {
    fn from(word: Cow<'static, str>) -> Self {
        Word::Application(word)
    }
}

#[cfg(test)]
mod tests;
