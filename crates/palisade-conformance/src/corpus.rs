//! The path corpus, as cases: a file of paths, and what becomes of each.
//!
//! The form of the file is described at its top. Each path is one case, which demands that the rule core applied is the
//! rule of the route that ran, and that neither exists for a path that is refused.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::json;
use toml::Spanned;

use crate::case::{CaseText, Except, Guard, OneOrMany};
use crate::harness::App;
use crate::suite::{Case, Defaults, File, Mistake};

/// The frameworks whose routers compare paths as they were sent.
const AS_SENT: [&str; 2] = ["axum", "poem"];
/// The frameworks whose HTTP parser drops a fragment.
const DROPS_FRAGMENT: [&str; 2] = ["axum", "poem"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Corpus {
    routes: Vec<Route>,
    paths: Vec<Spanned<Entry>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    template: String,
    #[serde(default)]
    allow_encoded: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Entry {
    request: String,
    pad: usize,
    template: Option<String>,
    refused: Option<String>,
    unlisted: bool,
    as_sent: bool,
    parser: Vec<String>,
}

/// Reads the corpus in `path`.
///
/// # Errors
/// What is wrong with the file, and where.
pub(crate) fn read(path: &Path) -> Result<File, Vec<Mistake>> {
    let source =
        fs::read_to_string(path).map_err(|error| vec![Mistake::unreadable(path, &error)])?;
    let line = |at: usize| {
        source
            .bytes()
            .take(at)
            .filter(|byte| *byte == b'\n')
            .count()
            + 1
    };
    let mistake = |at: usize, message: String| Mistake {
        file: path.display().to_string(),
        line: line(at),
        message,
    };
    let corpus: Corpus = toml::from_str(&source).map_err(|error| {
        let at = error.span().unwrap_or_default().start;
        vec![mistake(at, error.message().to_owned())]
    })?;
    let (mut cases, mut mistakes) = (Vec::new(), Vec::new());
    for entry in &corpus.paths {
        let at = entry.span().start;
        match entry.get_ref().case(line(at)) {
            Ok(case) => cases.push(case),
            Err(message) => mistakes.push(mistake(at, message)),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    Ok(File {
        name: "head/path corpus".to_owned(),
        about: "The rule core applied is the rule of the route that ran".to_owned(),
        app: App::Probe,
        policy: policy(&corpus.routes),
        defaults: Defaults::default(),
        http2: false,
        tokens: BTreeMap::new(),
        cases,
    })
}

/// One public rule for each route.
fn policy(routes: &[Route]) -> String {
    let mut policy = "[host]\nallowed = [\"localhost\"]\n".to_owned();
    for Route {
        template,
        allow_encoded,
    } in routes
    {
        // Writing to a String cannot fail.
        let _ = write!(
            policy,
            "[[rule]]\npath = {template:?}\nmethods = [\"GET\"]\nrequire = \"public\"\nallow_encoded = {allow_encoded:?}\n"
        );
    }
    policy
}

impl Entry {
    fn case(&self, line: usize) -> Result<Case, String> {
        let mut step = CaseText {
            request: Some(format!(
                "GET {}{} HTTP/1.1",
                escape(&self.request),
                "a".repeat(self.pad)
            )),
            ..CaseText::default()
        };
        match (&self.template, &self.refused, self.unlisted) {
            (Some(template), None, false) => {
                step.status = Some(200);
                step.handler = Some(true);
                step.body_contains = OneOrMany(vec![format!("\"{template}\"")]);
                step.audit = Some(json!({ "decision": "admit", "rule": template }));
            }
            (None, Some(reason), false) => {
                let long = reason.ends_with("_too_long");
                let (status, code) = if long {
                    (414, "uri_too_long")
                } else {
                    (400, "request_rejected")
                };
                step.status = Some(status);
                step.code = Some(code.to_owned());
                step.audit = Some(json!({ "decision": "refuse", "reason": reason }));
            }
            (None, None, true) => {
                step.status = Some(404);
                step.code = Some("not_found".to_owned());
                step.audit = Some(json!({ "decision": "refuse", "rule": "!absent" }));
            }
            _ => return Err("needs one of `template`, `refused` and `unlisted`".to_owned()),
        }
        let mut name = format!("GET {}", self.request.escape_debug());
        if self.pad > 0 {
            let _ = write!(name, " and {} times a", self.pad);
        }
        Ok(Case {
            name,
            line,
            guards: ["PITFALLS 7", "PITFALLS 8", "STANDARDS 2"]
                .into_iter()
                .filter_map(Guard::parse)
                .collect(),
            parser: self.parser.clone(),
            except: self.except(),
            fresh: false,
            policy_add: String::new(),
            each: None,
            steps: vec![step],
        })
    }

    fn except(&self) -> BTreeMap<String, Except> {
        let declared = |frameworks: [&str; 2], reason: &str, status| {
            frameworks.map(|name| {
                let reason = reason.to_owned();
                (
                    name.to_owned(),
                    Except {
                        reason,
                        status: Some(status),
                    },
                )
            })
        };
        if self.as_sent {
            BTreeMap::from(declared(
                AS_SENT,
                "the router compares paths as they were sent, and finds no route",
                404,
            ))
        } else if self.refused.as_deref() == Some("fragment") {
            BTreeMap::from(declared(
                DROPS_FRAGMENT,
                "hyper drops a fragment, so that rule and route are those of what is left",
                200,
            ))
        } else {
            BTreeMap::new()
        }
    }
}

/// The text of a request, in which other bytes than printable ASCII are written as `\xNN`.
fn escape(target: &str) -> String {
    target.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::command::corpus;

    #[test]
    fn the_corpus_can_be_read_and_every_path_is_there_once() {
        let file = read(&corpus()).unwrap();
        let names: BTreeSet<_> = file.cases.iter().map(|case| &case.name).collect();
        assert_eq!(names.len(), file.cases.len());
        assert!(names.len() > 200);
        assert!(file.policy.contains("path = \"/files/{*path}\""));
    }

    #[test]
    fn requests_are_written_in_ascii() {
        assert_eq!(escape("/a\\ü\t{id}"), "/a\\\\\\xc3\\xbc\\x09{id}");
    }
}
