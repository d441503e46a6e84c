//! How exchanges were explained, in numbers.

use std::fmt;
use std::ops::AddAssign;

/// How many exchanges were explained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// The layer decided, and the explanation says the same.
    pub decided: usize,
    /// The layer admitted, as explained; then a guard, an extractor or the handler refused.
    pub refused_later: usize,
    /// Admitted as explained; then the client went away.
    pub aborted: usize,
    /// Of all these, how many belong to a policy that asks other services.
    pub with_services: usize,
    /// Refusals, and other answers of the layer, that core alone made the same, byte for byte.
    pub answered_by_core: usize,
    /// Refusals by the application, which has words of its own.
    pub refused_by_the_application: usize,
    /// What the explanation says is not what the server did.
    pub different: usize,
}

impl Explained {
    /// All exchanges whose explanation is what the server did.
    pub fn agreed(&self) -> usize {
        self.decided + self.refused_later + self.aborted
    }
}

impl AddAssign for Explained {
    fn add_assign(&mut self, more: Self) {
        self.decided += more.decided;
        self.refused_later += more.refused_later;
        self.aborted += more.aborted;
        self.with_services += more.with_services;
        self.answered_by_core += more.answered_by_core;
        self.refused_by_the_application += more.refused_by_the_application;
        self.different += more.different;
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "explain agrees with {} of {} exchanges ({} refused after the layer, {} aborted, {} with services beside)\n\
             {} answers are those of core alone; {} refusals are the application's",
            self.agreed(),
            self.agreed() + self.different,
            self.refused_later,
            self.aborted,
            self.with_services,
            self.answered_by_core,
            self.refused_by_the_application
        )
    }
}
