//! When the servers agree, and the differences that have a reason.

use std::fmt;

use super::grammar::Stream;
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

/// What differs, and why it is no fault. axum and poem have one parser, hyper: they never differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A parser refuses what the layer of another refuses, which then closes.
    RefusedAndClosed,
    /// A parser refuses what the layer of another refuses, which then goes on with the next request: no handler ran, and
    /// the answers that follow are judged on their own.
    RefusedAndWentOn,
    /// Both answered the same, and then one closed where the other goes on: hyper does so when nothing has read the
    /// body to its end, or found it malformed while it looked for the end, and after `Connection: close`. Whoever
    /// closes sees fewer requests, never others.
    ClosedEarly,
    /// `Content-Length` twice with one value, which RFC 9110 §8.6 lets a server take or refuse: actix-web refuses.
    RepeatedLength,
    /// `Content-Length` and `Transfer-Encoding` together, which RFC 9112 §6.1 lets a server refuse, or read by the
    /// chunks and then close: actix-web refuses, hyper closes.
    LengthAndChunks,
    /// A trailer line that is no field line: actix-web skips trailers up to the empty line, hyper reads and refuses
    /// them. Both find the same end, and no handler sees a trailer.
    Trailer,
    /// No reason is known: a fault.
    Undeclared,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RefusedAndClosed => "refused by the parser of one, by the layer of another, which closed",
            Self::RefusedAndWentOn => "refused by the parser of one, by the layer of another, which went on",
            Self::ClosedEarly => "closed after the same answer by one, not by another",
            Self::RepeatedLength => "a length twice",
            Self::LengthAndChunks => "a length and chunks",
            Self::Trailer => "a trailer that is no field",
            Self::Undeclared => "not declared",
        })
    }
}

/// What a server did next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step<'a> {
    /// The layer answered.
    Answered(&'a Answer),
    /// The parser refused with an answer of its own.
    Refused,
    /// The connection was closed without a further answer.
    Stopped,
    Waits,
    /// Not HTTP, or no connection.
    Broken,
}

/// The differences between the servers, one for each request at which they part.
pub(super) fn differences(stream: &Stream, heard: &[Heard]) -> Vec<Difference> {
    let sent = stream.0.concat();
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
        let ended = |step: &Step<'_>| matches!(step, Step::Refused | Step::Stopped);
        if steps.iter().all(ended) {
            break;
        }
        if steps.iter().all(|step| step == first) {
            if matches!(first, Step::Broken) {
                found.push(difference(Kind::Undeclared));
            }
            if !matches!(first, Step::Answered(_)) {
                break;
            }
            continue;
        }
        let kind = kind(&sent, &going, &steps, at);
        found.push(difference(kind));
        if matches!(kind, Kind::Undeclared | Kind::Trailer) {
            break;
        }
        going.retain(|heard| matches!(step(heard, at), Step::Answered(_)));
    }
    found
}

/// The kind of the difference between servers that did `steps`, not all of them the same.
fn kind(sent: &[u8], going: &[&Heard], steps: &[Step<'_>], at: usize) -> Kind {
    let of = |name: &str| {
        let mut named = going.iter().zip(steps);
        named.find(|(heard, _)| heard.server == name).map(|(_, step)| *step)
    };
    let (actix, hyper) = (of("actix"), of("axum"));
    if hyper != of("poem") {
        return Kind::Undeclared;
    }
    let (Some(actix), Some(hyper)) = (actix, hyper) else {
        return Kind::Undeclared;
    };
    let ended = |step| matches!(step, Step::Refused | Step::Stopped);
    let is_last = |name: &str| going.iter().any(|heard| heard.server == name && heard.answers.len() == at + 1);
    match (actix, hyper) {
        (refused, Step::Answered(answer)) if ended(refused) && answer.status >= 400 => match is_last("axum") {
            true => Kind::RefusedAndClosed,
            false => Kind::RefusedAndWentOn,
        },
        (Step::Answered(answer), refused) if ended(refused) && answer.status >= 400 => match is_last("actix") {
            true => Kind::RefusedAndClosed,
            false => Kind::RefusedAndWentOn,
        },
        (Step::Answered(_) | Step::Waits | Step::Refused, Step::Stopped) if at > 0 => Kind::ClosedEarly,
        (Step::Refused, Step::Answered(_)) if has_both(sent) && is_last("axum") => Kind::LengthAndChunks,
        (Step::Refused, Step::Answered(_)) if times(sent, b"content-length:") > 1 => Kind::RepeatedLength,
        (Step::Answered(_), Step::Answered(answer)) if answer.status == 400 && cut_trailer(sent) => Kind::Trailer,
        _ => Kind::Undeclared,
    }
}

fn times(sent: &[u8], wanted: &[u8]) -> usize {
    let windows = sent.windows(wanted.len());
    windows.filter(|window| window.eq_ignore_ascii_case(wanted)).count()
}

fn has_both(sent: &[u8]) -> bool {
    times(sent, b"content-length:") > 0 && times(sent, b"transfer-encoding:") > 0
}

/// Whether a last chunk is not followed by the empty line.
fn cut_trailer(sent: &[u8]) -> bool {
    times(sent, b"\n0\r\n") > times(sent, b"\n0\r\n\r\n")
}

fn step(heard: &Heard, at: usize) -> Step<'_> {
    match (heard.answers.get(at), heard.end) {
        (Some(answer), _) if answer.by_layer => Step::Answered(answer),
        (Some(answer), _) if answer.status >= 400 => Step::Refused,
        (Some(_), _) => Step::Broken,
        (None, End::Closed) => Step::Stopped,
        (None, End::Waiting) => Step::Waits,
        (None, End::Malformed(_) | End::Unreachable) => Step::Broken,
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(answer) => write!(f, "{}", answer.status),
            Self::Refused => f.write_str("refused"),
            Self::Stopped => f.write_str("closed"),
            Self::Waits => f.write_str("waits"),
            Self::Broken => f.write_str("broke"),
        }
    }
}
