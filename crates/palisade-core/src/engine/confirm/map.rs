//! The routes of an application, for a framework that tells only afterwards which one it took.

use super::{super::stage::rule::OwnRule, Mismatch};
use crate::{
    cause::Cause,
    engine::{Grant, compiled::Compiled},
    reply::Reply,
    rule::template::{RouteTemplate, TemplateSyntax},
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// The routes that an application has and that are not [confirmed](Grant::confirm) by themselves.
///
/// A framework may take one of them for a request, and another one if a guard of the first fails, and say which only
/// when the handler has run. So a request passes only if every route that could be taken has the rule that was applied,
/// or one that is no stricter.
///
/// ```
/// use palisade_core::{RouteMap, TemplateSyntax};
///
/// let routes = RouteMap::new(TemplateSyntax::Actix, [("/users/me".into(), false), ("/users/{id}".into(), false)]);
/// ```
pub struct RouteMap {
    routes: Vec<Route>,
    doubts: Mutex<Doubts>,
}

struct Route {
    written: String,
    template: RouteTemplate,
}

/// For one version of a policy: by rule and method, the routes that need a stricter rule.
#[derive(Default)]
struct Doubts {
    policy: Weak<Compiled>,
    routes: HashMap<(Option<usize>, u8), Arc<[usize]>>,
}

impl RouteMap {
    /// The templates of the routes, each with those of the routes that it is nested in, and whether it is the root of
    /// something that takes everything beneath.
    pub fn new(
        syntax: TemplateSyntax,
        templates: impl IntoIterator<Item = (String, bool)>,
    ) -> Self {
        let routes = templates.into_iter().map(|(written, beneath)| {
            let template = RouteTemplate::parse(&written, syntax);
            Route {
                template: match beneath {
                    true => template.with_rest(),
                    false => template,
                },
                written,
            }
        });
        Self {
            routes: routes.collect(),
            doubts: Mutex::default(),
        }
    }

    /// Checks, before the framework routes a request, that no route that it could take needs a stricter rule than the
    /// one that was applied.
    ///
    /// # Errors
    /// 500: one does. The log names it. With `[routes] uncertain = "report"` that is all, and the request is served.
    pub fn confirm(&self, grant: &Grant) -> Result<(), Reply> {
        if self.routes.is_empty() {
            return Ok(());
        }
        let doubtful = self.doubtful(grant);
        if doubtful.is_empty() {
            return Ok(());
        }
        let path = std::str::from_utf8(&grant.judged().path).unwrap_or_default();
        let mut routes = doubtful.iter().filter_map(|&index| self.routes.get(index));
        match routes.find(|route| route.template.fits_loosely(path)) {
            None => Ok(()),
            Some(route) => grant.uncertain(route.mismatch(grant)),
        }
    }

    /// The routes that some request under the rule could take, and must not.
    fn doubtful(&self, grant: &Grant) -> Arc<[usize]> {
        let (policy, method) = (grant.shared_policy(), grant.judged().method);
        let rule = grant.rule_index();
        let mut doubts = self.doubts.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::ptr::eq(doubts.policy.as_ptr(), Arc::as_ptr(policy)) {
            *doubts = Doubts {
                policy: Arc::downgrade(policy),
                routes: HashMap::new(),
            };
        }
        let found = doubts
            .routes
            .entry((rule, method.number()))
            .or_insert_with(|| {
                let needs_more = |route: &Route| {
                    let place = policy.rules.covering(&route.template);
                    let own = policy.rules.own_rule(place, method);
                    policy.rules.may_take(rule, &route.template)
                        && !policy.agrees(rule, &route.template, own)
                };
                let routes = self.routes.iter().enumerate();
                let doubtful = routes.filter(|(_, route)| needs_more(route));
                doubtful.map(|(index, _)| index).collect()
            });
        Arc::clone(found)
    }
}

impl Route {
    fn mismatch(&self, grant: &Grant) -> Mismatch {
        let policy = grant.policy();
        let place = policy.rules.covering(&self.template);
        let own = policy.named(policy.rules.own_rule(place, grant.judged().method));
        Mismatch {
            cause: Cause::RouteUncertain,
            route: self.written.clone(),
            told: format!(
                "{} is judged by {}, but the framework may take the route of {} for it, which has \
                 {own}; register both so that the routes can be confirmed (`routes` of the \
                 adapter, once for the application), or give them the same requirement",
                policy.shown(grant.judged()),
                policy.named(OwnRule::Rule(grant.rule_index())),
                self.written,
            ),
        }
    }
}

impl fmt::Debug for RouteMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = self.routes.iter().map(|route| &route.written);
        f.debug_list().entries(written).finish()
    }
}
