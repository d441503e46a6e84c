use super::*;
use crate::{
    ApiKey, ApiKeyEntry, GeneratedKey, Mistakes, Policy, Secret, SourceError, Store, SystemEntropy,
    api_key::format,
    companion::{AccountStore, AccountTable, Companion, Companions, Databases, KeyTable, Unfit},
    generate_key,
    ports::BoxFuture,
    revocation::{Revocable, Revocation},
    scheme::{Credential, Scheme, SchemeConfig},
};
use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

const NOW: u64 = 1_800_000_000;

/// A database in memory that answers at once, later, or not at all.
#[derive(Debug, Default)]
struct Memory {
    keys: Mutex<Vec<(Option<String>, Arc<StoredKey>)>>,
    later: bool,
    broken: bool,
    used: Mutex<Vec<(String, u64)>>,
    asked: AtomicU64,
    opened: Mutex<Vec<KeyTable>>,
}

#[derive(Debug)]
struct Shared(Arc<Memory>);

impl Memory {
    fn answer(&self, found: Option<Arc<StoredKey>>) -> StoreAnswer {
        self.asked.fetch_add(1, Relaxed);
        let broken = SourceError::new("database", "it is locked");
        match (self.broken, self.later) {
            (true, _) => Answer::Ask(Box::pin(async { Err(broken) })),
            (_, true) => Answer::Ask(Box::pin(async { Ok(found) })),
            _ => Answer::Known(found),
        }
    }

    fn find(&self, fits: impl Fn(&Option<String>, &StoredKey) -> bool) -> StoreAnswer {
        let keys = self.keys.lock().unwrap();
        let found = keys.iter().find(|(id, key)| fits(id, key));
        self.answer(found.map(|(_, key)| Arc::clone(key)))
    }
}

impl KeyStore for Shared {
    fn by_id(&self, id: &str) -> StoreAnswer {
        self.0.find(|own, _| own.as_deref() == Some(id))
    }
    fn by_digest(&self, digest: &[u8; 32]) -> StoreAnswer {
        self.0
            .find(|own, key| own.is_none() && key.digest() == digest)
    }
    fn has_legacy_keys(&self) -> bool {
        self.0
            .keys
            .lock()
            .unwrap()
            .iter()
            .any(|(id, _)| id.is_none())
    }
    fn used(&self, key: &StoredKey, unix_seconds: u64) {
        let name = key.principal().subject().to_owned();
        self.0.used.lock().unwrap().push((name, unix_seconds));
    }
    fn ready(&self) -> BoxFuture<Result<(), SourceError>> {
        let broken = self.0.broken;
        Box::pin(async move {
            match broken {
                true => Err(SourceError::new("database", "it is locked")),
                false => Ok(()),
            }
        })
    }
}

impl Databases for Shared {
    fn api_keys(&self, source: KeyTable) -> Result<Arc<dyn KeyStore>, Unfit> {
        if source.url.reveal() == "memory:broken" {
            return Err(Unfit::new("store", "names no database"));
        }
        self.0.opened.lock().unwrap().push(source);
        Ok(Arc::new(Shared(Arc::clone(&self.0))))
    }
    fn accounts(&self, _: AccountTable) -> Result<Arc<dyn AccountStore>, Unfit> {
        Err(Unfit::new("store", "has no accounts"))
    }
}

impl Companion for Shared {
    fn register(self, companions: &mut Companions) {
        companions.databases("memory", Arc::new(self));
    }
}

#[derive(Debug)]
struct At(AtomicU64);

impl Clock for At {
    fn unix_millis(&self) -> u64 {
        self.0.load(Relaxed) * 1000
    }
    fn monotonic_nanos(&self) -> u64 {
        0
    }
}

/// Who was taken back, as known at once or after asking.
#[derive(Debug)]
enum TakenBack {
    Known(String),
    Asked(String),
    Unknown,
}

impl Revocations for TakenBack {
    fn check(&self, credential: &Revocable<'_>) -> Revocation {
        assert!(credential.issuer.starts_with("palisade:api_key/"));
        let is = |id: &String| credential.key_id == Some(id);
        match self {
            TakenBack::Known(id) => Revocation::Known(is(id)),
            TakenBack::Asked(id) => {
                let revoked = is(id);
                Revocation::Ask(Box::pin(async move { Ok(revoked) }))
            }
            TakenBack::Unknown => Revocation::Ask(Box::pin(async {
                Err(SourceError::new("revocations", "no answer"))
            })),
        }
    }
}

