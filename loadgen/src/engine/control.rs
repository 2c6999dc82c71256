//! How a run is stopped from outside.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A handle on a run; clones control the same run.
#[derive(Debug, Clone, Default)]
pub struct Control(Arc<AtomicBool>);

impl Control {
    /// No request is begun from now on; those in flight may end.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the run was told to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits until the run is told to stop. Looked at ten times a second: load threads read the
    /// flag without a lock, and nobody notices a tenth of a second after Ctrl-C.
    pub async fn stopped(&self) {
        while !self.is_stopped() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
