//! Finding the endpoints of an issuer in what it says of itself: OpenID Connect Discovery 1.0
//! and RFC 8414.

use crate::fetch::{Fetch, FetchError};
use palisade_core::companion::{Endpoint, Unfit};
use reqwest::StatusCode;
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::Mutex;
use url::Url;

/// The largest metadata that is read.
const LIMIT: usize = 64 * 1024;

/// What stands for the tenant in the issuer of Entra's tokens, and in its metadata as it is.
const TENANT: &str = "{tenantid}";

/// Where an endpoint of an issuer is: at a URL that the policy says, or discovered.
#[derive(Debug)]
pub(crate) struct Location {
    pub(crate) issuer: String,
    wanted: Wanted,
    fetch: Arc<Fetch>,
    place: Place,
    found: Mutex<Option<Found>>,
}

/// Which endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Keys,
    Introspection,
}

#[derive(Debug, PartialEq)]
enum Place {
    At(Url),
    Discover([Url; 2]),
}

/// An endpoint that was discovered.
#[derive(Debug, Clone)]
struct Found {
    url: Url,
    /// How often it is used until it is discovered anew.
    uses: u32,
}

impl Location {
    /// # Errors
    /// A URL or an issuer that must not be asked.
    pub(crate) fn new(
        wanted: Wanted,
        issuer: String,
        endpoint: &Endpoint,
        fetch: Arc<Fetch>,
    ) -> Result<Self, Unfit> {
        let place = match endpoint {
            Endpoint::Url(url) => fetch
                .url(url)
                .map(Place::At)
                .map_err(|why| (wanted.key(), why)),
            _ => places(&fetch, &issuer)
                .map(Place::Discover)
                .map_err(|why| ("issuer", why)),
        };
        Ok(Self {
            issuer,
            wanted,
            place: place.map_err(|(key, why)| Unfit::new(key, why))?,
            fetch,
            found: Mutex::new(None),
        })
    }

    /// Who asks.
    pub(crate) fn fetch(&self) -> &Fetch {
        &self.fetch
    }

    /// Whether both are the same place, asked in the same way.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.issuer == other.issuer
            && self.wanted == other.wanted
            && self.place == other.place
            && Arc::ptr_eq(&self.fetch, &other.fetch)
    }

    /// The URL of the endpoint. Those who ask at the same time wait for its first discovery. When
    /// it is due to be discovered anew, one of them does so; the others ask where it was, and so
    /// does everybody while that fails.
    ///
    /// # Errors
    /// No metadata that names it, or a URL that must not be asked.
    pub(crate) async fn url(&self) -> Result<Url, String> {
        let places = match &self.place {
            Place::At(url) => return Ok(url.clone()),
            Place::Discover(places) => places,
        };
        let mut found = self.found.lock().await;
        let Some(known) = &mut *found else {
            let url = self.discover(places).await?;
            return Ok(found.insert(self.wanted.found(url)).url.clone());
        };
        let before = known.url.clone();
        if known.uses > 0 {
            known.uses -= 1;
            return Ok(before);
        }
        known.uses = self.wanted.uses_until_retry();
        drop(found);
        // The question itself needs the other half of the time.
        let limit = self.fetch.timeout() / 2;
        let again = tokio::time::timeout(limit, self.discover(places)).await;
        match again.unwrap_or_else(|_| Err(FetchError::Timeout(limit).to_string())) {
            Ok(url) => {
                *self.found.lock().await = Some(self.wanted.found(url.clone()));
                Ok(url)
            }
            Err(reason) => {
                let issuer = self.issuer.as_str();
                tracing::warn!(target: "palisade", issuer, reason, "an issuer cannot be discovered anew; it is asked where it was");
                Ok(before)
            }
        }
    }

    /// Takes note of an answer: an endpoint that is gone is looked for anew, next time.
    pub(crate) async fn note<T>(&self, answer: &Result<T, FetchError>) {
        if let Err(FetchError::Status(StatusCode::NOT_FOUND | StatusCode::GONE)) = answer {
            *self.found.lock().await = None;
        }
    }

    async fn discover(&self, places: &[Url; 2]) -> Result<Url, String> {
        let metadata = metadata(&self.fetch, &self.issuer, places).await?;
        let (name, url) = match self.wanted {
            Wanted::Keys => ("jwks_uri", metadata.jwks_uri),
            Wanted::Introspection => ("introspection_endpoint", metadata.introspection_endpoint),
        };
        let url = url.ok_or_else(|| format!("the metadata has no `{name}`"))?;
        let url = self.fetch.url(&url);
        url.map_err(|why| format!("the `{name}` of the metadata {why}"))
    }
}

