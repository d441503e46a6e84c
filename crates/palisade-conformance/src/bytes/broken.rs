//! What is done to a sound request: one part of it becomes one that servers are known to disagree about.

use super::grammar::{ITEMS, Request, Stream};
use crate::generate::random::Random;

/// Breaks one part.
pub(super) fn breaks(random: &mut Random, request: &mut Request) {
    match random.below(100) {
        0..10 => line(random, request),
        10..22 => target(random, request),
        22..36 => header(random, request),
        36..44 => host(random, request),
        44..62 => framing(random, request),
        62..74 => chunks(random, request),
        74..82 => json(random, request),
        82..90 => connection(random, request),
        _ => credential(random, request),
    }
}

/// Bytes of no grammar at all.
pub(super) fn noise(random: &mut Random) -> Stream {
    const BYTES: &[u8] = b"GET POST/ HTTP/1.1\r\n\r\n:;,=\t\0\x7f\x80\xff{}\"az09";
    let lines = 1 + random.below(5);
    let line = |random: &mut Random| {
        let length = random.below(40);
        let mut line: Vec<u8> = (0..length)
            .map(|_| match random.chance(30) {
                true => u8::try_from(random.below(256)).unwrap_or_default(),
                false => random.pick(BYTES),
            })
            .collect();
        line.extend_from_slice(random.pick(&[b"\r\n".as_slice(), b"\n", b"", b"\r\n\r\n"]));
        line
    };
    Stream((0..lines).map(|_| line(random)).collect())
}

/// Changes one byte or two, anywhere.
pub(super) fn scratch(random: &mut Random, pieces: &mut Vec<Vec<u8>>) {
    let index = random.below(pieces.len());
    let Some(piece) = pieces.get_mut(index) else {
        return;
    };
    let place = random.below(piece.len());
    let byte = match random.chance(60) {
        true => random.pick(b"\r\n \t:\0,;/%\"\x7f\x80\xff"),
        false => u8::try_from(random.below(256)).unwrap_or_default(),
    };
    match random.below(5) {
        0 => piece.truncate(place),
        1 => piece.insert(place, byte),
        2 => {
            piece.remove(place);
        }
        3 => {
            let again = piece.clone();
            pieces.insert(index, again);
        }
        _ => {
            if let Some(old) = piece.get_mut(place) {
                *old = byte;
            }
        }
    }
}

fn line(random: &mut Random, request: &mut Request) {
    const METHODS: [&[u8]; 16] = [
        b"get",
        b"Post",
        b"PSOT",
        b"PATCH",
        b"TRACE",
        b"CONNECT",
        b"OPTIONS",
        b"HEAD",
        b"DELETE",
        b"PRI",
        b"",
        b" GET",
        b"\r\nGET",
        b"\nGET",
        b"G\xc3\x89T",
        b"GET\t",
    ];
    const VERSIONS: [&[u8]; 16] = [
        b"HTTP/1.0",
        b"HTTP/1.0",
        b"HTTP/1.0",
        b"HTTP/1.2",
        b"HTTP/2.0",
        b"HTTP/0.9",
        b"HTTP/11",
        b"http/1.1",
        b"HTTP/1.1 ",
        b" HTTP/1.1",
        b"HTTP/1.1\r",
        b"HTTP/1.10",
        b"HTTP/01.1",
        b"HTTP /1.1",
        b"",
        b"\tHTTP/1.1",
    ];
    match random.chance(50) {
        true => request.method = random.pick(&METHODS).to_vec(),
        false => request.version = random.pick(&VERSIONS).to_vec(),
    }
}

