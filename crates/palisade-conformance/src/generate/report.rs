//! What a run of the generator found.

use std::collections::BTreeMap;
use std::fmt;

use super::agree::Difference;
use super::oracle::{Exchange, Hole, Kind, Late};
use super::path::Sent;
use super::policy::Policy;
use super::run::Case;
use super::serve::Server;
use super::table::Table;
use crate::report::Tally;

/// What a run of the generator found.
#[derive(Debug, Default)]
pub struct Generated {
    /// Requests that were answered.
    pub exchanges: u64,
    /// Tables that at least one framework served.
    pub tables: u64,
    /// Exchanges in which a handler ran.
    pub ran: u64,
    /// Requests that no server's parser takes.
    pub unsendable: u64,
    statuses: BTreeMap<(Server, u16), u64>,
    withheld: BTreeMap<Server, u64>,
    late: BTreeMap<Late, u64>,
    tables_refused: BTreeMap<Server, u64>,
    policies_refused: (u64, Option<String>),
    holes: BTreeMap<(Server, Kind), (u64, Option<Found>)>,
    ordinary: BTreeMap<Server, Ordinary>,
    differences: BTreeMap<String, (u64, String)>,
    undeclared: u64,
    over_sockets: u64,
    unlike: Vec<String>,
}

/// Plain requests for which the right caller must get in.
#[derive(Debug, Default)]
struct Ordinary {
    sent: u64,
    /// Refused by the layer.
    refused: u64,
    /// Admitted, but the router knew no such route.
    unreached: u64,
    example: Option<String>,
}

/// A failure, made small.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) seed: u64,
    pub(super) case: Case,
    pub(super) hole: Hole,
}

impl Generated {
    /// How many exchanges ran a handler that the rules of its own route keep the caller from.
    pub fn holes(&self) -> u64 {
        self.holes.values().map(|(count, _)| count).sum()
    }

    /// The holes of each kind on one framework: what was found, and how often.
    pub fn kinds(&self, framework: &str) -> BTreeMap<String, u64> {
        let own = self
            .holes
            .iter()
            .filter(|((server, _), _)| server.to_string() == framework);
        own.map(|((_, kind), (count, _))| (kind.to_string(), *count))
            .collect()
    }

    /// How many requests were answered in ways that differ without a declared reason.
    pub fn undeclared_differences(&self) -> u64 {
        self.undeclared
    }

    /// Of a hundred policies, how many the product refuses.
    pub fn policies_refused(&self) -> u64 {
        (self.policies_refused.0 * 100)
            .checked_div(self.tables + self.policies_refused.0)
            .unwrap_or_default()
    }

    /// What real servers did in another way than the routers in process.
    pub fn unlike(&self) -> &[String] {
        &self.unlike
    }

    /// How many requests also went over real sockets.
    pub fn sockets(&self) -> u64 {
        self.over_sockets
    }

    /// Of each million plain requests whose caller must get in, how many were refused, where each route is confirmed.
    pub fn refused_in_a_million(&self) -> u64 {
        let confirmed = self.ordinary.iter().filter(|(server, _)| server.confirms());
        let (sent, refused) = confirmed.fold((0, 0), |(sent, refused), (_, ordinary)| {
            (sent + ordinary.sent, refused + ordinary.refused)
        });
        (refused * 1_000_000).checked_div(sent).unwrap_or_default()
    }

    /// Tables, and what is wrong.
    pub(crate) fn tally(&self) -> Tally {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Tally {
            passed: count(self.exchanges),
            failed: count(self.holes() + self.undeclared) + self.unlike.len(),
        }
    }

    pub(super) fn count(&mut self, server: Server, exchange: &Exchange) {
        self.exchanges += 1;
        self.ran += u64::from(!exchange.ran.is_empty());
        *self
            .statuses
            .entry((server, exchange.answer.status))
            .or_default() += 1;
        if !exchange.ran.is_empty() && exchange.answer.route.is_none() {
            *self.withheld.entry(server).or_default() += 1;
        }
    }

    pub(super) fn late(&mut self, late: Late) {
        *self.late.entry(late).or_default() += 1;
    }

    pub(super) fn over_sockets(&mut self, exchanges: u64) {
        self.over_sockets += exchanges;
    }

    pub(super) fn not_as_in_process(&mut self, server: Server, seed: u64, unlike: &str) {
        self.unlike.push(format!("{server}, seed {seed}: {unlike}"));
    }

    pub(super) fn knows(&self, server: Server, kind: Kind) -> bool {
        self.holes.contains_key(&(server, kind))
    }

    pub(super) fn hole(&mut self, server: Server, kind: Kind, found: Option<Found>) {
        let entry = self.holes.entry((server, kind)).or_default();
        entry.0 += 1;
        if entry.1.is_none() {
            entry.1 = found;
        }
    }

    pub(super) fn policy_refused(&mut self, seed: u64, why: &str) {
        self.policies_refused.0 += 1;
        self.policies_refused
            .1
            .get_or_insert_with(|| format!("seed {seed}: {why}"));
    }

    pub(super) fn table_refused(&mut self, server: Server, _why: &str) {
        *self.tables_refused.entry(server).or_default() += 1;
    }

    pub(super) fn ordinary(
        &mut self,
        server: Server,
        seed: u64,
        exchange: &Exchange,
        case: &dyn Fn() -> Case,
    ) {
        let ordinary = self.ordinary.entry(server).or_default();
        ordinary.sent += 1;
        if exchange.answer.route.is_some() {
            return;
        }
        if !exchange.audited.iter().any(|audited| audited.refused) {
            // An empty mount may hide the route from its router.
            ordinary.unreached += 1;
            return;
        }
        ordinary.refused += 1;
        let example = || {
            let case = case();
            format!(
                "seed {seed}: {}\n{:?}",
                told(&case.table, &case.policy, &case.sent),
                exchange
            )
        };
        ordinary.example.get_or_insert_with(example);
    }

