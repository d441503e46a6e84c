//! What each of the three server programs promises from outside: first line, curl lines, exit
//! codes, signals. Each example includes this file beside a constant `SERVER`: its own program.

mod process;
mod reload;

use process::{Server, finished, run_curl, run_curl_for_text, scratch};
use std::{
    fs,
    net::{TcpListener, TcpStream},
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
