//! `palisade check`: every mistake of a policy, or what it says, with every warning.

use crate::{
    answer::{Answer, Failure, Outcome},
    policy,
    table::{list, names, table},
};
use clap::Args;
use palisade_core::{ConfigWarning, Description, RuleDescription};
use serde_json::{Value, json};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  palisade check palisade.toml
  palisade check palisade.toml --json
  palisade check palisade.toml --online

Exit code 1 means that the policy has mistakes; every one is listed, with file and line. Warnings
are about what is allowed and probably not meant; servers log them at their start. Notes say what a
rule means where that is easily overlooked.";

/// List every mistake of a policy, or what it says with all defaults filled in
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Check {
    /// The policy file
    policy: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Ask the issuers and databases that the policy names too, and wait for their first answers
    #[arg(long)]
    online: bool,
}

impl Check {
    pub(crate) fn run(self) -> Outcome {
        let policy = match policy::read(&self.policy)? {
            Ok(policy) if self.online => policy::with_companions(policy),
            Ok(policy) => policy::with_silent_companions(policy),
            Err(error) => return policy::mistaken(&error, self.json),
        };
        let palisade = match policy.build() {
            Ok(palisade) => palisade,
            Err(error) => return policy::mistaken(&error, self.json),
        };
        if self.online {
            let ready = policy::wait_until_ready(&palisade)?;
            ready.map_err(|why| Failure::Outside(format!("the policy is good, but {why}")))?;
        }
        let (warnings, description) = (palisade.warnings(), palisade.describe());
        if self.json {
            let warnings = policy::warnings(&warnings);
            return Answer::json(
                &json!({ "ok": true, "warnings": warnings, "policy": description }),
                true,
            );
        }
        let file = self.policy.display().to_string();
        Ok(Answer::yes(text(&file, &warnings, &description)))
    }
}

fn text(file: &str, warnings: &[ConfigWarning], policy: &Description) -> String {
    let with = match warnings.len() {
        0 => String::new(),
        1 => ", with 1 warning:".to_owned(),
        many => format!(", with {many} warnings:"),
    };
    let mut text = format!("{file} is good (version {}){with}\n", policy.policy);
    for warning in warnings {
        text.push_str(&format!("{warning}\n"));
    }
    if !policy.notes.is_empty() {
        text.push_str("\nNotes\n");
    }
    for note in &policy.notes {
        text.push_str(&format!("{note}\n"));
    }
    text.push_str("\nPaths\n");
    let every_rule = policy.rules.iter().chain([&policy.unlisted]);
    let rows: Vec<_> = every_rule.map(rule).collect();
    let heading = [
        "PATH",
        "METHODS",
        "REQUIREMENT",
        "SCHEMES",
        "LIMITS",
        "MORE",
    ];
    text.push_str(&table(&heading, &rows));
    if !policy.schemes.is_empty() {
        let rows = policy.schemes.iter().map(|own| {
            let places: Vec<_> = own.carriers.iter().map(ToString::to_string).collect();
            vec![
                own.name.clone(),
                own.kind.to_owned(),
                names(&own.issuers),
                names(&places),
                own.challenge.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        });
        text.push_str("\nSchemes\n");
        let heading = ["NAME", "KIND", "ISSUER", "CREDENTIAL IN", "CHALLENGE"];
        text.push_str(&table(&heading, &rows.collect::<Vec<_>>()));
    }
    if !policy.limits.is_empty() {
        let rows = policy.limits.iter().map(|own| {
            let flags = [
                (own.strict, "strict"),
                (own.shadow, "shadow"),
                (own.default, "default"),
            ];
            let burst = own.burst.map(|burst| format!("burst {burst}"));
            let store = own
                .store
                .as_ref()
                .map(|store| format!("counted by {store}"));
            let more = burst.into_iter().chain(store).chain(raised(&flags));
            let more = more.collect::<Vec<_>>();
            vec![
                own.name.clone(),
                own.quota.clone(),
                own.by.clone(),
                more.join(", "),
            ]
        });
        text.push_str("\nLimits\n");
        let rows = rows.collect::<Vec<_>>();
        text.push_str(&table(&["NAME", "QUOTA", "COUNTED BY", "MORE"], &rows));
    }
    if !policy.roles.is_empty() {
        let roles = policy.roles.iter();
        let roles = roles.map(|(role, permissions)| (role.clone(), names(permissions)));
        text.push_str("\nRoles\n");
        text.push_str(&list(&roles.collect::<Vec<_>>()));
    }
    let mut settings = Vec::new();
    flatten("", &policy.settings, &mut settings);
    text.push_str("\nSettings\n");
    text.push_str(&list(&settings));
    text.push_str("\nHeaders of every response\n");
    text.push_str(&list(&policy.headers));
    text
}

fn rule(rule: &RuleDescription) -> Vec<String> {
    let flags = [
        (rule.always, "always"),
        (rule.probe, "probe"),
        (rule.same_with_slash, "same with slash"),
        (rule.handler_caches, "handler caches"),
    ];
    let guardrails = rule.guardrails.iter();
    let more = guardrails.map(|(path, requirement)| format!("{requirement} beneath {path}"));
    let more = more
        .chain(
            rule.max_body
                .map(|bytes| format!("body up to {bytes} bytes")),
        )
        .chain(
            rule.body_idle_timeout
                .map(|seconds| format!("body idle up to {seconds} s")),
        )
        .chain(
            rule.body_total_timeout
                .map(|seconds| format!("body within {seconds} s")),
        )
        .chain((rule.cost != 1).then(|| format!("cost {}", rule.cost)))
        .chain(
            (!rule.allow_encoded.is_empty())
                .then(|| format!("encoded {}", rule.allow_encoded.join(" "))),
        )
        .chain(rule.corp.as_ref().map(|corp| format!("corp {corp}")))
        .chain(
            rule.endpoint
                .map(|name| format!("answered by Palisade: {name}")),
        )
        .chain(raised(&flags));
    vec![
        match rule.path.as_str() {
            "" => "(any other)".to_owned(),
            path => path.to_owned(),
        },
        match rule.methods.as_slice() {
            [] => "all".to_owned(),
            methods => names(methods),
        },
        rule.requirement.clone(),
        names(&rule.schemes),
        names(&rule.limits),
        more.collect::<Vec<_>>().join(", "),
    ]
}

fn raised(flags: &[(bool, &str)]) -> impl Iterator<Item = String> {
    let raised = flags.iter().filter(|(raised, _)| *raised);
    raised
        .map(|&(_, word)| word.to_owned())
        .collect::<Vec<_>>()
        .into_iter()
}

/// Every setting under the key of the policy file; null is a setting that nobody made.
fn flatten(path: &str, value: &Value, settings: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let path = match path {
                    "" => key.clone(),
                    path => format!("{path}.{key}"),
                };
                flatten(&path, value, settings);
            }
        }
        Value::Null => {}
        value => settings.push((path.to_owned(), value.to_string())),
    }
}
