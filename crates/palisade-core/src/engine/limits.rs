//! Which limits a request is charged by, and for whom.

use super::{compiled::Compiled, exchange::Facts, explain::LimitReport, rules::CompiledRule};
use crate::{
    config::Mistakes,
    limit::{
        Charge, Decision, FieldText, Key, KeyHash, KeyHasher, LimitId, LimitOptions, LimitSet,
        LimitSpec, OwnQuotas, Quota, Report, Row,
    },
    policy::{Failures, Limit, LimitKey},
    problem::{Code, Reason},
    view::View,
};
use http::{HeaderName, HeaderValue, header};
use smallvec::SmallVec;
use std::{num::NonZeroU32, sync::Arc};

/// `[[limit]]`, compiled.
#[derive(Debug)]
pub(crate) struct Limits {
    set: LimitSet,
    keys: KeyHasher,
    by: Vec<CountBy>,
    anew: Vec<LimitId>,
    /// `[failures]`, after the limits of the policy.
    failures: Option<LimitId>,
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

/// When a request is charged: before its credential is verified, or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Address,
    Principal,
}

/// The limits of a rule, by stage.
#[derive(Debug, Clone, Default)]
pub(crate) struct RuleLimits {
    address: Vec<LimitId>,
    principal: Vec<LimitId>,
    /// The `RateLimit-Policy` of the rule, among the known fields.
    pub(super) policy_field: Option<usize>,
}

impl RuleLimits {
    /// Whether every limit of `other` is one of these.
    pub(super) fn include(&self, other: &RuleLimits) -> bool {
        let within = |other: &[LimitId], own: &[LimitId]| other.iter().all(|id| own.contains(id));
        within(&other.address, &self.address) && within(&other.principal, &self.principal)
    }
}

