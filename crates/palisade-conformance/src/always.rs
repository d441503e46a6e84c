//! What holds for every exchange, whatever its case says: response, body and audit event tell of the same one.

use serde_json::Value;

use crate::answer::{Answer, shown};
use crate::check::Observed;
use crate::http1::Response;

/// The differences between what was seen and what always holds; none is success.
///
/// An exchange without an audit event has not met the layer, and one with several is judged by its case alone.
pub(crate) fn check(seen: &Observed) -> Vec<String> {
    let (Answer::Response(response), [event]) = (&seen.answer, seen.events.as_slice()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if let Some(id) = event.get("request_id").and_then(Value::as_str) {
        request_id(id, response, &mut found);
    }
    if let Some(status) = event.get("status").and_then(Value::as_u64)
        && status != u64::from(response.status)
    {
        let sent = response.status;
        found.push(format!(
            "always: the audit says status {status}, sent was {sent}"
        ));
    }
    if event.get("decision").and_then(Value::as_str) == Some("refuse")
        && !lines(response, "cache-control").contains(&"no-store".to_owned())
    {
        found.push("always: a refusal says cache-control: no-store".to_owned());
    }
    for name in ["server", "x-powered-by"] {
        if !lines(response, name).is_empty() {
            found.push(format!("always: no response says {name}"));
        }
    }
    found
}

/// The name of the request is in the header once, and in the body of a problem.
fn request_id(audited: &str, response: &Response, found: &mut Vec<String>) {
    let named = lines(response, "x-request-id");
    if named != [audited] {
        found.push(format!(
            "always: the audit calls the request {audited}, x-request-id {named:?}"
        ));
    }
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let in_body = body.get("request_id").and_then(Value::as_str);
    if in_body.is_some_and(|id| id != audited) {
        found.push(format!(
            "always: the audit calls the request {audited}, the body {in_body:?}"
        ));
    }
}

fn lines(response: &Response, name: &str) -> Vec<String> {
    response.header(name).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn differences(headers: &[(&str, &str)], body: &str, event: Value) -> Vec<String> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        check(&Observed {
            answer: Answer::Response(Response {
                status: 401,
                headers: headers.collect(),
                body: body.into(),
            }),
            handlers: 0,
            events: vec![event],
            closed: None,
        })
    }

    #[test]
    fn a_refusal_that_holds_together() {
        let headers = [("X-Request-Id", "a1"), ("Cache-Control", "no-store")];
        let event = json!({ "request_id": "a1", "status": 401, "decision": "refuse" });
        assert_eq!(
            differences(&headers, r#"{"request_id":"a1"}"#, event),
            [""; 0]
        );
    }

    #[test]
    fn every_contradiction_is_said() {
        let headers = [
            ("X-Request-Id", "a1"),
            ("X-Request-Id", "a2"),
            ("Server", "x"),
        ];
        let event = json!({ "request_id": "a1", "status": 403, "decision": "refuse" });
        assert_eq!(
            differences(&headers, r#"{"request_id":"a3"}"#, event),
            [
                r#"always: the audit calls the request a1, x-request-id ["a1", "a2"]"#,
                r#"always: the audit calls the request a1, the body Some("a3")"#,
                "always: the audit says status 403, sent was 401",
                "always: a refusal says cache-control: no-store",
                "always: no response says server",
            ]
        );
    }
}
