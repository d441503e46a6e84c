//! A policy replaced by a new version while it serves.

use super::{Compiled, Palisade, compile::compile};
use crate::{
    config::{ConfigError, ConfigWarning},
    policy::Policy,
};
use arc_swap::ArcSwap;
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What all clones of a [`Palisade`] share.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) current: ArcSwap<Compiled>,
    source: Option<Source>,
    /// Locked while a new version is compiled, so that there is only one at a time.
    files: Mutex<Files>,
}

/// Where new versions come from.
struct Source {
    path: PathBuf,
    configure: Box<dyn Fn(Policy) -> Policy + Send + Sync>,
}

/// The files that builds have read.
#[derive(Debug, Default)]
struct Files {
    /// For the version that serves.
    current: Vec<PathBuf>,
    /// For one that was refused since.
    refused: Vec<PathBuf>,
}

/// What became of a policy that was loaded again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// Names the version before, as in audit events.
    pub before: String,
    /// Names the version that serves now. It is the same name if the policy says the same as
    /// before; keys and secrets have been read anew all the same.
    pub after: String,
}

impl Policy {
    /// Checks the policy and compiles it.
    ///
    /// Counters go to the recorder of the `metrics` crate that is installed at this moment; one that is installed
    /// later sees none of them. They are `palisade_requests_total` (labels `decision` and, of a refusal, `code`),
    /// `palisade_token_cache_hits_total` and `palisade_token_cache_misses_total` (label `scheme`).
    ///
    /// # Errors
    /// Every mistake at once, each with its key, its place in the file, and what would be
    /// right.
    pub fn build(self) -> Result<Palisade, ConfigError> {
        Palisade::first(self, None)
    }
}

impl Palisade {
    /// Reads a policy from TOML and compiles it.
    ///
    /// # Errors
    /// Every mistake of the text at once.
    pub fn from_toml_str(text: &str) -> Result<Self, ConfigError> {
        Policy::from_toml_str(text)?.build()
    }

    /// Reads a policy file and compiles it; [`reload`](Self::reload) does so again.
    ///
    /// # Errors
    /// Every mistake of the file at once.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::load(path.as_ref(), |policy| policy)
    }

    /// Reads a policy file, lets `configure` add what only a program can say (companions, sinks,
    /// schemes of its own), and compiles it. [`reload`](Self::reload) does all of it again.
    ///
    /// ```no_run
    /// use palisade_core::{Palisade, Rule, public};
    ///
    /// let palisade = Palisade::load("palisade.toml", |policy| {
    ///     policy.rule(Rule::new("/health").require(public()))
    /// })?;
    /// # Ok::<(), palisade_core::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Every mistake of the policy at once.
    pub fn load(
        path: impl Into<PathBuf>,
        configure: impl Fn(Policy) -> Policy + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        let source = Source {
            path: path.into(),
            configure: Box::new(configure),
        };
        Self::first(source.read()?, Some(source))
    }

    fn first(policy: Policy, source: Option<Source>) -> Result<Self, ConfigError> {
        let attempt = compile(policy, None);
        let compiled = attempt.compiled?;
        log_warnings(&compiled, &[]);
        Ok(Self(Arc::new(Handle {
            current: ArcSwap::from_pointee(compiled),
            source,
            files: Mutex::new(Files {
                current: attempt.files,
                refused: Vec::new(),
            }),
        })))
    }

    /// Loads the policy file again, with all keys and secrets, and replaces the policy as
    /// [`replace`](Self::replace) does.
    ///
    /// # Errors
    /// Every mistake at once; the old version keeps serving. Also if the policy did not come
    /// from a file.
    pub fn reload(&self) -> Result<Reloaded, ConfigError> {
        let mut files = self.0.files();
        let Some(source) = &self.0.source else {
            return Err(ConfigError::of(
                "the policy came from no file; load it with Palisade::load, or replace it",
            ));
        };
        match source.read() {
            Ok(policy) => self.swap(policy, &mut files),
            Err(mistakes) => Err(refuse(mistakes)),
        }
    }

    /// Replaces the policy by a new version, in all clones of this handle at once.
    ///
    /// Requests that have been opened finish under the version they were opened under. Limits go
    /// on counting where name, quota, burst, strictness, number of keys and what they count by
    /// are unchanged; others start anew. The clock stays the one of the first version. What is
    /// to go on in an audit sink or in a list of revocations must be given to the new version,
    /// too.
    ///
    /// # Errors
    /// Every mistake at once; the old version keeps serving.
    ///
    /// ```
    /// use palisade_core::{Policy, Rule, public};
    ///
    /// let palisade = Policy::builder().rule(Rule::new("/").require(public())).build()?;
    /// let broken = Policy::builder().rule(Rule::new("no slash").require(public()));
    /// assert!(palisade.replace(broken).is_err());
    /// let better = Policy::builder().rule(Rule::new("/health").require(public()));
    /// let reloaded = palisade.replace(better)?;
    /// assert_ne!(reloaded.before, reloaded.after);
    /// # Ok::<(), palisade_core::ConfigError>(())
    /// ```
    pub fn replace(&self, policy: Policy) -> Result<Reloaded, ConfigError> {
        self.swap(policy, &mut self.0.files())
    }

    /// The files that the policy depends on: the policy file, and every file that it refers to,
    /// in the version that serves and in the last one that was refused since.
    pub fn files(&self) -> Vec<PathBuf> {
        let files = self.0.files();
        let policy_file = self.0.source.as_ref().map(|source| &source.path);
        let mut all: Vec<PathBuf> = policy_file
            .into_iter()
            .chain(&files.current)
            .chain(&files.refused)
            .cloned()
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn swap(&self, policy: Policy, files: &mut Files) -> Result<Reloaded, ConfigError> {
        let before = self.current();
        let attempt = compile(policy, Some(&before));
        let after = match attempt.compiled {
            Ok(compiled) => compiled,
            Err(mistakes) => {
                files.refused = attempt.files;
                return Err(refuse(mistakes));
            }
        };
        let reloaded = Reloaded {
            before: before.fingerprint.clone(),
            after: after.fingerprint.clone(),
        };
        let policy = reloaded.after.as_str();
        for limit in after.limits.anew() {
            tracing::info!(target: "palisade", policy, limit, "the limit has changed and counts anew");
        }
        log_warnings(&after, &before.warnings);
        *files = Files {
            current: attempt.files,
            refused: Vec::new(),
        };
        self.0.current.store(Arc::new(after));
        let before = reloaded.before.as_str();
        tracing::info!(target: "palisade", policy, before, "a new version of the policy serves");
        Ok(reloaded)
    }
}

/// Tells whoever looks after the service what is probably not meant, unless it was `told` before.
fn log_warnings(compiled: &Compiled, told: &[ConfigWarning]) {
    let same = |one: &ConfigWarning, other: &ConfigWarning| {
        (&one.key, &one.message) == (&other.key, &other.message)
    };
    for warning in &compiled.warnings {
        if !told.iter().any(|earlier| same(earlier, warning)) {
            tracing::warn!(target: "palisade", "{warning}");
        }
    }
}

/// Tells whoever looks after the service, because nobody may look at the result.
fn refuse(mistakes: ConfigError) -> ConfigError {
    tracing::error!(
        target: "palisade",
        "the new version of the policy is refused, and the old one keeps serving"
    );
    for mistake in mistakes.mistakes() {
        tracing::error!(target: "palisade", "{mistake}");
    }
    mistakes
}

impl Handle {
    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source {
    fn read(&self) -> Result<Policy, ConfigError> {
        Ok((self.configure)(Policy::from_file(&self.path)?))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
