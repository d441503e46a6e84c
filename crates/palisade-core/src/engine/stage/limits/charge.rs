//! Charging a request by its limits, in this process and by stores.

use super::{Charged, Counting, LimitReport, Limits, RuleLimits, When, Who};
use crate::{
    cause::Cause,
    engine::facts::{Effects, Record},
    fingerprint::Content,
    limit::{
        Charge, Decision, Key, LimitId, LimitStore, Quota, QuotaState, Report, Row, StoreCharge,
        StoredLimit,
    },
    outage::Answer,
    ports::SourceError,
    problem::{Code, Reason},
};
use http::{HeaderValue, header};
use smallvec::SmallVec;
use std::{net::IpAddr, num::NonZeroU32, sync::Arc};

impl Limits {
    /// Charges the request by the limits of one time: of those that are counted here all, or none. Where a store counts some,
    /// it is asked once these had enough left; they stay charged if it has not.
    pub(in crate::engine) fn charge(
        &self,
        when: When,
        rule: &RuleLimits,
        who: Who<'_, '_>,
        effects: &mut Effects,
        record: &mut Record,
    ) -> Charged {
        let ids = match when {
            When::Arrival => &rule.address,
            When::Caller => &rule.principal,
        };
        let own = match when {
            When::Arrival => None,
            When::Caller => self.own(who.caller),
        };
        if ids.is_empty() && own.is_none() {
            return Charged::Now(Ok(()));
        }
        // Of two lines, the one that is not counted could be another on every request.
        let is_repeated = |view| ids.iter().any(|&id| self.is_repeated(id, view));
        if who.view.is_some_and(is_repeated) {
            let reason = Reason::new(Code::RequestRejected, Cause::LimitHeaderRepeated);
            return Charged::Now(Err(reason));
        }
        let now = record.now_nanos(&*self.clock);
        let here = ids.iter().filter(|id| self.stored(**id).is_none());
        let mut charges: SmallVec<[Charge; 4]> = here
            .map(|&limit| Charge {
                limit,
                key: self.keys.hash(Self::key(self.count_by(limit), &who)),
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
            Decision::Admit => match self.ask_stores(ids, rule.cost, &who) {
                Some(counting) => Charged::Later(Box::new(counting)),
                None => Charged::Now(Ok(())),
            },
            Decision::Refuse { retry_after } => Charged::Now(Err(self.quota_exceeded(
                &report,
                retry_after,
                Cause::QuotaExceeded,
            ))),
        }
    }

    /// Asks every store that counts one of these limits; the next one only if the one before had enough left.
    fn ask_stores(&self, ids: &[LimitId], cost: NonZeroU32, who: &Who<'_, '_>) -> Option<Counting> {
        let mut asked: Vec<(Arc<dyn LimitStore>, Vec<StoreCharge>)> = Vec::new();
        let mut quotas = Vec::new();
        let stored = ids.iter().filter_map(|&id| Some((id, self.stored(id)?)));
        for (id, limit) in stored {
            let charge = StoreCharge {
                limit: Arc::clone(&limit.name),
                key: shared_key(&Self::key(self.count_by(id), who)),
                quotas: Arc::clone(&limit.quotas),
                burst: limit.burst,
                strict: limit.strict,
                shadow: limit.shadow,
                cost,
            };
            match asked
                .iter_mut()
                .find(|(store, _)| Arc::ptr_eq(store, &limit.store))
            {
                Some((_, charges)) => charges.push(charge),
                None => asked.push((Arc::clone(&limit.store), vec![charge])),
            }
            quotas.extend(limit.rows(id));
        }
        if asked.is_empty() {
            return None;
        }
        // In the order in which the stores answer.
        quotas.sort_by_key(|row: &Row| {
            let store = self.stored(row.limit).map(|limit| &limit.store);
            let place = |(own, _): &(Arc<dyn LimitStore>, _)| {
                store.is_some_and(|store| Arc::ptr_eq(own, store))
            };
            asked.iter().position(place)
        });
        Some(Counting {
            answer: Box::pin(take_from_all(asked)),
            quotas,
        })
    }

    /// Notes what the stores counted, and refuses what exceeds a quota.
    pub(in crate::engine) fn counted(
        &self,
        counting: Counting,
        answer: Result<Vec<QuotaState>, SourceError>,
        effects: &mut Effects,
        record: &mut Record,
    ) -> Result<(), Reason> {
        let now = record.now_nanos(&*self.clock);
        if answer.is_ok()
            && self.outage.is_on()
            && self.outage.is_over(Answer::Asked, now).is_some()
        {
            tracing::info!(target: "palisade", "the stores of limits answer again");
        }
        let states = answer.map_err(|source| {
            record.remark(|| source.to_string());
            if !record.explains() && self.outage.begins(Answer::Asked, now) {
                let told = "what needs it is answered with 503, and the log says when it is back";
                tracing::warn!(target: "palisade", "{source}: {told}");
            }
            Reason::new(Code::DependencyUnavailable, Cause::LimitsUnavailable)
                .header(header::RETRY_AFTER, HeaderValue::from_static("5"))
        })?;
        let mut report = Report::new();
        for (row, state) in counting.quotas.into_iter().zip(states) {
            report.push(Row {
                remaining: state.remaining,
                seconds: state.seconds,
                violated: state.exceeded,
                ..row
            });
        }
        self.note(&report, effects, record);
        let enforced = report
            .rows()
            .iter()
            .filter(|row| row.violated && !row.shadow);
        match enforced.map(|row| row.seconds.max(1)).max() {
            None => Ok(()),
            Some(retry_after) => {
                Err(self.quota_exceeded(&report, retry_after, Cause::QuotaExceeded))
            }
        }
    }

    fn stored(&self, id: LimitId) -> Option<&StoredLimit> {
        self.stored.get(id.index())?.as_ref()
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
        self.quota_exceeded(report, *retry_after, Cause::TooManyFailures)
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

    fn quota_exceeded(&self, report: &Report, retry_after: u32, cause: Cause) -> Reason {
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

impl StoredLimit {
    /// A row for each of its quotas, to be filled with what its store says.
    fn rows(&self, limit: LimitId) -> impl Iterator<Item = Row> {
        let quotas = (0..).zip(self.quotas.iter());
        quotas.map(move |(index, &quota)| Row {
            limit,
            index,
            quota,
            remaining: 0,
            seconds: 0,
            violated: false,
            shadow: self.shadow,
            shared: false,
        })
    }
}

/// Whom a request counts against, in the same bytes in every process. The secret that this process hashes keys with would
/// make others of them, and a plain hash of few bits could be met on purpose.
fn shared_key(key: &Key<'_>) -> [u8; 16] {
    let mut content = Content::new();
    key.write(&mut content);
    let digest = content.digest();
    digest.first_chunk().copied().unwrap_or_default()
}

async fn take_from_all(
    asked: Vec<(Arc<dyn LimitStore>, Vec<StoreCharge>)>,
) -> Result<Vec<QuotaState>, SourceError> {
    let mut all = Vec::new();
    for (store, charges) in asked {
        let quotas: Vec<(Quota, bool)> = charges
            .iter()
            .flat_map(|charge| charge.quotas.iter().map(|&quota| (quota, !charge.shadow)))
            .collect();
        let states = match store.take(charges).await {
            Ok(states) if states.len() == quotas.len() => states,
            answer if quotas.iter().any(|&(_, enforced)| enforced) => {
                answer?;
                return Err(SourceError::new(
                    "limit store",
                    "it told another number of quotas",
                ));
            }
            // What is only watched refuses nothing, not even where nobody counts it.
            _ => quotas
                .iter()
                .map(|&(quota, _)| QuotaState::new(quota.units, 0, false))
                .collect(),
        };
        let mut both = states.iter().zip(&quotas);
        let exceeded = both.any(|(state, &(_, enforced))| state.exceeded && enforced);
        all.extend(states);
        if exceeded {
            break;
        }
    }
    Ok(all)
}
