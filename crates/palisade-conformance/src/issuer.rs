//! The authorization server that the policies of cases name: metadata, a key set, introspection, and everything that
//! can be wrong with them.
//!
//! One server plays several issuers: `{issuer}`, and `{issuer}/second` or any other path beneath. Requests that follow
//! a redirect reach a sound answer, so that following one shows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use crate::client::PATIENCE;
use crate::keys::Keys;
use crate::loopback::{Loopback, Received, Reply};
use crate::model::{IssuerText, WordOr, object};

/// The `client_id` that introspection demands; the secret is `file:{keys}/client.secret`.
const CLIENT: &str = "api";

/// How late `slow` answers.
const SLOW: Duration = Duration::from_millis(300);

/// The server, with all its issuers.
#[derive(Debug)]
pub(crate) struct Issuer {
    server: Loopback,
    keys: Arc<Keys>,
}

impl Issuer {
    /// One sound issuer at `{issuer}`.
    pub(crate) fn start(keys: Arc<Keys>) -> Result<Self, String> {
        let server = Loopback::start().map_err(|why| format!("no issuer: {why}"))?;
        let issuer = Self { server, keys };
        let up = IssuerText {
            all: Some("up".to_owned()),
            ..IssuerText::default()
        };
        issuer.say(&up, &|_| Err(String::new()), 0)?;
        Ok(issuer)
    }

    /// What `{issuer}` stands for.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Answers from now on as a step says. `token` knows the tokens by name; times count from `now`.
    ///
    /// # Errors
    /// A key or token that does not exist.
    pub(crate) fn say(
        &self,
        text: &IssuerText,
        token: &dyn Fn(&str) -> Result<String, String>,
        now: u64,
    ) -> Result<(), String> {
        let at = text.at.as_str();
        let all = text.all.as_ref();
        if let Some(word) = text.discovery.as_ref().or(all) {
            self.discovery(at, word);
        }
        match text.jwks.as_ref() {
            Some(WordOr::Said(names)) => {
                self.set(&format!("{at}/jwks"), "up", self.keys.jwks(names)?)
            }
            Some(WordOr::Word(word)) => self.jwks(at, word)?,
            None => all.map_or(Ok(()), |word| self.jwks(at, word))?,
        }
        let path = format!("{at}/introspect");
        match text.introspection.as_ref() {
            Some(WordOr::Said(said)) => {
                let mut answers = BTreeMap::new();
                for (name, answer) in said {
                    let answer = match answer {
                        Value::String(exact) => exact.clone(),
                        Value::Object(members) => {
                            object(members.clone().into_iter().collect(), now)
                        }
                        other => other.to_string(),
                    };
                    answers.insert(token(name)?, answer.replace("{issuer}", &self.url()));
                }
                self.server.set(path, self.introspection(answers));
            }
            Some(WordOr::Word(word)) => {
                self.manner(&path, word, self.introspection(BTreeMap::new()))
            }
            None => {
                if let Some(word) = all {
                    self.manner(&path, word, self.introspection(BTreeMap::new()));
                }
            }
        }
        Ok(())
    }

