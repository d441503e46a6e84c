//! A policy in the form that requests are judged by.

use super::{
    confirm::KnownRoutes, counters::RequestCounters, describe::Description, limits::Limits,
    lineage::Lineage, metadata::Metadata, rules::CompiledRule, rules::Rules,
};
use crate::{
    body::Body,
    config::ConfigWarning,
    cors::CompiledCors,
    fields::KnownFields,
    headers::CompiledHeaders,
    host::HostList,
    methods::Methods,
    outage::Outage,
    policy::{Audit, Firewall, Https, Ports, Unlisted},
    principal::Principal,
    problem::{Code, Problems, Reason},
    reply::Reply,
    requirement::{Judgement, Requirement, Roles},
    scheme::{Scheme, with_parameter},
};
use http::{HeaderName, HeaderValue, header};
use smallvec::SmallVec;
use std::{collections::HashSet, sync::Arc};

/// A policy, compiled.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) ports: Ports,
    /// What it shares with the versions before and after it.
    pub(crate) lineage: Arc<Lineage>,
    pub(crate) hosts: Option<HostList>,
    pub(crate) https: Https,
    pub(crate) firewall: Firewall,
    pub(crate) methods: Methods,
    pub(crate) headers: CompiledHeaders,
    pub(crate) known: KnownFields,
    pub(crate) no_store: usize,
    /// Whether a response stays out of shared caches where its handler says nothing of caching.
    pub(crate) usually_private: bool,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) cors: Option<CompiledCors>,
    pub(crate) schemes: Vec<CompiledScheme>,
    /// Whether a scheme is HTTP Basic, which scripts are not asked for.
    pub(crate) asks_for_basic: bool,
    pub(crate) roles: Roles,
    /// Scopes that a rule or `scopes` names.
    pub(crate) scopes: HashSet<String>,
    pub(crate) limits: Limits,
    pub(crate) rules: Rules,
    /// Routes of the application that requests have taken.
    pub(super) routes: KnownRoutes,
    pub(crate) unlisted: Unlisted,
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

/// A scheme and its challenges, written once.
#[derive(Debug)]
pub(crate) struct CompiledScheme {
    pub(crate) scheme: Arc<dyn Scheme>,
    pub(crate) challenges: Option<Challenges>,
    pub(crate) is_bearer_like: bool,
    pub(crate) is_basic: bool,
    pub(crate) outage: Outage,
}

/// The parameter that tells where the metadata of the resource is (RFC 9728 §5.1).
pub(super) const RESOURCE_METADATA: &str = "resource_metadata";

/// The challenges of a scheme that do not depend on the request.
#[derive(Debug)]
pub(crate) struct Challenges {
    pub(crate) bare: HeaderValue,
    pub(crate) invalid_token: HeaderValue,
    pub(crate) invalid_request: HeaderValue,
    /// To be followed by the scopes and the place of the metadata.
    pub(crate) insufficient_scope: HeaderValue,
}

