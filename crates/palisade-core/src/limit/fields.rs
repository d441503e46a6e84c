//! The header fields that tell a client its quotas: draft-ietf-httpapi-ratelimit-headers-10.
//!
//! A field is a list of items, each a String with parameters (RFC 9651). The names need no
//! escaping, because configuration admits safe ones only. Shadow limits are left out.

use std::fmt::Write;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{LimitId, LimitSet, Quota, Report, Row, own};

impl LimitSet {
    /// The value of `RateLimit-Policy` for these limits, in the given order, with quota `q` per
    /// window of `w` seconds: `"burst";q=100;w=60, "burst-2";q=1000;w=86400`. May be empty.
    #[must_use]
    pub fn policy_field(&self, limits: &[LimitId]) -> String {
        let mut value = String::new();
        let limits = limits.iter().filter_map(|id| self.limit(*id));
        for limit in limits.filter(|limit| !limit.shadow) {
            for (name, meter) in limit.quota_names.iter().zip(&limit.meters) {
                write_quota(&mut value, name, meter.quota());
            }
        }
        value
    }

    /// Appends a report to the value of `RateLimit`, with `r` units left and `t` seconds as in
    /// [`Row`]: `"burst";r=50;t=30`. The reports of two stages are joined first.
    pub fn write_field(&self, report: &Report, value: &mut FieldText) {
        let mut digits = itoa::Buffer::new();
        let mut before = "\"";
        for row in report.rows().iter().filter(|row| !row.shadow) {
            if let Some(name) = self.quota_name(row) {
                value.push_str(before);
                before = ", \"";
                value.push_str(name);
                value.push_str("\";r=");
                value.push_str(digits.format(row.remaining));
                value.push_str(";t=");
                value.push_str(digits.format(row.seconds));
            }
        }
    }

    /// The name of a row's quota: the limit's, numbered from the second quota on.
    #[must_use]
    pub fn quota_name(&self, row: &Row) -> Option<&str> {
        match row.limit {
            LimitId::OWN => own::name(row.index),
            limit => {
                let name = self.limit(limit)?.quota_names.get(row.index as usize)?;
                Some(name)
            }
        }
    }
}

/// The value of a `RateLimit` being written, and what stands before it; two quotas fit without an
/// allocation.
#[derive(Clone, Debug, Default)]
pub struct FieldText(SmallVec<[u8; 96]>);

impl FieldText {
    pub(crate) fn starting_with(text: &str) -> Self {
        Self(text.as_bytes().into())
    }

    /// All of it, in one allocation that parts of it can share.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self.0)
    }

    /// What was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only whole texts are ever added, so this cannot fail.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn push_str(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }
}

/// Appends a quota to the value of `RateLimit-Policy`.
pub(super) fn write_quota(value: &mut String, name: &str, quota: Quota) {
    let Quota { units, seconds } = quota;
    let comma = if value.is_empty() { "" } else { ", " };
    // Writing to a String cannot fail.
    let _ = write!(value, "{comma}\"{name}\";q={units};w={seconds}");
}

#[cfg(test)]
mod tests {
    use super::super::{Decision, Key, KeyHasher, LimitOptions, LimitSpec};
    use super::*;

    #[test]
    fn fields_name_every_enforced_quota_in_the_order_of_the_policy() {
        let spec = |name, quotas| LimitSpec::new(name, Quota::parse_list(quotas).unwrap());
        let shadow = LimitSpec {
            shadow: true,
            ..spec("trial", "1/day")
        };
        let specs = vec![
            spec("burst", "100/minute; 1000 per day"),
            shadow,
            spec("slow", "1 per 30 s"),
        ];
        let set = LimitSet::new(specs, LimitOptions::default()).unwrap();
        let ids: Vec<_> = set.ids().collect();
        assert_eq!(
            set.policy_field(&ids),
            r#""burst";q=100;w=60, "burst-2";q=1000;w=86400, "slow";q=1;w=30"#
        );
        assert_eq!(set.policy_field(&ids[1..2]), "");

        let key = KeyHasher::new(&[1; 16]).hash(Key::Global);
        let charges = [2, 0, 1].map(|i: usize| set.charge(ids[i], key).unwrap());
        let (mut report, mut stage) = (Report::new(), Report::new());
        for charges in [&charges[..1], &charges[1..]] {
            assert_eq!(set.take(charges, 0, &mut stage), Decision::Admit);
            report.join(&stage);
        }
        let mut value = FieldText::default();
        set.write_field(&report, &mut value);
        assert_eq!(
            value.as_str(),
            r#""burst";r=99;t=1, "burst-2";r=999;t=87, "slow";r=0;t=30"#
        );
        assert_eq!(report.tightest().unwrap().quota.units, 1);
    }
}
