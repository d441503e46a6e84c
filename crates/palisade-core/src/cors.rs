//! Cross-origin resource sharing (Fetch standard §3.2): who may read our responses.
//!
//! An origin that is not allowed gets no `Access-Control-*` field and no error: the browser
//! keeps the response from the page, and nothing tells the page why.

use crate::{config::Mistakes, fields::KnownFields, policy::Cors};
use http::{HeaderName, HeaderValue, header};
use std::collections::HashMap;

/// Request headers that every policy lets pages send.
const ALLOW_HEADERS: &[&str] = &[
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "traceparent",
];

/// Response headers that every policy lets pages read.
const EXPOSE_HEADERS: &[&str] = &[
    "www-authenticate",
    "retry-after",
    "ratelimit",
    "ratelimit-policy",
    "x-request-id",
    "location",
    "etag",
    "link",
    "deprecation",
    "sunset",
    "dpop-nonce",
];

/// `[cors]`, compiled.
#[derive(Debug)]
pub(crate) struct CompiledCors {
    any: Option<usize>,
    /// The listed origins, each with its field among the known ones.
    exact: HashMap<Box<str>, usize>,
    subdomains: Vec<Subdomains>,
    credentials: bool,
    /// The `Vary` of responses that differ by origin, among the known fields.
    pub(crate) vary: Option<usize>,
    /// The known fields of an ordinary response to an allowed origin, without the origin.
    pub(crate) response_fields: Vec<usize>,
    preflight: Vec<(HeaderName, HeaderValue)>,
}

/// The `Access-Control-Allow-Origin` of one response.
#[derive(Debug)]
pub(crate) enum AllowOrigin {
    /// This one of the known fields.
    Known(usize),
    /// What the request sent: an origin that matches a pattern.
    Sent(HeaderValue),
}

/// `https://*.example.com:8443`, cut at the star.
#[derive(Debug)]
struct Subdomains {
    before: Box<str>,
    after: Box<str>,
}

impl CompiledCors {
    pub(crate) fn compile(
        cors: &Cors,
        scheme_headers: &[HeaderName],
        known: &mut KnownFields,
        mistakes: &mut Mistakes,
    ) -> Self {
        let mut compiled = Self {
            any: None,
            exact: HashMap::new(),
            subdomains: Vec::new(),
            credentials: cors.credentials,
            vary: None,
            response_fields: Vec::new(),
            preflight: Vec::new(),
        };
        if cors.origins.is_empty() {
            mistakes.add(
                "cors.origins",
                "is missing; list the origins, such as \"https://app.example.com\"",
            );
        }
        for (index, origin) in cors.origins.iter().enumerate() {
            if let Err(message) = compiled.add_origin(origin, cors, known) {
                mistakes.add(format!("cors.origins[{index}]"), message);
            }
        }

        // Caches must know that responses differ by origin.
        if compiled.any.is_none() {
            let origin = HeaderValue::from_static("origin");
            compiled.vary = Some(known.add(header::VARY, origin));
        }
        let names = |key: &str, base: &[&str], more: &[String], mistakes: &mut Mistakes| {
            let mut all: Vec<String> = base.iter().map(|name| (*name).to_owned()).collect();
            for (index, name) in more.iter().enumerate() {
                match name.parse::<HeaderName>() {
                    Ok(name) if !all.iter().any(|own| own == name.as_str()) => {
                        all.push(name.as_str().to_owned());
                    }
                    Ok(_) => {}
                    Err(_) => mistakes.add(
                        format!("{key}[{index}]"),
                        format!("{name:?} is no header name; write one such as \"x-trace-id\""),
                    ),
                }
            }
            all.join(", ")
        };
        let mut more = cors.allow_headers.clone();
        more.extend(scheme_headers.iter().map(|name| name.as_str().to_owned()));
        let allow = names("cors.allow_headers", ALLOW_HEADERS, &more, mistakes);
        let expose = names(
            "cors.expose_headers",
            EXPOSE_HEADERS,
            &cors.expose_headers,
            mistakes,
        );
        for (index, method) in cors.methods.iter().enumerate() {
            if http::Method::from_bytes(method.as_bytes()).is_err() {
                mistakes.add(
                    format!("cors.methods[{index}]"),
                    format!("{method:?} is no method; write one such as \"GET\""),
                );
            }
        }

        let value = |name: HeaderName, text: String| {
            HeaderValue::try_from(text).ok().map(|value| (name, value))
        };
        compiled.preflight = [
            value(
                header::ACCESS_CONTROL_ALLOW_METHODS,
                cors.methods.join(", "),
            ),
            value(header::ACCESS_CONTROL_ALLOW_HEADERS, allow),
            value(header::ACCESS_CONTROL_MAX_AGE, cors.max_age.to_string()),
        ]
        .into_iter()
        .flatten()
        .collect();
        let mut response = vec![value(header::ACCESS_CONTROL_EXPOSE_HEADERS, expose)];
        if cors.credentials {
            response.push(value(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                "true".to_owned(),
            ));
        }
        compiled.response_fields = response
            .into_iter()
            .flatten()
            .map(|(name, value)| known.add(name, value))
            .collect();
        compiled
    }

