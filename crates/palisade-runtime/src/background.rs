//! A thread with a runtime of its own, for work that no single request owns.
//!
//! A companion fetches, polls and writes here and not on the application's runtime: actix-web has
//! a runtime for each worker, and a connection would die with the worker that opened it.
//!
//! ```
//! use palisade_runtime::Background;
//!
//! let background = Background::new("palisade-doc");
//! let answer = background.ask("example", async { Ok(6 * 7) });
//! // Any executor may wait for the answer, or none that knows tokio.
//! let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! assert_eq!(runtime.block_on(answer), Ok(42));
//! # Ok::<(), std::io::Error>(())
//! ```

use palisade_core::{BoxFuture, SourceError};
use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc},
    task::{Context, Poll},
    thread::{self, ThreadId},
    time::Duration,
};
use tokio::{
    runtime::{Builder, Handle},
    sync::{mpsc, oneshot, watch},
};

/// How long the thread waits, once stopped, for tasks that [finish](Background::spawn_finishing).
const GRACE: Duration = Duration::from_secs(5);

/// How much longer a dropping thread waits for that.
const MARGIN: Duration = Duration::from_secs(1);

/// Work in the background, on one thread. Cheap to clone.
///
/// The thread starts with the first piece of work. It stops when the last clone is dropped:
/// what runs then is cut off, except for tasks that [finish](Self::spawn_finishing). A piece of
/// work must therefore not hold a clone, unless it is meant to keep the thread alive.
#[derive(Clone)]
pub struct Background(Arc<Inner>);

struct Inner {
    name: &'static str,
    worker: Mutex<Option<Worker>>,
}

impl Background {
    /// `name` is the thread's, such as `palisade-oauth`; Linux shows its first 15 bytes.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self(Arc::new(Inner {
            name,
            worker: Mutex::new(None),
        }))
    }

    /// Runs a task until it ends or the thread stops. Never waits for it.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(entrance) = self.entrance() {
            drop(entrance.runtime.spawn(task));
        }
    }

    /// Runs a task that has something to finish, such as a last write: once the thread is told
    /// to stop, the task learns of it and has 5 seconds left.
    pub fn spawn_finishing<F>(&self, task: impl FnOnce(Stopping) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if let Some(entrance) = self.entrance() {
            let task = task(Stopping::new(entrance.stop));
            let finished = entrance.unfinished;
            drop(entrance.runtime.spawn(async move {
                task.await;
                drop(finished);
            }));
        }
    }

    /// Answers a question on the thread. The work begins at once and goes on to its end even if
    /// nobody waits any more; the future that is returned needs no runtime.
    ///
    /// # Errors
    /// Those of the work, and one that names `source` if the thread could not be started or was
    /// stopped before there was an answer.
    pub fn ask<T: Send + 'static>(
        &self,
        source: &'static str,
        work: impl Future<Output = Result<T, SourceError>> + Send + 'static,
    ) -> BoxFuture<Result<T, SourceError>> {
        let (tell, told) = oneshot::channel();
        self.spawn(async move {
            // Nobody listens any more: there is nobody to tell.
            let _ = tell.send(work.await);
        });
        Box::pin(async move {
            told.await.unwrap_or_else(|_| {
                let reason = "the background work ended without an answer";
                Err(SourceError::new(source, reason))
            })
        })
    }

    /// Starts the thread if need be. Without one the work is dropped, which whoever waits for it
    /// notices; the next piece of work tries again.
    fn entrance(&self) -> Option<Entrance> {
        let mut worker = self.0.worker.lock().unwrap_or_else(PoisonError::into_inner);
        if worker.is_none() {
            match Worker::start(self.0.name) {
                Ok(started) => *worker = Some(started),
                Err(error) => {
                    let thread = self.0.name;
                    tracing::error!(target: "palisade", thread, %error, "a background thread cannot be started");
                }
            }
        }
        worker.as_ref().map(|worker| worker.entrance.clone())
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Background").field(&self.0.name).finish()
    }
}

/// Ready once the thread is told to stop.
#[must_use = "a task that does not wait for it is cut off"]
pub struct Stopping(BoxFuture<()>);

impl Stopping {
    fn new(mut stop: watch::Receiver<()>) -> Self {
        // Nothing is ever sent: the end of the sender is the signal.
        Self(Box::pin(
            async move { while stop.changed().await.is_ok() {} },
        ))
    }
}

impl Future for Stopping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl fmt::Debug for Stopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stopping")
    }
}

/// The running thread. Dropping it stops the thread, and waits until it has, but not for ever.
struct Worker {
    entrance: Entrance,
    thread: ThreadId,
    ended: std_mpsc::Receiver<()>,
    stop: Option<watch::Sender<()>>,
}