impl Limits {
    pub(super) fn compile(
        limits: &[Limit],
        failures: &Failures,
        max_keys: usize,
        keys: KeyHasher,
        before: Option<&Self>,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
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
    pub(super) fn none() -> Self {
        Self {
            set: LimitSet::default(),
            keys: KeyHasher::new(&[0; 16]),
            by: Vec::new(),
            anew: Vec::new(),
            failures: None,
        }
    }

    /// The limits that the version before has, too, but with other settings: what it counted
    /// means nothing to them.
    pub(super) fn anew(&self) -> impl Iterator<Item = &str> {
        self.anew.iter().filter_map(|&id| self.set.name(id))
    }

    pub(super) fn id(&self, name: &str) -> Option<LimitId> {
        self.set.id(name)
    }

    /// What `RateLimit-Policy` says beside the policy field of the rule.
    pub(super) fn own_policy_field(&self, report: &Report) -> Option<String> {
        self.set.policy_field_from(self.failures?, report)
    }

    /// Appends the value of `RateLimit`; nothing where every limit is only watched.
    pub(super) fn write_field(&self, report: &Report, value: &mut FieldText) {
        self.set.write_field(report, value);
    }

    /// Sorts the limits of a rule into stages; their order is that of the policy.
    pub(super) fn for_rule(&self, mut ids: Vec<LimitId>) -> (RuleLimits, String) {
        ids.sort_unstable();
        ids.dedup();
        let field = self.set.policy_field(&ids);
        let (address, principal) = ids
            .into_iter()
            .partition(|&id| self.count_by(id).stage() == Stage::Address);
        let limits = RuleLimits {
            address,
            principal,
            policy_field: None,
        };
        (limits, field)
    }

    /// The names of a rule's limits, in the order of the policy.
    pub(super) fn names(&self, limits: &RuleLimits) -> Vec<String> {
        let mut ids: Vec<_> = limits.address.iter().chain(&limits.principal).collect();
        ids.sort_unstable();
        let names = ids.into_iter().filter_map(|&id| self.set.name(id));
        names.map(str::to_owned).collect()
    }

    /// Whether the limit is charged before a credential is verified.
    pub(super) fn is_by_address(&self, id: LimitId) -> bool {
        id != LimitId::OWN && self.count_by(id).stage() == Stage::Address
    }

    /// A row for people.
    pub(super) fn report_of(&self, row: &Row) -> LimitReport {
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
        let address = Key::Address(who.facts.client);
        let principal = |fallback| match &who.facts.caller {
            Some(caller) => Key::Principal {
                issuer: caller.principal.issuer(),
                subject: caller.principal.subject(),
            },
            None => fallback,
        };
        let caller = who.facts.caller.as_ref();
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
                        issuer: caller.principal.issuer(),
                        tenant: caller.principal.tenant_name()?,
                    })
                })
                .unwrap_or_else(|| principal(address)),
            CountBy::Credential => caller
                .and_then(|caller| {
                    Some(Key::ApiKey {
                        issuer: caller.principal.issuer(),
                        id: caller.principal.key_id()?,
                    })
                })
                .unwrap_or_else(|| principal(address)),
        })
    }

    /// The quotas that the caller brings along, and the key that they count by: the caller's credential.
    fn own(&self, facts: &Facts) -> Option<(Arc<OwnQuotas>, KeyHash)> {
        let caller = &facts.caller.as_ref()?.principal;
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
struct Who<'a, 'h> {
    facts: &'a Facts,
    view: Option<&'a View<'h>>,
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

    fn stage(&self) -> Stage {
        match self {
            CountBy::Address | CountBy::Header(_) | CountBy::Global => Stage::Address,
            CountBy::Principal | CountBy::Tenant | CountBy::Credential => Stage::Principal,
        }
    }
}

impl Compiled {
    /// Charges the request by the limits of one stage: all of them, or none.
    pub(super) fn charge(
        &self,
        stage: Stage,
        rule: &CompiledRule,
        view: Option<&View<'_>>,
        facts: &mut Facts,
    ) -> Result<(), Reason> {
        let ids = match stage {
            Stage::Address => &rule.limits.address,
            Stage::Principal => &rule.limits.principal,
        };
        let own = match stage {
            Stage::Address => None,
            Stage::Principal => self.limits.own(facts),
        };
        if ids.is_empty() && own.is_none() {
            return Ok(());
        }
        // Of two lines, the one that is not counted could be another on every request.
        if view.is_some_and(|view| ids.iter().any(|&id| self.limits.is_repeated(id, view))) {
            return Err(Reason::new(Code::RequestRejected, "limit_header_repeated"));
        }
        let now = facts.now_nanos(self);
        let who = Who {
            facts: &*facts,
            view,
        };
        let mut charges: SmallVec<[Charge; 4]> = ids
            .iter()
            .map(|&limit| Charge {
                limit,
                key: self.limits.key(self.limits.count_by(limit), &who),
                cost: rule.cost,
            })
            .collect();
        let (own, own_key) = own.unzip();
        charges.extend(own_key.map(|key| Charge::own(key, rule.cost)));
        let mut report = Report::new();
        let set = &self.limits.set;
        let decision = set.take_with_own(&charges, own.as_deref(), now, &mut report);
        self.note(&report, facts);
        match decision {
            Decision::Admit => Ok(()),
            Decision::Refuse { retry_after } => {
                Err(self.quota_exceeded(&report, retry_after, "quota_exceeded"))
            }
        }
    }

    /// The quota of failures and the seconds to wait, if too many credentials have failed at the client's address.
    pub(super) fn spent_failures(&self, facts: &mut Facts) -> Option<(Report, u32)> {
        let id = self.limits.failures?;
        let now = facts.now_nanos(self);
        let key = self.limits.keys.hash(Key::Address(facts.client));
        let mut report = Report::new();
        match self.limits.set.would_admit(id, key, now, &mut report) {
            Decision::Admit => None,
            Decision::Refuse { retry_after } => Some((report, retry_after)),
        }
    }

    /// Why a credential is refused before anybody looks at it.
    pub(super) fn too_many_failures(&self, spent: &(Report, u32), facts: &mut Facts) -> Reason {
        let (report, retry_after) = spent;
        self.note(report, facts);
        self.quota_exceeded(report, *retry_after, "too_many_failures")
    }

    /// Counts a malformed or wrong credential by the address it came from, whatever the limits of the rule count.
    pub(super) fn count_failure(&self, facts: &mut Facts) {
        let Some(id) = self.limits.failures else {
            return;
        };
        // What is never refused for it could go on and on, and those who are would wait ever longer.
        if !self.is_guessable(facts.presented) && self.spent_failures(facts).is_some() {
            return;
        }
        let now = facts.now_nanos(self);
        let key = self.limits.keys.hash(Key::Address(facts.client));
        if self.limits.set.charge_for_failure(id, key, now) {
            self.warn_half_full(id);
        }
    }

    /// Remembers what the response and the audit must tell.
    fn note(&self, report: &Report, facts: &mut Facts) {
        facts.charged.join(report);
        for row in report.rows() {
            if row.shadow && row.violated {
                facts.shadow_limits.push(row.limit);
            }
        }
        if let Some(id) = report.alarm() {
            self.warn_half_full(id);
        }
    }

    fn warn_half_full(&self, id: LimitId) {
        let name = self.limits.set.name(id).unwrap_or_default();
        tracing::warn!(
            target: "palisade",
            limit = name,
            "half of the keys that the limit can remember are in use; when all are, new keys \
             share one bucket: raise limit_max_keys, or look for an attack"
        );
    }

    /// The names of limits, for the audit.
    pub(super) fn limit_names(&self, ids: &[LimitId]) -> Vec<&str> {
        ids.iter()
            .filter_map(|&id| self.limits.set.name(id))
            .collect()
    }

    fn quota_exceeded(&self, report: &Report, retry_after: u32, cause: &'static str) -> Reason {
        let violated: Vec<&str> = report
            .rows()
            .iter()
            .filter(|row| row.violated && !row.shadow)
            .filter_map(|row| self.limits.set.quota_name(row))
            .collect();
        Reason::new(Code::QuotaExceeded, cause)
            .header(header::RETRY_AFTER, HeaderValue::from(retry_after))
            .member("violated-policies", &violated)
    }
}

/// A rule's cost; 0 is refused when the policy is compiled.
pub(super) fn cost(cost: u32) -> NonZeroU32 {
    NonZeroU32::new(cost).unwrap_or(NonZeroU32::MIN)
}
