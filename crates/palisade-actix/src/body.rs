//! Request bodies under the watch of their rule.

use actix_web::{dev::Payload, error::PayloadError, web::Bytes};
use futures_util::{Stream, StreamExt, stream::poll_fn};
use palisade_core::{BodyGuard, BodyRefused};
use std::{io, pin::Pin, task::Poll};

/// The payload, ended with an error once its guard stops it.
pub(crate) fn guarded(mut payload: Payload, guard: BodyGuard) -> Payload {
    let mut watch = guard.with_timer(tokio::time::sleep);
    let watched = poll_fn(move |context| match payload.poll_next_unpin(context) {
        Poll::Ready(Some(Ok(chunk))) => {
            let counted = watch.count(chunk.len());
            Poll::Ready(Some(counted.map(|()| chunk).map_err(stopped)))
        }
        Poll::Pending => watch
            .poll_timeout(context)
            .map(|refused| Some(Err(stopped(refused)))),
        other => other,
    });
    let watched: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(watched);
    Payload::Stream { payload: watched }
}

fn stopped(refused: BodyRefused) -> PayloadError {
    match refused {
        BodyRefused::TooLarge { .. } => PayloadError::Overflow,
        _ => PayloadError::Io(io::Error::new(io::ErrorKind::TimedOut, refused)),
    }
}
