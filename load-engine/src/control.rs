//! How a run is stopped from outside.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
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
}
