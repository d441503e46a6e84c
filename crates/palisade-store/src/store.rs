//! A database of keys and users, for those who administer it.

use crate::{error::StoreError, keys::Keys, location::Location, node::Node, users::Users};
use palisade_core::{Clock, SourceError, SystemClock};
use std::{path::Path, sync::Arc};

/// API keys and users in a database. Cheap to clone; usable from any thread and any runtime.
///
/// ```
/// use palisade_store::{NewKey, Store};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # let folder = std::env::temp_dir().join(format!("palisade-store-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let url = format!("sqlite:{}/keys.db", folder.display());
/// # runtime.block_on(async {
/// let store = Store::open(&url).await?;
/// let key = NewKey::new("partners", "shop", "service1").scopes(["items:read"]);
/// let made = store.keys().create(key).await?;
/// // Show `made.reveal()` to its owner now: only its digest is kept.
/// let kept = store.keys().find(made.id()).await?;
/// assert_eq!(kept.owner, "service1");
///
/// store.keys().revoke(made.id()).await?;
/// store.close().await?;
/// # Ok::<(), palisade_store::StoreError>(())
/// # })?;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) node: Arc<Node>,
}

impl Store {
    /// Opens the database of this URL, such as `sqlite:palisade.db`, and brings its tables up to
    /// date. A relative file is relative to the working directory.
    ///
    /// A database that a policy of this process uses is not opened twice: what is changed here
    /// is seen there at once.
    ///
    /// # Errors
    /// A URL that cannot be read, a database that cannot be opened.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_at(Location::parse(url, None)).await
    }

    /// Opens the database of this URL; a relative file is relative to `folder`, as in a policy.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub async fn open_in(folder: impl AsRef<Path>, url: &str) -> Result<Self, StoreError> {
        Self::open_at(Location::parse(url, Some(folder.as_ref()))).await
    }

    async fn open_at(location: Result<Location, String>) -> Result<Self, StoreError> {
        let node = Node::at(location.map_err(StoreError::Url)?);
        node.ready().await?;
        Ok(Self { node })
    }

    /// The API keys.
    pub fn keys(&self) -> Keys<'_> {
        Keys(self)
    }

    /// The users.
    pub fn users(&self) -> Users<'_> {
        Users(self)
    }

    /// Writes when each key was last used, which otherwise happens every few seconds.
    ///
    /// # Errors
    /// The database gives no answer; nothing is lost, it is tried again.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.node.shared);
        let flush = move |database| async move { Ok(shared.usage.write(&database).await?) };
        self.node.run(flush).await
    }

    /// Writes what is left, and closes the database if nobody else uses it. Dropping does the
    /// same, but cannot say what went wrong.
    ///
    /// # Errors
    /// As for [`flush`](Self::flush).
    pub async fn close(self) -> Result<(), StoreError> {
        self.flush().await
    }
}

/// Seconds since 1970, as the database has them.
pub(crate) fn now() -> i64 {
    i64::try_from(SystemClock::default().unix_millis() / 1000).unwrap_or(i64::MAX)
}

/// A row that holds what nothing here wrote.
pub(crate) fn unreadable(what: &str, name: &str) -> SourceError {
    SourceError::new("the database", format!("{what} {name:?} cannot be read"))
}
