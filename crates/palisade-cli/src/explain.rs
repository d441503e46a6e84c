//! `palisade explain`: what a server would do with a request, and why.

use crate::{
    answer::{Answer, Outcome},
    clock::{Standing, moment},
    note, policy,
    request::RequestArguments,
    table::{list, names, table},
};
use clap::Args;
use palisade_core::{Ending, Explanation};
use std::{path::PathBuf, sync::Arc};

const EXAMPLES: &str = "\
Examples:
  palisade explain palisade.toml --path /health
  palisade explain palisade.toml -X POST --path /items -H 'Origin: https://app.example.com'
  printf 'Authorization: Bearer %s\\n' \"$TOKEN\" |
    palisade explain palisade.toml --path /items/7 --headers-file -
  palisade explain palisade.toml --path /items/7 --tls --peer 192.0.2.7 --at 2027-01-01T00:00:00Z --json

It runs the code of the servers, asks the issuers and databases that they would ask, and shows
no credential. An explained refusal is exit code 0; a policy with mistakes is 1.";

/// Show stage by stage what a server would do with a request, and why
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Explain {
    /// The policy file
    policy: PathBuf,

    #[command(flatten)]
    request: RequestArguments,

    /// The time of the request: Unix seconds, or as in 2027-01-01T00:00:00Z; now, if not given
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    at: Option<u64>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(crate) fn run(self) -> Outcome {
        let mut policy = match policy::read(&self.policy)? {
            Ok(policy) => policy::with_companions(policy),
            Err(error) => return policy::mistaken(&error, self.json),
        };
        if let Some(seconds) = self.at {
            policy = policy.with_clock(Arc::new(Standing::at(seconds)));
        }
        let palisade = match policy.build() {
            Ok(palisade) => palisade,
            Err(error) => return policy::mistaken(&error, self.json),
        };
        let request = self.request.read(&palisade.describe())?;
        if let Err(why) = policy::wait_until_ready(&palisade)? {
            note(&format!("note: {why}"));
        }
        let told = policy::wait(palisade.explain(&request))?;
        if self.json {
            return Answer::json(&told, true);
        }
        Ok(Answer::yes(text(&told)))
    }
}

fn text(told: &Explanation) -> String {
    let rows = told.stages.iter().enumerate().map(|(index, one)| {
        vec![
            format!("{:>2}", index + 1),
            one.stage.to_string(),
            one.decided.to_string(),
            one.saw.clone(),
        ]
    });
    let mut text = format!("{} {}\n\n", told.method, told.path);
    let heading = [" #", "STAGE", "DECIDED", "SAW"];
    text.push_str(&table(&heading, &rows.collect::<Vec<_>>()));
    text.push('\n');
    text.push_str(&list(&facts(told)));
    text.push_str(match told.ending {
        Ending::Admit => "\nThe handler runs. Palisade adds to its response:\n",
        _ => "\nThe answer:\n",
    });
    text.push_str(&list(&told.headers));
    if let Some(body) = told.body.as_ref().filter(|body| !body.is_empty()) {
        text.push_str(&format!("\n  {body}\n"));
    }
    text
}

fn facts(told: &Explanation) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        facts.extend(value.map(|value| (name.to_owned(), value)));
    };
    add("ending", Some(told.ending.as_str().to_owned()));
    add("status", told.status.map(|status| status.to_string()));
    add("code", told.code.map(str::to_owned));
    add("because", told.cause.clone());
    add("claim", told.claim.map(str::to_owned));
    add("advice", told.remark.clone());
    add("rule", told.rule.clone());
    add("demands", told.requirement.clone());
    add("missing", told.missing.clone());
    add("scheme", told.scheme.clone());
    if let Some(caller) = &told.principal {
        add(
            "caller",
            Some(format!(
                "{} ({}), by {}",
                caller.subject, caller.kind, caller.issuer
            )),
        );
        add("tenant", caller.tenant.clone());
        add("credential", caller.credential.clone());
        for (name, list) in [
            ("scopes", &caller.scopes),
            ("roles", &caller.roles),
            ("permissions", &caller.permissions),
            ("absent", &caller.claims_passed_over),
        ] {
            add(name, (!list.is_empty()).then(|| names(list)));
        }
    }
    add(
        "hidden",
        (!told.hidden.is_empty()).then(|| names(&told.hidden)),
    );
    facts
}
