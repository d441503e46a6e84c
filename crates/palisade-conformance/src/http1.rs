//! Reads an HTTP/1.1 response as it came: header lines as bytes, in order, with nothing repaired.
//!
//! The parser is a pure function over the bytes read so far, so that it can be tested without a socket.

/// A response as the wire carried it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Response {
    /// The status of the final response.
    pub(crate) status: u16,
    /// Header lines in the order they came: name and value, surrounding white space removed.
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body, without its chunked framing.
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The values of all lines named `name` (compared without case), in order.
    pub(crate) fn header(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.as_slice())
    }
}

/// What the bytes read so far amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// A whole response, and how many bytes it and its interim responses took.
    Complete(Response, usize),
    /// The response goes on.
    Incomplete,
    /// Not HTTP/1.1; says what is wrong.
    Malformed(&'static str),
}

/// Where the bytes come from, as far as it changes their meaning.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    /// The request was HEAD: no body follows, whatever the header says.
    pub(crate) head: bool,
    /// The server has closed the connection: nothing more will come.
    pub(crate) closed: bool,
    /// Also stop at `100 Continue`, to know when to send the body.
    pub(crate) stop_at_continue: bool,
}

/// Parses the first final response in `bytes`, skipping interim ones (RFC 9110 §15.2).
pub(crate) fn parse(bytes: &[u8], reading: Reading) -> Progress {
    match try_parse(bytes, reading) {
        Ok((response, used)) => Progress::Complete(response, used),
        Err(Stop::Incomplete) => Progress::Incomplete,
        Err(Stop::Malformed(what)) => Progress::Malformed(what),
    }
}

enum Stop {
    Incomplete,
    Malformed(&'static str),
}

fn try_parse(bytes: &[u8], reading: Reading) -> Result<(Response, usize), Stop> {
    let mut rest = bytes;
    let mut response = loop {
        let response = read_head(&mut rest)?;
        if !(100..200).contains(&response.status)
            || response.status == 101
            || (reading.stop_at_continue && response.status == 100)
        {
            break response;
        }
    };
    response.body = read_body(&response, &mut rest, reading)?;
    Ok((response, bytes.len() - rest.len()))
}

fn read_head(rest: &mut &[u8]) -> Result<Response, Stop> {
    let line = take_line(rest)?;
    let status = line
        .strip_prefix(b"HTTP/1.1 ")
        .or_else(|| line.strip_prefix(b"HTTP/1.0 "));
    let status = status.ok_or(Stop::Malformed(
        "the status line does not start with HTTP/1.1",
    ))?;
    let status = status
        .split(|byte| *byte == b' ')
        .next()
        .unwrap_or_default();
    if status.len() != 3 {
        return Err(Stop::Malformed("the status is not three digits"));
    }
    let status = number(status, 10)
        .filter(|status| (100..600).contains(status))
        .ok_or(Stop::Malformed("the status is not between 100 and 599"))?;
    let mut headers = Vec::new();
    loop {
        let line = take_line(rest)?;
        if line.is_empty() {
            break;
        }
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .ok_or(Stop::Malformed("a header line has no colon"))?;
        let (name, value) = line.split_at(colon);
        if name.is_empty() || !name.iter().all(|byte| byte.is_ascii_graphic()) {
            return Err(Stop::Malformed(
                "a header name is empty or has a space in it",
            ));
        }
        headers.push((
            name.to_vec(),
            value
                .strip_prefix(b":")
                .unwrap_or(value)
                .trim_ascii()
                .to_vec(),
        ));
    }
    Ok(Response {
        status: u16::try_from(status).unwrap_or(0),
        headers,
        body: Vec::new(),
    })
}

/// The body's length, decided in the order of RFC 9112 §6.3.
fn read_body(response: &Response, rest: &mut &[u8], reading: Reading) -> Result<Vec<u8>, Stop> {
    if reading.head || matches!(response.status, 100..200 | 204 | 304) {
        return Ok(Vec::new());
    }
    if let Some(coding) = response.header("transfer-encoding").last() {
        if !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(Stop::Malformed("the transfer coding is not chunked"));
        }
        return read_chunks(rest);
    }
    let mut lengths = response.header("content-length");
    let Some(length) = lengths.next() else {
        return if reading.closed {
            Ok(std::mem::take(rest).to_vec())
        } else {
            Err(Stop::Incomplete)
        };
    };
    if lengths.any(|other| other != length) {
        return Err(Stop::Malformed("two different content lengths"));
    }
    let length = number(length, 10).ok_or(Stop::Malformed("the content length is not a number"))?;
    Ok(take(rest, length)?.to_vec())
}

