//! One version of a model while it is served.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    lane::{Lane, Queueing, Run, lock},
    probe,
    statistics::Statistics,
};
use crate::model::{Model, RunError, Signature, Tensor};

/// One version of a model, loaded for all workers.
pub struct Served {
    /// What it takes and puts out.
    pub signature: Arc<Signature>,
    /// How its requests are put together; none if each is run by itself as it comes.
    pub queueing: Option<Queueing>,
    /// Of the files that it was loaded from.
    pub(super) stamp: u64,
    /// One for each worker.
    pub(super) lanes: Vec<Lane>,
}

impl fmt::Display for Served {
    /// `name/version`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.signature.name, self.signature.version)
    }
}

impl Served {
    /// A version with a model for each worker. `max_batch_size` is what was asked for, none for
    /// what the model gains by.
    pub(super) fn new(
        mut models: Vec<Model>,
        signature: Arc<Signature>,
        stamp: u64,
        (queueing, max_batch_size): (Queueing, Option<usize>),
    ) -> Self {
        let batch = match (max_batch_size, models.first_mut()) {
            (Some(1), _) | (_, None) => 1,
            (asked, Some(model)) => match probe::can_batch(model) {
                Some(_) if asked.is_some() => asked.unwrap_or(1),
                Some(row) if probe::gains(model, &row) => queueing.max_batch_size,
                _ => 1,
            },
        };
        let queueing = Queueing { max_batch_size: batch, ..queueing };
        let has_bounds = queueing.max_queue_size.is_some() || queueing.timeout.is_some();
        Self {
            signature,
            queueing: (batch > 1 || has_bounds).then_some(queueing),
            stamp,
            lanes: models.into_iter().map(Lane::new).collect(),
        }
    }

    /// Runs rows at once, in the first worker's session, beside any queue.
    ///
    /// # Errors
    /// When the runtime refuses the values.
    pub fn run_alone(&self, inputs: Vec<Tensor>, rows: usize) -> Result<Run, RunError> {
        let lane = self
            .lanes
            .first()
            .ok_or_else(|| RunError::Refused("there is no session".to_owned()))?;
        lane.run(inputs, rows, Duration::ZERO)
    }

    /// Whether rows of several requests are run together.
    pub fn batches(&self) -> bool {
        self.queueing.is_some_and(|queueing| queueing.max_batch_size > 1)
    }

    /// Counts an answer: how long its parts took.
    pub fn answered(&self, worker: usize, parse: Duration, run: &Run, write: Duration) {
        lock(&self.lanes[worker].statistics).succeeded(parse, run.queued, run.inference, write);
    }

    /// Counts a request that the model did not see: the queue was full, or it waited for so long.
    pub fn turned_away(&self, worker: usize, waited: Duration) {
        lock(&self.lanes[worker].statistics).failed(waited);
    }

    /// Requests that wait for it now.
    pub fn waiting(&self) -> usize {
        self.lanes.iter().map(Lane::waiting).sum()
    }

    /// What all workers have done with it.
    pub fn statistics(&self) -> Statistics {
        let mut all = Statistics::default();
        for lane in &self.lanes {
            all.add(&lock(&lane.statistics));
        }
        all
    }
}
