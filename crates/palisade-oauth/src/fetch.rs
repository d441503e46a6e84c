//! The one place that asks other servers.
//!
//! Whom it may ask is the policy's `[outgoing]`: HTTPS to public addresses, and the hosts that
//! are named there. Redirects are not followed and no proxy is used, or the rule would not hold.

use crate::address::is_public;
use palisade_core::Outgoing;
use reqwest::{
    Certificate, Client, ClientBuilder, RequestBuilder, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE},
    redirect,
};
use secrecy::ExposeSecret;
use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use url::{Host, Url};

/// Asks servers that the policy lets it ask.
#[derive(Debug)]
pub(crate) struct Fetch {
    client: Client,
    allowed: Arc<Allowed>,
    timeout: Duration,
}

/// The hosts that `[outgoing]` names, as URLs write them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Allowed {
    plain_http: Vec<Host>,
    private: Vec<Host>,
}

/// What a server answered with status 200.
pub(crate) struct Answer {
    pub(crate) is_json: bool,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer. Shows no URL, no credential, and nothing of the body.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("status {}{}", .0.as_u16(), if .0.is_redirection() { "; redirects are not followed" } else { "" })]
    Status(StatusCode),
    #[error("more than {} KiB", .0 / 1024)]
    TooLarge(usize),
    #[error("no whole answer within {} s", .0.as_secs())]
    Timeout(Duration),
    #[error("{0}")]
    Failed(String),
}

