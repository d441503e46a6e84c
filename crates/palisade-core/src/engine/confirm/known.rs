//! The templates of routes that requests have taken, each read once.

use crate::{
    engine::stage::rule::{CompiledRule, Rules},
    rule::template::{RouteTemplate, TemplateSyntax},
};
use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use smallvec::SmallVec;
use std::{collections::HashMap, fmt, sync::Arc};

/// So many are remembered; those of applications that have more are read on each request.
pub(super) const MOST_ROUTES: usize = 1024;

/// The templates that requests have taken, read once.
#[derive(Default)]
pub(in crate::engine) struct KnownRoutes(ArcSwap<HashMap<Box<str>, Readings, RandomState>>);

/// A template in each syntax in which it was met: nearly always one.
type Readings = SmallVec<[Arc<KnownRoute>; 1]>;

/// One of them.
pub(super) struct KnownRoute {
    syntax: TemplateSyntax,
    pub(super) template: RouteTemplate,
    /// Where the rules are whose path matches all that it can match.
    pub(super) place: Option<usize>,
    /// The same, read with each literal decoded: a route that is known only afterwards may have been taken by another
    /// spelling of the path than the one that was judged.
    pub(super) decoded_place: Option<usize>,
}

impl KnownRoutes {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.load().len()
    }

    pub(super) fn get(
        &self,
        rules: &Rules,
        template: &str,
        syntax: TemplateSyntax,
    ) -> Arc<KnownRoute> {
        let known = self.0.load();
        let mut readings = known.get(template).into_iter().flatten();
        if let Some(route) = readings.find(|route| route.syntax == syntax) {
            return Arc::clone(route);
        }
        let route = Arc::new(KnownRoute::new(rules, template, syntax));
        if known.len() < MOST_ROUTES {
            self.0.rcu(|known| {
                let mut known = HashMap::clone(known);
                let readings = known.entry(template.into()).or_default();
                // Another thread may have been faster.
                if !readings.iter().any(|known| known.syntax == syntax) {
                    readings.push(Arc::clone(&route));
                }
                known
            });
        }
        route
    }
}

impl KnownRoute {
    fn new(rules: &Rules, template: &str, syntax: TemplateSyntax) -> Self {
        let template = RouteTemplate::parse(template, syntax);
        let place = rules.covering(&template);
        let decoded = template.respelled();
        Self {
            syntax,
            place,
            decoded_place: decoded.map_or(place, |decoded| rules.covering(&decoded)),
            template,
        }
    }

    pub(super) fn is_route_of(&self, path: &[u8], applied: &CompiledRule) -> bool {
        std::str::from_utf8(path).is_ok_and(|path| match applied.same_with_slash {
            true => self.template.fits_loosely(path),
            false => self.template.fits(path),
        })
    }
}

impl fmt::Debug for KnownRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KnownRoutes")
            .field(&self.0.load().len())
            .finish()
    }
}
