//! A table as an application of each framework, called in process through the router that serves sockets.

mod actix;
mod axum;
mod poem;

use std::cell::Cell;
use std::fmt;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Arc, Mutex, Once, PoisonError};

use futures_util::future::LocalBoxFuture;
use palisade_core::audit::{AuditEvent, AuditSink, Decision};
use palisade_core::{Grant, Palisade, Policy};

use self::axum::Mounts;
use super::path::{HOST, Sent};
use super::table::Table;
use super::template::Dialect;
use crate::client::Request;
use crate::harness::Running;

/// A way to serve a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Server {
    /// `SecurityLayer::around`, with routes beneath `nest_service` that confirm themselves.
    Axum,
    /// `SecurityLayer::around`, and nothing else.
    AxumMounts,
    /// The layer in `Router::layer`, and nothing else.
    AxumInside,
    /// `App::wrap`, and nothing else.
    Actix,
    /// The same, and routes that are registered with `palisade_actix::routes`.
    ActixRoutes,
    /// poem's own `Route`.
    Poem,
    /// `palisade_poem::Route` in its place.
    PoemRoute,
}

/// An application: answers with the status, and the route that the answer names.
pub(super) type App = Box<dyn Fn(&Sent) -> Result<LocalBoxFuture<'static, Answer>, Unsendable>>;

/// The server's own parser refuses the request: no application sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsendable;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The route whose handler made the answer.
    pub(super) route: Option<usize>,
}

/// A handler that ran, and what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ran {
    pub(super) route: usize,
    /// The path that the router took it by.
    pub(super) path: String,
    /// The rule that its grant names.
    pub(super) rule: Option<String>,
}

/// What the audit says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Audited {
    pub(super) refused: bool,
    pub(super) status: Option<u16>,
    pub(super) code: Option<&'static str>,
    pub(super) reason: Option<String>,
    pub(super) rule: Option<String>,
}

/// Where handlers and the audit write what happened.
#[derive(Debug, Default)]
pub(super) struct Log {
    ran: Mutex<Vec<Ran>>,
    audited: Mutex<Vec<Audited>>,
}

/// The header that a handler names its route in.
const ROUTE: &str = "x-route";

/// The header that guards of actix-web want.
const GUARD: &str = "x-guard";

const PEER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 40000);

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Axum => "axum",
            Self::AxumMounts => "axum with plain mounts",
            Self::AxumInside => "axum inside of the routing",
            Self::Actix => "actix",
            Self::ActixRoutes => "actix with routes",
            Self::Poem => "poem",
            Self::PoemRoute => "poem with Route",
        })
    }
}

impl Server {
    pub(super) const ALL: [Self; 7] = [
        Self::Axum,
        Self::AxumMounts,
        Self::AxumInside,
        Self::Actix,
        Self::ActixRoutes,
        Self::Poem,
        Self::PoemRoute,
    ];

    pub(super) fn dialect(self) -> Dialect {
        match self {
            Self::Axum | Self::AxumMounts | Self::AxumInside => Dialect::Axum,
            Self::Actix | Self::ActixRoutes => Dialect::Actix,
            Self::Poem | Self::PoemRoute => Dialect::Poem,
        }
    }

    /// Whether each route is confirmed before its handler runs, so that ordinary requests must get through.
    pub(super) fn confirms(self) -> bool {
        matches!(self, Self::Axum | Self::ActixRoutes | Self::PoemRoute)
    }

    /// Whether the layer stands where its answers are those of the others.
    pub(super) fn agrees(self) -> bool {
        self != Self::AxumInside
    }

