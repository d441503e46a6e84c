//! A good credential that was taken back.

use super::{Outcome, Rejected, Verification};
use crate::revocation::{Revocable, Revocation, Revocations};

/// What is left of an outcome once the revocations have been asked about a credential that was found good.
pub(crate) fn unless_revoked(
    revocations: Option<&dyn Revocations>,
    outcome: Outcome,
) -> Verification {
    let (Some(revocations), Outcome::Verified(principal)) = (revocations, &outcome) else {
        return Verification::Done(outcome);
    };
    if principal.unread().id {
        // What cannot be named cannot have been taken back, and must not be good for that.
        return Verification::Done(rejected("claim_type"));
    }
    match revocations.check(&Revocable::of(principal)) {
        Revocation::Known(false) => Verification::Done(outcome),
        Revocation::Known(true) => Verification::Done(rejected("revoked")),
        Revocation::Ask(answer) => Verification::Remote(Box::pin(async move {
            match answer.await {
                Ok(false) => outcome,
                Ok(true) => rejected("revoked"),
                Err(source) => Outcome::Unavailable(source),
            }
        })),
    }
}

fn rejected(cause: &'static str) -> Outcome {
    Outcome::Rejected(Rejected {
        cause,
        hint: None,
        claim: None,
    })
}
