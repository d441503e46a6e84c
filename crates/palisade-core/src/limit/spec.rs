//! What a limit may say, and every mistake it can make.

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::Quota;
use super::meter::Meter;
use super::own;
use super::table::Table;

/// The most units of a strict quota: each key keeps a time for every unit.
const MAX_STRICT_UNITS: u32 = 1_000;

/// The most words a strict limit keeps over all its keys: 128 MiB.
const MAX_STRICT_WORDS: usize = 16 * 1024 * 1024;

/// The most keys one limit may be told to keep.
pub(super) const MAX_KEYS: usize = 100_000_000;

/// One limit as a policy writes it: a name and its quotas, all of which hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSpec {
    /// The name in header fields and audit events: 1 to 32 of `A-Z a-z 0-9 _ -`.
    pub name: String,
    /// The quotas, each counted by itself for every key.
    pub quotas: Vec<Quota>,
    /// Lowers how many units may be taken at once; without it, all of a quota's.
    pub burst: Option<u32>,
    /// Admits at most `n` units in every window of the period, the first included. Exact, at 8
    /// bytes for each of `n` units and key: `n` is at most 1,000, and such a limit keeps at most
    /// 16,777,216 times over all its keys.
    pub strict: bool,
    /// The units a request takes, at least 1.
    pub cost: u32,
    /// Counts and reports, but refuses nothing.
    pub shadow: bool,
    /// The most keys this limit keeps apart; without it, [`LimitOptions::max_keys`].
    pub max_keys: Option<usize>,
}

impl LimitSpec {
    /// A limit that is enforced, spread over the period, one unit a request.
    #[must_use]
    pub fn new(name: impl Into<String>, quotas: Vec<Quota>) -> Self {
        Self {
            name: name.into(),
            quotas,
            burst: None,
            strict: false,
            cost: 1,
            shadow: false,
            max_keys: None,
        }
    }

    /// The names of the quotas in header fields: `name`, `name-2`, `name-3`.
    fn quota_names(&self) -> Vec<String> {
        (1..=self.quotas.len())
            .map(|number| match number {
                1 => self.name.clone(),
                _ => format!("{}-{number}", self.name),
            })
            .collect()
    }

    fn check(&self, options: LimitOptions, mistakes: &mut Vec<LimitMistake>) {
        let mut wrong = |key, message: String| {
            mistakes.push(LimitMistake {
                limit: self.name.clone(),
                key,
                message,
            });
        };
        let safe = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
        if !(1..=32).contains(&self.name.len()) || !self.name.bytes().all(safe) {
            wrong("name", "write 1 to 32 of A-Z, a-z, 0-9, _ and -".to_owned());
        }
        if self.quotas.is_empty() {
            wrong("quota", "write at least one quota".to_owned());
        }
        for quota in &self.quotas {
            if let Err(why) = quota.check() {
                wrong("quota", why);
            } else if self.strict && quota.units > MAX_STRICT_UNITS {
                let why = "a strict quota keeps a time for every unit";
                wrong(
                    "strict",
                    format!("{why}: write at most {MAX_STRICT_UNITS} units"),
                );
            }
        }
        let smallest = self.quotas.iter().map(|quota| quota.units).min();
        let units = smallest.unwrap_or(u32::MAX);
        match self.burst {
            Some(_) if self.strict => {
                wrong(
                    "burst",
                    "a strict limit has no burst: leave out one of the two".to_owned(),
                );
            }
            Some(burst) if burst == 0 || burst > units => {
                wrong(
                    "burst",
                    format!("write 1 to {units}, the units of the smallest quota"),
                );
            }
            _ => {}
        }
        let most = self.burst.unwrap_or(units).min(units).max(1);
        if self.cost == 0 || self.cost > most {
            wrong(
                "cost",
                format!("write 1 to {most}, the most that may be taken at once"),
            );
        }
        let max_keys = self.max_keys.unwrap_or(options.max_keys);
        if !(1..=MAX_KEYS).contains(&max_keys) {
            wrong("max_keys", format!("write 1 to {MAX_KEYS}"));
        }
        let units: u64 = self.quotas.iter().map(|quota| u64::from(quota.units)).sum();
        let most = MAX_STRICT_WORDS as u64 / units.max(1);
        if self.strict && self.max_keys.is_some_and(|keys| keys as u64 > most) {
            let units = format!("which a strict limit of {units} units can keep");
            wrong("max_keys", format!("write 1 to {most}, {units}"));
        }
    }
}

/// What holds for every limit of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitOptions {
    /// The most keys a limit keeps apart when it does not say itself; a strict limit keeps fewer
    /// where its times would take more than 128 MiB. A key of one quota takes 30 to 45 bytes, and
    /// 8 for each further quota.
    pub max_keys: usize,
}

impl Default for LimitOptions {
    /// 1,000,000 keys for each limit.
    fn default() -> Self {
        Self {
            max_keys: 1_000_000,
        }
    }
}

/// Something wrong with a limit, found before anything starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitMistake {
    /// The name of the limit, as written.
    pub limit: String,
    /// Which of its keys is wrong.
    pub key: &'static str,
    /// What would be right.
    pub message: String,
}

impl fmt::Display for LimitMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            limit,
            key,
            message,
        } = self;
        write!(f, "limit {limit:?}: {key}: {message}")
    }
}

impl std::error::Error for LimitMistake {}

