//! Judges names and passwords.

use super::{
    credentials::Credentials,
    remembered::{Remembered, Tag},
};
use crate::{
    audit::printable,
    cause::Cause,
    companion::AccountStore,
    outage::{Answer, Outage},
    password::{self, Cost, Pool, StoredPassword},
    ports::{BoxFuture, Clock, Entropy, SourceError},
    principal::Principal,
    revocation::Revocations,
    scheme::{
        Carrier, Carriers, Challenge, Credential, Fit, Occasion, Outcome, Presented, Rejected,
        Scheme, Verification, flights::Flights, unless_revoked,
    },
    view::View,
};
use secrecy::ExposeSecret;
use std::{collections::HashMap, fmt, sync::Arc};

/// The scheme, ready to verify.
#[derive(Debug)]
pub(super) struct BasicScheme {
    pub(super) name: String,
    pub(super) carriers: Carriers,
    pub(super) challenge: Challenge,
    pub(super) verifier: Arc<Verifier>,
}

/// No refusal of a name or a password is told earlier, in nanoseconds from when it was asked for. Stored hashes cost what
/// they cost, from 4 ms to seconds, and a database knows some names from memory: so the time would tell who exists.
const FLOOR_NANOS: u64 = 250_000_000;

/// What passwords are verified with; shared with judgements that wait.
pub(super) struct Verifier {
    pub(super) accounts: HashMap<Box<str>, Account>,
    pub(super) store: Option<Arc<dyn AccountStore>>,
    /// What the password of an unknown account is hashed for, so that it costs the same.
    pub(super) dummy: Arc<StoredPassword>,
    pub(super) remembered: Remembered,
    pub(super) flights: Arc<Flights<Result<bool, SourceError>>>,
    pub(super) clock: Arc<dyn Clock>,
    /// Of hashes that should have been replaced.
    pub(super) upgrades: Outage,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) revocations: Option<Arc<dyn Revocations>>,
}

/// An account of the policy or of the store.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) password: Arc<StoredPassword>,
    pub(super) principal: Principal,
    pub(super) active: bool,
}

impl BasicScheme {
    fn judge(&self, credential: &Credential<'_>, occasion: Occasion) -> Verification {
        let presented = match Credentials::parse(&credential.bytes) {
            Ok(presented) => presented,
            Err(cause) => return Verification::Done(refused(cause)),
        };
        self.verifier.judge_at_once(&presented).unwrap_or_else(|| {
            let verifier = Arc::clone(&self.verifier);
            Verification::Remote(Box::pin(verifier.judge(presented, occasion)))
        })
    }
}

impl Verifier {
    /// The judgement that needs nobody: an account of the policy, whose password was verified a
    /// moment ago.
    fn judge_at_once(&self, presented: &Credentials) -> Option<Verification> {
        let account = self.accounts.get(presented.name())?;
        let tag = self.remembered.tag(presented, account.password.as_str());
        self.remembered.knows(&tag).then(|| self.settle(account))
    }

    /// The judgement that may look the account up and hash the password. It holds refusals back, outside of the
    /// threads that hash.
    async fn judge(self: Arc<Self>, presented: Credentials, occasion: Occasion) -> Outcome {
        let told_from = self.clock.monotonic_nanos().saturating_add(FLOOR_NANOS);
        let outcome = Arc::clone(&self).look_up(presented, occasion).await;
        if let (Outcome::Rejected(_), Occasion::Request) = (&outcome, occasion)
            && let Err(source) = self.clock.wait_until(told_from).await
        {
            return Outcome::Unavailable(source);
        }
        outcome
    }

    async fn look_up(self: Arc<Self>, presented: Credentials, occasion: Occasion) -> Outcome {
        let account = match self.find(presented.name()).await {
            Ok(account) => account,
            Err(source) => return Outcome::Unavailable(source),
        };
        let tag = self
            .remembered
            .tag(&presented, self.password_of(account.as_ref()).as_str());
        let same = match account.is_some() && self.remembered.knows(&tag) {
            true => Ok(true),
            false => self.hash(tag, account.clone(), presented, occasion).await,
        };
        let account = match (account, same) {
            (Some(account), Ok(true)) => account,
            (Some(_), Ok(_)) => return refused(Cause::PasswordWrong),
            (None, Ok(_)) => return refused(Cause::AccountUnknown),
            (_, Err(source)) => return Outcome::Unavailable(source),
        };
        match self.settle(&account) {
            Verification::Done(outcome) => outcome,
            Verification::Remote(outcome) => outcome.await,
        }
    }

    fn password_of<'a>(&'a self, account: Option<&'a Account>) -> &'a Arc<StoredPassword> {
        account.map_or(&self.dummy, |own| &own.password)
    }

