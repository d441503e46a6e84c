//! The keys of an issuer, kept fresh.
//!
//! Readers take a snapshot and compare two times: they never wait for a fetch, nor for a lock
//! that is held during one. The [`Schedule`] says when to fetch; at most one fetch is in flight.
//! `Cache-Control` of the issuer is not obeyed: `refresh` of the policy alone says how old keys
//! may get, so that an issuer cannot have a revoked key used for a year.

use crate::{
    discovery::{Location, Wanted},
    fetch::Fetch,
    schedule::Schedule,
};
use arc_swap::ArcSwapOption;
use palisade_core::{
    BoxFuture, Clock, Entropy, SourceError, SystemEntropy,
    companion::{KeyFeed, RemoteKeys, Unfit},
    jwt::{JwkOptions, KeySet, MAX_SET_BYTES, SkippedKey},
};
use palisade_runtime::Background;
use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::watch;

/// How many requests may wait for one fetch; the others go on without the new keys.
const MAX_WAITERS: usize = 256;

/// How long the timer sleeps: not for ever, because its clock is not that of the policy.
const NAP: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A feed in the hands of a scheme.
#[derive(Debug, Clone)]
pub(crate) struct SharedFeed(pub(crate) Arc<Feed>);

/// The keys of one issuer.
pub(crate) struct Feed {
    location: Location,
    options: JwkOptions,
    refresh_seconds: u64,
    stale_seconds: u64,
    clock: Arc<dyn Clock>,
    background: Background,
    keys: ArcSwapOption<KeySet>,
    /// When a request has the keys fetched; never while they are being fetched.
    due: AtomicU64,
    stale_at: AtomicU64,
    state: Mutex<State>,
}

struct State {
    schedule: Schedule,
    /// Its end tells all who wait.
    flight: Option<watch::Sender<()>>,
    /// The set that the keys were made of.
    set: Vec<u8>,
    /// What the last attempt failed with.
    failure: Option<String>,
}

impl KeyFeed for SharedFeed {
    fn keys(&self) -> Result<Arc<KeySet>, SourceError> {
        let now = self.0.clock.monotonic_nanos();
        if now >= self.0.due.load(Relaxed) {
            drop(self.flight(|schedule, now| now >= schedule.due()));
        }
        self.0.current(now)
    }

    fn renew(&self) -> Option<BoxFuture<()>> {
        let flight = self.flight(|schedule, now| schedule.may_renew(now))?;
        Some(Box::pin(end(flight)))
    }

    fn ready(&self) -> BoxFuture<Result<(), SourceError>> {
        let feed = Arc::clone(&self.0);
        let flight = match self.keys() {
            Ok(_) => None,
            Err(_) => self.flight(|schedule, now| now >= schedule.due()),
        };
        Box::pin(async move {
            if let Some(flight) = flight {
                end(flight).await;
            }
            feed.current(feed.clock.monotonic_nanos()).map(drop)
        })
    }
}

impl SharedFeed {
    /// Fetches from now on, until the last scheme has dropped the feed.
    pub(crate) fn start(feed: Feed) -> Self {
        let feed = Self(Arc::new(feed));
        let background = feed.0.background.clone();
        background.spawn(tend(Arc::downgrade(&feed.0)));
        feed
    }

    /// Joins the fetch in flight, or begins one if it `may`; `None` if it may not, or if too
    /// many wait.
    fn flight(&self, may: impl FnOnce(&Schedule, u64) -> bool) -> Option<watch::Receiver<()>> {
        let mut state = self.0.state();
        if let Some(flight) = &state.flight {
            return (flight.receiver_count() < MAX_WAITERS).then(|| flight.subscribe());
        }
        let now = self.0.clock.monotonic_nanos();
        if !may(&state.schedule, now) {
            return None;
        }
        let (flight, joined) = watch::channel(());
        state.flight = Some(flight);
        state.schedule.begin(now);
        self.0.due.store(u64::MAX, Relaxed);
        drop(state);
        let landing = Landing(Some(Arc::clone(&self.0)));
        self.0.background.spawn(landing.fly());
        Some(joined)
    }
}

impl Feed {
    pub(crate) fn new(
        source: RemoteKeys,
        fetch: Arc<Fetch>,
        background: Background,
    ) -> Result<Self, Unfit> {
        if source.stale_seconds < source.refresh_seconds {
            let message = "is shorter than `refresh`; old keys must serve until there are new ones";
            return Err(Unfit::new("stale", message));
        }
        let mut spread = [0];
        // Without randomness all nodes fetch at the same time, which is no reason not to start.
        let _ = SystemEntropy.fill(&mut spread);
        let schedule = Schedule::new(source.refresh_seconds, source.stale_seconds, spread[0]);
        Ok(Self {
            location: Location::new(Wanted::Keys, source.issuer, &source.endpoint, fetch)?,
            options: source.options,
            refresh_seconds: source.refresh_seconds,
            stale_seconds: source.stale_seconds,
            clock: source.clock,
            background,
            keys: ArcSwapOption::empty(),
            due: AtomicU64::new(0),
            stale_at: AtomicU64::new(0),
            state: Mutex::new(State {
                schedule,
                flight: None,
                set: Vec::new(),
                failure: None,
            }),
        })
    }

