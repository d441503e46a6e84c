//! Requests per second over 127.0.0.1: one server thread, one client thread, a fixed number of requests.
//!
//! Servers are started once and idle until the process ends; the client visits them in turn, so that a slow minute of
//! the machine falls on all of them alike.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Instant,
};

use serde::Serialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Runtime,
    task::JoinSet,
};

use crate::{
    drive::{PATH, head},
    measure::quantile,
    report::by_name,
    rows::{Credential, Framework, Row, Side, Subject},
    stacks::{runtime, serve},
};

const CONNECTIONS: u32 = 32;
/// Per connection and visit: 32 × 625 × 3 visits make 60,000 requests for each server.
const REQUESTS: u32 = 625;
const VISITS: u32 = 3;

/// The servers of each framework: the bare router, both full stacks, and ours with a token that it knows.
pub(crate) const SERVERS: [(Side, Row); 4] = [
    (Side::Bare, Row::Bare),
    (Side::Peers, Row::Full(Credential::Hs256)),
    (Side::Ours, Row::Full(Credential::Hs256)),
    (Side::Ours, Row::Cached(Credential::Rs256)),
];

/// How much one server carried.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Throughput {
    pub(crate) framework: Framework,
    pub(crate) side: Side,
    #[serde(serialize_with = "by_name")]
    pub(crate) row: Row,
    pub(crate) requests_per_second: f64,
}

/// Loads the servers of every framework.
pub(crate) fn run() -> Vec<Throughput> {
    let servers: Vec<(Subject, SocketAddr)> = Framework::ALL
        .into_iter()
        .flat_map(|framework| SERVERS.map(|(side, row)| (framework, side, row)))
        .map(|(framework, side, row)| {
            let subject = Subject {
                framework,
                side,
                row,
            };
            (subject, start(subject))
        })
        .collect();
    let runtime = runtime();
    for (subject, address) in &servers {
        visit(&runtime, *subject, *address);
    }
    let mut rates = vec![Vec::new(); servers.len()];
    for _ in 0..VISITS {
        for ((subject, address), rates) in servers.iter().zip(&mut rates) {
            rates.push(visit(&runtime, *subject, *address));
        }
    }
    servers
        .iter()
        .zip(rates)
        .map(|((subject, _), mut rates)| Throughput {
            framework: subject.framework,
            side: subject.side,
            row: subject.row,
            requests_per_second: quantile(&mut rates, 0.5),
        })
        .collect()
}

fn start(subject: Subject) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener
        .set_nonblocking(true)
        .expect("a non-blocking listener");
    let address = listener.local_addr().expect("a bound listener");
    thread::spawn(move || {
        allocation_counter::opt_out(|| runtime().block_on(serve(subject, listener)));
    });
    address
}

/// One visit of all connections: requests per second.
fn visit(runtime: &Runtime, subject: Subject, address: SocketAddr) -> f64 {
    let request: Arc<[u8]> = request(subject.row).into();
    runtime.block_on(async {
        let start = Instant::now();
        let mut connections = JoinSet::new();
        for _ in 0..CONNECTIONS {
            connections.spawn(connection(address, Arc::clone(&request)));
        }
        connections.join_all().await;
        f64::from(CONNECTIONS * REQUESTS) / start.elapsed().as_secs_f64()
    })
}

fn request(row: Row) -> Vec<u8> {
    let mut request = format!("GET {PATH} HTTP/1.1\r\n");
    for (name, value) in head(row) {
        request.extend([name, ": ", &value, "\r\n"]);
    }
    request.push_str("\r\n");
    request.into_bytes()
}

async fn connection(address: SocketAddr, request: Arc<[u8]>) {
    let mut stream = TcpStream::connect(address)
        .await
        .expect("the server accepts");
    stream.set_nodelay(true).expect("a TCP option");
    let mut received = Vec::with_capacity(4096);
    for _ in 0..REQUESTS {
        stream.write_all(&request).await.expect("the server reads");
        received.clear();
        while !is_complete(&received) {
            let read = stream
                .read_buf(&mut received)
                .await
                .expect("the server answers");
            assert_ne!(read, 0, "the server closed the connection");
        }
        assert!(
            received.starts_with(b"HTTP/1.1 200 "),
            "{}",
            String::from_utf8_lossy(&received)
        );
    }
}

/// Whether these bytes hold a whole response; all servers here send a `Content-Length`.
fn is_complete(received: &[u8]) -> bool {
    const END: &[u8] = b"\r\n\r\n";
    let Some(end) = received.windows(END.len()).position(|window| window == END) else {
        return false;
    };
    let (head, rest) = received.split_at(end + END.len());
    let length = head
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split_at_checked("content-length:".len()))
        .find(|(name, _)| name.eq_ignore_ascii_case(b"content-length:"))
        .and_then(|(_, value)| str::from_utf8(value).ok()?.trim().parse().ok());
    rest.len() >= length.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_complete_with_its_last_byte() {
        let response = b"HTTP/1.1 200 OK\r\ncontent-Length: 3\r\n\r\nabc";
        assert!(is_complete(response));
        let (short, _) = response.split_at(response.len() - 1);
        assert!(!is_complete(short));
        assert!(!is_complete(b"HTTP/1.1 200 OK\r\n"));
    }

    #[test]
    fn a_request_ends_with_an_empty_line() {
        assert!(request(Row::Bare).ends_with(b"\r\n\r\n"));
    }
}
