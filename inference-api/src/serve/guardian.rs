//! Starts the server again when something ended its process: ONNX Runtime computes what a model
//! says, also what ends a process (an integer division that overflows), and the kernel kills for
//! memory.
//!
//! The guardian is this program, waiting for a child that is this program and serves. It loads no
//! model, so that nothing a request does reaches it.

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

/// Tells a child that it is one, and how often its like were ended before.
pub const CRASHES: &str = "INFERENCE_CRASHES";
/// Between an end and the next start.
const PAUSE: Duration = Duration::from_millis(50);
/// A server that is ended sooner than this, again and again, does not serve.
const SOON: Duration = Duration::from_secs(2);
const MOST_SOON: u32 = 5;

/// Returns how often servers of this guardian were ended; `None` in a process that has none.
pub fn crashes() -> Option<u64> {
    std::env::var(CRASHES).ok()?.parse().ok()
}

/// Runs servers with the arguments of this process until one ends by itself, is told to stop, or
/// does not live long enough to serve.
///
/// # Errors
/// When a process cannot be started, or signals cannot be waited for.
pub fn guard() -> io::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut crashes, mut soon) = (0u64, 0u32);
        loop {
            let began = Instant::now();
            let mut child = start(crashes)?;
            let status = tokio::select! {
                status = child.wait() => status?,
                told = stop_signal() => {
                    told?;
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
                tracing::error!("it ends as soon as it is started: given up");
                return Ok(ExitCode::FAILURE);
            }
            tokio::time::sleep(PAUSE).await;
        }
    })
}

fn start(crashes: u64) -> io::Result<Child> {
    // This very program, also when its file was replaced since.
    let mut command = Command::new("/proc/self/exe");
    command.args(std::env::args_os().skip(1)).env(CRASHES, crashes.to_string()).kill_on_drop(true);
    command.spawn()
}

/// Passes the word on, and waits for the drain.
async fn end(mut child: Child) -> io::Result<ExitCode> {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It may have ended this very moment.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    let status = child.wait().await?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
