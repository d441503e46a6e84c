//! What a server made of a request.

use std::fmt;

use crate::http1::Response;

/// What a server made of a request. A closed connection is an answer, not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A complete response.
    Response(Response),
    /// The connection was closed, or reset, before a complete response; what had been received by then.
    Closed { received: Vec<u8> },
    /// Something that is not HTTP, and what is wrong with it.
    Malformed { what: &'static str },
    /// Nothing complete in the time a server is given.
    Silence,
    /// The client itself closed the connection, as the case asked.
    HungUp,
    /// No connection could be made.
    Unreachable(String),
}

impl Answer {
    /// The response, if there is one.
    pub(crate) fn response(&self) -> Option<&Response> {
        if let Self::Response(response) = self {
            Some(response)
        } else {
            None
        }
    }

    /// The status, if there is one.
    pub(crate) fn status(&self) -> Option<u16> {
        self.response().map(|response| response.status)
    }

    /// Whether a framework's own parser may answer so to a malformed request.
    pub(crate) fn is_refusal_by_parser(&self) -> bool {
        matches!(self.status(), Some(400..500)) || matches!(self, Self::Closed { .. })
    }
}

/// In words, for people.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response(response) => write!(f, "the status was {}", response.status),
            Self::Closed { received } if received.is_empty() => {
                f.write_str("the connection was closed")
            }
            Self::Closed { received } => {
                write!(
                    f,
                    "the connection was closed after {} bytes",
                    received.len()
                )
            }
            Self::Malformed { what } => write!(f, "the answer was not HTTP: {what}"),
            Self::Silence => f.write_str("nothing complete came in time"),
            Self::HungUp => f.write_str("the client hung up"),
            Self::Unreachable(why) => write!(f, "no connection could be made: {why}"),
        }
    }
}

/// Bytes as text: as they are if they are readable, escaped otherwise.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let readable = |char: char| !char.is_control() || matches!(char, '\n' | '\r' | '\t');
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(readable) => text.replace("\r\n", "\n"),
        _ => {
            let escaped = bytes.escape_ascii().to_string();
            let escaped = escaped.replace("\\r\\n", "\n").replace("\\n", "\n");
            escaped.replace("\\\"", "\"").replace("\\'", "'")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parser_may_refuse_or_close() {
        let with = |status| {
            Answer::Response(Response {
                status,
                ..Response::default()
            })
        };
        assert!(with(431).is_refusal_by_parser());
        assert!(
            Answer::Closed {
                received: Vec::new()
            }
            .is_refusal_by_parser()
        );
        assert!(!with(200).is_refusal_by_parser() && !with(500).is_refusal_by_parser());
        assert!(!Answer::Silence.is_refusal_by_parser());
    }

    #[test]
    fn bytes_are_shown_readably() {
        assert_eq!(shown("caf\u{e9}\r\n".as_bytes()), "caf\u{e9}\n");
        assert_eq!(shown(b"a\xff\x00\"b\r\nc"), "a\\xff\\x00\"b\nc");
    }
}
