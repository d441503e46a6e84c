//! Stages 9 and 11: which limits a request is charged by, and for whom.

mod charge;

use crate::{
    config::Mistakes,
    limit::{
        FieldText, Key, KeyHash, KeyHasher, LimitId, LimitOptions, LimitSet, LimitSpec, OwnQuotas,
        Quota, QuotaState, Report, Row, StoredLimit,
    },
    outage::Outage,
    policy::{LimitKey, Policy},
    ports::{BoxFuture, Clock, SourceError},
    principal::Principal,
    problem::Reason,
    view::View,
};
use http::HeaderName;
use serde::Serialize;
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
    /// Those that a store counts.
    stored: Vec<Option<StoredLimit>>,
    /// Of the stores.
    outage: Outage,
}

/// What came of charging a request.
pub(in crate::engine) enum Charged {
    Now(Result<(), Reason>),
    /// A store is asked.
    Later(Box<Counting>),
}

/// A question to stores of counts, under way.
pub(in crate::engine) struct Counting {
    pub(in crate::engine) answer: BoxFuture<Result<Vec<QuotaState>, SourceError>>,
    /// The quotas that the answer is about, in its order.
    quotas: Vec<Row>,
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
        let mut stored = Vec::new();
        for (index, limit) in limits.iter().enumerate() {
            let quotas = Quota::parse_list(&limit.quota).unwrap_or_else(|message| {
                mistakes.add(format!("limit[{index}].quota"), message);
                Vec::new()
            });
            let mut spec = LimitSpec::new(&limit.name, quotas);
            spec.burst = limit.burst;
            spec.strict = limit.strict;
            spec.shadow = limit.shadow;
            stored.push(stored_limit(policy, index, &spec, mistakes));
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
                    stored,
                    outage: Outage::default(),
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
            stored: Vec::new(),
            outage: Outage::default(),
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

    /// What a limit counts the request against.
    fn key<'a, 'h: 'a>(by: &CountBy, who: &Who<'a, 'h>) -> Key<'a> {
        let address = Key::Address(who.client);
        let principal = |caller: &'a Principal| Key::Principal {
            issuer: caller.issuer(),
            subject: caller.subject(),
        };
        let Some(caller) = who.caller else {
            return match by {
                CountBy::Global => Key::Global,
                // Without the header, a caller counts by address: never unlimited.
                CountBy::Header(name) => {
                    let value = who.view.and_then(|view| view.header(name).next());
                    value.map_or(address, Key::Header)
                }
                _ => address,
            };
        };
        match by {
            CountBy::Address | CountBy::Header(_) => address,
            CountBy::Global => Key::Global,
            CountBy::Principal => principal(caller),
            CountBy::Tenant => match caller.tenant_name() {
                Some(tenant) => Key::Tenant {
                    issuer: caller.issuer(),
                    tenant,
                },
                None => principal(caller),
            },
            CountBy::Credential => match caller.key_id() {
                Some(id) => Key::ApiKey {
                    issuer: caller.issuer(),
                    id,
                },
                None => principal(caller),
            },
        }
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

/// A rule's cost; 0 is refused when the policy is compiled.
pub(in crate::engine) fn cost(cost: u32) -> NonZeroU32 {
    NonZeroU32::new(cost).unwrap_or(NonZeroU32::MIN)
}

/// How a store is asked about a limit, if one counts it.
fn stored_limit(
    policy: &Policy,
    index: usize,
    spec: &LimitSpec,
    mistakes: &mut Mistakes,
) -> Option<StoredLimit> {
    let name = policy.limits.get(index)?.store.as_ref()?;
    let Some(store) = policy.limit_stores().get(name) else {
        let known: Vec<_> = policy.limit_stores().keys().map(String::as_str).collect();
        let known = match known.is_empty() {
            true => "the program gave none; it gives one by Policy::limit_store".to_owned(),
            false => format!("the program gave {}", known.join(", ")),
        };
        mistakes.add(
            format!("limit[{index}].store"),
            format!("there is no store {name:?}; {known}"),
        );
        return None;
    };
    Some(StoredLimit {
        store: Arc::clone(store),
        name: spec.name.as_str().into(),
        quotas: spec.quotas.as_slice().into(),
        burst: spec.burst,
        strict: spec.strict,
        shadow: spec.shadow,
    })
}
