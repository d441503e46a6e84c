//! The request's head, gone through once.
//!
//! Every stage asks for header lines; asking a framework's map through a trait object each time
//! would cost more than the stages themselves. So the head is walked a single time, its values
//! are checked on the way (RFC 9110 §5.5), and what follows looks at this flat, borrowed view.

use crate::head::RequestHead;
use http::HeaderName;
use smallvec::SmallVec;
use std::{fmt, net::SocketAddr};

/// A borrowed view of a request's head, for [`Scheme::read`](crate::scheme::Scheme::read). Its
/// `Debug` shows neither values nor the query: credentials travel in both.
pub struct View<'h> {
    method: &'h [u8],
    path: &'h str,
    query: Option<&'h str>,
    lines: SmallVec<[(&'h str, &'h [u8]); 24]>,
    bytes: usize,
    authorization: SmallVec<[&'h [u8]; 1]>,
    asks_for_websocket: bool,
    peer: Option<SocketAddr>,
}

impl<'h> View<'h> {
    /// Walks the head.
    pub(crate) fn of(head: &'h dyn RequestHead) -> Self {
        // Filled where it stands: moving so many lines would cost more than reading them.
        let mut view = Self {
            method: head.method(),
            path: "",
            query: None,
            lines: SmallVec::new(),
            bytes: 0,
            authorization: SmallVec::new(),
            asks_for_websocket: false,
            peer: head.peer(),
        };
        head.headers(&mut |name, value| {
            view.bytes += name.len() + value.len();
            if name == "authorization" {
                view.authorization.push(value);
            } else if name == "upgrade" {
                view.asks_for_websocket |= items(value).any(is_websocket);
            }
            view.lines.push((name, value));
        });
        view
    }

    /// Notes the target once the firewall has passed it.
    pub(crate) fn set_target(&mut self, path: &'h str, query: Option<&'h str>) {
        self.path = path;
        self.query = query;
    }

    /// The method as it was sent.
    pub fn method(&self) -> &'h [u8] {
        self.method
    }

    /// The path as it was sent and checked, still percent-encoded.
    pub fn path(&self) -> &'h str {
        self.path
    }

    /// The query as it was sent, without the question mark.
    pub fn query(&self) -> Option<&'h str> {
        self.query
    }

    /// Every header line in order, with the name in lower case.
    pub fn lines(&self) -> impl Iterator<Item = (&'h str, &'h [u8])> {
        self.lines.iter().copied()
    }

    pub(crate) fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// How many bytes the names and values of all header lines have together.
    pub(crate) fn header_bytes(&self) -> usize {
        self.bytes
    }

    /// The values of every line of the field.
    pub fn header(&self, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
        self.named(name.as_str())
    }

    /// Like [`header`](Self::header), for a name in lower case.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        self.lines
            .iter()
            .filter(move |(own, _)| *own == name)
            .map(|&(_, value)| value)
    }

    /// The values of every `Authorization` line.
    pub fn authorization(&self) -> &[&'h [u8]] {
        &self.authorization
    }

    /// Whether an `Upgrade` names a WebSocket, whatever else the head says: a server may then
    /// take all that follows the head for another protocol (RFC 9110 §7.8).
    pub(crate) fn asks_for_websocket(&self) -> bool {
        self.asks_for_websocket
    }

    /// Whether this is the handshake of a WebSocket (RFC 6455 §4.1).
    pub fn is_websocket_handshake(&self) -> bool {
        let mut options = self.named("connection").flat_map(items);
        self.method == b"GET"
            && self.asks_for_websocket
            && options.any(|option| option.eq_ignore_ascii_case(b"upgrade"))
            && self.named("sec-websocket-key").next().is_some()
    }

    /// What stands behind `word` and a dot among the protocols that a WebSocket handshake offers;
    /// nothing in any other request.
    pub(crate) fn websocket_tokens(&self, word: &str) -> impl Iterator<Item = &'h [u8]> {
        self.is_websocket_handshake()
            .then(|| self.named("sec-websocket-protocol").flat_map(items))
            .into_iter()
            .flatten()
            .filter_map(move |protocol| token_behind(word, protocol))
    }

    /// The `Sec-WebSocket-Protocol` field without what stands behind `word`.
    pub(crate) fn protocols_without(&self, word: &str) -> Vec<u8> {
        let protocols = self.named("sec-websocket-protocol").flat_map(items);
        let rest: Vec<_> = protocols
            .filter(|protocol| !protocol.is_empty() && token_behind(word, protocol).is_none())
            .collect();
        rest.join(&b", "[..])
    }

    /// The values of every cookie of this name (RFC 6265 §5.4), as they were sent.
    pub fn cookie(&self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        self.named("cookie")
            .flat_map(|line| line.split(|&b| b == b';'))
            .filter_map(move |pair| {
                let pair = pair.trim_ascii();
                let equals = pair.iter().position(|&b| b == b'=')?;
                let (own, value) = pair.split_at_checked(equals)?;
                (own == name.as_bytes()).then(|| value.get(1..).unwrap_or_default())
            })
    }

    /// The `Cookie` field without the cookies of this name.
    pub(crate) fn cookies_without(&self, name: &str) -> Vec<u8> {
        let pairs = self
            .named("cookie")
            .flat_map(|line| line.split(|&b| b == b';'))
            .map(<[u8]>::trim_ascii)
            .filter(|pair| {
                let own = pair.split(|&b| b == b'=').next();
                !pair.is_empty() && own != Some(name.as_bytes())
            });
        let mut rest = Vec::new();
        for pair in pairs {
            if !rest.is_empty() {
                rest.extend_from_slice(b"; ");
            }
            rest.extend_from_slice(pair);
        }
        rest
    }

    /// The other end of the connection.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }
}

/// The items of a list (RFC 9110 §5.6.1), without the spaces around them.
fn items(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&b| b == b',').map(<[u8]>::trim_ascii)
}

/// Whether a protocol in `Upgrade` is a WebSocket, of any version.
fn is_websocket(protocol: &[u8]) -> bool {
    let name = protocol.split(|&b| b == b'/').next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(b"websocket")
}

fn token_behind<'h>(word: &str, protocol: &'h [u8]) -> Option<&'h [u8]> {
    protocol.strip_prefix(word.as_bytes())?.strip_prefix(b".")
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.lines().map(|(name, _)| name).collect();
        f.debug_struct("View")
            .field("method", &String::from_utf8_lossy(self.method))
            .field("path", &self.path)
            .field("headers", &names)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
