//! Child process and its cgroup.

use std::{
    os::unix::process::ExitStatusExt,
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use tokio::time::sleep;

use super::log::Log;
use crate::{Result, Usage, cgroup::Group};

/// Time between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// Started child, running or not.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) group: Group,
    pub(super) log: Log,
    /// Largest observed memory, for kernels without a peak counter.
    pub(super) peak_bytes: u64,
}

impl Running {
    /// Reaps the child and describes how it ended, if it has.
    pub(super) fn end(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        Some(describe(status, self.oom_kills() > 0))
    }

    /// Returns its usage; the group is kept, so this works after the process has ended.
    pub(super) fn usage(&mut self, name: &str) -> Usage {
        let end = self.end();
        let mut counters = self.group.usage().unwrap_or_default();
        self.peak_bytes = self.peak_bytes.max(counters.memory.peak_bytes);
        counters.memory.peak_bytes = self.peak_bytes;
        Usage { replica: name.to_owned(), running: end.is_none(), end, ..counters }
    }

    pub(super) fn oom_kills(&self) -> u64 {
        self.group.usage().map_or(0, |usage| usage.oom_kills)
    }

    /// Sends SIGTERM, waits, sends SIGKILL to the rest, then removes the group.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.group.signal(Signal::SIGTERM);
        let deadline = Instant::now() + GRACE;
        while (self.end().is_none() || !self.group.pids().is_empty()) && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
        let stop = tokio::task::spawn_blocking(move || self.kill());
        stop.await.unwrap_or(Ok(()))
    }

    /// Kills the child and removes its group, without a grace. Blocks.
    pub(super) fn kill(mut self) -> Result<()> {
        // The child may not have joined its group yet.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.group.kill_and_remove().map(|_| ())
    }
}

fn describe(status: ExitStatus, was_oom_killed: bool) -> String {
    match (status.code(), status.signal()) {
        // The kernel uses SIGKILL when memory runs out.
        (_, Some(9)) | (Some(137), _) if was_oom_killed => "out of memory".to_owned(),
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_described() {
        let exit = |code: i32| ExitStatus::from_raw(code << 8);
        assert_eq!(describe(exit(1), false), "exit 1");
        assert_eq!(describe(ExitStatus::from_raw(9), false), "signal 9");
        assert_eq!(describe(ExitStatus::from_raw(9), true), "out of memory");
        assert_eq!(
            describe(exit(1), true),
            "exit 1",
            "a child of it was killed for memory, and it gave up"
        );
    }
}
