//! Ctrl-C and SIGTERM: the first ends in order, the second at once.

use std::io::Write;

use load_engine::Control;
use tokio::signal::unix::{SignalKind, signal};

use crate::{Error, ExitStatus};

/// Tells `control` to stop on SIGINT or SIGTERM. A second signal ends the process: what it leaves
/// behind carries labels that `loadgen clean` finds.
pub(super) fn stop_on_signal(control: Control) -> Result<(), Error> {
    let failed = |e: std::io::Error| Error::Machine(format!("cannot handle signals: {e}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::spawn(async move {
        for count in 0.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if count > 0 {
                std::process::exit(ExitStatus::Interrupted as i32);
            }
            control.stop();
            // Not eprintln!: it panics where standard error has gone away, and the stop must come
            // through all the same.
            let _ = writeln!(
                std::io::stderr(),
                "stopping (once more to stop at once; then run: loadgen clean)"
            );
        }
    });
    Ok(())
}
