//! Request bodies under the watch of their rule.

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use palisade_core::{BodyGuard, BodyRefused, BodyWatch};
use pin_project_lite::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::{Sleep, sleep};

pin_project! {
    /// A request body that ends with an error once it is larger or slower than its rule allows.
    /// Its timer is tokio's: where a body can be slow, the runtime must have one (`enable_time`).
    #[derive(Debug)]
    pub struct GuardedBody<B> {
        #[pin]
        inner: B,
        watch: Option<BodyWatch<Sleep>>,
    }
}

/// Why a guarded body ended early.
#[derive(Debug)]
pub enum BodyError<E> {
    /// The body is larger or slower than its rule allows.
    Refused(BodyRefused),
    /// The body itself failed.
    Inner(E),
}

impl<B> GuardedBody<B> {
    pub(crate) fn new(inner: B, guard: Option<BodyGuard>) -> Self {
        let watch = guard.map(|guard| guard.with_timer(sleep as fn(_) -> _));
        Self { inner, watch }
    }
}

#[cfg(feature = "axum")]
impl<B: Body> GuardedBody<B> {
    /// The body itself, if there is nothing to guard.
    pub(crate) fn unguarded(self) -> Result<B, Self> {
        match self.watch {
            Some(_) if !self.inner.is_end_stream() => Err(self),
            _ => Ok(self.inner),
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
        match (this.inner.poll_frame(context), this.watch) {
            (Poll::Ready(Some(Ok(frame))), Some(watch)) => {
                let length = frame.data_ref().map_or(0, Buf::remaining);
                let counted = watch.count(length).map_err(BodyError::Refused);
                Poll::Ready(Some(counted.map(|()| frame)))
            }
            (Poll::Pending, Some(watch)) => watch
                .poll_timeout(context)
                .map(|refused| Some(Err(BodyError::Refused(refused)))),
            (polled, _) => polled.map_err(BodyError::Inner),
        }
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
            BodyError::Refused(why) => why.fmt(f),
            BodyError::Inner(why) => why.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for BodyError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BodyError::Refused(why) => Some(why),
            BodyError::Inner(why) => Some(why),
        }
    }
}
