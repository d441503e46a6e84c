//! The reasons of the audit, as `docs/audit.md` lists them for operators, with the codes that clients get.

use std::collections::BTreeMap;
use std::sync::LazyLock;

const PAGE: &str = include_str!("../../../docs/audit.md");

/// The codes that the page gives for a reason of Palisade's; `None` for one of an application.
pub(crate) fn codes(reason: &str) -> Option<&'static [&'static str]> {
    static ROWS: LazyLock<BTreeMap<&str, Vec<&str>>> = LazyLock::new(|| read(PAGE));
    ROWS.get(reason).map(Vec::as_slice)
}

/// The rows of its last part: ``| `reason` | 401 `code`, 403 `code` | …``.
fn read(page: &str) -> BTreeMap<&str, Vec<&str>> {
    let reasons = page.split("\n## Reasons\n").nth(1).unwrap_or_default();
    let row = |line| {
        let line: &str = line;
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let reason = cells.next()?.strip_suffix('`')?;
        let codes = cells.next()?.split('`').skip(1).step_by(2);
        Some((reason, codes.collect()))
    };
    reasons.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_the_codes_of_its_row() {
        let both = ["credentials_required", "client_certificate_required"];
        assert_eq!(codes("no_credential"), Some(&both[..]));
        assert_eq!(codes("cross_site"), Some(&["cross_origin_blocked"][..]));
        assert_eq!(codes("not_the_owner"), None);
        // A field of the events is none.
        assert_eq!(codes("missing"), None);
    }
}
