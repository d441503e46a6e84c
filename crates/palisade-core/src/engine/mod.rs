//! The engine: a compiled policy, and one exchange at a time.
//!
//! [`Palisade::open`] judges a request's head, [`Exchange::poll_decide`] hands out the verdict,
//! [`Exchange::close`] finishes the response. The order of the stages is written once, in
//! `decide.rs`.

mod clock;
mod compile;
mod compiled;
mod confirm;
mod counters;
mod decide;
mod decision;
mod describe;
mod description;
mod exchange;
mod explain;
mod facts;
mod grant;
mod judged;
mod lineage;
mod metadata;
mod overlaps;
mod reload;
mod response;
mod schemes;
mod stage;
#[cfg(test)]
mod tests;
mod trace;

pub(crate) use compiled::Compiled;
pub use confirm::{RouteMap, TakenRoute};
pub use description::{Description, LimitDescription, RuleDescription, SchemeDescription};
pub use exchange::{Admission, Exchange, Verdict};
pub use explain::{Ending, Explanation, PrincipalReport};
pub use grant::{ClaimsError, Grant};
pub use reload::Reloaded;
pub use stage::{Stage, limits::LimitReport};
pub use trace::{Decided, StageReport};

use crate::{
    config::ConfigWarning, head::RequestHead, ports::SourceError, requirement::Requirement,
};
use reload::Handle;
use std::sync::Arc;

/// A compiled policy, shared by every worker; cheap to clone.
///
/// It is a handle to the version of the policy that serves at present:
/// [`reload`](Self::reload) and [`replace`](Self::replace) put a new one in its place.
///
/// ```
/// use palisade_core::{Policy, Rule, public};
///
/// let palisade = Policy::builder()
///     .rule(Rule::new("/health").methods(["GET"]).require(public()))
///     .build()?;
/// # Ok::<(), palisade_core::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Palisade(Arc<Handle>);

impl Palisade {
    /// Judges the head of a request. Adapters call it once for each request, before anything
    /// else sees the request.
    pub fn open(&self, head: &dyn RequestHead) -> Exchange {
        Exchange::open(self.current(), head, None)
    }

    /// Waits until everything the policy depends on (issuers, databases) has answered for the
    /// first time. A service may start without: until then, what depends on them answers 503.
    ///
    /// # Errors
    /// The first dependency that gave no answer. The others are still tried, and all of them
    /// again later.
    pub async fn ready(&self) -> Result<(), SourceError> {
        let policy = self.current();
        let waiting: Vec<_> = policy
            .schemes
            .iter()
            .map(|own| own.scheme.ready())
            .collect();
        let mut ready = Ok(());
        for answer in waiting.into_iter().flatten() {
            let answer = answer.await;
            ready = ready.and(answer);
        }
        ready
    }

    /// What the policy allows and probably does not mean, such as a limit that clients can pass by.
    /// The log says each of them once at the start.
    ///
    /// ```
    /// use palisade_core::Policy;
    ///
    /// let palisade = Policy::builder().build()?;
    /// assert!(palisade.warnings()[0].message.contains("every request is refused"));
    /// # Ok::<(), palisade_core::ConfigError>(())
    /// ```
    pub fn warnings(&self) -> Vec<ConfigWarning> {
        self.current().warnings.clone()
    }

    /// Compares a requirement of a route with what the policy declares: a scope, role or
    /// permission that nothing else knows is mostly a typing error, and locks everybody out.
    /// For the application's tests.
    ///
    /// # Errors
    /// What is not declared, and where to declare it.
    ///
    /// ```
    /// use palisade_core::{Policy, Rule, public, scope};
    ///
    /// let palisade = Policy::builder()
    ///     .declare_scopes(["items:write"])
    ///     .rule(Rule::new("/health").require(public()))
    ///     .build()?;
    /// assert!(palisade.check(&scope("items:write")).is_ok());
    /// assert!(palisade.check(&scope("itmes:write")).is_err());
    /// # Ok::<(), palisade_core::ConfigError>(())
    /// ```
    pub fn check(&self, requirement: &Requirement) -> Result<(), String> {
        let policy = self.current();
        let mut unknown = Vec::new();
        requirement.names(&mut |kind, name| {
            if !policy.declares(kind, name) {
                unknown.push(format!("{kind} {name:?}"));
            }
        });
        if unknown.is_empty() {
            return Ok(());
        }
        Err(format!(
            "the policy does not declare {}: name it in a [[rule]], in `scopes` or in [roles]",
            unknown.join(", ")
        ))
    }

    /// Whether this is a version of the same policy.
    pub(crate) fn is(&self, policy: &Compiled) -> bool {
        Arc::ptr_eq(&self.0.current.load().lineage, &policy.lineage)
    }

    /// The version that serves at present.
    fn current(&self) -> Arc<Compiled> {
        self.0.current.load_full()
    }
}
