//! Tells the connections of a worker that the server stops: first that the next answer is the last
//! one, then that idle ones are to end.
//!
//! Every connection leaves its task's waker here once, when it begins. A future that each of them
//! waits with, as `CancellationToken` has it, would be put into and taken out of one list of ten
//! thousand at every request, and touch its neighbours' memory each time, which no cache holds.

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
    told: AtomicBool,
    over: AtomicBool,
    tasks: Mutex<Slab<Waker>>,
}

/// Takes the waker out again when the connection ends.
#[derive(Debug)]
pub(super) struct Listening<'a>(&'a Stop, usize);

impl Stop {
    /// Whether the server stops.
    pub(super) fn is_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    /// Whether idle connections are to end.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// From now on the calling task is polled when the server stops.
    pub(super) async fn listen(&self) -> Listening<'_> {
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        Listening(self, self.tasks().insert(waker))
    }

    /// The server stops: each connection's next answer says that it is the last one.
    pub(super) fn tell(&self) {
        self.told.store(true, Ordering::Relaxed);
    }

    /// Nobody is waited for any more who has not sent a request by now.
    pub(super) fn end_idle(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.tasks().iter().for_each(|(_, waker)| waker.wake_by_ref());
    }

    fn tasks(&self) -> MutexGuard<'_, Slab<Waker>> {
        // A panic while it was held leaves a slab that is whole.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.tasks().remove(self.1);
    }
}