    /// # Errors
    /// What the framework's router says of the table.
    pub(super) async fn build(
        self,
        table: &Table,
        palisade: &Palisade,
        log: &Arc<Log>,
    ) -> Result<App, String> {
        match self {
            Self::Axum => quietly(|| axum::app(Mounts::Confirmed, table, palisade, log)),
            Self::AxumMounts => quietly(|| axum::app(Mounts::Plain, table, palisade, log)),
            Self::AxumInside => quietly(|| axum::app(Mounts::Inside, table, palisade, log)),
            Self::Actix => actix::app(table, palisade, log, false).await,
            Self::ActixRoutes => actix::app(table, palisade, log, true).await,
            Self::Poem => quietly(|| poem::app::<poem::Own>(table, palisade, log)),
            Self::PoemRoute => quietly(|| poem::app::<poem::DropIn>(table, palisade, log)),
        }
    }

    /// The same application behind a real socket.
    ///
    /// # Errors
    /// The server cannot start.
    pub(super) fn start(
        self,
        table: &Table,
        palisade: &Palisade,
        log: &Arc<Log>,
    ) -> Result<Running, String> {
        match self {
            Self::Axum => quietly(|| axum::start(Mounts::Confirmed, table, palisade, log)),
            Self::AxumMounts => quietly(|| axum::start(Mounts::Plain, table, palisade, log)),
            Self::AxumInside => quietly(|| axum::start(Mounts::Inside, table, palisade, log)),
            Self::Actix => actix::start(table, palisade, log, false),
            Self::ActixRoutes => actix::start(table, palisade, log, true),
            Self::Poem => quietly(|| poem::start::<poem::Own>(table, palisade, log)),
            Self::PoemRoute => quietly(|| poem::start::<poem::DropIn>(table, palisade, log)),
        }
    }
}

/// The request as bytes.
pub(super) fn bytes(sent: &Sent) -> Request {
    let key = sent.caller.key().map(|key| format!("x-api-key: {key}\r\n"));
    let guard = if sent.guard { "x-guard: 1\r\n" } else { "" };
    let (method, target) = (&sent.method, &sent.target);
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: {HOST}\r\n{}{guard}\r\n",
        key.unwrap_or_default()
    );
    Request {
        head: head.into_bytes(),
        is_head: sent.method == "HEAD",
        ..Request::default()
    }
}

/// What came back over a socket; `None` if the server's parser closed the connection.
pub(super) fn read(answer: &crate::answer::Answer) -> Option<Answer> {
    let response = answer.response()?;
    let route = response.header(ROUTE).next();
    Some(Answer {
        status: response.status,
        route: route.and_then(|id| std::str::from_utf8(id).ok()?.parse().ok()),
    })
}

impl Log {
    /// Called by every handler.
    fn ran(&self, route: usize, path: &str, grant: Option<&Grant>) {
        let ran = Ran {
            route,
            path: path.to_owned(),
            rule: grant.and_then(Grant::rule).map(str::to_owned),
        };
        self.ran
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(ran);
    }

    /// Takes out what happened since the last time.
    pub(super) fn take(&self) -> (Vec<Ran>, Vec<Audited>) {
        let mut ran = self.ran.lock().unwrap_or_else(PoisonError::into_inner);
        let mut audited = self.audited.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut ran), std::mem::take(&mut audited))
    }
}

impl AuditSink for Log {
    fn record(&self, event: &AuditEvent<'_>) {
        let audited = Audited {
            refused: event.decision == Decision::Refuse,
            status: event.status,
            code: event.code,
            reason: event.reason.as_deref().map(str::to_owned),
            rule: event.rule.map(str::to_owned),
        };
        self.audited
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(audited);
    }
}

/// The policy, compiled.
///
/// # Errors
/// Its mistakes.
pub(super) fn palisade(toml: &str, log: &Arc<Log>) -> Result<Palisade, String> {
    let policy = Policy::from_toml_str(toml).map_err(|why| why.to_string())?;
    policy
        .with_audit(log.clone())
        .build()
        .map_err(|why| why.to_string())
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs what may panic on purpose: routers refuse tables that way.
fn quietly<T>(build: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                usual(panic);
            }
        }));
    });
    QUIET.set(true);
    let built = catch_unwind(AssertUnwindSafe(build));
    QUIET.set(false);
    built.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(text.unwrap_or_default())
    })
}
