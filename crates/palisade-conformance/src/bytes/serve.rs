//! The three demo servers, and what each makes of a stream of bytes.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use palisade_core::{MemoryRevocations, SystemEntropy};
use serde_json::{Value, json};

use super::grammar::Stream;
use crate::beside::Beside;
use crate::client::PATIENCE;
use crate::harness::{self, App, AuditLog, Fixture, Handled, Harness, ManualClock, Running};
use crate::http1::{self, Progress, Reading, Response};
use crate::keys::Keys;
use crate::model::{File, Tamper, Token};
use crate::normal::normalise;
use crate::reader::Reader;
use crate::suite::cases;

/// After this time all limits of the demo's policy are as at the start, so that no stream depends on those before it.
const BETWEEN: Duration = Duration::from_secs(60);

/// The names of credentials in streams, and who they are.
pub(super) const TOKENS: [&str; 6] = ["alice", "john", "admin", "expired", "forged", "unsigned"];

/// The servers, under one policy.
pub(super) struct Servers<'a> {
    servers: Vec<Server>,
    setup: &'a Setup,
}

/// What all servers are started with.
pub(super) struct Setup {
    file: File,
    keys: Arc<Keys>,
}

struct Server {
    name: &'static str,
    running: Running,
    clock: Arc<ManualClock>,
    audit: Arc<AuditLog>,
}

/// What one server made of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) server: &'static str,
    pub(super) answers: Vec<Answer>,
    pub(super) end: End,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Whether the layer saw the request: its answers have a name, those of a framework's parser do not.
    pub(super) by_layer: bool,
    pub(super) normal: Vec<u8>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The server closed it.
    Closed,
    /// The server waits for more.
    Waiting,
    /// What came is not HTTP.
    Malformed(&'static str),
    /// There was no connection.
    Unreachable,
}

impl Setup {
    /// Reads the policy and makes the keys.
    ///
    /// # Errors
    /// Mistakes in the case file that the policy is taken from; a key that cannot be made.
    pub(super) fn new() -> Result<Self, String> {
        Ok(Self {
            file: demo(&cases())?,
            keys: Keys::shared()?,
        })
    }
}

impl<'a> Servers<'a> {
    /// Starts one server on each framework, with the demo's own data.
    ///
    /// # Errors
    /// Why a server did not start.
    pub(super) fn start(setup: &'a Setup) -> Result<Self, String> {
        let Setup { file, keys } = setup;
        let start = |harness: &&dyn Harness| {
            let clock = Arc::new(ManualClock::default());
            let revocations = MemoryRevocations::with(100, clock.clone(), &SystemEntropy);
            let folder = keys.folder().display().to_string();
            let fixture = Fixture {
                app: App::Demo,
                policy_toml: file.policy.replace("{keys}", &folder),
                clock,
                audit: Arc::new(AuditLog::default()),
                handled: Arc::new(Handled::default()),
                revocations: Arc::new(revocations.map_err(|why| why.to_string())?),
            };
            Ok(Server {
                name: harness.name(),
                running: harness.start(&fixture)?,
                clock: fixture.clock,
                audit: fixture.audit,
            })
        };
        let servers: Result<_, String> = harness::all().iter().map(start).collect();
        Ok(Self {
            servers: servers?,
            setup,
        })
    }

    /// What each server makes of the stream; one that says nothing for `quiet` waits for more.
    pub(super) fn hear(&self, stream: &Stream, quiet: Duration) -> Vec<Heard> {
        let mut connections = Vec::new();
        for server in &self.servers {
            server.clock.advance(BETWEEN);
            server.audit.take();
            let now = server.clock.unix_seconds();
            let token = |name: &str| {
                let known = TOKENS.contains(&name);
                known.then(|| {
                    self.setup
                        .file
                        .mint(name, &self.setup.keys, &Beside::default(), now)
                        .ok()
                })?
            };
            // All servers work at the same time: each has its bytes before the first is read.
            connections.push(send(server.running.address, &stream.bytes(&token)).ok());
        }
        let heard = self.servers.iter().zip(connections);
        heard
            .map(|(server, connection)| match connection {
                Some(connection) => read(server.name, connection, quiet),
                None => Heard {
                    server: server.name,
                    answers: Vec::new(),
                    end: End::Unreachable,
                },
            })
            .collect()
    }
}

