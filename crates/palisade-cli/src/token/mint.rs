//! `palisade token mint`: a signed token with claims of one's choice.

use crate::{
    answer::{Answer, Failure, Outcome},
    clock::{duration, moment, now},
    secret::read_text,
    signing::{Alg, Signer},
    table::words,
};
use clap::Args;
use jsonwebtoken::Header;
use serde_json::{Map, Value};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  palisade jwks generate --private signing.pem --public jwks.json
  palisade token mint --key signing.pem --issuer https://id.example.com --audience urn:api \\
    --subject alice --scope 'items:read items:write'
  palisade token mint --key signing.pem --issuer https://id.example.com --audience urn:api \\
    --subject alice --claim 'roles=[\"admin\"]' --claim email_verified=true --ttl 1h

The token is for trying things out: whoever has the key file can be anybody. It is printed as
it stands, for `curl -H \"Authorization: Bearer $(palisade token mint …)\"`.";

/// Sign a token with a key file, for trying things out
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Mint {
    /// The private key in PEM, or with --alg HS256 a shared secret; `-` is standard input
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    /// What to sign with, if not the usual algorithm of the key
    #[arg(long, value_enum)]
    alg: Option<Alg>,

    /// The name of the key, if not its thumbprint
    #[arg(long)]
    kid: Option<String>,

    /// The type of the token (RFC 9068 §2.1)
    #[arg(long, default_value = "at+jwt")]
    typ: String,

    /// The `iss` claim
    #[arg(long)]
    issuer: String,

    /// The `aud` claim; may be given several times
    #[arg(long, required = true)]
    audience: Vec<String>,

    /// The `sub` claim
    #[arg(long)]
    subject: String,

    /// The `scope` claim: names with spaces or commas between
    #[arg(long)]
    scope: Option<String>,

    /// A further claim, or another value for one of the above; JSON, or else a text
    #[arg(long = "claim", value_name = "NAME=JSON", value_parser = claim)]
    claims: Vec<(String, Value)>,

    /// How long the token is good: 90, 10m, 1h, 1d
    #[arg(long, default_value = "10m", value_parser = duration)]
    ttl: u64,

    /// When the token is issued: Unix seconds, or as in 2027-01-01T00:00:00Z; now, if not given
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    at: Option<u64>,
}

impl Mint {
    pub(crate) fn run(self) -> Outcome {
        let text = read_text(&self.key, "key")?;
        let is_secret = self.alg.is_some_and(Alg::is_shared_secret);
        let text = match is_secret {
            true => text.trim_end_matches(['\r', '\n']),
            false => &text,
        };
        let signer = Signer::read(&text.into(), self.alg)?;
        let mut header = Header::new(signer.alg.wire());
        header.typ = Some(self.typ.clone());
        // The thumbprint of a shared secret would tell something about it.
        header.kid = match (&self.kid, is_secret) {
            (Some(kid), _) => Some(kid.clone()),
            (None, true) => None,
            (None, false) => signer.public()?.common.key_id,
        };
        let token = jsonwebtoken::encode(&header, &self.claims(), &signer.key)
            .map_err(|why| Failure::Outside(format!("the token cannot be signed: {why}")))?;
        Ok(Answer::yes(token + "\n"))
    }

    fn claims(self) -> Map<String, Value> {
        let now = self.at.unwrap_or_else(now);
        let mut claims = Map::new();
        let mut add = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        add("iss", self.issuer.into());
        add(
            "aud",
            match <[String; 1]>::try_from(self.audience) {
                Ok([one]) => one.into(),
                Err(several) => several.into(),
            },
        );
        add("sub", self.subject.into());
        add("iat", now.into());
        add("exp", now.saturating_add(self.ttl).into());
        if let Some(scope) = self.scope {
            add("scope", words(&scope).join(" ").into());
        }
        claims.extend(self.claims);
        claims
    }
}

fn claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or("is no claim; write name=value, such as roles='[\"admin\"]'")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.to_owned(), value))
}
