//! The parts of a policy: plain data, one type per section of the file.

use crate::requirement::Requirement;
use serde::Serialize;
use std::fmt;

/// `[host]`: the hosts this service answers for.
#[derive(Debug, Clone, Default, Serialize, Hash)]
#[non_exhaustive]
pub struct Host {
    /// `allowed`: `api.example.com`, `*.example.com` (any depth, not the apex), with or without
    /// a port. Empty: every well-formed host.
    pub allowed: Vec<String>,
}

/// `[https]`: what happens to plain HTTP.
#[derive(Debug, Clone, Default, Serialize, Hash)]
#[non_exhaustive]
pub struct Https {
    /// `mode`.
    pub mode: HttpsMode,
    /// `assumed`: every request counts as HTTPS, because something in front of the service
    /// ends TLS and nothing else can reach it. Default false.
    pub assumed: bool,
    /// `host`: where `redirect` sends to, such as `www.example.com`; never what a request names.
    pub host: Option<String>,
}

/// What happens to a request that came over plain HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Hash)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HttpsMode {
    /// `off`: it is served.
    #[default]
    Off,
    /// `refuse`: 403, except from this machine to a loopback name.
    Refuse,
    /// `redirect`: browsers that ask for a page are sent to the same path over HTTPS, on the host that `host` names;
    /// everything else is refused. For services that answer with pages.
    Redirect,
}

/// `[firewall]`: the sizes that a head may have.
#[derive(Debug, Clone, Serialize, Hash)]
#[non_exhaustive]
pub struct Firewall {
    /// `max_target`: bytes of the request target; more is 414. Default 8,192.
    pub max_target: usize,
    /// `max_header_lines`: more is 431. Default 96: fewer than actix-web's parser accepts.
    pub max_header_lines: usize,
    /// `max_header_bytes`: names and values together; more is 431. Default 16,384.
    pub max_header_bytes: usize,
}

impl Default for Firewall {
    fn default() -> Self {
        Self {
            max_target: 8192,
            max_header_lines: 96,
            max_header_bytes: 16_384,
        }
    }
}

/// `[routes]`: what happens to a request for which rule and route do not agree.
#[derive(Debug, Clone, Default, Hash, Serialize)]
#[non_exhaustive]
pub struct Routes {
    /// `uncertain`.
    pub uncertain: Uncertain,
}

/// What happens to a request if it is uncertain which rule it falls under: its path can be read in two ways that lead
/// to different rules, or the route that it reaches has another rule, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Uncertain {
    /// `refuse`: 400 if the path is at fault, 500 if the routes of the application are.
    #[default]
    Refuse,
    /// `report`: it is served under the rule of its path as it was sent, and the log and the audit say so. This is
    /// insecure, and for a while only: until rules and routes agree.
    Report,
}

/// `[[limit]]`: a named set of quotas.
#[derive(Debug, Clone, Hash)]
#[non_exhaustive]
pub struct Limit {
    /// `name`, as rules and the `RateLimit` field show it: `[A-Za-z0-9_-]{1,32}`.
    pub name: String,
    /// `quota`: `100/minute`, or several as `200 per day; 50 per hour`.
    pub quota: String,
    /// `by`: what is counted.
    pub by: LimitKey,
    /// `burst`: how many may come at once; at most the quota, which is the default.
    pub burst: Option<u32>,
    /// `strict`: never more than the quota in any window, at the cost of more memory.
    pub strict: bool,
    /// `shadow`: counted, shown in the audit, not enforced.
    pub shadow: bool,
    /// `default`: holds on every rule that names no limits, and on unlisted paths.
    pub default: bool,
    /// `store`: who counts, by the name that [`Policy::limit_store`](crate::Policy::limit_store) gave; `None`: this process.
    pub store: Option<String>,
}

