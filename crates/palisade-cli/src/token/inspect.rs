//! `palisade token inspect`: what a token says, whoever says it.

use crate::{
    answer::{Answer, Outcome},
    clock::{now, shown},
    note,
    secret::SecretSource,
};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use clap::Args;
use palisade_core::looks_like_milliseconds;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

const EXAMPLES: &str = "\
Examples:
  palisade token inspect < token.txt
  palisade token inspect --env TOKEN --json

Nothing is verified: anybody can write such a token. `palisade token verify` tests it.";

/// Decode a token WITHOUT verifying it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Inspect {
    #[command(flatten)]
    token: SecretSource,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(crate) fn run(self) -> Outcome {
        let token = self.token.read_token("token")?;
        let Some((header, claims)) = decode(token.expose_secret()) else {
            note(
                "palisade: this is no signed token (RFC 7519): three parts of base64url with dots between, the first two JSON objects",
            );
            return Ok(Answer::no(""));
        };
        note(
            "NOT VERIFIED: anybody could have written this token. Test it with `palisade token verify`.",
        );
        let answer = json!({ "verified": false, "header": header, "claims": claims });
        if self.json {
            return Answer::json(&answer, true);
        }
        let mut text = String::from("header ");
        text.push_str(&pretty(&header));
        text.push_str("\nclaims ");
        text.push_str(&pretty(&claims));
        text.push('\n');
        let now = now();
        for (claim, before, after) in [
            ("iat", "is issued in the future,", "was issued"),
            ("nbf", "is not good before", "is good since"),
            ("exp", "expires", "expired"),
        ] {
            if let Some(moment) = claims.get(claim).and_then(Value::as_f64) {
                // A fraction of a second is nothing to people.
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "saturates"
                )]
                let moment = moment as u64;
                let words = if moment > now { before } else { after };
                text.push_str(&format!("\n{claim}: {words} {}", shown(moment)));
                if looks_like_milliseconds(moment) {
                    text.push_str(", because it is in milliseconds and not in seconds");
                }
            }
        }
        Ok(Answer::yes(text + "\n"))
    }
}

pub(super) fn decode(token: &str) -> Option<(Value, Value)> {
    let mut parts = token.split('.');
    let mut object = || {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
        let value: Value = serde_json::from_slice(&bytes).ok()?;
        value.is_object().then_some(value)
    };
    let (header, claims) = (object()?, object()?);
    (parts.count() == 1).then_some((header, claims))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
