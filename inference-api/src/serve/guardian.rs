//! Guardian that restarts the server when a signal ends its process.
//!
//! ONNX Runtime executes what a model says, even a crash (an integer division that overflows).
//! The kernel also kills processes that exhaust memory.
//!
//! The guardian is this program, waiting for a child that serves.
//! It loads no model, so no request can affect it.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    process::ExitCode,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::process::{Child, Command};

use super::stop_signal;

/// Environment variable that marks a child and holds the number of previous crashes.
pub const CRASHES: &str = "INFERENCE_CRASHES";
/// Pause between a crash and the restart.
const PAUSE: Duration = Duration::from_millis(50);
/// Shortest lifetime of a working server; `MOST_SOON` shorter ones in a row end the guardian.
const SOON: Duration = Duration::from_secs(2);
const MOST_SOON: u32 = 5;

/// Returns the number of crashes under this guardian; `None` in a process without one.
pub fn crashes() -> Option<u64> {
    std::env::var(CRASHES).ok()?.parse().ok()
}

/// Runs servers with this process's arguments until one exits, is stopped, or crashes too often.
///
/// # Errors
/// Returns an error if a process cannot be started or signals cannot be received.
pub fn guard() -> io::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut crashes, mut soon) = (0u64, 0u32);
        loop {
            let began = Instant::now();
            let mut child = start(crashes)?;
            let status = tokio::select! {
                status = child.wait() => status?,
                stopped = stop_signal() => {
                    stopped?;
                    return end(child).await;
                }
            };
            let Some(signal) = status.signal() else {
                return Ok(ExitCode::from(
                    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
                ));
            };
            crashes += 1;
            soon = if began.elapsed() < SOON { soon + 1 } else { 0 };
            tracing::error!(
                signal,
                crashes,
                "the server was ended by a signal and is started again"
            );
            if soon >= MOST_SOON {
                tracing::error!("the server ends right after each start; giving up");
                return Ok(ExitCode::FAILURE);
            }
            tokio::time::sleep(PAUSE).await;
        }
    })
}

fn start(crashes: u64) -> io::Result<Child> {
    // This executable, even if its file was replaced since.
    let mut command = Command::new("/proc/self/exe");
    command.args(std::env::args_os().skip(1)).env(CRASHES, crashes.to_string()).kill_on_drop(true);
    command.spawn()
}

/// Forwards the stop signal and waits for the drain.
async fn end(mut child: Child) -> io::Result<ExitCode> {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // Failure means that the child has just exited.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    let status = child.wait().await?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