impl Limit {
    /// The limit `name` with this quota, by address.
    pub fn new(name: impl Into<String>, quota: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            quota: quota.into(),
            by: LimitKey::Address,
            burst: None,
            strict: false,
            shadow: false,
            default: false,
            store: None,
        }
    }

    /// Counts something else than addresses.
    #[must_use]
    pub fn by(mut self, key: LimitKey) -> Self {
        self.by = key;
        self
    }

    /// Has a store count.
    #[must_use]
    pub fn store(mut self, name: impl Into<String>) -> Self {
        self.store = Some(name.into());
        self
    }

    /// Holds wherever a rule names no limits.
    #[must_use]
    pub fn everywhere(mut self) -> Self {
        self.default = true;
        self
    }
}

/// `[failures]`: how many credentials may fail that come from one address.
///
/// It holds wherever a credential is read, whatever limits a rule names: somebody who guesses is
/// no caller yet, so no other limit would count it. A good credential takes nothing of it.
#[derive(Debug, Clone, Hash, Serialize)]
#[non_exhaustive]
pub struct Failures {
    /// `quota`: `30/minute`, or several as `30/minute; 500/day`. Once it is spent, requests with a credential that might
    /// be guessed (a password, a key, an opaque token) are answered with 429, and none is verified. Signed tokens are
    /// judged as ever.
    pub quota: String,
}

impl Default for Failures {
    /// 30 a minute: many people behind one address may mistype, and no password is guessed.
    fn default() -> Self {
        Self {
            quota: "30/minute".to_owned(),
        }
    }
}

/// What a limit counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitKey {
    /// `address`: the client's address; IPv4 whole, IPv6 by /56.
    Address,
    /// `principal`: the authenticated caller; anonymous callers by address.
    Principal,
    /// `tenant`: the caller's tenant within its issuer or scheme; callers without one by principal.
    Tenant,
    /// `credential`: the API key within its scheme; callers without one by principal.
    Credential,
    /// `header:NAME`: the value of a request header; requests without it by address.
    Header(String),
    /// `global`: everybody together.
    Global,
}

/// The word of the policy file.
impl fmt::Display for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LimitKey::Address => "address",
            LimitKey::Principal => "principal",
            LimitKey::Tenant => "tenant",
            LimitKey::Credential => "credential",
            LimitKey::Header(name) => return write!(f, "header:{name}"),
            LimitKey::Global => "global",
        })
    }
}

/// `[[rule]]`: what one path demands.
#[derive(Debug, Clone, Hash)]
#[non_exhaustive]
pub struct Rule {
    /// `path`: `/users/{id}`, `/files/{*rest}`.
    pub path: String,
    /// `methods`. Empty: all of them. GET covers HEAD.
    pub methods: Vec<String>,
    /// `require`. A rule without it is a mistake.
    pub require: Option<Requirement>,
    /// `schemes`: the names of the schemes it accepts. Empty: all of them.
    pub schemes: Vec<String>,
    /// `limits`: instead of the default ones; none of them if it is empty. `None`: the default
    /// ones.
    pub limits: Option<Vec<String>>,
    /// `add_limits`: `limits` come on top of the default ones.
    pub add_limits: bool,
    /// `cost`: how many units a request takes from each quota. Default 1.
    pub cost: u32,
    /// `max_body`: bytes; the layer then watches the body, chunked ones too.
    pub max_body: Option<u64>,
    /// `body_idle_timeout`: seconds until there is more of a body; `None`: as `[body]` says.
    pub body_idle_timeout: Option<u64>,
    /// `body_total_timeout`: seconds that a body may be waited for in all; `None`: as `[body]`
    /// says.
    pub body_total_timeout: Option<u64>,
    /// `always`: adds this requirement to every rule beneath the path.
    pub always: bool,
    /// `probe`: a health check: public, GET; host, HTTPS and limits do not apply.
    pub probe: bool,
    /// `trailing_slash = "same"`: `/users/` is `/users`.
    pub same_with_slash: bool,
    /// `route`: the template of the route that the rule is about a part of, in the form of `path`, such as
    /// `/users/{id}` for a rule about `/users/me` where the application has no such route. `None`: the rule has routes
    /// of its own.
    pub route: Option<String>,
    /// `allow_encoded`: of `/`, `%` and `;`, what parameters of the path may hold.
    pub allow_encoded: Vec<String>,
    /// `cache = "handler"`: the handler decides on caching.
    pub handler_caches: bool,
    /// `corp`: this path's `Cross-Origin-Resource-Policy`.
    pub corp: Option<String>,
    /// Lists that a program gave and left empty, which would mean everything.
    pub(crate) emptied: Vec<&'static str>,
}

