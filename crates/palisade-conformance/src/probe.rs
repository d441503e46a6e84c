//! What the probe applications share: what a handler sees first, and what it says. The routes are written anew for each
//! framework, the way its users write them; `cases/README.md` lists them.
//!
//! ```
//! use std::sync::Arc;
//! use palisade_conformance::probe::Seen;
//!
//! let seen = Seen { handled: Arc::default(), grant: None };
//! let said = seen.route("/users/{id}");
//! assert_eq!((said.status, &*said.body), (200, br#"{"route":"/users/{id}"}"#.as_slice()));
//! assert_eq!(seen.handled.count(), 1);
//! ```

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use palisade_core::{Grant, Principal};
use serde::Serialize;
use serde_json::json;

use crate::cells::Handled;
use crate::model::PRINCIPAL_ECHO;

/// The routes of `corpus/paths.toml`. Literals stand before the parameters beside them, because actix-web takes the
/// first route that fits.
pub const ROUTES: [&str; 14] = [
    "/",
    "/health",
    "/users",
    "/users/me",
    "/users/me/posts/{post}",
    "/users/{id}/posts",
    "/users/{id}",
    "/files/special/list",
    "/files/{*path}",
    "/admin",
    "/admin/{*rest}",
    "/u/a@b.example",
    "/a b",
    "/p/{page}",
];

/// What the errors of `/error` and `/mw-error` say, with status 418.
pub const TEAPOT: &str = "short and stout";

/// How long `/slow` takes.
pub const SLOW: Duration = Duration::from_secs(5);

/// What every handler of a probe application gets: an extractor that never fails.
///
/// A handler has run once it says something, or calls [`mark`](Self::mark); an extractor that refused before it
/// leaves no mark.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Counts the handlers that ran: that of the fixture.
    pub handled: Arc<Handled>,
    /// What the layer left for the handler; `None` without a layer.
    pub grant: Option<Grant>,
}

/// What a handler says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The status.
    pub status: u16,
    /// Header lines, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Seen {
    /// Says that the handler runs.
    pub fn mark(&self) {
        self.handled.mark();
    }

    /// `{"route":"…"}`.
    pub fn route(&self, template: &str) -> Said {
        self.json(&json!({ "route": template }))
    }

    /// The answer to paths that no route takes.
    pub fn fallback(&self) -> Said {
        Said {
            status: 404,
            ..self.route("fallback")
        }
    }

    /// A value as JSON.
    pub fn json(&self, value: &impl Serialize) -> Said {
        let body = serde_json::to_vec(value).unwrap_or_default();
        self.say("application/json", body)
    }

    /// Plain text.
    pub fn text(&self, text: &str) -> Said {
        self.say("text/plain; charset=utf-8", text.into())
    }

    /// `{"subject":"alice"}`, or null.
    pub fn subject(&self) -> Said {
        let caller = self.grant.as_ref().and_then(Grant::principal);
        self.json(&json!({ "subject": caller.map(Principal::subject) }))
    }

    /// The rule of a grant.
    pub fn granted(&self, grant: &Grant) -> Said {
        self.json(&json!({ "rule": grant.rule() }))
    }

    /// All that is known about the caller.
    pub fn caller(&self, caller: &Principal) -> Said {
        self.json(&json!({
            "subject": caller.subject(),
            "issuer": caller.issuer(),
            "tenant": caller.tenant_name(),
            "scopes": caller.scope_names().collect::<Vec<_>>(),
            "roles": caller.role_names().collect::<Vec<_>>(),
            "permissions": caller.permission_names().collect::<Vec<_>>(),
        }))
    }

    /// The request as the handler sees it.
    pub fn echo<'a>(
        &self,
        method: &str,
        path: &str,
        query: Option<&str>,
        lines: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Said {
        let mut headers = BTreeMap::<&str, Vec<_>>::new();
        for (name, value) in lines {
            let value = String::from_utf8_lossy(value);
            headers.entry(name).or_default().push(value);
        }
        let query = query.unwrap_or_default();
        self.json(&json!({ "method": method, "path": path, "query": query, "headers": headers }))
    }

    /// Sets what the query says: `status=201&h=name:value&h=…`.
    pub fn set(&self, query: Option<&str>) -> Said {
        let mut said = self.route("/set");
        let pairs: Vec<(String, String)> =
            serde_html_form::from_str(query.unwrap_or_default()).unwrap_or_default();
        for (name, value) in pairs {
            match (name.as_str(), value.split_once(':')) {
                ("status", _) => said.status = value.parse().unwrap_or(said.status),
                ("h", Some((name, value))) => {
                    if name == "content-type" {
                        said.headers.retain(|(own, _)| own != name);
                    }
                    said.headers.push((name.to_owned(), value.into()));
                }
                _ => {}
            }
        }
        said
    }

    /// How long the body was, or that it could not be read.
    pub fn upload<E>(&self, body: Result<Bytes, E>) -> Said {
        match body {
            Ok(body) => self.json(&json!({ "length": body.len() })),
            Err(_) => Said {
                status: 400,
                ..self.text("the body broke off")
            },
        }
    }

    /// A page with the nonce of its own `Content-Security-Policy`.
    pub fn page(&self) -> Said {
        let nonce = self.grant.as_ref().and_then(Grant::csp_nonce);
        let page = match nonce {
            Some(nonce) => format!("<script nonce=\"{nonce}\"></script>"),
            None => "<script></script>".to_owned(),
        };
        self.say("text/html; charset=utf-8", page.into_bytes())
    }

    fn say(&self, content_type: &str, body: Vec<u8>) -> Said {
        self.mark();
        let mut headers = vec![("content-type".to_owned(), content_type.into())];
        if let Some(caller) = self.grant.as_ref().and_then(Grant::principal) {
            headers.push((PRINCIPAL_ECHO.to_owned(), caller.subject().into()));
        }
        Said {
            status: 200,
            headers,
            body,
        }
    }
}

/// The body of `/stream`, in three chunks.
pub fn chunks() -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::iter(["one\n", "two\n", "three\n"].map(|chunk| Ok(chunk.into())))
}
