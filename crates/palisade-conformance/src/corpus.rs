//! Cases made of data. The path corpus: for each path, the rule that core applied, which the audit names, must be the
//! route that ran, which the body names. And the fields in which only a proxy may speak: no handler sees any of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use palisade_core::firewall::CLAIMS;
use serde::Deserialize;
use serde_json::json;
use toml::Spanned;

use crate::model::{
    App, Case, Defaults, Except, Expectation, File, Guard, Mistake, OneOrMany, Sending, Step,
};

const AS_SENT: &str =
    "its router compares literals as they are sent, so an encoded one finds no route";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Corpus {
    routes: Vec<Route>,
    paths: Vec<Spanned<Row>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    template: String,
    #[serde(default)]
    allow_encoded: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Row {
    request: String,
    pad: usize,
    template: Option<String>,
    refused: Option<String>,
    unlisted: bool,
    left: Option<String>,
    parser: bool,
    as_sent: bool,
}

/// Reads the corpus at `path`.
///
/// # Errors
/// The file cannot be read, or is no corpus.
pub(crate) fn read(path: &Path) -> Result<File, Mistake> {
    let text = fs::read_to_string(path).map_err(|error| Mistake::unreadable(path, &error))?;
    let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    let mistake = |error: toml::de::Error| Mistake {
        file: path.display().to_string(),
        line: line(error.span().unwrap_or_default().start),
        message: error.message().to_owned(),
    };
    let Corpus { routes, paths } = toml::from_str(&text).map_err(mistake)?;
    Ok(File {
        name: "corpus/paths".to_owned(),
        about: "The rule that was applied is the route that ran".to_owned(),
        app: App::Probe,
        policy: policy(&routes),
        defaults: Defaults::default(),
        http2: false,
        tokens: BTreeMap::new(),
        cases: paths
            .into_iter()
            .map(|row| (line(row.span().start), row.into_inner()))
            .map(|(line, row)| row.case(line))
            .collect(),
    })
}

/// One case for each field of [`CLAIMS`], in three spellings.
pub(crate) fn claims() -> File {
    File {
        name: "corpus/claims".to_owned(),
        about: "No handler sees what only a trusted proxy may say".to_owned(),
        app: App::Probe,
        policy: policy(&[Route {
            template: "/echo".to_owned(),
            allow_encoded: Vec::new(),
        }]),
        defaults: Defaults::default(),
        http2: false,
        tokens: BTreeMap::new(),
        cases: CLAIMS.iter().map(|(name, _)| claim(name)).collect(),
    }
}

fn claim(name: &str) -> Case {
    let plain = name.replace('*', "planted");
    let folded = plain.replace('-', "_");
    let send = sending(format!(
        "GET /echo HTTP/1.1\n{plain}: planted\nAccept: kept\n{}: planted\n{folded}: planted",
        plain.to_ascii_uppercase(),
    ));
    let expect = Expectation {
        status: Some(200),
        handler: Some(true),
        body_contains: OneOrMany(vec!["kept".to_owned()]),
        body_lacks: OneOrMany(vec!["planted".to_owned()]),
        audit: Some(json!({ "client": "127.0.0.1", "peer": "127.0.0.1" })),
        ..Expectation::default()
    };
    Case {
        name: name.to_owned(),
        line: 1,
        guards: vec![guard("STANDARDS", 2), guard("PITFALLS", 20)],
        parser: Vec::new(),
        except: BTreeMap::new(),
        fresh: false,
        policy_add: String::new(),
        each: None,
        steps: vec![Step { send, expect }],
    }
}

fn sending(request: String) -> Sending {
    Sending {
        request: Some(request),
        ..Sending::default()
    }
}

/// One public rule for each route.
fn policy(routes: &[Route]) -> String {
    let mut policy = "version = 1\n[host]\nallowed = [\"localhost\"]\n".to_owned();
    for Route {
        template,
        allow_encoded,
    } in routes
    {
        // `{:?}` of texts without control characters is TOML.
        policy.push_str(&format!(
            "[[rule]]\npath = {template:?}\nmethods = [\"GET\"]\nrequire = \"public\"\nallow_encoded = {allow_encoded:?}\n"
        ));
    }
    policy
}

impl Row {
    fn case(self, line: usize) -> Case {
        let target = self.request.replace('\\', r"\\") + &"a".repeat(self.pad);
        let send = sending(format!("GET {target} HTTP/1.1"));
        let mut expect = Expectation::default();
        if let Some(template) = self.template.as_ref().or(self.left.as_ref()) {
            expect.status = Some(200);
            expect.body_is = Some(json!({ "route": template }).to_string());
            expect.handler = Some(true);
            expect.audit = Some(json!({ "rule": template, "decision": "admit" }));
        } else if let Some(reason) = &self.refused {
            if reason.ends_with("_too_long") {
                expect.status = Some(414);
                expect.code = Some("uri_too_long".to_owned());
            } else {
                expect.status = Some(400);
                expect.code = Some("request_rejected".to_owned());
                expect.audit = Some(json!({ "reason": reason }));
            }
        } else if self.unlisted {
            expect.status = Some(404);
            expect.code = Some("not_found".to_owned());
            expect.audit = Some(json!({ "rule": "!absent" }));
        }
        Case {
            name: match self.pad {
                0 => self.request.clone(),
                pad => format!("{} and {pad} more", self.request),
            },
            line,
            guards: vec![
                guard("INVARIANT", 4),
                guard("PITFALLS", 7),
                guard("PITFALLS", 8),
                guard("STANDARDS", 2),
            ],
            parser: match self.parser {
                true => ["axum", "actix", "poem"].map(str::to_owned).into(),
                false => Vec::new(),
            },
            except: self.except(),
            fresh: false,
            policy_add: String::new(),
            each: None,
            steps: vec![Step { send, expect }],
        }
    }

    fn except(&self) -> BTreeMap<String, Except> {
        let frameworks: &[&str] = if self.as_sent { &["axum", "poem"] } else { &[] };
        let except = |name: &&str| {
            let reason = AS_SENT.to_owned();
            let status = Some(404);
            ((*name).to_owned(), Except { reason, status })
        };
        frameworks.iter().map(except).collect()
    }
}

fn guard(list: &str, number: u16) -> Guard {
    let list = list.to_owned();
    Guard { list, number }
}
