//! What an application may add that waits, at every step of a decision: a scheme, a store of counts, a requirement, an
//! endpoint that reads a body. All of it is written with what core shows to everybody.

use std::collections::HashMap;
use std::hash::Hasher;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use palisade_core::limit::{LimitStore, QuotaState, StoreCharge};
use palisade_core::problem::{Code, Reason};
use palisade_core::scheme::{
    Carrier, Challenge, Credential, Outcome, Presented, Rejected, Scheme, Verification,
};
use palisade_core::{
    BoxFuture, BuildContext, Clock, Endpoint, EndpointAnswer, Fittings, Mistakes, Opened, Part,
    Policy, Principal, Reply, Rule, SourceError, SystemClock, View, all_of, asked, authenticated,
};
use serde_json::Value;

/// The line by which a policy of the cases asks for it.
const MARK: &str = "# with what waits";

/// The header of the scheme.
const NAME: http::HeaderName = http::HeaderName::from_static("x-slow");

const WAIT: Duration = Duration::from_millis(5);

/// Adds it to a policy that asks for it.
pub(crate) fn add(policy: Policy, text: &str) -> Policy {
    if !text.contains(MARK) {
        return policy;
    }
    let clock = Arc::new(SystemClock::default());
    let asks = Arc::clone(&clock);
    let is_alice = asked("is alice", move |caller| {
        let answer = match caller.subject() {
            "nobody-knows" => Err(SourceError::new("directory", "it is away")),
            subject => Ok(subject == "alice"),
        };
        later(&asks, answer)
    });
    policy
        .custom_scheme(Slow {
            carriers: [Carrier::Header(NAME)],
            clock: Arc::clone(&clock),
        })
        .limit_store("slow", Arc::new(Counts::new(Arc::clone(&clock))))
        .part(Collecting(clock))
        .rule(Rule::new("/me").require(all_of([authenticated(), is_alice])))
}

/// The answer, after a while.
fn later<T: Send + 'static>(
    clock: &SystemClock,
    answer: Result<T, SourceError>,
) -> BoxFuture<Result<T, SourceError>> {
    let wait = u64::try_from(WAIT.as_nanos()).unwrap_or(u64::MAX);
    let waited = clock.wait_until(clock.monotonic_nanos().saturating_add(wait));
    Box::pin(async move {
        waited.await?;
        answer
    })
}

/// Takes a name from `X-Slow` for the caller.
#[derive(Debug)]
struct Slow {
    carriers: [Carrier; 1],
    clock: Arc<SystemClock>,
}

impl Scheme for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn kind(&self) -> &'static str {
        "slow"
    }

    fn carriers(&self) -> &[Carrier] {
        &self.carriers
    }

    fn read<'h>(&self, head: &View<'h>, _place: usize) -> Presented<'h> {
        match head.header(&NAME).next() {
            Some(bytes) => Presented::Credential(Credential {
                bytes: bytes.into(),
                carrier: 0,
            }),
            None => Presented::Nothing,
        }
    }

    fn verify(&self, credential: &Credential<'_>, _unix_seconds: u64) -> Verification {
        let name = String::from_utf8_lossy(&credential.bytes).into_owned();
        let answer = later(&self.clock, Ok(name));
        Verification::Remote(Box::pin(async move {
            match answer.await {
                Ok(name) if name.starts_with('-') => Outcome::Rejected(Rejected {
                    cause: "unknown_name",
                    hint: None,
                    claim: None,
                }),
                Ok(name) => Outcome::Verified(Principal::new("urn:slow", name)),
                Err(source) => Outcome::Unavailable(source),
            }
        }))
    }

    fn challenge(&self) -> Option<Challenge> {
        Some(Challenge::new("Slow").with("realm", "palisade"))
    }
}

/// Whom a limit counts against.
type Counted = (Arc<str>, [u8; 16]);

/// Counts without ever giving a unit back.
#[derive(Debug)]
struct Counts {
    taken: Mutex<HashMap<Counted, u32>>,
    clock: Arc<SystemClock>,
}

impl Counts {
    fn new(clock: Arc<SystemClock>) -> Self {
        Self {
            taken: Mutex::default(),
            clock,
        }
    }
}

impl LimitStore for Counts {
    fn take(&self, charges: Vec<StoreCharge>) -> BoxFuture<Result<Vec<QuotaState>, SourceError>> {
        if charges.iter().any(|charge| &*charge.limit == "away") {
            return later(
                &self.clock,
                Err(SourceError::new("counts", "they are away")),
            );
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut states = Vec::new();
        for charge in charges {
            let taken = taken.entry((charge.limit, charge.key)).or_default();
            let after = taken.saturating_add(charge.cost.get());
            let exceeded = charge.quotas.iter().any(|quota| after > quota.units);
            if !exceeded {
                *taken = after;
            }
            states.extend(charge.quotas.iter().map(|quota| {
                QuotaState::new(
                    quota.units.saturating_sub(*taken),
                    quota.seconds,
                    after > quota.units,
                )
            }));
        }
        later(&self.clock, Ok(states))
    }
}

/// Answers `POST /collected` with the length of the body.
#[derive(Debug)]
struct Collecting(Arc<SystemClock>);

impl Part for Collecting {
    fn section(&self) -> &'static str {
        "collecting"
    }

    fn fingerprint(&self, _content: &mut dyn Hasher) {}

    fn describe(&self) -> Value {
        Value::Null
    }

    fn fit(&self, _: &BuildContext<'_>, fittings: &mut Fittings, _: &mut Mistakes) {
        fittings.endpoint(Collect(Arc::clone(&self.0)));
    }
}

#[derive(Debug)]
struct Collect(Arc<SystemClock>);

impl Endpoint for Collect {
    fn name(&self) -> &'static str {
        "collect"
    }

    fn path(&self) -> &str {
        "/collected"
    }

    fn methods(&self) -> &'static [&'static str] {
        &["POST"]
    }

    fn open(&self, head: &View<'_>) -> Result<Opened, Reason> {
        if head.query().is_some() {
            return Err(Reason::new(Code::InvalidRequest, "query_given"));
        }
        let clock = Arc::clone(&self.0);
        Ok(Opened::AfterBody {
            max: 1024,
            then: Box::new(move |body| {
                let answer = later(&clock, Ok(answer(&body)));
                Box::pin(async move {
                    answer.await.unwrap_or_else(|_| {
                        EndpointAnswer::Refuse(Reason::new(Code::DependencyUnavailable, "no_timer"))
                    })
                })
            }),
        })
    }
}

fn answer(body: &[u8]) -> EndpointAnswer {
    let reply = |status, text: String| Reply {
        status,
        headers: vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        body: text.into(),
    };
    let refused = || Reason::new(Code::Forbidden, "not_this_body");
    match body {
        b"refuse" => EndpointAnswer::Refuse(refused()),
        b"refuse in own words" => {
            let text = r#"{"error":"invalid_grant"}"#.to_owned();
            EndpointAnswer::RefuseAs(refused(), reply(StatusCode::BAD_REQUEST, text))
        }
        body => EndpointAnswer::Reply(reply(
            StatusCode::OK,
            format!(r#"{{"length":{}}}"#, body.len()),
        )),
    }
}
