//! Stages 9 and 11: which limits a request is charged by, and for whom.

use crate::{
    config::Mistakes,
    engine::facts::{Effects, Record},
    limit::{
        Charge, Decision, FieldText, Key, KeyHash, KeyHasher, LimitId, LimitOptions, LimitSet,
        LimitSpec, OwnQuotas, Quota, Report, Row,
    },
    policy::{LimitKey, Policy},
    ports::Clock,
    principal::Principal,
    problem::{Code, Reason},
    view::View,
};
use http::{HeaderName, HeaderValue, header};
use serde::Serialize;
use smallvec::SmallVec;
use std::{net::IpAddr, num::NonZeroU32, sync::Arc};

/// `[[limit]]`, compiled.
#[derive(Debug)]
pub(crate) struct Limits {
    set: LimitSet,
    keys: KeyHasher,
    by: Vec<CountBy>,
    anew: Vec<LimitId>,
    /// `[failures]`, after the limits of the policy.
    failures: Option<LimitId>,
    clock: Arc<dyn Clock>,
}

/// What the quota of failures is called in header fields and in the audit.
const FAILURES: &str = "failures";

/// What a limit counts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum CountBy {
    Address,
    Header(HeaderName),
    Global,
    Principal,
    Tenant,
    Credential,
}

/// One quota after the request was charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LimitReport {
    /// Its name, as in the `RateLimit` header.
    pub name: String,
    /// The quota, such as `100/minute`.
    pub quota: String,
    /// How many units are left.
    pub remaining: u32,
    /// Seconds until a unit is back if none is left, else until all are.
    pub seconds: u32,
    /// Whether too little was left for this request.
    pub exceeded: bool,
    /// Whether it is only watched.
    pub shadow: bool,
}

/// When a request is charged: before its credential is verified, or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum When {
    /// By what the head shows.
    Arrival,
    /// By who calls.
    Caller,
}

/// The limits of a rule, by when they are charged.
#[derive(Debug, Clone)]
pub(crate) struct RuleLimits {
    address: Vec<LimitId>,
    principal: Vec<LimitId>,
    /// How much a request takes from each.
    pub(in crate::engine) cost: NonZeroU32,
    /// The `RateLimit-Policy` of the rule, among the known fields.
    pub(in crate::engine) policy_field: Option<usize>,
}

impl Default for RuleLimits {
    /// No limits.
    fn default() -> Self {
        Self {
            address: Vec::new(),
            principal: Vec::new(),
            cost: NonZeroU32::MIN,
            policy_field: None,
        }
    }
}

impl RuleLimits {
    /// Whether every limit of `other` is one of these.
    pub(in crate::engine) fn include(&self, other: &RuleLimits) -> bool {
        let within = |other: &[LimitId], own: &[LimitId]| other.iter().all(|id| own.contains(id));
        within(&other.address, &self.address) && within(&other.principal, &self.principal)
    }
}

impl Limits {
    pub(in crate::engine) fn compile(
        policy: &Policy,
        keys: KeyHasher,
        before: Option<&Self>,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let (limits, failures, max_keys) =
            (&policy.limits, &policy.failures, policy.limit_max_keys);
        let mut specs = Vec::new();
        let mut by = Vec::new();
        for (index, limit) in limits.iter().enumerate() {
            let quotas = Quota::parse_list(&limit.quota).unwrap_or_else(|message| {
                mistakes.add(format!("limit[{index}].quota"), message);
                Vec::new()
            });
            let mut spec = LimitSpec::new(&limit.name, quotas);
            spec.burst = limit.burst;
            spec.strict = limit.strict;
            spec.shadow = limit.shadow;
            specs.push(spec);
            by.push(CountBy::compile(&limit.by).unwrap_or_else(|message| {
                mistakes.add(format!("limit[{index}].by"), message);
                CountBy::Global
            }));
            let twin = limits
                .iter()
                .take(index)
                .any(|other| other.name == limit.name);
            if twin {
                mistakes.add(
                    format!("limit[{index}].name"),
                    format!("{:?} is the name of another limit; rename one", limit.name),
                );
            }
        }
        let quotas = Quota::parse_list(&failures.quota).unwrap_or_else(|message| {
            mistakes.add("failures.quota", message);
            Vec::new()
        });
        specs.push(LimitSpec::new(FAILURES, quotas));
        by.push(CountBy::Address);
        if mistakes.has("limit") || mistakes.has("failures") {
            return None;
        }
        match LimitSet::new(specs, LimitOptions { max_keys }) {
            Ok(mut set) => {
                let anew = before.map_or_else(Vec::new, |before| {
                    let same_keys =
                        |own: LimitId, id| by.get(own.index()) == Some(before.count_by(id));
                    set.go_on_from(&before.set, same_keys)
                });
                let failures = set.id(FAILURES);
                Some(Self {
                    set,
                    keys,
                    by,
                    anew,
                    failures,
                    clock: Arc::clone(&policy.ports().clock),
                })
            }
            Err(wrong) => {
                for mistake in wrong {
                    let index = limits.iter().position(|limit| limit.name == mistake.limit);
                    let key = match index {
                        Some(index) => format!("limit[{index}].{}", mistake.key),
                        None => format!("failures.{}", mistake.key),
                    };
                    mistakes.add(key, mistake.message);
                }
                None
            }
        }
    }

