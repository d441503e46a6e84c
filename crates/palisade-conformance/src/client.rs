//! A raw HTTP/1.1 client: it sends the bytes it is given and reports what came back, whatever that is.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::answer::Answer;
use crate::http1::{self, Progress, Reading};

/// How long a server may take to answer, or to close a connection: nothing is decided by how fast a machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// How long to look at a connection that must stay open.
const GLANCE: Duration = Duration::from_millis(150);

/// How long a request hangs in the server before a client that hangs up does so.
const BEFORE_HANGING_UP: Duration = Duration::from_millis(50);

/// How long to wait between two drips.
const BETWEEN_DRIPS: Duration = Duration::from_millis(10);

/// More than this is sent by a thread of its own, because a server may answer and stop reading in the middle of it.
const INLINE: usize = 16 * 1024;

/// The largest response read.
const LARGEST: usize = 16 * 1024 * 1024;

/// The bytes of one request and what has to be known to send them and read the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    /// Request line and header, with the empty line.
    pub(crate) head: Vec<u8>,
    /// The body as it goes over the wire, framing included.
    pub(crate) body: Vec<u8>,
    /// The method is HEAD.
    pub(crate) is_head: bool,
    /// Send the body only after `100 Continue`.
    pub(crate) expects_continue: bool,
    /// The end of the body is never sent.
    pub(crate) unfinished: bool,
    /// What is sent after the body, again and again until there is an answer.
    pub(crate) drip: Vec<u8>,
}

/// One connection to a server.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// Bytes read beyond the last response.
    ahead: Vec<u8>,
}

impl Connection {
    /// Connects to `address`.
    ///
    /// # Errors
    /// [`Answer::Unreachable`], saying why.
    pub(crate) fn open(address: SocketAddr) -> Result<Self, Answer> {
        let open = || {
            let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.set_nodelay(true)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(Self {
                stream,
                ahead: Vec::new(),
            })
        };
        open().map_err(|error: std::io::Error| Answer::Unreachable(error.to_string()))
    }

    /// Sends one request and reads its response.
    pub(crate) fn exchange(&mut self, request: &Request) -> Answer {
        let reading = Reading {
            head: request.is_head,
            ..Reading::default()
        };
        if request.expects_continue {
            self.send(&request.head);
            match self.receive(Reading {
                stop_at_continue: true,
                ..reading
            }) {
                Answer::Response(response) if response.status == 100 => {}
                refused => return refused,
            }
            return self.send_and_receive(&request.body, reading);
        }
        if !request.drip.is_empty() {
            self.send(&request.head);
            self.send(&request.body);
            return self.drip_and_receive(&request.drip, reading);
        }
        self.send_and_receive(&[request.head.as_slice(), &request.body].concat(), reading)
    }

    /// Sends one request and closes the connection without reading the response.
    pub(crate) fn hang_up(mut self, request: &Request) -> Answer {
        self.send(&request.head);
        self.send(&request.body);
        thread::sleep(BEFORE_HANGING_UP);
        Answer::HungUp
    }

    /// Whether the server has closed its side, and nothing follows the last response; `expected` says how long to wait
    /// for that.
    pub(crate) fn is_closed(&mut self, expected: bool) -> bool {
        let patience = if expected { PATIENCE } else { GLANCE };
        if !self.ahead.is_empty() || self.stream.set_read_timeout(Some(patience)).is_err() {
            return false;
        }
        match self.stream.read(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => !is_timeout(&error),
        }
    }

