//! What the log says of a dependency that is down.

use super::*;
use std::fmt::Debug;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// The level and the message of every event of ours.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<(Level, String)>>>);

impl Log {
    fn take(&self) -> Vec<(Level, String)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "palisade"
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        let mut log = self.0.lock().unwrap();
        log.push((*event.metadata().level(), message.0));
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

fn ask(palisade: &Palisade, told: &'static str) -> StatusCode {
    let head = get("/closed", &[("x-told", told)]);
    let mut exchange = palisade.open(&head);
    let verdict = loop {
        if let Some(verdict) = poll(&mut exchange) {
            break verdict;
        }
    };
    let mut response = Response {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
    };
    if let Verdict::Refuse(reply) = verdict {
        response = reply.into();
    }
    exchange.close(&mut response);
    response.status
}

#[test]
fn an_outage_is_one_warning_and_one_word_when_it_is_over() {
    for later in [false, true] {
        let (palisade, _) = palisade(later);
        let log = Log::default();
        tracing::subscriber::with_default(log.clone(), || {
            for _ in 0..50 {
                assert_eq!(ask(&palisade, "down"), 503);
            }
            let told = log.take();
            let [(Level::WARN, text)] = told.as_slice() else {
                panic!("{told:?}")
            };
            assert!(text.starts_with("told is unavailable: down"), "{text}");
            for _ in 0..50 {
                assert_eq!(ask(&palisade, "alice"), 200);
            }
            let told = log.take();
            assert!(matches!(told.as_slice(), [(Level::INFO, _)]), "{told:?}");
        });
    }
}
