//! What a grant remembers of the judgement, and whether the route has been found to agree with it.

use super::facts::PathBytes;
use crate::methods::MethodId;
use std::sync::{
    OnceLock,
    atomic::{AtomicU8, Ordering},
};

/// What a request was judged by.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) method: MethodId,
    pub(crate) path: PathBytes,
}

/// Whether a grant's rule has been found to be that of the route.
#[derive(Debug, Default)]
pub(crate) struct Confirmation {
    pub(super) state: AtomicU8,
    /// Why it is not, where the policy only reports it. The first reason stays.
    pub(super) reported: OnceLock<&'static str>,
}

impl Confirmation {
    pub(super) const CONFIRMED: u8 = 1;
    pub(super) const PROMISED: u8 = 2;
    pub(super) const LEFT: u8 = 3;

    pub(super) fn set(&self, to: u8) {
        self.state.store(to, Ordering::Relaxed);
    }

    pub(crate) fn is_confirmed(&self) -> bool {
        self.state.load(Ordering::Relaxed) == Self::CONFIRMED || self.reported.get().is_some()
    }

    pub(super) fn is_broken_promise(&self) -> bool {
        self.state.load(Ordering::Relaxed) == Self::PROMISED
    }

    /// Why the rule may not be that of the route, where the policy only reports it.
    pub(crate) fn reported(&self) -> Option<&'static str> {
        self.reported.get().copied()
    }
}
