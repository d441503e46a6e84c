use super::*;
use crate::ports::SystemEntropy;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

/// From the test suites of the reference implementations of argon2 and bcrypt.
const KNOWN: &[(&str, &str)] = &[
    (
        "password",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    ),
    (
        "password",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
    ),
    // Without a version: older than versions.
    (
        "password",
        "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
    ),
    (
        "",
        "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.",
    ),
    (
        "a",
        "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe",
    ),
];

#[test]
fn hashes_of_other_implementations_are_verified() {
    for &(password, hash) in KNOWN {
        assert_eq!(verify(password, hash), Ok(true), "{hash}");
        assert_eq!(verify("Password", hash), Ok(false), "{hash}");
        let same_form = hash.replacen("$2a$", "$2b$", 1);
        assert_eq!(verify(password, &same_form), Ok(true), "{hash}");
        assert!(StoredPassword::parse(hash).unwrap().is_weak());
    }
}

#[test]
fn bcrypt_sees_72_bytes() {
    let start = "a".repeat(72);
    let hash = bcrypt::hash(format!("{start}bc"), 4).unwrap();
    assert_eq!(verify(&format!("{start}xy"), &hash), Ok(true));
    assert_eq!(verify(start.get(1..).unwrap(), &hash), Ok(false));
    assert_eq!(verify(&format!("b{start}"), &hash), Ok(false));
}

#[test]
fn a_new_hash_is_fresh_and_strong() {
    let make = || hash("correct horse", Cost::default(), &SystemEntropy).unwrap();
    let (one, other) = (make(), make());
    assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
    assert_ne!(one, other);
    assert_eq!(verify("correct horse", &one), Ok(true));
    assert_eq!(verify("correct hors", &one), Ok(false));
    let stored = StoredPassword::parse(&one).unwrap();
    assert!(!stored.is_weak());
    assert_eq!(stored.work(), StoredPassword::nobodys().work());
    assert!(!format!("{stored:?}").contains("argon2id"), "{stored:?}");
}

#[test]
fn what_costs_too_little_or_too_much_is_refused() {
    for (memory, passes) in [(19_456, 2), (47_104, 1), (7168, 5), (1 << 20, 10)] {
        assert!(Cost::new(memory, passes, 1).is_ok(), "{memory} {passes}");
    }
    for (memory, passes, lanes) in [
        (19_455, 2, 1),
        (19_456, 1, 1),
        (8, 10, 1),
        ((1 << 20) + 1, 2, 1),
        (19_456, 11, 1),
        (19_456, 2, 9),
    ] {
        assert!(
            Cost::new(memory, passes, lanes).is_err(),
            "{memory} {passes}"
        );
    }
    let hash = "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    for costs in ["m=1048577,t=2,p=1", "m=256,t=11,p=1", "m=256,t=2,p=9"] {
        let error = StoredPassword::parse(&format!("$argon2id$v=19${costs}${hash}"));
        assert!(error.unwrap_err().to_string().contains("1 GiB"), "{costs}");
    }
    let bcrypt = "DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.";
    for cost in ["03", "17", "31", "xx"] {
        let error = StoredPassword::parse(&format!("$2b${cost}${bcrypt}"));
        assert!(error.is_err(), "{cost}");
    }
}

#[test]
fn what_is_no_hash_is_named_and_not_repeated() {
    for bad in [
        "",
        "swordfish",
        "$2x$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.",
        "$2a$06$swordfish",
        "$argon2id$v=19$m=256,t=2,p=1",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ",
        "$argon2id$v=18$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=1,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$pbkdf2-sha256$i=1000$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$2a$\u{fc}",
    ] {
        let error = StoredPassword::parse(bad).unwrap_err().to_string();
        assert!(!error.contains("swordfish"), "{error}");
    }
}

fn poll<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Poll<T> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    loop {
        if let Poll::Ready(done) = poll(&mut future) {
            return done;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// PITFALLS 34.
#[test]
fn the_pool_bounds_who_works_and_who_waits() {
    let pool = Pool::new(2, 3);
    let (open, gate) = mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let (at_once, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let work = || {
        let (gate, at_once, most) = (gate.clone(), at_once.clone(), most.clone());
        move || {
            let now = at_once.fetch_add(1, SeqCst) + 1;
            most.fetch_max(now, SeqCst);
            gate.lock().unwrap().recv().unwrap();
            at_once.fetch_sub(1, SeqCst);
        }
    };
    let mut running: Vec<_> = (0..2).map(|_| Box::pin(pool.run(work()))).collect();
    while at_once.load(SeqCst) < 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    running.extend((0..3).map(|_| Box::pin(pool.run(work()))));
    let refused = wait(pool.run(work())).unwrap_err().to_string();
    assert_eq!(
        refused,
        "password hashing is unavailable: too many wait for it"
    );
    // Who waits no more makes room.
    drop(running.pop());
    running.push(Box::pin(pool.run(work())));
    assert!(running.iter_mut().all(|own| poll(own).is_pending()));
    for _ in 0..5 {
        open.send(()).unwrap();
    }
    for own in running {
        assert!(wait(own).is_ok());
    }
    assert_eq!(most.load(SeqCst), 2);
}

#[test]
fn a_panic_costs_one_answer_and_no_thread() {
    let pool = Pool::new(1, 8);
    let broken: Result<(), SourceError> = wait(pool.run(|| panic!("broken")));
    assert_eq!(
        broken.unwrap_err().to_string(),
        "password hashing is unavailable: it broke off"
    );
    assert_eq!(wait(pool.run(|| 7)), Ok(7));
}
