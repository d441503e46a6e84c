//! Where a scheme finds the keys or accounts that the policy itself does not list.

use crate::{
    companion::{DatabaseUrl, Databases, Unfit},
    config::{Mistakes, Section, join},
    scheme::BuildContext,
    secret::Secret,
};
use secrecy::ExposeSecret;
use std::hash::{Hash, Hasher};

/// A database that a scheme looks things up in.
///
/// ```
/// use palisade_core::{ApiKey, Secret, Store};
///
/// let partners = ApiKey::new("partners").store(Store::new(Secret::env("DATABASE_URL")));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Store {
    /// `store`: the URL of the database, such as `sqlite:palisade.db`, or where it stands.
    pub url: Secret,
    /// `fresh`: seconds after which a change that another node made is seen at the latest.
    /// Default 5.
    pub freshness_seconds: u64,
}

/// A URL counts where it stands in the policy, unless a program gave one with a password in it.
impl Hash for Store {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            url,
            freshness_seconds,
        } = self;
        (url, freshness_seconds).hash(state);
        let given = url.given().and_then(|url| std::str::from_utf8(url).ok());
        given
            .filter(|url| !DatabaseUrl::new(*url).holds_secret())
            .hash(state);
    }
}

impl Store {
    /// The database of this URL.
    pub fn new(url: Secret) -> Self {
        Self {
            url,
            freshness_seconds: 5,
        }
    }

    /// Says after how many seconds a change that another node made is seen at the latest.
    #[must_use]
    pub fn fresh(mut self, seconds: u64) -> Self {
        self.freshness_seconds = seconds;
        self
    }

    /// Reads `store` and `fresh`.
    pub(super) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let url = section.optional_string("store");
        let fresh = section.duration_seconds("fresh");
        let Some(url) = url else {
            if fresh.is_some() {
                section.mistake("fresh", "means nothing without `store`");
            }
            return None;
        };
        if DatabaseUrl::new(url.as_str()).holds_secret() {
            let right = "write the whole URL as `env:NAME` or `file:PATH`";
            section.mistake("store", format!("holds a password or a key; {right}"));
        }
        let reference = Secret::parse(&url);
        let store = Self::new(reference.unwrap_or_else(|_| Secret::value(url)));
        Some(store.fresh(fresh.unwrap_or(5)))
    }

    /// Opens the database with `open`; `None` after a mistake at `path` was reported.
    pub(super) fn open<T>(
        &self,
        context: &BuildContext<'_>,
        path: &str,
        mistakes: &mut Mistakes,
        open: impl FnOnce(&dyn Databases, DatabaseUrl) -> Result<T, Unfit>,
    ) -> Option<T> {
        if self.freshness_seconds == 0 {
            mistakes.add(join(path, "fresh"), "is 0; write a second or more");
        }
        let opened = self.url(context).and_then(|url| {
            let databases = context.companions.database(&url)?;
            open(databases, DatabaseUrl::new(url))
        });
        let report = |unfit: Unfit| match unfit.key {
            "" => mistakes.add(path, unfit.message),
            key => mistakes.add(join(path, key), unfit.message),
        };
        opened.map_err(report).ok()
    }

    fn url(&self, context: &BuildContext<'_>) -> Result<String, Unfit> {
        let bytes = context.load(&self.url);
        let bytes = bytes.map_err(|why| Unfit::new("store", why.to_string()))?;
        String::from_utf8(bytes.expose_secret().to_vec())
            .map_err(|_| Unfit::new("store", "is no URL: it is not UTF-8"))
    }
}
