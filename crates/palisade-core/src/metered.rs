//! A recorder of metrics, for tests.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};

/// A recorder that keeps counters alone.
#[derive(Default)]
pub(crate) struct Counters(Mutex<Vec<(String, Arc<AtomicU64>)>>);

impl Counters {
    /// Runs `build` with this as the recorder.
    pub(crate) fn record<T>(&self, build: impl FnOnce() -> T) -> T {
        with_local_recorder(self, build)
    }

    /// Name, values of the labels and value of every counter that was counted up.
    pub(crate) fn above_zero(&self) -> Vec<String> {
        let counters = self.0.lock().unwrap();
        let values = counters
            .iter()
            .map(|(name, value)| (name, value.load(Relaxed)));
        values
            .filter(|(_, value)| *value > 0)
            .map(|(name, value)| format!("{name}: {value}"))
            .collect()
    }
}

impl Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels: Vec<_> = key.labels().map(|label| label.value()).collect();
        let (name, value) = (
            format!("{} {}", key.name(), labels.join(" ")),
            Arc::default(),
        );
        self.0.lock().unwrap().push((name, Arc::clone(&value)));
        Counter::from_arc(value)
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
