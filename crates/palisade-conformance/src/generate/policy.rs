//! Random policies over a table.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::random::Random;
use super::table::{Table, literal};
use super::template::{Dialect, Segment, Spelling, Template};

/// Whether the policy file knows `route = "…"` in a rule.
const NAMES_ROUTES: bool = true;

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    Anonymous,
    /// Somebody without a role or scope.
    User,
    /// Somebody with the scope `write`.
    Writer,
    /// Somebody with the role `admin`.
    Admin,
}

/// A set of callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Callers(u8);

/// What a rule demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    Public,
    Optional,
    Authenticated,
    Scope,
    Role,
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) template: Template,
    /// Empty: all.
    pub(super) methods: Vec<&'static str>,
    pub(super) demand: Demand,
    pub(super) always: bool,
    pub(super) same_slash: bool,
    /// The route that the rule says it is narrower than.
    pub(super) route: Option<Template>,
}

#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) rules: Vec<Rule>,
    /// Paths without a rule are the router's, for callers who say who they are.
    pub(super) unlisted_authenticated: bool,
    /// What is uncertain is served and reported: the faults that are refused else are back.
    pub(super) reports: bool,
}

impl Caller {
    pub(super) const ALL: [Self; 4] = [Self::Anonymous, Self::User, Self::Writer, Self::Admin];

    /// The API key that the caller sends.
    pub(super) fn key(self) -> Option<&'static str> {
        match self {
            Self::Anonymous => None,
            Self::User => Some("user-6b0c2f4e9d"),
            Self::Writer => Some("writer-1f7a3c5b8e"),
            Self::Admin => Some("admin-92d4e6f8a0"),
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::Anonymous => 1,
            Self::User => 2,
            Self::Writer => 4,
            Self::Admin => 8,
        }
    }
}

impl Callers {
    pub(super) const ALL: Self = Self(15);
    pub(super) const NONE: Self = Self(0);
    pub(super) const KNOWN: Self = Self(14);

    pub(super) fn contains(self, caller: Caller) -> bool {
        self.0 & caller.bit() != 0
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether nobody is in this set who is not in the other.
    pub(super) fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
}

impl Demand {
    /// Whom it lets in.
    pub(super) fn admits(self) -> Callers {
        match self {
            Self::Public | Self::Optional => Callers::ALL,
            Self::Authenticated => Callers::KNOWN,
            Self::Scope => Callers(Caller::Writer.bit()),
            Self::Role => Callers(Caller::Admin.bit()),
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Public => "\"public\"",
            Self::Optional => "\"optional\"",
            Self::Authenticated => "\"authenticated\"",
            Self::Scope => "{ scope = \"write\" }",
            Self::Role => "{ role = \"admin\" }",
        }
    }

    fn random(random: &mut Random) -> Self {
        match random.below(20) {
            0..=8 => Self::Public,
            9 => Self::Optional,
            10 => Self::Authenticated,
            11 | 12 => Self::Scope,
            _ => Self::Role,
        }
    }
}

impl Rule {
    /// The path as the policy writes it.
    pub(super) fn path(&self) -> String {
        self.template.write(Dialect::Palisade, 0)
    }

    /// Whether the rule is for this method (GET covers HEAD).
    pub(super) fn names(&self, method: &str) -> bool {
        self.methods
            .iter()
            .any(|own| *own == method || (*own == "GET" && method == "HEAD"))
    }

    /// The rule's path, in both forms if it says that they are the same.
    pub(super) fn templates(&self) -> impl Iterator<Item = Template> + '_ {
        let other = self
            .same_slash
            .then(|| self.template.other_slash())
            .flatten();
        [self.template.clone()].into_iter().chain(other)
    }
}