impl Wanted {
    /// The key that says where it is.
    fn key(self) -> &'static str {
        match self {
            Wanted::Keys => "keys",
            Wanted::Introspection => "endpoint",
        }
    }

    /// An endpoint that was just discovered, and is used at once.
    fn found(self, url: Url) -> Found {
        Found {
            url,
            uses: self.uses() - 1,
        }
    }

    /// How often it is used before it is discovered anew: keys that are fetched every 10 minutes
    /// are looked for every hour.
    fn uses(self) -> u32 {
        match self {
            Wanted::Keys => 6,
            Wanted::Introspection => 10_000,
        }
    }

    /// The same after a failure.
    fn uses_until_retry(self) -> u32 {
        self.uses() / 100
    }
}

/// What an issuer says of itself, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: Option<String>,
    introspection_endpoint: Option<String>,
}

/// Where the metadata of an issuer may be: appended to its path (OpenID Connect Discovery §4),
/// then inserted before it (RFC 8414 §3).
fn places(fetch: &Fetch, issuer: &str) -> Result<[Url; 2], String> {
    // The metadata of all tenants together is that of the tenant `common`.
    let url = fetch.url(&issuer.replace(TENANT, "common"))?;
    if url.query().is_some() {
        return Err("must have no query".to_owned());
    }
    let path = url.path().trim_end_matches('/');
    let at = |path: String| {
        let mut url = url.clone();
        url.set_path(&path);
        url
    };
    Ok([
        at(format!("{path}/.well-known/openid-configuration")),
        at(format!("/.well-known/oauth-authorization-server{path}")),
    ])
}

/// The metadata of this issuer and no other. The second place is asked only if the first says
/// that there is nothing.
async fn metadata(fetch: &Fetch, issuer: &str, places: &[Url; 2]) -> Result<Metadata, String> {
    let [openid, oauth] = places;
    let (place, answer) = match fetch.get(openid.clone(), LIMIT).await {
        Err(FetchError::Status(status)) if status.is_client_error() => {
            (oauth, fetch.get(oauth.clone(), LIMIT).await)
        }
        answer => (openid, answer),
    };
    let answer = answer.map_err(|why| format!("{place}: {why}"))?;
    let metadata: Metadata = serde_json::from_slice(&answer.body)
        .map_err(|_| format!("{place}: no metadata; it must be json with an `issuer`"))?;
    // Byte for byte (RFC 8414 §3.3): whoever speaks for one issuer must not speak for another.
    if metadata.issuer != issuer {
        let other: String = metadata.issuer.chars().take(200).collect();
        return Err(format!(
            "{place}: the metadata is that of the issuer {other:?}, which must be the same byte \
             for byte"
        ));
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_core::Outgoing;

    #[test]
    fn metadata_that_hangs_holds_no_endpoint_up_that_was_found_before() {
        // It accepts connections, and never answers.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://{}", silent.local_addr().unwrap());
        let mut outgoing = Outgoing::default();
        outgoing.plain_http = vec!["127.0.0.1".to_owned()];
        outgoing.timeout_seconds = 1;
        let fetch = Arc::new(Fetch::new(&outgoing).unwrap());
        let limit = fetch.timeout();
        let wanted = Wanted::Introspection;
        let location = Location::new(wanted, issuer, &Endpoint::Discover, fetch).unwrap();
        let known = Url::parse("http://127.0.0.1/introspect").unwrap();

        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(async {
            let url = known.clone();
            *location.found.lock().await = Some(Found { url, uses: 0 });
            // A question has no more time than one answer may take.
            let asked = || tokio::time::timeout(limit, location.url());
            let (first, second) = tokio::join!(asked(), asked());
            assert_eq!(first, Ok(Ok(known.clone())));
            assert_eq!(second, Ok(Ok(known.clone())));
            let uses = location.found.lock().await.as_ref().map(|found| found.uses);
            assert_eq!(uses, Some(wanted.uses_until_retry() - 1));
        });
    }

    #[test]
    fn the_well_known_part_is_appended_or_inserted() {
        let fetch = Fetch::new(&Outgoing::default()).unwrap();
        let found = |issuer: &str| places(&fetch, issuer).unwrap().map(String::from);
        assert_eq!(
            found("https://id.example.com"),
            [
                "https://id.example.com/.well-known/openid-configuration",
                "https://id.example.com/.well-known/oauth-authorization-server",
            ]
        );
        assert_eq!(
            found("https://id.example.com/realms/a/"),
            [
                "https://id.example.com/realms/a/.well-known/openid-configuration",
                "https://id.example.com/.well-known/oauth-authorization-server/realms/a",
            ]
        );
        assert_eq!(
            found("https://login.microsoftonline.com/{tenantid}/v2.0")[0],
            "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration"
        );
        for wrong in ["id.example.com", "https://id.example.com?a=b", "http://a"] {
            assert!(places(&fetch, wrong).is_err(), "{wrong}");
        }
    }
}