    /// How many requests came for each path since they were last counted. Those of a server that starts do not count.
    ///
    /// Waits a moment for those of `wanted` that have not come yet. `jwks` and `introspect` stand for their paths,
    /// `discovery` for that of the metadata; those of other issuers begin with their path, as in `second/jwks`.
    pub(crate) fn count(&self, wanted: &BTreeMap<String, usize>) -> BTreeMap<String, usize> {
        let deadline = Instant::now() + PATIENCE;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        loop {
            for received in self.server.take_all() {
                let path = received.path.trim_start_matches('/');
                let name = match path {
                    ".well-known/openid-configuration" => "discovery",
                    other => other,
                };
                *counts.entry(name.to_owned()).or_default() += 1;
            }
            let came = |(path, wanted): (&String, &usize)| counts.get(path).unwrap_or(&0) >= wanted;
            if wanted.iter().all(came) || Instant::now() > deadline {
                return counts;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// OpenID Connect Discovery §4 appends to the issuer, RFC 8414 §3 inserts before its path.
    fn discovery(&self, at: &str, word: &str) {
        let issuer = self.url() + at;
        let mut metadata = json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/jwks"),
            "introspection_endpoint": format!("{issuer}/introspect"),
            "authorization_endpoint": format!("{issuer}/authorize"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        let changed = match word {
            "wrong_issuer" => Some(("issuer", json!(format!("{issuer}/")))),
            "no_jwks" => Some(("jwks_uri", Value::Null)),
            "private_jwks" => Some(("jwks_uri", json!("https://10.0.0.1/jwks"))),
            "plain_jwks" => Some(("jwks_uri", json!("http://keys.example/jwks"))),
            _ => None,
        };
        let manner = if changed.is_some() { "up" } else { word };
        if let (Some((name, value)), Some(members)) = (changed, metadata.as_object_mut()) {
            members.insert(name.to_owned(), value);
            members.retain(|_, value| !value.is_null());
        }
        let openid = format!("{at}/.well-known/openid-configuration");
        let oauth = format!("/.well-known/oauth-authorization-server{at}");
        if manner == "rfc8414" {
            self.server.set(openid, Reply::status(404));
            self.set(&oauth, "up", metadata);
        } else {
            self.set(&openid, manner, metadata.clone());
            self.set(&oauth, manner, metadata);
        }
    }

    fn jwks(&self, at: &str, word: &str) -> Result<(), String> {
        let path = format!("{at}/jwks");
        let mut keys = self.keys.trusted_jwks()?;
        match word {
            "empty" => keys.clear(),
            "many" => keys.extend((0..100).map(|number| {
                json!({ "kty": "OKP", "kid": number.to_string(), "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
            })),
            "one_bad" => keys.splice(0..0, bad_keys()).for_each(drop),
            "oct" => keys.push(self.keys.secret_jwk()?),
            "duplicate" | "replaced" => {
                let mut other = self.keys.jwk("other_rsa")?;
                if let Some(members) = other.as_object_mut() {
                    members.insert("kid".to_owned(), json!("rsa"));
                }
                keys.retain(|key| word == "duplicate" || key.get("kid") != other.get("kid"));
                keys.push(other);
            }
            // The same again, one with another member.
            "twice" => {
                let mut again = keys.clone();
                for members in again.iter_mut().filter_map(Value::as_object_mut) {
                    members.insert("use".to_owned(), json!("sig"));
                }
                keys.extend(again);
            }
            // Every member that a key may have, as some issuers write it.
            "nulls" => {
                let absent = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "use", "key_ops", "alg", "x5u", "x5c"];
                for members in keys.iter_mut().filter_map(Value::as_object_mut) {
                    for name in absent {
                        members.entry(name).or_insert(Value::Null);
                    }
                }
            }
            "no_set" => {
                self.set(&path, "up", json!({ "jwks": keys }));
                return Ok(());
            }
            "html" => {
                self.server.set(path, Reply::json("<html>Sign in</html>"));
                return Ok(());
            }
            _ => {
                self.set(&path, word, json!({ "keys": keys }));
                return Ok(());
            }
        }
        self.set(&path, "up", json!({ "keys": keys }));
        Ok(())
    }

    fn introspection(&self, answers: BTreeMap<String, String>) -> Reply {
        let secret = self.keys.client_secret().to_owned();
        Reply::by(move |received| {
            let form = form(&received.body);
            let field = |name: &str| form.iter().find(|(own, _)| own == name);
            if received.method != "POST" || !is_client(received, &form, &secret) {
                return Reply::status(401);
            }
            let answer = field("token").and_then(|(_, token)| answers.get(token));
            Reply::json(answer.map_or(r#"{"active":false}"#, String::as_str))
        })
    }

    fn set(&self, path: &str, manner: &str, document: Value) {
        self.manner(path, manner, Reply::json(document.to_string()));
    }

    fn manner(&self, path: &str, manner: &str, sound: Reply) {
        let reply = match manner {
            "down" => Reply::HangUp,
            "hang" => Reply::Silence,
            "slow" => Reply::Late(SLOW, sound.into()),
            "redirect" => {
                let moved = format!("{path}-moved");
                self.server.set(moved.as_str(), sound);
                Reply::redirect(self.url() + &moved)
            }
            "broken" => Reply::json(r#"{"keys":[{"kty":"RSA","#),
            "huge" => match sound {
                // Sound but for its size.
                Reply::Response { body, .. } => Reply::json([body, vec![b' '; 2 << 20]].concat()),
                _ => Reply::json(format!(r#"{{"active":true{}}}"#, " ".repeat(2 << 20))),
            },
            _ => manner.parse().map_or(sound, Reply::status),
        };
        self.server.set(path, reply);
    }
}

/// Keys that no one may use: without a modulus, of an unknown type, for encryption, and what is no key at all.
fn bad_keys() -> Vec<Value> {
    vec![
        json!({ "kty": "RSA", "kid": "no-modulus", "e": "AQAB" }),
        json!({ "kty": "XYZ", "kid": "unknown" }),
        json!({ "kty": "OKP", "kid": "enc", "use": "enc", "crv": "X25519", "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08" }),
        json!("no key"),
    ]
}

/// RFC 6749 §2.3.1: in `Authorization`, both form-encoded first, or in the body.
fn is_client(received: &Received, form: &[(String, String)], secret: &str) -> bool {
    let expected = (CLIENT.to_owned(), secret.to_owned());
    let Some(authorization) = received.header("authorization") else {
        let field = |name: &str| form.iter().find(|(own, _)| own == name);
        let posted = field("client_id").zip(field("client_secret"));
        return posted
            .is_some_and(|((_, id), (_, secret))| (id.clone(), secret.clone()) == expected);
    };
    let basic = authorization.strip_prefix("Basic ");
    let basic = basic.and_then(|basic| BASE64_STANDARD.decode(basic).ok());
    let basic = basic.and_then(|basic| String::from_utf8(basic).ok());
    let Some((id, secret)) = basic.as_ref().and_then(|basic| basic.split_once(':')) else {
        return false;
    };
    // A pair of form fields decodes both at once.
    form_of_pair(id, secret) == Some(expected)
}

fn form(text: &str) -> Vec<(String, String)> {
    serde_html_form::from_str(text).unwrap_or_default()
}

fn form_of_pair(id: &str, secret: &str) -> Option<(String, String)> {
    form(&format!("{id}={secret}")).pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_proves_itself_in_either_way() {
        let secret = "a%:+&= /";
        let form = |text: &str| super::form(text);
        let posted = form("client_id=api&client_secret=a%25%3A%2B%26%3D+%2F");
        assert!(is_client(&Received::default(), &posted, secret));
        assert!(!is_client(
            &Received::default(),
            &form("client_id=api"),
            secret
        ));
        let basic = |text: &str| Received {
            headers: vec![(
                "authorization".to_owned(),
                format!("Basic {}", BASE64_STANDARD.encode(text)),
            )],
            ..Received::default()
        };
        assert!(is_client(&basic("api:a%25%3A%2B%26%3D+%2F"), &[], secret));
        // Not encoded first, as many clients send it.
        assert!(!is_client(&basic("api:a%:+&= /"), &[], secret));
    }
}