    /// Hashes the password on a thread that may take its time, once for all requests that came
    /// with it meanwhile.
    async fn hash(
        self: &Arc<Self>,
        tag: Tag,
        account: Option<Account>,
        presented: Credentials,
        occasion: Occasion,
    ) -> Result<bool, SourceError> {
        let verifier = Arc::clone(self);
        let hash = async move {
            let password = Arc::clone(verifier.password_of(account.as_ref()));
            let own = presented.clone();
            let same = Pool::shared()
                .run(move || password.verify(own.password()))
                .await?
                .map_err(|why| SourceError::new("password hashing", why.to_string()))?;
            let Some(account) = account.filter(|_| same) else {
                return Ok(false);
            };
            // To remember it now would keep the next request from replacing its weak hash.
            if occasion == Occasion::Request {
                verifier.remembered.add(tag);
                verifier.upgrade(&account, &presented).await;
            }
            Ok(true)
        };
        self.flights.join(tag, || Box::pin(hash))?.await
    }

    async fn find(&self, name: &str) -> Result<Option<Account>, SourceError> {
        if let Some(account) = self.accounts.get(name) {
            return Ok(Some(account.clone()));
        }
        let Some(store) = &self.store else {
            return Ok(None);
        };
        let Some(account) = store.by_name(name).await? else {
            return Ok(None);
        };
        match StoredPassword::parse(account.password_hash.expose_secret()) {
            Ok(password) => Ok(Some(Account {
                password: Arc::new(password),
                principal: account.principal,
                active: account.active,
            })),
            Err(why) => {
                // To the caller this is an account that is not there.
                let account = &*printable(name);
                tracing::error!(target: "palisade", account, "the password hash {why}");
                Ok(None)
            }
        }
    }

    /// Replaces a hash of the store that is cheaper to guess than a new one may be. The password
    /// is at hand only now.
    async fn upgrade(&self, account: &Account, presented: &Credentials) {
        let name = presented.name();
        let Some(store) = &self.store else {
            return;
        };
        if self.accounts.contains_key(name) || !account.password.is_weak() {
            return;
        }
        let (entropy, own) = (Arc::clone(&self.entropy), presented.clone());
        let hash = move || password::hash(own.password(), Cost::default(), &*entropy);
        let now = self.clock.monotonic_nanos();
        match Pool::shared().run(hash).await.flatten() {
            Ok(hash) => {
                self.upgrades.is_over(Answer::Asked, now);
                store.upgrade(name, account.password.as_str(), &hash);
            }
            // The old one goes on serving.
            Err(source) => {
                if self.upgrades.begins(Answer::Asked, now) {
                    tracing::warn!(target: "palisade", "a password's hash was not renewed: {source}");
                }
            }
        }
    }

    /// What becomes of a caller whose password is right.
    fn settle(&self, account: &Account) -> Verification {
        if !account.active {
            return Verification::Done(Outcome::Disabled(Rejected {
                cause: Cause::AccountDisabled.as_str(),
                hint: None,
                claim: None,
            }));
        }
        let verified = Outcome::Verified(account.principal.clone());
        unless_revoked(self.revocations.as_deref(), verified)
    }
}

fn refused(cause: Cause) -> Outcome {
    Outcome::Rejected(Rejected {
        cause: cause.as_str(),
        hint: None,
        claim: None,
    })
}

impl Scheme for BasicScheme {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "basic"
    }

    fn carriers(&self) -> &[Carrier] {
        self.carriers.as_slice()
    }

    fn read<'h>(&self, head: &View<'h>, place: usize) -> Presented<'h> {
        self.carriers.read(head, place)
    }

    /// Whoever is meant: keys beside it in Basic are judged at once, and passwords later, so the time would tell which
    /// names are those of accounts.
    fn recognises(&self, credential: &Credential<'_>) -> bool {
        Credentials::parse(&credential.bytes).is_ok()
    }

    /// Of two sections with accounts the one that has this one. With an empty password, what has the form of a key is
    /// left to whoever reads keys.
    fn fit(&self, credential: &Credential<'_>) -> Fit {
        let Ok(presented) = Credentials::parse(&credential.bytes) else {
            return Fit::Unlikely;
        };
        let verifier = &self.verifier;
        let may_know = verifier.store.is_some() || verifier.accounts.contains_key(presented.name());
        match (may_know, presented.password()) {
            (false, _) => Fit::Unlikely,
            (true, "") => Fit::Possible,
            (true, _) => Fit::Exact,
        }
    }

    fn verify(&self, credential: &Credential<'_>, _unix_seconds: u64) -> Verification {
        self.judge(credential, Occasion::Request)
    }

    fn rehearse(&self, credential: &Credential<'_>, _unix_seconds: u64) -> Verification {
        self.judge(credential, Occasion::Explanation)
    }

    /// No handler needs the password.
    fn shows_credential(&self) -> bool {
        false
    }

    fn challenge(&self) -> Option<Challenge> {
        Some(self.challenge.clone())
    }

    fn ready(&self) -> Option<BoxFuture<Result<(), SourceError>>> {
        self.verifier.store.as_ref().map(|store| store.ready())
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("accounts", &self.accounts.len())
            .field("store", &self.store)
            .field("remembered", &self.remembered)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
