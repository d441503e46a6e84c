//! Request bodies under the watch of their rule.

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use palisade_core::{BodyGuard, BodyTooLarge};
use pin_project_lite::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// A request body that ends with an error once it is larger than its rule allows. Without
    /// such a rule it streams through untouched.
    #[derive(Debug)]
    pub struct GuardedBody<B> {
        #[pin]
        inner: B,
        guard: Option<BodyGuard>,
    }
}

/// Why a guarded body ended early.
#[derive(Debug)]
pub enum BodyError<E> {
    /// The body is larger than its rule allows.
    TooLarge(BodyTooLarge),
    /// The body itself failed.
    Inner(E),
}

impl<B> GuardedBody<B> {
    pub(crate) fn new(inner: B, guard: Option<BodyGuard>) -> Self {
        Self { inner, guard }
    }

    /// The body itself, unless a rule limits it.
    #[cfg(feature = "axum")]
    pub(crate) fn unguarded(self) -> Result<B, Self> {
        match self.guard {
            None => Ok(self.inner),
            Some(_) => Err(self),
        }
    }
}

impl<B: Default> Default for GuardedBody<B> {
    fn default() -> Self {
        Self::new(B::default(), None)
    }
}

impl<B: Body<Data = Bytes>> Body for GuardedBody<B> {
    type Data = Bytes;
    type Error = BodyError<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            let frame = frame.map_err(BodyError::Inner)?;
            if let (Some(guard), Some(data)) = (this.guard, frame.data_ref()) {
                guard.count(data.remaining()).map_err(BodyError::TooLarge)?;
            }
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<E: fmt::Display> fmt::Display for BodyError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::TooLarge(why) => why.fmt(f),
            BodyError::Inner(why) => why.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for BodyError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BodyError::TooLarge(why) => Some(why),
            BodyError::Inner(why) => Some(why),
        }
    }
}