    /// The `Access-Control-Allow-Origin` for a request with this `Origin`.
    pub(crate) fn allow(&self, origin: &[u8]) -> Option<AllowOrigin> {
        if let Some(any) = self.any {
            return Some(AllowOrigin::Known(any));
        }
        let text = std::str::from_utf8(origin).ok()?;
        if let Some(&listed) = self.exact.get(text) {
            return Some(AllowOrigin::Known(listed));
        }
        let matches = self.subdomains.iter().any(|one| one.matches(text));
        matches.then(|| HeaderValue::from_bytes(origin).ok().map(AllowOrigin::Sent))?
    }

    /// Whether browsers may send cookies along.
    pub(crate) fn allows_credentials(&self) -> bool {
        self.credentials
    }

    /// What a preflight answers beside the fields of an ordinary response.
    pub(crate) fn preflight_fields(&self) -> &[(HeaderName, HeaderValue)] {
        &self.preflight
    }

    fn add_origin(
        &mut self,
        origin: &str,
        cors: &Cors,
        known: &mut KnownFields,
    ) -> Result<(), String> {
        let mut field = |value| known.add(header::ACCESS_CONTROL_ALLOW_ORIGIN, value);
        if origin == "*" {
            if cors.credentials {
                return Err(
                    "\"*\" cannot go with credentials = true, or every site could act as \
                            its visitor; list the origins"
                        .to_owned(),
                );
            }
            if cors.origins.len() > 1 {
                return Err("\"*\" stands alone; remove it or the other origins".to_owned());
            }
            self.any = Some(field(HeaderValue::from_static("*")));
            return Ok(());
        }
        if origin == "null" {
            return Err(
                "\"null\" is the origin of sandboxed and local documents of anybody; list real \
                 origins"
                    .to_owned(),
            );
        }
        let wanted = "write scheme://host[:port], such as \"https://app.example.com\", in lower \
                      case and without a path";
        let (scheme, authority) = origin
            .split_once("://")
            .ok_or_else(|| format!("{origin:?} has no scheme; {wanted}"))?;
        if !matches!(scheme, "https" | "http") {
            return Err(format!(
                "the scheme of {origin:?} is neither https nor http; {wanted}"
            ));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let default_port = if scheme == "https" { "443" } else { "80" };
        let port = match port {
            Some(port) if port == default_port => None,
            Some(port) if port.parse::<u16>().is_ok_and(|number| number > 0) => Some(port),
            Some(_) => return Err(format!("the port of {origin:?} is no port; {wanted}")),
            None => None,
        };
        let (star, name) = match host.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, host),
        };
        let host_is_good = is_domain(name)
            || (!star && name.starts_with('[') && name.ends_with(']') && name.len() > 4);
        if !host_is_good {
            return Err(format!("the host of {origin:?} is no host name; {wanted}"));
        }
        let after = match port {
            Some(port) => format!("{name}:{port}"),
            None => name.to_owned(),
        };
        if star {
            self.subdomains.push(Subdomains {
                before: format!("{scheme}://").into(),
                after: format!(".{after}").into(),
            });
        } else {
            let origin = format!("{scheme}://{after}");
            // Host and port were checked above, so every character is visible.
            if let Ok(value) = HeaderValue::from_str(&origin) {
                self.exact.insert(origin.into(), field(value));
            }
        }
        Ok(())
    }
}

impl Subdomains {
    fn matches(&self, origin: &str) -> bool {
        origin
            .strip_prefix(&*self.before)
            .and_then(|rest| rest.strip_suffix(&*self.after))
            .is_some_and(is_domain)
    }
}

/// Labels of lower-case letters, digits, hyphens and underscores, separated by single dots.
fn is_domain(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
    };
    name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(cors: &Cors) -> (CompiledCors, Mistakes) {
        let mut mistakes = Mistakes::default();
        let cors = CompiledCors::compile(cors, &[], &mut KnownFields::default(), &mut mistakes);
        (cors, mistakes)
    }

    #[test]
    fn subdomains_match_whole_labels_only() {
        let (cors, mistakes) = compile(&Cors::origins(["https://*.example.com"]));
        assert!(mistakes.is_empty());
        for good in ["https://a.example.com", "https://a.b.example.com"] {
            assert!(cors.allow(good.as_bytes()).is_some(), "{good}");
        }
        for bad in [
            "https://example.com",
            "https://evilexample.com",
            "https://.example.com",
            "https://a..example.com",
            "http://a.example.com",
            "https://a.example.com:8443",
            "https://a.example.com.evil.org",
            "https://evil.org/.example.com",
            "https://evil.org#.example.com",
            "null",
            "",
        ] {
            assert!(cors.allow(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_compared_by_scheme_host_and_port() {
        let (cors, _) = compile(&Cors::origins([
            "https://a.example:443",
            "http://b.example:8080",
        ]));
        assert!(cors.allow(b"https://a.example").is_some());
        assert!(
            cors.allow(b"https://a.example:443").is_none(),
            "browsers leave it out"
        );
        assert!(cors.allow(b"http://b.example:8080").is_some());
        assert!(cors.allow(b"http://b.example").is_none());
        assert!(cors.allow(b"https://a.example\xff").is_none());
    }

    #[test]
    fn dangerous_and_malformed_origins_are_mistakes() {
        let dangerous = Cors::origins(["*"]).credentials(true);
        assert!(!compile(&dangerous).1.is_empty());
        for bad in [
            "null",
            "example.com",
            "https://example.com/",
            "ftp://a",
            "https://*",
            "https://a:0",
            "https://A.example",
            "",
        ] {
            assert!(
                compile(&Cors::origins([bad])).1.has("cors.origins[0]"),
                "{bad}"
            );
        }
    }
}
