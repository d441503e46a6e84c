//! What the user writes: a [`Policy`], plain data, from Rust or from TOML.
//!
//! Nothing is checked while it is written. [`Policy::build`] checks everything at once and
//! either compiles the policy into a [`Palisade`] or returns every mistake.
//!
//! ```
//! use palisade_core::{Policy, Rule, scope};
//!
//! let palisade = Policy::from_toml_str(r#"
//!     [[rule]]
//!     path = "/health"
//!     require = "public"
//! "#)?
//! .rule(Rule::new("/about").require(palisade_core::public()))
//! .build()?;
//! # Ok::<(), palisade_core::ConfigError>(())
//! ```

mod file;
mod fingerprint;
mod parts;

pub use file::policy_schema;
pub use parts::{
    AddressDetail, Audit, Failures, Firewall, Host, Https, HttpsMode, Limit, LimitKey,
    PrincipalDetail, Routes, Rule, Uncertain, Unlisted,
};

use crate::{
    audit::{AuditSink, TracingSink},
    body::Body,
    companion::{Companion, Companions},
    config::Mistakes,
    cors::Cors,
    headers::Headers,
    limit::LimitStore,
    outgoing::Outgoing,
    part::Part,
    ports::{Clock, Entropy, SystemClock, SystemEntropy},
    problem::ProblemRenderer,
    revocation::Revocations,
    scheme::{BuildContext, Scheme, SchemeConfig},
};
use std::{cell::RefCell, collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

/// A security policy as it was written.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Policy {
    /// The `realm` of every challenge (RFC 9110 §11.5). Default `api`.
    pub realm: String,
    /// `resource`: the URL that names this service to authorization servers (RFC 9728). Its
    /// metadata is then served, and challenges tell where.
    pub resource: Option<String>,
    /// `[host]`: the hosts this service answers for.
    pub host: Host,
    /// `[https]`: what happens to plain HTTP.
    pub https: Https,
    /// `[firewall]`: the sizes that a head may have.
    pub firewall: Firewall,
    /// `[routes]`: what happens to a request for which rule and route do not agree.
    pub routes: Routes,
    /// `[headers]`: the security headers of every response.
    pub headers: Headers,
    /// `[cors]`: who may read responses from other origins. `None`: nobody.
    pub cors: Option<Cors>,
    /// `[jwt.NAME]`, `[api_key.NAME]`, …: the ways to authenticate.
    pub schemes: Vec<Arc<dyn SchemeConfig>>,
    /// `scopes`: scopes that routes demand with `require` and no rule names.
    pub scopes: Vec<String>,
    /// `methods`: methods that HTTP does not know, such as `PURGE`; a rule that names any other
    /// such word is a mistake.
    pub methods: Vec<String>,
    /// `[roles]`: the permissions that each role gives.
    pub roles: BTreeMap<String, Vec<String>>,
    /// `[failures]`: how many credentials may fail that come from one address.
    pub failures: Failures,
    /// `[[limit]]`: the quotas.
    pub limits: Vec<Limit>,
    /// How many keys (addresses, principals, …) the limits remember at once. Default 1,000,000.
    pub limit_max_keys: usize,
    /// `[[rule]]`: what each path demands.
    pub rules: Vec<Rule>,
    /// `unlisted`: what happens to paths without a rule. `None`: `NotFound` if there are rules,
    /// else `Authenticated`.
    pub unlisted: Option<Unlisted>,
    /// `[body]`: what extractors accept.
    pub body: Body,
    /// `[problems] type_base`: what the `type` URIs of refusals begin with. Default
    /// `urn:palisade:problem:`.
    pub problem_type_base: String,
    /// `[audit]`: how much of a caller the audit shows.
    pub audit: Audit,
    /// `[outgoing]`: the requests that Palisade itself makes.
    pub outgoing: Outgoing,
    ports: Ports,
    companions: Companions,
    custom_schemes: Vec<Arc<dyn Scheme>>,
    parts: Vec<Arc<dyn Part>>,
    limit_stores: LimitStores,
    mistakes: Mistakes,
    folder: Option<PathBuf>,
}

/// Stores of counts, by the names that limits use.
type LimitStores = BTreeMap<String, Arc<dyn LimitStore>>;

/// What a policy needs from outside; the system's, unless given.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) audit: Arc<dyn AuditSink>,
    pub(crate) renderer: Option<Arc<dyn ProblemRenderer>>,
    pub(crate) revocations: Option<Arc<dyn Revocations>>,
}

/// Nothing of what they hold: it is not what was written, and a version is named by that.
impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ports")
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            realm: "api".to_owned(),
            resource: None,
            host: Host::default(),
            https: Https::default(),
            firewall: Firewall::default(),
            routes: Routes::default(),
            headers: Headers::default(),
            cors: None,
            schemes: Vec::new(),
            scopes: Vec::new(),
            methods: Vec::new(),
            roles: BTreeMap::new(),
            failures: Failures::default(),
            limits: Vec::new(),
            limit_max_keys: 1_000_000,
            rules: Vec::new(),
            unlisted: None,
            body: Body::default(),
            problem_type_base: "urn:palisade:problem:".to_owned(),
            audit: Audit::default(),
            outgoing: Outgoing::default(),
            companions: Companions::default(),
            ports: Ports {
                clock: Arc::new(SystemClock::default()),
                entropy: Arc::new(SystemEntropy),
                audit: Arc::new(TracingSink),
                renderer: None,
                revocations: None,
            },
            custom_schemes: Vec::new(),
            parts: Vec::new(),
            limit_stores: LimitStores::default(),
            mistakes: Mistakes::default(),
            folder: None,
        }
    }
}

