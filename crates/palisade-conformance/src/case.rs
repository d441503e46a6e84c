//! What a case file may say: the tables as they are written, key by key.
//!
//! Every table refuses unknown keys. The meaning of each key is in `cases/README.md`.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use toml::Spanned;

use crate::model::{
    Advance, App, Except, Expectation, Guard, IssuerText, OneOrMany, Pattern, Sending, Step, Token,
};

/// A whole case file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileText {
    pub(crate) about: String,
    #[serde(default = "probe")]
    pub(crate) app: App,
    #[serde(default = "standard")]
    pub(crate) policy: String,
    #[serde(default)]
    pub(crate) policy_add: String,
    #[serde(default)]
    pub(crate) http2: bool,
    #[serde(default)]
    pub(crate) guards: Vec<Guard>,
    #[serde(default)]
    pub(crate) except: BTreeMap<String, Except>,
    #[serde(default)]
    pub(crate) token: BTreeMap<String, Token>,
    #[serde(default, rename = "case")]
    pub(crate) cases: Vec<Spanned<CaseText>>,
}

fn probe() -> App {
    App::Probe
}

fn standard() -> String {
    "standard".to_owned()
}

/// One `[[case]]`, and also one `[[case.step]]`, which may use the keys of an exchange only.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CaseText {
    // Of a case.
    pub(crate) name: Option<String>,
    pub(crate) guards: Vec<Guard>,
    pub(crate) parser: Vec<String>,
    pub(crate) except: BTreeMap<String, Except>,
    pub(crate) fresh: bool,
    pub(crate) policy_add: String,
    pub(crate) each: Vec<Row>,
    #[serde(rename = "step")]
    pub(crate) steps: Vec<Spanned<CaseText>>,
    // Of an exchange.
    pub(crate) send: Sending,
    pub(crate) expect: Expectation,
    // The usual keys of `send`, which may stand here, too.
    pub(crate) request: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) advance: Option<Advance>,
    pub(crate) issuer: OneOrMany<IssuerText>,
    pub(crate) repeat: Option<u32>,
    // The usual keys of `expect`, which may stand here, too.
    pub(crate) status: Option<u16>,
    pub(crate) headers: BTreeMap<String, OneOrMany<Pattern>>,
    pub(crate) absent: Vec<String>,
    pub(crate) code: Option<String>,
    pub(crate) body_is: Option<String>,
    pub(crate) json: BTreeMap<String, Value>,
    pub(crate) handler: Option<bool>,
    pub(crate) principal: Option<String>,
    pub(crate) audit: Option<Value>,
}

impl CaseText {
    /// The exchange, with each key in its place, and what is said twice or contradicts itself.
    pub(crate) fn step(&self) -> (Step, Vec<String>) {
        let (mut send, mut expect) = (self.send.clone(), self.expect.clone());
        let mut found = Vec::new();
        let mut place = Placing("send", &mut found);
        place.put("request", &self.request, &mut send.request);
        place.put("body", &self.body, &mut send.body);
        place.put("advance", &self.advance, &mut send.advance);
        place.put("issuer", &self.issuer, &mut send.issuer);
        place.put("repeat", &self.repeat, &mut send.repeat);
        let mut place = Placing("expect", &mut found);
        place.put("status", &self.status, &mut expect.status);
        place.put("headers", &self.headers, &mut expect.headers);
        place.put("absent", &self.absent, &mut expect.absent);
        place.put("code", &self.code, &mut expect.code);
        place.put("body_is", &self.body_is, &mut expect.body_is);
        place.put("json", &self.json, &mut expect.json);
        place.put("handler", &self.handler, &mut expect.handler);
        place.put("principal", &self.principal, &mut expect.principal);
        place.put("audit", &self.audit, &mut expect.audit);
        match (&send.request, &send.path) {
            (None, Some(path)) => send.request = Some(composed(path, &send)),
            (Some(_), _) if send.is_composed() => found.push(
                "a request is written either as `request` or with `method`, `path` and `headers`"
                    .to_owned(),
            ),
            (None, None) if send.is_composed() => found.push("`send.path` is missing".to_owned()),
            _ => {}
        }
        (Step { send, expect }, found)
    }

    /// Whether there is an exchange beside the steps.
    pub(crate) fn has_exchange(&self) -> bool {
        let (Step { send, expect }, _) = self.step();
        send.request.is_some() || send.is_composed() || expect.status.is_some()
    }
}

impl Sending {
    fn is_composed(&self) -> bool {
        self.method.is_some() || self.path.is_some() || !self.headers.is_empty()
    }
}

/// The request line and the header lines.
fn composed(path: &str, send: &Sending) -> String {
    let method = send.method.as_deref().unwrap_or("GET");
    let mut text = format!("{method} {path} HTTP/1.1");
    for (name, OneOrMany(lines)) in &send.headers {
        for line in lines {
            text.push_str(&format!("\n{name}: {line}"));
        }
    }
    text
}

/// Puts usual keys into the table of this name; those that stand in both places are mistakes.
struct Placing<'a>(&'static str, &'a mut Vec<String>);

impl Placing<'_> {
    fn put<T: Clone + Default + PartialEq>(&mut self, key: &str, usual: &T, nested: &mut T) {
        if *usual == T::default() {
            return;
        }
        if *nested != T::default() {
            let table = self.0;
            self.1.push(format!(
                "`{key}` is given twice: as `{key}` and as `{table}.{key}`"
            ));
        }
        nested.clone_from(usual);
    }
}

/// One value of `each`: a string, or a table that also says what is different for it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RowTable {
    pub(crate) value: String,
    pub(crate) name: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<String>,
    pub(crate) handler: Option<bool>,
    pub(crate) principal: Option<String>,
    pub(crate) body_is: Option<String>,
    pub(crate) audit: Option<Value>,
}

/// See [`RowTable`].
#[derive(Clone, Debug)]
pub(crate) struct Row(pub(crate) RowTable);

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a table with `value`")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Row, E> {
                Ok(Row(RowTable {
                    value: value.to_owned(),
                    ..RowTable::default()
                }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Row, A::Error> {
                RowTable::deserialize(MapAccessDeserializer::new(map)).map(Row)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(toml: &str) -> String {
        let (step, found) = toml::from_str::<CaseText>(toml).unwrap().step();
        assert_eq!(found, [""; 0]);
        format!("{step:?}")
    }

    #[test]
    fn usual_keys_may_stand_outside() {
        let outside =
            "request = 'GET /'\nstatus = 200\nheaders = { vary = 'Origin' }\nsend.raw = true";
        let inside = "send = { request = 'GET /', raw = true }\nexpect = { status = 200, headers.vary = 'Origin' }";
        assert_eq!(step(outside), step(inside));
        assert_ne!(step(outside), step("request = 'GET /'\nstatus = 200"));
    }

    #[test]
    fn a_request_may_be_put_together() {
        let send = |toml: &str| toml::from_str::<CaseText>(toml).unwrap().step().0.send;
        assert_eq!(
            send("send = { path = '/a' }").request.as_deref(),
            Some("GET /a HTTP/1.1")
        );
        let put =
            send("send = { method = 'PUT', path = '/a', headers = { a = ['1', '2'], b = '3' } }");
        assert_eq!(
            put.request.as_deref(),
            Some("PUT /a HTTP/1.1\na: 1\na: 2\nb: 3")
        );
    }
}
