//! The clock of this benchmark: interleaved batches, medians, allocations.
//!
//! Every round runs one short batch of every stack, so that a slow minute of the machine falls on all of them alike;
//! the median over the rounds then drops the batches that something interrupted.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::runtime::Runtime;

use crate::rows::Subject;

/// Long enough to hide the clock, short enough that few batches are interrupted.
const BATCH: Duration = Duration::from_micros(250);
const WARM_UP: Duration = Duration::from_millis(20);
const COUNTED_CALLS: u32 = 256;

/// A guarded application that can be called again and again.
pub(crate) struct Stack {
    run: Box<dyn FnMut(u32)>,
}

impl Stack {
    /// A stack that answers one request per `call` with the status of its response.
    ///
    /// # Panics
    ///
    /// When run, if a status is not the one that the row expects: a stack that refuses everything is fast.
    pub(crate) fn new(
        runtime: &Rc<Runtime>,
        subject: Subject,
        mut call: impl AsyncFnMut() -> u16 + 'static,
    ) -> Self {
        let runtime = Rc::clone(runtime);
        let expected = subject.row.status();
        // Unchecked: this is the one call that the spent quota of the 429 row still lets pass.
        runtime.block_on(call());
        let run = move |calls| {
            runtime.block_on(async {
                for _ in 0..calls {
                    let status = call().await;
                    assert_eq!(status, expected, "status of {}", subject.id());
                }
            });
        };
        Self { run: Box::new(run) }
    }

    /// Something that is no request, to measure beside them.
    pub(crate) fn other(mut call: impl FnMut() + 'static) -> Self {
        let run = move |calls| (0..calls).for_each(|_| call());
        Self { run: Box::new(run) }
    }

    /// Sends `calls` requests, one after another.
    pub(crate) fn run(&mut self, calls: u32) {
        (self.run)(calls);
    }

    /// Nanoseconds per call.
    fn time(&mut self, calls: u32) -> f64 {
        let start = Instant::now();
        // The counting allocator then only asks one thread-local flag for each allocation.
        allocation_counter::opt_out(|| self.run(calls));
        start.elapsed().as_nanos() as f64 / f64::from(calls)
    }

    /// Warms up and answers how many calls fill one batch.
    fn calibrate(&mut self) -> u32 {
        let start = Instant::now();
        let mut fastest = f64::INFINITY;
        while start.elapsed() < WARM_UP {
            fastest = fastest.min(self.time(8));
        }
        (BATCH.as_nanos() as f64 / fastest).ceil() as u32
    }

    /// Allocations per call.
    fn allocations(&mut self) -> f64 {
        let counted = allocation_counter::measure(|| self.run(COUNTED_CALLS));
        (counted.count_total as f64 / f64::from(COUNTED_CALLS)).round()
    }
}

impl std::fmt::Debug for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}

/// What one call of a stack costs.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Cost {
    /// Nanoseconds, median over the rounds.
    pub(crate) nanoseconds: f64,
    /// The quartiles around that median.
    pub(crate) quartiles: [f64; 2],
    pub(crate) allocations: f64,
}

/// Measures all stacks against each other in `rounds` interleaved rounds.
pub(crate) fn measure(stacks: &mut [Stack], rounds: usize) -> Vec<Cost> {
    let batches: Vec<u32> = stacks.iter_mut().map(Stack::calibrate).collect();
    let mut times = vec![Vec::with_capacity(rounds); stacks.len()];
    for _ in 0..rounds {
        for ((stack, calls), times) in stacks.iter_mut().zip(&batches).zip(&mut times) {
            times.push(stack.time(*calls));
        }
    }
    stacks
        .iter_mut()
        .zip(times)
        .map(|(stack, mut times)| Cost {
            nanoseconds: quantile(&mut times, 0.5),
            quartiles: [quantile(&mut times, 0.25), quantile(&mut times, 0.75)],
            allocations: stack.allocations(),
        })
        .collect()
}

/// The value below which the given part of the values lies; 0 when there are none.
pub(crate) fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1) as f64;
    values
        .get((last * part).round() as usize)
        .copied()
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_an_unsorted_list() {
        let mut values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(quantile(&mut values, 0.5), 3.0);
        assert_eq!(quantile(&mut values, 0.25), 2.0);
        assert_eq!(quantile(&mut [], 0.5), 0.0);
    }
}
