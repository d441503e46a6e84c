//! The security headers of every response: presets, changes to them, and what a handler may
//! decide itself.
//!
//! | header | a handler's own value |
//! |---|---|
//! | `Content-Security-Policy`, `Cross-Origin-Resource-Policy`, `Cache-Control` | is kept |
//! | every other header of the policy, HSTS and `nosniff` above all | is replaced |

mod check;
mod content_security_policy;
mod preset;
mod settings;
mod structured;

pub use settings::{Headers, Hsts, Preset};

use crate::{config::Mistakes, fields::KnownFields};
use http::{HeaderName, HeaderValue, header, header::InvalidHeaderValue};
use std::borrow::Cow;

/// What stands in a value for the nonce of the response.
const NONCE: &str = "{nonce}";

/// `[headers]`, compiled.
#[derive(Debug, Default)]
pub(crate) struct CompiledHeaders {
    /// Fields with a fixed value.
    pub(crate) fixed: Vec<Fixed>,
    /// Fields whose value holds the nonce.
    pub(crate) with_nonce: Vec<WithNonce>,
    /// `Strict-Transport-Security`, for HTTPS only (RFC 6797 §7.2).
    pub(crate) hsts: Option<usize>,
}

/// A field with a fixed value.
#[derive(Debug)]
pub(crate) struct Fixed {
    pub(crate) index: usize,
    pub(crate) name: HeaderName,
    /// Whether a handler's own value stays.
    pub(crate) yields: bool,
}

/// A field whose value is cut at the places of the nonce.
#[derive(Debug)]
pub(crate) struct WithNonce {
    pub(crate) name: HeaderName,
    template: String,
}

impl WithNonce {
    pub(crate) fn value(&self, nonce: &str) -> Option<HeaderValue> {
        HeaderValue::try_from(self.template.replace(NONCE, nonce)).ok()
    }
}

impl CompiledHeaders {
    pub(crate) fn compile(
        headers: &Headers,
        known: &mut KnownFields,
        mistakes: &mut Mistakes,
    ) -> Self {
        let mut fields: Vec<(HeaderName, Cow<'static, str>)> = preset::fields(headers.preset)
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), Cow::Borrowed(*value)))
            .collect();
        let mut hsts = headers.preset != Preset::None;

        if headers.isolated {
            match headers.preset {
                Preset::Html => fields.push((
                    HeaderName::from_static("cross-origin-embedder-policy"),
                    Cow::Borrowed("require-corp"),
                )),
                _ => mistakes.add(
                    "headers.isolated",
                    "has a meaning for pages only; use preset = \"html\", or remove it",
                ),
            }
        }
        for (index, name) in headers.remove.iter().enumerate() {
            let name = name.to_ascii_lowercase();
            let before = fields.len();
            fields.retain(|(own, _)| own.as_str() != name);
            if name == header::STRICT_TRANSPORT_SECURITY.as_str() && hsts {
                hsts = false;
            } else if fields.len() == before {
                mistakes.add(
                    format!("headers.remove[{index}]"),
                    format!("{name:?} is not in the preset; remove the entry"),
                );
            }
        }
        for (name, value) in &headers.set {
            match check::field(name, value) {
                Ok(name) => {
                    fields.retain(|(own, _)| own.as_str() != name);
                    fields.push((name, Cow::Owned(value.clone())));
                }
                Err(message) => mistakes.add(format!("headers.set.{name}"), message),
            }
        }

        let mut compiled = Self::default();
        for (name, value) in fields {
            if value.contains(NONCE) {
                compiled.with_nonce.push(WithNonce {
                    name,
                    template: value.into_owned(),
                });
            } else if let Ok(value) = header_value(value) {
                let yields = handler_decides(&name);
                let index = known.add(name.clone(), value);
                compiled.fixed.push(Fixed {
                    index,
                    name,
                    yields,
                });
            }
        }
        if hsts {
            compiled.hsts = Self::compile_hsts(&headers.hsts, known, mistakes);
        }
        compiled
    }

    /// The header lines of every response, for people.
    pub(crate) fn lines(&self, known: &KnownFields) -> Vec<(String, String)> {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let fixed = self.fixed.iter().map(|field| field.index);
        let fixed = fixed.chain(self.hsts).filter_map(|index| known.get(index));
        let fixed = fixed.map(|(name, value)| (name.to_string(), text(value)));
        let with_nonce = self.with_nonce.iter();
        let with_nonce = with_nonce.map(|field| (field.name.to_string(), field.template.clone()));
        fixed.chain(with_nonce).collect()
    }

    /// Whether a handler may ask for a nonce.
    pub(crate) fn needs_nonce(&self) -> bool {
        !self.with_nonce.is_empty()
    }

    fn compile_hsts(
        hsts: &Hsts,
        known: &mut KnownFields,
        mistakes: &mut Mistakes,
    ) -> Option<usize> {
        let mut value = format!("max-age={}", hsts.max_age);
        if hsts.include_subdomains {
            value.push_str("; includeSubDomains");
        }
        if hsts.preload {
            // What the preload list of browsers demands.
            if hsts.max_age < 31_536_000 || !hsts.include_subdomains {
                mistakes.add(
                    "headers.hsts.preload",
                    "needs max_age of at least 31536000 and include_subdomains = true",
                );
            }
            value.push_str("; preload");
        }
        let value = HeaderValue::try_from(value).ok()?;
        Some(known.add(header::STRICT_TRANSPORT_SECURITY, value))
    }
}

