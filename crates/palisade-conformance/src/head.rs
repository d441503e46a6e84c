//! The head of a request that a case sends, as core sees that of a server.

use std::net::SocketAddr;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Uri, Version};
use palisade_core::RequestHead;

use crate::client::Request;
use crate::http2;

/// More header lines than any server under test takes.
const LINES: usize = 1024;

/// A head of which everything is known.
pub(crate) struct Head {
    pub(crate) request: http::Request<()>,
    peer: Option<SocketAddr>,
}

impl Head {
    /// The head of `request` as the server's parser would show it; over HTTP/2 `host` is the usual authority.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn of(
        request: &Request,
        (host, is_http2): (&str, bool),
        peer: Option<SocketAddr>,
    ) -> Result<Self, String> {
        let head = if is_http2 {
            http2::head(host, &request.head)
        } else {
            http1_head(&request.head)
        };
        Ok(Self {
            request: head?,
            peer,
        })
    }
}

impl RequestHead for Head {
    fn method(&self) -> &[u8] {
        self.request.method().as_str().as_bytes()
    }

    fn target(&self) -> &[u8] {
        let target = self.request.uri().path_and_query();
        target.map_or("", |target| target.as_str()).as_bytes()
    }

    fn scheme(&self) -> Option<&[u8]> {
        self.request.uri().scheme_str().map(str::as_bytes)
    }

    fn authority(&self) -> Option<&[u8]> {
        let authority = self.request.uri().authority();
        authority.map(|authority| authority.as_str().as_bytes())
    }

    fn http2(&self) -> bool {
        self.request.version() == Version::HTTP_2
    }

    fn headers<'h>(&'h self, each: &mut dyn FnMut(&'h str, &'h [u8])) {
        for (name, value) in self.request.headers() {
            each(name.as_str(), value.as_bytes());
        }
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    fn tls(&self) -> bool {
        false
    }
}

/// The head as a parser of HTTP/1.1 reads it. Like theirs, it leaves out a `#fragment`, and a length beside chunks
/// (RFC 9112 §6.3).
fn http1_head(bytes: &[u8]) -> Result<http::Request<()>, String> {
    let mut lines = vec![httparse::EMPTY_HEADER; LINES];
    let mut parsed = httparse::Request::new(&mut lines);
    parsed.parse(bytes).map_err(|why| why.to_string())?;
    let mut head = http::Request::new(());
    let text = |why: http::Error| why.to_string();
    let method = parsed.method.unwrap_or_default();
    *head.method_mut() = method.parse().map_err(|why| text(http::Error::from(why)))?;
    *head.uri_mut() = Uri::try_from(parsed.path.unwrap_or_default())
        .map_err(|why| text(http::Error::from(why)))?;
    for line in parsed.headers.iter() {
        let name = HeaderName::try_from(line.name).map_err(|why| text(why.into()))?;
        let value = HeaderValue::from_bytes(line.value).map_err(|why| text(why.into()))?;
        head.headers_mut().append(name, value);
    }
    if head.headers().contains_key(TRANSFER_ENCODING) {
        head.headers_mut().remove(CONTENT_LENGTH);
    }
    Ok(head)
}
