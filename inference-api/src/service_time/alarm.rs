//! Waiting until an exact time.
//!
//! tokio's timers are whole milliseconds; a service time of 10 ms would come out 5% too long. A
//! timer file descriptor has the kernel's full resolution, and one of them serves all requests of a
//! worker.

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

/// Wakes those that wait on one worker.
pub struct Alarm {
    timer: TimerFd,
    /// The same timer as the runtime sees it. A pipe is what it has for any descriptor that becomes
    /// readable; its `AsyncFd` cannot be made without `unsafe`.
    rings: pipe::Receiver,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// Number and time of each that waits, the next on top.
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    wake: std::collections::HashMap<u64, oneshot::Sender<()>>,
    next: u64,
}

impl Alarm {
    /// An alarm for the runtime that it is made on.
    ///
    /// # Errors
    /// When the system gives no timer.
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

    /// Returns at `at`, or at once if that has passed.
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

    /// Wakes whoever is due, for ever.
    pub async fn ring(&self) {
        loop {
            if let Err(error) = self.rang().await {
                tracing::error!(%error, "the timer cannot be read");
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
                    // Whoever gave up is not there to be woken.
                    let _ = wake.send(());
                }
            }
        }
    }

    /// Returns when the timer has gone off.
    async fn rang(&self) -> io::Result<()> {
        loop {
            self.rings.readable().await?;
            match self.rings.try_read(&mut [0; size_of::<u64>()]) {
                Ok(_) => return Ok(()),
                // Set anew before it was read.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn set(&self, at: Instant) {
        // Zero would disarm it.
        let wait = at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let set = self
            .timer
            .set(Expiration::OneShot(TimeSpec::from_duration(wait)), TimerSetTimeFlags::empty());
        if let Err(error) = set {
            tracing::error!(%error, "the timer cannot be set");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