/// A value that is written in this crate is never copied nor counted.
fn header_value(value: Cow<'static, str>) -> Result<HeaderValue, InvalidHeaderValue> {
    match value {
        Cow::Borrowed(value) => Ok(HeaderValue::from_static(value)),
        Cow::Owned(value) => HeaderValue::try_from(value),
    }
}

/// Whether a handler's own value of the field stays: where it may know better than the policy.
fn handler_decides(name: &HeaderName) -> bool {
    [
        header::CONTENT_SECURITY_POLICY,
        header::CACHE_CONTROL,
        HeaderName::from_static("cross-origin-resource-policy"),
    ]
    .contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(headers: &Headers) -> (CompiledHeaders, KnownFields, Mistakes) {
        let (mut known, mut mistakes) = (KnownFields::default(), Mistakes::default());
        let compiled = CompiledHeaders::compile(headers, &mut known, &mut mistakes);
        (compiled, known, mistakes)
    }

    #[test]
    fn every_preset_passes_the_checks_of_its_own_values() {
        for preset in [Preset::Api, Preset::Html, Preset::Reference] {
            for (name, value) in preset::fields(preset) {
                check::field(name, value).unwrap();
            }
            assert!(compile(&Headers::preset(preset)).2.is_empty());
        }
    }

    #[test]
    fn a_nonce_is_a_fresh_value_on_each_response() {
        let (compiled, ..) = compile(&Headers::preset(Preset::Html));
        let field = &compiled.with_nonce[0];
        let value = field.value("abc").unwrap();
        assert!(value.to_str().unwrap().contains("'nonce-abc'"));
        assert_ne!(value, field.value("abd").unwrap());
    }

    #[test]
    fn fields_can_be_changed_and_removed_but_not_by_mistake() {
        let headers = Headers::default()
            .set("Referrer-Policy", "same-origin")
            .remove("X-XSS-Protection");
        let (compiled, known, mistakes) = compile(&headers);
        assert!(mistakes.is_empty());
        let find = |name: &str| compiled.fixed.iter().find(|field| field.name == name);
        assert!(find("x-xss-protection").is_none());
        let index = find("referrer-policy").unwrap().index;
        assert_eq!(known.get(index).unwrap().1, "same-origin");

        let headers = Headers::default().remove("x-nothing").set("server", "a\nb");
        let mistakes = compile(&headers).2;
        assert!(mistakes.has("headers.remove[0]") && mistakes.has("headers.set.server"));
    }

    #[test]
    fn preload_demands_what_browsers_demand() {
        let mut headers = Headers::default();
        headers.hsts.preload = true;
        assert!(compile(&headers).2.is_empty());
        headers.hsts.max_age = 60;
        assert!(compile(&headers).2.has("headers.hsts.preload"));
    }
}
