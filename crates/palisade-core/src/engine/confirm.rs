//! What was judged is what runs: the route that a framework took, compared with the rule that was applied.
//!
//! The rule of a request is found by its path. What runs is found by the router of the framework, which has rules of its
//! own. Where a framework tells the template of the route that it took, that template is compared here: the rule that
//! was applied must be the most specific one for all that the route can match, or be at least as strict.

pub(super) mod known;
mod map;
#[cfg(test)]
mod tests;

pub use map::RouteMap;

use super::{
    compiled::Compiled,
    exchange::Exchange,
    judged::{Confirmation, Judged},
    stage::rule::OwnRule,
};
use crate::{
    cause::Cause,
    engine::Grant,
    policy::{Uncertain, Unlisted},
    problem::{Code, Reason},
    reply::Reply,
    rule::template::{RouteTemplate, TemplateSyntax},
};
use std::{borrow::Cow, sync::atomic::Ordering};

/// The most characters of a path that the log repeats.
const LONGEST_SHOWN: usize = 200;

/// The route that a framework took for a request, as an adapter tells it.
#[derive(Debug, Clone, Copy)]
pub struct TakenRoute<'a> {
    /// The method of the request at the route.
    pub method: &'a [u8],
    /// Its path at the route, without the query; of a nested route what is left of it.
    pub path: &'a [u8],
    /// The template of the route, with those of the routes that it is nested in; `None` if the framework names none.
    pub template: Option<&'a str>,
    /// How the template is written.
    pub syntax: TemplateSyntax,
    /// Whether the template is that of a mount, beneath which something else finds its way, in whatever manner.
    pub opaque: bool,
}

impl Grant {
    /// Confirms, before a handler runs, that the rule that was applied is the rule of the route that was taken, or one
    /// at least as strict, and that method and path are still those that were judged.
    ///
    /// # Errors
    /// 500: they are not. The log names the rule and the route, and what would make them agree. With
    /// `[routes] uncertain = "report"` that is all, and the request is served.
    pub fn confirm(&self, taken: &TakenRoute<'_>) -> Result<(), Reply> {
        let (policy, judged) = (self.policy(), self.judged());
        match policy.confirm(judged, self.rule_index(), taken) {
            Ok(()) => {
                self.confirmation().set(Confirmation::CONFIRMED);
                Ok(())
            }
            Err(mismatch) => self.uncertain(mismatch),
        }
    }

    /// Confirms a route of which is known only that it has run: as [`confirm`](Self::confirm), but method and path are
    /// those that were judged. A template that cannot match the path counts as the root of something that finds its way by
    /// itself; one that is not known (`None`), as the root of everything.
    ///
    /// # Errors
    /// 500: the route has another rule, or may have one that is stricter.
    pub fn confirm_template(
        &self,
        template: Option<&str>,
        syntax: TemplateSyntax,
    ) -> Result<(), Reply> {
        let (policy, judged) = (self.policy(), self.judged());
        let path = str::from_utf8(&judged.path).unwrap_or_default();
        let fits = |template| RouteTemplate::parse(template, syntax).fits_loosely(path);
        let opaque = !template.is_some_and(fits);
        let template = template.unwrap_or_default();
        let template = match opaque {
            true => Cow::Owned(format!("{}/*rest", template.trim_end_matches('/'))),
            false => Cow::Borrowed(template),
        };
        self.confirm(&TakenRoute {
            method: policy.methods.name(judged.method).as_bytes(),
            path: &judged.path,
            template: Some(&template),
            syntax,
            opaque,
        })
    }

    /// Notes that whatever runs further inside confirms itself: an answer that nothing confirmed is one of no route.
    pub fn leave_to_routes(&self) {
        self.confirmation().set(Confirmation::LEFT);
    }

    /// Whether nothing is left to be confirmed once there is an answer: a route was confirmed, or will have been, or a
    /// guard refused before any was reached.
    pub fn is_settled(&self) -> bool {
        let left = self.confirmation().state.load(Ordering::Relaxed) == Confirmation::LEFT;
        left || self.is_confirmed() || self.refused().is_some()
    }

    /// Notes that the application says that a route further inside confirms itself.
    pub fn promise(&self) {
        self.confirmation().set(Confirmation::PROMISED);
    }

