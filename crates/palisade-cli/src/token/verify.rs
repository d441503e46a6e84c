//! `palisade token verify`: whether a policy accepts a token, and which check fails.

use super::inspect::decode;
use crate::{
    answer::{Answer, Failure, Outcome},
    clock::{Standing, moment, shown},
    policy,
    request::Request,
    secret::SecretSource,
    table::{list, names},
};
use clap::Args;
use palisade_core::{
    ConfigError, Ending, Explanation, Host, Https, Palisade, Policy, Rule, SchemeDescription,
    Unlisted, authenticated, scheme::Carrier,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc};

const EXAMPLES: &str = "\
Examples:
  palisade token verify palisade.toml < token.txt
  palisade token mint --key signing.pem --issuer https://id.example.com --audience urn:api \\
    --subject alice | palisade token verify palisade.toml

Exit code 0: a scheme of the policy accepts the token. 1: none does; each says which check failed,
what it expected and found, and the setting that would accept the token, where there is one. 3: an issuer or a
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
        let token = self.token.read_token("token")?;
        let _ = policy::wait_until_ready(&palisade)?;
        let judged = ask(&palisade, &token)?;
        if judged.is_empty() {
            return Err(Failure::Outside(
                "the policy has no scheme that reads a header, a query or a cookie".to_owned(),
            ));
        }
        let accepted = judged.iter().any(Judged::accepts);
        let mut unavailable = judged.iter();
        let unavailable = unavailable.find(|own| own.told.code == Some("dependency_unavailable"));
        if let Some(own) = unavailable.filter(|_| !accepted) {
            let why = own.told.remark.clone().unwrap_or_default();
            return Err(Failure::Outside(format!("{}: {why}", own.scheme.name)));
        }
        if self.json {
            let schemes: Vec<_> = judged.iter().map(Judged::json).collect();
            return Answer::json(
                &json!({ "accepted": accepted, "schemes": schemes }),
                accepted,
            );
        }
        Ok(match accepted {
            true => Answer::yes(
                judged
                    .iter()
                    .filter(|own| own.accepts())
                    .map(Judged::text)
                    .collect::<String>(),
            ),
            false => Answer::no(judged.iter().map(Judged::text).collect::<String>()),
        })
    }
}

/// The policy with its schemes alone, and a path for each of them that accepts no other.
fn build(mut policy: Policy, at: Option<u64>) -> Result<Palisade, ConfigError> {
    let names: Vec<_> = policy
        .schemes
        .iter()
        .map(|own| own.name().to_owned())
        .collect();
    policy.rules = names
        .iter()
        .map(|name| {
            Rule::new(path_of(name))
                .schemes([name])
                .require(authenticated())
        })
        .collect();
    policy.limits.clear();
    policy.unlisted = Some(Unlisted::NotFound);
    policy.host = Host::default();
    policy.https = Https::default();
    policy.methods.clear();
    match at {
        Some(seconds) => policy.with_clock(Arc::new(Standing::at(seconds))).build(),
        None => policy.build(),
    }
}

/// Where only this scheme is asked. Names are the user's choice, and paths are not.
fn path_of(scheme: &str) -> String {
    let digits = scheme.bytes().map(|byte| format!("{byte:02x}"));
    format!("/scheme-{}", digits.collect::<String>())
}

/// What one scheme says of the token.
struct Judged {
    scheme: SchemeDescription,
    told: Explanation,
    /// Where the check failed, what should be there, and what is.
    failed: Option<Failed>,
}

struct Failed {
    claim: String,
    expected: Option<String>,
    found: Option<String>,
}