fn made() -> GeneratedKey {
    generate_key("pal", &SystemEntropy).unwrap()
}

fn memory(entries: &[&ApiKeyEntry]) -> Memory {
    let issuer: Arc<str> = "palisade:api_key/p".into();
    let keys = entries.iter().map(|entry| {
        let key = StoredKey::new(entry, &issuer).unwrap();
        (entry.id.clone(), Arc::new(key))
    });
    Memory {
        keys: Mutex::new(keys.collect()),
        ..Memory::default()
    }
}

fn stored() -> ApiKey {
    ApiKey::new("p").store(Store::new(Secret::value("memory:keys")))
}

fn compile(
    config: &ApiKey,
    memory: &Arc<Memory>,
    revocations: Option<TakenBack>,
) -> (Arc<dyn Scheme>, Arc<At>) {
    let clock = Arc::new(At(AtomicU64::new(NOW)));
    let mut policy = Policy::default()
        .with(Shared(Arc::clone(memory)))
        .with_clock(clock.clone());
    if let Some(revocations) = revocations {
        policy = policy.with_revocations(Arc::new(revocations));
    }
    let mut mistakes = Mistakes::default();
    let scheme = config.compile(&policy.build_context(), &mut mistakes);
    let scheme = scheme.unwrap_or_else(|| panic!("{}", mistakes.into_error()));
    (scheme, clock)
}

fn credential(key: &str) -> Credential<'_> {
    Credential {
        bytes: key.as_bytes().into(),
        carrier: 0,
    }
}

fn start(scheme: &dyn Scheme, key: &str) -> Verification {
    scheme.verify(&credential(key), NOW)
}

/// The owner of the key, or the word for the audit; a `?` before it if somebody was asked.
fn verify(scheme: &dyn Scheme, key: &str) -> String {
    let (asked, outcome) = match start(scheme, key) {
        Verification::Done(outcome) => ("", outcome),
        Verification::Remote(future) => ("?", finish(future)),
    };
    let word = match outcome {
        Outcome::Verified(principal) => principal.subject().to_owned(),
        Outcome::Rejected(rejected) => rejected.cause.to_owned(),
        Outcome::Unavailable(source) => source.to_string(),
        other @ Outcome::Disabled(_) => format!("{other:?}"),
    };
    format!("{asked}{word}")
}

fn finish<T>(mut future: BoxFuture<T>) -> T {
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("nobody answers"),
    }
}

fn legacy(owner: &str, key: &str) -> ApiKeyEntry {
    let digest = format::digest(key.as_bytes());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    ApiKeyEntry::new(owner, format!("sha256:{digest}"))
}

#[test]
fn keys_of_the_policy_come_before_those_of_the_store() {
    let (listed, kept, unknown) = (made(), made(), made());
    let memory = Arc::new(memory(&[&listed.entry("kept"), &kept.entry("kept")]));
    let config = stored().key(listed.entry("listed").active(true));
    let (scheme, _) = compile(&config, &memory, None);
    assert_eq!(verify(&*scheme, listed.reveal()), "listed");
    assert_eq!(memory.asked.load(Relaxed), 0);
    assert_eq!(verify(&*scheme, kept.reveal()), "kept");
    assert_eq!(verify(&*scheme, unknown.reveal()), "key_unknown");
    assert_eq!(memory.asked.load(Relaxed), 2);
    // Only keys of the store, and only good ones, count as used.
    assert_eq!(*memory.used.lock().unwrap(), [("kept".to_owned(), NOW)]);
}

#[test]
fn a_key_that_is_only_explained_was_not_used() {
    let (key, old) = (made(), "sk-old");
    for later in [false, true] {
        let store = Arc::new(Memory {
            later,
            ..memory(&[&key.entry("new"), &legacy("old", old)])
        });
        let asks = [None, Some(TakenBack::Asked("nobody".to_owned()))];
        for revocations in asks {
            let (scheme, _) = compile(&stored(), &store, revocations);
            for presented in [key.reveal(), old] {
                let judged = scheme.rehearse(&credential(presented), NOW);
                let outcome = finish(Box::pin(judged.outcome()));
                assert!(matches!(outcome, Outcome::Verified(_)), "{outcome:?}");
            }
        }
        assert!(store.used.lock().unwrap().is_empty());
    }
}

