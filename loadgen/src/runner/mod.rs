//! Makes trials: deploys, drives the engine, reads what the replicas used, tears down.
//!
//! The one owner of run state. What to try next comes from [`crate::sweep`], which is pure; what happens goes out as
//! [`Event`]s; every finished trial goes to the journal before the next begins.

mod budget;
mod hold;
mod hopeless;
mod pin;
mod restart;
mod result;
mod server_times;
mod simulate;
mod sum_up;
mod target;
mod timing;
mod trial;
mod usage;

use std::sync::{Arc, mpsc};

use orchestrator::{Deployment, Orchestrator};

pub use budget::Budget;
pub use hold::Hold;
pub use hopeless::{Expectation, Hopeless, Watch};
pub use pin::{Pin, Pinning};
pub use simulate::simulated;
pub use target::Reached;
pub use timing::Timing;

use crate::{
    Error,
    engine::Control,
    event::Event,
    slo::Objective,
    sweep::{Next, Settings, Trial, next, seconds_left},
    verdict::Verdict,
    workload::Request,
};

/// A sweep to make.
pub struct Sweep {
    /// Where replicas run.
    pub orchestrator: Arc<dyn Orchestrator>,
    /// What a replica is; its replicas, limits and cpuset are set for each trial.
    pub deployment: Deployment,
    /// What users send; without one, the replicas are asked for an example.
    pub request: Option<Request>,
    /// Whether a replica has answered the request with a 2xx in some trial: from then on one that does not has its limits to
    /// blame, and not the request.
    pub answered: bool,
    /// Path of the request, where the replicas are asked for its body.
    pub path: String,
    /// What has to hold.
    pub objective: Objective,
    /// What is searched.
    pub settings: Settings,
    /// Which processors the generator and the replicas run on.
    pub pinning: Pinning,
    /// When it ends in any case.
    pub budget: Budget,
}

/// How a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// There is nothing more to try.
    Complete,
    /// Its trials or its time are spent.
    Spent,
    /// It was told to stop.
    Interrupted,
}

impl Sweep {
    /// Makes trials until the search has its answer or `control` says stop. Each goes to `journal` as soon as it is over,
    /// and is added to `trials`, which may hold those of an earlier run. The invalid ones of these do not count: the machine may be
    /// a quieter one by now, and each run has retries of its own.
    ///
    /// # Errors
    /// When something that every trial needs is missing. The trials made by then are in `trials`.
    pub async fn run(
        &mut self,
        trials: &mut Vec<Trial>,
        mut journal: impl FnMut(&Trial) -> Result<(), Error>,
        events: &mpsc::Sender<Event>,
        control: &Control,
    ) -> Result<Ending, Error> {
        let timing = Timing::new(self.settings.wait_time);
        let mut counted = valid(trials);
        while let Next::Try(spec) = next(&self.settings, &counted) {
            if control.is_stopped() {
                return Ok(Ending::Interrupted);
            }
            if self.budget.is_spent() {
                return Ok(Ending::Spent);
            }
            let seconds_left = seconds_left(&self.settings, &counted, |load| timing.length(&self.settings, load));
            // A view that has gone away does not end the sweep.
            let _ = events.send(Event::TrialStarted { spec, number: trials.len() + 1, seconds_left });
            let Some(trial) = self.trial_or_restart(spec, events, control).await? else {
                return Ok(Ending::Interrupted);
            };
            self.budget.spend();
            journal(&trial)?;
            let _ = events.send(Event::TrialEnded(Box::new(trial.clone())));
            counted.push(trial.clone());
            trials.push(trial);
        }
        Ok(Ending::Complete)
    }
}

/// Trials that say something of the server.
pub fn valid(trials: &[Trial]) -> Vec<Trial> {
    trials.iter().filter(|trial| trial.verdict != Verdict::Invalid).cloned().collect()
}