impl Fetch {
    /// # Errors
    /// A host or a certificate in `[outgoing]` that cannot be read.
    pub(crate) fn new(outgoing: &Outgoing) -> Result<Self, String> {
        let allowed = Arc::new(Allowed {
            plain_http: hosts("outgoing.plain_http", &outgoing.plain_http)?,
            private: hosts("outgoing.private", &outgoing.private)?,
        });
        let timeout = Duration::from_secs(outgoing.timeout_seconds.max(1));
        let builder = || {
            Client::builder()
                .user_agent(concat!("palisade/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .no_proxy()
                .timeout(timeout)
                .dns_resolver(Resolver(Arc::clone(&allowed)))
        };
        let client = client(builder, certificates(outgoing)?)?;
        Ok(Self {
            client,
            allowed,
            timeout,
        })
    }

    /// How long an answer may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Reads a URL that may be asked.
    ///
    /// # Errors
    /// Why it must not be asked, and what would be right.
    pub(crate) fn url(&self, text: &str) -> Result<Url, String> {
        self.allowed.url(text)
    }

    /// Gets a document of at most `limit` bytes.
    pub(crate) async fn get(&self, url: Url, limit: usize) -> Result<Answer, FetchError> {
        self.send(self.client.get(url), limit).await
    }

    /// Posts a form, with a name and a password if there are any; the answer has at most `limit`
    /// bytes.
    pub(crate) async fn post(
        &self,
        url: Url,
        basic: Option<(&str, &str)>,
        form: String,
        limit: usize,
    ) -> Result<Answer, FetchError> {
        let mut request = self.client.post(url).body(form);
        request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some((name, password)) = basic {
            request = request.basic_auth(name, Some(password));
        }
        self.send(request, limit).await
    }

    /// The client's timeout holds until the last byte of the body. The size is counted as the
    /// bytes come, whatever `Content-Length` says.
    async fn send(&self, request: RequestBuilder, limit: usize) -> Result<Answer, FetchError> {
        let request = request
            .header(ACCEPT, "application/json")
            .header(ACCEPT_ENCODING, "identity");
        let failed = |error| self.failed(&error);
        let mut response = request.send().await.map_err(failed)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let media_type = response.headers().get(CONTENT_TYPE);
        let is_json = media_type.is_some_and(|value| is_json(value.as_bytes()));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > limit {
                return Err(FetchError::TooLarge(limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { is_json, body })
    }

    fn failed(&self, error: &reqwest::Error) -> FetchError {
        if error.is_timeout() {
            FetchError::Timeout(self.timeout)
        } else {
            FetchError::Failed(innermost(error))
        }
    }
}

impl Allowed {
    fn url(&self, text: &str) -> Result<Url, String> {
        let Ok(url) = Url::parse(text) else {
            return Err("is no absolute URL; write https://HOST/PATH".to_owned());
        };
        let host = match url.host() {
            Some(host) if matches!(url.scheme(), "https" | "http") => host.to_owned(),
            _ => return Err("must be a URL of https".to_owned()),
        };
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err("must have neither credentials nor a fragment".to_owned());
        }
        if url.scheme() == "http" && !self.plain_http.contains(&host) {
            return Err(format!(
                "must be https; to ask over plain HTTP, name {host} in outgoing.plain_http"
            ));
        }
        let address = match host {
            Host::Domain(_) => return Ok(url),
            Host::Ipv4(v4) => IpAddr::V4(v4),
            Host::Ipv6(v6) => IpAddr::V6(v6),
        };
        if is_public(address) || self.names(&host) {
            Ok(url)
        } else {
            Err(format!(
                "is a private address; to ask it, name {host} in outgoing.private"
            ))
        }
    }

    /// Whether this host may be asked at whatever address it has.
    fn names(&self, host: &Host) -> bool {
        self.plain_http.contains(host) || self.private.contains(host)
    }
}

/// Resolves names to the addresses that may be asked. The connection is made to one of those,
/// so that no second look-up can have another result.
#[derive(Debug)]
struct Resolver(Arc<Allowed>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.0);
        Box::pin(async move {
            let name = name.as_str();
            let found = tokio::net::lookup_host((name, 0)).await?;
            let any = allowed.names(&Host::Domain(name.to_owned()));
            let addresses: Vec<SocketAddr> = found
                .filter(|address| any || is_public(address.ip()))
                .collect();
            if addresses.is_empty() {
                let why = format!(
                    "{name} has private addresses only; to ask it, name it in outgoing.private"
                );
                return Err(why.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn hosts(key: &str, names: &[String]) -> Result<Vec<Host>, String> {
    let parse = |name: &String| match name.parse() {
        Ok(v6) => Ok(Host::Ipv6(v6)),
        Err(_) => Host::parse(name)
            .map_err(|_| format!("{key}: {name:?} is no host; write a name or an address alone")),
    };
    names.iter().map(parse).collect()
}

fn certificates(outgoing: &Outgoing) -> Result<Vec<Certificate>, String> {
    let Some(ca) = &outgoing.ca else {
        return Ok(Vec::new());
    };
    let unfit = |why: String| format!("outgoing.ca: {why}");
    let pem = ca.load(None).map_err(|why| unfit(why.to_string()))?;
    match Certificate::from_pem_bundle(pem.expose_secret()) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(unfit("holds no certificate in PEM".to_owned())),
    }
}

/// Trusts these certificates beside the system's. A container may have none at all, which must
/// not matter before HTTPS is asked.
fn client(builder: impl Fn() -> ClientBuilder, own: Vec<Certificate>) -> Result<Client, String> {
    match builder().tls_certs_merge(own.clone()).build() {
        Err(error) if own.is_empty() => {
            tracing::warn!(
                target: "palisade",
                error = innermost(&error),
                "the system has no certificates to trust, so nothing can be asked over https; \
                 install them, or name some in outgoing.ca"
            );
            let client = builder().tls_certs_only(own).build();
            client.map_err(|error| innermost(&error))
        }
        client => client.map_err(|error| format!("outgoing.ca: {}", innermost(&error))),
    }
}

/// RFC 9110 §8.3: parameters follow a semicolon, and case does not matter.
fn is_json(media_type: &[u8]) -> bool {
    let name = media_type.split(|byte| *byte == b';').next();
    name.is_some_and(|name| name.trim_ascii().eq_ignore_ascii_case(b"application/json"))
}

/// What really happened; the errors around it repeat the URL.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(plain_http: &[&str], private: &[&str]) -> Outgoing {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let mut outgoing = Outgoing::default();
        outgoing.plain_http = owned(plain_http);
        outgoing.private = owned(private);
        outgoing
    }

    #[test]
    fn only_https_to_public_addresses_is_asked() {
        let fetch = Fetch::new(&outgoing(&[], &[])).unwrap();
        assert!(fetch.url("https://id.example.com/jwks?tenant=1").is_ok());
        assert!(fetch.url("https://8.8.8.8/").is_ok());
        for refused in [
            "http://id.example.com/",
            "ftp://id.example.com/",
            "file:///etc/passwd",
            "id.example.com",
            "https://user@id.example.com/",
            "https://user:secret@id.example.com/",
            "https://id.example.com/#top",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://169.254.169.254/latest",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
        ] {
            assert!(fetch.url(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn hosts_that_the_policy_names_are_asked() {
        let fetch = Fetch::new(&outgoing(
            &["127.0.0.1", "::1"],
            &["10.0.0.1", "ID.internal"],
        ));
        let fetch = fetch.unwrap();
        for url in [
            "http://127.0.0.1:8080/",
            "https://127.0.0.1/",
            "http://[::1]:8080/",
            "https://10.0.0.1/",
            "https://id.internal/",
        ] {
            assert!(fetch.url(url).is_ok(), "{url}");
        }
        for url in [
            "http://10.0.0.1/",
            "http://id.internal/",
            "https://10.0.0.2/",
        ] {
            assert!(fetch.url(url).is_err(), "{url}");
        }
        assert!(Fetch::new(&outgoing(&["http://a"], &[])).is_err());
        assert!(Fetch::new(&outgoing(&[], &["a:80"])).is_err());
    }

    #[test]
    fn media_types_are_compared_without_parameters_and_case() {
        assert!(is_json(b"application/json"));
        assert!(is_json(b"Application/JSON ; charset=utf-8"));
        assert!(!is_json(b"application/jsonp"));
        assert!(!is_json(b"text/html"));
    }

    #[test]
    fn certificates_that_cannot_be_read_are_named() {
        let mut outgoing = Outgoing::default();
        outgoing.ca = Some(palisade_core::Secret::value("no certificate"));
        assert!(
            Fetch::new(&outgoing)
                .unwrap_err()
                .starts_with("outgoing.ca")
        );
    }
}
