//! What a run found.

use std::collections::BTreeMap;
use std::fmt;

use super::agree::{Difference, Kind};
use super::grammar::Stream;
use super::serve::{End, Heard};
use crate::answer::shown;
use crate::report::Tally;

/// What a run found.
#[derive(Debug, Default)]
pub struct Compared {
    /// Connections to each server, each with one stream of bytes.
    pub streams: u64,
    /// Answers of all servers.
    pub answers: u64,
    /// Answers by a handler that ran to a good end.
    pub good: u64,
    /// Streams that the parser of every server refused in the end.
    pub refused_by_all: u64,
    /// Streams after which a server waited for more.
    pub waiting: u64,
    /// What differed once and not again on new servers: the machine was slow, or what handlers had stored was part of
    /// it. Told, and no failure: time decides nothing.
    unrepeated: Vec<String>,
    statuses: BTreeMap<(&'static str, bool, u16), u64>,
    differences: BTreeMap<(Kind, String), (u64, String)>,
}

impl Compared {
    /// How many streams were answered in ways that differ without a declared reason.
    pub fn undeclared(&self) -> u64 {
        let undeclared = self
            .differences
            .iter()
            .filter(|((kind, _), _)| *kind == Kind::Undeclared);
        undeclared.map(|(_, (count, _))| count).sum()
    }

    /// How many differences did not come again.
    pub fn unrepeated(&self) -> usize {
        self.unrepeated.len()
    }

    /// The declared differences that were met: kind, and how often.
    pub fn declared(&self) -> BTreeMap<String, u64> {
        let mut declared = BTreeMap::new();
        for ((kind, _), (count, _)) in &self.differences {
            if *kind != Kind::Undeclared {
                *declared.entry(kind.to_string()).or_default() += count;
            }
        }
        declared
    }

    /// Streams that were answered alike, and the others.
    pub(crate) fn tally(&self) -> Tally {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Tally {
            passed: count(self.streams - self.undeclared()),
            failed: count(self.undeclared()),
        }
    }

    pub(super) fn count(&mut self, heard: &[Heard]) {
        self.streams += 1;
        self.waiting += u64::from(heard.iter().any(|heard| heard.end == End::Waiting));
        for heard in heard {
            for answer in &heard.answers {
                self.answers += 1;
                self.good += u64::from(answer.by_layer && answer.status < 300);
                *self
                    .statuses
                    .entry((heard.server, answer.by_layer, answer.status))
                    .or_default() += 1;
            }
        }
        let refused = |heard: &Heard| heard.answers.last().is_none_or(|answer| !answer.by_layer);
        self.refused_by_all += u64::from(heard.iter().all(refused));
    }

    /// Whether a difference like this was told already.
    pub(super) fn knows(&self, difference: &Difference) -> bool {
        let key = (difference.kind, difference.steps.clone());
        self.differences.contains_key(&key)
    }

    pub(super) fn difference(&mut self, difference: &Difference, told: String) {
        let key = (difference.kind, difference.steps.clone());
        self.differences.entry(key).or_insert((0, told)).0 += 1;
    }

    pub(super) fn not_again(&mut self, told: String) {
        self.unrepeated.push(told);
    }

    pub(super) fn add(&mut self, other: Self) {
        self.unrepeated.extend(other.unrepeated);
        self.streams += other.streams;
        self.answers += other.answers;
        self.good += other.good;
        self.refused_by_all += other.refused_by_all;
        self.waiting += other.waiting;
        for (key, count) in other.statuses {
            *self.statuses.entry(key).or_default() += count;
        }
        for (kind, (count, told)) in other.differences {
            self.differences.entry(kind).or_insert((0, told)).0 += count;
        }
    }
}

/// A stream and what each server made of it, and how to see it again.
pub(super) fn told(seed: u64, stream: &Stream, heard: &[Heard]) -> String {
    let mut told = format!("again: cargo xtask conformance --bytes 1 --seed {seed}\n{stream}");
    for heard in heard {
        told.push_str(&format!("{}: {:?}\n", heard.server, heard.end));
        for answer in &heard.answers {
            let by = if answer.by_layer { "layer" } else { "parser" };
            let text = shown(&answer.normal).replace('\n', " | ");
            told.push_str(&format!("  {by} {text}\n"));
        }
    }
    told
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} streams of bytes to each server, {} answers, {} of them good; {} streams ended at every parser, {} left \
             a server waiting",
            self.streams, self.answers, self.good, self.refused_by_all, self.waiting
        )?;
        let mut names: Vec<_> = self.statuses.keys().map(|(server, ..)| *server).collect();
        names.dedup();
        for name in names {
            let of = |layer: bool| {
                let own = self
                    .statuses
                    .iter()
                    .filter(|((server, by_layer, _), _)| *server == name && *by_layer == layer);
                let statuses: Vec<_> = own
                    .map(|((.., status), count)| format!("{status}: {count}"))
                    .collect();
                statuses.join(", ")
            };
            writeln!(f, "{name}: {}; its parser {}", of(true), of(false))?;
        }
        for ((kind, steps), (count, _)) in &self.differences {
            writeln!(f, "answers differ, {kind} ({steps}): {count}")?;
        }
        for ((kind, steps), (_, told)) in &self.differences {
            if !told.is_empty() {
                writeln!(f, "\n{kind} ({steps})\n{told}")?;
            }
        }
        for told in &self.unrepeated {
            writeln!(f, "\ndiffered once, and not again on new servers\n{told}")?;
        }
        Ok(())
    }
}
