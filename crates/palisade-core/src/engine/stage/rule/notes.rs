//! What the rules of a policy mean together, where that is easily overlooked: for `palisade check`.

use super::{Listed, Rules};
use crate::{body::Body, config::Note, methods::MethodId, policy::Rule, rule::pattern::Pattern};
use std::collections::BTreeMap;

/// Paths by the rule that they are told of, which is the key of the note.
type PathsByRule = BTreeMap<usize, Vec<String>>;

impl Rules {
    /// The notes on the rules, in their order.
    pub(in crate::engine) fn notes(&self, written: &[Rule], body: &Body) -> Vec<Note> {
        let path = |rule: usize| written.get(rule).map_or("", |rule| rule.path.as_str());
        let mut notes = Vec::new();
        for (wider, paths) in self.narrower_rules(body) {
            notes.push(Note::new(
                format!("rule[{wider}]"),
                format!(
                    "rules with fewer demands lie within {}: {}. Each needs a route of its own in the application; where \
                     the route is {} itself, the answer is 500 until its rule says route = {:?}",
                    path(wider),
                    paths.join(", "),
                    path(wider),
                    path(wider),
                ),
            ));
        }
        for (wider, paths) in self.ambiguous_slashes() {
            notes.push(Note::new(
                format!("rule[{wider}]"),
                format!(
                    "does not answer for {}: 400, because a router may take the path for one of another rule. List it, \
                     or write trailing_slash = \"same\" in the rule without the slash",
                    paths.join(", ")
                ),
            ));
        }
        for (index, rule) in self.list.iter().enumerate() {
            let spelling = rule
                .pattern
                .as_ref()
                .filter(|pattern| pattern.has_ambiguous_spelling());
            if let Some(pattern) = spelling {
                notes.push(Note::new(
                    format!("rule[{index}]"),
                    format!(
                        "answers for {} in this spelling; another one of the same characters, percent-encoded or not, is 400 \
                         or another path",
                        pattern.example()
                    ),
                ));
            }
        }
        notes
    }

    /// Rules that are less strict than one that covers their path, by that one: a request that they let pass must not
    /// run its route.
    fn narrower_rules(&self, body: &Body) -> PathsByRule {
        let mut found = PathsByRule::new();
        for (index, rule) in self.list.iter().enumerate() {
            let is_concerned = rule.route.is_none() && rule.endpoint.is_none();
            let Some(own) = rule.pattern.as_ref().filter(|_| is_concerned) else {
                continue;
            };
            let wider = self.list.iter().enumerate().filter(|(other, wider)| {
                let pattern = wider.pattern.as_ref().filter(|_| *other != index);
                pattern.is_some_and(|pattern| pattern.is_wider_than(own))
                    && self.have_a_method_in_common(index, *other)
                    && !rule.is_as_strict_as(wider, body)
            });
            for (wider, _) in wider {
                found
                    .entry(wider)
                    .or_default()
                    .push(own.template().to_owned());
            }
        }
        found
    }

    /// Paths that end in a slash and are refused, by the rule that some router would take for theirs.
    fn ambiguous_slashes(&self) -> PathsByRule {
        let mut found = PathsByRule::new();
        let written = self.list.iter().filter(|rule| rule.endpoint.is_none());
        for pattern in written.filter_map(|rule| rule.pattern.as_ref()) {
            let Some((path, template)) = with_slash(pattern) else {
                continue;
            };
            let Err(ambiguous) = self.paths.find(&path) else {
                continue;
            };
            let wider = match pattern.is_wildcard() {
                true => ambiguous.otherwise,
                false => ambiguous.as_sent,
            };
            if let Listed::Rule(rule) = Self::listed(wider, MethodId::GET) {
                let paths = found.entry(rule).or_default();
                if !paths.contains(&template) {
                    paths.push(template);
                }
            }
        }
        found
    }

    fn have_a_method_in_common(&self, one: usize, other: usize) -> bool {
        let methods = |rule: usize| {
            let mut all = self.paths.iter().flat_map(|(_, rules)| &rules.by_method);
            all.find(|(_, index)| *index == rule)
                .map(|(methods, _)| *methods)
        };
        matches!((methods(one), methods(other)), (Some(one), Some(other)) if one.overlaps(other))
    }
}

/// A path of the pattern with a slash put to its end, and how a policy writes such a path. Of a wildcard it is the path
/// where the wildcard matches nothing.
fn with_slash(pattern: &Pattern) -> Option<(String, String)> {
    let (path, template) = match (pattern.root_of_wildcard(), pattern.is_wildcard()) {
        (Some(root), _) => (root.example(), root.template().to_owned()),
        (None, true) => (String::new(), String::new()),
        (None, false) => (pattern.example(), pattern.template().to_owned()),
    };
    (!path.ends_with('/')).then(|| (path + "/", template + "/"))
}
