//! The adapter: shows core the head, waits for the verdict, hands the grant on, and closes every response.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use palisade_conformance::Handled;
use palisade_core::{BodyWatch, Grant, HttpResponse, Palisade, Reply, RequestHead, Verdict};
use tokio::net::TcpListener;
use tokio::time::{Sleep, sleep};

/// What is served.
pub(crate) struct Site {
    pub(crate) palisade: Option<Palisade>,
    pub(crate) handled: Arc<Handled>,
    pub(crate) tells_peer: bool,
    /// Whether responses leave through `close`; an adapter that forgets it is found out.
    pub(crate) closes: bool,
}

/// Serves connections for ever.
pub(crate) async fn accept(listener: TcpListener, site: Arc<Site>) {
    while let Ok((stream, peer)) = listener.accept().await {
        let site = site.clone();
        let service = service_fn(move |request| {
            let site = site.clone();
            async move { Ok::<_, Infallible>(site.answer(request, peer).await.0) }
        });
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let served = server.serve_connection(TokioIo::new(stream), service);
            // A client that goes away is no failure.
            let _ = served.await;
        });
    }
}

impl Site {
    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        let (mut head, body) = request.into_parts();
        let mut body = Guarded { body, watch: None };
        let Some(palisade) = &self.palisade else {
            let answer = self.handle(&head, &mut body, None).await;
            return answer.unwrap_or_else(Answer::from);
        };
        let mut exchange = palisade.open(&Head {
            head: &head,
            peer: self.tells_peer.then_some(peer),
        });
        let mut verdict = poll_fn(|context| exchange.poll_decide(context)).await;
        if let Verdict::Collect(guard) = verdict {
            body.watch = Some(guard.with_timer(sleep));
            let collected = body.read().await;
            exchange.collected(collected.ok());
            verdict = poll_fn(|context| exchange.poll_decide(context)).await;
        }
        let mut answer = match verdict {
            // Core asks for a body once.
            Verdict::Collect(_) => exchange.panicked().into(),
            Verdict::Answer(reply) | Verdict::Refuse(reply) => reply.into(),
            Verdict::Admit(admission) => {
                admission.edits.make_in(&mut head.headers);
                body.watch = admission.body.map(|guard| guard.with_timer(sleep));
                let handler = self.handle(&head, &mut body, Some(admission.grant));
                match AssertUnwindSafe(handler).catch_unwind().await {
                    Ok(answer) => answer.unwrap_or_else(Answer::from),
                    Err(_) => exchange.panicked().into(),
                }
            }
        };
        if self.closes {
            exchange.close(&mut answer);
        }
        answer
    }
}

/// A request's head, as core sees it.
struct Head<'a> {
    head: &'a Parts,
    peer: Option<SocketAddr>,
}

impl RequestHead for Head<'_> {
    fn method(&self) -> &[u8] {
        self.head.method.as_str().as_bytes()
    }

    fn target(&self) -> &[u8] {
        let target = self.head.uri.path_and_query();
        target.map_or("", |target| target.as_str()).as_bytes()
    }

    fn scheme(&self) -> Option<&[u8]> {
        self.head.uri.scheme_str().map(str::as_bytes)
    }

    fn authority(&self) -> Option<&[u8]> {
        let authority = self.head.uri.authority();
        authority.map(|authority| authority.as_str().as_bytes())
    }

    fn http2(&self) -> bool {
        self.head.version == Version::HTTP_2
    }

    fn headers<'h>(&'h self, each: &mut dyn FnMut(&'h str, &'h [u8])) {
        for (name, value) in &self.head.headers {
            each(name.as_str(), value.as_bytes());
        }
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    fn tls(&self) -> bool {
        false
    }
}

/// A request's body under the watch of its rule.
pub(crate) struct Guarded {
    body: Incoming,
    watch: Option<BodyWatch<Sleep>>,
}

impl Guarded {
    /// All of it.
    ///
    /// # Errors
    /// The client broke it off, or the watch stopped it.
    pub(crate) async fn read(&mut self) -> Result<Bytes, Box<dyn Error>> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// All of it, for an extractor.
    ///
    /// # Errors
    /// As core refuses it: also where it is longer than an extractor may read.
    pub(crate) async fn read_for(&mut self, grant: &Grant) -> Result<Bytes, Reply> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await.map_err(|why| grant.body_failed(&*why))? {
            whole.extend_from_slice(&chunk);
            if whole.len() as u64 > grant.max_body() {
                return Err(grant.body_too_large());
            }
        }
        Ok(whole.freeze())
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Box<dyn Error>> {
        poll_fn(
            |context| match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(None) => Poll::Ready(Ok(None)),
                Poll::Ready(Some(Err(why))) => Poll::Ready(Err(why.into())),
                Poll::Ready(Some(Ok(frame))) => {
                    let chunk = frame.into_data().unwrap_or_default();
                    let counted = self.watch.as_mut().map(|watch| watch.count(chunk.len()));
                    Poll::Ready(match counted {
                        Some(Err(refused)) => Err(refused.into()),
                        _ => Ok(Some(chunk)),
                    })
                }
                Poll::Pending => match &mut self.watch {
                    Some(watch) => watch
                        .poll_timeout(context)
                        .map(|refused| Err(refused.into())),
                    None => Poll::Pending,
                },
            },
        )
        .await
    }
}

/// A response on its way out.
pub(crate) struct Answer(pub(crate) Response<UnsyncBoxBody<Bytes, io::Error>>);

impl Answer {
    pub(crate) fn new(status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        let body = Full::new(body).map_err(|never| match never {});
        let mut response = Response::new(body.boxed_unsync());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Self(response)
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        let mut headers = HeaderMap::new();
        for (name, value) in reply.headers {
            headers.append(name, value);
        }
        Self::new(reply.status, headers, reply.body)
    }
}

impl HttpResponse for Answer {
    fn status(&self) -> StatusCode {
        self.0.status()
    }

    fn header_map(&self) -> &HeaderMap {
        self.0.headers()
    }

    fn header_map_mut(&mut self) -> &mut HeaderMap {
        self.0.headers_mut()
    }

    fn replace(&mut self, reply: Reply) {
        *self = reply.into();
    }
}
