//! From `[[rule]]` to what a request is judged by, with every mistake on the way.

use super::{
    super::limits::{self, RuleLimits},
    CompiledRule, Guardrail, PathRules, RuleContext, Rules,
};
use crate::{
    body::BodyTimeouts,
    endpoint::Endpoint,
    engine::schemes::{CompiledScheme, SchemeId},
    firewall::EncodedSet,
    limit::LimitId,
    methods::{MethodId, MethodSet},
    policy::Rule,
    requirement::{authenticated, public},
    rule::{
        pattern::Pattern,
        table::{Found, PathTable},
        template::RouteTemplate,
    },
};
use http::{HeaderName, HeaderValue};
use std::sync::Arc;

impl RuleContext<'_> {
    pub(in crate::engine) fn compile(
        mut self,
        rules: &[Rule],
        endpoints: Vec<Arc<dyn Endpoint>>,
    ) -> Rules {
        let patterns: Vec<Option<Pattern>> = rules
            .iter()
            .enumerate()
            .map(|(index, rule)| self.pattern(index, rule))
            .collect();
        let guardrails: Vec<Guardrail> = rules
            .iter()
            .zip(&patterns)
            .filter(|(rule, _)| rule.always)
            .filter_map(|(rule, pattern)| {
                Some(Guardrail {
                    pattern: pattern.clone()?,
                    requirement: rule.require.clone()?,
                })
            })
            .collect();

        let mut list = Vec::new();
        let mut paths: PathTable<PathRules> = PathTable::new();
        for (index, (rule, pattern)) in rules.iter().zip(&patterns).enumerate() {
            let compiled = self.rule(index, rule, pattern.as_ref(), &guardrails);
            let methods = self.method_set(index, rule);
            if let Some(pattern) = pattern {
                self.place(&mut paths, index, pattern, methods, rules);
            }
            list.push(compiled);
        }
        self.refuse_answered_roots(&patterns, &paths, &list);
        for endpoint in endpoints {
            list.extend(self.endpoint(endpoint, list.len(), rules, &mut paths));
        }
        let unlisted = self.unlisted(&guardrails);
        Rules {
            paths,
            list,
            guardrails,
            unlisted,
            uncertain: self.uncertain,
            answer_unlisted: self.answer_unlisted,
        }
    }

    /// The rule of an endpoint. No guardrail holds for it: what it tells is for those who have no credential yet.
    fn endpoint(
        &mut self,
        endpoint: Arc<dyn Endpoint>,
        index: usize,
        rules: &[Rule],
        paths: &mut PathTable<PathRules>,
    ) -> Option<CompiledRule> {
        let methods = endpoint.methods().iter().copied();
        let rule = Rule::new(endpoint.path())
            .methods(methods)
            .require(public());
        let pattern = self.pattern(index, &rule)?;
        if let Some(taken) = paths.get_mut(&pattern) {
            let taken = taken.by_method.first().map_or(index, |(_, rule)| *rule);
            let name = endpoint.name();
            match rules.get(taken) {
                Some(_) => self.mistakes.add(
                    format!("rule[{taken}].path"),
                    format!(
                        "is the path that Palisade answers itself, with {name:?}; remove the rule"
                    ),
                ),
                None => self.mistakes.add(
                    "",
                    format!(
                        "two endpoints answer {}; {name:?} is one of them",
                        endpoint.path()
                    ),
                ),
            }
            return None;
        }
        let mut compiled = self.rule(index, &rule, Some(&pattern), &[]);
        let methods = self.method_set(index, &rule);
        self.place(paths, index, &pattern, methods, rules);
        compiled.endpoint = Some(endpoint);
        Some(compiled)
    }

    fn pattern(&mut self, index: usize, rule: &Rule) -> Option<Pattern> {
        match Pattern::parse(&rule.path) {
            Ok(pattern) if rule.same_with_slash => Some(pattern.with_same_trailing_slash()),
            Ok(pattern) => Some(pattern),
            Err(message) => {
                self.mistakes.add(format!("rule[{index}].path"), message);
                None
            }
        }
    }

    /// To routers, the bare root of what `/svc/{*rest}` is about, `/svc`, is a part of it. Where only a wider wildcard
    /// speaks for it, a service mounted there would answer under another rule than its own.
    fn refuse_answered_roots(
        &mut self,
        patterns: &[Option<Pattern>],
        paths: &PathTable<PathRules>,
        list: &[CompiledRule],
    ) {
        for (index, (pattern, rule)) in patterns.iter().zip(list).enumerate() {
            let Some(root) = pattern.as_ref().and_then(Pattern::root_of_wildcard) else {
                continue;
            };
            let answering = paths.covering(&RouteTemplate::of(&root));
            let answering = answering.and_then(|place| paths.at(place));
            let is_weaker = |found: &Found<'_, PathRules>| {
                let mut rules = found.value.by_method.iter();
                let mut rules = rules.by_ref().filter_map(|&(_, other)| list.get(other));
                found.template.contains("{*")
                    && rules.any(|other| !other.requirement.implies(&rule.requirement))
            };
            if let Some(found) = answering.filter(is_weaker) {
                self.mistakes.add(
                    format!("rule[{index}].path"),
                    format!(
                        "leaves {} to the rule of {}, which is about something else; add a rule \
                         for {}",
                        root.template(),
                        found.template,
                        root.template(),
                    ),
                );
            }
        }
    }

    /// The route that a rule says it is narrower than.
    fn route(&mut self, index: usize, rule: &Rule, pattern: Option<&Pattern>) -> Option<Pattern> {
        let key = || format!("rule[{index}].route");
        let route = match Pattern::parse(rule.route.as_deref()?) {
            Ok(route) => route,
            Err(message) => {
                self.mistakes.add(key(), message);
                return None;
            }
        };
        if pattern.is_some_and(|pattern| !RouteTemplate::of(&route).may_meet(pattern)) {
            self.mistakes.add(
                key(),
                format!(
                    "can never answer for {}; write the route that does",
                    rule.path
                ),
            );
        }
        Some(route)
    }

    fn method_set(&mut self, index: usize, rule: &Rule) -> MethodSet {
        let mut set = MethodSet::default();
        for (place, name) in rule.methods.iter().enumerate() {
            match self.methods.learn(name) {
                Ok(id) => set.add(id),
                Err(message) => self
                    .mistakes
                    .add(format!("rule[{index}].methods[{place}]"), message),
            }
        }
        if rule.methods.is_empty() && rule.probe {
            set.add(MethodId::GET);
            set
        } else if rule.methods.is_empty() {
            MethodSet::ALL
        } else {
            set
        }
    }

    fn place(
        &mut self,
        paths: &mut PathTable<PathRules>,
        index: usize,
        pattern: &Pattern,
        methods: MethodSet,
        rules: &[Rule],
    ) {
        if let Some(own) = paths.get_mut(pattern) {
            // A rule for all methods answers for those that no other rule of the path names.
            let clash = own.by_method.iter().find(|(set, _)| {
                set.overlaps(methods) && (*set == MethodSet::ALL) == (methods == MethodSet::ALL)
            });
            if let Some(&(_, other)) = clash {
                let path = rules.get(other).map_or("", |rule| &rule.path);
                self.mistakes.add(
                    format!("rule[{index}].methods"),
                    format!(
                        "rule[{other}] ({path}) answers for the same path and a method of these; \
                         merge them"
                    ),
                );
            }
            let place = match methods == MethodSet::ALL {
                true => own.by_method.len(),
                false => 0,
            };
            own.by_method.insert(place, (methods, index));
            let all = own
                .by_method
                .iter()
                .fold(MethodSet::default(), |all, (set, _)| all.union(*set));
            own.allow = HeaderValue::try_from(self.methods.allow(all)).ok();
            return;
        }
        let rules = PathRules {
            by_method: vec![(methods, index)],
            allow: HeaderValue::try_from(self.methods.allow(methods)).ok(),
        };
        if let Err(message) = paths.insert(pattern, rules) {
            self.mistakes.add(format!("rule[{index}].path"), message);
        }
    }

    fn rule(
        &mut self,
        index: usize,
        rule: &Rule,
        pattern: Option<&Pattern>,
        guardrails: &[Guardrail],
    ) -> CompiledRule {
        let key = |name: &str| format!("rule[{index}].{name}");
        for list in &rule.emptied {
            self.mistakes.add(
                key(list),
                "is given as an empty list, which would mean all of them; name some, or leave it \
                 out",
            );
        }
        let mut requirement = match (&rule.require, rule.probe) {
            (Some(requirement), false) => requirement.clone(),
            (None, true) => public(),
            (Some(requirement), true) => {
                if !requirement.is_public() {
                    self.mistakes.add(
                        key("require"),
                        "a probe is public; remove it, or probe = true",
                    );
                }
                public()
            }
            (None, false) => {
                // What is written but could not be read has been reported already.
                if !self.mistakes.has(&key("require")) {
                    self.mistakes.add(
                        key("require"),
                        "is missing; write \"public\", \"optional\", \"authenticated\", or what \
                         the caller must have, such as { scope = \"items:read\" }",
                    );
                }
                authenticated()
            }
        };
        if requirement.is_ill_formed() {
            self.mistakes.add(
                key("require"),
                "all_of and any_of need at least one entry, and none that is public or optional",
            );
        }
        if rule.always && requirement.admits_anonymous() {
            self.mistakes.add(
                key("always"),
                "adds nothing to the rules beneath, because the rule demands nothing",
            );
        }
        if rule.always && !rule.methods.is_empty() {
            self.mistakes.add(
                key("always"),
                "holds for all methods; remove methods, and list other rules for the path",
            );
        }
        if rule.probe {
            self.check_probe(index, rule, pattern, guardrails);
        }
        let mut partly_above = Vec::new();
        for (number, guardrail) in guardrails.iter().enumerate() {
            let Some(pattern) = pattern.filter(|_| !rule.probe) else {
                continue;
            };
            let own = guardrail.pattern.is_same_as(pattern) && rule.always;
            if guardrail.pattern.covers(pattern) && !own {
                requirement = requirement.and(&guardrail.requirement);
            } else if guardrail.pattern.overlaps(pattern) && !own {
                partly_above.push(number);
            }
        }

        let schemes = self.schemes(index, rule);
        // Schemes that are unknown or broken have been reported.
        let no_scheme = self.scheme_names.is_empty() && rule.schemes.is_empty();
        if !requirement.admits_anonymous() && no_scheme {
            self.mistakes.add(
                key("require"),
                format!(
                    "demands {requirement}, but the policy has no way to authenticate; add a \
                     [jwt.NAME] or an [api_key.NAME]"
                ),
            );
        }
        let mut limits = self.rule_limits(index, rule);
        limits.cost = limits::cost(rule.cost);
        if rule.cost == 0 {
            self.mistakes.add(key("cost"), "is 0; write 1 or more");
        }
        if rule.max_body.is_some_and(|max| max == 0) {
            self.mistakes.add(
                key("max_body"),
                "is 0; write the bytes that a body may have",
            );
        }
        CompiledRule {
            template: rule.path.as_str().into(),
            accepts_ambient: self.accepts_ambient(&schemes),
            vary: self.vary(&schemes, requirement.is_public()),
            requirement,
            schemes,
            limits,
            max_body: rule.max_body,
            body_timeouts: BodyTimeouts {
                idle: rule.body_idle_timeout,
                total: rule.body_total_timeout,
            },
            probe: rule.probe,
            allow_encoded: self.allow_encoded(index, rule),
            handler_caches: rule.handler_caches,
            corp: self.corp(index, rule),
            pattern: pattern.cloned(),
            same_with_slash: rule.same_with_slash,
            route: self.route(index, rule, pattern),
            guardrails: partly_above,
            endpoint: None,
        }
    }

    /// A probe is let past hosts, HTTPS and limits: it may do nothing but tell of the health of
    /// one path.
    fn check_probe(
        &mut self,
        index: usize,
        rule: &Rule,
        pattern: Option<&Pattern>,
        guardrails: &[Guardrail],
    ) {
        let key = |name: &str| format!("rule[{index}].{name}");
        for (place, name) in rule.methods.iter().enumerate() {
            if !matches!(name.as_str(), "GET" | "HEAD") {
                self.mistakes.add(
                    key(&format!("methods[{place}]")),
                    format!("is {name:?}, and a probe answers GET and HEAD alone; remove it, or probe = true"),
                );
            }
        }
        if rule.path.contains("{*") {
            self.mistakes.add(
                key("path"),
                "has a wildcard, and a probe is one path; name the path, or remove probe = true",
            );
        }
        let above = |own: &&Guardrail| {
            pattern.is_some_and(|path| own.pattern.covers(path) || own.pattern.overlaps(path))
        };
        if let Some(guardrail) = guardrails.iter().find(above).filter(|_| !rule.always) {
            let path = guardrail.pattern.template();
            self.mistakes.add(
                key("probe"),
                format!(
                    "would pass the guardrail {path} above it; choose another path, or remove it"
                ),
            );
        }
    }

    /// What holds for paths without a rule: every scheme, the default limits, and every
    /// guardrail that a path turns out to lie beneath.
    fn unlisted(&mut self, guardrails: &[Guardrail]) -> CompiledRule {
        let schemes = self.every_scheme();
        let limits = self.default_limits();
        CompiledRule {
            template: "".into(),
            accepts_ambient: self.accepts_ambient(&schemes),
            vary: self.vary(&schemes, false),
            requirement: authenticated(),
            schemes,
            limits: self.compile_limits(limits),
            max_body: None,
            body_timeouts: BodyTimeouts::default(),
            probe: false,
            allow_encoded: EncodedSet::NONE,
            handler_caches: false,
            corp: None,
            pattern: None,
            same_with_slash: false,
            route: None,
            guardrails: (0..guardrails.len()).collect(),
            endpoint: None,
        }
    }

    fn every_scheme(&self) -> Vec<SchemeId> {
        self.schemes.by_id().map(|(id, _)| id).collect()
    }

    fn schemes(&mut self, index: usize, rule: &Rule) -> Vec<SchemeId> {
        if rule.schemes.is_empty() {
            return self.every_scheme();
        }
        let mut accepted = Vec::new();
        for (place, name) in rule.schemes.iter().enumerate() {
            match self.schemes.named(name) {
                Some(scheme) => accepted.push(scheme),
                // Its own mistake has been reported.
                None if self.scheme_names.contains(&name.as_str()) => {}
                None => self.mistakes.add(
                    format!("rule[{index}].schemes[{place}]"),
                    format!(
                        "there is no scheme {name:?}; the policy has {}",
                        list_or(self.scheme_names, "none")
                    ),
                ),
            }
        }
        accepted
    }

    fn rule_limits(&mut self, index: usize, rule: &Rule) -> RuleLimits {
        if rule.probe {
            return RuleLimits::default();
        }
        let limits = rule.limits.as_deref();
        let mut ids = match (limits, rule.add_limits) {
            (Some(_), false) => Vec::new(),
            (None | Some([]), true) => {
                self.mistakes.add(
                    format!("rule[{index}].add_limits"),
                    "adds nothing without limits; name some, or remove it",
                );
                Vec::new()
            }
            _ => self.default_limits(),
        };
        for (place, name) in rule.limits.iter().flatten().enumerate() {
            match self.limits.id(name) {
                Some(id) => ids.push(id),
                None => {
                    let known: Vec<&str> = self
                        .limit_parts
                        .iter()
                        .map(|own| own.name.as_str())
                        .collect();
                    self.mistakes.add(
                        format!("rule[{index}].limits[{place}]"),
                        format!(
                            "there is no limit {name:?}; the policy has {}",
                            list_or(&known, "none")
                        ),
                    );
                }
            }
        }
        self.compile_limits(ids)
    }

    fn default_limits(&self) -> Vec<LimitId> {
        self.limit_parts
            .iter()
            .filter(|limit| limit.default)
            .filter_map(|limit| self.limits.id(&limit.name))
            .collect()
    }

    fn compile_limits(&mut self, ids: Vec<LimitId>) -> RuleLimits {
        let (mut limits, field) = self.limits.for_rule(ids);
        if let (false, Ok(value)) = (field.is_empty(), HeaderValue::try_from(field)) {
            let name = HeaderName::from_static("ratelimit-policy");
            limits.policy_field = Some(self.known.add(name, value));
        }
        limits
    }

    fn accepts_ambient(&self, schemes: &[SchemeId]) -> bool {
        self.accepted(schemes).any(|scheme| {
            scheme
                .scheme
                .carriers()
                .iter()
                .any(|place| place.is_ambient())
        })
    }

    fn vary(&self, schemes: &[SchemeId], public: bool) -> Vec<HeaderValue> {
        let mut names = Vec::new();
        if public {
            return names;
        }
        for scheme in self.accepted(schemes) {
            let places = scheme.scheme.carriers().iter();
            for name in places.filter_map(|place| place.header()) {
                let value = HeaderValue::from(name);
                if !names.contains(&value) {
                    names.push(value);
                }
            }
        }
        names
    }

    fn accepted<'s>(&'s self, schemes: &'s [SchemeId]) -> impl Iterator<Item = &'s CompiledScheme> {
        self.schemes.these(schemes)
    }

    fn allow_encoded(&mut self, index: usize, rule: &Rule) -> EncodedSet {
        let mut set = EncodedSet::NONE;
        for (place, text) in rule.allow_encoded.iter().enumerate() {
            match text.as_str() {
                "/" => set |= EncodedSet::SLASH,
                "%" => set |= EncodedSet::PERCENT,
                ";" => set |= EncodedSet::SEMICOLON,
                other => self.mistakes.add(
                    format!("rule[{index}].allow_encoded[{place}]"),
                    format!("is {other:?}; write \"/\", \"%\" or \";\""),
                ),
            }
        }
        set
    }

    fn corp(&mut self, index: usize, rule: &Rule) -> Option<usize> {
        let text = rule.corp.as_deref()?;
        if !matches!(text, "same-origin" | "same-site" | "cross-origin") {
            self.mistakes.add(
                format!("rule[{index}].corp"),
                format!("is {text:?}; write same-origin, same-site, or cross-origin"),
            );
            return None;
        }
        let name = HeaderName::from_static("cross-origin-resource-policy");
        Some(self.known.add(name, HeaderValue::try_from(text).ok()?))
    }
}

fn list_or(names: &[&str], nothing: &str) -> String {
    match names {
        [] => nothing.to_owned(),
        names => names.join(", "),
    }
}