#[test]
fn a_key_that_cannot_be_one_is_not_looked_up() {
    let key = made();
    let memory = Arc::new(memory(&[&key.entry("a")]));
    let (scheme, _) = compile(&stored(), &memory, None);
    let id = "0123456789abcdef";
    let broken = key.reveal().replacen(key.id(), id, 1);
    assert_eq!(verify(&*scheme, &broken), "key_checksum");
    assert_eq!(verify(&*scheme, "hunter2"), "key_shape");
    assert_eq!(memory.asked.load(Relaxed), 0);
}

#[test]
fn a_key_that_takes_a_question_is_judged_like_any_other() {
    let keys: Vec<_> = (0..5).map(|_| made()).collect();
    let [good, expired, inactive, other, unknown] = keys.as_slice() else {
        unreachable!()
    };
    let memory = Arc::new(Memory {
        later: true,
        ..memory(&[
            &good.entry("good"),
            &expired.entry("b").expires(NOW),
            &inactive.entry("c").active(false),
            &ApiKeyEntry::new("d", good.digest()).id(other.id()),
        ])
    });
    let (scheme, _) = compile(&stored(), &memory, None);
    assert_eq!(verify(&*scheme, good.reveal()), "?good");
    assert_eq!(verify(&*scheme, expired.reveal()), "?expired");
    assert_eq!(verify(&*scheme, inactive.reveal()), "?revoked");
    assert_eq!(verify(&*scheme, other.reveal()), "?key_mismatch");
    assert_eq!(verify(&*scheme, unknown.reveal()), "?key_unknown");
    assert_eq!(memory.used.lock().unwrap().len(), 1);
}

#[test]
fn a_key_that_ends_while_the_store_is_asked_has_ended() {
    let key = made();
    let memory = Arc::new(Memory {
        later: true,
        ..memory(&[&key.entry("a").expires(NOW + 2)])
    });
    let (scheme, clock) = compile(&stored(), &memory, None);
    let judge = |seconds| {
        let Verification::Remote(answer) = start(&*scheme, key.reveal()) else {
            panic!("it is known")
        };
        clock.0.store(seconds, Relaxed);
        matches!(finish(answer), Outcome::Verified(_))
    };
    assert!(judge(NOW + 1));
    assert!(!judge(NOW + 2));
    // A clock that is set back extends nothing.
    assert!(judge(NOW - 100));
}

#[test]
fn a_store_that_is_gone_is_neither_good_nor_bad() {
    let (key, listed) = (made(), made());
    let memory = Arc::new(Memory {
        broken: true,
        ..memory(&[&key.entry("a")])
    });
    let (scheme, _) = compile(&stored().key(listed.entry("listed")), &memory, None);
    assert_eq!(
        verify(&*scheme, key.reveal()),
        "?database is unavailable: it is locked"
    );
    assert_eq!(verify(&*scheme, listed.reveal()), "listed");
    assert!(finish(scheme.ready().unwrap()).is_err());
    let (listed_only, _) = compile(&ApiKey::new("p"), &memory, None);
    assert!(listed_only.ready().is_none());
}

#[test]
fn keys_of_an_earlier_system_are_looked_up_only_if_there_are_some() {
    let (old, unknown) = ("sk-old", "sk-unknown");
    let with = Arc::new(memory(&[&legacy("old", old)]));
    let (scheme, _) = compile(&stored(), &with, None);
    assert_eq!(verify(&*scheme, old), "old");
    assert_eq!(verify(&*scheme, unknown), "key_unknown");
    let recognises = |key: &str| scheme.recognises(&credential(key));
    assert!(recognises(old) && !recognises(unknown));
    let without = Arc::new(memory(&[]));
    let (scheme, _) = compile(&stored(), &without, None);
    assert_eq!(verify(&*scheme, old), "key_shape");
    assert_eq!(without.asked.load(Relaxed), 0);
}