fn read_chunks(rest: &mut &[u8]) -> Result<Vec<u8>, Stop> {
    let mut body = Vec::new();
    loop {
        let line = take_line(rest)?;
        let size = line
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or(line)
            .trim_ascii();
        let size =
            number(size, 16).ok_or(Stop::Malformed("a chunk size is not a hexadecimal number"))?;
        if size == 0 {
            // Trailers are read and dropped: no response of ours has any.
            while !take_line(rest)?.is_empty() {}
            return Ok(body);
        }
        body.extend_from_slice(take(rest, size)?);
        if !take_line(rest)?.is_empty() {
            return Err(Stop::Malformed("a chunk is longer than its size says"));
        }
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Stop> {
    let (taken, left) = rest.split_at_checked(length).ok_or(Stop::Incomplete)?;
    *rest = left;
    Ok(taken)
}

/// The next line without its CRLF. A bare LF is an error: no server may answer with one.
fn take_line<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Stop> {
    let end = rest
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or(Stop::Incomplete)?;
    let line = take(rest, end + 1)?;
    line.strip_suffix(b"\r\n")
        .ok_or(Stop::Malformed("a line ends in a bare line feed"))
}

/// Digits only: Rust's own parser would take a sign.
fn number(digits: &[u8], radix: u32) -> Option<usize> {
    let text = std::str::from_utf8(digits).ok()?;
    if text.starts_with('+') {
        None
    } else {
        usize::from_str_radix(text, radix).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(bytes: &[u8]) -> (Response, usize) {
        match parse(bytes, Reading::default()) {
            Progress::Complete(response, used) => (response, used),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keeps_lines_in_order_and_counts_what_it_used() {
        let bytes = b"HTTP/1.1 401 Unauthorized\r\nVary: a\r\nvary:  \xff b \r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n";
        let (response, used) = whole(bytes);
        assert_eq!(response.status, 401);
        assert_eq!(
            response.header("VARY").collect::<Vec<_>>(),
            [b"a".as_slice(), b"\xff b"]
        );
        assert_eq!(
            (response.body.as_slice(), used),
            (b"ok".as_slice(), bytes.len() - 17)
        );
    }

    #[test]
    fn skips_interim_responses() {
        let (response, _) =
            whole(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!((response.status, response.headers.len()), (204, 0));
    }

    #[test]
    fn stops_at_continue_when_asked() {
        let reading = Reading {
            stop_at_continue: true,
            ..Reading::default()
        };
        assert!(matches!(
            parse(b"HTTP/1.1 100 Continue\r\n\r\n", reading),
            Progress::Complete(Response { status: 100, .. }, 25)
        ));
    }

    #[test]
    fn reads_chunks_extensions_and_trailers() {
        let (response, used) = whole(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n");
        assert_eq!(response.body, b"abc0123456789");
        assert_eq!(used, 85);
    }

    #[test]
    fn without_a_length_the_body_ends_with_the_connection() {
        let bytes = b"HTTP/1.0 200 OK\r\n\r\nall of it";
        assert_eq!(parse(bytes, Reading::default()), Progress::Incomplete);
        let closed = parse(
            bytes,
            Reading {
                closed: true,
                ..Reading::default()
            },
        );
        assert!(matches!(closed, Progress::Complete(response, _) if response.body == b"all of it"));
    }

    #[test]
    fn a_response_to_head_has_no_body() {
        let reading = Reading {
            head: true,
            ..Reading::default()
        };
        assert!(
            matches!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", reading), Progress::Complete(response, _) if response.body.is_empty())
        );
    }

    #[test]
    fn says_what_is_malformed() {
        for (bytes, what) in [
            (
                b"HTTP/2 200\r\n\r\n".as_slice(),
                "the status line does not start with HTTP/1.1",
            ),
            (
                b"HTTP/1.1 2000 OK\r\n\r\n",
                "the status is not three digits",
            ),
            (
                b"HTTP/1.1 +20 OK\r\n\r\n",
                "the status is not between 100 and 599",
            ),
            (b"HTTP/1.1 200 OK\n", "a line ends in a bare line feed"),
            (
                b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
                "a header line has no colon",
            ),
            (
                b"HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
                "a header name is empty or has a space in it",
            ),
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                "two different content lengths",
            ),
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
                "the content length is not a number",
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
                "the transfer coding is not chunked",
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
                "a chunk is longer than its size says",
            ),
        ] {
            assert_eq!(parse(bytes, Reading::default()), Progress::Malformed(what));
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>, head: bool, closed: bool) {
            parse(&bytes, Reading { head, closed, stop_at_continue: false });
        }

        #[test]
        fn a_damaged_response_never_panics(at in 0_usize..90, byte: u8, cut in 0_usize..90) {
            let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nVary: a\r\n\r\n5\r\nabcde\r\nffff\r\nabc\r\n0\r\n\r\n".to_vec();
            if let Some(old) = bytes.get_mut(at) { *old = byte }
            bytes.truncate(cut.max(at));
            parse(&bytes, Reading::default());
        }

        #[test]
        fn every_prefix_of_a_response_is_incomplete(cut in 0_usize..61) {
            let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Name: some value\r\n\r\nabcde";
            prop_assert_eq!(parse(&bytes[..cut], Reading::default()), Progress::Incomplete);
        }
    }
}
