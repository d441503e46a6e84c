//! A good credential that was taken back.

use super::{Outcome, Rejected, Verification};
use crate::cause::Cause;
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
        return Verification::Done(rejected(Cause::ClaimType));
    }
    match revocations.check(&Revocable::of(principal)) {
        Revocation::Known(false) => Verification::Done(outcome),
        Revocation::Known(true) => Verification::Done(rejected(Cause::Revoked)),
        Revocation::Ask(answer) => Verification::Remote(Box::pin(async move {
            match answer.await {
                Ok(false) => outcome,
                Ok(true) => rejected(Cause::Revoked),
                Err(source) => Outcome::Unavailable(source),
            }
        })),
    }
}

fn rejected(cause: Cause) -> Outcome {
    Outcome::Rejected(Rejected {
        cause: cause.as_str(),
        hint: None,
        claim: None,
    })
}
