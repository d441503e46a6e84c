//! A policy that is loaded again when its files change.

mod files;

use files::{Content, Watched};
use palisade_core::Palisade;
use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

/// How often files are looked at, unless told otherwise.
const INTERVAL: Duration = Duration::from_secs(1);

/// Loads a policy again whenever the policy file or a file that it refers to changes, and at
/// SIGHUP, until the watch is dropped. Start it right after [`Palisade::load`].
///
/// Files are looked at every second. A change is taken once the files have been the same for two
/// looks, so that nothing is read that is half written; it does not matter whether a file is
/// written in place, replaced, or behind a symbolic link that is moved to other files. A version
/// that is refused is tried again when something changes again. SIGHUP loads the policy at once,
/// changed or not.
///
/// ```no_run
/// use palisade_core::Palisade;
///
/// let palisade = Palisade::load("palisade.toml", |policy| policy)?;
/// let _watch = palisade_runtime::watch(palisade.clone())?;
/// // … serve, with `palisade` in the security layer
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The system gives no thread, or does not let SIGHUP be handled.
pub fn watch(palisade: Palisade) -> io::Result<Watch> {
    Watch::every(INTERVAL, palisade)
}

/// A policy being watched; dropping it ends that.
///
/// SIGHUP is handled from the first watch on for as long as the process lives, so that it does
/// not end the process; without a watch it does nothing.
#[must_use = "dropping it ends the watch"]
pub struct Watch {
    /// Hangs up when dropped, which the watcher hears.
    wake: Option<Sender<()>>,
    watcher: Option<JoinHandle<()>>,
    #[cfg(unix)]
    signals: signals::Forwarded,
}

impl Watch {
    /// Like [`watch`], looking at the files every so often.
    ///
    /// # Errors
    /// As for [`watch`].
    pub fn every(interval: Duration, palisade: Palisade) -> io::Result<Self> {
        let (wake, woken) = mpsc::channel();
        #[cfg(unix)]
        let signals = signals::Forwarded::to(wake.clone())?;
        let mut watcher = Watcher::new(palisade);
        let watcher = thread::Builder::new()
            .name("palisade-watch".to_owned())
            .spawn(move || watcher.run(interval, &woken))?;
        Ok(Self {
            wake: Some(wake),
            watcher: Some(watcher),
            #[cfg(unix)]
            signals,
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        #[cfg(unix)]
        self.signals.end();
        self.wake = None;
        if let Some(watcher) = self.watcher.take() {
            // Nobody could do anything about a panic.
            let _ = watcher.join();
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// What the thread does.
struct Watcher {
    palisade: Palisade,
    files: Watched,
    /// What the files held when the policy was last loaded, or tried to be.
    loaded: Content,
    /// What they held at the last look, if that was something else.
    changed: Option<Content>,
}

impl Watcher {
    fn new(palisade: Palisade) -> Self {
        let mut files = Watched::default();
        let loaded = files.look(palisade.files());
        Self {
            palisade,
            files,
            loaded,
            changed: None,
        }
    }

    fn run(&mut self, interval: Duration, woken: &Receiver<()>) {
        loop {
            match woken.recv_timeout(interval) {
                Err(RecvTimeoutError::Timeout) => self.look(),
                Ok(()) => {
                    tracing::info!(target: "palisade", "SIGHUP: the policy is loaded again");
                    let content = self.files.look(self.palisade.files());
                    self.reload(content);
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Reloads if the files hold something else than what was loaded, and held the same at the
    /// look before.
    fn look(&mut self) {
        let content = self.files.look(self.palisade.files());
        if content == self.loaded {
            self.changed = None;
        } else if self.changed.as_ref() == Some(&content) {
            self.reload(content);
        } else {
            self.changed = Some(content);
        }
    }

    /// `before`: what the files hold. Should they change before they are read, the next look
    /// shows it.
    fn reload(&mut self, before: Content) {
        // What it comes to is in the log, unless the application's part of it panics.
        let reloaded = catch_unwind(AssertUnwindSafe(|| self.palisade.reload()));
        if reloaded.is_err() {
            tracing::error!(target: "palisade", "configuring the policy panicked");
        }
        self.changed = None;
        self.loaded = self.files.look(self.palisade.files());
        // The new version may refer to other files than the one before.
        self.loaded.replace_known(before);
    }
}

#[cfg(unix)]
mod signals {
    //! SIGHUP, handed on to the watcher.

    use signal_hook::{
        consts::SIGHUP,
        iterator::{Handle, Signals},
    };
    use std::{
        io,
        sync::mpsc::Sender,
        thread::{self, JoinHandle},
    };

    /// Waits for signals on a thread of its own.
    pub(super) struct Forwarded {
        handle: Handle,
        thread: Option<JoinHandle<()>>,
    }

    impl Forwarded {
        pub(super) fn to(wake: Sender<()>) -> io::Result<Self> {
            let mut signals = Signals::new([SIGHUP])?;
            let handle = signals.handle();
            let thread = thread::Builder::new()
                .name("palisade-signals".to_owned())
                .spawn(move || {
                    for _ in signals.forever() {
                        if wake.send(()).is_err() {
                            return;
                        }
                    }
                })?;
            Ok(Self {
                handle,
                thread: Some(thread),
            })
        }

        pub(super) fn end(&mut self) {
            self.handle.close();
            if let Some(thread) = self.thread.take() {
                // Nobody could do anything about a panic.
                let _ = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests;
