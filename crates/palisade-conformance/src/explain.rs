//! What `Palisade::explain` says of the requests that a server under test answered: it must be what the server did.
//!
//! Beside the server stands a [`Twin`]: the same policy, compiled once more, with the same clock and the same services
//! beside it. It is shown the head of each request, as the server's parser would show it, and its explanation is
//! compared with the server's audit event. A refusal is made once more without a framework ([`Bare`]) and compared byte
//! for byte with the server's.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::TRANSFER_ENCODING;
use palisade_core::{Ending, Explanation, Palisade};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::bare::Bare;
use crate::beside::Beside;
use crate::client::Request;
use crate::harness::{App, AuditLog, Fixture};
use crate::head::Head;
use crate::http1::{self, Progress, Reading};
use crate::model::Explained;
use crate::normal::normalise;
use crate::report::first_difference;

/// What guards, extractors, the body and handlers may refuse with after the layer has admitted; all else is the
/// layer's word.
const AFTER_THE_LAYER: [&str; 15] = [
    "credentials_required",
    "insufficient_scope",
    "forbidden",
    "client_certificate_required",
    "malformed_body",
    "body_too_deep",
    "validation_failed",
    "unsupported_media_type",
    "unsupported_encoding",
    "content_too_large",
    "body_timeout",
    "body_timeout",
    "internal_error",
    "not_found",
    "conflict",
];

/// The same policy as that of a server, to be asked what it would do.
pub(crate) struct Twin {
    palisade: Palisade,
    bare: Bare,
    peer: Option<SocketAddr>,
    /// The audit shows pseudonyms; an explanation, which is for those who hold the policy, does not.
    pseudonyms: bool,
    runtime: Runtime,
}

impl Twin {
    /// Compiles the policy of `fixture` once more.
    pub(crate) fn of(fixture: &Fixture) -> Result<Self, String> {
        let fixture = Fixture {
            audit: Arc::new(AuditLog::default()),
            ..fixture.clone()
        };
        let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Self {
            palisade: fixture.palisade()?,
            bare: Bare::of(&fixture)?,
            peer: (fixture.app != App::Peerless).then_some(peer),
            pseudonyms: fixture.policy_toml.contains("principal = \"hash\""),
            runtime: runtime.map_err(|why| why.to_string())?,
        })
    }

    /// Compares what would happen to `request` with the `event` of what did, and with the normalised `answer`, which is
    /// empty if there was none.
    ///
    /// # Errors
    /// The differences.
    pub(crate) fn compare(
        &self,
        request: &Request,
        written: (&str, bool),
        event: &Value,
        (beside, answer): (&Beside, &[u8]),
    ) -> Result<Explained, Vec<String>> {
        let head = Head::of(request, written, self.peer);
        let head = head.map_err(|why| vec![format!("explain: {why}")])?;
        let explanation = self.runtime.block_on(self.palisade.explain(&head));
        let mut explained = self.compare_with(&explanation, event)?;
        let body = body(request, &head.request);
        let bare = self.bare.answer(&head, body.as_deref(), event);
        let bare = self.runtime.block_on(bare);
        match bare.map(|response| beside.normalise(normalise(&response))) {
            _ if answer.is_empty() => {}
            Some(bare) if bare == answer => explained.answered_by_core = 1,
            Some(bare) => {
                let (core, server) = first_difference(&bare, answer);
                return Err(vec![format!("core alone: {core}\nthe server: {server}")]);
            }
            None if event.get("decision").is_some_and(|it| it == "refuse") => {
                explained.refused_by_the_application = 1;
            }
            None => {}
        }
        Ok(explained)
    }

    /// How they agree, or what they say differently.
    fn compare_with(
        &self,
        explanation: &Explanation,
        event: &Value,
    ) -> Result<Explained, Vec<String>> {
        let said = |name: &str| event.get(name).and_then(Value::as_str);
        let mut different = Vec::new();
        let mut same = |what: &str, explained: Option<&str>, audited: Option<&str>| {
            if explained != audited {
                different.push(format!(
                    "explain: {what} {explained:?}, the server had {audited:?}"
                ));
            }
        };
        same("rule", explanation.rule.as_deref(), said("rule"));
        same("scheme", explanation.scheme.as_deref(), said("scheme"));
        let caller = explanation.principal.as_ref();
        let subject = caller.map(|caller| caller.subject.as_str());
        if self.pseudonyms {
            let nobody = |name: Option<&str>| name.map(|_| "somebody");
            same("principal", nobody(subject), nobody(said("principal")));
        } else {
            same("principal", subject, said("principal"));
        }
        let mut explained = Explained::default();
        match (explanation.ending, said("decision")) {
            (_, Some("aborted")) => explained.aborted = 1,
            // An endpoint is named, and not asked what it would answer.
            (Ending::Answer(_), Some("refuse")) if explanation.status.is_none() => {
                explained.refused_later = 1;
            }
            (Ending::Admit, Some("refuse")) => {
                let code = said("code").unwrap_or_default();
                // A guard may need a claim that the rule did not, and that nobody can read.
                let unread = caller.is_some_and(|caller| !caller.claims_passed_over.is_empty());
                let claim_type = unread && said("reason") == Some("claim_type");
                let later = AFTER_THE_LAYER.contains(&code) || claim_type;
                same("code", None, said("code").filter(|_| !later));
                explained.refused_later = 1;
            }
            (ending, decision) => {
                // The audit counts a preflight as admitted.
                let refuses = ending == Ending::Refuse;
                same(
                    "decision",
                    Some(if refuses { "refuse" } else { "admit" }),
                    decision,
                );
                same("code", explanation.code, said("code"));
                same("reason", explanation.cause.as_deref(), said("reason"));
                same("missing", explanation.missing.as_deref(), said("missing"));
                // Of an admitted request the handler decides the status.
                if let Some(status) = explanation.status {
                    let audited = event.get("status").map(Value::to_string);
                    same("status", Some(&status.to_string()), audited.as_deref());
                }
                explained.decided = 1;
            }
        }
        if different.is_empty() {
            Ok(explained)
        } else {
            Err(different)
        }
    }
}

