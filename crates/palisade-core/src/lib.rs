//! The part of Palisade that decides: policy, engine, schemes, limits and validation, without
//! a socket, a runtime or a framework.
//!
//! Applications use it through an adapter crate (`palisade-tower`, `palisade-actix`,
//! `palisade-poem`), which re-exports what they need.

pub mod audit;
mod body;
pub mod companion;
mod config;
mod cors;
mod engine;
mod fields;
pub mod firewall;
mod grant;
mod head;
mod headers;
pub mod host;
mod input;
pub mod jwt;
pub mod limit;
#[cfg(test)]
mod metered;
mod misuse;
mod outage;
pub mod password;
mod policy;
mod ports;
mod principal;
pub mod problem;
mod reply;
mod request_id;
mod requirement;
pub mod revocation;
pub mod rule;
pub mod scheme;
pub mod validate;
mod view;

pub use audit::{AuditEvent, AuditLevel, AuditSink, TracingSink};
pub use body::{BodyGuard, BodyRefused, BodyWatch};
pub use companion::Companion;
pub use config::{ConfigError, ConfigWarning, Mistake, Mistakes, Note};
pub use engine::{
    Admission, Decided, Description, Ending, Exchange, Explanation, LimitDescription, LimitReport,
    Palisade, PrincipalReport, Reloaded, RouteMap, RuleDescription, SchemeDescription, Stage,
    StageReport, TakenRoute, Verdict,
};
pub use fields::KnownFields;
pub use grant::{ClaimsError, Grant};
pub use head::{HeadEdits, HttpResponse, RequestHead, ResponseHead};
pub use input::BodyKind;
pub use policy::*;
pub use ports::{Clock, Entropy, SourceError, SystemClock, SystemEntropy, looks_like_milliseconds};
pub use principal::{Principal, PrincipalKind};
pub use reply::Reply;
pub use requirement::{
    Requirement, all_of, any_of, authenticated, optional, permission, policy, public, role, scope,
};
pub use revocation::MemoryRevocations;
pub use rule::template::TemplateSyntax;
pub use scheme::{
    ApiKey, ApiKeyEntry, Basic, BasicAccount, GeneratedKey, Introspection, Jwt, KeySource, Places,
    Store, StoredKey, generate_key,
};
pub use view::View;
