//! A compiled policy for people: what holds on each path, with every default filled in.

use super::{
    Palisade,
    compiled::Compiled,
    description::{Description, LimitDescription, RuleDescription, SchemeDescription},
};
use crate::{
    body::Body,
    config::{Note, join},
    cors::Cors,
    headers::Headers,
    outgoing::Outgoing,
    policy::{Audit, Failures, Firewall, Host, Https, LimitKey, Policy, Routes, Rule, Unlisted},
};
use serde::Serialize;
use serde_json::Value;

impl Palisade {
    /// What the policy says, for a listing or a test of the application.
    ///
    /// ```
    /// use palisade_core::{Policy, Rule, public};
    ///
    /// let palisade = Policy::builder()
    ///     .rule(Rule::new("/health").require(public()))
    ///     .build()?;
    /// let open: Vec<_> = palisade.describe().rules;
    /// assert_eq!((open[0].path.as_str(), open[0].requirement.as_str()), ("/health", "public"));
    /// # Ok::<(), palisade_core::ConfigError>(())
    /// ```
    pub fn describe(&self) -> Description {
        self.current().description.clone()
    }
}

impl Description {
    pub(super) fn of(policy: &Policy, compiled: &Compiled) -> Self {
        let settings = Settings {
            version: 1,
            realm: &policy.realm,
            resource: policy.resource.as_deref(),
            unlisted: compiled.rules.answer_unlisted,
            scopes: &policy.scopes,
            methods: &policy.methods,
            limit_max_keys: policy.limit_max_keys,
            host: &policy.host,
            https: &policy.https,
            firewall: &policy.firewall,
            routes: &policy.routes,
            failures: &policy.failures,
            headers: &policy.headers,
            cors: policy.cors.as_ref(),
            body: &policy.body,
            problems: Problems {
                type_base: &policy.problem_type_base,
            },
            audit: policy.audit,
            outgoing: &policy.outgoing,
        };
        let rules = policy.rules.iter().enumerate();
        Self {
            policy: compiled.fingerprint.clone(),
            // Texts, numbers and lists of them: nothing that JSON cannot hold.
            settings: with_parts(serde_json::to_value(settings).unwrap_or_default(), policy),
            headers: compiled.headers.lines(&compiled.known),
            schemes: compiled.describe_schemes(),
            roles: policy.roles.clone(),
            limits: policy
                .limits
                .iter()
                .map(|limit| LimitDescription {
                    name: limit.name.clone(),
                    quota: limit.quota.clone(),
                    by: limit.by.to_string(),
                    burst: limit.burst,
                    strict: limit.strict,
                    shadow: limit.shadow,
                    default: limit.default,
                    store: limit.store.clone(),
                })
                .collect(),
            rules: rules
                .map(|(index, rule)| compiled.describe_rule(Some(index), rule))
                .chain(compiled.rules.endpoints().map(|(index, endpoint)| {
                    let methods = endpoint.methods().iter().copied();
                    let rule = Rule::new(endpoint.path()).methods(methods);
                    compiled.describe_rule(Some(index), &rule)
                }))
                .collect(),
            unlisted: compiled.describe_rule(None, &Rule::new("")),
            notes: compiled.notes(policy),
        }
    }
}

impl Compiled {
    fn describe_schemes(&self) -> Vec<SchemeDescription> {
        let schemes = self.schemes.iter().map(|own| &own.scheme);
        schemes
            .map(|scheme| SchemeDescription {
                name: scheme.name().to_owned(),
                kind: scheme.kind(),
                issuers: scheme.issuers(),
                carriers: scheme.carriers().to_vec(),
                expects: scheme.expects(),
                challenge: scheme
                    .challenge()
                    .and_then(|one| one.to_value().to_str().map(str::to_owned).ok()),
            })
            .collect()
    }

    fn notes(&self, policy: &Policy) -> Vec<Note> {
        let mut notes = self.rules.notes(&policy.rules, &policy.body);
        notes.extend(self.notes_on_shared_places());
        notes.extend(self.notes_on_limits(policy));
        notes
    }

