//! Wait for the stop of a run.

use std::time::Duration;

use load_engine::Control;

/// Waits until the run is told to stop. Checks ten times per second: load threads read the flag
/// without a lock, and a delay of a tenth of a second after Ctrl-C does not matter.
pub async fn stopped(control: &Control) {
    while !control.is_stopped() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
