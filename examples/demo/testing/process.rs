//! A server as a process of its own, and clients of it.

use super::super::SERVER;
use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio},
    time::Duration,
};

/// How long anything may take before it has failed: nothing is decided by how fast a machine is.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// A running server; killed when dropped.
pub(super) struct Server {
    process: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
    pub(super) address: SocketAddr,
}

impl Server {
    pub(super) fn start(arguments: &[&str]) -> Self {
        let mut process = command(arguments).spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let mut first = String::new();
        stdout.read_line(&mut first).unwrap();
        let address = first
            .strip_prefix("listening on http://")
            .and_then(|rest| rest.trim_end().parse().ok())
            .unwrap_or_else(|| panic!("the first line is {first:?}"));
        Self {
            process,
            stdout,
            stderr,
            address,
        }
    }

    /// The lines up to one that contains `last`.
    pub(super) fn lines_until(&mut self, last: &str) -> Vec<String> {
        lines_until(&mut self.stdout, last)
    }

    /// The lines of the log up to one that contains `last`.
    pub(super) fn log_until(&mut self, last: &str) -> Vec<String> {
        lines_until(&mut self.stderr, last)
    }

    /// Sends a signal, such as `-HUP`.
    pub(super) fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Sends SIGTERM; returns the exit code.
    pub(super) fn stop(&mut self) -> Option<i32> {
        self.signal("-TERM");
        self.process.wait().unwrap().code()
    }

    /// The memory in KiB and the threads of the process, as Linux tells them; 0 elsewhere.
    pub(super) fn size(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.unwrap_or_default();
        let number = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            number.map_or(0, |number| number.parse().unwrap())
        };
        (number("VmRSS:"), number("Threads:"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn lines_until(output: &mut impl BufRead, last: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in output.lines() {
        lines.push(line.unwrap());
        if lines.last().is_some_and(|line| line.contains(last)) {
            return lines;
        }
    }
    panic!("no line contains {last}: {lines:#?}");
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(SERVER);
    // Unless the test says otherwise; of two `--listen` clap would refuse the second.
    if !arguments.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command
        .args(arguments)
        .env("RUST_LOG", "warn,palisade=info,palisade::audit=off")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(super) fn finished(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// A folder that is not there yet.
pub(super) fn scratch(name: &str) -> PathBuf {
    let name = format!("{}-{name}-{}", env!("CARGO_PKG_NAME"), std::process::id());
    env::temp_dir().join(name)
}

/// A connection that is kept for several requests.
pub(super) struct Connection(BufReader<TcpStream>);

/// A response whose length its head tells.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
}

impl Connection {
    pub(super) fn to(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// `headers`: lines that each end with a line break.
    pub(super) fn request(&mut self, method: &str, path: &str, headers: &str) -> Response {
        self.send(&format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
        ));
        self.response()
    }

    pub(super) fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    pub(super) fn response(&mut self) -> Response {
        let status = self.line();
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(": ") else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let response = Response {
            status: status.unwrap(),
            headers,
        };
        let length = response.header("content-length").parse().unwrap_or(0);
        self.0.read_exact(&mut vec![0; length]).unwrap();
        response
    }

    /// Sends the beginning of a request, and waits until the server ends the connection. It may say why.
    pub(super) fn expect_close_after(mut self, begun: &str) {
        self.send(begun);
        let mut said = String::new();
        self.0.read_to_string(&mut said).unwrap();
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 4"),
            "{begun:?}: {said}"
        );
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Response {
    /// The value of a header that is there once; empty if it is not there.
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map_or("", |(_, value)| value)
    }
}

/// Does what curl would do with the line, and returns the status.
pub(super) fn run_curl(line: &str) -> u16 {
    let response = run_curl_for_text(line);
    let status = response
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("{line} got {response:?}"))
}

/// The whole response, head and body.
pub(super) fn run_curl_for_text(line: &str) -> String {
    let (mut method, mut url, mut body) = ("GET", String::new(), String::new());
    let mut headers = String::new();
    let words = shell_words(line);
    let mut words = words.iter().map(String::as_str).skip(1);
    while let Some(word) = words.next() {
        match word {
            "-i" => {}
            "-X" => method = words.next().unwrap(),
            "-H" => headers.push_str(&format!("{}\r\n", words.next().unwrap())),
            "--cookie" => headers.push_str(&format!("Cookie: {}\r\n", words.next().unwrap())),
            "-d" => body.push_str(words.next().unwrap()),
            _ => url.push_str(word),
        }
    }
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let length = body.len();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

/// The words of a command line whose only quotes are single ones.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words
}