impl Rule {
    /// A rule for all methods of a path; it must still say what it requires.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            methods: Vec::new(),
            require: None,
            schemes: Vec::new(),
            limits: None,
            add_limits: false,
            cost: 1,
            max_body: None,
            body_idle_timeout: None,
            body_total_timeout: None,
            always: false,
            probe: false,
            same_with_slash: false,
            route: None,
            allow_encoded: Vec::new(),
            handler_caches: false,
            corp: None,
            emptied: Vec::new(),
        }
    }

    /// Narrows the rule to these methods. None is a mistake: it would mean every method.
    #[must_use]
    pub fn methods<M: Into<String>>(mut self, methods: impl IntoIterator<Item = M>) -> Self {
        self.methods = methods.into_iter().map(Into::into).collect();
        if self.methods.is_empty() {
            self.emptied.push("methods");
        }
        self
    }

    /// Says that the rule is about a part of this route, and has none of its own.
    ///
    /// ```
    /// use palisade_core::{Rule, authenticated};
    ///
    /// // The application has one route, `/users/{id}`; what it does for `me` is for everybody to ask.
    /// let rule = Rule::new("/users/me").route("/users/{id}").require(authenticated());
    /// ```
    #[must_use]
    pub fn route(mut self, template: impl Into<String>) -> Self {
        self.route = Some(template.into());
        self
    }

    /// Says what the caller must be.
    #[must_use]
    pub fn require(mut self, requirement: Requirement) -> Self {
        self.require = Some(requirement);
        self
    }

    /// Narrows the rule to these schemes, by name. None is a mistake: it would mean every scheme.
    #[must_use]
    pub fn schemes<S: Into<String>>(mut self, schemes: impl IntoIterator<Item = S>) -> Self {
        self.schemes = schemes.into_iter().map(Into::into).collect();
        if self.schemes.is_empty() {
            self.emptied.push("schemes");
        }
        self
    }

    /// Replaces the default limits by these, by name.
    #[must_use]
    pub fn limits<L: Into<String>>(mut self, limits: impl IntoIterator<Item = L>) -> Self {
        self.limits = Some(limits.into_iter().map(Into::into).collect());
        self
    }

    /// Waits this many seconds for more of a body, and for all of it.
    #[must_use]
    pub fn body_timeouts(mut self, idle: u64, total: u64) -> Self {
        self.body_idle_timeout = Some(idle);
        self.body_total_timeout = Some(total);
        self
    }

    /// Refuses bodies of more than `bytes`.
    #[must_use]
    pub fn max_body(mut self, bytes: u64) -> Self {
        self.max_body = Some(bytes);
        self
    }
}

/// What happens to paths without a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Hash)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unlisted {
    /// `not_found`: 404, without looking at credentials.
    NotFound,
    /// `authenticated`: the application's own router answers, for authenticated callers only;
    /// anonymous ones get 401.
    Authenticated,
}

/// `[audit]`: how much of a caller the audit shows.
#[derive(Debug, Clone, Copy, Default, Serialize, Hash)]
#[non_exhaustive]
pub struct Audit {
    /// `address`.
    pub address: AddressDetail,
    /// `principal`.
    pub principal: PrincipalDetail,
}

/// How much of the client's address the audit shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Hash)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AddressDetail {
    /// `full`.
    #[default]
    Full,
    /// `prefix`: IPv4 /24, IPv6 /48.
    Prefix,
    /// `hash`: the same for the same address until the process ends.
    Hash,
    /// `none`.
    None,
}

/// How much of the caller's name the audit shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Hash)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PrincipalDetail {
    /// `full`.
    #[default]
    Full,
    /// `hash`: the same for the same caller until the process ends.
    Hash,
}