    /// Checks, after the handler has run, that a [promised](Self::promise) confirmation was given.
    ///
    /// # Errors
    /// 500: it was not.
    pub fn check_promise(&self) -> Result<(), Reply> {
        if !self.confirmation().is_broken_promise() {
            return Ok(());
        }
        self.uncertain(Mismatch {
            cause: Cause::RouteNotConfirmed,
            route: String::new(),
            told: format!(
                "{} ran a route that did not confirm that its rule was applied, beneath a mount of \
                 which the application says that all do: put confirm() on every one of them",
                self.policy().shown(self.judged()),
            ),
        })
    }

    /// Whether a route has been confirmed for this request, by [`confirm`](Self::confirm).
    pub fn is_confirmed(&self) -> bool {
        self.confirmation().is_confirmed()
    }

    /// Checks that a request is still the one that was judged, so that a layer inside another one of the same policy
    /// may let it pass. `path` is without the query.
    ///
    /// # Errors
    /// 500: something between the two layers changed the method or the path.
    pub fn confirm_unchanged(&self, method: &[u8], path: &[u8]) -> Result<(), Reply> {
        let judged = self.judged();
        let cause = if self.policy().methods.find(method) != Some(judged.method) {
            Cause::MethodChangedAfterJudgement
        } else if *judged.path != *path {
            Cause::PathChangedAfterJudgement
        } else {
            return Ok(());
        };
        self.uncertain(Mismatch {
            cause,
            route: String::new(),
            told: format!(
                "{} was judged, but then something between two security layers made it {} {}: \
                 put what rewrites requests outside of the outer layer",
                self.policy().shown(judged),
                String::from_utf8_lossy(method),
                clipped(path),
            ),
        })
    }

    /// What an adapter answers that cannot find out which routes the application has.
    ///
    /// # Errors
    /// 500, unless the policy only reports.
    pub fn no_routes_known(&self) -> Result<(), Reply> {
        self.uncertain(Mismatch {
            cause: Cause::RoutesUnknown,
            route: String::new(),
            told: "the routes of the application cannot be read, so that no request is certain to \
                   run under the rule of its route: use a release of the adapter that knows this \
                   release of the framework"
                .to_owned(),
        })
    }

    /// Refuses the request, or only says why it should be.
    fn uncertain(&self, mismatch: Mismatch) -> Result<(), Reply> {
        let about = format!(
            "{} {:?} {}",
            mismatch.cause,
            self.rule_index(),
            mismatch.route
        );
        let lineage = &self.policy().lineage;
        lineage.tell_once(&about, &mismatch.told);
        if self.policy().rules.uncertain == Uncertain::Report {
            let _ = self.confirmation().reported.set(mismatch.cause.as_str());
            return Ok(());
        }
        Err(self.refuse(Reason::new(Code::InternalError, mismatch.cause)))
    }
}

/// Why rule and route do not agree.
struct Mismatch {
    cause: Cause,
    /// The template of the route, if one is to blame.
    route: String,
    told: String,
}

impl Exchange {
    /// What the audit says where rule and route may not agree and the policy only reports it.
    pub(super) fn uncertain(&self) -> Option<&'static str> {
        let reported = |grant: &Grant| grant.confirmation().reported();
        self.facts
            .matched
            .uncertain
            .or(self.grant.as_ref().and_then(reported))
    }
}

