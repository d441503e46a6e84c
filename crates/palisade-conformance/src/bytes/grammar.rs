//! What is sent: sound requests to the routes of the demo, one to three of them, before something breaks them.

use std::fmt;

use super::broken;
use crate::generate::random::Random;

/// What follows all random bytes: a request that asks for the end.
const LAST: &[u8] = b"GET /api/data HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// How many bytes follow [`LAST`] that no parser takes: whatever was sent before, a head, a size of a chunk or the rest
/// of a body, no server has to wait for more.
const NONSENSE: usize = 600;

/// The bytes of one connection, in the pieces in which they are made smaller: a line, a part of a body.
///
/// `{NAME}` in a piece is the credential [`super::serve::TOKENS`] describes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stream(pub(super) Vec<Vec<u8>>);

/// A request in the parts that break one by one. Every part holds its own line ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub(super) method: Vec<u8>,
    pub(super) target: Vec<u8>,
    pub(super) version: Vec<u8>,
    /// Header lines, the first is `Host`.
    pub(super) lines: Vec<Vec<u8>>,
    /// The end of the head.
    pub(super) end: Vec<u8>,
    pub(super) body: Vec<Vec<u8>>,
}

impl Stream {
    pub(super) fn random(random: &mut Random) -> Self {
        if random.chance(4) {
            return broken::noise(random);
        }
        let requests = random.pick(&[1, 1, 1, 1, 2, 2, 3]);
        let broken = random.below(requests);
        let mut pieces = Vec::new();
        for index in 0..requests {
            let mut request = Request::sound(random);
            if index == broken {
                let times = random.pick(&[0, 0, 1, 1, 1, 1, 2, 2, 3]);
                (0..times).for_each(|_| broken::breaks(random, &mut request));
            }
            pieces.extend(request.pieces());
        }
        if random.chance(8) {
            broken::scratch(random, &mut pieces);
        }
        Self(pieces)
    }

    /// All that goes over the wire, with credentials in their places.
    pub(super) fn bytes(&self, credential: &dyn Fn(&str) -> Option<String>) -> Vec<u8> {
        let mut bytes: Vec<u8> = self
            .0
            .iter()
            .flat_map(|piece| expand(piece, credential))
            .collect();
        bytes.extend_from_slice(LAST);
        bytes.resize(bytes.len() + NONSENSE, 0);
        bytes
    }
}

/// Escaped, a piece a line; long pieces by what they repeat.
impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            writeln!(f, "  b\"{}\"", piece.escape_ascii())?;
        }
        Ok(())
    }
}

fn expand(piece: &[u8], credential: &dyn Fn(&str) -> Option<String>) -> Vec<u8> {
    let mut expanded = Vec::with_capacity(piece.len());
    let mut rest = piece;
    while let Some((first, tail)) = rest.split_first() {
        let end = tail.iter().position(|byte| *byte == b'}');
        let name = end
            .filter(|_| *first == b'{')
            .and_then(|end| tail.get(..end));
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        if let Some((name, text)) = name.and_then(|name| Some((name, credential(name)?))) {
            expanded.extend_from_slice(text.as_bytes());
            rest = tail.get(name.len() + 1..).unwrap_or_default();
            continue;
        }
        expanded.push(*first);
        rest = tail;
    }
    expanded
}

/// Routes of the demo, with who may use them, and what they read.
const ROUTES: [(&str, &str, Reads); 24] = [
    ("GET", "/health", Reads::Nothing),
    ("HEAD", "/health", Reads::Nothing),
    ("GET", "/users/me", Reads::Nothing),
    ("GET", "/users", Reads::Nothing),
    ("POST", "/users", Reads::User),
    ("GET", "/items", Reads::Nothing),
    ("GET", "/items?search=a", Reads::Nothing),
    ("GET", "/items?search=", Reads::Nothing),
    ("POST", "/items", Reads::Item),
    ("POST", "/items", Reads::Item),
    ("GET", "/items/1", Reads::Nothing),
    ("GET", "/items/2", Reads::Nothing),
    ("GET", "/items/x", Reads::Nothing),
    ("PUT", "/items/3", Reads::Item),
    ("PUT", "/items/999", Reads::Item),
    ("DELETE", "/items/998", Reads::Nothing),
    ("GET", "/api/public", Reads::Nothing),
    ("POST", "/api/sensitive", Reads::Nothing),
    ("GET", "/api/user-specific", Reads::Nothing),
    ("GET", "/api/resource", Reads::Key),
    ("GET", "/api/data", Reads::Nothing),
    ("GET", "/api/v1/users", Reads::Nothing),
    ("GET", "/nothing", Reads::Nothing),
    ("OPTIONS", "/items", Reads::Preflight),
];

/// What a route reads besides its head and a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    Nothing,
    Item,
    User,
    Key,
    Preflight,
}

