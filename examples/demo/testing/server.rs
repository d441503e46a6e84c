//! What each of the three server programs promises from outside: first line, curl lines, exit
//! codes, signals. Each example includes this file beside a constant `SERVER`: its own program.

use super::SERVER;
use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::Duration,
};

#[test]
fn the_printed_curl_lines_work_as_they_stand() {
    let mut server = Server::start(&[]);
    let lines = server.lines_until("--cookie");
    let curl: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("curl "))
        .collect();
    let statuses: Vec<_> = curl.iter().map(|line| run_curl(line)).collect();
    let expected = [
        200, 401, 200, 200, 403, 403, 201, 204, 422, 200, 200, 200, 200,
    ];
    assert_eq!(statuses, expected, "{lines:#?}");
}

#[test]
fn the_domain_refuses_in_the_words_of_the_layer() {
    let mut server = Server::start(&[]);
    let lines = server.lines_until("/items/4");
    let not_johns = run_curl_for_text(lines.last().unwrap());
    let (head, body) = not_johns.split_once("\r\n\r\n").unwrap();
    let (_, id) = head.split_once("x-request-id: ").unwrap();
    let id = id.lines().next().unwrap();
    let expected = [
        r#"{"type":"urn:palisade:problem:forbidden","title":"Forbidden","status":403,"#,
        r#""detail":"The caller may not perform this operation.","code":"forbidden","#,
        &format!(r#""request_id":"{id}"}}"#),
    ];
    assert_eq!(body, expected.concat());
}

#[test]
fn keys_outlive_the_process_and_the_api_key_is_shown_once() {
    let folder = scratch("keys");
    let data_dir = folder.to_str().unwrap();
    let mut first = Server::start(&["--data-dir", data_dir]);
    let shown = first.lines_until("--cookie");
    assert_eq!(first.stop(), Some(0));

    let mut second = Server::start(&["--data-dir", data_dir]);
    let second_shown = second.lines_until("API key").join("\n");
    assert!(!second_shown.contains("X-API-Key"), "{second_shown}");
    for name in ["/users/me -H", "X-API-Key"] {
        let line = shown.iter().find(|line| line.contains(name)).unwrap();
        let line = line.replace(&first.address.to_string(), &second.address.to_string());
        assert_eq!(run_curl(&line), 200, "{name}");
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_broken_policy_lists_every_mistake_and_starts_nothing() {
    let folder = scratch("broken");
    fs::create_dir_all(&folder).unwrap();
    let policy = folder.join("palisade.toml");
    fs::write(
        &policy,
        "reaml = \"demo\"\n\n[[rule]]\npath = \"health\"\nrequire = \"pubic\"\n",
    )
    .unwrap();
    let data_dir = folder.join("data");
    let output = finished(&[
        "--policy",
        policy.to_str().unwrap(),
        "--data-dir",
        data_dir.to_str().unwrap(),
    ]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(output.stdout.is_empty());
    for place in ["palisade.toml:1:", "palisade.toml:4:", "palisade.toml:5:"] {
        assert!(stderr.contains(place), "{place} is missing in:\n{stderr}");
    }
    assert!(!data_dir.exists());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = finished(&["--listen", &address]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(output.stdout.is_empty());
    assert!(stderr.contains(&format!("{address} is in use")), "{stderr}");
}

#[test]
fn sigterm_ends_the_process_in_order() {
    let mut server = Server::start(&[]);
    // A connection that stays open must not hold the server up for ever.
    let _idle = TcpStream::connect(server.address).unwrap();
    assert_eq!(server.stop(), Some(0));
}

/// A running server; killed when dropped.
struct Server {
    process: Child,
    stdout: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let mut process = command(arguments).spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut first = String::new();
        stdout.read_line(&mut first).unwrap();
        let address = first
            .strip_prefix("listening on http://")
            .and_then(|rest| rest.trim_end().parse().ok())
            .unwrap_or_else(|| panic!("the first line is {first:?}"));
        Self {
            process,
            stdout,
            address,
        }
    }

    /// The lines up to one that contains `last`.
    fn lines_until(&mut self, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for line in self.stdout.by_ref().lines() {
            lines.push(line.unwrap());
            if lines.last().is_some_and(|line| line.contains(last)) {
                return lines;
            }
        }
        panic!("no line contains {last}: {lines:#?}");
    }

    /// Sends SIGTERM; returns the exit code.
    fn stop(&mut self) -> Option<i32> {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.unwrap().success());
        self.process.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(SERVER);
    // Unless the test says otherwise; of two `--listen` clap would refuse the second.
    if !arguments.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command
        .args(arguments)
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

fn finished(arguments: &[&str]) -> Output {
    command(arguments).stderr(Stdio::piped()).output().unwrap()
}

/// A folder that is not there yet.
fn scratch(name: &str) -> PathBuf {
    let name = format!("{}-{name}-{}", env!("CARGO_PKG_NAME"), std::process::id());
    env::temp_dir().join(name)
}

/// Does what curl would do with the line, and returns the status.
fn run_curl(line: &str) -> u16 {
    let response = run_curl_for_text(line);
    let status = response
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("{line} got {response:?}"))
}

/// The whole response, head and body.
fn run_curl_for_text(line: &str) -> String {
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
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
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
