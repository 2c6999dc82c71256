//! Signal handling: the first Ctrl-C or SIGTERM ends in order, the second at once.

use std::io::Write;

use load_engine::Control;
use tokio::signal::unix::{SignalKind, signal};

use crate::{Error, ExitStatus};

/// Stops `control` on SIGINT or SIGTERM. A second signal ends the process; its remains carry labels
/// that `loadgen clean` finds.
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
                std::process::exit(ExitStatus::Interrupted.code().into());
            }
            control.stop();
            // Not eprintln!, which panics if standard error is closed; the stop must come through
            // anyway.
            let _ = writeln!(
                std::io::stderr(),
                "stopping (once more to stop at once; then run: loadgen clean)"
            );
        }
    });
    Ok(())
}