/// The demo's policy as its cases have it, and the tokens of [`TOKENS`].
fn demo(root: &Path) -> Result<File, String> {
    let mistakes = |mistakes: Vec<crate::model::Mistake>| {
        let lines = mistakes.iter().map(ToString::to_string);
        lines.collect::<Vec<_>>().join("\n")
    };
    let reader = Reader::open(root, &root.join("demo/items.toml")).map_err(mistakes)?;
    let mut file = reader.read("demo/items".to_owned()).map_err(mistakes)?;
    let scope = "users:read users:write items:read items:write";
    let token = |name: &&str| {
        let claims = match *name {
            "admin" => json!({ "sub": "root", "roles": ["admin"], "scope": scope }),
            "john" => json!({ "sub": "john", "roles": ["user"], "scope": "users:read items:read" }),
            "expired" => json!({ "sub": "alice", "scope": scope, "iat": "-7200", "exp": "-3600" }),
            _ => json!({ "sub": "alice", "roles": ["user"], "scope": scope }),
        };
        let Value::Object(claims) = claims else {
            return ((*name).to_owned(), Token::default());
        };
        let token = Token {
            claims: claims.into_iter().collect(),
            tamper: match *name {
                "forged" => Some(Tamper::Signature),
                "unsigned" => Some(Tamper::None),
                _ => None,
            },
            ..Token::default()
        };
        ((*name).to_owned(), token)
    };
    file.tokens = TOKENS.iter().map(token).collect();
    Ok(file)
}

fn send(address: SocketAddr, bytes: &[u8]) -> std::io::Result<TcpStream> {
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_nodelay(true)?;
    connection.set_write_timeout(Some(PATIENCE))?;
    // A server may refuse and close in the middle of it: its answer tells.
    let _ = connection.write_all(bytes);
    Ok(connection)
}

fn read(server: &'static str, mut connection: TcpStream, quiet: Duration) -> Heard {
    let mut received = Vec::new();
    let mut buffer = [0; 16 * 1024];
    let mut last = Instant::now();
    let waiting = loop {
        let left = quiet.saturating_sub(last.elapsed());
        if left.is_zero() || connection.set_read_timeout(Some(left)).is_err() {
            break true;
        }
        match connection.read(&mut buffer) {
            Ok(0) => break false,
            Ok(read) => {
                received.extend_from_slice(buffer.get(..read).unwrap_or_default());
                last = Instant::now();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                break matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            }
        }
    };
    let (answers, malformed) = answers(&received);
    let end = match malformed {
        Some(what) => End::Malformed(what),
        None if waiting => End::Waiting,
        None => End::Closed,
    };
    Heard {
        server,
        answers,
        end,
    }
}

/// All answers in what was received, and what is wrong with the rest.
fn answers(received: &[u8]) -> (Vec<Answer>, Option<&'static str>) {
    let mut answers = Vec::new();
    let mut rest = received;
    while !rest.is_empty() {
        let head = Reading {
            head: true,
            ..Reading::default()
        };
        // Which requests were HEAD is not known: an answer has no body if another answer, or nothing, follows its head.
        let bare = match http1::parse(rest, head) {
            Progress::Complete(response, used) => Some((response, used)).filter(|(_, used)| {
                let rest = rest.get(*used..).unwrap_or_default();
                rest.is_empty() || rest.starts_with(b"HTTP/1.")
            }),
            _ => None,
        };
        let whole = || match http1::parse(
            rest,
            Reading {
                closed: true,
                ..Reading::default()
            },
        ) {
            Progress::Complete(response, used) => Ok((response, used)),
            Progress::Incomplete => Err("an answer is cut off"),
            Progress::Malformed(what) => Err(what),
        };
        match bare.map_or_else(whole, Ok) {
            Ok((response, used)) => {
                answers.push(Answer::of(&response));
                rest = rest.get(used..).unwrap_or_default();
            }
            Err(what) => return (answers, Some(what)),
        }
    }
    (answers, None)
}

impl Answer {
    fn of(response: &Response) -> Self {
        Self {
            status: response.status,
            by_layer: response.header("x-request-id").next().is_some(),
            normal: normalise(response),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_one_after_the_other() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Request-Id: 1\r\n\r\n\
            HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        let (all, malformed) = answers(bytes);
        let seen: Vec<_> = all
            .iter()
            .map(|answer| (answer.status, answer.by_layer))
            .collect();
        assert_eq!(
            (seen, malformed),
            (vec![(200, true), (200, false), (400, false)], None)
        );
        assert_eq!(
            all.get(1).map(|answer| answer.normal.ends_with(b"{}")),
            Some(true)
        );
        assert_eq!(
            answers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{").1,
            Some("an answer is cut off")
        );
    }
}