fn target(random: &mut Random, request: &mut Request) {
    const TARGETS: [&[u8]; 44] = [
        b"http://localhost/api/data",
        b"http://localhost/users/me",
        b"http://localhost:80/api/data",
        b"https://localhost/api/data",
        b"HTTP://LOCALHOST/api/data",
        b"http://evil.example/api/data",
        b"http://user@localhost/api/data",
        b"http://localhost",
        b"http:///api/data",
        b"http://localhost?x=1",
        b"ftp://localhost/api/data",
        b"javascript://localhost/api/data",
        b"localhost:80",
        b"localhost",
        b"*",
        b"",
        b"//localhost/api/data",
        b"//api/data",
        b"/api//data",
        b"/api/data/",
        b"/api/./data",
        b"/api/x/../data",
        b"/api/%2e%2e/data",
        b"/api/%64ata",
        b"/api%2Fdata",
        b"/api/data%00",
        b"/api/data;a=b",
        b"/api\\data",
        b"/api/data%",
        b"/api/data%zz",
        b"/api/data%252e",
        b"/api/data#a",
        b"/api/data?a=b?c",
        b"/api/data?%",
        b"/api/data?\xc3\xa9",
        b"/api/\xc3\xa9",
        b"/api/\xff",
        b"/api/data?a=<>\"{}|^`",
        b"/api/d{a}ta",
        b"/api/da\tta",
        b"/api/da ta",
        b"/api/da\0ta",
        b"/api/resource?api-key=valid_api_key_1",
        b"/api/data?a=\x7f",
    ];
    match random.below(12) {
        0 => request
            .target
            .extend(vec![b'a'; random.pick(&[4000, 5000, 9000])]),
        1 => request.target.extend_from_slice(b"?a=b&a=c"),
        _ => request.target = random.pick(&TARGETS).to_vec(),
    }
}

fn header(random: &mut Random, request: &mut Request) {
    const LINES: [&[u8]; 34] = [
        b"X-A : b\r\n",
        b" X-A: b\r\n",
        b"\tX-A: b\r\n",
        b"X-A\r\n",
        b": b\r\n",
        b":\r\n",
        b"X-A:\r\n",
        b"X-A:b\r\n",
        b"X-A: b\r\n c\r\n",
        b"X-A: b\n",
        b"X-A: b\r",
        b"X-A: b\rc\r\n",
        b"X-A: b\r\r\n",
        b"X-A: b\nX-C: d\r\n",
        b"X-A: b\0c\r\n",
        b"X-A: b\x01c\r\n",
        b"X-A: b\x7fc\r\n",
        b"X-A: b\tc\r\n",
        b"X-A: \xc3\xa9\r\n",
        b"X-A: \xff\x80\r\n",
        b"X-\xc3\xa9: b\r\n",
        b"X(A): b\r\n",
        b"X A: b\r\n",
        b"X\0A: b\r\n",
        b"X_A: b\r\n",
        b"Content_Length: 5\r\n",
        b"X-Forwarded-For: 192.0.2.1\r\n",
        b"X-Forwarded-Proto: https\r\n",
        b"Forwarded: for=192.0.2.1\r\n",
        b"X-HTTP-Method-Override: DELETE\r\n",
        b"X-Original-URL: /users\r\n",
        b"Via: 1.1 proxy\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Trailer: Authorization\r\n",
    ];
    let place = random.below(request.lines.len() + 1);
    match random.below(10) {
        0 => {
            let long = [
                b"X-A: ".as_slice(),
                &vec![b'b'; random.pick(&[4000, 9000, 17000])],
                b"\r\n",
            ];
            request.lines.insert(place, long.concat());
        }
        1 => {
            let many = random.pick(&[80, 95, 99, 101, 130]);
            request.lines.extend(vec![b"X-A: b\r\n".to_vec(); many]);
        }
        2 | 3 => {
            let index = random.below(request.lines.len());
            if let Some(line) = request.lines.get(index).cloned() {
                request.lines.insert(place, line);
            }
        }
        4 => {
            request.end = random
                .pick(&[b"\n".as_slice(), b"\r\r\n", b" \r\n", b"\r\n\r\n"])
                .to_vec()
        }
        5 => {
            let index = random.below(request.lines.len());
            if let Some(line) = request.lines.get_mut(index)
                && line.ends_with(b"\r\n")
            {
                line.truncate(line.len() - 2);
                line.extend_from_slice(random.pick(&[
                    b"\n".as_slice(),
                    b" \r\n",
                    b"\r\n \r\n",
                    b"\r",
                    b"\0\r\n",
                ]));
            }
        }
        _ => request.lines.insert(place, random.pick(&LINES).to_vec()),
    }
}