#[test]
fn a_key_that_was_taken_back_opens_nothing() {
    let (listed, kept) = (made(), made());
    for later in [false, true] {
        let ask = if later { "?" } else { "" };
        let memory = || {
            Arc::new(Memory {
                later,
                ..memory(&[&kept.entry("kept")])
            })
        };
        let config = stored().key(listed.entry("listed"));
        let known = |key: &GeneratedKey| TakenBack::Known(key.id().to_owned());
        let asked = |key: &GeneratedKey| TakenBack::Asked(key.id().to_owned());

        let store = memory();
        let (scheme, _) = compile(&config, &store, Some(known(&kept)));
        assert_eq!(verify(&*scheme, kept.reveal()), format!("{ask}revoked"));
        assert_eq!(verify(&*scheme, listed.reveal()), "listed");
        assert!(store.used.lock().unwrap().is_empty());
        let (scheme, _) = compile(&config, &store, Some(known(&listed)));
        assert_eq!(verify(&*scheme, listed.reveal()), "revoked");

        let (scheme, _) = compile(&config, &store, Some(asked(&kept)));
        assert_eq!(verify(&*scheme, kept.reveal()), "?revoked");
        assert_eq!(verify(&*scheme, listed.reveal()), "?listed");
        let (scheme, _) = compile(&config, &store, Some(asked(&listed)));
        assert_eq!(verify(&*scheme, listed.reveal()), "?revoked");
        assert_eq!(verify(&*scheme, kept.reveal()), "?kept");
        assert_eq!(store.used.lock().unwrap().len(), 1);

        let (scheme, _) = compile(&config, &store, Some(TakenBack::Unknown));
        let unavailable = "?revocations is unavailable: no answer";
        assert_eq!(verify(&*scheme, kept.reveal()), unavailable);
        assert_eq!(verify(&*scheme, listed.reveal()), unavailable);
    }
}

#[test]
fn the_store_learns_what_the_policy_says() {
    let memory = Arc::new(memory(&[]));
    let store = Store::new(Secret::value("memory:keys")).fresh(7);
    compile(
        &ApiKey::new("p").store(store).cached_keys(50),
        &memory,
        None,
    );
    let opened = memory.opened.lock().unwrap();
    let [table] = opened.as_slice() else {
        panic!("{opened:?}")
    };
    assert_eq!(
        (&*table.scheme, &*table.issuer),
        ("p", "palisade:api_key/p")
    );
    assert_eq!((table.freshness_seconds, table.cached_keys), (7, 50));
    assert!(!format!("{table:?}").contains("keys\""), "{table:?}");
}

#[test]
fn what_no_store_can_do_is_a_mistake() {
    let found = |policy: Policy, config: &ApiKey| {
        let mut mistakes = Mistakes::default();
        let compiled = config.compile(&policy.build_context(), &mut mistakes);
        assert!(compiled.is_none());
        mistakes.into_error().to_string()
    };
    let with = || Policy::default().with(Shared(Arc::default()));
    let at = |url: &str| ApiKey::new("p").store(Store::new(Secret::value(url)));
    assert_eq!(
        found(with(), &at("memory:broken")),
        "api_key.p.store: names no database"
    );
    let missing = found(with(), &at("sqlite:keys.db"));
    assert!(
        missing.contains("add the crate palisade-store"),
        "{missing}"
    );
    let unset = ApiKey::new("p").store(Store::new(Secret::env("PALISADE_TEST_UNSET")));
    assert!(found(with(), &unset).contains("PALISADE_TEST_UNSET"));
    let zero = Store::new(Secret::value("memory:keys")).fresh(0);
    let zero = found(with(), &ApiKey::new("p").store(zero).cached_keys(0));
    assert_eq!(zero.lines().count(), 2, "{zero}");
    let written = "[api_key.a]\nfresh = 5\n\
        [api_key.b]\nstore = \"postgres://shop:swordfish@db/keys\"\n";
    let error = Policy::from_toml_str(written).unwrap().build().unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("2: api_key.a.fresh: means nothing"),
        "{error}"
    );
    assert!(
        error.contains("4: api_key.b.store: holds a password"),
        "{error}"
    );
    assert!(!error.contains("swordfish"), "{error}");
}