/// Sends the token to each scheme, everywhere that it reads; the first place where it is accepted
/// counts, else the first where the scheme looked at it.
fn ask(palisade: &Palisade, token: &SecretString) -> Result<Vec<Judged>, Failure> {
    let mut judged = Vec::new();
    let schemes = palisade.describe().schemes.into_iter();
    // A token is no name and password.
    for scheme in schemes.filter(|own| own.kind != "basic") {
        let mut best: Option<Explanation> = None;
        for place in &scheme.carriers {
            let Some(request) = carry(&path_of(&scheme.name), place, token.expose_secret()) else {
                continue;
            };
            let told = policy::wait(palisade.explain(&request))?;
            let rank = |told: &Explanation| (told.ending == Ending::Admit, told.scheme.is_some());
            if best.as_ref().is_none_or(|known| rank(&told) > rank(known)) {
                best = Some(told);
            }
        }
        judged.extend(best.map(|told| {
            let failed = failed(&scheme, &told, token);
            Judged {
                scheme,
                told,
                failed,
            }
        }));
    }
    Ok(judged)
}

/// The token is shown only as far as `token inspect` shows it: header and claims, no signature.
fn failed(scheme: &SchemeDescription, told: &Explanation, token: &SecretString) -> Option<Failed> {
    let cause = told.cause.as_deref()?;
    let expected = scheme.expects.iter().find(|own| own.cause == cause);
    let claim = match expected {
        Some(expected) => expected.claim.clone(),
        None => told.claim?.to_owned(),
    };
    let parts = decode(token.expose_secret());
    let found = parts.and_then(|(header, claims)| {
        let pointer = match claim.starts_with('/') {
            true => claim.clone(),
            false => format!("/{}", claim.replace('~', "~0").replace('/', "~1")),
        };
        let in_header = ["typ", "alg", "kid", "crit", "zip", "b64", "enc"].contains(&&*claim);
        let part = if in_header { &header } else { &claims };
        let value = part.pointer(&pointer)?;
        Some(match value.as_u64() {
            Some(moment) if ["exp", "nbf", "iat"].contains(&&*claim) => shown(moment),
            _ => value.to_string(),
        })
    });
    let values = expected.map(|own| names(&own.values));
    let moment = match cause {
        "expired" => Some("a later moment"),
        "not_yet_valid" | "issued_in_future" => Some("an earlier moment"),
        _ => None,
    };
    Some(Failed {
        claim,
        expected: values.or_else(|| moment.map(str::to_owned)),
        found,
    })
}

fn carry(path: &str, place: &Carrier, token: &str) -> Option<Request> {
    let line = |name: &str, value: String| vec![(name.to_owned(), value)];
    let (target, lines) = match place {
        Carrier::Authorization(scheme) => (
            path.to_owned(),
            line("authorization", format!("{scheme} {token}")),
        ),
        Carrier::Header(name) => (path.to_owned(), line(name.as_str(), token.to_owned())),
        Carrier::Query(name) => (format!("{path}?{name}={token}"), Vec::new()),
        Carrier::Cookie(name) => (path.to_owned(), line("cookie", format!("{name}={token}"))),
        _ => return None,
    };
    Some(Request::plain(target, lines))
}

impl Judged {
    fn accepts(&self) -> bool {
        self.told.ending == Ending::Admit
    }

    fn json(&self) -> Value {
        let failed = self.failed.as_ref();
        json!({
            "scheme": self.scheme.name,
            "kind": self.scheme.kind,
            "accepted": self.accepts(),
            "because": self.told.cause,
            "claim": failed.map(|failed| &failed.claim),
            "expected": failed.and_then(|failed| failed.expected.as_ref()),
            "found": failed.and_then(|failed| failed.found.as_ref()),
            "setting": self.told.remark,
            "caller": self.told.principal,
        })
    }

    fn text(&self) -> String {
        let (scheme, told) = (&self.scheme, &self.told);
        let mut facts = Vec::new();
        let mut add = |name: &str, value: Option<String>| {
            facts.extend(value.map(|value| (name.to_owned(), value)));
        };
        let mut text = match self.accepts() {
            true => format!("accepted by {}\n", scheme.name),
            false => format!("not accepted by {}\n", scheme.name),
        };
        add("because", told.cause.clone());
        if let Some(failed) = &self.failed {
            add("claim", Some(failed.claim.clone()));
            add("expected", failed.expected.clone());
            add(
                "found",
                Some(failed.found.clone().unwrap_or_else(|| "-".to_owned())),
            );
        }
        let remark = match self.accepts() {
            true => "note",
            false => "setting",
        };
        add(remark, told.remark.clone());
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
}
