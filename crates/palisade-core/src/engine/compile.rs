//! From a policy as it was written to one that requests are judged by, or to every mistake in
//! it.

use super::{
    Palisade,
    clock::SteadyClock,
    compiled::{Challenges, Compiled, CompiledScheme, Ids},
    describe::Description,
    limits::Limits,
    methods::Methods,
    rules::{RuleContext, Rules},
};
use crate::{
    config::{ConfigError, Mistakes},
    cors::CompiledCors,
    fields::KnownFields,
    headers::CompiledHeaders,
    host::{HostList, HostPattern},
    policy::{BuildContext, Policy, Unlisted},
    problem::Problems,
    requirement::Roles,
    scheme::{Carrier, Scheme},
};
use http::{HeaderName, HeaderValue, header};
use std::{
    collections::HashSet,
    fmt::Write,
    sync::{Arc, Once},
};

/// Checks everything, compiles everything, and reports every mistake at once.
pub(crate) fn compile(mut policy: Policy) -> Result<Palisade, ConfigError> {
    let mut mistakes = policy.take_mistakes();
    let compiled = compile_parts(&policy, &mut mistakes);
    if policy.rules.is_empty() && policy.schemes.is_empty() && policy.custom_schemes().is_empty() {
        tracing::warn!(
            target: "palisade",
            "the policy has no rule and no way to authenticate, so every request is refused; add \
             a [[rule]]"
        );
    }
    match compiled {
        Some(mut compiled) if mistakes.is_empty() => {
            compiled.description = Description::of(&policy, &compiled);
            Ok(Palisade(Arc::new(compiled)))
        }
        _ => Err(mistakes.into_error()),
    }
}

fn compile_parts(policy: &Policy, mistakes: &mut Mistakes) -> Option<Compiled> {
    let mut known = KnownFields::default();
    let mut methods = Methods::default();
    let secrets = Secrets::draw(policy, mistakes);

    check_texts(policy, mistakes);
    check_sizes(policy, mistakes);
    let hosts = hosts(policy, mistakes);
    let headers = CompiledHeaders::compile(&policy.headers, &mut known, mistakes);
    let schemes = schemes(policy, mistakes);
    let scheme_headers = scheme_headers(&schemes);
    let cors = policy
        .cors
        .as_ref()
        .map(|cors| CompiledCors::compile(cors, &scheme_headers, &mut known, mistakes));
    let roles: Roles = policy
        .roles
        .iter()
        .map(|(role, permissions)| (role.as_str(), permissions.as_slice()))
        .collect();
    let limits = Limits::compile(
        &policy.limits,
        policy.limit_max_keys,
        &secrets.limits,
        mistakes,
    );
    // Rules are checked even if a limit is broken, against the limits that are left: none.
    let no_limits = Limits::none();
    let custom = policy.custom_schemes().iter().map(|own| own.name());
    let named = policy.schemes.iter().map(|own| own.name());
    let rules = RuleContext {
        schemes: &schemes,
        scheme_names: &named.chain(custom).collect::<Vec<_>>(),
        limits: limits.as_ref().unwrap_or(&no_limits),
        limit_parts: &policy.limits,
        methods: &mut methods,
        known: &mut known,
        mistakes,
    }
    .compile(&policy.rules);
    check_names(policy, &roles, mistakes);
    check_unused_limits(policy, mistakes);
    if mistakes.has("limit") {
        return None;
    }

    let no_store = known.add(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(Compiled {
        ports: policy.ports().clone(),
        clock: SteadyClock::default(),
        hosts,
        https: policy.https.clone(),
        firewall: policy.firewall.clone(),
        methods,
        headers,
        known,
        no_store,
        cors,
        schemes,
        roles,
        scopes: scopes(policy),
        limits: limits?,
        unlisted: unlisted(policy, &rules),
        rules,
        body: policy.body.clone(),
        problems: Problems::new(&policy.problem_type_base, policy.ports().renderer.clone()),
        audit: policy.audit,
        ids: Ids::new(&secrets.ids),
        told_peer_missing: Once::new(),
        fingerprint: fingerprint(policy),
        description: Description::default(),
    })
}

/// What the hashes of this process are keyed with.
#[derive(Default)]
struct Secrets {
    ids: [u8; 16],
    limits: [u8; 16],
}

impl Secrets {
    fn draw(policy: &Policy, mistakes: &mut Mistakes) -> Self {
        let mut secrets = Self::default();
        let entropy = &policy.ports().entropy;
        let drawn = entropy
            .fill(&mut secrets.ids)
            .and_then(|()| entropy.fill(&mut secrets.limits));
        if let Err(source) = drawn {
            mistakes.add("", source.to_string());
        }
        secrets
    }
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
}

fn hosts(policy: &Policy, mistakes: &mut Mistakes) -> Option<HostList> {
    if policy.host.allowed.is_empty() {
        return None;
    }
    let mut patterns = Vec::new();
    for (index, text) in policy.host.allowed.iter().enumerate() {
        match HostPattern::parse(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(message) => mistakes.add(format!("host.allowed[{index}]"), message),
        }
    }
    Some(patterns.into_iter().collect())
}

fn schemes(policy: &Policy, mistakes: &mut Mistakes) -> Vec<CompiledScheme> {
    let context = BuildContext::of(policy);
    let mut names: Vec<&str> = Vec::new();
    let mut compiled = Vec::new();
    for config in &policy.schemes {
        if names.contains(&config.name()) {
            mistakes.add(
                "",
                format!("two schemes are named {:?}; rename one", config.name()),
            );
        }
        names.push(config.name());
        compiled.extend(config.compile(&context, mistakes).map(with_challenges));
    }
    let custom = policy.custom_schemes().iter().cloned();
    compiled.extend(custom.map(with_challenges));
    compiled
}

fn with_challenges(scheme: Arc<dyn Scheme>) -> CompiledScheme {
    let challenge = scheme.challenge();
    CompiledScheme {
        is_bearer_like: challenge.as_ref().is_some_and(|one| one.is_bearer_like()),
        challenges: challenge.map(|one| Challenges {
            bare: one.to_value(),
            invalid_token: one.clone().with("error", "invalid_token").to_value(),
            invalid_request: one.clone().with("error", "invalid_request").to_value(),
            insufficient_scope: one.with("error", "insufficient_scope").to_value(),
        }),
        scheme,
    }
}

/// Headers of their own that credentials travel in: pages of allowed origins may send them.
fn scheme_headers(schemes: &[CompiledScheme]) -> Vec<HeaderName> {
    schemes
        .iter()
        .flat_map(|own| own.scheme.carriers())
        .filter_map(|carrier| match carrier {
            Carrier::Header(name) => Some(name.clone()),
            _ => None,
        })
        .collect()
}

fn unlisted(policy: &Policy, _rules: &Rules) -> Unlisted {
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

/// Names a version of the policy: the same for the same words, without any secret.
fn fingerprint(policy: &Policy) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("{policy:?}"));
    digest.iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
