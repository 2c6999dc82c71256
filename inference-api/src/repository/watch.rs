//! Periodic scan of the sources.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use super::Repository;

/// Refreshes every `period` until the sender of `stopped` is dropped.
///
/// Logs every change, and a persistent problem only once.
pub fn watch(repository: &Arc<Repository>, period: Duration, stopped: &mpsc::Receiver<()>) {
    let mut logged = Vec::new();
    while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(period) {
        let changes = repository.refresh();
        for version in &changes.loaded {
            tracing::info!(%version, "loaded");
        }
        for version in &changes.unloaded {
            tracing::info!(%version, "unloaded");
        }
        for refusal in &changes.refused {
            tracing::error!(
                version = refusal.version,
                reason = refusal.reason,
                "{}",
                refusal.consequence()
            );
        }
        for reason in changes.problems.iter().filter(|reason| !logged.contains(*reason)) {
            tracing::error!(
                reason,
                "a --model cannot be looked at; what was served before still is"
            );
        }
        if changes.problems.is_empty() && !logged.is_empty() {
            tracing::info!("every --model can be looked at again");
        }
        logged = changes.problems;
    }
}
