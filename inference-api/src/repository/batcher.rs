//! Batcher of a worker for one model: its session and its queue of waiting requests.
//!
//! A worker is one thread, so it reads no request while a model runs; requests wait in the kernel.
//! After a run, every readable connection queues its request, within admission control
//! (`admission`). One run then answers all of them: batches grow with the load, a lone request runs
//! at once. This is the only adaptation. `max_queue_delay` makes a batch wait for more requests, as
//! in Triton.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{Served, admission::Permit, statistics::Statistics};
use crate::model::{Model, RunError, Tensor, Value};

/// Batching and queue limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queueing {
    /// Largest number of rows in a run; 1 disables batching.
    pub max_batch_size: usize,
    /// Longest time that the oldest request waits for others.
    pub max_queue_delay: Duration,
    /// Largest number of requests that wait for one worker; `None` for no limit.
    pub max_queue_size: Option<usize>,
    /// Longest waiting time of a request; `None` for no limit.
    pub timeout: Option<Duration>,
}

/// Reasons why a model did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunFailure {
    /// Values that the runtime refused.
    #[error(transparent)]
    Refused(#[from] RunError),
    /// Full queue.
    #[error("the queue is full: {0} requests wait")]
    QueueFull(usize),
    /// Exceeded waiting time.
    #[error("the request waited longer than {0:?}")]
    Timeout(Duration),
}

/// Result of a run for one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Outputs in the model's order.
    pub outputs: Vec<Value>,
    /// Time in the queue.
    pub queued: Duration,
    /// Run time of the model for the whole batch.
    pub inference: Duration,
}

/// Batcher. Its locks are contended only by readers of statistics.
pub(super) struct Batcher {
    model: Mutex<Model>,
    pub(super) statistics: Mutex<Statistics>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// True while a task takes jobs from the queue.
    driven: bool,
}

struct Job {
    inputs: Vec<Tensor>,
    rows: usize,
    since: Instant,
    answer: oneshot::Sender<Result<Run, RunError>>,
    /// Admission capacity, released with the job when its response is sent.
    _permit: Option<Permit>,
}

impl Batcher {
    pub(super) fn new(model: Model) -> Self {
        Self { model: Mutex::new(model), statistics: Mutex::default(), queue: Mutex::default() }
    }

    pub(super) fn waiting(&self) -> usize {
        lock(&self.queue).jobs.len()
    }

    /// Runs one request immediately, without the queue.
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

    /// Adds a request to the queue and returns the receiver of its result.
    ///
    /// The second value is true if the caller must start driving the batcher.
    fn push(
        &self,
        inputs: Vec<Tensor>,
        rows: usize,
        queueing: &Queueing,
    ) -> Result<(oneshot::Receiver<Result<Run, RunError>>, bool), RunFailure> {
        let mut queue = lock(&self.queue);
        // One of the jobs does not wait: it runs next.
        if let Some(limit) = queueing.max_queue_size.filter(|limit| queue.jobs.len() > *limit) {
            return Err(RunFailure::QueueFull(limit));
        }
        let (answer, answered) = oneshot::channel();
        queue.jobs.push_back(Job {
            inputs,
            rows,
            since: Instant::now(),
            answer,
            _permit: Permit::take(queueing),
        });
        Ok((answered, !std::mem::replace(&mut queue.driven, true)))
    }

    /// Runs waiting jobs until the queue is empty.
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

    /// Lets every readable connection add its request to the queue.
    ///
    /// A task that yields resumes after the other ready tasks and a poll for more.
    /// No connection is admitted once a full batch waits.
    /// With one run per turn of all ready connections, the waiting requests would keep growing.
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
                    // A closed receiver means that the client has left.
                    let _ = job.answer.send(Ok(Run { outputs, queued, inference }));
                }
                return;
            }
            // The model refuses a value of one request; run each alone so that only it fails.
        }
        for job in batch {
            let queued = job.since.elapsed();
            let _ = job.answer.send(self.run(job.inputs, job.rows, queued));
        }
    }
}

/// Guard of the driving task: after a panic it drops the waiting jobs, so that their requests fail.
///
/// The next request drives again.
struct Driving<'a>(&'a Batcher);

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

    /// Takes the oldest jobs that fit into one run; drops jobs whose client has left.
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
    /// Returns an error if the runtime refuses the values, the queue is full or time runs out.
    pub async fn run(
        self: &Arc<Self>,
        worker: usize,
        inputs: Vec<Tensor>,
        rows: usize,
    ) -> Result<Run, RunFailure> {
        let batcher = &self.batchers[worker];
        let Some(queueing) = &self.queueing else {
            return Ok(batcher.run(inputs, rows, Duration::ZERO)?);
        };
        let (answered, is_first) = batcher.push(inputs, rows, queueing)?;
        if is_first {
            // Drive in a separate task: the client of the first request may leave at any time.
            let served = Arc::clone(self);
            tokio::spawn(async move {
                if let Some(queueing) = &served.queueing {
                    served.batchers[worker].drive(queueing).await;
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

/// Returns true if rows of the two requests can share a batch.
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

/// Splits the outputs of a batch by request; `None` if an output lacks one row per input row.
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

/// Locks a mutex despite poisoning: the session is the runtime's, so no state is half-written.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
