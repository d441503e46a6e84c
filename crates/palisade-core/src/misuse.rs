//! Mistakes of the application's author that make every request fail: whoever has no log yet must
//! hear of them too.

use std::{
    collections::HashSet,
    sync::{LazyLock, Mutex, PoisonError},
};
use tracing::subscriber::NoSubscriber;

/// There are fewer words than that for such mistakes.
const MOST: usize = 64;

/// Logs the mistake. Where no log is listened to, it goes to standard error, once.
pub(crate) fn tell(text: &'static str) {
    tracing::error!(target: "palisade", "{text}");
    if is_heard() {
        return;
    }
    static TOLD: LazyLock<Mutex<HashSet<&str>>> = LazyLock::new(Mutex::default);
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.len() < MOST && told.insert(text) {
        eprintln!("palisade: {text} (said once, because no log is set up)");
    }
}

/// Whether anybody takes what is logged: a subscriber of `tracing`, or a logger of `log`.
fn is_heard() -> bool {
    has_subscriber() || log::max_level() != log::LevelFilter::Off
}

/// Whether `tracing` has a subscriber here; without any in the process, it hands events to `log`.
pub(crate) fn has_subscriber() -> bool {
    tracing::dispatcher::get_default(|subscriber| !subscriber.is::<NoSubscriber>())
}