impl Policy {
    /// An empty policy: no scheme, no rule, so every path answers 401.
    pub fn builder() -> Self {
        Self::default()
    }

    /// Adds a way to authenticate.
    #[must_use]
    pub fn scheme(mut self, scheme: impl SchemeConfig + 'static) -> Self {
        self.schemes.push(Arc::new(scheme));
        self
    }

    /// Adds a way to authenticate that needs no configuration by Palisade.
    #[must_use]
    pub fn custom_scheme(mut self, scheme: impl Scheme + 'static) -> Self {
        self.custom_schemes.push(Arc::new(scheme));
        self
    }

    /// Gives a store of counts the name by which limits mean it; an earlier one of the name is replaced.
    #[must_use]
    pub fn limit_store(mut self, name: impl Into<String>, store: Arc<dyn LimitStore>) -> Self {
        self.limit_stores.insert(name.into(), store);
        self
    }

    /// Adds a section that stands alone, such as [`SecurityTxt`](crate::SecurityTxt); one of the same section is replaced.
    #[must_use]
    pub fn part(mut self, part: impl Part + 'static) -> Self {
        self.parts.retain(|known| known.section() != part.section());
        self.parts.push(Arc::new(part));
        self
    }

    /// Registers a companion crate, such as palisade-oauth or palisade-store.
    #[must_use]
    pub fn with(mut self, companion: impl Companion) -> Self {
        companion.register(&mut self.companions);
        self
    }

    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Adds a limit.
    #[must_use]
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limits.push(limit);
        self
    }

    /// Gives a role its permissions.
    #[must_use]
    pub fn role<P: Into<String>>(
        mut self,
        name: impl Into<String>,
        permissions: impl IntoIterator<Item = P>,
    ) -> Self {
        let permissions = permissions.into_iter().map(Into::into).collect();
        self.roles.insert(name.into(), permissions);
        self
    }

    /// Names the service to authorization servers (RFC 9728): its URL, with https.
    #[must_use]
    pub fn resource(mut self, identifier: impl Into<String>) -> Self {
        self.resource = Some(identifier.into());
        self
    }

    /// Says which hosts the service answers for. None is a mistake: it would mean every host.
    #[must_use]
    pub fn hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.host.allowed = hosts.into_iter().map(Into::into).collect();
        if self.host.allowed.is_empty() {
            let message = "is given as an empty list, which would mean every host; name some, or \
                           leave it out";
            self.mistakes.add("host.allowed", message);
        }
        self
    }

    /// Sets the security headers.
    #[must_use]
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Lets other origins read responses.
    #[must_use]
    pub fn cors(mut self, cors: Cors) -> Self {
        self.cors = Some(cors);
        self
    }

    /// Declares scopes that only routes demand.
    #[must_use]
    pub fn declare_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Declares methods that HTTP does not know, such as `PURGE`, so that rules may name them.
    #[must_use]
    pub fn declare_methods<M: Into<String>>(
        mut self,
        methods: impl IntoIterator<Item = M>,
    ) -> Self {
        self.methods.extend(methods.into_iter().map(Into::into));
        self
    }

    /// Says what happens to paths without a rule.
    #[must_use]
    pub fn unlisted(mut self, unlisted: Unlisted) -> Self {
        self.unlisted = Some(unlisted);
        self
    }

    /// Takes the time from elsewhere, as tests do.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.ports.clock = clock;
        self
    }

    /// Takes randomness from elsewhere.
    #[must_use]
    pub fn with_entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.ports.entropy = entropy;
        self
    }

    /// Sends audit events elsewhere than to `tracing`.
    #[must_use]
    pub fn with_audit(mut self, sink: Arc<dyn AuditSink>) -> Self {
        self.ports.audit = sink;
        self
    }

    /// Replaces the body of refusals; status, challenge and headers stay.
    #[must_use]
    pub fn with_problem_renderer(mut self, renderer: Arc<dyn ProblemRenderer>) -> Self {
        self.ports.renderer = Some(renderer);
        self
    }

    /// Refuses credentials that were taken back before their time.
    #[must_use]
    pub fn with_revocations(mut self, revocations: Arc<dyn Revocations>) -> Self {
        self.ports.revocations = Some(revocations);
        self
    }

    /// What its schemes are compiled with.
    pub(crate) fn build_context(&self) -> BuildContext<'_> {
        BuildContext {
            realm: &self.realm,
            folder: self.folder.as_deref(),
            unix_seconds: self.ports.clock.unix_millis() / 1000,
            clock: Arc::clone(&self.ports.clock),
            entropy: Arc::clone(&self.ports.entropy),
            outgoing: &self.outgoing,
            companions: &self.companions,
            revocations: self.ports.revocations.clone(),
            files: RefCell::default(),
        }
    }

    pub(crate) fn ports(&self) -> &Ports {
        &self.ports
    }

    pub(crate) fn limit_stores(&self) -> &LimitStores {
        &self.limit_stores
    }

    pub(crate) fn parts(&self) -> &[Arc<dyn Part>] {
        &self.parts
    }

    pub(crate) fn custom_schemes(&self) -> &[Arc<dyn Scheme>] {
        &self.custom_schemes
    }

    pub(crate) fn take_mistakes(&mut self) -> Mistakes {
        std::mem::take(&mut self.mistakes)
    }
}
