//! Request bodies under the watch of their rule.

use actix_web::{dev::Payload, error::PayloadError, web::Bytes};
use futures_util::{Stream, StreamExt};
use palisade_core::BodyGuard;

/// The payload, ended with an error once it is larger than its rule allows.
pub(crate) fn guarded(payload: Payload, guard: BodyGuard) -> Payload {
    let watched = payload.map(move |chunk| {
        let chunk = chunk?;
        match guard.count(chunk.len()) {
            Ok(()) => Ok(chunk),
            Err(_) => Err(PayloadError::Overflow),
        }
    });
    let watched: std::pin::Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> =
        Box::pin(watched);
    Payload::Stream { payload: watched }
}
