//! The part of Palisade that decides: policy, engine, schemes, limits and validation, without
//! a socket, a runtime or a framework.
//!
//! Applications use it through an adapter crate (`palisade-tower`, `palisade-actix`,
//! `palisade-poem`), which re-exports what they need.

mod api_key;
pub mod audit;
mod body;
mod cause;
pub mod companion;
mod config;
mod cors;
mod endpoint;
mod engine;
mod fields;
mod fingerprint;
pub mod firewall;
mod head;
mod headers;
pub mod host;
mod input;
pub mod jwt;
pub mod limit;
#[cfg(test)]
mod metered;
mod methods;
mod misuse;
mod outage;
mod outgoing;
mod part;
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
mod secret;
pub mod validate;
mod view;

pub use api_key::{ApiKeyEntry, GeneratedKey, StoredKey, generate_key};
pub use audit::{AuditEvent, AuditLevel, AuditSink, TracingSink};
pub use body::{Body, BodyGuard, BodyRefused, BodyWatch};
pub use companion::Companion;
pub use config::{ConfigError, ConfigWarning, Mistake, Mistakes, Note};
pub use cors::Cors;
pub use endpoint::{AfterBody, Endpoint, EndpointAnswer, Opened};
pub use engine::{
    Admission, ClaimsError, Decided, Description, Ending, Exchange, Explanation, Grant,
    LimitDescription, LimitReport, Palisade, PrincipalReport, Reloaded, RouteMap, RuleDescription,
    SchemeDescription, Stage, StageReport, TakenRoute, Verdict,
};
pub use fields::KnownFields;
pub use head::{HeadEdits, HttpResponse, RequestHead, ResponseHead};
pub use headers::{Headers, Hsts, Preset};
pub use input::BodyKind;
pub use jwt::PrincipalKind;
pub use outgoing::Outgoing;
pub use part::{Fittings, Part, SecurityTxt};
pub use policy::{
    AddressDetail, Audit, Failures, Firewall, Host, Https, HttpsMode, Limit, LimitKey, Policy,
    PrincipalDetail, Routes, Rule, Uncertain, Unlisted, policy_schema,
};
pub use ports::{
    BoxFuture, Clock, Entropy, SourceError, SystemClock, SystemEntropy, looks_like_milliseconds,
};
pub use principal::Principal;
pub use reply::Reply;
pub use requirement::{
    Requirement, all_of, any_of, asked, authenticated, optional, permission, policy, public, role,
    scope,
};
pub use revocation::MemoryRevocations;
pub use rule::template::TemplateSyntax;
pub use scheme::{
    ApiKey, Basic, BasicAccount, BuildContext, Introspection, Jwt, KeySource, Places, Store,
};
pub use secret::{Secret, SecretError};
pub use view::View;
