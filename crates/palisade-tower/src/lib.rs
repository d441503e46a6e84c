//! Palisade for tower services and axum: one security policy, enforced the same on every
//! framework.
//!
//! Wrap the router once, and every response leaves through the policy:
//!
//! ```no_run
//! use axum::{Router, handler::Handler, routing::get};
//! use palisade_tower::{Palisade, Principal, SecurityLayer, require, scope};
//! use std::net::SocketAddr;
//!
//! async fn me(caller: Principal) -> String {
//!     caller.subject().to_owned()
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let palisade = Palisade::from_file("palisade.toml")?;
//! let routes = Router::new()
//!     .route("/users/me", get(me.layer(require(scope("users:read")))));
//! let app = SecurityLayer::new(palisade).around(routes);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! axum tells the address of the peer only through `into_make_service_with_connect_info`;
//! without it every request is refused with 500, and the log names that call. Other servers put
//! the [`PeerAddress`] into the request's extensions themselves.
//!
//! [`SecurityLayer::around`] wraps a whole router of axum; as a tower `Layer` it wraps any other
//! service. The layer keeps the type of response bodies and needs `From<Bytes>` of them; request bodies
//! become [`GuardedBody`]. It catches panics of handlers, and it passes a request through if an
//! outer layer of the same [`Palisade`] has admitted it already.

mod body;
mod confirm;
#[cfg(feature = "axum")]
mod extract;
mod head;
mod layer;
mod reply;
mod require;

pub use body::{BodyError, GuardedBody};
pub use confirm::{Confirm, Confirmed, confirm};
#[cfg(feature = "axum")]
pub use extract::{
    Claims, Granted, Principal, Rejection, ValidForm, ValidJson, ValidPath, ValidQuery,
};
pub use head::{PeerAddress, Tls};
#[cfg(feature = "axum")]
pub use layer::{Routes, SecuredRouter};
pub use layer::{Security, SecurityFuture, SecurityLayer};
pub use palisade_core::{
    self as core, ConfigError, ConfigWarning, Grant, Palisade, Policy, Requirement, all_of, any_of,
    authenticated, permission, policy, role, scope, validate,
};
pub use require::{Guard, GuardFuture, Require, require};
