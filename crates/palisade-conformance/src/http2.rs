//! The same exchange over HTTP/2 with prior knowledge (RFC 9113 §3.3), for the few cases that only HTTP/2 can show.
//!
//! A request is written as over HTTP/1.1: `GET /items HTTP/2` and header lines. The authority is the policy's host
//! unless a line `:authority: …` says otherwise; a `Host` line is sent as an ordinary field beside it.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client;
use http::{HeaderName, HeaderValue, Method, Request as Head, Uri};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::answer::Answer;
use crate::client::{PATIENCE, Request};
use crate::http1::Response;

/// Sends one request on a connection of its own and reads the response.
///
/// # Errors
/// When the text of the request is not a request that HTTP/2 can carry.
pub(crate) fn exchange(
    address: SocketAddr,
    host: &str,
    request: &Request,
) -> Result<Answer, String> {
    let head = head(host, &request.head)?;
    let body = Bytes::from(request.body.clone());
    let ends = !request.unfinished;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    Ok(runtime.block_on(async {
        timeout(PATIENCE, send(address, head, body, ends))
            .await
            .unwrap_or(Ok(Answer::Silence))
            .unwrap_or_else(|answer| answer)
    }))
}

async fn send(
    address: SocketAddr,
    head: Head<()>,
    body: Bytes,
    ends: bool,
) -> Result<Answer, Answer> {
    let closed = |_: h2::Error| Answer::Closed {
        received: Vec::new(),
    };
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| Answer::Unreachable(error.to_string()))?;
    let (sender, connection) = client::handshake(stream).await.map_err(closed)?;
    tokio::spawn(connection);
    let mut sender = sender.ready().await.map_err(closed)?;
    let (response, mut sending) = sender
        .send_request(head, body.is_empty() && ends)
        .map_err(closed)?;
    if !body.is_empty() {
        // A server may answer and reset the stream before it has read the body: the response tells.
        let _ = sending.send_data(body, ends);
    }
    let (parts, mut receiving) = response.await.map_err(closed)?.into_parts();
    let mut received = Vec::new();
    while let Some(Ok(data)) = receiving.data().await {
        let _ = receiving.flow_control().release_capacity(data.len());
        received.extend_from_slice(&data);
    }
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().as_bytes().to_vec(), value.as_bytes().to_vec()));
    Ok(Answer::Response(Response {
        status: parts.status.as_u16(),
        headers: headers.collect(),
        body: received,
    }))
}

pub(crate) fn head(host: &str, text: &[u8]) -> Result<Head<()>, String> {
    let mut lines = text
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty());
    let start = lines.next().unwrap_or_default();
    let mut words = start.split(|byte| *byte == b' ');
    let method = Method::from_bytes(words.next().unwrap_or_default())
        .map_err(|_| "the method cannot be sent over HTTP/2")?;
    let path = words.next().unwrap_or_default();
    let mut authority = host.as_bytes();
    let mut head = Head::new(());
    for line in lines {
        if let Some(value) = line.strip_prefix(b":authority:") {
            authority = value.trim_ascii();
            continue;
        }
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .ok_or("a header line has no colon")?;
        let (name, value) = line.split_at(colon);
        let name =
            HeaderName::from_bytes(name).map_err(|_| "a header name cannot be sent over HTTP/2")?;
        let value = value.strip_prefix(b":").unwrap_or_default().trim_ascii();
        let value = HeaderValue::from_bytes(value)
            .map_err(|_| "a header value cannot be sent over HTTP/2")?;
        head.headers_mut().append(name, value);
    }
    *head.uri_mut() = Uri::try_from([b"http://", authority, path].concat())
        .map_err(|_| "the target cannot be sent over HTTP/2")?;
    *head.method_mut() = method;
    *head.version_mut() = http::Version::HTTP_2;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one request with what it saw.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        thread::spawn(move || {
            Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(async move {
                    let (stream, _) = tokio::net::TcpListener::from_std(listener)
                        .unwrap()
                        .accept()
                        .await
                        .unwrap();
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok((request, mut respond))) = connection.accept().await {
                        let host = request
                            .headers()
                            .get("host")
                            .map(|host| host.to_str().unwrap())
                            .unwrap_or("none");
                        let seen = format!("{} {} host={host}", request.method(), request.uri());
                        let response = http::Response::builder()
                            .status(400)
                            .header("x-seen", seen)
                            .body(())
                            .unwrap();
                        respond
                            .send_response(response, false)
                            .unwrap()
                            .send_data("body".into(), true)
                            .unwrap();
                    }
                });
        });
        address
    }

    #[test]
    fn sends_the_authority_and_the_host_apart() {
        let text =
            b"POST /items?a=b HTTP/2\r\nHost: other.example\r\n:authority: api.example\r\n\r\n"
                .to_vec();
        let request = Request {
            head: text,
            body: vec![b'a'; 40_000],
            ..Request::default()
        };
        let Answer::Response(response) = exchange(echo(), "default.example", &request).unwrap()
        else {
            panic!("no response")
        };
        assert_eq!(response.status, 400);
        assert_eq!(
            response.header("x-seen").next().unwrap(),
            b"POST http://api.example/items?a=b host=other.example"
        );
        assert_eq!(response.body, b"body");
    }

    #[test]
    fn the_host_of_the_policy_is_the_usual_authority() {
        let request = Request {
            head: b"GET / HTTP/2\r\n\r\n".to_vec(),
            ..Request::default()
        };
        let Answer::Response(response) = exchange(echo(), "default.example", &request).unwrap()
        else {
            panic!("no response")
        };
        assert_eq!(
            response.header("x-seen").next().unwrap(),
            b"GET http://default.example/ host=none"
        );
    }

    #[test]
    fn says_what_cannot_be_sent() {
        let request = Request {
            head: b"GET / HTTP/2\r\na b: c\r\n\r\n".to_vec(),
            ..Request::default()
        };
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        assert_eq!(
            exchange(address, "h", &request).unwrap_err(),
            "a header name cannot be sent over HTTP/2"
        );
        let request = Request {
            head: b"GET / HTTP/2\r\n\r\n".to_vec(),
            ..Request::default()
        };
        assert!(matches!(
            exchange(address, "h", &request),
            Ok(Answer::Unreachable(_))
        ));
    }
}
