//! Admission control: stops reading from connections while too many requests of a worker wait.
//!
//! A waiting request holds hyper's buffers and the model's inputs, together 12 kB.
//! An unread request only holds bytes in the kernel.
//! If clients outpaced a small quota, thousands of requests would be read before one response.
//! The container would run out of memory.
//! Therefore a connection is read only while fewer than two batches wait.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::sync::Notify;

use super::Queueing;

/// Batches that may wait: one that runs, and one that is read meanwhile.
const BATCHES: usize = 2;
/// Total capacity, divided among the requests that fill it.
const ROOM: usize = 1 << 24;

thread_local! {
    /// Admission state of this worker: its thread runs the requests that it reads.
    static CROWD: Arc<Crowd> = Arc::default();
}

#[derive(Default)]
struct Crowd {
    taken: AtomicUsize,
    /// Number of connections that wait for capacity; they are woken in order of arrival.
    outside: AtomicUsize,
    left: Notify,
}

/// Waits until another request may be read; returns at once if there is capacity and no waiter.
pub async fn wait_for_room() {
    let admission = CROWD.with(Arc::clone);
    if admission.has_room() && admission.outside.load(Relaxed) == 0 {
        return;
    }
    let _outside = Outside::of(&admission);
    loop {
        admission.left.notified().await;
        if admission.has_room() {
            // Wake the next connection too, in case this one has nothing to read.
            // If it has, its request takes its place before the next connection checks.
            admission.left.notify_one();
            return;
        }
    }
}

/// Capacity held by a waiting request until dropped.
pub(super) struct Permit {
    admission: Arc<Crowd>,
    share: usize,
}

impl Permit {
    /// Takes capacity for a request; `None` if the queue has limits, as rejecting needs reading.
    pub(super) fn take(queueing: &Queueing) -> Option<Self> {
        if queueing.max_queue_size.is_some() || queueing.timeout.is_some() {
            return None;
        }
        let admission = CROWD.with(Arc::clone);
        let share = (ROOM / queueing.max_batch_size.saturating_mul(BATCHES)).max(1);
        admission.taken.fetch_add(share, Relaxed);
        Some(Self { admission, share })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.taken.fetch_sub(self.share, Relaxed);
        if self.admission.outside.load(Relaxed) > 0 {
            self.admission.left.notify_one();
        }
    }
}

impl Crowd {
    fn has_room(&self) -> bool {
        self.taken.load(Relaxed) < ROOM
    }
}

struct Outside<'a>(&'a AtomicUsize);

impl<'a> Outside<'a> {
    fn of(admission: &'a Crowd) -> Self {
        admission.outside.fetch_add(1, Relaxed);
        Self(&admission.outside)
    }
}

impl Drop for Outside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