fn host(random: &mut Random, request: &mut Request) {
    const HOSTS: [&[u8]; 22] = [
        b"Host: evil.example\r\n",
        b"Host:\r\n",
        b"Host: \r\n",
        b"Host: localhost:80\r\n",
        b"Host: localhost:8080\r\n",
        b"Host: localhost:\r\n",
        b"Host: localhost:99999\r\n",
        b"Host: localhost:x\r\n",
        b"Host: LOCALHOST\r\n",
        b"Host: localhost.\r\n",
        b"Host: user@localhost\r\n",
        b"Host: localhost, evil.example\r\n",
        b"Host: localhost evil.example\r\n",
        b"Host: [::1]\r\n",
        b"Host: [::1\r\n",
        b"Host: 127.0.0.1\r\n",
        b"Host: 127.1\r\n",
        b"Host: localhost/\r\n",
        b"Host: http://localhost\r\n",
        b"Host: loc\xc3\xa4lhost\r\n",
        b"Host : localhost\r\n",
        b"host:localhost\r\n",
    ];
    let place = random.below(request.lines.len());
    match random.below(6) {
        0 => {
            request.lines.retain(|line| !line.starts_with(b"Host"));
        }
        1 => request.lines.insert(place, b"Host: localhost\r\n".to_vec()),
        2 => request.lines.insert(place, random.pick(&HOSTS).to_vec()),
        _ => {
            request.lines.retain(|line| !line.starts_with(b"Host"));
            request.lines.push(random.pick(&HOSTS).to_vec());
        }
    }
}

/// What says how long the body is, said wrongly, twice, or in two ways.
fn framing(random: &mut Random, request: &mut Request) {
    const LENGTHS: [&[u8]; 24] = [
        b"Content-Length: 0\r\n",
        b"Content-Length: 1\r\n",
        b"Content-Length: 10\r\n",
        b"Content-Length: 200\r\n",
        b"Content-Length: 20000\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: 05\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: 5,6\r\n",
        b"Content-Length: 5 5\r\n",
        b"Content-Length:\r\n",
        b"Content-Length: 1e1\r\n",
        b"Content-Length: 5;\r\n",
        b"Content-Length: \"5\"\r\n",
        b"Content-Length: 18446744073709551615\r\n",
        b"Content-Length: 18446744073709551616\r\n",
        b"Content-Length : 5\r\n",
        b"Content-Length: \t5 \r\n",
        b"Content-Length: 5\x0b\r\n",
        b"Content-Length\r\n",
        b"content-length:5\r\n",
        b"Content-Length: \xd9\xa5\r\n",
    ];
    const CODINGS: [&[u8]; 24] = [
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: Chunked\r\n",
        b"transfer-encoding:chunked\r\n",
        b"Transfer-Encoding: chunked, chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Transfer-Encoding: identity, chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked;a=b\r\n",
        b"Transfer-Encoding: \"chunked\"\r\n",
        b"Transfer-Encoding:\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b" Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked \r\n",
        b"Transfer-Encoding:\tchunked\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n",
        b"Transfer-Encoding: chunked,\r\n",
        b"Transfer-Encoding: ,chunked\r\n",
        b"Transfer-Encoding\r\n : chunked\r\n",
        b"Transfer-Encoding:\r\n chunked\r\n",
        b"X-A: b\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\0\r\n",
    ];
    let is_framing = |line: &Vec<u8>| {
        line.starts_with(b"Content-Length") || line.starts_with(b"Transfer-Encoding")
    };
    if random.chance(40) {
        request.lines.retain(|line| !is_framing(line));
    }
    if random.chance(30) {
        request.lines.retain(|line| !is_framing(line));
        let body = random.pick(&ITEMS);
        request.chunks(random, body.as_bytes());
    }
    for _ in 0..random.pick(&[0, 1, 1, 1, 2]) {
        let place = random.below(request.lines.len() + 1);
        let line = match random.chance(50) {
            true => random.pick(&LENGTHS),
            false => random.pick(&CODINGS),
        };
        request.lines.insert(place, line.to_vec());
    }
    if random.chance(10) {
        request.version = b"HTTP/1.0".to_vec();
    }
}

