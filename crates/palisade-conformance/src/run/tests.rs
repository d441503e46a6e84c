//! The runner against a tiny hand-written server, sound and broken in the ways that cases must find out.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use serde_json::json;

use super::*;
use crate::harness::{CaseInfo, Except, Fixture, Harness, Running};
use crate::report::{Equality, MatrixReport, Tally, Verdict, must_be_red};
use crate::suite::Suite;

/// What is wrong with a server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    DropsHeader,
    RunsHandlerFirst,
    AuditsTwice,
    AuditsTokens,
    DiesOnBadRequest,
    DoesNotStart,
}

struct Tiny {
    name: &'static str,
    flaw: Flaw,
}

impl Harness for Tiny {
    fn name(&self) -> &'static str {
        self.name
    }

    fn start(&self, fixture: &Fixture) -> Result<Running, String> {
        if self.flaw == Flaw::DoesNotStart {
            return Err("policy.toml:3: unknown key".to_owned());
        }
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, fixture, flaw) = (stop.clone(), fixture.clone(), self.flaw);
        let count = Arc::new(AtomicU64::new(0));
        let thread = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::SeqCst) || serve(stream, &fixture, flaw, &count).is_none()
                {
                    return;
                }
            }
        });
        Ok(Running::new(address, move || {
            stop.store(true, Ordering::SeqCst);
            let _ = TcpStream::connect(address);
            thread.join().unwrap();
        }))
    }
}

