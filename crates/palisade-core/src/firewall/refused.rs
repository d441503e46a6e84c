//! Why a request target is refused.

use crate::cause::Cause;
use std::fmt;

/// Why a request target was refused.
///
/// The client is told only that it was (400 `request_rejected`), or that it is too long (414 `uri_too_long`); the audit
/// gets [`reason`](Refused::reason).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refused {
    /// `host:port`, which only CONNECT uses, an empty target, or anything else that is no path and no URL.
    AuthorityForm,
    /// An absolute-form target of another scheme than `http` and `https`.
    UnsupportedScheme,
    /// A `#`: fragments stay in the client (RFC 9110 §4.2.5).
    Fragment,
    /// The path is longer than the limit.
    PathTooLong,
    /// A raw control byte in the path.
    Control,
    /// A raw space in the path.
    Space,
    /// A raw byte above 0x7F in the path, or anywhere in a target that is not UTF-8.
    NonAscii,
    /// One of ``" < > ^ ` { | }``, which no URI may contain.
    ForbiddenCharacter,
    /// `\` or `%5C`, which some systems take for `/`.
    Backslash,
    /// An empty segment that is not the last one.
    DoubleSlash,
    /// A `.` or `..` segment.
    DotSegment,
    /// `%` without two hex digits in the path.
    BadPercent,
    /// A percent-encoded `A-Z a-z 0-9 - . _ ~`, which is equivalent to the plain character (RFC 3986 §2.3).
    EncodedUnreserved,
    /// An encoded C0, DEL, C1 or Unicode line separator.
    EncodedControl,
    /// Encoded bytes that are not UTF-8.
    InvalidUtf8,
    /// `%2F` where the rule does not allow it.
    EncodedSlash,
    /// `%25` before two hex digits where the rule does not allow it.
    DoubleEncoding,
    /// `;` or `%3B` where the rule does not allow it.
    Semicolon,
    /// The query is longer than the limit.
    QueryTooLong,
    /// A raw control byte in the query.
    QueryControl,
    /// A raw space in the query.
    QuerySpace,
    /// A raw byte above 0x7F in the query.
    QueryNonAscii,
    /// `%` without two hex digits in the query.
    QueryBadPercent,
}

impl Refused {
    /// The stable word for the audit.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        self.cause().as_str()
    }

    /// What the audit is told.
    pub(crate) const fn cause(self) -> Cause {
        match self {
            Refused::AuthorityForm => Cause::AuthorityForm,
            Refused::UnsupportedScheme => Cause::UnsupportedScheme,
            Refused::Fragment => Cause::Fragment,
            Refused::PathTooLong => Cause::PathTooLong,
            Refused::Control => Cause::Control,
            Refused::Space => Cause::Space,
            Refused::NonAscii => Cause::NonAscii,
            Refused::ForbiddenCharacter => Cause::ForbiddenCharacter,
            Refused::Backslash => Cause::Backslash,
            Refused::DoubleSlash => Cause::DoubleSlash,
            Refused::DotSegment => Cause::DotSegment,
            Refused::BadPercent => Cause::BadPercent,
            Refused::EncodedUnreserved => Cause::EncodedUnreserved,
            Refused::EncodedControl => Cause::EncodedControl,
            Refused::InvalidUtf8 => Cause::InvalidUtf8,
            Refused::EncodedSlash => Cause::EncodedSlash,
            Refused::DoubleEncoding => Cause::DoubleEncoding,
            Refused::Semicolon => Cause::Semicolon,
            Refused::QueryTooLong => Cause::QueryTooLong,
            Refused::QueryControl => Cause::QueryControl,
            Refused::QuerySpace => Cause::QuerySpace,
            Refused::QueryNonAscii => Cause::QueryNonAscii,
            Refused::QueryBadPercent => Cause::QueryBadPercent,
        }
    }

    /// Whether the answer is 414 `uri_too_long`; every other refusal is 400 `request_rejected`.
    #[must_use]
    pub const fn is_too_long(self) -> bool {
        matches!(self, Refused::PathTooLong | Refused::QueryTooLong)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Refused {}
