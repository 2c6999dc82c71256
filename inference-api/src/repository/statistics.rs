//! Statistics of a version, in the terms of Triton's statistics extension.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Number of events and their total duration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Number of events.
    pub count: u64,
    /// Total duration.
    pub time: Duration,
}

impl Tally {
    fn add(&mut self, time: Duration) {
        self.count += 1;
        self.time += time;
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.time += other.time;
    }
}

/// Statistics of a version since it was loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Time of the last run, in milliseconds since 1970; 0 if there was none.
    pub last_inference_ms: u64,
    /// Number of rows answered.
    pub inferences: u64,
    /// Number of runs; fewer than requests when batched.
    pub executions: u64,
    /// Successful requests, with their total time.
    pub success: Tally,
    /// Failed requests.
    pub fail: Tally,
    /// Time in the queue.
    pub queue: Tally,
    /// Time of decoding requests into tensors.
    pub compute_input: Tally,
    /// Time in the model.
    pub compute_infer: Tally,
    /// Time of encoding tensors into responses.
    pub compute_output: Tally,
    /// Runs by number of rows.
    pub batches: BTreeMap<usize, Tally>,
    /// Histogram of rows per run: a bucket up to each of [`BATCH_BOUNDS`] and one above.
    pub batch_sizes: [u64; BATCH_BOUNDS.len() + 1],
}

/// Upper bounds, in rows, of the histogram's buckets.
pub const BATCH_BOUNDS: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// Largest number of distinct batch sizes: a client that varies them must not fill the memory.
const BATCH_SIZES: usize = 256;

impl Statistics {
    pub(super) fn executed(&mut self, rows: usize, inference: Duration) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_inference_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.inferences += rows as u64;
        self.executions += 1;
        self.batch_sizes[BATCH_BOUNDS.partition_point(|bound| *bound < rows)] += 1;
        if self.batches.len() < BATCH_SIZES || self.batches.contains_key(&rows) {
            self.batches.entry(rows).or_default().add(inference);
        }
    }

    pub(super) fn failed(&mut self, time: Duration) {
        self.fail.add(time);
    }

    pub(super) fn succeeded(
        &mut self,
        parse: Duration,
        queue: Duration,
        inference: Duration,
        write: Duration,
    ) {
        self.success.add(parse + queue + inference + write);
        self.queue.add(queue);
        self.compute_input.add(parse);
        self.compute_infer.add(inference);
        self.compute_output.add(write);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.last_inference_ms = self.last_inference_ms.max(other.last_inference_ms);
        self.inferences += other.inferences;
        self.executions += other.executions;
        for (tally, more) in [
            (&mut self.success, &other.success),
            (&mut self.fail, &other.fail),
            (&mut self.queue, &other.queue),
            (&mut self.compute_input, &other.compute_input),
            (&mut self.compute_infer, &other.compute_infer),
            (&mut self.compute_output, &other.compute_output),
        ] {
            tally.merge(more);
        }
        for (count, more) in self.batch_sizes.iter_mut().zip(other.batch_sizes) {
            *count += more;
        }
        for (rows, tally) in &other.batches {
            self.batches.entry(*rows).or_default().merge(tally);
        }
    }
}
