//! A policy in the form that requests are judged by.

use super::{
    confirm::known::KnownRoutes,
    counters::RequestCounters,
    description::Description,
    lineage::Lineage,
    schemes::{Asker, Schemes},
    stage::{
        firewall::FirewallStage,
        host::HostStage,
        https::HttpsStage,
        limits::Limits,
        preflight::PreflightStage,
        rule::{CompiledRule, Rules},
    },
};
use crate::{
    body::Body,
    config::ConfigWarning,
    fields::KnownFields,
    headers::CompiledHeaders,
    methods::Methods,
    policy::{Audit, Ports},
    problem::{Problems, Reason},
    reply::Reply,
    requirement::Roles,
};
use http::{HeaderValue, header};
use std::{collections::HashSet, sync::Arc};

/// A policy, compiled.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) ports: Ports,
    /// What it shares with the versions before and after it.
    pub(crate) lineage: Arc<Lineage>,
    pub(super) firewall: FirewallStage,
    pub(super) host: HostStage,
    pub(super) https: HttpsStage,
    pub(super) preflight: PreflightStage,
    pub(crate) methods: Methods,
    pub(crate) headers: CompiledHeaders,
    pub(crate) known: KnownFields,
    pub(crate) no_store: usize,
    /// Whether a response stays out of shared caches where its handler says nothing of caching.
    pub(crate) usually_private: bool,
    pub(super) schemes: Schemes,
    pub(crate) roles: Roles,
    /// Scopes that a rule or `scopes` names.
    pub(crate) scopes: HashSet<String>,
    pub(crate) limits: Limits,
    pub(crate) rules: Rules,
    /// Routes of the application that requests have taken.
    pub(super) routes: KnownRoutes,
    pub(crate) body: Body,
    pub(crate) problems: Problems,
    pub(crate) audit: Audit,
    pub(crate) counters: RequestCounters,
    /// Names this version of the policy in the audit.
    pub(crate) fingerprint: String,
    /// What is allowed in it and probably not meant.
    pub(crate) warnings: Vec<ConfigWarning>,
    /// The same policy for people.
    pub(crate) description: Description,
}

impl Compiled {
    /// The rule at this index; `None` for an unlisted path.
    pub(crate) fn rule(&self, rule: Option<usize>) -> Option<&CompiledRule> {
        self.rules.get(rule?)
    }

    /// The rule at this index, or what holds for unlisted paths.
    pub(crate) fn rule_or_unlisted(&self, rule: Option<usize>) -> &CompiledRule {
        self.rule(rule).unwrap_or(&self.rules.unlisted)
    }

    /// Whom a refusal asks for credentials.
    pub(super) fn asker(&self, rule: Option<usize>, is_script: bool) -> Asker<'_> {
        Asker {
            accepted: &self.rule_or_unlisted(rule).schemes,
            is_script,
        }
    }

    /// Whether the policy knows the scope, role or permission.
    pub(crate) fn declares(&self, kind: &str, name: &str) -> bool {
        match kind {
            "scope" => self.scopes.contains(name),
            "role" => self.roles.declares_role(name),
            _ => self.roles.declares_permission(name),
        }
    }

    /// Turns a reason into a whole response.
    pub(crate) fn reply(&self, mut reason: Reason, request_id: &str) -> Reply {
        let (content_type, body) = self.problems.render(&reason, request_id);
        let mut headers = reason.take_headers();
        headers.push((header::CONTENT_TYPE, content_type));
        headers.push((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
        Reply {
            status: reason.code().status(),
            headers,
            body,
        }
    }
}
