//! From a policy as it was written to one that requests are judged by, or to every mistake in
//! it.

use super::{
    compiled::Compiled,
    confirm::known::KnownRoutes,
    counters::RequestCounters,
    description::Description,
    lineage::Lineage,
    metadata::Resource,
    overlaps,
    response::caching::Caching,
    schemes::Schemes,
    stage::{
        firewall::FirewallStage, host::HostStage, https::HttpsStage, limits::Limits,
        preflight::PreflightStage, rule::RuleContext,
    },
};
use crate::{
    config::{ConfigError, Mistakes},
    cors::CompiledCors,
    fields::KnownFields,
    headers::CompiledHeaders,
    methods::Methods,
    part::Fittings,
    policy::{Limit, LimitKey, Policy, Unlisted},
    problem::Problems,
    requirement::Roles,
    scheme::BuildContext,
    secret::Secret,
};
use http::{HeaderValue, header};
use secrecy::ExposeSecret;
use std::{collections::HashSet, path::PathBuf, sync::Arc};

/// What came of compiling a policy.
pub(super) struct Attempt {
    pub(super) compiled: Result<Compiled, ConfigError>,
    /// The files that were read for it, or should have been.
    pub(super) files: Vec<PathBuf>,
}

/// Checks everything, compiles everything, and reports every mistake at once. What must not
/// start anew is taken over from the version `before`.
pub(super) fn compile(mut policy: Policy, before: Option<&Compiled>) -> Attempt {
    let mut mistakes = policy.take_mistakes();
    let fingerprint = policy.fingerprint();
    if let Some(before) = before {
        // Its limits remember times of this clock.
        policy = policy.with_clock(Arc::clone(&before.ports.clock));
    }
    let mut files = load_certificates(&mut policy, &mut mistakes);
    let context = policy.build_context();
    let compiled = compile_parts(&policy, &context, before, fingerprint, &mut mistakes);
    files.extend(context.into_files());
    if policy.rules.is_empty() && policy.schemes.is_empty() && policy.custom_schemes().is_empty() {
        mistakes.warn(
            "",
            "the policy has no rule and no way to authenticate, so every request is refused; add \
             a [[rule]]",
        );
    }
    let compiled = match compiled {
        Some(mut compiled) if mistakes.is_empty() => {
            compiled.warnings = mistakes.take_warnings();
            compiled.description = Description::of(&policy, &compiled);
            Ok(compiled)
        }
        _ => Err(mistakes.into_error()),
    };
    Attempt { compiled, files }
}

