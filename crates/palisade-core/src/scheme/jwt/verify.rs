//! Finds bearer tokens in requests and judges them.

use super::live::LiveVerifier;
use crate::{
    jwt::{CachedVerifier, TokenError, TokenRules, VerifiedToken, has_form, peek_issuer},
    ports::{BoxFuture, Clock, SourceError},
    principal::Principal,
    revocation::Revocations,
    scheme::{
        Addressee, Carrier, Carriers, Challenge, Credential, Expected, Fit, Outcome, Presented,
        Scheme, Verification, token, unless_revoked,
    },
    view::View,
};
use secrecy::{ExposeSecret, SecretSlice};
use std::sync::{Arc, Once};

/// The scheme, ready to verify.
#[derive(Debug)]
pub(super) struct Bearer {
    pub(super) name: String,
    pub(super) carriers: Carriers,
    pub(super) challenge: Challenge,
    pub(super) judge: Arc<Judge>,
}

/// Judges tokens; a request that waits for new keys holds on to it.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) rules: Arc<TokenRules>,
    pub(super) verifier: Verifier,
    pub(super) revocations: Option<Arc<dyn Revocations>>,
    pub(super) clock: Arc<dyn Clock>,
    /// Whether the log says already that the issuer writes `exp` in milliseconds.
    pub(super) told_milliseconds: Once,
}

/// With which keys.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one for each scheme, and one pointer less for each token"
)]
pub(super) enum Verifier {
    /// Those of the policy.
    Fixed(CachedVerifier),
    /// Those that the issuer publishes.
    Live(LiveVerifier),
}

/// What came of verifying a token; the outer error says that nobody could.
type Judgement = Result<Result<Arc<VerifiedToken>, TokenError>, SourceError>;

impl Judge {
    fn judge(&self, token: &[u8], now: u64) -> Judgement {
        match &self.verifier {
            Verifier::Fixed(verifier) => Ok(verifier.verify(token, now)),
            Verifier::Live(live) => live.ask(|verifier| verifier.verify(token, now)),
        }
    }

    /// Fetches the keys anew for a token whose `kid` is unknown, if it is this issuer's by its own word and it is not
    /// too early to ask again.
    ///
    /// Nothing else has keys fetched. A token without `kid` that fits no key, and a bad signature under a known `kid`,
    /// wait for the next refresh: anybody can send those, and no issuer that rotates its keys makes them.
    fn renew(&self, token: &[u8]) -> Option<BoxFuture<()>> {
        let Verifier::Live(live) = &self.verifier else {
            return None;
        };
        let issuer = peek_issuer(token, self.rules.max_bytes());
        self.rules
            .is_for(issuer.as_deref())
            .then(|| live.renew())
            .flatten()
    }

    /// The time, after something was waited for; not before `then`, even if the clock has been set back.
    fn now_after(&self, then: u64) -> u64 {
        then.max(self.clock.unix_millis() / 1000)
    }

    /// What follows from a judgement. A good token may have been taken back, whenever it was verified.
    fn settle(&self, judgement: Judgement) -> Verification {
        let outcome = match judgement {
            Ok(Ok(token)) => {
                if token.expires_in_milliseconds() {
                    token::tell_milliseconds(&self.told_milliseconds, self.rules.issuer());
                }
                Outcome::Verified(Principal::from(token))
            }
            Ok(Err(why)) => Outcome::Rejected(token::rejected(why)),
            Err(source) => Outcome::Unavailable(source),
        };
        unless_revoked(self.revocations.as_deref(), outcome)
    }
}

impl Scheme for Bearer {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "jwt"
    }

    fn carriers(&self) -> &[Carrier] {
        self.carriers.as_slice()
    }

    fn read<'h>(&self, head: &View<'h>, place: usize) -> Presented<'h> {
        self.carriers.read(head, place)
    }

    fn recognises(&self, credential: &Credential<'_>) -> bool {
        let rules = &self.judge.rules;
        let issuer = peek_issuer(&credential.bytes, rules.max_bytes());
        // Where the issuer does not matter, the form still does.
        has_form(&credential.bytes, rules.max_bytes()) && rules.is_for(issuer.as_deref())
    }

    fn fit(&self, credential: &Credential<'_>) -> Fit {
        self.judge.rules.fit(&credential.bytes)
    }

    /// Tokens are signed.
    fn is_guessable(&self) -> bool {
        false
    }

    fn verify(&self, credential: &Credential<'_>, unix_seconds: u64) -> Verification {
        let judgement = self.judge.judge(&credential.bytes, unix_seconds);
        if let Ok(Err(TokenError::UnknownKey)) = judgement
            && let Some(renewal) = self.judge.renew(&credential.bytes)
        {
            let judge = Arc::clone(&self.judge);
            let token = SecretSlice::from(credential.bytes.to_vec());
            return Verification::Remote(Box::pin(async move {
                renewal.await;
                let now = judge.now_after(unix_seconds);
                let judgement = judge.judge(token.expose_secret(), now);
                judge.settle(judgement).outcome().await
            }));
        }
        self.judge.settle(judgement)
    }

    fn challenge(&self) -> Option<Challenge> {
        Some(self.challenge.clone())
    }

    fn issuers(&self) -> Vec<String> {
        self.judge.rules.issuers().map(str::to_owned).collect()
    }

    fn addressees(&self) -> Vec<Addressee> {
        self.judge.rules.addressees()
    }

    fn expects(&self) -> Vec<Expected> {
        self.judge.rules.expects()
    }

    fn ready(&self) -> Option<BoxFuture<Result<(), SourceError>>> {
        match &self.judge.verifier {
            Verifier::Fixed(_) => None,
            Verifier::Live(live) => Some(live.ready()),
        }
    }
}
