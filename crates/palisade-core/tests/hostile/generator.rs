//! Random heads.

use crate::{fake::Head, policy::World, random::Random};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A head that is often nearly right, because nonsense is refused before anything can go wrong.
pub(crate) fn head(random: &mut Random, world: &World) -> Head {
    let mut head = Head {
        method: method(random),
        target: target(random, world),
        authority: None,
        http2: random.once_in(4),
        lines: Vec::new(),
        peer: Some(peer(random)),
        tls: !random.once_in(5),
    };
    if random.once_in(200) {
        head.peer = None;
    }
    if head.http2 || random.once_in(20) {
        head.authority = Some(host(random));
    }
    if !head.http2 || random.once_in(10) {
        let same = head.authority.clone().filter(|_| !random.once_in(4));
        let host = same.unwrap_or_else(|| host(random));
        head.lines.push(("host".into(), host));
    }
    if head.method == b"OPTIONS" && random.once_in(2) {
        let origin = b"https://frontend.example.com".to_vec();
        head.lines.push(("origin".into(), origin));
        let method = b"POST".to_vec();
        head.lines
            .push(("access-control-request-method".into(), method));
    }
    for _ in 0..random.below(5) {
        let line = header_line(random, world);
        // Most fields stand once in a request.
        if head.lines.iter().any(|(name, _)| *name == line.0) && !random.once_in(10) {
            continue;
        }
        if random.once_in(20) {
            head.lines.push(line.clone());
        }
        let place = random.below(head.lines.len() + 1);
        head.lines.insert(place, line);
    }
    if random.once_in(100) {
        let many = random.below(120);
        head.lines
            .extend((0..many).map(|n| (format!("x-{n}"), random.bytes(200))));
    }
    head
}

fn method(random: &mut Random) -> Vec<u8> {
    const KNOWN: [&str; 20] = [
        "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "HEAD", "POST", "POST", "POST",
        "DELETE", "OPTIONS", "OPTIONS", "PUT", "PURGE", "TRACE", "CONNECT", "get",
    ];
    let mut method = random.pick(&KNOWN).as_bytes().to_vec();
    if random.once_in(30) {
        random.change(&mut method);
    }
    method
}

fn target(random: &mut Random, world: &World) -> Vec<u8> {
    const PATHS: [&str; 20] = [
        "/health",
        "/public/a%2Fb",
        "/public/%25/x",
        "/optional",
        "/optional/",
        "/items",
        "/items",
        "/items",
        "/items",
        "/items/7",
        "/items/8",
        "/items/%41",
        "/items/a%20b",
        "/admin/x",
        "/admin/open/door",
        "/admin/open/../x",
        "/nowhere",
        "*",
        "http://api.example.com/items",
        "//items",
    ];
    let mut target = match random.once_in(30) {
        true => random.bytes(60),
        false => random.pick(&PATHS).as_bytes().to_vec(),
    };
    match random.below(12) {
        0 => target.extend(b"?search=%27%20x&n=1"),
        1 => target.extend([b"?api-key=", world.api_key.as_bytes()].concat()),
        2 => target.extend([b"?".to_vec(), random.text(b"a=&%2f+#\"", 20)].concat()),
        3 if random.once_in(2) => target.extend(random.text(b"/.%2e;5c\\", 6)),
        4 if random.once_in(20) => target.extend([b'a'; 9000]),
        _ => {}
    }
    if random.once_in(25) {
        random.change(&mut target);
    }
    target
}

fn host(random: &mut Random) -> Vec<u8> {
    const HOSTS: [&str; 10] = [
        "api.example.com",
        "api.example.com",
        "api.example.com",
        "API.example.com:443",
        "a.b.example.org",
        "[::1]:8080",
        "127.0.0.1",
        "example.org",
        "evil.example",
        "api.example.com.",
    ];
    let mut host = random.pick(&HOSTS).as_bytes().to_vec();
    if random.once_in(15) {
        random.change(&mut host);
    }
    host
}

fn peer(random: &mut Random) -> SocketAddr {
    let ip = match random.below(4) {
        0 => IpAddr::from(Ipv4Addr::LOCALHOST),
        1 => Ipv6Addr::from(u128::from(random.next()) << 64).into(),
        _ => IpAddr::from([203, 0, 113, random.byte() % 32]),
    };
    SocketAddr::new(ip, 4711)
}

fn header_line(random: &mut Random, world: &World) -> (String, Vec<u8>) {
    const NAMES: [&str; 20] = [
        "authorization",
        "authorization",
        "authorization",
        "authorization",
        "x-api-key",
        "cookie",
        "origin",
        "origin",
        "host",
        "content-length",
        "access-control-request-method",
        "access-control-request-method",
        "content-length",
        "sec-fetch-site",
        "upgrade",
        "x-forwarded-for",
        "forwarded",
        "x-original-url",
        "x-request-id",
        "x-any",
    ];
    let name = random.pick(&NAMES);
    let mut value = match name {
        "authorization" => authorization(random, world),
        "x-api-key" => world.api_key.clone().into_bytes(),
        "cookie" => format!("a=b; api-key={}", world.api_key).into_bytes(),
        "host" => host(random),
        "origin" => {
            const ORIGINS: [&str; 6] = [
                "https://frontend.example.com",
                "https://a.example.net",
                "https://example.net",
                "https://evil.example",
                "null",
                "https://frontend.example.com.evil.example",
            ];
            random.pick(&ORIGINS).as_bytes().to_vec()
        }
        "content-length" => match random.below(4) {
            0 => b"10".to_vec(),
            1 => random.text(b"0189+- ,", 30),
            _ => random.below(1000).to_string().into_bytes(),
        },
        "access-control-request-method" => b"POST".to_vec(),
        "sec-fetch-site" => random
            .pick(&["same-origin", "cross-site", "none"])
            .as_bytes()
            .to_vec(),
        "upgrade" => b"websocket".to_vec(),
        _ if random.once_in(20) => random.bytes(80),
        _ => random.text(b"abc 019,;=\"'%/\x80\xff\t", 40),
    };
    if random.once_in(25) {
        random.change(&mut value);
    }
    (name.to_owned(), value)
}

fn authorization(random: &mut Random, world: &World) -> Vec<u8> {
    let token = &world.tokens[random.below(world.tokens.len())];
    match random.below(12) {
        0 => random.bytes(100),
        1 => random.text(b"Bearer .,=\"abc", 40),
        2 => format!("Basic {token}").into_bytes(),
        3 => format!("bEARER   {token}").into_bytes(),
        4 => format!("Bearer {token}, Bearer {token}").into_bytes(),
        _ => format!("Bearer {token}").into_bytes(),
    }
}
