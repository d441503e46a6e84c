//! A real HTTP server on loopback that answers as a test says, for what asks other servers.
//!
//! ```
//! use palisade_conformance::loopback::{Loopback, Reply};
//!
//! let server = Loopback::start()?;
//! server.set("/jwks", Reply::json(r#"{"keys":[]}"#));
//! let keys = format!("{}/jwks", server.url());
//! // … whoever is under test asks for `keys` …
//! assert_eq!(server.take("/jwks").len(), 0);
//! # Ok::<(), std::io::Error>(())
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a client may take to send its request.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long [`Reply::Silence`] lasts if nothing ends it: longer than anybody waits.
const LONGEST_SILENCE: Duration = Duration::from_secs(3600);

/// The server; dropping it stops it.
pub struct Loopback {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What is said to a request.
#[derive(Clone)]
pub enum Reply {
    /// A whole response.
    Response {
        /// The status code.
        status: u16,
        /// Header lines; length and `Connection: close` are added.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// The connection is closed without a word.
    HangUp,
    /// Nothing, until the reply of the path changes or the server stops; then the connection is closed.
    Silence,
    /// The same, later.
    Late(Duration, Box<Reply>),
    /// Whatever the function makes of the request.
    By(Arc<dyn Fn(&Received) -> Reply + Send + Sync>),
}

/// A request that was received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The method.
    pub method: String,
    /// The target.
    pub path: String,
    /// The header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    replies: BTreeMap<String, (u64, Reply)>,
    changes: u64,
    received: Vec<Received>,
    stopped: bool,
}

impl Loopback {
    /// Listens on a free port of `127.0.0.1`. Every path answers 404 until [`set`](Self::set) says otherwise.
    ///
    /// # Errors
    /// No port can be opened.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let server = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if server.lock().stopped {
                    return;
                }
                let shared = server.clone();
                // A client that goes away is no failure of the server's.
                thread::spawn(move || shared.serve(stream).unwrap_or_default());
            }
        });
        Ok(Self { address, shared })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Says what requests for `path` get from now on.
    pub fn set(&self, path: impl Into<String>, reply: Reply) {
        let mut state = self.shared.lock();
        state.changes += 1;
        let change = state.changes;
        state.replies.insert(path.into(), (change, reply));
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Takes out the requests for `path` that came since they were last taken, oldest first.
    pub fn take(&self, path: &str) -> Vec<Received> {
        let received = &mut self.shared.lock().received;
        received
            .extract_if(.., |received| received.path == path)
            .collect()
    }

    /// Takes out all requests, oldest first.
    pub fn take_all(&self) -> Vec<Received> {
        std::mem::take(&mut self.shared.lock().received)
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl fmt::Debug for Loopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loopback({})", self.address)
    }
}

impl Reply {
    /// 200 and this JSON.
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::Response {
            status: 200,
            headers: vec![("Content-Type", "application/json".to_owned())],
            body: body.into(),
        }
    }

    /// A status without a body.
    pub fn status(status: u16) -> Self {
        Self::Response {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// 302 to `location`.
    pub fn redirect(location: impl Into<String>) -> Self {
        Self::Response {
            status: 302,
            headers: vec![("Location", location.into())],
            body: Vec::new(),
        }
    }

    /// What `answer` makes of each request.
    pub fn by(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::By(Arc::new(answer))
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response { status, .. } => write!(f, "Response({status})"),
            Self::HangUp => f.write_str("HangUp"),
            Self::Silence => f.write_str("Silence"),
            Self::Late(by, reply) => write!(f, "Late({by:?}, {reply:?})"),
            Self::By(_) => f.write_str("By(..)"),
        }
    }
}

