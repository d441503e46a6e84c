//! Policies from files, with everybody who helps them.

use crate::{
    answer::{Answer, Failure, Outcome},
    note,
    offline::{Offline, Uncounted},
};
use palisade_core::{ConfigError, ConfigWarning, Palisade, Policy, SourceError};
use serde_json::{Value, json};
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// So long may issuers and databases take for their first answers, all together.
const PATIENCE: Duration = Duration::from_secs(15);

/// Reads a policy file; the mistakes in it are an answer too.
pub(crate) fn read(path: &Path) -> Result<Result<Policy, ConfigError>, Failure> {
    File::open(path)
        .map_err(|why| Failure::Outside(format!("{} cannot be read: {why}", path.display())))?;
    Ok(Policy::from_file(path))
}

/// Adds everybody who asks issuers and databases.
pub(crate) fn with_companions(policy: Policy) -> Policy {
    with_uncounted_limits(policy)
        .with(palisade_oauth::companion())
        .with(palisade_store::companion())
}

/// Adds stand-ins that check what the policy says, and ask nobody.
pub(crate) fn with_silent_companions(policy: Policy) -> Policy {
    with_uncounted_limits(policy)
        .with(palisade_oauth::companion().silent())
        .with(Offline)
}

/// Adds stand-ins for the stores of counts that only the application's own program has.
fn with_uncounted_limits(policy: Policy) -> Policy {
    let limits = policy.limits.iter();
    let stores: Vec<_> = limits.filter_map(|limit| limit.store.clone()).collect();
    let with_store = |policy: Policy, name| policy.limit_store(name, Arc::new(Uncounted));
    stores.into_iter().fold(policy, with_store)
}

/// The answer to a policy with mistakes.
pub(crate) fn mistaken(error: &ConfigError, as_json: bool) -> Outcome {
    let mistakes = error.mistakes();
    if as_json {
        let list = mistakes.iter();
        let list = list.map(|one| at(one.file.as_deref(), one.line, &one.key, &one.message));
        let list = list.collect::<Vec<_>>();
        return Answer::json(&json!({ "ok": false, "mistakes": list }), false);
    }
    note(&match mistakes.len() {
        1 => "1 mistake".to_owned(),
        many => format!("{many} mistakes"),
    });
    Ok(Answer::no(format!("{error}\n")))
}

/// What is allowed in a policy and probably not meant, as JSON.
pub(crate) fn warnings(list: &[ConfigWarning]) -> Value {
    let list = list.iter();
    list.map(|one| at(one.file.as_deref(), one.line, &one.key, &one.message))
        .collect()
}

fn at(file: Option<&PathBuf>, line: Option<usize>, key: &str, message: &str) -> Value {
    json!({ "file": file, "line": line, "key": key, "message": message })
}

/// Waits for a future on this thread. Whoever helps a policy works on threads of their own.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|why| Failure::Outside(format!("no runtime can be started: {why}")))?;
    Ok(runtime.block_on(future))
}

/// Waits for the first answers of everybody the policy depends on.
pub(crate) fn wait_until_ready(palisade: &Palisade) -> Result<Result<(), SourceError>, Failure> {
    wait(async {
        let ready = tokio::time::timeout(PATIENCE, palisade.ready()).await;
        ready.unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(SourceError::new(
                "a dependency",
                format!("no answer within {seconds} seconds"),
            ))
        })
    })
}
