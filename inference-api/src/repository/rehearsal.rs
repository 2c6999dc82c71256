//! Loading a file in a process of its own first.
//!
//! ONNX Runtime is C++ that reads a file somebody gave us: what it does not refuse may crash it, or
//! take all memory. At start that is a server that does not start; later it would be one that
//! served and is gone. So a file that comes while requests run is loaded, and its example run, by a
//! child that may die of it.

use std::{
    io::Read,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

/// A model that takes longer to load is not swapped in while requests run.
const LIMIT: Duration = Duration::from_secs(600);

/// Loads the file as this process would.
///
/// # Errors
/// With the reason why it would not be served.
pub(super) fn rehearse(file: &Path, library: &Path, workers: usize) -> Result<(), String> {
    // This very program, also when its file was replaced since.
    let mut child = Command::new("/proc/self/exe")
        .args(["check", "--expendable", "--workers", &workers.to_string()])
        .arg(file)
        .env("ORT_DYLIB_PATH", library)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cannot start a process to try the file in: {e}"))?;
    let (said, saying) = mpsc::channel();
    if let Some(mut errors) = child.stderr.take() {
        // Ends with the child, whose end it tells.
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let read = errors.read_to_end(&mut text);
            drop(said.send(read.map(|_| String::from_utf8_lossy(&text).into_owned())));
        });
    }
    let text = saying.recv_timeout(LIMIT);
    if text.is_err() {
        // It may have ended this very moment, which is as good.
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

/// What the child said last.
fn reason(text: &str) -> String {
    let from = text.rfind("error: ").map_or(0, |at| at + "error: ".len());
    text[from..].trim().to_owned()
}

/// Makes this process the first that the kernel kills where memory runs out.
///
/// # Errors
/// When the system does not let it.
pub fn be_expendable() -> std::io::Result<()> {
    std::fs::write("/proc/self/oom_score_adj", "1000")
}