fn chunks(random: &mut Random, request: &mut Request) {
    const CHUNKS: [&[u8]; 34] = [
        b"5\r\n{\"a\":\r\n",
        b"05\r\nabcde\r\n",
        b"0000000000000005\r\nabcde\r\n",
        b"00000000000000005\r\nabcde\r\n",
        b"5;a=b\r\nabcde\r\n",
        b"5;a=\"b\r\nc\"\r\nabcde\r\n",
        b"5 ;a\r\nabcde\r\n",
        b"5 \r\nabcde\r\n",
        b" 5\r\nabcde\r\n",
        b"+5\r\nabcde\r\n",
        b"-5\r\nabcde\r\n",
        b"0x5\r\nabcde\r\n",
        b"5\nabcde\r\n",
        b"5\r\nabcde\n",
        b"5\r\nabcde",
        b"5\r\nabcdef\r\n",
        b"5\r\nabcd\r\n",
        b"5\rabcde\r\n",
        b"5\r\r\nabcde\r\n",
        b"\r\n",
        b"g\r\n",
        b"5g\r\nabcde\r\n",
        b"fffff\r\nabcde\r\n",
        b"ffffffffffffffff\r\nabcde\r\n",
        b"10000000000000000\r\nabcde\r\n",
        b"5;\nabcde\r\n",
        b"5;a\nb\r\nabcde\r\n",
        b"5;\x00\r\nabcde\r\n",
        b"0\n\r\n",
        b"0\r\n\n",
        b"0\r\nX-Trailer: a\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"0\r\nbroken trailer\r\n\r\n",
        b"00\r\n\r\n",
    ];
    if !request
        .lines
        .iter()
        .any(|line| line.starts_with(b"Transfer"))
    {
        request
            .lines
            .retain(|line| !line.starts_with(b"Content-Length"));
        let body = random.pick(&ITEMS);
        request.chunks(random, body.as_bytes());
    }
    let place = random.below(request.body.len());
    match random.below(4) {
        0 => {
            request.body.pop();
        }
        1 => request.body.insert(place, random.pick(&CHUNKS).to_vec()),
        _ => {
            if let Some(chunk) = request.body.get_mut(place) {
                *chunk = random.pick(&CHUNKS).to_vec();
            }
        }
    }
}

fn json(random: &mut Random, request: &mut Request) {
    const BODIES: [&[u8]; 26] = [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"{\"name\":1}",
        b"{\"name\":null}",
        b"{\"name\":\"\"}",
        b"{\"name\":\"a\",\"name\":\"b\"}",
        b"{\"name\":\"a\",\"owner\":\"root\"}",
        b"{\"name\":\"a\",\"public\":\"true\"}",
        b"{\"name\":\"a\"} x",
        b"{\"name\":\"a\"}{}",
        b"{\"name\":\"a\",}",
        b"{'name':'a'}",
        b"{\"name\":\"a",
        b"{\"name\":\"a\\",
        b"{\"name\":\"\\ud800\"}",
        b"{\"name\":\"\\u0000\"}",
        b"{\"name\":\"\xff\"}",
        b"{\"name\":\"\xc3\xa9\"}",
        b"\xef\xbb\xbf{\"name\":\"a\"}",
        b"{\"name\":\"a\nb\"}",
        b"{\"name\":NaN}",
        b"{\"name\":1e999}",
        b"{\"name\":\"a\",\"description\":{\"a\":[[[[[[1]]]]]]}}",
        b"{\"username\":\"x\",\"email\":\"x\",\"password\":\"x\"}",
    ];
    const TYPES: [&[u8]; 9] = [
        b"Content-Type: text/plain\r\n",
        b"Content-Type: application/json; charset=utf-8\r\n",
        b"Content-Type: application/json;charset=latin1\r\n",
        b"Content-Type: APPLICATION/JSON\r\n",
        b"Content-Type: application/json, text/plain\r\n",
        b"Content-Type: application/problem+json\r\n",
        b"Content-Type: json\r\n",
        b"Content-Type:\r\n",
        b"Content-Type: application/json\r\n",
    ];
    let framing = |line: &Vec<u8>| {
        line.starts_with(b"Content-Length") || line.starts_with(b"Transfer-Encoding")
    };
    request.lines.retain(|line| !framing(line));
    if random.chance(50) {
        (request.method, request.target) = (b"POST".to_vec(), b"/items".to_vec());
    }
    if random.chance(30) {
        request
            .lines
            .retain(|line| !line.starts_with(b"Content-Type"));
        request.lines.push(random.pick(&TYPES).to_vec());
    }
    let mut body = random.pick(&BODIES).to_vec();
    if random.chance(8) {
        let long = vec![b'a'; random.pick(&[1000, 1001, 17_000])];
        body = [
            b"{\"name\":\"a\",\"description\":\"".as_slice(),
            &long,
            b"\"}",
        ]
        .concat();
    }
    match random.chance(30) {
        true => request.chunks(random, &body),
        false => request.length(&body),
    }
}