    /// No limits at all.
    pub(in crate::engine) fn none(policy: &Policy) -> Self {
        Self {
            set: LimitSet::default(),
            keys: KeyHasher::new(&[0; 16]),
            by: Vec::new(),
            anew: Vec::new(),
            failures: None,
            clock: Arc::clone(&policy.ports().clock),
        }
    }

    /// The limits that the version before has, too, but with other settings: what it counted
    /// means nothing to them.
    pub(in crate::engine) fn anew(&self) -> impl Iterator<Item = &str> {
        self.anew.iter().filter_map(|&id| self.set.name(id))
    }

    pub(in crate::engine) fn id(&self, name: &str) -> Option<LimitId> {
        self.set.id(name)
    }

    /// What `RateLimit-Policy` says beside the policy field of the rule.
    pub(in crate::engine) fn own_policy_field(&self, report: &Report) -> Option<String> {
        self.set.policy_field_from(self.failures?, report)
    }

    /// Appends the value of `RateLimit`; nothing where every limit is only watched.
    pub(in crate::engine) fn write_field(&self, report: &Report, value: &mut FieldText) {
        self.set.write_field(report, value);
    }

    /// Sorts the limits of a rule into stages; their order is that of the policy.
    pub(in crate::engine) fn for_rule(&self, mut ids: Vec<LimitId>) -> (RuleLimits, String) {
        ids.sort_unstable();
        ids.dedup();
        let field = self.set.policy_field(&ids);
        let (address, principal) = ids
            .into_iter()
            .partition(|&id| self.count_by(id).when() == When::Arrival);
        let limits = RuleLimits {
            address,
            principal,
            ..RuleLimits::default()
        };
        (limits, field)
    }

    /// The names of a rule's limits, in the order of the policy.
    pub(in crate::engine) fn names(&self, limits: &RuleLimits) -> Vec<String> {
        let mut ids: Vec<_> = limits.address.iter().chain(&limits.principal).collect();
        ids.sort_unstable();
        let names = ids.into_iter().filter_map(|&id| self.set.name(id));
        names.map(str::to_owned).collect()
    }

    /// Whether the limit is charged before a credential is verified.
    pub(in crate::engine) fn is_by_address(&self, id: LimitId) -> bool {
        id != LimitId::OWN && self.count_by(id).when() == When::Arrival
    }

    /// A row for people.
    pub(in crate::engine) fn report_of(&self, row: &Row) -> LimitReport {
        LimitReport {
            name: self.set.quota_name(row).unwrap_or_default().to_owned(),
            quota: row.quota.to_string(),
            remaining: row.remaining,
            seconds: row.seconds,
            exceeded: row.violated,
            shadow: row.shadow,
        }
    }

    fn count_by(&self, id: LimitId) -> &CountBy {
        self.by.get(id.index()).unwrap_or(&CountBy::Global)
    }

    /// Whether the header that the limit counts by is there more than once; a limit that is only
    /// watched refuses nothing.
    fn is_repeated(&self, id: LimitId, view: &View<'_>) -> bool {
        match self.count_by(id) {
            CountBy::Header(name) => !self.set.is_shadow(id) && view.header(name).nth(1).is_some(),
            _ => false,
        }
    }