fn compile_parts(
    policy: &Policy,
    context: &BuildContext<'_>,
    before: Option<&Compiled>,
    fingerprint: String,
    mistakes: &mut Mistakes,
) -> Option<Compiled> {
    let mut known = KnownFields::default();
    let mut methods = Methods::default();
    let lineage = match before {
        Some(before) => Arc::clone(&before.lineage),
        None => Arc::new(Lineage::new(&*policy.ports().entropy, mistakes)),
    };

    check_texts(policy, mistakes);
    check_sizes(policy, mistakes);
    for (index, name) in policy.methods.iter().enumerate() {
        if let Err(message) = methods.declare(name) {
            mistakes.add(format!("methods[{index}]"), message);
        }
    }
    let host = HostStage::compile(&policy.host, mistakes);
    let https = HttpsStage::compile(&policy.https, &host, mistakes);
    let headers = CompiledHeaders::compile(&policy.headers, &mut known, mistakes);
    let resource = Resource::of(policy, mistakes);
    let metadata_url = resource
        .as_ref()
        .map(|resource| resource.metadata_url.as_str());
    let schemes = Schemes::compile(policy, context, metadata_url, mistakes);
    let scheme_headers = schemes.headers();
    let cors = policy
        .cors
        .as_ref()
        .map(|cors| CompiledCors::compile(cors, &scheme_headers, &methods, &mut known, mistakes));
    let roles: Roles = policy
        .roles
        .iter()
        .map(|(role, permissions)| (role.as_str(), permissions.as_slice()))
        .collect();
    let limits = Limits::compile(
        policy,
        lineage.limit_keys.clone(),
        before.map(|before| &before.limits),
        mistakes,
    );
    let scopes = scopes(policy);
    let metadata = resource.map(|resource| resource.metadata(policy, &schemes, &scopes));
    let mut fittings = Fittings::default();
    if let Some(metadata) = metadata {
        fittings.endpoint(metadata);
    }
    for part in policy.parts() {
        part.fit(context, &mut fittings, mistakes);
    }
    // Rules are checked even if a limit is broken, against the limits that are left: none.
    let no_limits = Limits::none(policy);
    let custom = policy.custom_schemes().iter().map(|own| own.name());
    let named = policy.schemes.iter().map(|own| own.name());
    let rules = RuleContext {
        schemes: &schemes,
        scheme_names: &named.chain(custom).collect::<Vec<_>>(),
        limits: limits.as_ref().unwrap_or(&no_limits),
        limit_parts: &policy.limits,
        uncertain: policy.routes.uncertain,
        answer_unlisted: unlisted(policy),
        methods: &mut methods,
        known: &mut known,
        mistakes,
    }
    .compile(&policy.rules, fittings.endpoints);
    if mistakes.is_empty() {
        overlaps::check(&rules, &schemes, mistakes);
    }
    check_names(policy, &roles, mistakes);
    check_unused_limits(policy, mistakes);
    check_header_limits(policy, mistakes);
    if mistakes.has("limit") || mistakes.has("failures") {
        return None;
    }

    let no_store = known.add(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(Compiled {
        ports: policy.ports().clone(),
        lineage,
        firewall: FirewallStage::new(&policy.firewall),
        host,
        https,
        preflight: PreflightStage { cors },
        methods,
        usually_private: is_usually_private(&headers, &known),
        headers,
        known,
        no_store,
        schemes,
        roles,
        scopes,
        limits: limits?,
        rules,
        routes: KnownRoutes::default(),
        body: policy.body.clone(),
        problems: Problems::new(&policy.problem_type_base, policy.ports().renderer.clone()),
        audit: policy.audit,
        counters: RequestCounters::new(),
        fingerprint,
        warnings: Vec::new(),
        description: Description::default(),
    })
}

/// Whether the `Cache-Control` of the policy itself keeps responses out of shared caches.
fn is_usually_private(headers: &CompiledHeaders, known: &KnownFields) -> bool {
    let fixed = headers
        .fixed
        .iter()
        .filter_map(|field| known.get(field.index));
    let mut caching = Caching::default();
    for (_, value) in fixed.filter(|(name, _)| *name == header::CACHE_CONTROL) {
        caching.note(value.as_bytes());
    }
    caching.is_private()
}

/// Puts the certificates of `outgoing.ca` in the place of their reference: companions know no
/// folder. Returns the file they are in.
fn load_certificates(policy: &mut Policy, mistakes: &mut Mistakes) -> Vec<PathBuf> {
    let Some(reference) = policy.outgoing.ca.take() else {
        return Vec::new();
    };
    let context = policy.build_context();
    let loaded = context.load(&reference);
    let files = context.into_files();
    match loaded {
        Ok(pem) => policy.outgoing.ca = Some(Secret::value(pem.expose_secret())),
        Err(why) => mistakes.add("outgoing.ca", why.to_string()),
    }
    files
}

fn check_texts(policy: &Policy, mistakes: &mut Mistakes) {
    let plain = |text: &str| {
        text.bytes()
            .all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\')
    };
    if policy.realm.is_empty() || !plain(&policy.realm) {
        mistakes.add(
            "realm",
            "must be visible ASCII without quotes and backslashes, such as \"api\"",
        );
    }
    let base = &policy.problem_type_base;
    if base.is_empty() || base.contains(' ') || !plain(base) || !base.contains(':') {
        mistakes.add(
            "problems.type_base",
            "must be the beginning of a URI, such as \"https://api.example.com/problems/\"",
        );
    }
}

fn check_sizes(policy: &Policy, mistakes: &mut Mistakes) {
    let mut at_least = |key: &str, value: usize, least: usize| {
        if value < least {
            mistakes.add(key, format!("is {value}; write {least} or more"));
        }
    };
    at_least("firewall.max_target", policy.firewall.max_target, 1);
    at_least(
        "firewall.max_header_lines",
        policy.firewall.max_header_lines,
        1,
    );
    at_least(
        "firewall.max_header_bytes",
        policy.firewall.max_header_bytes,
        64,
    );
    at_least("body.json_depth", policy.body.json_depth, 1);
    at_least("body.json_array", policy.body.json_array, 1);
    at_least("limit_max_keys", policy.limit_max_keys, 1);
    check_timeouts(policy, mistakes);
}

fn check_timeouts(policy: &Policy, mistakes: &mut Mistakes) {
    let mut wait = |key: String, seconds: Option<u64>| {
        if seconds == Some(0) {
            let message =
                "is 0, so that no body would be waited for; write a duration such as \"30s\"";
            mistakes.add(key, message);
        }
    };
    let body = &policy.body;
    wait("body.idle_timeout".to_owned(), Some(body.idle_timeout));
    wait("body.total_timeout".to_owned(), Some(body.total_timeout));
    for (index, rule) in policy.rules.iter().enumerate() {
        let key = |name| format!("rule[{index}].{name}");
        wait(key("body_idle_timeout"), rule.body_idle_timeout);
        wait(key("body_total_timeout"), rule.body_total_timeout);
    }
}

fn unlisted(policy: &Policy) -> Unlisted {
    policy.unlisted.unwrap_or(match policy.rules.is_empty() {
        true => Unlisted::Authenticated,
        false => Unlisted::NotFound,
    })
}

/// Every scope that the policy names.
fn scopes(policy: &Policy) -> HashSet<String> {
    let mut scopes: HashSet<String> = policy.scopes.iter().cloned().collect();
    for requirement in policy.rules.iter().filter_map(|rule| rule.require.as_ref()) {
        requirement.names(&mut |kind, name| {
            if kind == "scope" {
                scopes.insert(name.to_owned());
            }
        });
    }
    scopes
}

/// A permission that no role gives and a role that the policy does not know are mostly typing
/// errors, and they lock everybody out.
fn check_names(policy: &Policy, roles: &Roles, mistakes: &mut Mistakes) {
    for (index, rule) in policy.rules.iter().enumerate() {
        let Some(requirement) = &rule.require else {
            continue;
        };
        requirement.names(&mut |kind, name| {
            let message = match kind {
                _ if name.is_empty() || name.contains([' ', '"', '\\', '\n']) => {
                    format!("{name:?} is no {kind}; write one word without spaces or quotes")
                }
                "permission" if !roles.is_empty() && !roles.declares_permission(name) => {
                    format!("no role gives the permission {name:?}; add it to one in [roles]")
                }
                "role" if !roles.is_empty() && !policy.roles.contains_key(name) => {
                    format!("there is no role {name:?} in [roles]; add it")
                }
                _ => return,
            };
            mistakes.add(format!("rule[{index}].require"), message);
        });
    }
}

fn check_unused_limits(policy: &Policy, mistakes: &mut Mistakes) {
    for (index, limit) in policy.limits.iter().enumerate() {
        let named = policy
            .rules
            .iter()
            .filter_map(|rule| rule.limits.as_ref())
            .any(|names| names.contains(&limit.name));
        if !named && !limit.default {
            mistakes.add(
                format!("limit[{index}]"),
                format!(
                    "{:?} holds nowhere; name it in the limits of a rule, or write default = true",
                    limit.name
                ),
            );
        }
    }
}

/// A limit that counts by a header is passed by whoever changes the header, so it is worth nothing
/// where it is alone.
fn check_header_limits(policy: &Policy, mistakes: &mut Mistakes) {
    let by_header = |limit: &Limit| matches!(limit.by, LimitKey::Header(_));
    let default = |limit: &Limit| limit.default;
    let of_rules = policy.rules.iter().filter(|rule| !rule.probe).map(|rule| {
        let named = |limit: &Limit| rule.limits.iter().flatten().any(|name| *name == limit.name);
        let adds = rule.limits.is_none() || rule.add_limits;
        let holding = policy.limits.iter().enumerate();
        let holding = holding.filter(|(_, limit)| named(limit) || adds && default(limit));
        (rule.path.as_str(), holding.collect::<Vec<_>>())
    });
    let unlisted = policy.limits.iter().enumerate();
    let unlisted = unlisted.filter(|(_, limit)| default(limit)).collect();
    for (place, holding) in of_rules.chain([("a path without a rule", unlisted)]) {
        let mut enforced = holding.iter().filter(|(_, limit)| !limit.shadow);
        if !enforced.clone().all(|(_, limit)| by_header(limit)) {
            continue;
        }
        if let Some((index, _)) = enforced.next() {
            mistakes.warn_once(
                format!("limit[{index}].by"),
                format!(
                    "counts by a header, which clients choose, and nothing else limits {place}: \
                     who changes the header is never limited; add a limit by address"
                ),
            );
        }
    }
}