fn connection(random: &mut Random, request: &mut Request) {
    const LINES: [&[u8]; 24] = [
        b"Expect: 100-continue\r\n",
        b"Expect: 100-Continue\r\n",
        b"Expect: 200-ok\r\n",
        b"Expect:\r\n",
        b"Connection: close\r\n",
        b"Connection: Close\r\n",
        b"Connection: keep-alive, close\r\n",
        b"Connection: upgrade\r\nUpgrade: websocket\r\n",
        b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        b"Connection: Upgrade\r\n",
        b"Upgrade: websocket\r\n",
        b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        b"Connection: authorization\r\n",
        b"Connection: host\r\n",
        b"Connection: content-length\r\n",
        b"Connection:\r\n",
        b"Connection: ,\r\n",
        b"Connection: \xff\r\n",
        b"Keep-Alive: timeout=5\r\n",
        b"Proxy-Connection: close\r\n",
        b"TE: trailers\r\n",
        b"TE: trailers\r\nConnection: TE\r\n",
        b"Upgrade: HTTP/2.0\r\nConnection: close, upgrade\r\n",
        b"Connection: close\r\nConnection: keep-alive\r\n",
    ];
    let place = random.below(request.lines.len() + 1);
    request.lines.insert(place, random.pick(&LINES).to_vec());
}

fn credential(random: &mut Random, request: &mut Request) {
    const LINES: [&[u8]; 28] = [
        b"Authorization: Bearer {forged}\r\n",
        b"Authorization: Bearer {unsigned}\r\n",
        b"Authorization: Bearer {expired}\r\n",
        b"Authorization: bearer {alice}\r\n",
        b"Authorization: Bearer  {alice}\r\n",
        b"Authorization: Bearer\t{alice}\r\n",
        b"Authorization: Bearer {alice} \r\n",
        b"Authorization: Bearer {alice}, Bearer {admin}\r\n",
        b"Authorization: Bearer {alice}=\r\n",
        b"Authorization: Bearer \"{alice}\"\r\n",
        b"Authorization: Bearer\r\n",
        b"Authorization: Bearer \r\n",
        b"Authorization:\r\n",
        b"Authorization: {alice}\r\n",
        b"Authorization: Basic YTpi\r\n",
        b"Authorization: Unknown a\r\n",
        b"Authorization: Bearer \xff\r\n",
        b"Authorization: Bearer a.b.c\r\n",
        b"Authorization: Bearer {alice}\r\n {admin}\r\n",
        b"Authorization : Bearer {alice}\r\n",
        b"authorization:Bearer {alice}\r\n",
        b"X-API-Key: valid_api_key_1, valid_api_key_2\r\n",
        b"X-API-Key:\r\n",
        b"X-API-Key: \xff\r\n",
        b"Cookie: api-key=valid_api_key_1; api-key=valid_api_key_2\r\n",
        b"Cookie: api-key\r\n",
        b"Cookie: api-key=\"valid_api_key_1\"\r\n",
        b"X-API-Key: valid_api_key_1\r\n",
    ];
    if random.chance(70) {
        request
            .lines
            .retain(|line| !line.starts_with(b"Authorization"));
    }
    let place = random.below(request.lines.len() + 1);
    request.lines.insert(place, random.pick(&LINES).to_vec());
    if random.chance(20) {
        let long = vec![b'a'; random.pick(&[500, 5000, 9000])];
        let line = [b"Authorization: Bearer ".as_slice(), &long, b"\r\n"];
        request.lines.push(line.concat());
    }
}
