//! Stage 6: `[[rule]]`. Which rule speaks for a path and a method, and what it demands.

mod compile;
mod notes;

use super::{
    limits::{Limits, RuleLimits},
    shown,
};
use crate::{
    body::{Body, BodyTimeouts},
    cause::Cause,
    config::Mistakes,
    endpoint::Endpoint,
    engine::{
        facts::{Matched, Record},
        lineage::Lineage,
        schemes::{SchemeId, Schemes},
    },
    fields::KnownFields,
    firewall::{EncodedSet, Target},
    methods::{MethodId, MethodSet, Methods},
    policy::{Limit, Uncertain, Unlisted},
    problem::{Code, Reason},
    requirement::{Requirement, all_of},
    rule::{
        pattern::Pattern,
        table::{Ambiguous, Found, PathTable},
        template::RouteTemplate,
    },
};
use http::{HeaderValue, header};
use std::sync::Arc;

/// The rules of a policy.
#[derive(Debug)]
pub(crate) struct Rules {
    paths: PathTable<PathRules>,
    list: Vec<CompiledRule>,
    guardrails: Vec<Guardrail>,
    /// What holds for paths without a rule.
    pub(crate) unlisted: CompiledRule,
    /// What happens to requests whose rule is uncertain.
    pub(crate) uncertain: Uncertain,
    /// What happens to requests without a rule.
    pub(in crate::engine) answer_unlisted: Unlisted,
}

/// One rule, ready to judge by.
#[derive(Debug)]
pub(crate) struct CompiledRule {
    pub(crate) template: Box<str>,
    pub(crate) requirement: Requirement,
    /// The schemes that it accepts.
    pub(crate) schemes: Vec<SchemeId>,
    pub(crate) accepts_ambient: bool,
    pub(in crate::engine) limits: RuleLimits,
    pub(crate) max_body: Option<u64>,
    pub(crate) body_timeouts: BodyTimeouts,
    pub(in crate::engine) probe: bool,
    pub(in crate::engine) allow_encoded: EncodedSet,
    pub(in crate::engine) handler_caches: bool,
    pub(in crate::engine) corp: Option<usize>,
    /// The names of the request headers that carry credentials, for `Vary`.
    pub(in crate::engine) vary: Vec<HeaderValue>,
    /// `None`: what holds for paths without a rule.
    pattern: Option<Pattern>,
    /// Whether its paths may end in a slash and need not.
    pub(in crate::engine) same_with_slash: bool,
    /// The route that it is narrower than on purpose.
    route: Option<Pattern>,
    /// Guardrails that some of its paths lie beneath.
    guardrails: Vec<usize>,
    /// What core answers here itself.
    pub(in crate::engine) endpoint: Option<Arc<dyn Endpoint>>,
}

/// The rules of one path.
#[derive(Debug, Default)]
pub(in crate::engine) struct PathRules {
    by_method: Vec<(MethodSet, usize)>,
    allow: Option<HeaderValue>,
}

/// A rule marked `always`.
#[derive(Debug)]
struct Guardrail {
    pattern: Pattern,
    requirement: Requirement,
}

/// What the rules say of a request.
#[derive(Debug)]
pub(in crate::engine) enum Listed<'a> {
    /// This rule speaks for it.
    Rule(usize),
    /// Rules know the path, but not the method.
    OtherMethod { allow: Option<&'a HeaderValue> },
    /// No rule knows the path.
    Unlisted,
    /// One router would take the path for another one than the next router does.
    Ambiguous(Ambiguous<'a, PathRules>),
}

/// What the rules say of a route, whatever the path of a request was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum OwnRule {
    /// This rule, or with `None` what holds for paths without a rule, speaks for it.
    Rule(Option<usize>),
    /// Rules know the route, but not the method.
    OtherMethod,
}

