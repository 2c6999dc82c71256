//! Looks at the sources again and again, and serves what has changed.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use super::Repository;

/// Refreshes every `period` until the sender of `stopped` is gone; what changed is said in the log.
pub fn watch(repository: &Arc<Repository>, period: Duration, stopped: &mpsc::Receiver<()>) {
    while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(period) {
        let changes = repository.refresh();
        for version in &changes.loaded {
            tracing::info!(%version, "loaded");
        }
        for version in &changes.unloaded {
            tracing::info!(%version, "unloaded");
        }
        for (version, reason) in &changes.refused {
            tracing::error!(%version, reason, "REFUSED: it does not load; what was served before still is");
        }
    }
}
