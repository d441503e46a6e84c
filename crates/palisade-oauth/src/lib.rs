//! Palisade as a client of other people's authorization servers: the keys of an issuer, found by
//! discovery and kept fresh, and introspection of opaque tokens (RFC 7662).
//!
//! ```
//! use palisade_core::Policy;
//!
//! let policy = Policy::builder().with(palisade_oauth::companion());
//! ```
//!
//! Requests wait for nobody: keys are fetched on a thread of their own, and what a request gets
//! is a snapshot. Only two things take a question to the issuer: a token that names an unknown
//! key, at most once in 30 seconds, and a token that must be introspected.

mod address;
mod discovery;
mod fetch;
mod introspect;
mod keys;
mod schedule;

use crate::{
    fetch::Fetch,
    introspect::RemoteIntrospector,
    keys::{Feed, SharedFeed},
};
use palisade_core::{
    Companion, Outgoing,
    companion::{
        AuthorizationServers, Companions, Introspector, KeyFeed, RemoteIntrospection, RemoteKeys,
        Unfit,
    },
};
use palisade_runtime::Background;
use secrecy::ExposeSecret;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// What [`Policy::with`](palisade_core::Policy::with) takes to ask authorization servers.
#[must_use]
pub fn companion() -> OAuth {
    OAuth {
        background: Background::new("palisade-oauth"),
        questions_at_once: 64,
        silent: false,
        shared: Arc::default(),
    }
}

/// Asks authorization servers. Made by [`companion`].
///
/// Clones share their keys and connections: a service that loads its policy anew gives each
/// version a clone of one companion, and the keys stay.
#[derive(Clone)]
pub struct OAuth {
    background: Background,
    questions_at_once: usize,
    silent: bool,
    shared: Arc<Mutex<Shared>>,
}

impl OAuth {
    /// How many introspection requests may be under way to one server at once; those beyond get
    /// 503. Default 64.
    #[must_use]
    pub fn questions_at_once(mut self, number: usize) -> Self {
        self.questions_at_once = number;
        self
    }

    /// Checks what a policy says and asks nobody: for tools that check a policy where its issuers
    /// are out of reach. There are never any keys.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Companion for OAuth {
    fn register(self, companions: &mut Companions) {
        companions.authorization_servers(Arc::new(self));
    }
}

impl AuthorizationServers for OAuth {
    fn keys(&self, source: RemoteKeys) -> Result<Arc<dyn KeyFeed>, Unfit> {
        let mut shared = self.shared();
        let fetch = shared.client(&source.outgoing)?;
        let feed = Feed::new(source, fetch, self.background.clone())?;
        if self.silent {
            return Ok(Arc::new(SharedFeed(Arc::new(feed))));
        }
        Ok(Arc::new(shared.feed(feed)))
    }

    fn introspector(&self, source: RemoteIntrospection) -> Result<Arc<dyn Introspector>, Unfit> {
        let fetch = self.shared().client(&source.outgoing)?;
        let background = self.background.clone();
        let questions = self.questions_at_once;
        Ok(Arc::new(RemoteIntrospector::new(
            source, fetch, background, questions,
        )?))
    }
}

/// Nothing that changes with time: the fingerprint of a policy is made of it.
impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth")
            .field("questions_at_once", &self.questions_at_once)
            .finish_non_exhaustive()
    }
}

/// What lives as long as a scheme of any policy uses it.
#[derive(Default)]
struct Shared {
    clients: Vec<(Reach, Weak<Fetch>)>,
    feeds: Vec<Weak<Feed>>,
}

/// `[outgoing]` with its certificates loaded: what one client is made for.
#[derive(PartialEq)]
struct Reach {
    plain_http: Vec<String>,
    private: Vec<String>,
    ca: Option<Vec<u8>>,
    timeout_seconds: u64,
}

impl Shared {
    /// One client for all that may ask the same, because each reads the system's certificates.
    fn client(&mut self, outgoing: &Outgoing) -> Result<Arc<Fetch>, Unfit> {
        let reach = Reach::new(outgoing)?;
        self.clients.retain(|(_, known)| known.strong_count() > 0);
        let known = self.clients.iter().find(|(known, _)| *known == reach);
        if let Some(client) = known.and_then(|(_, known)| known.upgrade()) {
            return Ok(client);
        }
        let client = Fetch::new(outgoing).map_err(|why| Unfit::new("", why))?;
        let client = Arc::new(client);
        self.clients.push((reach, Arc::downgrade(&client)));
        Ok(client)
    }

    /// The feed that fetches the same already, or this one.
    fn feed(&mut self, feed: Feed) -> SharedFeed {
        let known = || self.feeds.iter().filter_map(Weak::upgrade);
        if let Some(known) = known().find(|known| known.is(&feed)) {
            return SharedFeed(known);
        }
        if let Some(known) = known().find(|known| known.has_keys_of(&feed)) {
            feed.go_on_from(&known);
        }
        let feed = SharedFeed::start(feed);
        self.feeds.retain(|known| known.strong_count() > 0);
        self.feeds.push(Arc::downgrade(&feed.0));
        feed
    }
}

impl Reach {
    fn new(outgoing: &Outgoing) -> Result<Self, Unfit> {
        let ca = outgoing.ca.as_ref().map(|ca| ca.load(None)).transpose();
        let ca = ca.map_err(|why| Unfit::new("", format!("outgoing.ca: {why}")))?;
        Ok(Self {
            plain_http: outgoing.plain_http.clone(),
            private: outgoing.private.clone(),
            ca: ca.map(|pem| pem.expose_secret().to_vec()),
            timeout_seconds: outgoing.timeout_seconds,
        })
    }
}