    /// Schemes that read the same place.
    fn notes_on_shared_places(&self) -> Vec<Note> {
        let mut notes = Vec::new();
        for (index, one) in self.schemes.iter().enumerate() {
            for other in self.schemes.iter().skip(index + 1) {
                let mut places = one.scheme.carriers().iter();
                if let Some(place) = places.find(|place| other.scheme.carriers().contains(place)) {
                    notes.push(Note::new(
                        join(other.scheme.kind(), other.scheme.name()),
                        format!(
                            "reads {place}, as {:?} does: where a rule accepts both, a credential is for the one whose form \
                             it has, and malformed only if it has neither",
                            one.scheme.name()
                        ),
                    ));
                }
            }
        }
        notes
    }

    /// What limits by caller count within, where callers come from several schemes.
    fn notes_on_limits(&self, policy: &Policy) -> Vec<Note> {
        let several = self.schemes.iter().len() > 1;
        let limits = policy.limits.iter().enumerate().filter(|_| several);
        let notes = limits.filter_map(|(index, limit)| {
            let within = match limit.by {
                LimitKey::Tenant => {
                    "each tenant of each issuer; tenants of one name at two issuers are two"
                }
                LimitKey::Credential => {
                    "each credential of each scheme; keys of one name in two schemes are two"
                }
                _ => return None,
            };
            Some(Note::new(
                format!("limit[{index}].by"),
                format!("counts {within}"),
            ))
        });
        notes.collect()
    }

    fn describe_rule(&self, index: Option<usize>, written: &Rule) -> RuleDescription {
        let rule = self.rule_or_unlisted(index);
        let answers_nobody = index.is_none() && self.rules.answer_unlisted == Unlisted::NotFound;
        let requirement = match answers_nobody {
            true => "not found".to_owned(),
            false => rule.requirement.to_string(),
        };
        let guardrails: Vec<_> = self
            .rules
            .partly_above(rule)
            .map(|(path, requirement)| (path.to_owned(), requirement.to_string()))
            .collect();
        let reads = !answers_nobody && (!rule.requirement.is_public() || !guardrails.is_empty());
        let accepted = rule.schemes.iter().filter(|_| reads);
        RuleDescription {
            path: written.path.clone(),
            methods: match (written.probe, written.methods.as_slice()) {
                (true, []) => vec!["GET".to_owned()],
                (_, methods) => methods.to_vec(),
            },
            requirement,
            guardrails: match answers_nobody {
                true => Vec::new(),
                false => guardrails,
            },
            schemes: accepted
                .filter_map(|&id| self.schemes.get(id))
                .map(|own| own.scheme.name().to_owned())
                .collect(),
            limits: self.limits.names(&rule.limits),
            cost: written.cost,
            max_body: written.max_body,
            body_idle_timeout: written.body_idle_timeout,
            body_total_timeout: written.body_total_timeout,
            always: written.always,
            probe: written.probe,
            same_with_slash: written.same_with_slash,
            route: written.route.clone(),
            allow_encoded: written.allow_encoded.clone(),
            handler_caches: written.handler_caches,
            corp: written.corp.clone(),
            endpoint: rule.endpoint.as_ref().map(|endpoint| endpoint.name()),
        }
    }
}

/// Adds the settings of the sections that stand alone.
fn with_parts(mut settings: Value, policy: &Policy) -> Value {
    if let Some(members) = settings.as_object_mut() {
        let parts = policy.parts().iter();
        members.extend(parts.map(|part| (part.section().to_owned(), part.describe())));
    }
    settings
}

/// The settings that stand alone, under the keys of the policy file.
#[derive(Serialize)]
struct Settings<'a> {
    version: u32,
    realm: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    unlisted: Unlisted,
    scopes: &'a [String],
    methods: &'a [String],
    limit_max_keys: usize,
    host: &'a Host,
    https: &'a Https,
    firewall: &'a Firewall,
    routes: &'a Routes,
    failures: &'a Failures,
    headers: &'a Headers,
    #[serde(skip_serializing_if = "Option::is_none")]
    cors: Option<&'a Cors>,
    body: &'a Body,
    problems: Problems<'a>,
    audit: Audit,
    outgoing: &'a Outgoing,
}

#[derive(Serialize)]
struct Problems<'a> {
    type_base: &'a str,
}