    fn key(&self, by: &CountBy, who: &Who<'_, '_>) -> KeyHash {
        let address = Key::Address(who.client);
        let principal = |fallback| match who.caller {
            Some(caller) => Key::Principal {
                issuer: caller.issuer(),
                subject: caller.subject(),
            },
            None => fallback,
        };
        let caller = who.caller;
        self.keys.hash(match by {
            CountBy::Address => address,
            CountBy::Global => Key::Global,
            // Without the header, a caller counts by address: never unlimited.
            CountBy::Header(name) => {
                let value = who.view.and_then(|view| view.header(name).next());
                value.map_or(address, Key::Header)
            }
            CountBy::Principal => principal(address),
            CountBy::Tenant => caller
                .and_then(|caller| {
                    Some(Key::Tenant {
                        issuer: caller.issuer(),
                        tenant: caller.tenant_name()?,
                    })
                })
                .unwrap_or_else(|| principal(address)),
            CountBy::Credential => caller
                .and_then(|caller| {
                    Some(Key::ApiKey {
                        issuer: caller.issuer(),
                        id: caller.key_id()?,
                    })
                })
                .unwrap_or_else(|| principal(address)),
        })
    }

    /// The quotas that the caller brings along, and the key that they count by: the caller's credential.
    fn own(&self, caller: Option<&Principal>) -> Option<(Arc<OwnQuotas>, KeyHash)> {
        let caller = caller?;
        let quotas = Arc::clone(caller.own_quotas()?);
        let issuer = caller.issuer();
        let key = self.keys.hash(match caller.key_id() {
            Some(id) => Key::ApiKey { issuer, id },
            None => Key::Principal {
                issuer,
                subject: caller.subject(),
            },
        });
        Some((quotas, key))
    }
}

/// Whom a request is charged to.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Who<'a, 'h> {
    pub(in crate::engine) client: IpAddr,
    /// `None` before there is one, and for anonymous requests.
    pub(in crate::engine) caller: Option<&'a Principal>,
    /// While there is a head.
    pub(in crate::engine) view: Option<&'a View<'h>>,
}

impl CountBy {
    fn compile(key: &LimitKey) -> Result<Self, String> {
        Ok(match key {
            LimitKey::Address => CountBy::Address,
            LimitKey::Principal => CountBy::Principal,
            LimitKey::Tenant => CountBy::Tenant,
            LimitKey::Credential => CountBy::Credential,
            LimitKey::Global => CountBy::Global,
            LimitKey::Header(name) => CountBy::Header(name.parse().map_err(|_| {
                format!("{name:?} is no header name; write \"header:x-tenant\" for instance")
            })?),
        })
    }

    fn when(&self) -> When {
        match self {
            CountBy::Address | CountBy::Header(_) | CountBy::Global => When::Arrival,
            CountBy::Principal | CountBy::Tenant | CountBy::Credential => When::Caller,
        }
    }
}

impl Limits {
    /// Charges the request by the limits of one time: all of them, or none.
    pub(in crate::engine) fn charge(
        &self,
        when: When,
        rule: &RuleLimits,
        who: Who<'_, '_>,
        effects: &mut Effects,
        record: &mut Record,
    ) -> Result<(), Reason> {
        let ids = match when {
            When::Arrival => &rule.address,
            When::Caller => &rule.principal,
        };
        let own = match when {
            When::Arrival => None,
            When::Caller => self.own(who.caller),
        };
        if ids.is_empty() && own.is_none() {
            return Ok(());
        }
        // Of two lines, the one that is not counted could be another on every request.
        let is_repeated = |view| ids.iter().any(|&id| self.is_repeated(id, view));
        if who.view.is_some_and(is_repeated) {
            return Err(Reason::new(Code::RequestRejected, "limit_header_repeated"));
        }
        let now = record.now_nanos(&*self.clock);
        let mut charges: SmallVec<[Charge; 4]> = ids
            .iter()
            .map(|&limit| Charge {
                limit,
                key: self.key(self.count_by(limit), &who),
                cost: rule.cost,
            })
            .collect();
        let (own, own_key) = own.unzip();
        charges.extend(own_key.map(|key| Charge::own(key, rule.cost)));
        let mut report = Report::new();
        let decision = self
            .set
            .take_with_own(&charges, own.as_deref(), now, &mut report);
        self.note(&report, effects, record);
        match decision {
            Decision::Admit => Ok(()),
            Decision::Refuse { retry_after } => {
                Err(self.quota_exceeded(&report, retry_after, "quota_exceeded"))
            }
        }
    }

