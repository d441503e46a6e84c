//! Cross-origin resource sharing (Fetch standard §3.2): who may read our responses.
//!
//! An origin that is not allowed gets no `Access-Control-*` field and no error: the browser
//! keeps the response from the page, and nothing tells the page why.

mod settings;

pub use settings::Cors;

use crate::{config::Mistakes, fields::KnownFields, host::Anybodys, methods::Methods};
use http::{HeaderName, HeaderValue, header};
use std::{collections::HashMap, net::Ipv6Addr};

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
        methods: &Methods,
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
            let key = format!("cors.origins[{index}]");
            if let Err(message) = compiled.add_origin(origin, cors, known, mistakes, &key) {
                mistakes.add(key, message);
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
        check_names(cors, mistakes);
        for (index, method) in cors.methods.iter().enumerate() {
            if let Err(message) = methods.check(method) {
                mistakes.add(format!("cors.methods[{index}]"), message);
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
        mistakes: &mut Mistakes,
        key: &str,
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
        let origin = Origin::parse(origin)?;
        if origin.star {
            self.check_width(&origin, mistakes, key)?;
            let Origin { scheme, after, .. } = origin;
            self.subdomains.push(Subdomains {
                before: format!("{scheme}://").into(),
                after: format!(".{after}").into(),
            });
        } else {
            let origin = format!("{}://{}", origin.scheme, origin.after);
            // Host and port were checked above, so every character is visible.
            if let Ok(value) = HeaderValue::from_str(&origin) {
                self.exact.insert(origin.into(), field(value));
            }
        }
        Ok(())
    }

    /// A wildcard beneath a domain in which anybody can have a name lists pages of strangers.
    fn check_width(
        &self,
        origin: &Origin<'_>,
        mistakes: &mut Mistakes,
        key: &str,
    ) -> Result<(), String> {
        let name = origin.name;
        match Anybodys::of(name) {
            Some(Anybodys::TopLevel) => Err(format!(
                "takes in every site that ends in .{name}; list your own origins"
            )),
            Some(Anybodys::Shared) if self.credentials => Err(format!(
                "anybody can have a site beneath {name}, and with credentials = true it could act \
                 as its visitor; list your own origins"
            )),
            Some(Anybodys::Shared) => {
                let message = format!("anybody can have a site beneath {name}; list your own");
                mistakes.warn(key, message);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// An origin as a policy writes it.
struct Origin<'o> {
    scheme: &'o str,
    /// Whether it is a pattern for everything beneath the name.
    star: bool,
    name: &'o str,
    /// The name, with the port unless that is the usual one.
    after: String,
}

/// Schemes whose documents have no origin, so that browsers send `null`, or that are no documents.
const NO_ORIGIN: [&str; 9] = [
    "about",
    "blob",
    "data",
    "file",
    "filesystem",
    "ftp",
    "javascript",
    "ws",
    "wss",
];

const WANTED: &str = "write scheme://host[:port], such as \"https://app.example.com\", in lower \
                      case and without a path";

impl<'o> Origin<'o> {
    /// Reads the origin of a site, or that of an app (`capacitor://localhost`) or an extension.
    fn parse(origin: &'o str) -> Result<Self, String> {
        let (scheme, authority) = origin
            .split_once("://")
            .ok_or_else(|| format!("{origin:?} has no scheme; {WANTED}"))?;
        let is_web = matches!(scheme, "https" | "http");
        if !is_scheme(scheme) || NO_ORIGIN.contains(&scheme) {
            return Err(format!(
                "no browser sends {origin:?} as an origin; {WANTED}"
            ));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let usual = match scheme {
            "https" => Some("443"),
            "http" => Some("80"),
            _ => None,
        };
        let port = match port {
            Some(port) if Some(port) == usual => None,
            Some(port) if port.parse::<u16>().is_ok_and(|number| number > 0) => Some(port),
            Some(_) => return Err(format!("the port of {origin:?} is no port; {WANTED}")),
            None => None,
        };
        let (star, name) = match host.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, host),
        };
        if star && !is_web {
            return Err(format!(
                "an app's origin is listed exactly; {origin:?} would take in others"
            ));
        }
        if scheme == "chrome-extension" && !is_extension_id(name) {
            return Err(format!(
                "the id in {origin:?} is none; write the 32 letters from a to p"
            ));
        }
        let host_is_good = match is_web {
            true => is_domain(name) || !star && is_ipv6(name)?,
            // The hosts of such schemes are not brought into lower case (URL standard §3.5).
            false => is_domain(&name.to_ascii_lowercase()),
        };
        if !host_is_good {
            return Err(format!("the host of {origin:?} is no host name; {WANTED}"));
        }
        let after = match port {
            Some(port) => format!("{name}:{port}"),
            None => name.to_owned(),
        };
        Ok(Self {
            scheme,
            star,
            name,
            after,
        })
    }
}

/// A URL's scheme, in the lower case that browsers send (URL standard §4.4).
fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'))
}

fn is_extension_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|b| matches!(b, b'a'..=b'p'))
}

/// Whether it is an address of IPv6; browsers write each in one way (URL standard §3.5).
fn is_ipv6(host: &str) -> Result<bool, String> {
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let Some(address) = inner.and_then(|text| text.parse::<Ipv6Addr>().ok()) else {
        return Ok(false);
    };
    // Of an address that holds one of IPv4, browsers write the digits of IPv6.
    let [.., high, low] = address.segments();
    let shown = match address.to_ipv4_mapped() {
        Some(_) => format!("[::ffff:{high:x}:{low:x}]"),
        None => format!("[{address}]"),
    };
    match shown == host {
        true => Ok(true),
        false => Err(format!("browsers write the address {host} as {shown}")),
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

/// Finds names that are well-formed and do nothing in a browser.
fn check_names(cors: &Cors, mistakes: &mut Mistakes) {
    let star = |name: &str| {
        // Fetch standard §3.3.3: with credentials it is the name of a header called `*`.
        let means_nothing = name == "*" && cors.credentials;
        means_nothing.then(|| {
            "\"*\" means every header only without credentials; list the headers".to_owned()
        })
    };
    for (index, name) in cors.allow_headers.iter().enumerate() {
        let forbidden = || {
            is_forbidden(&name.to_ascii_lowercase())
                .then(|| format!("browsers let no page set {name:?}; remove it"))
        };
        if let Some(message) = star(name).or_else(forbidden) {
            mistakes.add(format!("cors.allow_headers[{index}]"), message);
        }
    }
    for (index, name) in cors.expose_headers.iter().enumerate() {
        let lower = name.to_ascii_lowercase();
        let hidden = matches!(&*lower, "set-cookie" | "set-cookie2");
        let hidden = || hidden.then(|| format!("browsers show no page {name:?}; remove it"));
        if let Some(message) = star(name).or_else(hidden) {
            mistakes.add(format!("cors.expose_headers[{index}]"), message);
        }
    }
}

/// Whether only the browser itself sets the request header (Fetch standard §2.2.2).
fn is_forbidden(name: &str) -> bool {
    const FORBIDDEN: [&str; 20] = [
        "accept-charset",
        "accept-encoding",
        "access-control-request-headers",
        "access-control-request-method",
        "connection",
        "content-length",
        "cookie",
        "cookie2",
        "date",
        "dnt",
        "expect",
        "host",
        "keep-alive",
        "origin",
        "referer",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    FORBIDDEN.contains(&name)
        || name == "via"
        || name.starts_with("proxy-")
        || name.starts_with("sec-")
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
mod tests;