/// Serves one connection; `None` when the server dies of it.
fn serve(stream: TcpStream, fixture: &Fixture, flaw: Flaw, count: &AtomicU64) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let (mut lines, mut length, mut bearer) = (Vec::new(), 0, None);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                if !lines.is_empty() {
                    fixture.audit.push(json!({ "decision": "aborted" }));
                }
                return Some(());
            }
            let line = line.trim_end().to_owned();
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.parse().unwrap();
            }
            if let Some(value) = line.strip_prefix("Authorization: Bearer ") {
                bearer = Some(value.to_owned());
            }
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let target = lines[0].split(' ').nth(1).unwrap_or("/").to_owned();
        if target == "/parser" {
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                .unwrap();
            return if flaw == Flaw::DiesOnBadRequest {
                None
            } else {
                Some(())
            };
        }
        let admitted = bearer.is_some();
        let spent = target == "/limited" && count.fetch_add(1, Ordering::SeqCst) >= 2;
        if (admitted && !spent) || flaw == Flaw::RunsHandlerFirst {
            fixture.handled.mark();
        }
        let id = count.load(Ordering::SeqCst);
        let (status, extra, body) = match (admitted, spent) {
            (_, true) => (
                "429 Too Many Requests",
                "Retry-After: 30\r\n".to_owned(),
                format!(r#"{{"code":"quota_exceeded","request_id":"{id}"}}"#),
            ),
            (true, _) => (
                "200 OK",
                "X-Probe-Principal: alice\r\n".to_owned(),
                format!(
                    r#"{{"id":7,"now":{},"body":{:?}}}"#,
                    fixture.clock.unix_seconds(),
                    String::from_utf8_lossy(&body)
                ),
            ),
            (false, _) => (
                "401 Unauthorized",
                "WWW-Authenticate: Bearer\r\n".to_owned(),
                format!(r#"{{"code":"credentials_required","request_id":"{id}"}}"#),
            ),
        };
        let extra = if flaw == Flaw::DropsHeader {
            String::new()
        } else {
            extra
        };
        for _ in 0..if flaw == Flaw::AuditsTwice { 2 } else { 1 } {
            let decision = if admitted && !spent {
                "admit"
            } else {
                "refuse"
            };
            let reason = bearer.as_ref().filter(|_| flaw == Flaw::AuditsTokens);
            fixture.audit.push(json!({
                "decision": decision,
                "reason": reason,
                "principal": if admitted { "alice" } else { "" },
            }));
        }
        let _ = write!(
            stream,
            "HTTP/1.1 {status}\r\nCache-Control: no-store\r\n{extra}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
    }
}

const CASES: &str = r##"
about = "what the tiny server does"
guards = ["STANDARDS 1"]

[token.alice]
claims.sub = "alice"

[[case]]
name = "anonymous"
guards = ["PITFALLS 42"]
request = "GET /items HTTP/1.1"
status = 401
code = "credentials_required"
headers = { www-authenticate = "Bearer" }
audit = { decision = "refuse" }

[[case]]
name = "admitted"
request = """
POST /items HTTP/1.1
Authorization: Bearer {token:alice}
"""
body = "{host}"
status = 200
handler = true
principal = "alice"
json = { "/id" = 7, "/body" = "api.example" }
expect.body_lacks = "{token:alice}"

[[case]]
name = "parser"
request = "GET /parser HTTP/1.1"
parser = ["axum", "actix", "poem"]

[[case]]
name = "steps"
fresh = true
[[case.step]]
request = "GET /limited HTTP/1.1\nAuthorization: Bearer x"
repeat = 2
status = 200
[[case.step]]
request = "GET /limited HTTP/1.1\nAuthorization: Bearer x"
send.keep_alive = true
advance = "30s"
status = 429
code = "quota_exceeded"
headers = { retry-after = { matches = "#" } }
expect.closes = false

[[case]]
name = "saved"
[[case.step]]
request = "GET /a HTTP/1.1\nAuthorization: Bearer x"
status = 200
send.save = { id = "/id", who = "header:x-probe-principal" }
[[case.step]]
request = "POST /a HTTP/1.1\nAuthorization: Bearer x"
body = "{saved:id} {saved:who}"
status = 200
json = { "/body" = "7 alice" }

[[case]]
name = "each"
each = ["/a", { value = "/b", name = "second" }]
request = "GET {each} HTTP/1.1"
status = 401
code = "credentials_required"

[[case]]
name = "gone"
request = '''
POST /a HTTP/1.1
Content-Length: 5\
'''
send.raw = true
send.hang_up = true
audit = { decision = "aborted" }

[[case]]
name = "declared"
request = "GET /items HTTP/1.1"
status = 401
code = "credentials_required"
except = { poem = { reason = "answers otherwise", status = 401 }, actix = { reason = "has none" } }
"##;

fn suite(test: &str) -> Suite {
    let root: PathBuf =
        std::env::temp_dir().join(format!("palisade-runner-{}-{test}", std::process::id()));
    fs::create_dir_all(root.join("policies")).unwrap();
    fs::write(
        root.join("policies/standard.toml"),
        "[defaults]\nhost = 'api.example'\n[jwt.main]\nkey = 'file:{keys}/hs.secret'\n",
    )
    .unwrap();
    fs::write(root.join("tiny.toml"), CASES).unwrap();
    let suite = Suite::read(&root).unwrap();
    fs::remove_dir_all(&root).unwrap();
    suite
}

fn with(test: &str, flaw: Flaw, filter: Filter) -> MatrixReport {
    let sound = |name| Tiny {
        name,
        flaw: Flaw::None,
    };
    run(
        &suite(test),
        &[
            &sound("axum"),
            &Tiny {
                name: "actix",
                flaw,
            },
            &sound("poem"),
        ],
        &filter,
    )
    .unwrap()
}

#[test]
fn a_sound_server_is_green() {
    let report = with("sound", Flaw::None, Filter::default());
    assert!(report.is_green(), "{report}");
    // Nine cases on three frameworks, two of them declared, and six comparisons: parsers, and the client that hung up
    // and one framework alone have nothing to compare.
    assert_eq!(
        report.tally(),
        Tally {
            passed: 25 + 7,
            failed: 0
        },
        "{report}"
    );
    assert!(
        matches!(&report.rows[8].cells[1].verdict, Verdict::Declared(reason) if reason == "has none")
    );
    assert!(
        matches!(&report.rows[8].cells[2].verdict, Verdict::Declared(reason) if reason == "answers otherwise")
    );
    assert_eq!(report.rows[8].equality, Equality::NotCompared);
}

#[test]
fn every_flaw_is_found_out_by_the_case_made_for_it() {
    for (flaw, prefixes, mistake) in [
        (
            Flaw::DropsHeader,
            &["tiny: anonymous"][..],
            "header www-authenticate: expected",
        ),
        (
            Flaw::RunsHandlerFirst,
            &["tiny: anonymous", "tiny: each [second]"],
            "handler: must not run, did",
        ),
        (
            Flaw::AuditsTwice,
            &["tiny: anonymous", "tiny: admitted"],
            "audit: expected 1 events, got 2",
        ),
        (
            Flaw::AuditsTokens,
            &["tiny: admitted"],
            "audit: holds a credential that was sent",
        ),
        (
            Flaw::DiesOnBadRequest,
            &["tiny: parser"],
            "after the case the server did not serve GET /health",
        ),
        (
            Flaw::DoesNotStart,
            &["tiny: anonymous"],
            "the server did not start: policy.toml:3: unknown key",
        ),
    ] {
        let report = with(&format!("flaw-{}", flaw as u8), flaw, Filter::default());
        must_be_red(&report, prefixes).unwrap();
        assert!(report.to_string().contains(mistake), "{report}");
        let sound = report
            .rows
            .iter()
            .all(|row| !matches!(row.cells[0].verdict, Verdict::Fail(_)));
        assert!(sound, "only the flawed server fails: {report}");
    }
}

#[test]
fn a_different_answer_is_red_even_where_no_case_demands_it() {
    // No case asks for the challenge of this one, but the other two send it.
    let filter = Filter {
        text: Some("each [/a]".to_owned()),
        ..Filter::default()
    };
    let report = with("differ", Flaw::DropsHeader, filter);
    assert!(
        matches!(&report.rows[0].equality, Equality::Different(difference) if difference.contains("www-authenticate: Bearer")),
        "{report}"
    );
    assert_eq!(
        report.tally(),
        Tally {
            passed: 3,
            failed: 1
        }
    );
}

#[test]
fn filters_choose_cases_and_frameworks() {
    let filter = Filter {
        text: Some("PITFALLS 42".to_owned()),
        framework: Some("poem".to_owned()),
        ..Filter::default()
    };
    let report = with("filter", Flaw::DoesNotStart, filter);
    assert_eq!(
        (report.frameworks.as_slice(), report.rows.len()),
        (&["poem"][..], 1)
    );
    assert!(report.is_green(), "{report}");
}

/// The tiny server as another repository would have it, with differences of its own.
struct Foreign;

impl Harness for Foreign {
    fn name(&self) -> &'static str {
        "foreign"
    }

    fn start(&self, fixture: &Fixture) -> Result<Running, String> {
        let tiny = Tiny {
            name: self.name(),
            flaw: Flaw::None,
        };
        tiny.start(fixture)
    }

    fn parsers(&self) -> Vec<&'static str> {
        vec!["axum"]
    }

    fn except(&self, case: &CaseInfo<'_>) -> Option<Except> {
        assert_eq!(
            (case.file, case.app, case.http2),
            ("tiny", App::Probe, false)
        );
        match case.name {
            "anonymous" => Some(Except::not_run("is not served")),
            "admitted" => Some(Except::status(200, "answers so")),
            "saved" => Some(Except::status(418, "does not answer so")),
            _ => case.except_of("actix"),
        }
    }
}

#[test]
fn a_framework_of_another_repository_declares_its_own_differences() {
    let report = run(&suite("foreign"), &[&Foreign], &Filter::default()).unwrap();
    let verdict = |name: &str| {
        let row = report.rows.iter().find(|row| row.name == name).unwrap();
        &row.cells[0].verdict
    };
    for (name, reason) in [
        ("anonymous", "is not served"),
        ("admitted", "answers so"),
        ("declared", "has none"),
    ] {
        assert_eq!(*verdict(name), Verdict::Declared(reason.to_owned()));
    }
    assert_eq!(report.declared(), 3, "{report}");
    assert_eq!(*verdict("parser"), Verdict::Pass);
    let saved = verdict("saved");
    assert!(
        matches!(saved, Verdict::Fail(why) if why[0].starts_with("status: 418 was declared")),
        "{saved:?}"
    );
}
