//! Waiting for a run to be stopped.

use std::time::Duration;

use load_engine::Control;

/// Waits until the run is told to stop. Checks ten times a second: load threads read the flag
/// without a lock, and nobody notices a tenth of a second after Ctrl-C.
pub async fn stopped(control: &Control) {
    while !control.is_stopped() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
