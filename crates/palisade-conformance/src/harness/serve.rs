//! What the three servers share: a socket, threads, and an end.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use palisade_example_demo::{Demo, Store};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::{Fixture, Running};

/// How long requests may go on after the end.
const DRAIN: Duration = Duration::from_secs(1);

/// How long the head of a request may take: no case is decided by it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// The threads of a server that is about to start.
pub(crate) struct Threads(Runtime);

impl Threads {
    /// Two, so that requests do run side by side.
    pub(crate) fn new() -> Result<Self, String> {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build();
        runtime.map(Self).map_err(|why| why.to_string())
    }

    /// The example application with an empty database and the demo's own data in it.
    pub(crate) fn demo(&self, fixture: &Fixture) -> Result<Demo, String> {
        let palisade = fixture.palisade()?;
        let open = async {
            let store = Store::open("sqlite::memory:").await?;
            store.load_demo_data("https://id.example.com").await?;
            Ok(store)
        };
        let store: Result<_, Box<dyn std::error::Error>> = self.0.block_on(open);
        let store = store.map_err(|why| why.to_string())?;
        Ok(Demo {
            store,
            palisade,
            head_timeout: HEAD_TIMEOUT,
        })
    }

    /// Serves until what is returned is dropped. `serve` gets a bound listener and a future that is ready at the end.
    pub(crate) fn serve<F>(
        self,
        serve: impl FnOnce(TcpListener, Stop) -> F + Send + 'static,
    ) -> Result<Running, String>
    where
        F: Future<Output = io::Result<()>>,
    {
        let (listener, address) = listen().map_err(|why| why.to_string())?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (late, too_late) = oneshot::channel::<()>();
        let server = move || {
            let stopped = async { stopped.await.unwrap_or_default() };
            let too_late = async {
                let _ = too_late.await;
                tokio::time::sleep(DRAIN).await;
            };
            self.0.block_on(async {
                tokio::select! {
                    served = serve(listener, Box::pin(stopped)) => served,
                    () = too_late => Ok(()),
                }
            })?;
            self.0.shutdown_timeout(DRAIN);
            Ok::<_, io::Error>(())
        };
        let thread = thread::Builder::new().name(address.to_string());
        thread.spawn(server).map_err(|why| why.to_string())?;
        Ok(Running::new(address, move || {
            // Nobody waits for the end: a server with an idle connection takes a second to drain.
            // Whoever listened is gone already if the server failed; its cases have said so.
            let _ = stop.send(());
            let _ = late.send(());
        }))
    }
}

/// Ready when the server shall end.
pub(crate) type Stop = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

fn listen() -> io::Result<(TcpListener, std::net::SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
