//! `WWW-Authenticate` (RFC 9110 §11.6.1), built so that it cannot be malformed.

use http::HeaderValue;
use std::borrow::Cow;

/// A challenge: a scheme name and its parameters, always as quoted strings.
///
/// ```
/// use palisade_core::scheme::Challenge;
///
/// let challenge = Challenge::new("Bearer").with("realm", "api").with("error", "a \"b\"\r\n");
/// assert_eq!(challenge.to_value(), r#"Bearer realm="api", error="a \"b\"""#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    scheme: Cow<'static, str>,
    parameters: Vec<(&'static str, String)>,
}

impl Challenge {
    /// A challenge without parameters; `scheme` is a token (RFC 9110 §5.6.2).
    pub fn new(scheme: impl Into<Cow<'static, str>>) -> Self {
        Self {
            scheme: scheme.into(),
            parameters: Vec::new(),
        }
    }

    /// Adds a parameter. Characters that no quoted string may hold (RFC 9110 §5.6.4), line
    /// ends among them, are left out.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.parameters.push((name, value.into()));
        self
    }

    /// The scheme name.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Whether clients of this scheme understand `error` and `scope` (RFC 6750 §3).
    pub(crate) fn is_bearer_like(&self) -> bool {
        ["Bearer", "DPoP"]
            .iter()
            .any(|known| self.scheme.eq_ignore_ascii_case(known))
    }

    /// Whether browsers ask the user for it (RFC 7617).
    pub(crate) fn is_basic(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Basic")
    }

    /// The field value.
    pub fn to_value(&self) -> HeaderValue {
        let mut text: String = self.scheme.chars().filter(char::is_ascii_graphic).collect();
        for (index, (name, value)) in self.parameters.iter().enumerate() {
            text.push_str(if index == 0 { " " } else { ", " });
            write_parameter(&mut text, name, value);
        }
        // Every character above is visible ASCII, so this cannot fail.
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("Unknown"))
    }
}

/// A challenge that was written before, which has parameters, with one more.
pub(crate) fn with_parameter(challenge: &HeaderValue, name: &str, value: &str) -> HeaderValue {
    let own = challenge.to_str().unwrap_or_default();
    let mut text = String::with_capacity(own.len() + name.len() + value.len() + ", =\"\"".len());
    text.push_str(own);
    text.push_str(", ");
    write_parameter(&mut text, name, value);
    HeaderValue::try_from(text).unwrap_or_else(|_| challenge.clone())
}

fn write_parameter(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push_str("=\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            ' '..='~' => text.push(c),
            _ => {}
        }
    }
    text.push('"');
}
