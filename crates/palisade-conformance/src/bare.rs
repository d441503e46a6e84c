//! An adapter without a framework: what core answers by itself to the requests that a server under test answered. A
//! refusal by the server must be the same, byte for byte.
//!
//! It shows core the head, and what is behind the layer asks core as guards and extractors do; there is no router, no
//! handler and no socket.

use std::borrow::Cow;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use palisade_core::problem::{Code, Reason};
use palisade_core::{
    BodyKind, BodyRefused, Grant, HttpResponse, Palisade, Reply, Verdict, all_of, any_of,
    permission, role, scope,
};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::harness::{App, AuditLog, Fixture};
use crate::head::Head;
use crate::http1::Response;
use crate::inputs::{Claims, Contact, Measure, NewItem, Order, Param, Search};

/// The policy of a server under test, compiled once more.
pub(crate) struct Bare {
    palisade: Palisade,
    audit: Arc<AuditLog>,
    /// The routes are those of the probe application, whose guards and extractors are known here.
    is_probe: bool,
}

impl Bare {
    pub(crate) fn of(fixture: &Fixture) -> Result<Self, String> {
        let audit = Arc::new(AuditLog::default());
        let fixture = Fixture {
            audit: audit.clone(),
            ..fixture.clone()
        };
        Ok(Self {
            palisade: fixture.palisade()?,
            audit,
            is_probe: fixture.app != App::Demo,
        })
    }

    /// What core answers, if it is not the application that does. `event` tells how the server's body ended, which only
    /// a server can see.
    pub(crate) async fn answer(
        &self,
        head: &Head,
        body: Option<&[u8]>,
        event: &Value,
    ) -> Option<Response> {
        let mut exchange = self.palisade.open(head);
        let mut verdict = poll_fn(|context| exchange.poll_decide(context)).await;
        if let Verdict::Collect(_) = verdict {
            // How a body ended that an endpoint asked for, only a server can see.
            if text(event, "reason").starts_with("body_") {
                return None;
            }
            exchange.collected(Some(Bytes::copy_from_slice(body.unwrap_or_default())));
            verdict = poll_fn(|context| exchange.poll_decide(context)).await;
        }
        let reply = match verdict {
            Verdict::Collect(_) => None,
            Verdict::Answer(reply) | Verdict::Refuse(reply) => Some(reply),
            Verdict::Admit(admission) => match text(event, "reason") {
                "panic" => Some(exchange.panicked()),
                // Only a router knows of it.
                router @ "route_of_another_rule" => Some(
                    admission
                        .grant
                        .refuse(Reason::new(Code::InternalError, router.to_owned())),
                ),
                _ => self.behind(&admission.grant, head, body, event).err(),
            },
        };
        let refuses = reply.is_some();
        let mut answer = Answer::of(reply);
        exchange.close(&mut answer);
        self.audit.take();
        refuses.then(|| answer.sent(head.request.method()))
    }

    /// What stands between the layer and the handler of the route.
    fn behind(
        &self,
        grant: &Grant,
        head: &Head,
        body: Option<&[u8]>,
        event: &Value,
    ) -> Result<(), Reply> {
        if !self.is_probe {
            return Ok(());
        }
        let uri = head.request.uri();
        let path = uri.path();
        let is_post = head.request.method() == Method::POST;
        match path.split('/').nth(1).unwrap_or_default() {
            "items" if is_post => grant.require(&scope("items:write"))?,
            "me" => grant.require_principal().map(drop)?,
            "claims" => grant.claims::<Claims>().map(drop)?,
            "role" => grant.require(&role("admin"))?,
            "permission" => grant.require(&permission("delete"))?,
            "anyof" => grant.require(&any_of([scope("a"), role("admin")]))?,
            "allof" => grant.require(&all_of([scope("a"), scope("b")]))?,
            "nest" => {
                grant.require(&scope("nest:outer"))?;
                if path.starts_with("/nest/inner/") {
                    grant.require(&scope("nest:inner"))?;
                }
            }
            "query" => grant.valid_query::<Search>(uri.query()).map(drop)?,
            "param" => grant
                .valid_path::<Param>(&parameter("id", path))
                .map(drop)?,
            "measure" => grant
                .valid_path::<Measure>(&parameter("value", path))
                .map(drop)?,
            _ => {}
        }
        let after = Duration::ZERO;
        match text(event, "reason") {
            "body_too_large" => return Err(grant.body_too_large()),
            "body_unreadable" => return Err(grant.body_unreadable()),
            "body_idle" => return Err(grant.body_failed(&BodyRefused::Idle { after })),
            "body_too_slow" => return Err(grant.body_failed(&BodyRefused::TooSlow { after })),
            _ => {}
        }
        let Some(body) = body.filter(|_| is_post) else {
            return Ok(());
        };
        let headers = head.request.headers();
        let line = |name: &HeaderName| headers.get(name).map(|value| value.as_bytes());
        let kind = BodyKind {
            content_type: line(&CONTENT_TYPE),
            content_encoding: line(&CONTENT_ENCODING),
        };
        match path {
            "/items" => grant.valid_json::<NewItem>(kind, body).map(drop)?,
            "/json" => grant.valid_json::<Order>(kind, body).map(drop)?,
            "/form" => grant.valid_form::<Contact>(kind, body).map(drop)?,
            _ => {}
        }
        Ok(())
    }
}

fn text<'a>(event: &'a Value, name: &str) -> &'a str {
    event.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The last segment of `path` as the parameter `name`.
fn parameter<'a>(name: &'a str, path: &'a str) -> [(Cow<'a, str>, Cow<'a, str>); 1] {
    let value = path.rsplit('/').next().unwrap_or_default();
    [(name.into(), percent_decode_str(value).decode_utf8_lossy())]
}

/// The response that `close` finishes.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    /// `reply`, or what stands for the application's answer, which nobody looks at.
    fn of(reply: Option<Reply>) -> Self {
        let mut answer = Self {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Vec::new(),
        };
        if let Some(reply) = reply {
            answer.replace(reply);
        }
        answer
    }

    /// As a server sends it to a request with this method.
    fn sent(self, method: &Method) -> Response {
        let lines = self.headers.iter();
        Response {
            status: self.status.as_u16(),
            headers: lines
                .map(|(name, value)| (name.as_str().into(), value.as_bytes().into()))
                .collect(),
            body: if method == Method::HEAD {
                Vec::new()
            } else {
                self.body
            },
        }
    }
}

impl HttpResponse for Answer {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn header_map(&self) -> &HeaderMap {
        &self.headers
    }

    fn header_map_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    fn replace(&mut self, reply: Reply) {
        self.status = reply.status;
        self.headers.clear();
        for (name, value) in reply.headers {
            self.headers.append(name, value);
        }
        self.body = reply.body.to_vec();
    }
}
