//! When the servers agree, and the differences that have a reason.

use std::fmt;

use super::serve::{Answer, End, Heard};

/// A difference between the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) kind: Kind,
    /// The number of the request, from 0.
    pub(super) at: usize,
    /// What each server did there.
    pub(super) steps: String,
}

impl Difference {
    /// Whether the same servers did the same things, at whatever request.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.kind, &self.steps) == (other.kind, &other.steps)
    }
}

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A parser refuses what the layer of another refuses, and then closes.
    RefusedAndClosed,
    /// A parser refuses what the layer of another refuses, and then goes on with the next request.
    RefusedAndWentOn,
    /// No reason is known: a fault.
    Undeclared,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RefusedAndClosed => {
                "refused by the parser of one, by the layer of another, which closed"
            }
            Self::RefusedAndWentOn => {
                "refused by the parser of one, by the layer of another, which went on"
            }
            Self::Undeclared => "not declared",
        })
    }
}

/// What a server did next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step<'a> {
    /// The layer answered.
    Answered(&'a Answer),
    /// The parser refused, with an answer or without.
    Refused,
    Waits,
    /// Not HTTP, or no connection.
    Broken,
}

/// The differences between the servers, one for each request at which they part.
pub(super) fn differences(heard: &[Heard]) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut going: Vec<&Heard> = heard.iter().collect();
    for at in 0.. {
        let steps: Vec<_> = going.iter().map(|heard| step(heard, at)).collect();
        let difference = |kind| {
            let named = going.iter().zip(&steps);
            let steps = named.map(|(heard, step)| format!("{} {step}", heard.server));
            let steps = steps.collect::<Vec<_>>().join(", ");
            Difference { kind, at, steps }
        };
        let Some(first) = steps.first() else {
            break;
        };
        if steps.iter().all(|step| step == first) {
            if matches!(first, Step::Broken) {
                found.push(difference(Kind::Undeclared));
            }
            if !matches!(first, Step::Answered(_)) {
                break;
            }
            continue;
        }
        let mut answers = steps.iter().filter_map(|step| match step {
            Step::Answered(answer) => Some(*answer),
            _ => None,
        });
        let answer = answers.next();
        let refusal = answer.is_some_and(|answer| answer.status >= 400)
            && answers.all(|other| Some(other) == answer);
        let others = steps
            .iter()
            .all(|step| matches!(step, Step::Answered(_) | Step::Refused));
        if !(refusal && others) {
            found.push(difference(Kind::Undeclared));
            break;
        }
        let answered = |heard: &&Heard| matches!(step(heard, at), Step::Answered(_));
        let went_on = |heard: &&Heard| answered(heard) && heard.answers.len() > at + 1;
        found.push(difference(match going.iter().any(went_on) {
            true => Kind::RefusedAndWentOn,
            false => Kind::RefusedAndClosed,
        }));
        going.retain(answered);
    }
    found
}

fn step(heard: &Heard, at: usize) -> Step<'_> {
    match (heard.answers.get(at), heard.end) {
        (Some(answer), _) if answer.by_layer => Step::Answered(answer),
        (Some(answer), _) if answer.status >= 400 => Step::Refused,
        (Some(_), _) => Step::Broken,
        (None, End::Closed) => Step::Refused,
        (None, End::Waiting) => Step::Waits,
        (None, End::Malformed(_) | End::Unreachable) => Step::Broken,
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(answer) => write!(f, "{}", answer.status),
            Self::Refused => f.write_str("refused"),
            Self::Waits => f.write_str("waits"),
            Self::Broken => f.write_str("broke"),
        }
    }
}
