//! Request bodies under the watch of their rule.

use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, EitherBody, MessageBody},
    dev::Payload,
    error::PayloadError,
    http::ConnectionType,
    web::Bytes,
};
use futures_util::{Stream, StreamExt, stream::poll_fn};
use palisade_core::{BodyGuard, BodyRefused};
use pin_project_lite::pin_project;
use std::{
    cell::RefCell,
    fmt, io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// What a guarded payload reads from.
///
/// Once nobody has it any more, actix-web reads a body in chunks to its end before it closes the connection, however
/// long the client takes. What is still there when the response has been sent is cut off after `client_disconnect_timeout`.
#[derive(Clone)]
pub(crate) struct Source(Rc<RefCell<Payload>>);

/// The payload, ended with an error once its guard stops it.
pub(crate) fn guarded(payload: Payload, guard: BodyGuard) -> (Payload, Source) {
    let source = Source(Rc::new(RefCell::new(payload)));
    let payload = source.clone();
    let mut watch = guard.with_timer(tokio::time::sleep);
    let watched = poll_fn(move |context| {
        let polled = payload.0.borrow_mut().poll_next_unpin(context);
        match polled {
            Poll::Ready(Some(Ok(chunk))) => {
                let counted = watch.count(chunk.len());
                Poll::Ready(Some(counted.map(|()| chunk).map_err(stopped)))
            }
            Poll::Pending => watch
                .poll_timeout(context)
                .map(|refused| Some(Err(stopped(refused)))),
            other => other,
        }
    });
    let watched: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(watched);
    (Payload::Stream { payload: watched }, source)
}

impl Source {
    /// Stays until the response has been sent, if the connection closes after it.
    pub(crate) fn stay<B: MessageBody + 'static>(
        self,
        response: HttpResponse<EitherBody<B>>,
    ) -> HttpResponse<EitherBody<B>> {
        if response.head().connection_type() != ConnectionType::Close {
            return response;
        }
        let beside = |body| Beside { body, source: self };
        response.map_body(|_, body| EitherBody::right(BoxBody::new(beside(body))))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").finish_non_exhaustive()
    }
}

pin_project! {
    /// The body of a response, with what is left of the request.
    struct Beside<B> {
        #[pin]
        body: B,
        source: Source,
    }
}

impl<B: MessageBody> MessageBody for Beside<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, B::Error>>> {
        self.project().body.poll_next(context)
    }
}

fn stopped(refused: BodyRefused) -> PayloadError {
    match refused {
        BodyRefused::TooLarge { .. } => PayloadError::Overflow,
        _ => PayloadError::Io(io::Error::new(io::ErrorKind::TimedOut, refused)),
    }
}
