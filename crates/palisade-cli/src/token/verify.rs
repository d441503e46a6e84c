//! `palisade token verify`: whether a policy accepts a token, and which check fails.

use crate::{
    answer::{Answer, Failure, Outcome},
    clock::{Standing, moment},
    policy,
    request::Request,
    secret::SecretSource,
    table::{list, names},
};
use clap::Args;
use palisade_core::{
    ConfigError, Ending, Explanation, Host, Https, Palisade, Policy, Unlisted, scheme::Carrier,
};
use secrecy::{ExposeSecret, SecretString};
use std::{path::PathBuf, sync::Arc};

const EXAMPLES: &str = "\
Examples:
  palisade token verify palisade.toml < token.txt
  palisade token mint --key signing.pem --issuer https://id.example.com --audience urn:api \\
    --subject alice | palisade token verify palisade.toml

Exit code 0: a scheme of the policy accepts the token. 1: none does; the check that failed is
named, and the setting that would accept the token, where there is one. 3: an issuer or a
database that must be asked gives no answer.";

/// Test a token against the schemes of a policy
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Verify {
    /// The policy file
    policy: PathBuf,

    #[command(flatten)]
    token: SecretSource,

    /// The time of the test: Unix seconds, or as in 2027-01-01T00:00:00Z; now, if not given
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    at: Option<u64>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(crate) fn run(self) -> Outcome {
        let policy = match policy::read(&self.policy)? {
            Ok(policy) => policy::with_companions(policy),
            Err(error) => return policy::mistaken(&error, self.json),
        };
        let palisade = match build(policy, self.at) {
            Ok(palisade) => palisade,
            Err(error) => return policy::mistaken(&error, self.json),
        };
        let token = self.token.read("token")?;
        let _ = policy::wait_until_ready(&palisade)?;
        let told = ask(&palisade, &token)?;
        let Some(told) = told else {
            return Err(Failure::Outside(
                "the policy has no scheme that reads a header, a query or a cookie".to_owned(),
            ));
        };
        let accepted = told.ending == Ending::Admit;
        if told.code == Some("dependency_unavailable") {
            return Err(Failure::Outside(told.remark.unwrap_or_default()));
        }
        if self.json {
            return Answer::json(&told, accepted);
        }
        Ok(match accepted {
            true => Answer::yes(text(&told)),
            false => Answer::no(text(&told)),
        })
    }
}

/// The policy with its schemes alone: every request is asked for a credential and nothing else.
fn build(mut policy: Policy, at: Option<u64>) -> Result<Palisade, ConfigError> {
    policy.rules.clear();
    policy.limits.clear();
    policy.unlisted = Some(Unlisted::Authenticated);
    policy.host = Host::default();
    policy.https = Https::default();
    match at {
        Some(seconds) => policy.with_clock(Arc::new(Standing::at(seconds))).build(),
        None => policy.build(),
    }
}

/// Sends the token everywhere that a scheme reads; the first place where it is accepted counts,
/// else the first where somebody looked at it.
fn ask(palisade: &Palisade, token: &SecretString) -> Result<Option<Explanation>, Failure> {
    let mut places: Vec<Carrier> = Vec::new();
    for own in palisade.describe().schemes {
        places.extend(own.carriers.into_iter().filter(|_| own.kind != "basic"));
    }
    let mut refused: Option<Explanation> = None;
    for place in &places {
        let Some(request) = carry(place, token.expose_secret()) else {
            continue;
        };
        let told = policy::wait(palisade.explain(&request))?;
        if told.ending == Ending::Admit {
            return Ok(Some(told));
        }
        let better = refused.as_ref().is_none_or(|known| known.scheme.is_none());
        if better {
            refused = Some(told);
        }
    }
    Ok(refused)
}

fn carry(place: &Carrier, token: &str) -> Option<Request> {
    let line = |name: &str, value: String| vec![(name.to_owned(), value)];
    let (target, lines) = match place {
        Carrier::Authorization(scheme) => (
            "/".to_owned(),
            line("authorization", format!("{scheme} {token}")),
        ),
        Carrier::Header(name) => ("/".to_owned(), line(name.as_str(), token.to_owned())),
        Carrier::Query(name) => (format!("/?{name}={token}"), Vec::new()),
        Carrier::Cookie(name) => ("/".to_owned(), line("cookie", format!("{name}={token}"))),
        _ => return None,
    };
    Some(Request::plain(target, lines))
}

fn text(told: &Explanation) -> String {
    let scheme = told.scheme.as_deref().unwrap_or("any scheme");
    let mut facts = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        facts.extend(value.map(|value| (name.to_owned(), value)));
    };
    let mut text = match told.ending {
        Ending::Admit => format!("accepted by {scheme}\n"),
        _ => format!("not accepted by {scheme}\n"),
    };
    add("because", told.cause.clone());
    let name = match told.ending {
        Ending::Admit => "note",
        _ => "setting",
    };
    add(name, told.remark.clone());
    if let Some(caller) = &told.principal {
        add("issuer", Some(caller.issuer.clone()));
        add(
            "subject",
            Some(format!("{} ({})", caller.subject, caller.kind)),
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
    text.push_str(&list(&facts));
    text
}
