use super::*;
use std::sync::atomic::AtomicU64;

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://id.example.com";

#[derive(Debug)]
struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn unix_millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed) * 1000
    }

    fn monotonic_nanos(&self) -> u64 {
        0
    }
}

fn list(max_entries: usize) -> (MemoryRevocations, Arc<TestClock>) {
    let clock = Arc::new(TestClock(AtomicU64::new(NOW)));
    let list = MemoryRevocations::with(max_entries, clock.clone(), &SystemEntropy);
    (list.unwrap(), clock)
}

fn alice() -> Revocable<'static> {
    Revocable {
        issuer: ISSUER,
        subject: "alice",
        token_id: Some("t1"),
        issued_at: Some(NOW - 10),
        key_id: None,
    }
}

fn is_revoked(list: &MemoryRevocations, credential: Revocable<'_>) -> bool {
    matches!(list.check(&credential), Revocation::Known(true))
}

#[test]
fn a_token_is_named_by_issuer_and_id_together() {
    let (list, _) = list(10);
    assert!(!is_revoked(&list, alice()));
    list.revoke_token(ISSUER, "t1", NOW + 60).unwrap();
    assert!(is_revoked(&list, alice()));
    for other in [
        Revocable {
            token_id: Some("t2"),
            ..alice()
        },
        Revocable {
            token_id: None,
            ..alice()
        },
        Revocable {
            issuer: "https://other.example.com",
            ..alice()
        },
        // The same characters, divided in another way.
        Revocable {
            issuer: "https://id.example.comt",
            token_id: Some("1"),
            ..alice()
        },
        // The name of a token is not that of a subject or a key.
        Revocable {
            subject: "t1",
            token_id: None,
            ..alice()
        },
        Revocable {
            key_id: Some("t1"),
            token_id: None,
            ..alice()
        },
    ] {
        assert!(!is_revoked(&list, other), "{other:?}");
    }
}

#[test]
fn a_subject_loses_what_was_issued_before_and_nothing_since() {
    let (list, _) = list(10);
    list.revoke_subject(ISSUER, "alice", NOW, NOW + 3600)
        .unwrap();
    let issued = |issued_at| Revocable {
        issued_at,
        ..alice()
    };
    assert!(is_revoked(&list, issued(Some(NOW - 1))));
    assert!(
        is_revoked(&list, issued(None)),
        "a token that does not say when"
    );
    assert!(!is_revoked(&list, issued(Some(NOW))));
    assert!(!is_revoked(
        &list,
        Revocable {
            subject: "bob",
            ..issued(None)
        }
    ));
}

#[test]
fn a_revocation_ends_when_it_says_whoever_else_is_revoked() {
    let (list, clock) = list(10);
    list.revoke_subject(ISSUER, "service1", NOW, NOW + 60)
        .unwrap();
    // An API key has no date: nothing but the end of the revocation lets it in again.
    let key = Revocable {
        subject: "service1",
        token_id: None,
        issued_at: None,
        key_id: Some("k1"),
        ..alice()
    };
    clock.0.fetch_add(60 + GRACE - 1, Ordering::Relaxed);
    assert!(is_revoked(&list, key));
    clock.0.fetch_add(1, Ordering::Relaxed);
    assert!(!is_revoked(&list, key));
    // As long as nobody has swept the entry away, a clock that is set back finds it again.
    clock.0.fetch_sub(GRACE, Ordering::Relaxed);
    assert!(is_revoked(&list, key));
}

#[test]
fn a_key_is_revoked_for_good() {
    let (list, clock) = list(10);
    list.revoke_key("k1").unwrap();
    clock.0.fetch_add(1_000_000_000, Ordering::Relaxed);
    list.revoke_key("k2").unwrap();
    let key = |id| Revocable {
        token_id: None,
        issued_at: None,
        key_id: Some(id),
        ..alice()
    };
    assert!(is_revoked(&list, key("k1")) && is_revoked(&list, key("k2")));
    assert!(!is_revoked(&list, key("k3")));
}

#[test]
fn a_later_revocation_never_undoes_an_earlier_one() {
    let (list, clock) = list(10);
    list.revoke_subject(ISSUER, "alice", NOW, NOW + 5000)
        .unwrap();
    list.revoke_subject(ISSUER, "alice", NOW - 100, NOW + 10)
        .unwrap();
    assert_eq!(list.len(), 1);
    clock.0.fetch_add(1000, Ordering::Relaxed);
    list.revoke_key("k1").unwrap();
    assert!(is_revoked(&list, alice()));
}

#[test]
fn a_full_list_says_so_and_keeps_what_it_has() {
    let (list, clock) = list(2);
    list.revoke_token(ISSUER, "t1", NOW + 60).unwrap();
    list.revoke_token(ISSUER, "t2", NOW + 60).unwrap();
    let full = list.revoke_token(ISSUER, "t3", NOW + 60).unwrap_err();
    assert!(
        full.to_string()
            .starts_with("nothing was revoked: there are 2")
    );
    // What is there already can still be widened.
    list.revoke_token(ISSUER, "t1", NOW + 90).unwrap();
    assert!(is_revoked(&list, alice()));

    // Expired entries make room, once no clock that is set back can wake their tokens.
    clock.0.fetch_add(60 + GRACE - 1, Ordering::Relaxed);
    list.revoke_token(ISSUER, "t3", NOW + 6000).unwrap_err();
    clock.0.fetch_add(1, Ordering::Relaxed);
    list.revoke_token(ISSUER, "t3", NOW + 6000).unwrap();
    assert_eq!(list.len(), 2);
    assert!(is_revoked(&list, alice()), "it has 30 seconds left");
}

#[test]
fn expired_entries_go_away_little_by_little() {
    let (list, clock) = list(1000);
    for number in 0..200 {
        list.revoke_token(ISSUER, &number.to_string(), NOW + 10)
            .unwrap();
    }
    clock.0.fetch_add(10 + GRACE, Ordering::Relaxed);
    for number in 0..7 {
        list.revoke_token(ISSUER, &format!("late-{number}"), NOW + 1000)
            .unwrap();
    }
    assert_eq!(list.len(), 7);
}

#[test]
fn who_revokes_is_heard_by_every_thread_at_once() {
    let (list, _) = list(10_000);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let list = &list;
            scope.spawn(move || {
                for number in 0..1000 {
                    let id = format!("{thread}-{number}");
                    let token = Revocable {
                        token_id: Some(&id),
                        ..alice()
                    };
                    assert!(!is_revoked(list, token));
                    list.revoke_token(ISSUER, &id, NOW + 60).unwrap();
                    assert!(is_revoked(list, token));
                }
            });
        }
    });
    assert_eq!(list.len(), 4000);
}

#[test]
fn no_debug_names_anybody() {
    let (list, _) = list(10);
    list.revoke_subject(ISSUER, "alice", NOW, NOW + 60).unwrap();
    assert_eq!(
        format!("{list:?}"),
        "MemoryRevocations { entries: 1, max_entries: 10, .. }"
    );
}