impl Policy {
    /// With `reports`, there are more guardrails, so that few tables show them passed.
    pub(super) fn random(random: &mut Random, table: &Table, reports: bool) -> Self {
        let mut policy = Self {
            rules: Vec::new(),
            unlisted_authenticated: random.chance(40),
            reports,
        };
        for placed in table.placed(Dialect::Actix) {
            if random.chance(85) {
                let own = as_rule(random, &placed.template);
                policy.add(random, own, &placed.route.methods);
            }
        }
        for mount in table.mounts() {
            if random.chance(40) {
                let beneath = mount.join(&Template(vec![Segment::Wildcard]));
                let template = as_rule(random, &beneath);
                policy.add(random, template, &[]);
            }
        }
        for _ in 0..random.below(3) {
            let wider = wider(random, &policy);
            policy.add(random, wider, &[]);
        }
        if random.chance(40) {
            policy.add(random, Template(vec![Segment::Wildcard]), &[]);
        }
        if reports {
            policy.add_guardrails(random, table);
        }
        policy.add_roots(random);
        if NAMES_ROUTES && random.chance(30) {
            policy.add_part_of_a_route(random, table);
        }
        random.shuffle(&mut policy.rules);
        policy
    }

    /// Adds a rule for `/x` where there is one for `/x/{*rest}`, mostly: else a wider wildcard would answer for it, and
    /// a policy that leaves it so may be refused.
    fn add_roots(&mut self, random: &mut Random) {
        let wildcards = self.rules.iter().map(|rule| rule.template.clone());
        let wildcards: Vec<Template> = wildcards
            .filter(|own| own.0.last() == Some(&Segment::Wildcard))
            .collect();
        for mut template in wildcards {
            template.0.pop();
            if random.chance(95) {
                self.add(random, template, &[]);
            }
        }
    }

    /// Adds guardrails on what lies beneath mounts, and beneath routes that end in a slash.
    fn add_guardrails(&mut self, random: &mut Random, table: &Table) {
        let routes = table.placed(Dialect::Actix).into_iter();
        let slashes = routes
            .map(|placed| placed.template)
            .filter(|template| template.0.last().is_some_and(Segment::is_slash));
        for place in table.mounts().into_iter().chain(slashes) {
            let stem = Template(place.stem().to_vec());
            if stem.0.is_empty() || random.chance(40) {
                continue;
            }
            let beneath = stem.join(&Template(vec![Segment::Wildcard]));
            let template = as_rule(random, &beneath);
            self.rules
                .retain(|rule| !rule.template.is_same_as(&template));
            self.rules.push(Rule {
                template,
                methods: Vec::new(),
                demand: Demand::Role,
                always: true,
                same_slash: false,
                route: None,
            });
        }
    }

    /// Adds a rule for one value of a route's parameter, which says so.
    fn add_part_of_a_route(&mut self, random: &mut Random, table: &Table) {
        let mut routes = table.placed(Dialect::Actix);
        routes.retain(|placed| placed.template.0.contains(&Segment::Parameter));
        if routes.is_empty() {
            return;
        }
        let route = as_rule(random, &random.clone().pick(&routes).template);
        let mut template = route.clone();
        let place = template
            .0
            .iter()
            .position(|segment| *segment == Segment::Parameter);
        if let Some(slot) = place.and_then(|place| template.0.get_mut(place)) {
            *slot = literal(random);
        }
        let before = self.rules.len();
        self.add(random, template, &[]);
        if let Some(rule) = self.rules.get_mut(before) {
            rule.route = Some(route);
        }
    }