/// A limit compiled, with its memory.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) name: String,
    pub(super) quota_names: Vec<String>,
    pub(super) meters: Vec<Meter>,
    pub(super) cost: NonZeroU32,
    pub(super) shadow: bool,
    /// Shared with later versions of the same limit.
    pub(super) table: Arc<Table>,
}

impl Limit {
    /// Builds what was checked.
    fn new(spec: LimitSpec, options: LimitOptions) -> Self {
        let mut width = 0;
        let meters = spec.quotas.iter().map(|quota| {
            let burst = spec.burst.unwrap_or(quota.units);
            let meter = if spec.strict {
                Meter::strict(*quota, width)
            } else {
                Meter::spread(
                    *quota,
                    NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN),
                    width,
                )
            };
            width = meter.words().end;
            meter
        });
        let meters = meters.collect();
        let max_keys = spec.max_keys.unwrap_or(options.max_keys);
        let table = if spec.strict {
            Table::new(max_keys.min(MAX_STRICT_WORDS / width.max(1)), width)
        } else {
            Table::new(max_keys, width)
        };
        Self {
            quota_names: spec.quota_names(),
            cost: NonZeroU32::new(spec.cost).unwrap_or(NonZeroU32::MIN),
            shadow: spec.shadow,
            name: spec.name,
            meters,
            table: Arc::new(table),
        }
    }

    /// Whether the memory of `other` means the same here, so that counting can go on in it.
    pub(super) fn counts_like(&self, other: &Self) -> bool {
        let meters = || self.meters.iter().zip(&other.meters);
        self.name == other.name
            && self.meters.len() == other.meters.len()
            && meters().all(|(own, other)| own.reads_like(other))
            && self.table.max_keys() == other.table.max_keys()
    }
}

/// Compiles limits, or finds every mistake in them.
pub(super) fn compile(
    specs: Vec<LimitSpec>,
    options: LimitOptions,
) -> Result<Vec<Limit>, Vec<LimitMistake>> {
    let mut mistakes = Vec::new();
    let mut names = HashSet::new();
    for spec in &specs {
        spec.check(options, &mut mistakes);
        for name in spec.quota_names() {
            let taken = match own::is_name(&name) {
                true => Some(format!("{name:?} names the own quota of an API key")),
                false => names
                    .replace(name)
                    .map(|taken| format!("{taken:?} names another quota already")),
            };
            if let Some(taken) = taken {
                mistakes.push(LimitMistake {
                    limit: spec.name.clone(),
                    key: "name",
                    message: format!("{taken}: write another name"),
                });
            }
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    Ok(specs
        .into_iter()
        .map(|spec| Limit::new(spec, options))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::LimitSet;
    use super::*;

    fn spec(name: &str, quotas: &str) -> LimitSpec {
        LimitSpec::new(name, Quota::parse_list(quotas).unwrap())
    }

    fn mistakes(specs: Vec<LimitSpec>) -> Vec<String> {
        let mistakes = LimitSet::new(specs, LimitOptions::default()).unwrap_err();
        mistakes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn finds_every_mistake_at_once() {
        let bad = LimitSpec {
            burst: Some(51),
            cost: 0,
            max_keys: Some(0),
            ..spec("no spaces", "200/day; 50/hour")
        };
        let strict = LimitSpec {
            strict: true,
            burst: Some(5),
            max_keys: Some(100_000),
            ..spec("exact", "1001/day")
        };
        let zero = Quota {
            units: 0,
            seconds: 60,
        };
        let wild = LimitSpec::new("wild", vec![zero]);
        let empty = LimitSpec::new("empty", Vec::new());
        assert_eq!(
            mistakes(vec![
                bad,
                strict,
                wild,
                empty,
                spec("twice", "1/s;2/s"),
                spec("twice-2", "1/s"),
                spec("key", "1/s"),
            ]),
            [
                r#"limit "no spaces": name: write 1 to 32 of A-Z, a-z, 0-9, _ and -"#,
                r#"limit "no spaces": burst: write 1 to 50, the units of the smallest quota"#,
                r#"limit "no spaces": cost: write 1 to 50, the most that may be taken at once"#,
                r#"limit "no spaces": max_keys: write 1 to 100000000"#,
                r#"limit "exact": strict: a strict quota keeps a time for every unit: write at most 1000 units"#,
                r#"limit "exact": burst: a strict limit has no burst: leave out one of the two"#,
                r#"limit "exact": max_keys: write 1 to 16760, which a strict limit of 1001 units can keep"#,
                r#"limit "wild": quota: 0 units would refuse everybody: write at least 1"#,
                r#"limit "empty": quota: write at least one quota"#,
                r#"limit "twice-2": name: "twice-2" names another quota already: write another name"#,
                r#"limit "key": name: "key" names the own quota of an API key: write another name"#,
            ]
        );
    }

    #[test]
    fn a_strict_limit_keeps_fewer_keys_by_itself() {
        let strict = LimitSpec {
            strict: true,
            ..spec("exact", "1000/day")
        };
        let set =
            LimitSet::new(vec![strict, spec("plain", "1/s")], LimitOptions::default()).unwrap();
        let most = |name| set.occupancy(set.id(name).unwrap()).max_keys;
        assert!((16_000..=16_777).contains(&most("exact")));
        assert!((999_000..=1_000_000).contains(&most("plain")));
    }
}
