//! What one worker has of a model: its session, and the requests that wait for it.
//!
//! A worker is one thread, so nothing arrives while a model runs; what has arrived by the time that
//! it is done waits in the kernel's buffers. With a queue, every connection that has something to
//! read puts its request there first, as far as two batches have room (`crowd`), and one run
//! answers all of them: the batch grows with the load by itself, and a lone request waits for
//! nobody. That is the whole adaptivity; `max_queue_delay` makes a batch wait for more, as Triton's
//! option of that name does.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{Served, crowd::Place, statistics::Statistics};
use crate::model::{Model, RunError, Tensor, Value};

/// How requests are put together and how long they may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queueing {
    /// The most rows in a run; 1 for no batching.
    pub max_batch_size: usize,
    /// How long the oldest request may wait for others.
    pub max_queue_delay: Duration,
    /// The most requests that wait for one worker; none for no bound.
    pub max_queue_size: Option<usize>,
    /// How long a request may wait.
    pub timeout: Option<Duration>,
}

/// Why a model did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunFailure {
    /// The runtime refused the values.
    #[error(transparent)]
    Refused(#[from] RunError),
    /// Too many wait already.
    #[error("the queue is full: {0} requests wait")]
    QueueFull(usize),
    /// It waited for too long.
    #[error("the request waited longer than {0:?}")]
    Timeout(Duration),
}

/// What a run brought to one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// In the order of the model's outputs.
    pub outputs: Vec<Value>,
    /// Time before it began.
    pub queued: Duration,
    /// Time in the model, of the whole batch.
    pub inference: Duration,
}

/// The locks are never contended but by whoever reads statistics.
pub(super) struct Lane {
    model: Mutex<Model>,
    pub(super) statistics: Mutex<Statistics>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Whether a task takes jobs out.
    driven: bool,
}

struct Job {
    inputs: Vec<Tensor>,
    rows: usize,
    since: Instant,
    answer: oneshot::Sender<Result<Run, RunError>>,
    /// Given up with the job, which is when the answer is on its way.
    _place: Option<Place>,
}

impl Lane {
    pub(super) fn new(model: Model) -> Self {
        Self { model: Mutex::new(model), statistics: Mutex::default(), queue: Mutex::default() }
    }

    pub(super) fn waiting(&self) -> usize {
        lock(&self.queue).jobs.len()
    }

    /// Runs one request by itself, at once.
    pub(super) fn run(
        &self,
        inputs: Vec<Tensor>,
        rows: usize,
        queued: Duration,
    ) -> Result<Run, RunError> {
        let begun = Instant::now();
        let result = lock(&self.model).run(inputs, rows);
        let inference = begun.elapsed();
        let mut statistics = lock(&self.statistics);
        match result {
            Ok(outputs) => {
                statistics.executed(rows, inference);
                Ok(Run { outputs, queued, inference })
            }
            Err(error) => {
                statistics.failed(inference);
                Err(error)
            }
        }
    }

    /// Puts a request into the queue. The answer comes when somebody drives the lane, and the
    /// second value says whether it is the caller who has to see to that.
    fn push(
        &self,
        inputs: Vec<Tensor>,
        rows: usize,
        queueing: &Queueing,
    ) -> Result<(oneshot::Receiver<Result<Run, RunError>>, bool), RunFailure> {
        let mut queue = lock(&self.queue);
        // One of them does not wait: it is the next to be run.
        if let Some(limit) = queueing.max_queue_size.filter(|limit| queue.jobs.len() > *limit) {
            return Err(RunFailure::QueueFull(limit));
        }
        let (answer, answered) = oneshot::channel();
        queue.jobs.push_back(Job {
            inputs,
            rows,
            since: Instant::now(),
            answer,
            _place: Place::take(queueing),
        });
        Ok((answered, !std::mem::replace(&mut queue.driven, true)))
    }

    /// Runs what waits until nothing does.
    async fn drive(&self, queueing: &Queueing) {
        let _driving = Driving(self);
        loop {
            self.gather(queueing).await;
            let batch = {
                let mut queue = lock(&self.queue);
                let batch = queue.take(queueing);
                if batch.is_empty() {
                    queue.driven = false;
                    return;
                }
                batch
            };
            self.run_batch(batch);
        }
    }

    /// Lets every connection that has something to read put its request into the queue: a task that
    /// yields goes on only after the others that are ready, and after the runtime has looked for
    /// more. Where a batch waits already, nobody else is let in: were one run for each turn of all
    /// that are ready, those would be ever more, each with its buffers.
    async fn gather(&self, queueing: &Queueing) {
        loop {
            let before = lock(&self.queue).rows();
            if before >= queueing.max_batch_size {
                return;
            }
            tokio::task::yield_now().await;
            let queue = lock(&self.queue);
            let age = queue.jobs.front().map(|job| job.since.elapsed());
            let waits = age.is_some_and(|age| age < queueing.max_queue_delay);
            if !(waits || queue.rows() > before) {
                return;
            }
        }
    }

