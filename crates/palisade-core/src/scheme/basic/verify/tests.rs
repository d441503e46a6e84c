use super::*;
use crate::{
    Basic, BasicAccount, Clock, Mistakes, Policy, Secret, Store,
    companion::{self, AccountTable, Companion, Companions, Databases, KeyStore, KeyTable, Unfit},
    jwt::PrincipalKind,
    revocation::{Revocable, Revocation},
    scheme::SchemeConfig,
};
use argon2::{Argon2, Params, PasswordHasher};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{
    num::NonZero,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

const SECOND: u64 = 1_000_000_000;

/// A hash that takes microseconds.
fn tiny(password: &str) -> String {
    let argon2 = Argon2::from(Params::new(8, 1, 1, None).unwrap());
    let hash = argon2.hash_password_with_salt(password.as_bytes(), b"0123456789abcdef");
    hash.unwrap().to_string()
}

/// Work for each thread that hashes, until what comes with it is dropped.
fn busy() -> (Vec<impl Future>, mpsc::Sender<()>) {
    let (free, gate) = mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let work = (0..threads).map(|_| {
        let gate = Arc::clone(&gate);
        // Nothing is ever sent: the end of the sender is the signal.
        Pool::shared().run(move || gate.lock().unwrap().recv().is_err())
    });
    (work.collect(), free)
}

/// Accounts in memory, and the hashes that were replaced.
#[derive(Debug, Default)]
struct Memory {
    accounts: Mutex<HashMap<String, companion::Account>>,
    broken: bool,
    upgraded: Mutex<Vec<(String, String, String)>>,
}

#[derive(Debug)]
struct Shared(Arc<Memory>);

impl Memory {
    fn put(&self, name: &str, password_hash: &str, active: bool) {
        let account = companion::Account {
            password_hash: password_hash.into(),
            principal: Principal::new("palisade:basic/s", name),
            active,
        };
        let mut accounts = self.accounts.lock().unwrap();
        accounts.insert(name.to_owned(), account);
    }
}

impl AccountStore for Shared {
    fn by_name(&self, name: &str) -> BoxFuture<Result<Option<companion::Account>, SourceError>> {
        let answer = match self.0.broken {
            true => Err(SourceError::new("database", "it is locked")),
            false => Ok(self.0.accounts.lock().unwrap().get(name).cloned()),
        };
        Box::pin(async { answer })
    }
    fn upgrade(&self, name: &str, old_hash: &str, new_hash: &str) {
        let change = (name.to_owned(), old_hash.to_owned(), new_hash.to_owned());
        self.0.upgraded.lock().unwrap().push(change);
    }
    fn ready(&self) -> BoxFuture<Result<(), SourceError>> {
        Box::pin(async { Ok(()) })
    }
}

impl Databases for Shared {
    fn api_keys(&self, _: KeyTable) -> Result<Arc<dyn KeyStore>, Unfit> {
        Err(Unfit::new("store", "has no keys"))
    }
    fn accounts(&self, source: AccountTable) -> Result<Arc<dyn AccountStore>, Unfit> {
        assert_eq!((&*source.scheme, source.freshness_seconds), ("s", 5));
        Ok(Arc::new(Shared(Arc::clone(&self.0))))
    }
}

impl Companion for Shared {
    fn register(self, companions: &mut Companions) {
        companions.databases("memory", Arc::new(self));
    }
}

/// A clock whose monotonic time is the test's.
#[derive(Debug, Default)]
struct At(AtomicU64);

impl Clock for At {
    fn unix_millis(&self) -> u64 {
        1_800_000_000_000
    }
    fn monotonic_nanos(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A clock that notes until when it is to wait, and lets go only when told.
#[derive(Debug, Default)]
struct Holding {
    until: Mutex<Vec<u64>>,
    lets_go: Arc<AtomicBool>,
}

impl Clock for Holding {
    fn unix_millis(&self) -> u64 {
        1_800_000_000_000
    }
    fn monotonic_nanos(&self) -> u64 {
        7
    }
    fn wait_until(&self, monotonic_nanos: u64) -> BoxFuture<Result<(), SourceError>> {
        self.until.lock().unwrap().push(monotonic_nanos);
        let lets_go = Arc::clone(&self.lets_go);
        Box::pin(std::future::poll_fn(move |_| match lets_go.load(Relaxed) {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }))
    }
}

/// Who was taken back, known after asking.
#[derive(Debug)]
struct TakenBack(&'static str);

impl Revocations for TakenBack {
    fn check(&self, credential: &Revocable<'_>) -> Revocation {
        let revoked = credential.subject == self.0;
        Revocation::Ask(Box::pin(async move { Ok(revoked) }))
    }
}

fn try_compile(config: &Basic, policy: &Policy) -> Result<Arc<dyn Scheme>, String> {
    let mut mistakes = Mistakes::default();
    let scheme = config.compile(&policy.build_context(), &mut mistakes);
    scheme.ok_or_else(|| mistakes.into_error().to_string())
}

fn compile(config: &Basic) -> (Arc<dyn Scheme>, Arc<At>) {
    let clock = Arc::new(At::default());
    let policy = Policy::default().with_clock(clock.clone());
    (try_compile(config, &policy).unwrap(), clock)
}

fn with_store(memory: &Arc<Memory>) -> Arc<dyn Scheme> {
    let policy = Policy::default().with(Shared(Arc::clone(memory)));
    let store = Store::new(Secret::value("memory:accounts"));
    try_compile(&Basic::new("s").store(store), &policy).unwrap()
}

fn services() -> Basic {
    Basic::new("s")
        .account(BasicAccount::new("backup", tiny("horse")).scopes(["read"]))
        .account(BasicAccount::new("gone", tiny("horse")).active(false))
}

fn wait<T>(mut future: BoxFuture<T>) -> T {
    loop {
        let polled = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(done) = polled {
            return done;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}

fn credential(pair: &str) -> Credential<'static> {
    Credential {
        bytes: STANDARD.encode(pair).into_bytes().into(),
        carrier: 0,
    }
}

fn verify(scheme: &dyn Scheme, pair: &str) -> String {
    told(scheme.verify(&credential(pair), 0))
}

/// Who it is, or the word for the audit; a `?` before it if it took its time.
fn told(judgement: Verification) -> String {
    let (later, outcome) = match judgement {
        Verification::Done(outcome) => ("", outcome),
        Verification::Remote(future) => ("?", wait(future)),
    };
    let word = match outcome {
        Outcome::Verified(principal) => principal.subject().to_owned(),
        Outcome::Rejected(rejected) | Outcome::Disabled(rejected) => rejected.cause.to_owned(),
        Outcome::Unavailable(source) => source.to_string(),
    };
    format!("{later}{word}")
}

#[test]
fn a_right_password_speaks_for_its_account() {
    let account = BasicAccount::new("backup", tiny("horse"));
    let account = account.scopes(["read"]).roles(["ops"]).tenant("acme");
    let (scheme, _) = compile(&Basic::new("s").account(account));
    let Verification::Remote(judgement) = scheme.verify(&credential("backup:horse"), 0) else {
        panic!("nobody hashed it")
    };
    let Outcome::Verified(caller) = wait(judgement) else {
        panic!("it is right")
    };
    assert_eq!(
        (caller.issuer(), caller.subject()),
        ("palisade:basic/s", "backup")
    );
    assert_eq!(caller.principal_kind(), PrincipalKind::Client);
    assert!(caller.has_scope("read") && caller.has_role("ops"));
    assert_eq!(caller.tenant_name(), Some("acme"));
    assert_eq!(caller.credential_name(), Some("backup"));
    assert!(!scheme.shows_credential());
    assert!(scheme.carriers().iter().all(Carrier::is_ambient));
    let challenge = scheme.challenge().unwrap();
    assert_eq!(
        challenge.to_value(),
        r#"Basic realm="api", charset="UTF-8""#
    );
}

#[test]
fn every_refusal_has_its_cause_and_hashes_a_password() {
    let (scheme, _) = compile(&services());
    for (pair, cause) in [
        ("backup:Horse", "?password_wrong"),
        ("backup:", "?password_wrong"),
        ("Backup:horse", "?account_unknown"),
        (":", "?account_unknown"),
        ("gone:horse", "?account_disabled"),
        ("gone:other", "?password_wrong"),
        // These cost nothing, whoever is meant.
        ("backup", "basic_no_colon"),
        ("backup:horse\n", "basic_control_character"),
    ] {
        assert_eq!(verify(&*scheme, pair), cause, "{pair}");
    }
}

#[test]
fn a_verified_password_is_remembered_for_a_minute() {
    let (scheme, clock) = compile(&services());
    assert_eq!(verify(&*scheme, "backup:horse"), "?backup");
    assert_eq!(verify(&*scheme, "backup:horse"), "backup");
    assert_eq!(verify(&*scheme, "backup:hors"), "?password_wrong");
    clock.0.store(60 * SECOND - 1, Relaxed);
    assert_eq!(verify(&*scheme, "backup:horse"), "backup");
    clock.0.store(60 * SECOND, Relaxed);
    assert_eq!(verify(&*scheme, "backup:horse"), "?backup");
    // That the password is right does not make an account active.
    assert_eq!(verify(&*scheme, "gone:horse"), "?account_disabled");
    assert_eq!(verify(&*scheme, "gone:horse"), "account_disabled");
}

/// Or every client with more connections than the pool takes would be refused once a minute.
#[test]
fn requests_that_come_together_share_one_hash() {
    let (scheme, _) = compile(&services());
    for (password, right) in [("horse", true), ("other", false)] {
        let bytes = STANDARD.encode(format!("backup:{password}")).into_bytes();
        let credential = Credential {
            bytes: bytes.into(),
            carrier: 0,
        };
        let mut waiting: Vec<_> = (0..200)
            .map(|_| match scheme.verify(&credential, 0) {
                Verification::Remote(judgement) => judgement,
                done => panic!("{done:?}"),
            })
            .collect();
        let mut context = Context::from_waker(Waker::noop());
        let busy = busy();
        for judgement in &mut waiting {
            assert!(judgement.as_mut().poll(&mut context).is_pending());
        }
        drop(busy);
        for judgement in waiting {
            assert_eq!(matches!(wait(judgement), Outcome::Verified(_)), right);
        }
    }
}

#[test]
fn another_password_is_in_force_at_once() {
    let memory = Arc::new(Memory::default());
    memory.put("alice", &tiny("old"), true);
    let scheme = with_store(&memory);
    assert_eq!(verify(&*scheme, "alice:old"), "?alice");
    assert_eq!(verify(&*scheme, "alice:old"), "?alice");
    memory.put("alice", &tiny("new"), true);
    assert_eq!(verify(&*scheme, "alice:old"), "?password_wrong");
    assert_eq!(verify(&*scheme, "alice:new"), "?alice");
    memory.put("alice", &tiny("new"), false);
    assert_eq!(verify(&*scheme, "alice:new"), "?account_disabled");
    memory.accounts.lock().unwrap().clear();
    assert_eq!(verify(&*scheme, "alice:new"), "?account_unknown");
}

#[test]
fn a_weak_hash_of_the_store_is_replaced_once_the_password_is_there() {
    let memory = Arc::new(Memory::default());
    let old = bcrypt::hash("horse", 4).unwrap();
    memory.put("alice", &old, true);
    let scheme = with_store(&memory);
    assert_eq!(verify(&*scheme, "alice:wrong"), "?password_wrong");
    assert!(memory.upgraded.lock().unwrap().is_empty());
    assert_eq!(verify(&*scheme, "alice:horse"), "?alice");
    let upgraded = memory.upgraded.lock().unwrap().clone();
    let [(name, from, to)] = upgraded.as_slice() else {
        panic!("{}", upgraded.len())
    };
    assert_eq!((name.as_str(), from), ("alice", &old));
    assert_eq!(password::verify("horse", to), Ok(true));
    memory.put("alice", to, true);
    assert_eq!(verify(&*scheme, "alice:horse"), "?alice");
    assert_eq!(memory.upgraded.lock().unwrap().len(), 1);
}

#[test]
fn an_explained_login_replaces_no_hash() {
    let memory = Arc::new(Memory::default());
    memory.put("alice", &bcrypt::hash("horse", 4).unwrap(), true);
    let scheme = with_store(&memory);
    assert_eq!(
        told(scheme.rehearse(&credential("alice:horse"), 0)),
        "?alice"
    );
    assert!(memory.upgraded.lock().unwrap().is_empty());
    assert_eq!(verify(&*scheme, "alice:horse"), "?alice");
    assert_eq!(memory.upgraded.lock().unwrap().len(), 1);
}

#[test]
fn a_store_that_is_gone_or_holds_no_hash_admits_nobody() {
    let memory = Arc::new(Memory::default());
    memory.put("alice", "swordfish", true);
    assert_eq!(
        verify(&*with_store(&memory), "alice:swordfish"),
        "?account_unknown"
    );
    let broken = Arc::new(Memory {
        broken: true,
        ..Memory::default()
    });
    let scheme = with_store(&broken);
    assert_eq!(
        verify(&*scheme, "alice:horse"),
        "?database is unavailable: it is locked"
    );
    assert!(wait(scheme.ready().unwrap()).is_ok());
}

#[test]
fn a_caller_who_was_taken_back_is_refused_although_remembered() {
    let policy = Policy::default().with_revocations(Arc::new(TakenBack("backup")));
    let other = BasicAccount::new("other", tiny("horse"));
    let scheme = try_compile(&services().account(other), &policy).unwrap();
    for _ in 0..2 {
        assert_eq!(verify(&*scheme, "backup:horse"), "?revoked");
        assert_eq!(verify(&*scheme, "other:horse"), "?other");
    }
}

/// PITFALLS 60.
#[test]
fn an_unknown_account_takes_as_long_as_the_slowest() {
    let slow = Argon2::from(Params::new(64, 3, 1, None).unwrap());
    let slow = slow.hash_password_with_salt(b"horse", b"0123456789abcdef");
    let slow = BasicAccount::new("slow", slow.unwrap().to_string());
    let dummy = |config: &Basic, policy: &Policy| {
        let mut mistakes = Mistakes::default();
        let context = policy.build_context();
        let scheme = super::super::compile::compile(config, &context, &mut mistakes);
        scheme.unwrap().verifier.dummy.work()
    };
    let alone = Policy::default();
    assert_eq!(dummy(&services(), &alone), 8);
    assert_eq!(dummy(&services().account(slow), &alone), 64 * 3);
    let new = StoredPassword::nobodys().work();
    assert_eq!(dummy(&Basic::new("s"), &alone), new);
    let store = Store::new(Secret::value("memory:accounts"));
    let stored = Policy::default().with(Shared(Arc::default()));
    assert_eq!(dummy(&services().store(store), &stored), new);
}

/// Whoever is meant, whatever hash it has: no refusal is told before the same time. PITFALLS 60.
#[test]
fn a_refusal_is_held_back_until_the_same_time_for_everybody() {
    let clock = Arc::new(Holding::default());
    let policy = Policy::default().with_clock(clock.clone());
    let cheap = BasicAccount::new("cheap", bcrypt::hash("horse", 4).unwrap());
    let scheme = try_compile(&services().account(cheap), &policy).unwrap();
    let mut context = Context::from_waker(Waker::noop());
    for pair in ["backup:wrong", "cheap:wrong", "gone:wrong", "nobody:wrong"] {
        clock.lets_go.store(false, Relaxed);
        let Verification::Remote(mut judgement) = scheme.verify(&credential(pair), 0) else {
            panic!("{pair} is told at once")
        };
        while clock.until.lock().unwrap().is_empty() {
            assert!(judgement.as_mut().poll(&mut context).is_pending(), "{pair}");
        }
        assert!(judgement.as_mut().poll(&mut context).is_pending(), "{pair}");
        assert_eq!(
            std::mem::take(&mut *clock.until.lock().unwrap()),
            [7 + 250_000_000]
        );
        clock.lets_go.store(true, Relaxed);
        assert!(matches!(wait(judgement), Outcome::Rejected(_)), "{pair}");
    }
    // The password is known already to whoever is told of these; and nobody waits for an explanation.
    assert_eq!(verify(&*scheme, "backup:horse"), "?backup");
    assert_eq!(verify(&*scheme, "gone:horse"), "?account_disabled");
    let explained = told(scheme.rehearse(&credential("backup:wrong"), 0));
    assert_eq!(explained, "?password_wrong");
    assert!(clock.until.lock().unwrap().is_empty());
}

#[test]
fn of_two_schemes_each_knows_its_own() {
    let (scheme, _) = compile(&services());
    let fit = |pair: &str| scheme.fit(&credential(pair));
    assert_eq!(fit("backup:wrong"), Fit::Exact);
    assert_eq!(fit("other:horse"), Fit::Unlikely);
    assert!(!scheme.recognises(&Credential {
        bytes: STANDARD.encode(b"\xff").into_bytes().into(),
        carrier: 0,
    }));
}

/// Beside keys in Basic, which fit exactly: no account may change whose a credential is.
#[test]
fn whose_it_is_does_not_tell_which_accounts_there_are() {
    let stored = with_store(&Arc::new(Memory::default()));
    for scheme in [compile(&services()).0, stored] {
        for pair in ["backup:wrong", "backup:", "nobody:wrong", "nobody:", ":"] {
            assert!(scheme.recognises(&credential(pair)), "{pair}");
        }
        for pair in ["backup:", "nobody:", ":"] {
            assert!(scheme.fit(&credential(pair)) < Fit::Exact, "{pair}");
        }
    }
}

#[test]
fn every_mistake_is_found_and_no_hash_is_repeated() {
    let config = Basic::new("s")
        .account(BasicAccount::new("", tiny("a")))
        .account(BasicAccount::new("a:b", tiny("a")))
        .account(BasicAccount::new("a", "swordfish"))
        .account(BasicAccount::new("b", tiny("a")))
        .account(BasicAccount::new("b", tiny("a")));
    let error = try_compile(&config, &Policy::default()).unwrap_err();
    let keys: Vec<_> = error.lines().map(|one| one.split(": ").next()).collect();
    let expected = [
        Some("basic.s.account[0].name"),
        Some("basic.s.account[1].name"),
        Some("basic.s.account[2].password_hash"),
        Some("basic.s.account[4].name"),
    ];
    assert_eq!(keys, expected, "{error}");
    assert!(!error.contains("swordfish"), "{error}");
    let shown = format!("{:?}{:?}", services(), compile(&services()).0);
    assert!(!shown.contains("argon2"), "{shown}");
}