/// The whole body as a server reads it; none if it breaks off.
fn body(request: &Request, head: &http::Request<()>) -> Option<Vec<u8>> {
    if !head.headers().contains_key(TRANSFER_ENCODING) {
        return Some(request.body.clone());
    }
    // Chunks are the same in a response.
    let start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".as_slice();
    match http1::parse(&[start, &request.body].concat(), Reading::default()) {
        Progress::Complete(response, _) => Some(response.body),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use palisade_core::MemoryRevocations;
    use serde_json::json;

    use super::*;
    use crate::harness::{Handled, ManualClock};

    fn compare(request: &str, event: Value) -> Result<Explained, Vec<String>> {
        let fixture = Fixture {
            app: App::Probe,
            policy_toml: "[[rule]]\npath = '/a'\nrequire = 'public'".to_owned(),
            clock: Arc::new(ManualClock::default()),
            revocations: Arc::new(MemoryRevocations::new().unwrap()),
            audit: Arc::new(AuditLog::default()),
            handled: Arc::new(Handled::default()),
        };
        let request = Request {
            head: format!("{request}\r\nHost: localhost\r\n\r\n").into_bytes(),
            ..Request::default()
        };
        let twin = Twin::of(&fixture).unwrap();
        twin.compare(
            &request,
            ("localhost", false),
            &event,
            (&Beside::default(), b""),
        )
    }

    #[test]
    fn what_the_server_did_is_what_is_explained() {
        let admitted = json!({ "decision": "admit", "rule": "/a", "status": 418 });
        assert_eq!(compare("GET /a#b HTTP/1.1", admitted).unwrap().decided, 1);
        let guarded = json!({ "decision": "refuse", "rule": "/a", "code": "forbidden" });
        assert_eq!(
            compare("GET /a HTTP/1.1", guarded).unwrap().refused_later,
            1
        );
        let refused = json!({ "decision": "refuse", "status": 404, "code": "not_found", "reason": "path_not_listed" });
        assert_eq!(compare("GET /b HTTP/1.1", refused).unwrap().decided, 1);
    }

    #[test]
    fn every_difference_is_said() {
        let event =
            json!({ "decision": "admit", "rule": "/b", "scheme": "x", "principal": "alice" });
        let different = compare("GET /b HTTP/1.1", event).unwrap_err();
        assert_eq!(
            different,
            [
                r#"explain: rule None, the server had Some("/b")"#,
                r#"explain: scheme None, the server had Some("x")"#,
                r#"explain: principal None, the server had Some("alice")"#,
                r#"explain: decision Some("refuse"), the server had Some("admit")"#,
                r#"explain: code Some("not_found"), the server had None"#,
                r#"explain: reason Some("path_not_listed"), the server had None"#,
                r#"explain: status Some("404"), the server had None"#,
            ]
        );
    }

    #[test]
    fn a_refusal_by_the_layer_is_never_taken_for_one_behind_it() {
        let event = json!({ "decision": "refuse", "rule": "/a", "code": "quota_exceeded" });
        let different = compare("GET /a HTTP/1.1", event).unwrap_err();
        assert_eq!(
            different,
            [r#"explain: code None, the server had Some("quota_exceeded")"#]
        );
    }
}
