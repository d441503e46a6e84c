//! When the servers agree, and the differences that have a reason.

use std::fmt;

use super::grammar::Stream;
use super::serve::{Answer, End, Heard};

/// What the demo answers to the request that follows all random bytes.
const LAST_ANSWER: &[u8] = b"{\"message\":\"look at the headers of this response\"}";

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
    /// actix-web has read ahead and answers a HEAD as the request that follows it, with a body. A client that waits for
    /// each answer, as proxies do, never sees that.
    HeadWithBody,
    /// The chunks of a request are broken, and actix-web closes without an answer to it or to those before it that it
    /// still works on; hyper answers those, and the one whose handler reads no body, and then closes. After broken
    /// chunks neither takes anything for a request.
    GivenUp,
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
            Self::ClosedEarly => "closed after the same answer by one, not by another",
            Self::RepeatedLength => "a length twice",
            Self::LengthAndChunks => "a length and chunks",
            Self::Trailer => "a trailer that is no field",
            Self::HeadWithBody => "HEAD and another request at once",
            Self::GivenUp => "broken chunks, and no answer",
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
        named
            .find(|(heard, _)| heard.server == name)
            .map(|(_, step)| *step)
    };
    let (actix, hyper) = (of("actix"), of("axum"));
    if hyper != of("poem") {
        return Kind::Undeclared;
    }
    let (Some(actix), Some(hyper)) = (actix, hyper) else {
        return Kind::Undeclared;
    };
    let ended = |step| matches!(step, Step::Refused | Step::Stopped);
    let is_last = |name: &str| {
        going
            .iter()
            .any(|heard| heard.server == name && heard.answers.len() == at + 1)
    };
    match (actix, hyper) {
        (refused, Step::Answered(answer)) if ended(refused) && answer.status >= 400 => {
            match is_last("axum") {
                true => Kind::RefusedAndClosed,
                false => Kind::RefusedAndWentOn,
            }
        }
        (Step::Answered(answer), refused) if ended(refused) && answer.status >= 400 => {
            match is_last("actix") {
                true => Kind::RefusedAndClosed,
                false => Kind::RefusedAndWentOn,
            }
        }
        (Step::Answered(_) | Step::Waits | Step::Refused, Step::Stopped) if at > 0 => {
            Kind::ClosedEarly
        }
        (Step::Refused, Step::Answered(_)) if has_both(sent) && is_last("axum") => {
            Kind::LengthAndChunks
        }
        (Step::Refused, Step::Answered(_)) if times(sent, b"content-length:") > 1 => {
            Kind::RepeatedLength
        }
        (Step::Answered(_), Step::Answered(answer))
            if answer.status == 400 && cut_trailer(sent) =>
        {
            Kind::Trailer
        }
        (Step::Stopped, Step::Answered(_)) if has_chunks(sent) && !is_finished(going) => {
            Kind::GivenUp
        }
        (Step::Answered(actix), Step::Answered(hyper))
            if is_bare(hyper, actix) && times(sent, b"HEAD ") > 0 =>
        {
            Kind::HeadWithBody
        }
        _ => Kind::Undeclared,
    }
}

/// Whether `bare` is `full` without its body.
fn is_bare(bare: &Answer, full: &Answer) -> bool {
    bare.normal.ends_with(b"\n\n") && full.normal.starts_with(&bare.normal)
}

/// Whether hyper came to the end of all that was sent.
fn is_finished(going: &[&Heard]) -> bool {
    let hyper = going.iter().filter(|heard| heard.server != "actix");
    let mut last = hyper.filter_map(|heard| heard.answers.last());
    last.any(|answer| times(&answer.normal, LAST_ANSWER) > 0)
}

fn has_chunks(sent: &[u8]) -> bool {
    times(sent, b"transfer-encoding:") > 0
}

fn times(sent: &[u8], wanted: &[u8]) -> usize {
    let windows = sent.windows(wanted.len());
    windows
        .filter(|window| window.eq_ignore_ascii_case(wanted))
        .count()
}

fn has_both(sent: &[u8]) -> bool {
    times(sent, b"content-length:") > 0 && has_chunks(sent)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(server: &'static str, answers: &[(u16, bool, &str)], end: End) -> Heard {
        let answer = |(status, by_layer, body): &(u16, bool, &str)| Answer {
            status: *status,
            by_layer: *by_layer,
            normal: format!("{status}\n\n{body}").into_bytes(),
        };
        Heard {
            server,
            answers: answers.iter().map(answer).collect(),
            end,
        }
    }

    /// What axum, actix and poem did, in this order; all have closed.
    fn kinds(sent: &str, all: [&[(u16, bool, &str)]; 3]) -> Vec<Kind> {
        let names = ["axum", "actix", "poem"].into_iter().zip(all);
        let all: Vec<_> = names
            .map(|(name, answers)| heard(name, answers, End::Closed))
            .collect();
        let found = differences(&Stream(vec![sent.into()]), &all);
        found
            .into_iter()
            .map(|difference| difference.kind)
            .collect()
    }

    const OK: (u16, bool, &str) = (200, true, "ok");
    const REFUSED: (u16, bool, &str) = (400, true, "refused");
    const PARSER: (u16, bool, &str) = (400, false, "");

    #[test]
    fn each_parser_refuses_in_its_own_words() {
        assert_eq!(kinds("", [&[OK, PARSER], &[OK], &[OK, PARSER]]), []);
    }

    #[test]
    fn no_handler_runs_where_another_parser_refused() {
        assert_eq!(kinds("", [&[OK], &[PARSER], &[OK]]), [Kind::Undeclared]);
        assert_eq!(kinds("", [&[PARSER], &[OK], &[PARSER]]), [Kind::Undeclared]);
        assert_eq!(
            kinds("", [&[REFUSED], &[PARSER], &[REFUSED]]),
            [Kind::RefusedAndClosed]
        );
        assert_eq!(
            kinds("", [&[REFUSED, OK], &[PARSER], &[REFUSED, OK]]),
            [Kind::RefusedAndWentOn]
        );
    }

    #[test]
    fn answers_of_layers_are_equal() {
        assert_eq!(kinds("", [&[OK], &[REFUSED], &[OK]]), [Kind::Undeclared]);
        assert_eq!(
            kinds("", [&[OK], &[(200, true, "other")], &[OK]]),
            [Kind::Undeclared]
        );
    }

    #[test]
    fn servers_with_one_parser_never_differ() {
        assert_eq!(
            kinds("", [&[REFUSED], &[PARSER], &[PARSER]]),
            [Kind::Undeclared]
        );
    }
}
