//! Stop signal for the connections of a worker.
//!
//! It first makes the next response the last one, then ends idle connections.
//!
//! Every connection registers its task's waker here once, when it begins.
//! A future per wait, as in `CancellationToken`, would use a list of ten thousand at every request.
//! It would touch its neighbours' memory each time, which no cache holds.

use std::{
    future::poll_fn,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
};

use slab::Slab;

#[derive(Debug, Default)]
pub(super) struct Stop {
    is_announced: AtomicBool,
    over: AtomicBool,
    tasks: Mutex<Slab<Waker>>,
}

/// Registration of a connection's waker, removed when dropped.
#[derive(Debug)]
pub(super) struct Listening<'a>(&'a Stop, usize);

impl Stop {
    /// Returns true if the server is stopping.
    pub(super) fn is_told(&self) -> bool {
        self.is_announced.load(Ordering::Relaxed)
    }

    /// Returns true if idle connections must end.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Registers the calling task to be polled when idle connections must end.
    pub(super) async fn listen(&self) -> Listening<'_> {
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        Listening(self, self.tasks().insert(waker))
    }

    /// Marks the server as stopping: each connection's next response closes it.
    pub(super) fn tell(&self) {
        self.is_announced.store(true, Ordering::Relaxed);
    }

    /// Ends the connections that have not sent a request by now.
    pub(super) fn end_idle(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.tasks().iter().for_each(|(_, waker)| waker.wake_by_ref());
    }

    fn tasks(&self) -> MutexGuard<'_, Slab<Waker>> {
        // A panic while the lock was held leaves the slab intact.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.tasks().remove(self.1);
    }
}
