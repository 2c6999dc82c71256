//! One child process and its cgroup.

use std::{
    os::unix::process::ExitStatusExt,
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use tokio::time::sleep;

use super::log::Log;
use crate::{Result, Usage, cgroup::Group};

/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// A child that was started, whether it still runs or not.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) group: Group,
    pub(super) log: Log,
    /// The most memory that was seen, for kernels that do not keep it.
    pub(super) peak_bytes: u64,
}

impl Running {
    /// How it ended, if it has; reaps it.
    pub(super) fn end(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        Some(describe(status, self.oom_kills() > 0))
    }

    /// What it has used. The group is ours, so that it still tells after the process has ended.
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

    /// SIGTERM, a grace, SIGKILL for what is left; then the group goes.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.group.signal(Signal::SIGTERM);
        let deadline = Instant::now() + GRACE;
        while (self.end().is_none() || !self.group.pids().is_empty()) && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
        let stop = tokio::task::spawn_blocking(move || self.kill());
        stop.await.unwrap_or(Ok(()))
    }

    /// Without a grace, and blocking.
    pub(super) fn kill(mut self) -> Result<()> {
        // It may not have joined its group yet.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.group.kill_and_remove().map(|_| ())
    }
}

fn describe(status: ExitStatus, was_oom_killed: bool) -> String {
    match (status.code(), status.signal()) {
        // The kernel kills for memory with SIGKILL.
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