impl Compiled {
    fn confirm(
        &self,
        judged: &Judged,
        rule: Option<usize>,
        taken: &TakenRoute<'_>,
    ) -> Result<(), Mismatch> {
        let applied = self.rule_or_unlisted(rule);
        let changed = |cause| Mismatch {
            cause,
            route: String::new(),
            told: format!(
                "{} was judged, but then something inside of the security layer made it {} {}: \
                 put what rewrites requests outside of the layer",
                self.shown(judged),
                String::from_utf8_lossy(taken.method),
                clipped(taken.path),
            ),
        };
        if self.methods.find(taken.method) != Some(judged.method) {
            return Err(changed(Cause::MethodChangedAfterJudgement));
        }
        // Nothing is left of the path of a nested root.
        let is_root = taken.path == b"/" && taken.template.is_some();
        if !is_root && !is_rest_of(taken.path, &judged.path, applied.same_with_slash) {
            return Err(changed(Cause::PathChangedAfterJudgement));
        }
        // Most routes are written as their rules are. What the rule's path matched, the same template matches, too.
        let Some(template) = taken.template else {
            return Ok(());
        };
        // The root of a nested router is written with a slash; its path may have none.
        let template = match (taken.path, template.strip_suffix('/')) {
            (b"/", Some(root)) if !root.is_empty() && !judged.path.ends_with(b"/") => root,
            _ => template,
        };
        if rule.is_some() && *applied.template == *template {
            return Ok(());
        }
        let route = self.routes.get(&self.rules, template, taken.syntax);
        if !route.is_route_of(&judged.path, applied) {
            return Err(Mismatch {
                cause: Cause::RouteOfAnotherRule,
                route: template.to_owned(),
                told: format!(
                    "{} was judged, but the framework says that the route of {template} was \
                     taken, which cannot match it; give each path a route of its own",
                    self.shown(judged),
                ),
            });
        }
        let own = [route.place, route.decoded_place]
            .map(|place| self.rules.own_rule(place, judged.method));
        let disagrees = |own: &OwnRule| !self.agrees(rule, &route.template, *own);
        let beneath = taken.opaque.then(|| self.beneath(judged, route.place));
        match own
            .into_iter()
            .chain(beneath.into_iter().flatten())
            .find(disagrees)
        {
            None => Ok(()),
            Some(own) => Err(self.other_route(judged, rule, template, own)),
        }
    }

    /// The rules that routes beneath a mount can have which match the path.
    fn beneath(&self, judged: &Judged, mount: Option<usize>) -> impl Iterator<Item = OwnRule> {
        let path = str::from_utf8(&judged.path).unwrap_or_default();
        self.rules
            .matching(path, mount)
            .map(|place| self.rules.own_rule(Some(place), judged.method))
    }

    /// Whether a request that was judged by a rule may run a route whose own rule is another.
    fn agrees(&self, rule: Option<usize>, route: &RouteTemplate, own: OwnRule) -> bool {
        let applied = self.rule_or_unlisted(rule);
        match own {
            OwnRule::Rule(own) if own == rule => true,
            _ if applied.is_narrower_than(route) => true,
            OwnRule::OtherMethod => false,
            // Without a rule, nobody may run it.
            OwnRule::Rule(None) if self.rules.answer_unlisted == Unlisted::NotFound => false,
            OwnRule::Rule(own) => applied.is_as_strict_as(self.rule_or_unlisted(own), &self.body),
        }
    }

    fn other_route(
        &self,
        judged: &Judged,
        rule: Option<usize>,
        template: &str,
        own: OwnRule,
    ) -> Mismatch {
        let (applied, own) = (self.named(OwnRule::Rule(rule)), self.named(own));
        Mismatch {
            cause: Cause::RouteOfAnotherRule,
            route: template.to_owned(),
            told: format!(
                "{} was judged by {applied}, but runs the route of {template}, which has {own}: add \
                 the route, or, if the rule is narrower than the route on purpose, write route = \
                 \"...\" in it",
                self.shown(judged),
            ),
        }
    }

    /// What a route has, for the log.
    fn named(&self, own: OwnRule) -> String {
        match own {
            OwnRule::OtherMethod => "rules for other methods only".to_owned(),
            OwnRule::Rule(rule) => match self.rule(rule) {
                Some(rule) => format!("the rule of {}", rule.template),
                None => "no rule".to_owned(),
            },
        }
    }

    fn shown(&self, judged: &Judged) -> String {
        let (method, path) = (self.methods.name(judged.method), clipped(&judged.path));
        format!("{method} {path}")
    }
}

/// A path for the log.
fn clipped(path: &[u8]) -> String {
    let path = String::from_utf8_lossy(path);
    path.chars().take(LONGEST_SHOWN).collect()
}

/// Whether a path is what was judged, or what is left of it once the prefixes of nested routes are taken away.
fn is_rest_of(path: &[u8], judged: &[u8], same_with_slash: bool) -> bool {
    let stem = |path| stem(path, same_with_slash);
    // Nothing is the rest of everything, and so says nothing.
    stem(judged).ends_with(stem(path)) && stem(path).is_empty() == stem(judged).is_empty()
}

/// The path without a slash at the end, where that is the same path.
fn stem(path: &[u8], same_with_slash: bool) -> &[u8] {
    match path {
        [stem @ .., b'/'] if same_with_slash => stem,
        path => path,
    }
}