/// Who is refused: which challenges the refusal has depends on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) rule: Option<usize>,
    /// Whether a page's code sent the request (Fetch Metadata §2.2). To it, a browser would show
    /// a login dialogue that the page did not ask for, where Basic is asked for.
    pub(crate) is_script: bool,
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

    /// Compares the caller with what the rule and, beyond it, a route or a guardrail demand.
    pub(crate) fn judge(
        &self,
        caller: &Principal,
        asker: Asker,
        scheme: Option<usize>,
        more: Option<&Requirement>,
    ) -> Result<(), Reason> {
        let rule = self.rule_or_unlisted(asker.rule);
        let demands = || std::iter::once(&rule.requirement).chain(more);
        let worst = demands()
            .map(|demand| demand.judge(caller, &self.roles))
            .max()
            .unwrap_or(Judgement::Forbidden);
        match worst {
            Judgement::Met => Ok(()),
            Judgement::Forbidden => Err(Reason::new(Code::Forbidden, "requirement_not_met")),
            Judgement::Unreadable => {
                Err(self.invalid_token(asker, scheme.unwrap_or(usize::MAX), "claim_type"))
            }
            Judgement::ScopeMissing => {
                let mut scopes = Vec::new();
                for demand in demands() {
                    demand.scopes_needed(caller, &self.roles, &mut scopes);
                }
                Err(self.insufficient_scope(scheme, &scopes.join(" ")))
            }
        }
    }

    /// RFC 6750 §3.1: only a bearer credential is told what is missing.
    fn insufficient_scope(&self, scheme: Option<usize>, scopes: &str) -> Reason {
        let reason = Reason::new(Code::InsufficientScope, "scope_missing");
        let presented = scheme.and_then(|index| self.schemes.get(index));
        let challenge = presented
            .filter(|presented| presented.is_bearer_like)
            .and_then(|presented| presented.challenges.as_ref());
        let Some(challenges) = challenge else {
            return reason;
        };
        let mut value = with_parameter(&challenges.insufficient_scope, "scope", scopes);
        if let Some(metadata) = &self.metadata {
            value = with_parameter(&value, RESOURCE_METADATA, &metadata.url);
        }
        reason.header(header::WWW_AUTHENTICATE, value)
    }

    /// RFC 9110 §11.6.1: the bare challenges of every scheme that the rule accepts; 403 where
    /// none of them can be asked for over HTTP.
    pub(crate) fn credentials_required(&self, asker: Asker, cause: &'static str) -> Reason {
        let schemes = &self.rule_or_unlisted(asker.rule).schemes;
        let mut known = schemes.iter().filter_map(|&index| self.schemes.get(index));
        if !schemes.is_empty() && !known.any(|scheme| scheme.challenges.is_some()) {
            return Reason::new(Code::ClientCertificateRequired, cause);
        }
        let challenges = self.challenge_lines(asker, None);
        Reason::new(Code::CredentialsRequired, cause).challenges(challenges)
    }

    /// The credential of the scheme is bad: its challenge first, with the error; the others
    /// bare.
    pub(crate) fn invalid_token(&self, asker: Asker, scheme: usize, cause: &'static str) -> Reason {
        Reason::new(Code::InvalidToken, cause).challenges(self.challenge_lines(asker, Some(scheme)))
    }

    /// The request is malformed; only a scheme that was presented and understands it is told so.
    pub(crate) fn invalid_request(&self, scheme: Option<usize>, cause: &'static str) -> Reason {
        let reason = Reason::new(Code::InvalidRequest, cause);
        let presented = scheme.and_then(|index| self.schemes.get(index));
        match presented.and_then(|presented| presented.challenges.as_ref()) {
            Some(challenges) => {
                reason.header(header::WWW_AUTHENTICATE, challenges.invalid_request.clone())
            }
            None => reason,
        }
    }

    fn challenge_lines(
        &self,
        asker: Asker,
        failed: Option<usize>,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let mut lines: Vec<(HeaderName, HeaderValue)> = Vec::new();
        let mut asked: SmallVec<[&HeaderValue; 4]> = SmallVec::new();
        let failed_first = failed
            .into_iter()
            .chain(self.rule_or_unlisted(asker.rule).schemes.iter().copied());
        for index in failed_first {
            let scheme = self.schemes.get(index);
            let scheme = scheme.filter(|scheme| !(scheme.is_basic && asker.is_script));
            let Some(challenges) = scheme.and_then(|scheme| scheme.challenges.as_ref()) else {
                continue;
            };
            // Two schemes may ask in the same words, as two issuers of bearer tokens do.
            if asked.contains(&&challenges.bare) {
                continue;
            }
            asked.push(&challenges.bare);
            let value = match failed == Some(index) {
                true => &challenges.invalid_token,
                false => &challenges.bare,
            };
            lines.push((header::WWW_AUTHENTICATE, value.clone()));
        }
        lines
    }
}
