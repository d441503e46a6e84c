//! A server for what runs on hyper, with a time for the head of a request.

use hyper::{
    Request, Response,
    body::{Body, Bytes, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use std::{
    convert::Infallible,
    error::Error,
    future::{self, Future},
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

/// How long to wait where the system has no connection to give, such as for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves HTTP/1.1, and HTTP/2 with prior knowledge, until `shutdown` is ready and the last request
/// is answered. `answer` gets each request with the address it came from.
///
/// A connection on which the head of a request takes longer than `head_timeout` is closed, and so is
/// one that has no request for so long. Over HTTP/2 this holds for the first head; from then on a
/// client that gives no sign for twice as long is closed.
///
/// # Errors
/// The listener cannot be used.
pub async fn serve_with_hyper<A, F, B>(
    listener: TcpListener,
    head_timeout: Duration,
    shutdown: impl Future<Output = ()>,
    answer: A,
) -> io::Result<()>
where
    A: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(head_timeout)
        .keep_alive_timeout(head_timeout);
    let graceful = GracefulShutdown::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let Ok((stream, peer)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let first = Arc::new(Notify::new());
        let (begun, answer) = (first.clone(), answer.clone());
        let service = service_fn(move |request| {
            begun.notify_one();
            answer(request, peer)
        });
        let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let connection = graceful.watch(connection.into_owned());
        tokio::spawn(async move {
            tokio::select! {
                // What ends a connection before its time is the client's.
                _ = connection => {}
                () = no_request(&first, head_timeout) => {}
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
    Ok(())
}

/// Ready if the first request has not begun in time. hyper's own time begins when the version of the
/// protocol is known.
async fn no_request(first: &Notify, head_timeout: Duration) {
    if timeout(head_timeout, first.notified()).await.is_ok() {
        future::pending().await
    }
}
