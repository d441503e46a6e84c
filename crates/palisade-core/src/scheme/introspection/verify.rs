//! Finds opaque tokens in requests, asks about them, and judges what is said.

use super::memory::{self, Digest, Memory};
use crate::{
    companion::Introspector,
    jwt::{TokenError, TokenRules},
    ports::{BoxFuture, Clock, SourceError},
    principal::Principal,
    revocation::Revocations,
    scheme::{
        Carrier, Carriers, Challenge, Credential, Expected, Outcome, Presented, Rejected, Scheme,
        Verification, flights::Flights, token, unless_revoked,
    },
    view::View,
};
use secrecy::SecretString;
use std::sync::{Arc, Once};

/// The scheme, ready to verify.
#[derive(Debug)]
pub(super) struct Opaque {
    pub(super) name: String,
    pub(super) carriers: Carriers,
    pub(super) challenge: Challenge,
    pub(super) judge: Arc<Judge>,
}

/// Judges tokens; a request that waits for an answer holds on to it.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) rules: TokenRules,
    pub(super) introspector: Arc<dyn Introspector>,
    pub(super) memory: Memory,
    pub(super) flights: Arc<Flights<Answer>>,
    pub(super) revocations: Option<Arc<dyn Revocations>>,
    pub(super) clock: Arc<dyn Clock>,
    /// Whether the log says already that the server does not know what `active` is.
    pub(super) told_active_type: Once,
    /// Whether the log says already that the server writes `exp` in milliseconds.
    pub(super) told_milliseconds: Once,
}

/// What the server says of a token, judged.
#[derive(Debug, Clone)]
pub(super) enum Judged {
    Good {
        principal: Principal,
        expires_at: u64,
    },
    Bad(Rejected),
}

/// A judgement, or nobody could tell.
pub(super) type Answer = Result<Judged, SourceError>;

impl Judge {
    /// Asks about the token and remembers the answer.
    fn ask(self: &Arc<Self>, token: &str, digest: Digest, now: u64) -> BoxFuture<Answer> {
        let judge = Arc::clone(self);
        let answer = self.introspector.ask(SecretString::from(token));
        Box::pin(async move {
            let answer = answer.await?;
            // The question took time; and a clock that was set back meanwhile extends nothing.
            let now = now.max(judge.clock.unix_millis() / 1000);
            let judged = judge.judge(answer, now)?;
            judge.memory.keep(digest, &judged, now);
            Ok(judged)
        })
    }

    /// An answer that can be read in two ways is none: the server is broken, the token may be good.
    fn judge(&self, answer: String, now: u64) -> Answer {
        match self.rules.read(answer, None, now) {
            Ok(token) => {
                if token.expires_in_milliseconds() {
                    token::tell_milliseconds(&self.told_milliseconds, self.rules.issuer());
                }
                Ok(Judged::Good {
                    expires_at: token.expires_at(),
                    principal: Principal::from(token),
                })
            }
            Err(why @ (TokenError::Json | TokenError::DuplicateMember)) => Err(SourceError::new(
                "introspection",
                format!("the answer cannot be used: {}", why.reason()),
            )),
            Err(why) => {
                if why == TokenError::ActiveType {
                    self.tell_active_type();
                }
                Ok(Judged::Bad(token::rejected(why)))
            }
        }
    }

    /// What follows from an answer. A good token may have been taken back here, whatever the server says.
    fn settle(&self, answer: Answer) -> Verification {
        let outcome = match answer {
            Ok(Judged::Good { principal, .. }) => Outcome::Verified(principal),
            Ok(Judged::Bad(rejected)) => Outcome::Rejected(rejected),
            Err(source) => Outcome::Unavailable(source),
        };
        unless_revoked(self.revocations.as_deref(), outcome)
    }

    fn tell_active_type(&self) {
        self.told_active_type.call_once(|| {
            let issuer = self.rules.issuer();
            tracing::warn!(
                target: "palisade",
                issuer,
                "the server's answers do not say true or false for `active`; such tokens are refused (RFC 7662 §2.2)"
            );
        });
    }
}

/// The token as text, if it can be one (RFC 6749 appendix A.12) and is not too long.
fn text(token: &[u8], max_bytes: usize) -> Result<&str, TokenError> {
    if token.len() > max_bytes {
        return Err(TokenError::TooLong);
    }
    let visible = token.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let text = std::str::from_utf8(token).ok().filter(|_| visible);
    text.ok_or(TokenError::Characters)
}

impl Scheme for Opaque {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "introspection"
    }

    fn carriers(&self) -> &[Carrier] {
        self.carriers.as_slice()
    }

    fn read<'h>(&self, head: &View<'h>, place: usize) -> Presented<'h> {
        self.carriers.read(head, place)
    }

    /// Nothing shows from outside whose an opaque token is, and a server may well give JWTs that it wants to be asked
    /// about.
    fn takes_the_rest(&self) -> bool {
        true
    }

    fn verify(&self, credential: &Credential<'_>, unix_seconds: u64) -> Verification {
        let judge = &self.judge;
        let text = match text(&credential.bytes, judge.rules.max_bytes()) {
            Ok(text) => text,
            Err(why) => return Verification::Done(Outcome::Rejected(token::rejected(why))),
        };
        let digest = memory::digest(text.as_bytes());
        if let Some(judged) = judge.memory.recall(&digest, unix_seconds) {
            return judge.settle(Ok(judged));
        }
        let ask = || judge.ask(text, digest, unix_seconds);
        match judge.flights.join(digest, ask) {
            Ok(flight) => {
                let judge = Arc::clone(judge);
                Verification::Remote(Box::pin(async move {
                    judge.settle(flight.await).outcome().await
                }))
            }
            Err(busy) => Verification::Done(Outcome::Unavailable(busy)),
        }
    }

    fn challenge(&self) -> Option<Challenge> {
        Some(self.challenge.clone())
    }

    fn issuers(&self) -> Vec<String> {
        self.judge.rules.issuers().map(str::to_owned).collect()
    }

    fn expects(&self) -> Vec<Expected> {
        self.judge.rules.expects()
    }

    fn ready(&self) -> Option<BoxFuture<Result<(), SourceError>>> {
        Some(self.judge.introspector.ready())
    }
}