    /// Adds rules for a template that has none.
    fn add(&mut self, random: &mut Random, template: Template, methods: &[&'static str]) {
        let taken = |other: &Rule| {
            other.templates().any(|own| {
                own.is_same_as(&template)
                    || template
                        .other_slash()
                        .is_some_and(|t| own.is_same_as(&t) && other.same_slash)
            })
        };
        if template.0.is_empty() || self.rules.iter().any(taken) {
            return;
        }
        let twin = template.other_slash();
        let twin_taken = self.rules.iter().any(|rule| {
            twin.as_ref()
                .is_some_and(|twin| rule.template.is_same_as(twin))
        });
        let mut rule = Rule {
            template,
            methods: Vec::new(),
            demand: Demand::random(random),
            always: false,
            same_slash: twin.is_some() && !twin_taken && random.chance(15),
            route: None,
        };
        match random.below(10) {
            0 | 4 | 5 if rule.demand.admits() != Callers::ALL => rule.always = true,
            1 | 2 if !methods.is_empty() => rule.methods = methods.to_vec(),
            3 if !methods.is_empty() => {
                let mut other = rule.clone();
                other.methods = methods.to_vec();
                other.demand = Demand::random(random);
                self.rules.push(other);
            }
            _ => {}
        }
        self.rules.push(rule);
    }

    /// The policy file.
    pub(super) fn toml(&self) -> String {
        let mut text = String::from("version = 1\n");
        let unlisted = match self.unlisted_authenticated {
            true => "authenticated",
            false => "not_found",
        };
        let _ = writeln!(text, "unlisted = \"{unlisted}\"");
        if self.reports {
            text.push_str("\n[routes]\nuncertain = \"report\"\n");
        }
        text.push_str("\n[api_key.main]\n");
        for caller in Caller::ALL {
            let Some(key) = caller.key() else { continue };
            let hex: String = Sha256::digest(key)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let _ = writeln!(
                text,
                "\n[[api_key.main.key]]\ndigest = \"sha256:{hex}\"\nowner = \"{caller:?}\""
            );
            match caller {
                Caller::Writer => text.push_str("scopes = [\"write\"]\n"),
                Caller::Admin => text.push_str("roles = [\"admin\"]\n"),
                _ => {}
            }
        }
        text.push_str(&self.rules_toml());
        text
    }

    /// The part of the policy file that differs.
    pub(super) fn rules_toml(&self) -> String {
        let mut text = String::new();
        for rule in &self.rules {
            let path = toml::Value::String(rule.path());
            let _ = writeln!(
                text,
                "\n[[rule]]\npath = {path}\nrequire = {}",
                rule.demand.text()
            );
            if !rule.methods.is_empty() {
                let _ = writeln!(text, "methods = {:?}", rule.methods);
            }
            if rule.always {
                text.push_str("always = true\n");
            }
            if let Some(route) = &rule.route {
                let route = toml::Value::String(route.write(Dialect::Palisade, 0));
                let _ = writeln!(text, "route = {route}");
            }
            if rule.same_slash {
                text.push_str("trailing_slash = \"same\"\n");
            }
        }
        text
    }
}

/// A route's template as a rule may say it, in a spelling of its own.
fn as_rule(random: &mut Random, route: &Template) -> Template {
    let segments = route.0.iter().map(|segment| match segment {
        Segment::Literal(text, _) => {
            let spelling = match random.below(10) {
                0 => Spelling::Upper,
                1 => Spelling::Lower,
                _ => Spelling::Plain,
            };
            Segment::Literal(text.clone(), spelling)
        }
        Segment::Wildcard => Segment::Wildcard,
        _ => Segment::Parameter,
    });
    Template(segments.collect())
}

/// A template that is wider or narrower than one at hand, or of no route at all.
fn wider(random: &mut Random, policy: &Policy) -> Template {
    let mut template = match policy.rules.is_empty() {
        true => Template::default(),
        false => random.pick(&policy.rules).template,
    };
    match random.below(4) {
        0 => template.0.clear(),
        1 | 2 => {
            let kept = random.below(template.0.len());
            template.0.truncate(kept);
        }
        _ => {
            let place = random.below(template.0.len());
            let replaced = match random.chance(50) {
                true => Segment::Parameter,
                false => literal(random),
            };
            match template.0.get_mut(place) {
                Some(slot) if *slot != Segment::Wildcard && !slot.is_slash() => {
                    *slot = replaced;
                    return template;
                }
                _ => template.0.truncate(place),
            }
        }
    }
    template
        .0
        .retain(|segment| *segment != Segment::Wildcard && !segment.is_slash());
    template.0.push(Segment::Wildcard);
    template
}
