//! Every step that may wait does: limits by the head, the credential, limits by the caller, the requirement.

use super::{Told, get, poll};
use crate::{
    Limit, LimitKey, Palisade, Policy, Requirement, Rule, SourceError, Verdict, all_of, any_of,
    asked,
    limit::{LimitStore, QuotaState, StoreCharge},
    ports::BoxFuture,
    role,
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
};

/// Answers at the second poll.
fn later<T: Send + Unpin + 'static>(answer: T) -> BoxFuture<T> {
    let (mut answer, mut asked) = (Some(answer), false);
    Box::pin(std::future::poll_fn(move |_| {
        match std::mem::replace(&mut asked, true) {
            true => answer.take().map_or(Poll::Pending, Poll::Ready),
            false => Poll::Pending,
        }
    }))
}

/// Has so many units for each limit, and tells what it was asked.
#[derive(Debug, Default)]
struct Counts {
    left: AtomicUsize,
    asked: Mutex<Vec<String>>,
    is_down: bool,
}

impl LimitStore for Counts {
    fn take(&self, charges: Vec<StoreCharge>) -> BoxFuture<Result<Vec<QuotaState>, SourceError>> {
        if self.is_down {
            return later(Err(SourceError::new("counts", "down")));
        }
        let exceeded = self
            .left
            .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1))
            .is_err();
        let quotas = charges.iter().flat_map(|charge| charge.quotas.iter());
        let states = quotas.map(|_| QuotaState {
            remaining: u32::try_from(self.left.load(Relaxed)).unwrap(),
            seconds: 7,
            exceeded,
        });
        let states = states.collect();
        let mut asked = self.asked.lock().unwrap();
        asked.extend(charges.iter().map(|charge| charge.limit.to_string()));
        later(Ok(states))
    }
}

fn counts(left: usize) -> Arc<Counts> {
    Arc::new(Counts {
        left: left.into(),
        ..Counts::default()
    })
}

fn palisade(store: &Arc<Counts>, require: Requirement) -> Palisade {
    let limit = |name: &str, by| {
        Limit::new(name, "9/minute")
            .by(by)
            .store("shared")
            .everywhere()
    };
    Policy::builder()
        .custom_scheme(Told::new(true))
        .limit_store("shared", store.clone())
        .limit(limit("early", LimitKey::Address))
        .limit(limit("late", LimitKey::Principal))
        .rule(Rule::new("/a").require(require))
        .build()
        .unwrap()
}

/// The status, or 200, and how often the verdict was not there yet.
fn status(palisade: &Palisade, name: &'static str) -> (u16, usize) {
    let mut exchange = palisade.open(&get("/a", &[("x-told", name)]));
    let mut waits = 0;
    loop {
        match poll(&mut exchange) {
            None => waits += 1,
            Some(Verdict::Collect(_)) => panic!("no endpoint was asked"),
            Some(Verdict::Admit(_)) => return (200, waits),
            Some(Verdict::Refuse(reply) | Verdict::Answer(reply)) => {
                return (reply.status.as_u16(), waits);
            }
        }
    }
}

fn is_alice() -> Requirement {
    asked("alice", |caller| later(Ok(caller.subject() == "alice")))
}

#[test]
fn each_step_waits_and_the_next_one_goes_on() {
    let store = counts(100);
    let palisade = palisade(&store, is_alice());
    assert_eq!(status(&palisade, "alice"), (200, 4));
    assert_eq!(status(&palisade, "bob"), (403, 4));
    assert_eq!(
        *store.asked.lock().unwrap(),
        ["early", "late", "early", "late"]
    );
}

#[test]
fn a_store_that_has_nothing_left_or_gives_no_answer_refuses() {
    for (left, waits) in [(0, 1), (1, 3)] {
        let palisade = palisade(&counts(left), is_alice());
        assert_eq!(status(&palisade, "alice"), (429, waits), "{left}");
    }
    let down = Arc::new(Counts {
        is_down: true,
        ..Counts::default()
    });
    assert_eq!(status(&palisade(&down, is_alice()), "alice"), (503, 1));
}

