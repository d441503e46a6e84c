//! Palisade for actix-web: one security policy, enforced the same on every framework.
//!
//! Wrap the application once, and every response leaves through the policy:
//!
//! ```no_run
//! use actix_web::{App, HttpServer, web};
//! use palisade_actix::{Palisade, Principal, SecurityLayer, require, routes, scope};
//!
//! async fn me(caller: Principal) -> String {
//!     caller.subject().to_owned()
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let palisade = Palisade::from_file("palisade.toml")?;
//! HttpServer::new(move || {
//!     App::new()
//!         .configure(routes(|routes| {
//!             routes.route("/users/me", web::get().to(me).wrap(require(scope("users:read"))));
//!         }))
//!         .wrap(SecurityLayer::new(palisade.clone()))
//! })
//! .bind("127.0.0.1:8080")?
//! .run()
//! .await?;
//! # Ok(())
//! # }
//! ```
//!
//! Make the [`Palisade`] outside of the closure: the closure runs once for each worker, and all
//! of them must share one state. Register `wrap(SecurityLayer…)` last, so that it is outermost; only
//! what rewrites the path of requests, as `NormalizePath` does, goes further outside. [`routes`]
//! registers as `App` does, and each route confirms that its own rule was applied.
//! The layer catches panics of handlers, and it passes a request through if an outer layer of
//! the same [`Palisade`] has admitted it already.

mod body;
mod confirm;
mod extract;
mod head;
mod layer;
mod reply;
mod require;

pub use confirm::{Confirm, Confirmed, Routes, routes};
pub use extract::{
    Claims, Granted, Principal, Rejection, ValidForm, ValidJson, ValidPath, ValidQuery,
};
pub use layer::{Security, SecurityFuture, SecurityLayer};
pub use palisade_core::{
    self as core, ConfigError, ConfigWarning, Grant, Palisade, Policy, Requirement, all_of, any_of,
    authenticated, permission, policy, role, scope, validate,
};
pub use require::{Guard, GuardFuture, Require, require};
