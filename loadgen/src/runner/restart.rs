//! Restart of an Engine during a trial: the trial is invalid, and the sweep goes on.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use load_engine::Control;
use loadtest::verdict::Verdict;
use sizing::trial::{Trial, TrialSpec, TrialUsage, without_load};

use super::Sweep;
use crate::{Error, event::Event};

/// Longest wait for an Engine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Interval between checks whether the Engine is back.
const POLL: Duration = Duration::from_secs(1);

impl Sweep {
    /// Runs a trial; `None` if it was interrupted. A trial during which the Engine went away is
    /// invalid.
    ///
    /// # Errors
    /// Returns the errors of the trial, and an error if the Engine does not come back.
    pub(super) async fn trial_or_restart(
        &mut self,
        spec: TrialSpec,
        trials: &[Trial],
        events: &mpsc::Sender<Event>,
        control: &Control,
    ) -> Result<Option<Trial>, Error> {
        let began = Instant::now();
        let life = self.orchestrator.incarnation().await?;
        let made = self.trial(spec, trials, events, control).await;
        let is_retryable =
            |error: &Error| matches!(error, Error::Orchestrator(error) if error.is_retryable());
        let is_suspect = match &made {
            Ok(Some(trial)) => !trial.usage.ended.is_empty() || trial.steps.is_empty(),
            Ok(None) => false,
            Err(error) => is_retryable(error),
        };
        if !is_suspect || control.is_stopped() {
            return made;
        }
        // An Engine that is shutting down still answers for a moment.
        tokio::time::sleep(POLL).await;
        if self.orchestrator.incarnation().await.is_ok_and(|now| now == life) {
            return made;
        }
        let _ = events.send(Event::Log(
            "  the Engine went away in the middle of the trial; waiting for it".to_owned(),
        ));
        if !self.is_back(control).await? {
            return Ok(None);
        }
        // Removes what the Engine's former life left behind.
        self.orchestrator.close().await?;
        let why = "the Engine was started again in the middle of the trial".to_owned();
        let trial = without_load(spec, TrialUsage::default(), why);
        let wall_seconds = began.elapsed().as_secs_f64();
        Ok(Some(Trial { verdict: Verdict::Invalid, bottleneck: None, wall_seconds, ..trial }))
    }

    /// Waits for the Engine. Returns true if it came back before a stop.
    async fn is_back(&self, control: &Control) -> Result<bool, Error> {
        let began = Instant::now();
        loop {
            match self.orchestrator.incarnation().await {
                Ok(_) => return Ok(true),
                Err(_) if control.is_stopped() => return Ok(false),
                Err(error) if began.elapsed() > PATIENCE => return Err(error.into()),
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }
}