    fn run_batch(&self, mut batch: Vec<Job>) {
        let begun = Instant::now();
        if batch.len() > 1 {
            let rows: Vec<usize> = batch.iter().map(|job| job.rows).collect();
            let inputs = join_inputs(batch.iter_mut().map(|job| job.inputs.clone()));
            let result = inputs.map(|inputs| lock(&self.model).run(inputs, rows.iter().sum()));
            let inference = begun.elapsed();
            if let Some(Ok(outputs)) = result
                && let Some(parts) = split_outputs(outputs, &rows)
            {
                lock(&self.statistics).executed(rows.iter().sum(), inference);
                for (job, outputs) in batch.into_iter().zip(parts) {
                    let queued = begun.saturating_duration_since(job.since);
                    // Whoever does not wait any more has gone away.
                    let _ = job.answer.send(Ok(Run { outputs, queued, inference }));
                }
                return;
            }
            // One of them has a value that the model refuses: only that one is to be told so.
        }
        for job in batch {
            let queued = job.since.elapsed();
            let _ = job.answer.send(self.run(job.inputs, job.rows, queued));
        }
    }
}

/// Were driving to end in any other way, those that wait are told so, and the next request drives
/// again.
struct Driving<'a>(&'a Lane);

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.queue);
        if queue.driven && std::thread::panicking() {
            *queue = Queue::default();
        }
    }
}

impl Queue {
    fn rows(&self) -> usize {
        self.jobs.iter().fold(0, |rows, job| rows.saturating_add(job.rows))
    }

    /// The oldest jobs that can be run as one; those that nobody waits for any more are dropped.
    fn take(&mut self, queueing: &Queueing) -> Vec<Job> {
        let mut batch: Vec<Job> = Vec::new();
        let mut rows = 0;
        while let Some(next) = self.jobs.front() {
            if next.answer.is_closed() {
                self.jobs.pop_front();
                continue;
            }
            let fits = batch.first().is_none_or(|first| {
                rows + next.rows <= queueing.max_batch_size
                    && are_alike(&first.inputs, &next.inputs)
            });
            if !fits {
                break;
            }
            rows += next.rows;
            batch.extend(self.jobs.pop_front());
        }
        batch
    }
}

impl Served {
    /// Runs `rows` rows in the session of a worker.
    ///
    /// # Errors
    /// When the runtime refuses the values, the queue is full, or the wait was too long.
    pub async fn run(
        self: &Arc<Self>,
        worker: usize,
        inputs: Vec<Tensor>,
        rows: usize,
    ) -> Result<Run, RunFailure> {
        let lane = &self.lanes[worker];
        let Some(queueing) = &self.queueing else {
            return Ok(lane.run(inputs, rows, Duration::ZERO)?);
        };
        let (answered, is_first) = lane.push(inputs, rows, queueing)?;
        if is_first {
            // A task of its own: the request that began it may be given up by its client at any
            // time.
            let served = Arc::clone(self);
            tokio::spawn(async move {
                if let Some(queueing) = &served.queueing {
                    served.lanes[worker].drive(queueing).await;
                }
            });
        }
        let result = match queueing.timeout {
            None => answered.await,
            Some(limit) => match tokio::time::timeout(limit, answered).await {
                Ok(result) => result,
                Err(_) => return Err(RunFailure::Timeout(limit)),
            },
        };
        let gone = |_| RunError::Refused("the worker stopped".to_owned());
        Ok(result.map_err(gone)??)
    }
}

/// Whether rows of the two can be put into one batch.
fn are_alike(a: &[Tensor], b: &[Tensor]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| {
            a.shape.get(1..) == b.shape.get(1..) && a.data.element() == b.data.element()
        })
}

fn join_inputs(jobs: impl Iterator<Item = Vec<Tensor>>) -> Option<Vec<Tensor>> {
    let mut joined: Vec<Tensor> = Vec::new();
    for inputs in jobs {
        if joined.is_empty() {
            joined = inputs;
            continue;
        }
        for (so_far, more) in joined.iter_mut().zip(inputs) {
            *so_far.shape.first_mut()? += more.shape.first()?;
            if !so_far.data.append(more.data) {
                return None;
            }
        }
    }
    Some(joined)
}

/// The outputs of a batch, for each of its requests; `None` if an output has not one row for each
/// row.
fn split_outputs(outputs: Vec<Value>, rows: &[usize]) -> Option<Vec<Vec<Value>>> {
    let total: usize = rows.iter().sum();
    let mut parts: Vec<Vec<Value>> =
        rows.iter().map(|_| Vec::with_capacity(outputs.len())).collect();
    for output in outputs {
        match output {
            Value::Tensor(mut tensor) => {
                let (_, row_dims) =
                    tensor.shape.split_first().filter(|(count, _)| **count == total)?;
                let row_len: usize = row_dims.iter().product();
                let row_dims = row_dims.to_vec();
                for (part, &rows) in parts.iter_mut().zip(rows) {
                    let shape = std::iter::once(rows).chain(row_dims.iter().copied()).collect();
                    part.push(Value::Tensor(Tensor {
                        shape,
                        data: tensor.data.split_front(rows * row_len),
                    }));
                }
            }
            Value::Maps(maps) => {
                if maps.len() != total {
                    return None;
                }
                let mut maps = maps.into_iter();
                for (part, &rows) in parts.iter_mut().zip(rows) {
                    part.push(Value::Maps(maps.by_ref().take(rows).collect()));
                }
            }
            Value::Sequence(_) => return None,
        }
    }
    Some(parts)
}

/// A panic while it was held leaves no half-written state: the session is the runtime's own.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
