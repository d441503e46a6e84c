//! Palisade for poem: one security policy, enforced the same on every framework.
//!
//! Wrap the routes once, and every response leaves through the policy:
//!
//! ```no_run
//! use palisade_poem::{Palisade, Principal, Route, SecurityLayer, require, scope};
//! use poem::{EndpointExt, Server, get, handler, listener::TcpListener};
//!
//! #[handler]
//! async fn me(caller: Principal) -> String {
//!     caller.subject().to_owned()
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let palisade = Palisade::from_file("palisade.toml")?;
//! let app = Route::new()
//!     .at("/users/me", get(me.with(require(scope("users:read")))))
//!     .with(SecurityLayer::new(palisade));
//! Server::new(TcpListener::bind("127.0.0.1:8080")).run(app).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Route`] is used as poem's own is, and its endpoints confirm that their own rule was applied.
//! The layer turns errors of handlers into responses, so a `catch_error` outside of it sees
//! none: put it inside. It catches panics of handlers, and it passes a request through if an
//! outer layer of the same [`Palisade`] has admitted it already.

mod body;
mod confirm;
mod extract;
mod head;
mod layer;
mod reply;
mod require;

pub use confirm::Route;
pub use extract::{
    Claims, Granted, Principal, Rejection, ValidForm, ValidJson, ValidPath, ValidQuery,
};
pub use head::PeerAddress;
pub use layer::{Security, SecurityLayer};
pub use palisade_core::{
    self as core, ConfigError, ConfigWarning, Grant, Palisade, Policy, Requirement, all_of, any_of,
    authenticated, permission, policy, role, scope, validate,
};
pub use require::{Guard, Require, require};
