//! Compares what came back with what a case demands, and says every difference.

use serde_json::Value;

use crate::answer::{Answer, shown};
use crate::http1::Response;
use crate::model::{ABSENT, Expectation, OneOrMany, PRINCIPAL_ECHO, Pattern};
use crate::text::{Macros, matches};

/// All that is known about one exchange.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) answer: Answer,
    /// Handlers that ran meanwhile.
    pub(crate) handlers: u64,
    /// Audit events written meanwhile.
    pub(crate) events: Vec<Value>,
    /// Whether the server closed the connection; only known when the case asks.
    pub(crate) closed: Option<bool>,
}

/// The differences between `expected` and `seen`; none is success.
pub(crate) fn check(expected: &Expectation, seen: &Observed, macros: &Macros<'_>) -> Vec<String> {
    let mut found = Differences {
        macros,
        list: Vec::new(),
    };
    if let Answer::Response(response) = &seen.answer {
        found.response(expected, response);
    } else if seen.answer != Answer::HungUp {
        found.add(format!("a response was expected, but {}", seen.answer));
    }
    found.effects(expected, seen);
    found.list
}

struct Differences<'a> {
    macros: &'a Macros<'a>,
    list: Vec<String>,
}

impl Differences<'_> {
    fn add(&mut self, difference: String) {
        self.list.push(difference);
    }

    fn expand(&mut self, text: &str) -> String {
        self.macros.expand(text).unwrap_or_else(|message| {
            self.add(message);
            text.to_owned()
        })
    }

    fn response(&mut self, expected: &Expectation, response: &Response) {
        if let Some(status) = expected.status.filter(|status| *status != response.status) {
            self.add(format!(
                "status: expected {status}, got {}",
                response.status
            ));
        }
        for (name, OneOrMany(lines)) in &expected.headers {
            self.header(name, lines, response);
        }
        for name in expected
            .present
            .iter()
            .filter(|name| response.header(name).next().is_none())
        {
            self.add(format!("header {name}: expected, but it is absent"));
        }
        for name in &expected.absent {
            if let Some(value) = response.header(name).next() {
                self.add(format!(
                    "header {name}: must be absent, got {}",
                    shown(value)
                ));
            }
        }
        self.body(expected, &response.body);
    }

    fn header(&mut self, name: &str, lines: &[Pattern], response: &Response) {
        let got: Vec<_> = response.header(name).map(shown).collect();
        let lines: Vec<_> = lines
            .iter()
            .map(|line| match line {
                Pattern::Exact(text) => Pattern::Exact(self.expand(text)),
                Pattern::Form(form) => Pattern::Form(self.expand(form)),
            })
            .collect();
        let same = |(pattern, line): (&Pattern, &String)| match pattern {
            Pattern::Exact(text) => text == line,
            Pattern::Form(form) => matches(form, line),
        };
        if lines.len() != got.len() || !lines.iter().zip(&got).all(same) {
            let lines = lines.iter().map(|line| match line {
                Pattern::Exact(text) => text.clone(),
                Pattern::Form(form) => format!("{form}   (form)"),
            });
            let list = |lines: Vec<String>| {
                if lines.is_empty() {
                    "\n      (no line)".to_owned()
                } else {
                    lines.iter().map(|line| format!("\n      {line}")).collect()
                }
            };
            self.add(format!(
                "header {name}: expected{}\n    got{}",
                list(lines.collect()),
                list(got)
            ));
        }
    }

    fn body(&mut self, expected: &Expectation, body: &[u8]) {
        let text = shown(body);
        if let Some(exact) = &expected.body_is {
            let exact = self.expand(exact);
            if exact.as_bytes() != body {
                self.add(format!(
                    "body: expected\n      {exact}\n    got\n      {text}"
                ));
            }
        }
        for part in &expected.body_contains.0 {
            let part = self.expand(part);
            if !text.contains(&part) {
                self.add(format!(
                    "body: expected to contain\n      {part}\n    got\n      {text}"
                ));
            }
        }
        // Random digits, which may spell anything now and then.
        let id = serde_json::from_slice::<Value>(body)
            .ok()
            .and_then(|json| Some(json.get("request_id")?.as_str()?.to_owned()));
        let said = id.map_or_else(|| text.clone(), |id| text.replace(&id, ""));
        for part in &expected.body_lacks.0 {
            let part = self.expand(part);
            if said.contains(&part) {
                self.add(format!(
                    "body: must not contain\n      {part}\n    got\n      {text}"
                ));
            }
        }
        if expected.code.is_none() && expected.json.is_empty() {
            return;
        }
        let Ok(json) = serde_json::from_slice::<Value>(body) else {
            return self.add(format!("body: expected JSON, got\n      {text}"));
        };
        if let Some(code) = &expected.code {
            self.json(&json, "/code", &Value::from(code.as_str()));
        }
        for (pointer, value) in &expected.json {
            self.json(&json, pointer, value);
        }
    }

    /// A pointer (RFC 6901), or a pointer and `/#` for the number of members there.
    fn json(&mut self, json: &Value, pointer: &str, expected: &Value) {
        let got = match pointer.strip_suffix("/#") {
            Some(pointer) => json
                .pointer(pointer)
                .and_then(|value| Some(value.as_array()?.len().into())),
            None => json.pointer(pointer).cloned(),
        };
        let form = expected.get("matches").and_then(Value::as_str);
        let same = match (&got, expected) {
            (None, Value::String(text)) if text == ABSENT => true,
            (Some(Value::String(got)), _) if form.is_some() => {
                matches(&self.expand(form.unwrap_or_default()), got)
            }
            (Some(Value::String(got)), Value::String(text)) => *got == self.expand(text),
            (Some(got), expected) => got == expected,
            (None, _) => false,
        };
        if !same {
            let got = got.map_or_else(|| "nothing".to_owned(), |got| got.to_string());
            self.add(format!("body {pointer}: expected {expected}, got {got}"));
        }
    }

    fn effects(&mut self, expected: &Expectation, seen: &Observed) {
        // A refusal made by the layer means that no handler ran, unless the case knows better.
        let handler = expected
            .handler
            .or(expected.code.is_some().then_some(false));
        match (handler, seen.handlers) {
            (Some(true), 0) => self.add("handler: must run, did not".to_owned()),
            (Some(true), 2..) => self.add(format!(
                "handler: must run once, ran {} times",
                seen.handlers
            )),
            (Some(false), 1..) => self.add("handler: must not run, did".to_owned()),
            _ => {}
        }
        if let Some(closes) = expected.closes
            && seen.closed != Some(closes)
        {
            self.add(
                if closes {
                    "connection: must be closed, stayed open"
                } else {
                    "connection: must stay open, was closed"
                }
                .to_owned(),
            );
        }
        let wanted = expected.events.unwrap_or(1);
        if seen.events.len() != wanted {
            let events: String = seen
                .events
                .iter()
                .map(|event| format!("\n      {event}"))
                .collect();
            self.add(format!(
                "audit: expected {wanted} events, got {}{events}",
                seen.events.len()
            ));
        }
        let event = seen.events.first().unwrap_or(&Value::Null);
        if let Some(audit) = &expected.audit {
            self.subset("audit", audit, event);
        }
        if let Some(principal) = &expected.principal {
            self.principal(principal, event, &seen.answer);
        }
    }

    /// What the handler saw and what the audit says must both be `expected`; an empty one is nobody.
    fn principal(&mut self, expected: &str, event: &Value, answer: &Answer) {
        let audited = event
            .get("principal")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if audited != expected {
            self.add(format!(
                "principal: expected `{expected}` in the audit event, got `{audited}`"
            ));
        }
        let echo = if let Answer::Response(response) = answer {
            response.header(PRINCIPAL_ECHO).next()
        } else {
            None
        };
        if let Some(echo) = echo.map(shown).filter(|echo| echo != expected) {
            self.add(format!(
                "principal: the handler was to see `{expected}`, saw `{echo}`"
            ));
        }
    }

    /// Every member of `expected` must be in `got`; `"!absent"` must not be, or be null.
    fn subset(&mut self, path: &str, expected: &Value, got: &Value) {
        match expected {
            Value::Object(members) if members.len() == 1 && members.contains_key("matches") => {
                let form = self.expand(
                    members
                        .get("matches")
                        .and_then(Value::as_str)
                        .unwrap_or_default(),
                );
                if !got.as_str().is_some_and(|got| matches(&form, got)) {
                    self.add(format!("{path}: expected the form `{form}`, got {got}"));
                }
            }
            Value::Object(members) => {
                for (name, value) in members {
                    self.subset(
                        &format!("{path} /{name}"),
                        value,
                        got.get(name).unwrap_or(&Value::Null),
                    );
                }
            }
            Value::String(text) if text == ABSENT => {
                if !got.is_null() {
                    self.add(format!("{path}: must be absent, got {got}"));
                }
            }
            Value::String(text) => {
                let text = self.expand(text);
                if got.as_str() != Some(&text) {
                    self.add(format!("{path}: expected \"{text}\", got {got}"));
                }
            }
            _ => {
                if expected != got {
                    self.add(format!("{path}: expected {expected}, got {got}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::beside::Beside;

    fn differences(
        toml: &str,
        headers: &[(&str, &str)],
        body: &str,
        handlers: u64,
        events: &[Value],
    ) -> Vec<String> {
        let token = |_: &str| Ok("secret".to_owned());
        let macros = Macros {
            host: "api.example",
            address: "",
            now: 0,
            each: None,
            saved: &BTreeMap::new(),
            token: &token,
            beside: &Beside::default(),
        };
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        let answer = Answer::Response(Response {
            status: 401,
            headers,
            body: body.as_bytes().to_vec(),
        });
        check(
            &toml::from_str(toml).unwrap(),
            &Observed {
                answer,
                handlers,
                events: events.to_vec(),
                closed: None,
            },
            &macros,
        )
    }

    fn refused(toml: &str) -> Vec<String> {
        let headers = [
            ("WWW-Authenticate", "Bearer"),
            ("www-authenticate", "ApiKey"),
            ("RateLimit", "\"a\";r=5;t=30"),
        ];
        let body = r##"{"code":"invalid_token","errors":[{"pointer":"#/a"}],"n":1}"##;
        let event = json!({ "decision": "refuse", "code": "invalid_token", "principal": null, "enforced": true });
        differences(toml, &headers, body, 0, &[event])
    }

    #[test]
    fn a_case_that_is_met_has_no_differences() {
        let met = r##"
            status = 401
            code = "invalid_token"
            headers = { www-authenticate = ["Bearer", "ApiKey"], ratelimit = { matches = '"a";r=#;t=#' } }
            present = ["ratelimit"]
            absent = ["set-cookie"]
            body_contains = ["invalid", "token"]
            body_lacks = "{token:alice}"
            json = { "/errors/0/pointer" = "#/a", "/errors/#" = 1, "/n" = 1, "/x" = "!absent", "/code" = { matches = "inv*" } }
            audit = { decision = "refuse", enforced = true, actor = "!absent", code = { matches = "*token" } }
            principal = ""
        "##;
        assert_eq!(refused(met), [""; 0]);
    }

    #[test]
    fn every_difference_is_said() {
        let wrong = r#"
            status = 403
            headers = { www-authenticate = "Bearer" }
            present = ["etag"]
            absent = ["ratelimit"]
            body_contains = "nothing"
            json = { "/code" = "x", "/y" = 1 }
            handler = true
            audit = { decision = "admit" }
            principal = "alice"
        "#;
        assert_eq!(
            refused(wrong),
            [
                "status: expected 403, got 401",
                "header www-authenticate: expected\n      Bearer\n    got\n      Bearer\n      ApiKey",
                "header etag: expected, but it is absent",
                "header ratelimit: must be absent, got \"a\";r=5;t=30",
                "body: expected to contain\n      nothing\n    got\n      {\"code\":\"invalid_token\",\"errors\":[{\"pointer\":\"#/a\"}],\"n\":1}",
                "body /code: expected \"x\", got \"invalid_token\"",
                "body /y: expected 1, got nothing",
                "handler: must run, did not",
                "audit /decision: expected \"admit\", got \"refuse\"",
                "principal: expected `alice` in the audit event, got ``",
            ]
        );
    }

    #[test]
    fn a_refusal_means_that_no_handler_ran_and_one_event_was_written() {
        let body = r#"{"code":"x"}"#;
        assert_eq!(
            differences("status = 401\ncode = 'x'", &[], body, 1, &[json!({})]),
            ["handler: must not run, did"]
        );
        assert_eq!(
            differences(
                "status = 401\ncode = 'x'\nhandler = true",
                &[],
                body,
                1,
                &[json!({})]
            ),
            [""; 0]
        );
        assert_eq!(
            differences("status = 401", &[], body, 0, &[]),
            ["audit: expected 1 events, got 0"]
        );
        assert_eq!(
            differences("status = 401\nevents = 0", &[], body, 0, &[]),
            [""; 0]
        );
    }

    #[test]
    fn the_handler_and_the_audit_must_see_the_same_principal() {
        let event = json!({ "principal": "alice" });
        let wrong = differences(
            "status = 401\nprincipal = 'alice'",
            &[("X-Probe-Principal", "mallory")],
            "",
            1,
            &[event],
        );
        assert_eq!(
            wrong,
            ["principal: the handler was to see `alice`, saw `mallory`"]
        );
    }
}
