//! `palisade jwks`: key pairs for an issuer, and the public set that verifiers read.

use crate::{
    answer::{Answer, Failure, Outcome},
    files::{self, Readers},
    secret::read_text,
    signing::{self, Alg, RsaBits, Signer},
    table::table,
};
use clap::{Args, Subcommand};
use palisade_core::jwt::{JwkOptions, KeySet};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Make key pairs for signing tokens, and the public set (RFC 7517) that verifiers read
#[derive(Debug, Subcommand)]
pub(crate) enum Jwks {
    Generate(Generate),
    Rotate(Rotate),
    Show(Show),
}

const GENERATE_EXAMPLES: &str = "\
Examples:
  palisade jwks generate --private signing.pem --public jwks.json
  palisade jwks generate --alg RS256 --bits 3072 --private rsa.pem --public rsa.json

The private key is readable by its owner alone. The policy of a verifier names the other file:
  [jwt.main]
  jwks = \"file:jwks.json\"";

/// Make a key pair and a new public set with it
#[derive(Debug, Args)]
#[command(after_help = GENERATE_EXAMPLES)]
pub(crate) struct Generate {
    #[command(flatten)]
    pair: PairArguments,

    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

const ROTATE_EXAMPLES: &str = "\
Examples:
  palisade jwks generate --private old.pem --public jwks.json
  palisade jwks rotate --private new.pem --public jwks.json

Publish the set, wait until verifiers have read it, sign with the new key, and remove the old
public key (--remove KID) once its last token has expired.";

/// Make a key pair and add it to a public set, beside the keys that are there
#[derive(Debug, Args)]
#[command(after_help = ROTATE_EXAMPLES)]
pub(crate) struct Rotate {
    #[command(flatten)]
    pair: PairArguments,

    /// Take this key out of the set
    #[arg(long, value_name = "KID")]
    remove: Vec<String>,
}

#[derive(Debug, Args)]
struct PairArguments {
    /// What the key signs with
    #[arg(long, value_enum, default_value = "ES256")]
    alg: Alg,

    /// The size of an RSA key
    #[arg(long, value_enum, default_value = "2048")]
    bits: RsaBits,

    /// The new file for the private key
    #[arg(long, value_name = "FILE")]
    private: PathBuf,

    /// The file of the public set
    #[arg(long, value_name = "FILE")]
    public: PathBuf,
}

const SHOW_EXAMPLES: &str = "\
Examples:
  palisade jwks show jwks.json
  palisade jwks show - --json < jwks.json

Exit code 1 means that a key cannot be used.";

/// List the keys of a public set, and what is wrong with them
#[derive(Debug, Args)]
#[command(after_help = SHOW_EXAMPLES)]
pub(crate) struct Show {
    /// The file of the public set; `-` is standard input
    file: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Jwks {
    pub(crate) fn run(self) -> Outcome {
        match self {
            Jwks::Generate(generate) => {
                let pair = generate.pair;
                pair.write(&mut json!({ "keys": [] }), generate.force, generate.force)
            }
            Jwks::Rotate(rotate) => rotate.run(),
            Jwks::Show(show) => show.run(),
        }
    }
}

impl PairArguments {
    /// Makes the pair and writes both files; the public one holds `set` and the new key before
    /// the others.
    fn write(self, set: &mut Value, force_private: bool, force_public: bool) -> Outcome {
        let pem = signing::generate(self.alg, self.bits)?;
        let public = Signer::read(&pem, Some(self.alg))?.public()?;
        let kid = public.common.key_id.clone().unwrap_or_default();
        let keys = set.get_mut("keys").and_then(Value::as_array_mut);
        let keys = keys.ok_or_else(|| not_a_set(&self.public))?;
        keys.insert(0, json!(public));
        let text = serde_json::to_string_pretty(set)
            .map_err(|why| Failure::Outside(format!("the set cannot be written: {why}")))?;
        files::write(
            &self.private,
            pem.expose_secret(),
            Readers::Owner,
            force_private,
        )?;
        let published = files::write(&self.public, &(text + "\n"), Readers::All, force_public);
        if published.is_err() && !force_private {
            // Nobody could verify what it signs.
            let _ = std::fs::remove_file(&self.private);
        }
        published?;
        Ok(Answer::yes(format!(
            "{:?} key {kid}\n  private: {} (keep it secret)\n  public:  {}\n",
            self.alg,
            self.private.display(),
            self.public.display(),
        )))
    }
}

impl Rotate {
    fn run(self) -> Outcome {
        let mut set = read_set(&self.pair.public)?;
        if let Some(keys) = set.get_mut("keys").and_then(Value::as_array_mut) {
            for kid in &self.remove {
                let before = keys.len();
                keys.retain(|key| key.get("kid").and_then(Value::as_str) != Some(kid));
                if keys.len() == before {
                    return Err(Failure::Usage(format!("the set has no key {kid:?}")));
                }
            }
        }
        self.pair.write(&mut set, false, true)
    }
}

impl Show {
    fn run(self) -> Outcome {
        let set = read_set(&self.file)?;
        let read = KeySet::from_jwk_set(set.to_string().as_bytes(), JwkOptions::default());
        let skipped = match read {
            Ok((_, skipped)) => skipped,
            Err(why) => return Err(Failure::Outside(format!("{}: {why}", self.file.display()))),
        };
        let keys = set.get("keys").and_then(Value::as_array);
        let rows = keys
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(position, key)| {
                let text = |member: &str| {
                    let value = key.get(member).and_then(Value::as_str);
                    value.unwrap_or("-").to_owned()
                };
                let problem = skipped.iter().find(|one| one.position == position);
                let problem = problem.map_or_else(|| "-".to_owned(), |one| one.why.to_string());
                vec![
                    text("kid"),
                    text("kty"),
                    text("crv"),
                    text("alg"),
                    text("use"),
                    problem,
                ]
            });
        let rows: Vec<_> = rows.collect();
        let heading = ["KID", "KTY", "CRV", "ALG", "USE", "PROBLEM"];
        if self.json {
            let names = heading.map(str::to_ascii_lowercase);
            let keys = rows.iter().map(|row| {
                let members = names.iter().zip(row).map(|(name, cell)| {
                    let cell = Some(cell).filter(|cell| *cell != "-");
                    (name.clone(), json!(cell))
                });
                Value::Object(members.collect())
            });
            let keys: Vec<_> = keys.collect();
            return Answer::json(&json!({ "keys": keys }), skipped.is_empty());
        }
        let text = table(&heading, &rows);
        Ok(match skipped.is_empty() {
            true => Answer::yes(text),
            false => Answer::no(text),
        })
    }
}

fn read_set(path: &Path) -> Result<Value, Failure> {
    let text = read_text(path, "key set")?;
    // The text may hold a private key, so nothing of it is repeated.
    let set: Value = serde_json::from_str(&text).map_err(|_| not_a_set(path))?;
    match set.get("keys").is_some_and(Value::is_array) {
        true => Ok(set),
        false => Err(not_a_set(path)),
    }
}

fn not_a_set(path: &Path) -> Failure {
    Failure::Outside(format!(
        "{} is no key set; expected a JSON object with an array `keys`",
        path.display()
    ))
}
