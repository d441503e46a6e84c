//! What each of the three server programs promises from outside: first line, curl lines, exit
//! codes, signals. Each example includes this file beside a constant `SERVER`: its own program.

mod process;
mod reload;

use palisade_example_demo::POLICY;
use process::{Connection, Server, finished, run_curl, run_curl_for_text, scratch};
use std::{
    fs,
    net::{TcpListener, TcpStream},
};

/// The statuses that the printed curl lines get.
const SHOWN: [u16; 13] = [
    200, 401, 200, 200, 403, 403, 201, 204, 422, 200, 200, 200, 200,
];

fn run_all(lines: &[String]) -> Vec<u16> {
    let curl = lines.iter().filter(|line| line.starts_with("curl "));
    curl.map(|line| run_curl(line)).collect()
}

#[test]
fn the_printed_curl_lines_work_as_they_stand() {
    let mut server = Server::start(&[]);
    let lines = server.lines_until("--cookie");
    assert_eq!(run_all(&lines), SHOWN, "{lines:#?}");
}

#[test]
fn a_database_keeps_users_items_and_the_api_key() {
    let folder = scratch("database");
    fs::create_dir_all(&folder).unwrap();
    let database = format!("sqlite:{}/demo.db", folder.display());
    let arguments = ["--database", &database, "--demo-data"];
    let mut first = Server::start(&arguments);
    let shown = first.lines_until("--cookie");
    assert_eq!(run_all(&shown), SHOWN, "{shown:#?}");
    assert_eq!(first.stop(), Some(0));

    let mut second = Server::start(&arguments);
    let second_shown = second.lines_until("API key");
    assert!(!second_shown.concat().contains("X-API-Key"));
    let line = shown.iter().find(|line| line.contains("X-API-Key"));
    let addresses = [&first, &second].map(|server| server.address.to_string());
    let line = line.unwrap().replace(&addresses[0], &addresses[1]);
    assert_eq!(run_curl(&line), 200);
    // Alice removed item 3 and made another.
    let johns = second_shown.iter().find(|line| line.contains("?search="));
    let items = run_curl_for_text(&johns.unwrap().replace("?search=for", ""));
    assert!(
        items.contains("Lamp") && !items.contains("Poster"),
        "{items}"
    );
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_issuer_that_is_away_is_named_and_the_server_starts() {
    // Issued by http://127.0.0.1:9, where nobody listens; nobody signed it.
    const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsiLCJ0eXAiOiJhdCtqd3QifQ.eyJpc3MiOiJod\
        HRwOi8vMTI3LjAuMC4xOjkiLCJhdWQiOiJ1cm46YXBpIiwic3ViIjoiYWxpY2UiLCJjbGllbnRfaWQiOiJjIiwi\
        aWF0IjoxMDAwMDAwMDAwLCJleHAiOjkwMDAwMDAwMDAsImp0aSI6ImoifQ.AAAA";
    let folder = scratch("issuer");
    fs::create_dir_all(&folder).unwrap();
    let policy = folder.join("palisade.toml");
    let schemes = "[outgoing]\nplain_http = \"127.0.0.1\"\n\
                   [jwt.demo]\nissuer = \"http://127.0.0.1:9\"\naudience = \"urn:api\"\n\
                   keys = \"discover\"\n[api_key.keys]\nheader = \"x-api-key\"\n";
    fs::write(&policy, POLICY.to_owned() + schemes).unwrap();
    let mut server = Server::start(&["--policy", policy.to_str().unwrap()]);
    server.log_until("are answered 503");
    let get = |headers: &str| {
        let response = Connection::to(server.address).request("GET", "/users/me", headers);
        response.status
    };
    assert_eq!(get(&format!("Authorization: Bearer {TOKEN}\r\n")), 503);
    assert_eq!(get(""), 401);
    fs::remove_dir_all(folder).unwrap();
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

#[test]
fn who_does_not_send_a_whole_head_is_closed() {
    let server = Server::start(&["--head-timeout", "1"]);
    // HTTP/1.1 and HTTP/2 begin differently, and so do those who have not begun.
    for begun in [
        "",
        "P",
        "PRI * HTTP/2.0\r\n",
        "GET /health HTTP/1.1\r\nHost: local",
    ] {
        Connection::to(server.address).expect_close_after(begun);
    }
    // actix-web has a time for the first head of a connection only.
    if super::SERVER.ends_with("actix") {
        return;
    }
    let mut second = Connection::to(server.address);
    assert_eq!(second.request("GET", "/health", "").status, 200);
    second.expect_close_after("GET /health HTTP/1.1\r\nHost: local");
}
