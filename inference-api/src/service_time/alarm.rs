//! Waiting until an exact time.
//!
//! tokio's timers have a resolution of 1 ms, which makes a service time of 10 ms 5% too long.
//! A timer file descriptor has the kernel's full resolution; one serves all requests of a worker.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io,
    os::fd::AsFd,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use nix::sys::{
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};
use tokio::{net::unix::pipe, sync::oneshot};

/// Timer that wakes the waiting requests of one worker.
pub struct Alarm {
    timer: TimerFd,
    /// Same timer as registered with the runtime.
    ///
    /// A pipe is the runtime's type for any readable descriptor; its `AsyncFd` would need `unsafe`.
    rings: pipe::Receiver,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// Time and number of each waiter, the next one on top.
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    wake: std::collections::HashMap<u64, oneshot::Sender<()>>,
    next: u64,
}

impl Alarm {
    /// Creates an alarm for the current runtime.
    ///
    /// # Errors
    /// Returns an error if the system provides no timer.
    pub fn new() -> io::Result<Self> {
        let timer = TimerFd::new(
            ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )?;
        let same = File::from(timer.as_fd().try_clone_to_owned()?);
        Ok(Self {
            timer,
            rings: pipe::Receiver::from_file_unchecked(same)?,
            waiting: Mutex::default(),
        })
    }

    /// Waits until `at`; returns at once if it has passed.
    pub async fn wait_until(&self, at: Instant) {
        if at <= Instant::now() {
            return;
        }
        let woken = {
            let mut waiting = self.lock();
            let (wake, woken) = oneshot::channel();
            let number = waiting.next;
            waiting.next += 1;
            waiting.wake.insert(number, wake);
            waiting.due.push(Reverse((at, number)));
            if waiting.due.peek() == Some(&Reverse((at, number))) {
                self.set(at);
            }
            woken
        };
        // The sender lives as long as the alarm.
        let _ = woken.await;
    }

    /// Wakes due waiters, forever.
    pub async fn ring(&self) {
        loop {
            if let Err(error) = self.rang().await {
                tracing::error!(%error, "cannot read the timer");
                return;
            }
            let mut waiting = self.lock();
            let now = Instant::now();
            while let Some(Reverse((at, number))) = waiting.due.peek().copied() {
                if at > now {
                    self.set(at);
                    break;
                }
                waiting.due.pop();
                if let Some(wake) = waiting.wake.remove(&number) {
                    // The receiver is gone if its request was cancelled.
                    let _ = wake.send(());
                }
            }
        }
    }

    /// Waits until the timer has expired.
    async fn rang(&self) -> io::Result<()> {
        loop {
            self.rings.readable().await?;
            match self.rings.try_read(&mut [0; size_of::<u64>()]) {
                Ok(_) => return Ok(()),
                // The timer was set again before it was read.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn set(&self, at: Instant) {
        // Zero would disarm the timer.
        let wait = at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let set = self
            .timer
            .set(Expiration::OneShot(TimeSpec::from_duration(wait)), TimerSetTimeFlags::empty());
        if let Err(error) = set {
            tracing::error!(%error, "cannot set the timer");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
