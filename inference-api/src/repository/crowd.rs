//! How many requests of a worker wait for its models, and whether there is room for more.
//!
//! A request that waits holds hyper's buffers and the model's inputs, 12 kB together; one that was
//! not read holds bytes in the kernel. Where clients come faster than a small quota lets models
//! run, thousands would be read before the first is answered, and the container ends for want of
//! memory. So a connection is read from only while fewer than two batches wait.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::sync::Notify;

use super::Queueing;

/// Batches that may wait: one that is run, and one that is read meanwhile.
const BATCHES: usize = 2;
/// All of the room; divided among the requests that fill it.
const ROOM: usize = 1 << 24;

thread_local! {
    /// A worker is one thread, and what it reads it also runs.
    static CROWD: Arc<Crowd> = Arc::default();
}

#[derive(Default)]
struct Crowd {
    taken: AtomicUsize,
    /// Connections that wait for room, in the order in which they came.
    outside: AtomicUsize,
    left: Notify,
}

/// Waits until a request more may be read: at once if there is room and nobody waits for it.
pub async fn room() {
    let crowd = CROWD.with(Arc::clone);
    if crowd.has_room() && crowd.outside.load(Relaxed) == 0 {
        return;
    }
    let _outside = Outside::of(&crowd);
    loop {
        crowd.left.notified().await;
        if crowd.has_room() {
            // What this one reads is in its place before the next one looks. Were there nothing to
            // read, the next one must know.
            crowd.left.notify_one();
            return;
        }
    }
}

/// A waiting request's share of the room, until it is dropped.
pub(super) struct Place {
    crowd: Arc<Crowd>,
    share: usize,
}

impl Place {
    /// None where the queue has bounds of its own: to be turned away, a request has to be read.
    pub(super) fn take(queueing: &Queueing) -> Option<Self> {
        if queueing.max_queue_size.is_some() || queueing.timeout.is_some() {
            return None;
        }
        let crowd = CROWD.with(Arc::clone);
        let share = (ROOM / queueing.max_batch_size.saturating_mul(BATCHES)).max(1);
        crowd.taken.fetch_add(share, Relaxed);
        Some(Self { crowd, share })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.taken.fetch_sub(self.share, Relaxed);
        if self.crowd.outside.load(Relaxed) > 0 {
            self.crowd.left.notify_one();
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
    fn of(crowd: &'a Crowd) -> Self {
        crowd.outside.fetch_add(1, Relaxed);
        Self(&crowd.outside)
    }
}

impl Drop for Outside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
