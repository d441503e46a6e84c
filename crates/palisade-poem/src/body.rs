//! Request bodies under the watch of their rule.

use bytes::Bytes;
use futures_util::{StreamExt, stream::poll_fn};
use palisade_core::{BodyGuard, BodyRefused};
use poem::Body;
use std::{
    io::{Error, ErrorKind},
    task::Poll,
};

/// The body, ended with an error once its guard stops it.
pub(crate) fn guarded(body: Body, guard: BodyGuard) -> Body {
    let mut chunks = body.into_bytes_stream();
    let mut watch = guard.with_timer(tokio::time::sleep);
    let watched = poll_fn(move |context| match chunks.poll_next_unpin(context) {
        Poll::Ready(Some(Ok(chunk))) => {
            let counted = watch.count(chunk.len());
            Poll::Ready(Some(counted.map(|()| chunk).map_err(stopped)))
        }
        Poll::Pending => watch
            .poll_timeout(context)
            .map(|refused| Some(Err::<Bytes, _>(stopped(refused)))),
        other => other,
    });
    Body::from_bytes_stream(watched)
}

fn stopped(refused: BodyRefused) -> Error {
    let kind = match refused {
        BodyRefused::TooLarge { .. } => ErrorKind::FileTooLarge,
        _ => ErrorKind::TimedOut,
    };
    Error::new(kind, refused)
}