impl Received {
    /// The first line of this name, which is written in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let line = self.headers.iter().find(|(own, _)| own == name);
        line.map(|(_, value)| value.as_str())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request; the connection ends with its response.
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let Some(received) = receive(&mut stream)? else {
            return Ok(());
        };
        let (change, reply) = {
            let mut state = self.lock();
            state.received.push(received.clone());
            let reply = state.replies.get(&received.path);
            reply.cloned().unwrap_or((0, Reply::status(404)))
        };
        self.say(&mut stream, &received, change, reply)
    }

    fn say(
        &self,
        stream: &mut TcpStream,
        received: &Received,
        change: u64,
        reply: Reply,
    ) -> io::Result<()> {
        match reply {
            Reply::Response {
                status,
                headers,
                body,
            } => {
                let mut head = format!("HTTP/1.1 {status} -\r\nConnection: close\r\n");
                head += &format!("Content-Length: {}\r\n", body.len());
                for (name, value) in headers {
                    head += &format!("{name}: {value}\r\n");
                }
                stream.write_all(&[head.as_bytes(), b"\r\n", &body].concat())
            }
            Reply::HangUp => Ok(()),
            Reply::Silence => {
                self.wait(LONGEST_SILENCE, received, change);
                Ok(())
            }
            Reply::Late(by, reply) => {
                self.wait(by, received, 0);
                self.say(stream, received, change, *reply)
            }
            Reply::By(answer) => self.say(stream, received, change, answer(received)),
        }
    }

    /// Waits until the time is over, the server stops, or the path has another reply than that of `change`, which is
    /// 0 where that does not matter.
    fn wait(&self, time: Duration, received: &Received, change: u64) {
        let waiting = |state: &mut State| {
            let now = state.replies.get(&received.path).map(|(change, _)| *change);
            !state.stopped && (change == 0 || now == Some(change))
        };
        let waited = self.changed.wait_timeout_while(self.lock(), time, waiting);
        drop(waited);
    }
}

/// Reads one request; `None` if the client sent none, or not all of it.
fn receive(stream: &mut TcpStream) -> io::Result<Option<Received>> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        if let Some((mut received, body, length)) = parse(&bytes)?
            && let Some(body) = bytes.get(body..body + length)
        {
            received.body = String::from_utf8_lossy(body).into_owned();
            return Ok(Some(received));
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            read => bytes.extend_from_slice(buffer.get(..read).unwrap_or_default()),
        }
    }
}

/// The head, where the body begins, and how long it is; `None` while the head is not complete.
fn parse(bytes: &[u8]) -> io::Result<Option<(Received, usize, usize)>> {
    let mut lines = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut lines);
    let parsed = head.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(body) = parsed else {
        return Ok(None);
    };
    let headers = head.headers.iter().map(|line| {
        let value = String::from_utf8_lossy(line.value).into_owned();
        (line.name.to_ascii_lowercase(), value)
    });
    let received = Received {
        method: head.method.unwrap_or_default().to_owned(),
        path: head.path.unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: String::new(),
    };
    let length = received.header("content-length").unwrap_or("0");
    let length = length.parse().map_err(io::Error::other)?;
    Ok(Some((received, body, length)))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn ask(server: &Loopback, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(server.address).unwrap();
        let length = body.len();
        let request = format!("POST {path} HTTP/1.1\r\nX-A: b\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all((request + body).as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn answers_as_it_was_told_and_keeps_what_was_asked() {
        let server = Loopback::start().unwrap();
        assert!(ask(&server, "/a", "").starts_with("HTTP/1.1 404 "));
        server.set("/a", Reply::json("{}"));
        server.set(
            "/b",
            Reply::by(|received| Reply::json(received.body.clone())),
        );
        assert!(ask(&server, "/a", "x=1").ends_with("\r\n\r\n{}"));
        assert!(ask(&server, "/b", "x=2").ends_with("\r\n\r\nx=2"));
        let received = server.take("/a");
        assert_eq!((received.len(), server.take("/a").len()), (2, 0));
        assert_eq!(
            (received[1].header("x-a"), received[1].body.as_str()),
            (Some("b"), "x=1")
        );
        assert_eq!(server.take("/b").len(), 1);
    }

    #[test]
    fn hangs_up_or_keeps_silent_until_that_changes() {
        let server = Loopback::start().unwrap();
        server.set("/a", Reply::HangUp);
        assert_eq!(ask(&server, "/a", ""), "");
        assert_eq!(server.take("/a").len(), 1);
        server.set("/a", Reply::Silence);
        thread::scope(|scope| {
            let asking = scope.spawn(|| ask(&server, "/a", ""));
            while server.take("/a").is_empty() {
                thread::yield_now();
            }
            assert!(!asking.is_finished());
            server.set("/a", Reply::json("{}"));
            assert_eq!(asking.join().unwrap(), "");
        });
    }

    #[test]
    fn may_answer_late() {
        let server = Loopback::start().unwrap();
        let late = Duration::from_millis(50);
        server.set("/a", Reply::Late(late, Reply::json("{}").into()));
        let asked = Instant::now();
        assert!(ask(&server, "/a", "").ends_with("{}"));
        assert!(asked.elapsed() >= late);
    }
}
