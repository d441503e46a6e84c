//! `[[rule]]`: what one path demands.

use crate::{
    config::Section,
    policy::Rule,
    requirement::{
        Requirement, all_of, any_of, authenticated, optional, permission, public, role, scope,
    },
};

pub(super) fn rule(section: &mut Section<'_, '_>) -> Rule {
    let default = Rule::new(section.string("path").unwrap_or_default());
    let slashes = [("same", true), ("distinct", false)];
    let caches = [("handler", true), ("safe", false)];
    let corps = ["same-origin", "same-site", "cross-origin"].map(|word| (word, word.to_owned()));
    Rule {
        methods: section
            .some_strings("methods", "every method")
            .unwrap_or_default(),
        require: require(section),
        schemes: section
            .some_strings("schemes", "every scheme")
            .unwrap_or_default(),
        limits: section.strings("limits"),
        add_limits: section.boolean("add_limits").unwrap_or_default(),
        cost: section.unsigned("cost").unwrap_or(default.cost),
        max_body: section.size("max_body"),
        body_idle_timeout: section.duration_seconds("body_idle_timeout"),
        body_total_timeout: section.duration_seconds("body_total_timeout"),
        always: section.boolean("always").unwrap_or_default(),
        probe: section.boolean("probe").unwrap_or_default(),
        same_with_slash: section
            .choice("trailing_slash", &slashes)
            .unwrap_or_default(),
        route: section.optional_string("route"),
        allow_encoded: section.strings("allow_encoded").unwrap_or_default(),
        handler_caches: section.choice("cache", &caches).unwrap_or_default(),
        corp: section.choice("corp", &corps),
        ..default
    }
}

fn require(section: &mut Section<'_, '_>) -> Option<Requirement> {
    section.choice_or_table("require", &levels(), "conditions", conditions)
}

/// A table of conditions; several keys in it must all hold.
fn conditions(section: &mut Section<'_, '_>) -> Option<Requirement> {
    let mut all = Vec::new();
    all.extend(section.optional_string("scope").map(scope));
    all.extend(section.optional_string("role").map(role));
    all.extend(section.optional_string("permission").map(permission));
    let every = section.choices_or_tables("all_of", &levels(), "conditions", conditions);
    all.extend(every.map(all_of));
    let some = section.choices_or_tables("any_of", &levels(), "conditions", conditions);
    all.extend(some.map(any_of));
    if section.is_empty() {
        section.mistake_here("demands nothing; write scope, role, permission, all_of or any_of");
    }
    match all.len() {
        1 => all.pop(),
        0 => None,
        _ => Some(all_of(all)),
    }
}

fn levels() -> [(&'static str, Requirement); 3] {
    [
        ("public", public()),
        ("optional", optional()),
        ("authenticated", authenticated()),
    ]
}