    /// Whether both fetch the same, at the same times.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.has_keys_of(other)
            && self.refresh_seconds == other.refresh_seconds
            && self.stale_seconds == other.stale_seconds
    }

    /// Whether both fetch the same, whenever they do.
    pub(crate) fn has_keys_of(&self, other: &Self) -> bool {
        self.location.is(&other.location)
            && self.options == other.options
            && Arc::ptr_eq(&self.clock, &other.clock)
    }

    /// Begins with the keys of another feed, as old as they are: a policy that is loaded again
    /// with other times refuses nobody meanwhile.
    pub(crate) fn go_on_from(&self, other: &Self) {
        let (mut own, before) = (self.state(), other.state());
        own.schedule.go_on_from(&before.schedule);
        own.set.clone_from(&before.set);
        self.keys.store(other.keys.load_full());
        self.stale_at.store(own.schedule.stale_at(), Relaxed);
        self.due.store(own.schedule.due(), Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self, now: u64) -> Result<Arc<KeySet>, SourceError> {
        match self.keys.load_full() {
            Some(keys) if now < self.stale_at.load(Relaxed) => Ok(keys),
            keys => Err(self.unavailable(keys.is_some())),
        }
    }

    fn unavailable(&self, stale: bool) -> SourceError {
        let issuer = &self.location.issuer;
        let what = if stale {
            "its keys are too old"
        } else {
            "there are no keys yet"
        };
        let reason = match &self.state().failure {
            Some(failure) => format!("{issuer}: {what}: {failure}"),
            None => format!("{issuer}: {what}"),
        };
        SourceError::new("issuer", reason)
    }

    async fn fetch(&self) -> Result<Vec<u8>, String> {
        let url = self.location.url().await?;
        let answer = self.location.fetch().get(url.clone(), MAX_SET_BYTES).await;
        self.location.note(&answer).await;
        answer
            .map(|answer| answer.body)
            .map_err(|why| format!("{url}: {why}"))
    }

    /// Ends a flight, whatever came of it.
    fn land(&self, fetched: Result<Vec<u8>, String>) {
        let outcome = fetched.and_then(|set| self.accept(set));
        let now = self.clock.monotonic_nanos();
        let mut state = self.state();
        let before = match &outcome {
            Ok(()) => {
                state.schedule.succeed();
                state.failure.take()
            }
            Err(reason) => {
                state.schedule.fail(now);
                state.failure.replace(reason.clone())
            }
        };
        self.stale_at.store(state.schedule.stale_at(), Relaxed);
        self.due.store(state.schedule.due(), Relaxed);
        let flight = state.flight.take();
        drop(state);
        self.tell(outcome, before.is_some(), now);
        drop(flight);
    }

    /// Takes a set over. The same bytes are the same keys, so that what was verified with them
    /// is still verified.
    fn accept(&self, set: Vec<u8>) -> Result<(), String> {
        if self.keys.load().is_some() && self.state().set == set {
            return Ok(());
        }
        let (keys, skipped) = KeySet::from_jwk_set(&set, self.options)
            .map_err(|why| format!("the key set cannot be used: {why}"))?;
        let issuer = self.location.issuer.as_str();
        for key in &skipped {
            tell_skipped(issuer, key);
        }
        if keys.is_empty() {
            tracing::error!(target: "palisade", issuer, "the issuer publishes no usable key: its tokens are refused from now on");
        } else {
            tracing::info!(target: "palisade", issuer, keys = keys.len(), "the keys of an issuer were fetched");
        }
        self.keys.store(Some(Arc::new(keys)));
        self.state().set = set;
        Ok(())
    }

    /// One line for each attempt that failed, and one for the end of that: attempts are rare.
    fn tell(&self, outcome: Result<(), String>, failed_before: bool, now: u64) {
        let issuer = self.location.issuer.as_str();
        match outcome {
            Ok(()) if failed_before => {
                tracing::info!(target: "palisade", issuer, "the issuer answers again");
            }
            Ok(()) => {}
            Err(reason) if now < self.stale_at.load(Relaxed) => {
                tracing::warn!(target: "palisade", issuer, reason, "the keys of an issuer cannot be fetched; the old ones serve");
            }
            Err(reason) => {
                tracing::error!(target: "palisade", issuer, reason, "the keys of an issuer cannot be fetched: its tokens are answered with 503");
            }
        }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("issuer", &self.location.issuer)
            .finish_non_exhaustive()
    }
}

/// A fetch in flight. However it ends, cut off or by a panic too, the feed learns that it did,
/// or nothing would ever be fetched again.
struct Landing(Option<Arc<Feed>>);

impl Landing {
    async fn fly(mut self) {
        if let Some(feed) = &self.0 {
            let fetched = feed.fetch().await;
            feed.land(fetched);
            self.0 = None;
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if let Some(feed) = &self.0 {
            feed.land(Err("the fetch was cut off".to_owned()));
        }
    }
}

/// Waits for the end of a flight.
async fn end(mut flight: watch::Receiver<()>) {
    while flight.changed().await.is_ok() {}
}

/// Fetches without any request, as long as somebody has the feed.
async fn tend(feed: Weak<Feed>) {
    while let Some(feed) = feed.upgrade().map(SharedFeed) {
        match feed.flight(|schedule, now| now >= schedule.timer()) {
            Some(flight) => {
                drop(feed);
                end(flight).await;
            }
            None => {
                let next = feed.0.state().schedule.timer();
                let now = feed.0.clock.monotonic_nanos();
                drop(feed);
                let wait = Duration::from_nanos(next.saturating_sub(now));
                tokio::time::sleep(wait.clamp(NAP.0, NAP.1)).await;
            }
        }
    }
}

fn tell_skipped(issuer: &str, key: &SkippedKey) {
    let (position, kid) = (key.position, key.kid.as_deref());
    let why = key.why.to_string();
    if key.is_alarm() {
        tracing::error!(target: "palisade", issuer, position, kid, why, "a key of the issuer is not used");
    } else {
        tracing::warn!(target: "palisade", issuer, position, kid, why, "a key of the issuer is not used");
    }
}
