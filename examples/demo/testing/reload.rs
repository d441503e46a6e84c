//! The policy changes while the server runs.

use super::process::{Connection, PATIENCE, Server, scratch};
use palisade_example_demo::POLICY;
use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

const RELOADED: &str = "a new version of the policy serves";

/// A policy file of the test's own. Every response tells which version of it answered.
struct File {
    folder: PathBuf,
}

impl File {
    fn new(test: &str) -> Self {
        let folder = scratch(test);
        fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    fn path(&self) -> String {
        let path = self.folder.join("palisade.toml");
        path.to_str().unwrap().to_owned()
    }

    /// Puts a version of the built-in policy in the place of the file, as editors do. However
    /// slowly a test runs, requests in general are never too many, and what is spent of the
    /// sensitive ones stays spent.
    fn write(&self, version: &str, edit: impl Fn(String) -> String) {
        let set = format!("preset = \"api\"\nset = {{ x-version = \"{version}\" }}");
        let text = POLICY
            .replace("preset = \"api\"", &set)
            .replace("600/minute", "1000000/second")
            .replace("\"10/minute\"", "\"10/day\"");
        let text = edit(text);
        let beside = self.folder.join("palisade.toml~");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.path()).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// Which version serves new requests.
fn version(server: &Server) -> String {
    let response = Connection::to(server.address).request("GET", "/health", "");
    assert_eq!(response.status, 200);
    response.header("x-version").to_owned()
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "no {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The line that `curl` would send for alice.
fn bearer(shown: &[String], request: &str) -> String {
    let line = shown.iter().find(|line| line.contains(request)).unwrap();
    let (_, token) = line.split_once("Authorization: Bearer ").unwrap();
    let (token, _) = token.split_once('\'').unwrap();
    format!("Authorization: Bearer {token}\r\n")
}

#[test]
fn a_request_in_flight_finishes_under_the_policy_it_started_with() {
    let file = File::new("in-flight");
    file.write("1", |text| text);
    let mut server = Server::start(&["--policy", &file.path()]);
    let alice = bearer(&server.lines_until("-X DELETE"), "-X DELETE");
    let create = format!(
        "POST /items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: 15\r\nExpect: 100-continue\r\n{alice}\r\n"
    );
    let mut slow: Vec<_> = (0..3).map(|_| Connection::to(server.address)).collect();
    for connection in &mut slow {
        connection.send(&create);
        // Now the handler waits for the body.
        assert_eq!(connection.response().status, 100);
    }

    file.write("2", |text| text.replace(r#"["GET", "POST"]"#, r#"["GET"]"#));
    server.signal("-HUP");
    wait_for("version 2", || version(&server) == "2");
    let refused = Connection::to(server.address).request("POST", "/items", &alice);
    assert_eq!((refused.status, refused.header("x-version")), (405, "2"));
    for connection in &mut slow {
        connection.send(r#"{"name":"Lamp"}"#);
        let made = connection.response();
        assert_eq!((made.status, made.header("x-version")), (201, "1"));
        // The next request on the same connection.
        let next = connection.request("GET", "/health", "");
        assert_eq!((next.status, next.header("x-version")), (200, "2"));
    }
}

#[test]
fn a_changed_file_is_taken_and_a_broken_one_is_not() {
    let file = File::new("changed");
    file.write("1", |text| text);
    let mut server = Server::start(&["--policy", &file.path()]);
    let alice = bearer(&server.lines_until("-X DELETE"), "-X DELETE");
    let sensitive = || Connection::to(server.address).request("POST", "/api/sensitive", &alice);
    for _ in 0..10 {
        assert_eq!(sensitive().status, 200);
    }

    file.write("2", |text| text);
    wait_for("version 2", || version(&server) == "2");
    let spent = sensitive();
    assert_eq!((spent.status, spent.header("x-version")), (429, "2"));

    file.write("3", |text| text + "\n[[rule]]\npath = \"no slash\"\n");
    server.log_until("the old one keeps serving");
    server.log_until("palisade.toml:");
    assert_eq!(version(&server), "2");
    file.write("4", |text| text);
    wait_for("version 4", || version(&server) == "4");
}

#[test]
fn a_rotated_key_is_taken() {
    let file = File::new("rotated");
    let made = ["one", "two"].map(|name| {
        let data = file.folder.join(name);
        let mut server = Server::start(&["--data-dir", data.to_str().unwrap()]);
        let token = bearer(&server.lines_until("-X DELETE"), "-X DELETE");
        assert_eq!(server.stop(), Some(0));
        (data.join("signing.key"), token)
    });
    let key = file.folder.join("jwt.key");
    fs::copy(&made[0].0, &key).unwrap();
    let scheme = "[jwt.demo]\nissuer = \"urn:palisade:demo:issuer\"\n\
                  audience = \"urn:palisade:demo:api\"\nsecret = \"file:jwt.key\"\n\
                  [api_key.keys]\nheader = \"x-api-key\"\n";
    file.write("1", |text| text + scheme);
    let server = Server::start(&["--policy", &file.path()]);
    let status = |token: &str| {
        let response = Connection::to(server.address).request("GET", "/users/me", token);
        response.status
    };
    let [(_, old), (new_key, new)] = &made;
    assert_eq!([status(old), status(new)], [200, 401]);
    fs::copy(new_key, &key).unwrap();
    wait_for("new key", || status(new) == 200);
    assert_eq!(status(old), 401);
}

/// Every other version lists a path that the others do not: status and version always agree.
#[test]
fn a_thousand_reloads_under_load_answer_right_and_leave_nothing_behind() {
    let file = File::new("thousand");
    let write = |number: usize| {
        let (version, path) = [("closed", "\"/other\""), ("open", "\"/api/data\"")][number % 2];
        file.write(version, |text| text.replace("\"/api/data\"", path));
    };
    write(0);
    let mut server = Server::start(&["--policy", &file.path()]);
    let address = server.address;
    let (stop, served) = (AtomicBool::new(false), AtomicU64::new(0));
    let client = || {
        let mut connection = Connection::to(address);
        while !stop.load(Relaxed) {
            let response = connection.request("GET", "/api/data", "");
            let answer = (response.status, response.header("x-version"));
            assert!(
                matches!(answer, (200, "open") | (404, "closed")),
                "{answer:?}"
            );
            served.fetch_add(1, Relaxed);
        }
    };
    let grown = thread::scope(|scope| {
        let clients = [scope.spawn(client), scope.spawn(client)];
        let mut early = (0, 0);
        for number in 1..=1000 {
            write(number);
            server.signal("-HUP");
            server.log_until(RELOADED);
            if number == 300 {
                early = server.size();
            }
        }
        stop.store(true, Relaxed);
        for client in clients {
            client.join().unwrap();
        }
        let late = server.size();
        assert!(late.1 <= early.1, "{} threads, were {}", late.1, early.1);
        late.0.saturating_sub(early.0)
    });
    println!(
        "{} requests served, {grown} KiB more after 700 reloads",
        served.into_inner()
    );
    assert!(grown < 4096, "{grown} KiB more after 700 reloads");
    assert_eq!(server.stop(), Some(0));
}