impl Rules {
    /// Finds the rule for a path; where one is refused as ambiguous, [`judge`](Self::judge) does it.
    pub(in crate::engine) fn look_up(
        &self,
        path: &str,
        method: MethodId,
        matched: &mut Matched,
        record: &mut Record,
        lineage: &Lineage,
    ) -> Listed<'_> {
        let mut listed = self.find(path, method);
        if let Listed::Ambiguous(ambiguous) = listed {
            record.remark(|| ambiguous.to_string());
            if self.uncertain == Uncertain::Refuse {
                return Listed::Ambiguous(ambiguous);
            }
            matched.uncertain = Some(Cause::AmbiguousPath.as_str());
            lineage.tell_once(&ambiguous.to_string(), &format!("{path:.200}: {ambiguous}"));
            listed = Self::listed(ambiguous.as_sent, method);
        }
        if let Listed::Rule(index) = listed {
            matched.rule = Some(index);
        }
        listed
    }

    /// Refuses what no rule can speak for, and notes what is refused once that is decided.
    pub(in crate::engine) fn judge(
        &self,
        target: &Target<'_>,
        rule: &CompiledRule,
        listed: &Listed<'_>,
        matched: &mut Matched,
    ) -> Result<(), Reason> {
        target
            .refuse_unless(rule.allow_encoded)
            .map_err(|refused| Reason::new(Code::RequestRejected, refused.cause()))?;
        matched.guardrail = self.guardrail(rule, target.path);
        let no_rule = match listed {
            Listed::Rule(_) => None,
            Listed::Ambiguous(_) => {
                return Err(Reason::new(Code::RequestRejected, Cause::AmbiguousPath));
            }
            Listed::OtherMethod { allow } => {
                let reason = Reason::new(Code::MethodNotAllowed, Cause::MethodNotListed);
                let allow = allow.map(|allow| (header::ALLOW, allow.clone()));
                Some(reason.headers(allow))
            }
            Listed::Unlisted => match self.answer_unlisted {
                Unlisted::NotFound => Some(Reason::new(Code::NotFound, Cause::PathNotListed)),
                Unlisted::Authenticated => None,
            },
        };
        matched.no_rule = no_rule.map(Box::new);
        // Who may not even know whether the path exists must not cost a signature.
        matched.credentials_read = match listed {
            Listed::Rule(_) => !rule.requirement.is_public() || matched.guardrail.is_some(),
            _ => self.answer_unlisted == Unlisted::Authenticated,
        };
        Ok(())
    }

    pub(in crate::engine) fn tell(&self, listed: &Listed<'_>, matched: &Matched) -> String {
        match listed {
            Listed::Rule(index) => {
                let Some(rule) = self.get(*index) else {
                    return String::new();
                };
                let kind = match (&rule.endpoint, rule.probe) {
                    (Some(endpoint), _) => format!(" (answered by Palisade: {})", endpoint.name()),
                    (None, true) => " (probe)".to_owned(),
                    (None, false) => String::new(),
                };
                format!("{}{kind} demands {}", rule.template, rule.demand(matched))
            }
            Listed::OtherMethod { allow } => {
                let allow = allow.map(|allow| shown(allow.as_bytes()));
                format!(
                    "rules for this path, but for {} only",
                    allow.unwrap_or_default()
                )
            }
            Listed::Ambiguous(ambiguous) => ambiguous.to_string(),
            Listed::Unlisted => "no rule for this path".to_owned(),
        }
    }

    /// The schemes that each rule accepts, and those of paths without a rule.
    pub(in crate::engine) fn scheme_lists(&self) -> impl Iterator<Item = &[SchemeId]> {
        let rules = self.list.iter().chain([&self.unlisted]);
        rules.map(|rule| rule.schemes.as_slice())
    }

    /// What core answers itself, with the rules that this is under.
    pub(in crate::engine) fn endpoints(&self) -> impl Iterator<Item = (usize, &dyn Endpoint)> {
        let rules = self.list.iter().enumerate();
        rules.filter_map(|(index, rule)| Some((index, rule.endpoint.as_deref()?)))
    }

    pub(crate) fn get(&self, index: usize) -> Option<&CompiledRule> {
        self.list.get(index)
    }

    /// The guardrails that some of a rule's paths lie beneath: their path and requirement.
    pub(in crate::engine) fn partly_above(
        &self,
        rule: &CompiledRule,
    ) -> impl Iterator<Item = (&str, &Requirement)> {
        let above = rule.guardrails.iter();
        let above = above.filter_map(|&index| self.guardrails.get(index));
        above.map(|own| (own.pattern.template(), &own.requirement))
    }

    pub(in crate::engine) fn find(&self, path: &str, method: MethodId) -> Listed<'_> {
        match self.paths.find(path) {
            Ok(found) => Self::listed(found, method),
            Err(ambiguous) => Listed::Ambiguous(ambiguous),
        }
    }

    /// What a look-up found, for a method.
    pub(in crate::engine) fn listed(
        found: Option<Found<'_, PathRules>>,
        method: MethodId,
    ) -> Listed<'_> {
        let Some(found) = found else {
            return Listed::Unlisted;
        };
        match found.value.rule(method) {
            Some(index) => Listed::Rule(index),
            None => Listed::OtherMethod {
                allow: found.value.allow.as_ref(),
            },
        }
    }

    /// The place of the most specific path that matches all that a route can match.
    pub(in crate::engine) fn covering(&self, route: &RouteTemplate) -> Option<usize> {
        self.paths.covering(route)
    }

    /// The places of all paths that match a path, and are at least as specific as that of a place.
    pub(in crate::engine) fn matching(
        &self,
        path: &str,
        least: Option<usize>,
    ) -> impl Iterator<Item = usize> {
        let least = least.and_then(|place| self.paths.pattern(place));
        // Few paths match, so they are asked first: comparing two patterns costs more.
        self.paths.fitting(path).filter_map(move |place| {
            let pattern = self.paths.pattern(place)?;
            let is_specific = least.is_none_or(|least| pattern.is_as_specific_as(least));
            is_specific.then_some(place)
        })
    }

    /// The rule of a place for a method.
    pub(in crate::engine) fn own_rule(&self, place: Option<usize>, method: MethodId) -> OwnRule {
        match place.and_then(|place| self.paths.at(place)) {
            None => OwnRule::Rule(None),
            Some(found) => match found.value.rule(method) {
                Some(index) => OwnRule::Rule(Some(index)),
                None => OwnRule::OtherMethod,
            },
        }
    }

    /// Whether a path of the rule, or but for a slash at its end, can be one of the route.
    pub(in crate::engine) fn may_take(&self, rule: Option<usize>, route: &RouteTemplate) -> bool {
        let pattern = rule.and_then(|rule| self.list.get(rule)?.pattern.as_ref());
        pattern.is_none_or(|pattern| route.may_meet(pattern))
    }

    /// The guardrails that the path lies beneath and that the rule does not include already.
    pub(in crate::engine) fn guardrail(
        &self,
        rule: &CompiledRule,
        path: &str,
    ) -> Option<Requirement> {
        let above: Vec<Requirement> = rule
            .guardrails
            .iter()
            .filter_map(|&index| self.guardrails.get(index))
            .filter(|guardrail| guardrail.pattern.is_above(path))
            .map(|guardrail| guardrail.requirement.clone())
            .collect();
        (!above.is_empty()).then(|| all_of(above))
    }
}

