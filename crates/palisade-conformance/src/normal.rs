//! The form in which responses of different frameworks must be the same, byte for byte.
//!
//! Header lines are sorted by lower-cased name; lines of one name keep their order. What differs from one exchange to
//! the next, or belongs to the connection and not to the answer, is taken out: nothing else is.

use crate::http1::Response;

/// Lines about the connection and the moment.
const DROPPED: [&str; 8] = [
    "date",
    "connection",
    "keep-alive",
    "content-length",
    "transfer-encoding",
    "x-request-id",
    "dpop-nonce",
    "traceresponse",
];

/// Values that are new in every response: where they begin, and what ends them.
const FRESH: [(&[u8], u8); 4] = [
    (b"\"request_id\":\"", b'"'),
    (b"\"request_id\": \"", b'"'),
    (b"'nonce-", b'\''),
    (b" nonce=\"", b'"'),
];

/// Stands where a value was taken out.
const BLANK: u8 = b'*';

/// The normalised bytes of a response.
pub(crate) fn normalise(response: &Response) -> Vec<u8> {
    let mut lines: Vec<_> = response
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), blank(value)))
        .collect();
    lines.retain(|(name, _)| {
        !DROPPED
            .iter()
            .any(|dropped| dropped.as_bytes() == name.as_slice())
    });
    // A stable sort: the order of the lines of one name means something.
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    let mut normal = format!("{}\n", response.status).into_bytes();
    for (name, value) in lines {
        normal.extend_from_slice(&[&name, b": ".as_slice(), &value, b"\n"].concat());
    }
    normal.push(b'\n');
    normal.extend(blank(&response.body));
    normal
}

fn blank(bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    'next: while let Some((first, tail)) = rest.split_first() {
        for (start, end) in FRESH {
            let value = rest.strip_prefix(start);
            if let Some((value, length)) =
                value.and_then(|value| Some((value, value.iter().position(|byte| *byte == end)?)))
            {
                kept.extend_from_slice(start);
                kept.push(BLANK);
                rest = value.get(length..).unwrap_or_default();
                continue 'next;
            }
        }
        if let Some(length) = timestamp(rest) {
            kept.push(BLANK);
            rest = rest.get(length..).unwrap_or_default();
            continue;
        }
        kept.push(*first);
        rest = tail;
    }
    kept
}

/// The length of the timestamp (RFC 3339) that `bytes` begin with.
fn timestamp(bytes: &[u8]) -> Option<usize> {
    const FORM: &[u8] = b"dddd-dd-ddTdd:dd:dd";
    let fits = |(form, byte): (&u8, &u8)| {
        if *form == b'd' {
            byte.is_ascii_digit()
        } else {
            form == byte
        }
    };
    let date = bytes
        .get(..FORM.len())
        .filter(|date| FORM.iter().zip(*date).all(fits))?;
    let mut length = date.len();
    if bytes.get(length) == Some(&b'.') {
        length += 1 + bytes
            .iter()
            .skip(length + 1)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
    }
    match bytes.get(length)? {
        b'Z' => Some(length + 1),
        b'+' | b'-' => bytes.get(..length + 6).map(<[u8]>::len),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn response(headers: &[(&str, &str)], body: &str) -> Response {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        Response {
            status: 200,
            headers,
            body: body.as_bytes().to_vec(),
        }
    }

    fn normal(headers: &[(&str, &str)], body: &str) -> String {
        String::from_utf8(normalise(&response(headers, body))).unwrap()
    }

    #[test]
    fn lines_are_sorted_and_those_of_one_name_keep_their_order() {
        let headers = [("X-B", "1"), ("Vary", "z"), ("x-a", "2"), ("vary", "a")];
        assert_eq!(
            normal(&headers, ""),
            "200\nvary: z\nvary: a\nx-a: 2\nx-b: 1\n\n"
        );
    }

    #[test]
    fn only_what_must_differ_is_dropped() {
        let headers = [
            ("Date", "x"),
            ("Connection", "x"),
            ("Keep-Alive", "x"),
            ("Content-Length", "1"),
            ("Transfer-Encoding", "x"),
            ("X-Request-Id", "x"),
            ("Server", "s"),
        ];
        assert_eq!(normal(&headers, ""), "200\nserver: s\n\n");
    }

    #[test]
    fn fresh_values_are_blanked_in_place() {
        let csp = [(
            "csp",
            "script-src 'nonce-abc=' 'self'; style-src 'nonce-abc='",
        )];
        let body = r#"{"request_id":"5f","at":"2026-06-01T00:00:00.5Z","b":"2026-06-01T00:00:00+02:00","n":"2026-06-01"}<p nonce="x">"#;
        assert_eq!(
            normal(&csp, body),
            "200\ncsp: script-src 'nonce-*' 'self'; style-src 'nonce-*'\n\n{\"request_id\":\"*\",\"at\":\"*\",\"b\":\"*\",\"n\":\"2026-06-01\"}<p nonce=\"*\">"
        );
    }

    #[test]
    fn an_unfinished_value_stays() {
        assert_eq!(normal(&[], "'nonce-abc"), "200\n\n'nonce-abc");
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            blank(&bytes);
        }

        #[test]
        fn normalising_twice_changes_nothing(text in "['noce\\-\"=*0-9T:Z ]{0,60}") {
            let once = blank(text.as_bytes());
            prop_assert_eq!(blank(&once), once);
        }
    }
}
