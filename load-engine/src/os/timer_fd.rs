//! A timer that wakes the event loop at an exact time.
//!
//! epoll's own timeout is in whole milliseconds. With it alone every think time could be up to 1 ms
//! late, which is more than many servers take to answer. A timer file descriptor has the kernel's
//! full resolution.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};

use mio::{Interest, Registry, Token, unix::SourceFd};
use nix::sys::{
    time::TimeSpec,
    timerfd::{self, ClockId, Expiration, TimerFlags, TimerSetTimeFlags},
};

/// A one-shot timer that an event loop can wait for.
#[derive(Debug)]
pub struct TimerFd {
    timer: timerfd::TimerFd,
    /// Time at which it goes off, from the start of the plan.
    at: Option<Duration>,
}

impl TimerFd {
    /// Registers a new timer under `token`.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let timer = timerfd::TimerFd::new(
            ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )?;
        registry.register(&mut SourceFd(&timer.as_fd().as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { timer, at: None })
    }

    /// Sets the timer to go off at `at`, given the current time `now`. Setting it again replaces
    /// the earlier time, and triggers an edge-triggered loop again.
    pub fn set(&mut self, at: Duration, now: Duration) -> io::Result<()> {
        if self.at == Some(at) && at > now {
            return Ok(());
        }
        // Zero would disarm the timer.
        let wait = at.saturating_sub(now).max(Duration::from_nanos(1));
        self.timer
            .set(Expiration::OneShot(TimeSpec::from_duration(wait)), TimerSetTimeFlags::empty())?;
        self.at = Some(at);
        Ok(())
    }
}
