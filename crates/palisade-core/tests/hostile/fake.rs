//! A framework that is not there: heads as data, a clock by hand, the audit in memory.

use http::{HeaderMap, StatusCode};
use palisade_core::{
    Clock, Entropy, HttpResponse, Reply, RequestHead, SourceError,
    audit::{AuditEvent, AuditSink},
};
use std::{
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Seconds since 1970-01-01T00:00:00Z at which every test begins.
pub(crate) const START: u64 = 1_780_272_000;

#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) authority: Option<Vec<u8>>,
    pub(crate) http2: bool,
    pub(crate) lines: Vec<(String, Vec<u8>)>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) tls: bool,
}

impl Head {
    /// The values of every line of this name.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let lines = self.lines.iter().filter(move |(own, _)| own == name);
        lines.map(|(_, value)| value.as_slice())
    }
}

impl RequestHead for Head {
    fn method(&self) -> &[u8] {
        &self.method
    }

    fn target(&self) -> &[u8] {
        &self.target
    }

    fn authority(&self) -> Option<&[u8]> {
        self.authority.as_deref()
    }

    fn http2(&self) -> bool {
        self.http2
    }

    fn headers<'h>(&'h self, each: &mut dyn FnMut(&'h str, &'h [u8])) {
        for (name, value) in &self.lines {
            each(name, value);
        }
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    fn tls(&self) -> bool {
        self.tls
    }
}

#[derive(Debug, Default)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl From<Reply> for Response {
    fn from(reply: Reply) -> Self {
        let mut response = Self::default();
        response.replace(reply);
        response
    }
}

impl HttpResponse for Response {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn header_map(&self) -> &HeaderMap {
        &self.headers
    }

    fn header_map_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    fn replace(&mut self, reply: Reply) {
        self.status = reply.status;
        self.headers = reply.headers.into_iter().collect();
        self.body = reply.body.to_vec();
    }
}

#[derive(Debug, Default)]
pub(crate) struct ManualClock(AtomicU64);

impl ManualClock {
    pub(crate) fn advance_millis(&self, by: u64) {
        self.0.fetch_add(by, Relaxed);
    }
}

impl Clock for ManualClock {
    fn unix_millis(&self) -> u64 {
        START * 1000 + self.0.load(Relaxed)
    }

    fn monotonic_nanos(&self) -> u64 {
        self.0.load(Relaxed) * 1_000_000
    }
}

/// Unpredictable enough for a test, and the same in every run.
#[derive(Debug, Default)]
pub(crate) struct CountingEntropy(AtomicU64);

impl Entropy for CountingEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), SourceError> {
        for byte in bytes {
            *byte = (self.0.fetch_add(0x9e37_79b9, Relaxed) >> 16) as u8;
        }
        Ok(())
    }
}

/// The audit events since the last look, as the text that a log would hold.
#[derive(Debug, Default)]
pub(crate) struct AuditLog(Mutex<Vec<Event>>);

#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) status: Option<u16>,
    pub(crate) decision: String,
    pub(crate) json: String,
}

impl AuditLog {
    pub(crate) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl AuditSink for AuditLog {
    fn record(&self, event: &AuditEvent<'_>) {
        self.0.lock().unwrap().push(Event {
            status: event.status,
            decision: format!("{:?}", event.decision),
            json: serde_json::to_string(event).unwrap(),
        });
    }
}