    pub(super) fn difference(
        &mut self,
        difference: Difference,
        seed: u64,
        table: &Table,
        policy: &Policy,
        sent: &Sent,
        exchanges: &[(Server, Exchange)],
    ) {
        let kind = match difference.declared {
            Some(declared) => declared.to_string(),
            None => "not declared".to_owned(),
        };
        self.undeclared += u64::from(difference.declared.is_none());
        let entry = self.differences.entry(kind).or_insert_with(|| {
            let exchanges = exchanges.iter().map(|exchange| format!("\n{exchange:?}"));
            let exchanges: String = exchanges.collect();
            (
                0,
                format!("seed {seed}: {}{exchanges}", told(table, policy, sent)),
            )
        });
        entry.0 += 1;
    }

    pub(super) fn add(&mut self, other: Self) {
        self.exchanges += other.exchanges;
        self.tables += other.tables;
        self.ran += other.ran;
        self.unsendable += other.unsendable;
        self.undeclared += other.undeclared;
        self.over_sockets += other.over_sockets;
        self.unlike.extend(other.unlike);
        add_all(&mut self.statuses, other.statuses);
        add_all(&mut self.withheld, other.withheld);
        add_all(&mut self.late, other.late);
        add_all(&mut self.tables_refused, other.tables_refused);
        self.policies_refused.0 += other.policies_refused.0;
        let first = self.policies_refused.1.take();
        self.policies_refused.1 = first.or(other.policies_refused.1);
        for (key, (count, found)) in other.holes {
            let entry = self.holes.entry(key).or_default();
            entry.0 += count;
            entry.1 = entry.1.take().or(found);
        }
        for (server, more) in other.ordinary {
            let own = self.ordinary.entry(server).or_default();
            own.sent += more.sent;
            own.refused += more.refused;
            own.unreached += more.unreached;
            own.example = own.example.take().or(more.example);
        }
        for (kind, (count, example)) in other.differences {
            self.differences.entry(kind).or_insert((0, example)).0 += count;
        }
    }
}

fn add_all<K: Ord>(sums: &mut BTreeMap<K, u64>, more: BTreeMap<K, u64>) {
    for (key, count) in more {
        *sums.entry(key).or_default() += count;
    }
}

fn told(table: &Table, policy: &Policy, sent: &Sent) -> String {
    let guard = if sent.guard { ", guard header" } else { "" };
    format!(
        "{} {} ({:?}{guard})\n{table}unlisted: {}{}",
        sent.method,
        sent.target,
        sent.caller,
        if policy.unlisted_authenticated {
            "authenticated"
        } else {
            "not_found"
        },
        policy.rules_toml()
    )
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case {
            table,
            policy,
            sent,
            ..
        } = &self.case;
        writeln!(
            f,
            "again: cargo xtask conformance --generate 1 --seed {}",
            self.seed
        )?;
        writeln!(f, "{}\n{}", told(table, policy, sent), self.hole.story)
    }
}

impl fmt::Display for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} exchanges over {} tables; a handler ran in {}; {} requests that no server takes; {} more over sockets",
            self.exchanges, self.tables, self.ran, self.unsendable, self.over_sockets
        )?;
        for server in Server::ALL {
            let statuses = self.statuses.iter().filter(|((own, _), _)| *own == server);
            let statuses: Vec<_> = statuses
                .map(|((_, status), count)| format!("{status}: {count}"))
                .collect();
            let refused = self
                .tables_refused
                .get(&server)
                .copied()
                .unwrap_or_default();
            let withheld = self.withheld.get(&server).copied().unwrap_or_default();
            writeln!(
                f,
                "{server}: {}; answers withheld: {withheld}; tables its router refuses: {refused}",
                statuses.join(", ")
            )?;
        }
        if let (count, Some(example)) = &self.policies_refused {
            writeln!(f, "policies refused: {count}, such as {example}")?;
        }
        for (server, ordinary) in &self.ordinary {
            writeln!(
                f,
                "{server}: of {} plain requests {} were refused; {} the router did not take",
                ordinary.sent, ordinary.refused, ordinary.unreached
            )?;
        }
        for (late, count) in &self.late {
            writeln!(
                f,
                "the answer withheld, but its handler ran, {late}: {count}"
            )?;
        }
        for (kind, (count, _)) in &self.differences {
            writeln!(f, "answers differ, {kind}: {count}")?;
        }
        for ((server, kind), (count, _)) in &self.holes {
            writeln!(f, "HOLE {server}: {kind}: {count}")?;
        }
        for unlike in &self.unlike {
            writeln!(f, "NOT AS IN PROCESS {unlike}")?;
        }
        for (server, ordinary) in &self.ordinary {
            if let Some(example) = &ordinary.example {
                writeln!(f, "\n{server}: a plain request that was refused\n{example}")?;
            }
        }
        for (kind, (_, example)) in self
            .differences
            .iter()
            .filter(|(kind, _)| *kind == "not declared")
        {
            writeln!(f, "\nanswers differ, {kind}\n{example}")?;
        }
        for ((server, kind), (_, found)) in &self.holes {
            if let Some(found) = found {
                writeln!(f, "\nHOLE {server}: {kind}\n{found}")?;
            }
        }
        Ok(())
    }
}
