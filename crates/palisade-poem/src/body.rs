//! Request bodies under the watch of their rule.

use bytes::Bytes;
use futures_util::StreamExt;
use palisade_core::BodyGuard;
use poem::Body;
use std::io::{Error, ErrorKind};

/// The body, ended with an error once it is larger than its rule allows.
pub(crate) fn guarded(body: Body, guard: BodyGuard) -> Body {
    let watched = body.into_bytes_stream().map(move |chunk| {
        let chunk: Bytes = chunk?;
        match guard.count(chunk.len()) {
            Ok(()) => Ok(chunk),
            Err(why) => Err(Error::new(ErrorKind::FileTooLarge, why)),
        }
    });
    Body::from_bytes_stream(watched)
}