    fn drip_and_receive(&mut self, drip: &[u8], reading: Reading) -> Answer {
        let Ok(mut sender) = self.stream.try_clone() else {
            return Answer::Silence;
        };
        let answered = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !answered.load(Ordering::SeqCst) && sender.write_all(drip).is_ok() {
                    thread::sleep(BETWEEN_DRIPS);
                }
            });
            let answer = self.receive(reading);
            answered.store(true, Ordering::SeqCst);
            answer
        })
    }

    fn send_and_receive(&mut self, bytes: &[u8], reading: Reading) -> Answer {
        let sender = if bytes.len() > INLINE {
            self.stream.try_clone().ok()
        } else {
            None
        };
        let Some(mut sender) = sender else {
            self.send(bytes);
            return self.receive(reading);
        };
        thread::scope(|scope| {
            let sending = scope.spawn(move || sender.write_all(bytes).is_ok());
            let answer = self.receive(reading);
            if !sending.is_finished() {
                // Answered early: unblocks the writing thread.
                let _ = self.stream.shutdown(Shutdown::Write);
            }
            answer
        })
    }

    /// A failed write is no error: the server may have answered and closed; reading tells.
    fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    fn receive(&mut self, mut reading: Reading) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        let mut received = std::mem::take(&mut self.ahead);
        let mut buffer = vec![0; 16 * 1024];
        loop {
            match http1::parse(&received, reading) {
                Progress::Complete(response, used) => {
                    self.ahead = received.split_off(used);
                    return Answer::Response(response);
                }
                Progress::Malformed(what) => {
                    return Answer::Malformed { what };
                }
                Progress::Incomplete if reading.closed => return Answer::Closed { received },
                Progress::Incomplete if received.len() > LARGEST => {
                    return Answer::Malformed {
                        what: "it is longer than 16 MiB",
                    };
                }
                Progress::Incomplete => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
                return Answer::Silence;
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => reading.closed = true,
                Ok(read) => received.extend_from_slice(buffer.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Answer::Silence,
                Err(_) => return Answer::Closed { received },
            }
        }
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server for one connection: reads `expect` bytes, writes `answer`, closes.
    fn once(expect: usize, answer: &'static [u8]) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut vec![0; expect]).unwrap();
            stream.write_all(answer).unwrap();
        });
        Connection::open(address).unwrap()
    }

    fn request(head: &str, body: &[u8]) -> Request {
        Request {
            head: head.as_bytes().to_vec(),
            body: body.to_vec(),
            ..Request::default()
        }
    }

    #[test]
    fn two_responses_on_one_connection() {
        let mut connection = once(6, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(
            connection.exchange(&request("one", b"two")).status(),
            Some(200)
        );
        assert_eq!(connection.exchange(&request("", b"")).status(), Some(404));
        assert!(connection.is_closed(true));
    }

    #[test]
    fn an_early_close_is_an_answer() {
        assert_eq!(
            once(1, b"").exchange(&request("x", b"")),
            Answer::Closed {
                received: Vec::new()
            }
        );
        assert_eq!(
            once(1, b"HTTP/1.1 200").exchange(&request("x", b"")),
            Answer::Closed {
                received: b"HTTP/1.1 200".to_vec()
            }
        );
        assert!(matches!(
            once(1, b"hello\r\n").exchange(&request("x", b"")),
            Answer::Malformed { .. }
        ));
    }

    #[test]
    fn an_answer_in_the_middle_of_a_large_body_is_read() {
        let mut connection = once(
            100,
            b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n",
        );
        assert_eq!(
            connection
                .exchange(&request("x", &vec![b'a'; 8 * 1024 * 1024]))
                .status(),
            Some(413)
        );
    }

    #[test]
    fn a_refused_continue_keeps_the_body_back() {
        let mut connection = once(
            4,
            b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n",
        );
        let request = Request {
            expects_continue: true,
            ..request("head", b"never sent")
        };
        assert_eq!(connection.exchange(&request).status(), Some(417));
    }

    #[test]
    fn continue_is_followed_by_the_body() {
        let mut connection = once(
            4,
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        );
        let request = Request {
            expects_continue: true,
            ..request("head", b"body")
        };
        assert_eq!(connection.exchange(&request).status(), Some(200));
    }

    #[test]
    fn nobody_listening_is_an_answer() {
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        assert!(matches!(
            Connection::open(address),
            Err(Answer::Unreachable(_))
        ));
    }
}
