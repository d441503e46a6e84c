//! What callers are charged, and when.

use super::*;
use crate::{ApiKey, ApiKeyEntry, Limit, LimitKey};

const SECOND: u64 = 1_000_000_000;

#[test]
fn a_caller_is_charged_at_the_time_of_the_answer() {
    let clock = Arc::new(Ticks::default());
    let limit = Limit::new("one", "1/minute").by(LimitKey::Principal);
    let palisade = Policy::builder()
        .custom_scheme(Told::new(true))
        .rule(Rule::new("/closed").require(authenticated()))
        .limit(limit.everywhere())
        .with_clock(clock.clone())
        .build()
        .unwrap();
    // Whoever is asked takes half a minute.
    let ask = || {
        let mut exchange = palisade.open(&get("/closed", &[("x-told", "alice")]));
        assert!(poll(&mut exchange).is_none());
        clock.0.fetch_add(30 * SECOND, Relaxed);
        matches!(poll(&mut exchange).unwrap(), Verdict::Admit(_))
    };
    assert!(ask());
    // A minute after the first was charged, if not after its head had come.
    assert!(!ask());
    assert!(ask());
}

fn keyed(quota: &str) -> Policy {
    // Of the text `key-with-quotas`.
    let digest = "sha256:282d7a7a466716285e980d717892edae57422cfe1d7c7fed72308ecc53d0acdb";
    let entry = ApiKeyEntry::new("shop", digest).quota(quota);
    Policy::builder()
        .scheme(ApiKey::new("partners").header("x-api-key").key(entry))
        .rule(Rule::new("/closed").require(authenticated()))
}

#[test]
fn the_quota_of_a_key_counts_on_when_the_policy_is_replaced() {
    let palisade = keyed("2/hour").build().unwrap();
    let status = || {
        status_of(
            &palisade,
            &get("/closed", &[("x-api-key", "key-with-quotas")]),
        )
    };
    assert_eq!([status(), status(), status()], [200, 200, 429]);
    palisade.replace(keyed("2/hour")).unwrap();
    assert_eq!(status(), 429);
    // Less is allowed now, and nothing of it is left.
    palisade.replace(keyed("1/hour")).unwrap();
    assert_eq!(status(), 429);
    let mut roomier = keyed("2/hour");
    roomier.limit_max_keys *= 2;
    palisade.replace(roomier).unwrap();
    assert_eq!(status(), 200);
}

#[test]
fn a_quota_that_cannot_be_kept_is_a_mistake_of_the_policy() {
    for (quota, right) in [
        ("often", "write \"100/minute\""),
        ("1/s; 2/s; 3/s; 4/s; 5/s", "write 1 to 4"),
    ] {
        let mistakes = keyed(quota).build().unwrap_err().to_string();
        let place = "api_key.partners.key[0].quota";
        assert!(
            mistakes.contains(place) && mistakes.contains(right),
            "{mistakes}"
        );
    }
    let named = keyed("1/s").limit(Limit::new("key", "1/hour"));
    let mistakes = named.build().unwrap_err().to_string();
    assert!(mistakes.contains("own quota of an API key"), "{mistakes}");
}