/// How work gets to the thread.
#[derive(Clone)]
struct Entrance {
    runtime: Handle,
    stop: watch::Receiver<()>,
    /// Held by each task that has something to finish.
    unfinished: mpsc::Sender<()>,
}

impl Worker {
    fn start(name: &'static str) -> io::Result<Self> {
        let (stop, stopping) = watch::channel(());
        let (unfinished, mut finished) = mpsc::channel::<()>(1);
        let (tell_ended, ended) = std_mpsc::channel::<()>();
        let (tell_runtime, runtime) = std_mpsc::channel();
        let stopped = Stopping::new(stopping.clone());
        // The runtime is made, and dropped, on its own thread: tokio panics where one is dropped
        // inside of another.
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let runtime = match Builder::new_current_thread().enable_all().build() {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(tell_runtime.send(Err(error))),
                };
                if tell_runtime.send(Ok(runtime.handle().clone())).is_ok() {
                    runtime.block_on(async {
                        stopped.await;
                        let _ = tokio::time::timeout(GRACE, finished.recv()).await;
                    });
                }
                // Not dropped, which would wait for a name look-up that hangs.
                runtime.shutdown_background();
                drop(tell_ended);
            })?;
        let lost = |_| Err(io::Error::other("its thread ended at once"));
        Ok(Self {
            entrance: Entrance {
                runtime: runtime.recv().unwrap_or_else(lost)?,
                stop: stopping,
                unfinished,
            },
            thread: thread.thread().id(),
            ended,
            stop: Some(stop),
        })
    }

    /// Tells the thread to stop. The end of the senders is the signal: one to stop, one that
    /// nothing more can begin.
    fn stop(&mut self) {
        self.stop = None;
        self.entrance.unfinished = mpsc::channel(1).0;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop();
        if thread::current().id() != self.thread {
            let _ = self.ended.recv_timeout(GRACE + MARGIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        future::pending,
        sync::atomic::{AtomicBool, Ordering::SeqCst},
        sync::mpsc::RecvTimeoutError::Disconnected,
    };

    /// How long anything may take before it has failed.
    const PATIENCE: Duration = Duration::from_secs(120);

    /// Waits as a thread without any runtime does.
    fn wait<T>(future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        let waker = Arc::new(Unpark(thread::current())).into();
        let mut context = Context::from_waker(&waker);
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(value) => return value,
                Poll::Pending => thread::park(),
            }
        }
    }

    struct Unpark(thread::Thread);

    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    #[test]
    fn a_question_is_answered_on_the_thread_to_somebody_without_a_runtime() {
        let background = Background::new("palisade-test");
        let answer = wait(background.ask("test", async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(thread::current().name().map(str::to_owned))
        }));
        assert_eq!(answer, Ok(Some("palisade-test".to_owned())));
    }

    #[test]
    fn work_that_is_lost_is_an_error_and_not_a_wait() {
        let background = Background::new("palisade-test");
        let answer = background.ask::<()>("test", async { panic!("of a task") });
        assert!(wait(answer).is_err());
        let answer = background.ask::<()>("test", pending());
        drop(background);
        let error = wait(answer).unwrap_err();
        assert!(error.to_string().starts_with("test is unavailable"));
    }

    #[test]
    fn what_was_begun_is_finished_before_the_last_clone_is_gone() {
        let written = Arc::new(AtomicBool::new(false));
        let background = Background::new("palisade-test");
        let flag = Arc::clone(&written);
        background.spawn_finishing(|stopping| async move {
            stopping.await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            flag.store(true, SeqCst);
        });
        drop(background.clone());
        assert!(!written.load(SeqCst));
        drop(background);
        assert!(written.load(SeqCst));
    }

    #[test]
    fn it_can_be_dropped_anywhere() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let background = Background::new("palisade-test");
            background.spawn(pending());
            drop(background);
        });

        let background = Background::new("palisade-test");
        let own = background.clone();
        let (tell, told) = std_mpsc::channel();
        background.spawn(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            drop(own);
            tell.send(()).unwrap();
        });
        drop(background);
        told.recv_timeout(PATIENCE).unwrap();
    }

    #[test]
    fn a_look_up_that_hangs_does_not_hold_up_the_end() {
        let background = Background::new("palisade-test");
        let (begun, wait_begun) = std_mpsc::channel();
        let (release, released) = std_mpsc::channel::<()>();
        background.spawn(async move {
            let hanging = tokio::task::spawn_blocking(move || {
                begun.send(()).unwrap();
                let _ = released.recv();
            });
            let _ = hanging.await;
        });
        wait_begun.recv().unwrap();
        let mut worker = background.0.worker.lock().unwrap().take().unwrap();
        worker.stop();
        assert_eq!(worker.ended.recv_timeout(PATIENCE), Err(Disconnected));
        drop(release);
    }
}
