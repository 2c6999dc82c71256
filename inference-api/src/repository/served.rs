//! Served version of a model.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    batch_gain,
    batcher::{Batcher, Queueing, Run, lock},
    statistics::Statistics,
};
use crate::model::{Model, RunError, Signature, Tensor};

/// Version of a model, loaded for all workers.
pub struct Served {
    /// Inputs and outputs of the model.
    pub signature: Arc<Signature>,
    /// Queue settings; `None` if each request runs alone on arrival.
    pub queueing: Option<Queueing>,
    /// Stamp of the files that it was loaded from.
    pub(super) stamp: u64,
    /// One batcher for each worker.
    pub(super) batchers: Vec<Batcher>,
}

impl fmt::Display for Served {
    /// Writes `name/version`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.signature.name, self.signature.version)
    }
}

impl Served {
    /// Creates a version with one model per worker.
    ///
    /// `max_batch_size` is the requested batch size; `None` measures the gain from batching.
    pub(super) fn new(
        mut models: Vec<Model>,
        signature: Arc<Signature>,
        stamp: u64,
        (queueing, max_batch_size): (Queueing, Option<usize>),
    ) -> Self {
        let batch = match (max_batch_size, models.first_mut()) {
            (Some(1), _) | (_, None) => 1,
            (asked, Some(model)) => match batch_gain::can_batch(model) {
                Some(_) if asked.is_some() => asked.unwrap_or(1),
                Some(row) if batch_gain::gains(model, &row) => queueing.max_batch_size,
                _ => 1,
            },
        };
        let queueing = Queueing { max_batch_size: batch, ..queueing };
        let has_bounds = queueing.max_queue_size.is_some() || queueing.timeout.is_some();
        Self {
            signature,
            queueing: (batch > 1 || has_bounds).then_some(queueing),
            stamp,
            batchers: models.into_iter().map(Batcher::new).collect(),
        }
    }

    /// Runs rows immediately in the first worker's session, without the queue.
    ///
    /// # Errors
    /// Returns an error if the runtime refuses the values.
    pub fn run_alone(&self, inputs: Vec<Tensor>, rows: usize) -> Result<Run, RunError> {
        let batcher = self
            .batchers
            .first()
            .ok_or_else(|| RunError::Refused("there is no session".to_owned()))?;
        batcher.run(inputs, rows, Duration::ZERO)
    }

    /// Returns true if rows of several requests run together.
    pub fn batches(&self) -> bool {
        self.queueing.is_some_and(|queueing| queueing.max_batch_size > 1)
    }

    /// Counts a response and the durations of its stages.
    pub fn answered(&self, worker: usize, parse: Duration, run: &Run, write: Duration) {
        lock(&self.batchers[worker].statistics).succeeded(parse, run.queued, run.inference, write);
    }

    /// Counts a request that never ran because the queue was full or its wait too long.
    pub fn turned_away(&self, worker: usize, waited: Duration) {
        lock(&self.batchers[worker].statistics).failed(waited);
    }

    /// Returns the number of waiting requests.
    pub fn waiting(&self) -> usize {
        self.batchers.iter().map(Batcher::waiting).sum()
    }

    /// Returns the statistics summed over all workers.
    pub fn statistics(&self) -> Statistics {
        let mut all = Statistics::default();
        for batcher in &self.batchers {
            all.add(&lock(&batcher.statistics));
        }
        all
    }
}