    /// The quota of failures and the seconds to wait, if too many credentials have failed at the client's address.
    pub(in crate::engine) fn spent_failures(
        &self,
        client: IpAddr,
        record: &mut Record,
    ) -> Option<(Report, u32)> {
        let id = self.failures?;
        let now = record.now_nanos(&*self.clock);
        let key = self.keys.hash(Key::Address(client));
        let mut report = Report::new();
        match self.set.would_admit(id, key, now, &mut report) {
            Decision::Admit => None,
            Decision::Refuse { retry_after } => Some((report, retry_after)),
        }
    }

    /// Why a credential is refused before anybody looks at it.
    pub(in crate::engine) fn too_many_failures(
        &self,
        spent: &(Report, u32),
        effects: &mut Effects,
        record: &mut Record,
    ) -> Reason {
        let (report, retry_after) = spent;
        self.note(report, effects, record);
        self.quota_exceeded(report, *retry_after, "too_many_failures")
    }

    /// Counts a malformed or wrong credential by the address it came from, whatever the limits of the rule count.
    pub(in crate::engine) fn count_failure(
        &self,
        client: IpAddr,
        is_guessable: bool,
        record: &mut Record,
    ) {
        let Some(id) = self.failures else {
            return;
        };
        // What is never refused for it could go on and on, and those who are would wait ever longer.
        if !is_guessable && self.spent_failures(client, record).is_some() {
            return;
        }
        let now = record.now_nanos(&*self.clock);
        let key = self.keys.hash(Key::Address(client));
        if self.set.charge_for_failure(id, key, now) {
            self.warn_half_full(id);
        }
    }

    /// What was charged at one time, in words.
    pub(in crate::engine) fn tell(&self, when: When, charged: &Report) -> String {
        let by_address = when == When::Arrival;
        let rows = charged.rows().iter();
        let rows = rows.filter(|row| self.is_by_address(row.limit) == by_address);
        let texts = rows.map(|row| {
            let LimitReport {
                name,
                quota,
                remaining,
                seconds,
                exceeded,
                shadow,
            } = self.report_of(row);
            let spent = match (exceeded, shadow) {
                (true, false) => ", exceeded",
                (true, true) => ", exceeded, only watched",
                (false, _) => "",
            };
            format!("{name} ({quota}): {remaining} left, {seconds} s{spent}")
        });
        let texts: Vec<_> = texts.collect();
        match texts.is_empty() {
            true => "no limit".to_owned(),
            false => texts.join("; "),
        }
    }

    /// Every quota that was charged.
    pub(in crate::engine) fn reports(&self, charged: &Report) -> Vec<LimitReport> {
        charged
            .rows()
            .iter()
            .map(|row| self.report_of(row))
            .collect()
    }

    /// Remembers what the response and the audit must tell.
    fn note(&self, report: &Report, effects: &mut Effects, record: &mut Record) {
        effects.charged.join(report);
        for row in report.rows() {
            if row.shadow && row.violated {
                record.shadow_limits.push(row.limit);
            }
        }
        if let Some(id) = report.alarm() {
            self.warn_half_full(id);
        }
    }

    fn warn_half_full(&self, id: LimitId) {
        let name = self.set.name(id).unwrap_or_default();
        tracing::warn!(
            target: "palisade",
            limit = name,
            "half of the keys that the limit can remember are in use; when all are, new keys \
             share one bucket: raise limit_max_keys, or look for an attack"
        );
    }

    /// The names of limits, for the audit.
    pub(in crate::engine) fn names_of(&self, ids: &[LimitId]) -> Vec<&str> {
        ids.iter().filter_map(|&id| self.set.name(id)).collect()
    }

    fn quota_exceeded(&self, report: &Report, retry_after: u32, cause: &'static str) -> Reason {
        let violated: Vec<&str> = report
            .rows()
            .iter()
            .filter(|row| row.violated && !row.shadow)
            .filter_map(|row| self.set.quota_name(row))
            .collect();
        Reason::new(Code::QuotaExceeded, cause)
            .header(header::RETRY_AFTER, HeaderValue::from(retry_after))
            .member("violated-policies", &violated)
    }
}

/// A rule's cost; 0 is refused when the policy is compiled.
pub(in crate::engine) fn cost(cost: u32) -> NonZeroU32 {
    NonZeroU32::new(cost).unwrap_or(NonZeroU32::MIN)
}
