//! Makes the bytes of a request out of the text of a case.

use crate::client::Request;
use crate::model::Sending;
use crate::text::{self, Macros};

/// The request of one exchange, ready to send.
///
/// Over HTTP/2 the text stays as it is: [`crate::http2`] reads it.
pub(crate) fn build(text: &Sending, macros: &Macros<'_>, http2: bool) -> Result<Request, String> {
    let written = macros.expand(text.request.as_deref().unwrap_or_default())?;
    let mut head = lines(&written)?;
    let has = |name: &str| has_line(&head, name);
    let (has_host, has_framing) = (
        has("host"),
        has("content-length") || has("transfer-encoding"),
    );
    let expects_continue = has("expect") && !text.raw;
    let mut add = |line: String| head.extend_from_slice(format!("{line}\r\n").as_bytes());
    let framed = !text.raw && !http2;
    if framed && !has_host {
        add(format!("Host: {}", macros.host));
    }
    let body = match &text.chunked {
        Some(chunks) => {
            let chunks = chunks
                .iter()
                .map(|chunk| macros.expand(chunk))
                .collect::<Result<Vec<_>, _>>()?;
            if framed && !has_framing {
                add("Transfer-Encoding: chunked".to_owned());
            }
            if http2 {
                chunks.concat().into_bytes()
            } else {
                in_chunks(&chunks)
            }
        }
        None => {
            let body = plain_body(text, macros)?;
            if let Some(body) = body.as_ref().filter(|_| framed && !has_framing) {
                add(format!("Content-Length: {}", body.len()));
            }
            body.unwrap_or_default()
        }
    };
    if !text.raw {
        head.extend_from_slice(b"\r\n");
    }
    Ok(Request {
        is_head: head.starts_with(b"HEAD "),
        expects_continue: expects_continue && !http2,
        unfinished: text.meanwhile.is_some(),
        drip: match &text.drip {
            Some(drip) => text::unescape(&macros.expand(drip)?)?,
            None => Vec::new(),
        },
        head,
        body,
    })
}

/// Every line of the text with CRLF at its end. A line that ends in a lone backslash goes on in the next one.
pub(crate) fn lines(written: &str) -> Result<Vec<u8>, String> {
    let mut head = Vec::new();
    for line in written.strip_suffix('\n').unwrap_or(written).split('\n') {
        let (line, end) = match line.strip_suffix('\\').filter(|rest| !rest.ends_with('\\')) {
            Some(rest) => (rest, ""),
            None => (line, "\r\n"),
        };
        head.extend(text::unescape(line)?);
        head.extend_from_slice(end.as_bytes());
    }
    Ok(head)
}

fn has_line(head: &[u8], name: &str) -> bool {
    let named = |line: &[u8]| {
        line.get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
            && line.get(name.len()) == Some(&b':')
    };
    head.split(|byte| *byte == b'\n').any(named)
}

fn plain_body(text: &Sending, macros: &Macros<'_>) -> Result<Option<Vec<u8>>, String> {
    Ok(match (&text.body, &text.body_raw, &text.body_repeat) {
        (Some(body), ..) => Some(macros.expand(body)?.into_bytes()),
        (_, Some(body), _) => Some(text::unescape(&macros.expand(body)?)?),
        (.., Some(repeat)) => Some(repeat.text.repeat(repeat.times).into_bytes()),
        _ => None,
    })
}

fn in_chunks(chunks: &[String]) -> Vec<u8> {
    let mut body = Vec::new();
    // An empty chunk would end the body.
    for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
        body.extend_from_slice(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes());
    }
    body.extend_from_slice(b"0\r\n\r\n");
    body
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::beside::Beside;

    fn request(toml: &str) -> Request {
        let token = |_: &str| Ok("t".to_owned());
        let macros = Macros {
            host: "api.example",
            address: "",
            now: 0,
            each: None,
            saved: &BTreeMap::new(),
            token: &token,
            beside: &Beside::default(),
        };
        build(&toml::from_str(toml).unwrap(), &macros, false).unwrap()
    }

    fn wire(toml: &str) -> String {
        let request = request(toml);
        String::from_utf8_lossy(&[request.head, request.body].concat()).into_owned()
    }

    #[test]
    fn host_length_and_the_empty_line_are_added() {
        assert_eq!(
            wire("request = '''\nGET / HTTP/1.1\nX: {token:a}\n'''"),
            "GET / HTTP/1.1\r\nX: t\r\nHost: api.example\r\n\r\n"
        );
        assert_eq!(
            wire("request = 'POST / HTTP/1.1'\nbody = '{}'"),
            "POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length: 2\r\n\r\n{}"
        );
        assert_eq!(
            wire("request = 'POST / HTTP/1.1'\nchunked = ['abc', '', '{repeat:x:10}']"),
            "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\na\r\nxxxxxxxxxx\r\n0\r\n\r\n"
        );
        assert_eq!(
            wire("request = 'POST / HTTP/1.1'\nbody_repeat = { text = 'ab', times = 2 }")
                .split_once("\r\n\r\n")
                .unwrap()
                .1,
            "abab"
        );
    }

    #[test]
    fn what_is_written_is_not_added_again() {
        let text =
            "request = '''\nPOST / HTTP/1.1\nhOST: other\ncontent-length: 9\n'''\nbody = 'x'";
        assert_eq!(
            wire(text),
            "POST / HTTP/1.1\r\nhOST: other\r\ncontent-length: 9\r\n\r\nx"
        );
    }

    #[test]
    fn raw_adds_nothing() {
        assert_eq!(
            wire("raw = true\nrequest = '''\nGET / HTTP/1.1\n\n'''"),
            "GET / HTTP/1.1\r\n\r\n"
        );
        assert_eq!(
            wire("raw = true\nrequest = '''\nGET / HT\\\nTP/1.1\\n\\\n'''"),
            "GET / HTTP/1.1\n"
        );
    }

    #[test]
    fn bytes_and_methods() {
        assert_eq!(
            request("request = '''GET /\\xff HTTP/1.1'''").head.get(5),
            Some(&0xff)
        );
        assert!(request("request = 'HEAD / HTTP/1.1'").is_head);
        assert!(
            request("request = '''\nPOST / HTTP/1.1\nExpect: 100-continue\n'''\nbody = 'x'")
                .expects_continue
        );
    }
}
