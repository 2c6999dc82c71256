//! Trial load of a file in a child process.
//!
//! ONNX Runtime is C++ code that reads foreign files, which may crash it or exhaust memory.
//! At start such a file only prevents the start; later it would end a running server.
//! Therefore a child first loads a file that arrives while requests run, and runs its example.

use std::{
    io::Read,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

/// Longest load time of a model that is swapped in while requests run.
const LIMIT: Duration = Duration::from_secs(600);

/// Loads the file in a child process as this process would.
///
/// # Errors
/// Returns the reason why the file would not be served.
pub(super) fn check_load(file: &Path, library: &Path, workers: usize) -> Result<(), String> {
    // This executable, even if its file was replaced since.
    let mut child = Command::new("/proc/self/exe")
        .args(["check", "--expendable", "--workers", &workers.to_string()])
        .arg(file)
        .env("ORT_DYLIB_PATH", library)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cannot start a process to try the file in: {e}"))?;
    let (sender, receiver) = mpsc::channel();
    if let Some(mut errors) = child.stderr.take() {
        // Reading ends when the child exits, and so reports its exit.
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let read = errors.read_to_end(&mut text);
            drop(sender.send(read.map(|_| String::from_utf8_lossy(&text).into_owned())));
        });
    }
    let text = receiver.recv_timeout(LIMIT);
    if text.is_err() {
        // Failure means that it has just exited, which is fine.
        let _ = child.kill();
    }
    let status =
        child.wait().map_err(|e| format!("the process that tries the file is lost: {e}"))?;
    match text {
        _ if status.success() => Ok(()),
        Err(_) => Err(format!("it was not loaded within {} s", LIMIT.as_secs())),
        Ok(text) => Err(match status.signal() {
            Some(signal) => format!("loading it kills the process (signal {signal})"),
            None => reason(&text.unwrap_or_default()),
        }),
    }
}

/// Returns the last error message of the child.
fn reason(text: &str) -> String {
    let from = text.rfind("error: ").map_or(0, |at| at + "error: ".len());
    text[from..].trim().to_owned()
}

/// Makes this process the first that the kernel kills when memory runs out.
///
/// # Errors
/// Returns an error if the system refuses.
pub fn prefer_for_oom_kill() -> std::io::Result<()> {
    std::fs::write("/proc/self/oom_score_adj", "1000")
}