impl PathRules {
    fn rule(&self, method: MethodId) -> Option<usize> {
        let mut rules = self.by_method.iter();
        let own = rules.find(|(methods, _)| methods.contains(method));
        own.map(|&(_, index)| index)
    }
}

impl CompiledRule {
    /// What it demands of this request, with the guardrails above the path, in words.
    pub(in crate::engine) fn demand(&self, matched: &Matched) -> String {
        match &matched.guardrail {
            Some(above) => format!("{} and, above it, {above}", self.requirement),
            None => self.requirement.to_string(),
        }
    }

    /// Whether whatever this rule lets pass, `other` would have let pass, too: the same callers or fewer, by the same
    /// ways to authenticate or fewer, within the same limits or tighter ones. `body` is what holds where both are silent.
    pub(in crate::engine) fn is_as_strict_as(&self, other: &CompiledRule, body: &Body) -> bool {
        // What the layer lets pass, and what extractors read where the rule is silent.
        let smaller =
            |silent: u64| self.max_body.unwrap_or(silent) <= other.max_body.unwrap_or(silent);
        let (times, longest) = (
            self.body_timeouts.within(body),
            other.body_timeouts.within(body),
        );
        let schemes = other.requirement.is_public()
            || self
                .schemes
                .iter()
                .all(|scheme| other.schemes.contains(scheme));
        self.requirement.implies(&other.requirement)
            && schemes
            && (!self.probe || other.probe)
            && self.limits.include(&other.limits)
            && self.limits.cost >= other.limits.cost
            && smaller(u64::MAX)
            && smaller(body.max)
            && times.idle <= longest.idle
            && times.total <= longest.total
            && other.allow_encoded.contains(self.allow_encoded)
            && (!self.handler_caches || other.handler_caches)
            && self.corp == other.corp
    }

    /// Whether the rule says that it speaks for a part of this route only.
    pub(in crate::engine) fn is_narrower_than(&self, route: &RouteTemplate) -> bool {
        self.route.as_ref().is_some_and(|own| route.is_same_as(own))
    }
}

/// What rules are compiled with.
pub(in crate::engine) struct RuleContext<'a> {
    pub(in crate::engine) schemes: &'a Schemes,
    /// Also of those that could not be compiled.
    pub(in crate::engine) scheme_names: &'a [&'a str],
    pub(in crate::engine) limits: &'a Limits,
    pub(in crate::engine) limit_parts: &'a [Limit],
    pub(in crate::engine) uncertain: Uncertain,
    pub(in crate::engine) answer_unlisted: Unlisted,
    pub(in crate::engine) methods: &'a mut Methods,
    pub(in crate::engine) known: &'a mut KnownFields,
    pub(in crate::engine) mistakes: &'a mut Mistakes,
}