const TOKENS: [&str; 6] = [
    "Authorization: Bearer {alice}\r\n",
    "Authorization: Bearer {alice}\r\n",
    "Authorization: Bearer {admin}\r\n",
    "Authorization: Bearer {john}\r\n",
    "Authorization: Bearer {expired}\r\n",
    "Authorization: Bearer {forged}\r\n",
];

const KEYS: [&str; 5] = [
    "X-API-Key: valid_api_key_1\r\n",
    "X-API-Key: valid_api_key_2\r\n",
    "X-API-Key: revoked_api_key\r\n",
    "X-API-Key: unknown_api_key\r\n",
    "Cookie: a=b; api-key=valid_api_key_1\r\n",
];

const ORDINARY: [&str; 12] = [
    "Accept: application/json\r\n",
    "Accept: */*\r\n",
    "Accept: application/xml\r\n",
    "Accept-Encoding: gzip, br\r\n",
    "User-Agent: curl/8.5.0\r\n",
    "Origin: https://frontend.example.com\r\n",
    "Origin: https://evil.example\r\n",
    "If-None-Match: \"a\"\r\n",
    "Range: bytes=0-3\r\n",
    "X-Request-Id: abc\r\n",
    "Cookie: a=b\r\n",
    "Connection: keep-alive\r\n",
];

pub(super) const ITEMS: [&str; 3] = [
    r#"{"name":"Kettle","description":"For tea","public":true}"#,
    r#"{"name":"Kettle"}"#,
    r#"{ "name" : "K\u00e4nnchen", "public" : false }"#,
];

const USERS: [&str; 1] = [
    r#"{"username":"carol","email":"carol@example.com","password":"Corr3ct-Horse!","roles":["user"]}"#,
];

impl Request {
    /// A request that any HTTP parser takes.
    fn sound(random: &mut Random) -> Self {
        let (method, target, reads) = random.pick(&ROUTES);
        let mut lines = vec![b"Host: localhost\r\n".to_vec()];
        let mut add = |line: &str| lines.push(line.as_bytes().to_vec());
        if random.chance(85) {
            match reads {
                Reads::Key => add(random.pick(&KEYS)),
                _ => add(random.pick(&TOKENS)),
            }
        }
        if reads == Reads::Preflight {
            add("Origin: https://frontend.example.com\r\n");
            add("Access-Control-Request-Method: POST\r\n");
        }
        for _ in 0..random.below(3) {
            add(random.pick(&ORDINARY));
        }
        let body = match reads {
            Reads::Item => random.pick(&ITEMS),
            Reads::User => random.pick(&USERS),
            _ if random.chance(8) => "a body that nothing reads",
            _ => "",
        };
        if matches!(reads, Reads::Item | Reads::User) {
            add("Content-Type: application/json\r\n");
        }
        let mut request = Self {
            method: method.into(),
            target: target.into(),
            version: b"HTTP/1.1".to_vec(),
            lines,
            end: b"\r\n".to_vec(),
            body: Vec::new(),
        };
        match (body, random.chance(30)) {
            ("", _) if method != "POST" || random.chance(50) => {}
            (body, true) => request.chunks(random, body.as_bytes()),
            (body, false) => request.length(body.as_bytes()),
        }
        request
    }

    /// The body with its length.
    pub(super) fn length(&mut self, body: &[u8]) {
        let line = format!("Content-Length: {}\r\n", body.len());
        self.lines.push(line.into_bytes());
        self.body = vec![body.to_vec()];
    }

    /// The body in chunks.
    pub(super) fn chunks(&mut self, random: &mut Random, body: &[u8]) {
        self.lines.push(b"Transfer-Encoding: chunked\r\n".to_vec());
        let parts = body.chunks(random.pick(&[7, 40, 1000]));
        self.body = parts
            .map(|part| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat())
            .collect();
        self.body.push(b"0\r\n\r\n".to_vec());
    }

    fn pieces(self) -> Vec<Vec<u8>> {
        let line = [&*self.method, b" ", &self.target, b" ", &self.version];
        let mut pieces = vec![[&line.concat(), b"\r\n".as_slice()].concat()];
        pieces.extend(self.lines);
        pieces.push(self.end);
        pieces.extend(self.body);
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_bytes() {
        let stream = |seed| Stream::random(&mut Random::new(seed));
        assert_eq!(stream(3), stream(3));
        assert!((0..20).any(|seed| stream(seed) != stream(seed + 1)));
    }

    #[test]
    fn credentials_stand_in_for_their_names() {
        let known = |name: &str| (name == "alice").then(|| "secret".to_owned());
        let stream = Stream(vec![b"a: {alice} {eve} {\"a\":{alice}".to_vec()]);
        let bytes = stream.bytes(&known);
        assert!(bytes.starts_with(b"a: secret {eve} {\"a\":secretGET /api/data"));
        assert!(bytes.ends_with(b"\0\0\0"));
    }
}