#[test]
fn what_a_store_counted_is_told_as_any_limit_is() {
    let store = counts(1);
    let palisade = palisade(&store, is_alice());
    let mut told = Box::pin(palisade.explain(&get("/a", &[("x-told", "alice")])));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let told = loop {
        if let Poll::Ready(told) = told.as_mut().poll(&mut context) {
            break told;
        }
    };
    let limits: Vec<_> = told
        .limits
        .iter()
        .map(|limit| (&*limit.name, limit.exceeded))
        .collect();
    assert_eq!(limits, [("early", false), ("late", true)]);
    let last = told.stages.last().unwrap();
    assert_eq!(
        (last.stage.as_str(), &*last.saw),
        ("caller_limits", "late (9/minute): 0 left, 7 s, exceeded")
    );
    let retry = told.headers.iter().find(|(name, _)| name == "retry-after");
    assert_eq!(retry.unwrap().1, "7");
}

/// How often `ask` was called, and the status, for a requirement that `of` makes of it.
fn asked_times(of: impl Fn(Requirement) -> Requirement, answer: Result<bool, ()>) -> (usize, u16) {
    let times = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&times);
    let question = asked("counted", move |_| {
        counted.fetch_add(1, Relaxed);
        later(answer.map_err(|()| SourceError::new("answers", "down")))
    });
    let palisade = palisade(&counts(100), of(question));
    let (status, _) = status(&palisade, "alice");
    (times.load(Relaxed), status)
}

#[test]
fn a_denial_beats_what_is_unknown_and_so_does_a_permit() {
    let admin = || role("admin");
    let both = |question: Requirement| all_of([question.clone(), admin(), question]);
    assert_eq!(
        asked_times(both, Ok(true)),
        (0, 403),
        "the role is missing whatever the answer is"
    );
    let either = |question: Requirement| any_of([question, is_alice()]);
    assert_eq!(asked_times(either, Ok(false)), (1, 200));
    assert_eq!(asked_times(either, Ok(true)), (1, 200));
    assert_eq!(
        asked_times(either, Err(())),
        (1, 200),
        "the other one says yes"
    );
    let twice = |question: Requirement| all_of([question.clone(), question]);
    assert_eq!(asked_times(twice, Ok(true)), (1, 200), "asked once");
    assert_eq!(asked_times(twice, Ok(false)), (1, 403));
    assert_eq!(
        asked_times(twice, Err(())),
        (1, 503),
        "without an answer nobody passes"
    );
}

#[test]
fn a_route_cannot_wait() {
    let palisade = palisade(&counts(100), is_alice());
    let mut exchange = palisade.open(&get("/a", &[("x-told", "alice")]));
    let grant = loop {
        match poll(&mut exchange) {
            Some(Verdict::Admit(admission)) => break admission.grant,
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    };
    assert!(
        grant.require(&crate::authenticated()).is_ok(),
        "the answer about the rule is remembered"
    );
    let refused = grant.require(&is_alice()).unwrap_err();
    assert_eq!(refused.status.as_u16(), 500);
}

#[test]
fn a_store_that_the_program_did_not_give_is_a_mistake() {
    let limit = Limit::new("a", "9/minute").store("redis").everywhere();
    let broken = Policy::builder()
        .limit(limit)
        .rule(Rule::new("/").require(crate::public()));
    let error = broken.build().unwrap_err();
    let [mistake] = error.mistakes() else {
        panic!("{error}");
    };
    assert_eq!(mistake.key, "limit[0].store");
    assert!(mistake.message.contains("Policy::limit_store"), "{mistake}");
}

#[test]
fn a_store_that_only_watches_refuses_nothing_when_it_is_down() {
    let down = Arc::new(Counts {
        is_down: true,
        ..Counts::default()
    });
    let mut limit = Limit::new("watched", "9/minute")
        .store("shared")
        .everywhere();
    limit.shadow = true;
    let policy = Policy::builder()
        .custom_scheme(Told::new(false))
        .limit_store("shared", down)
        .limit(limit)
        .rule(Rule::new("/a").require(is_alice()));
    assert_eq!(status(&policy.build().unwrap(), "alice").0, 200);
}

#[test]
fn what_panics_while_it_is_waited_for_is_answered_as_a_handler_that_did() {
    let breaks = asked("breaks", |_| {
        Box::pin(async { panic!("a question of the application") })
    });
    assert_eq!(status(&palisade(&counts(100), breaks), "alice").0, 500);
}
