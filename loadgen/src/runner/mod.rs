//! Makes trials: deploys, drives the engine, reads what the replicas used, tears down.
//!
//! The one owner of run state. The next trial comes from [`crate::sweep`], which is pure; what
//! happens goes out as [`Event`]s; every finished trial goes to the journal before the next begins.

mod budget;
mod follow;
mod pin;
mod restart;
mod server_times;
mod stopped;
mod target;
mod trial;

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use load_engine::Control;
use loadtest::{verdict::Verdict, workload::Request};
use orchestrator::{Deployment, Orchestrator};
use sizing::{
    sweep::{Next, answer, estimate, next},
    trial::{Settings, Trial},
};

pub use budget::Budget;
pub use follow::{Following, follow};
pub use pin::{Pin, Pinning};
pub use stopped::stopped;
pub use target::{Reached, Source};

use crate::{Error, event::Event};

/// A sweep to make.
pub struct Sweep {
    /// Where replicas run.
    pub orchestrator: Arc<dyn Orchestrator>,
    /// What a replica is; its replicas, limits and cpuset are set for each trial.
    pub deployment: Deployment,
    /// What users send; the replicas are asked for an example where it lacks a payload.
    pub request: Request,
    /// A request that takes longer has failed.
    pub timeout: Duration,
    /// Whether a replica has answered the request with a 2xx in some trial: from then on one that
    /// does not has its limits to blame, and not the request.
    pub answered: bool,
    /// What is searched, and the objective that has to hold.
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
    /// Makes trials until the search has its answer or `control` says stop. Each goes to `journal`
    /// as soon as it is over, and is added to `trials`, which may hold those of an earlier run. The
    /// invalid ones of these do not count: the machine may be a quieter one by now, and each run
    /// has retries of its own.
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
        let mut counted = valid(trials);
        while let Next::Try(planned) = next(&self.settings, &counted) {
            if control.is_stopped() {
                return Ok(Ending::Interrupted);
            }
            if self.budget.is_spent() {
                return Ok(Ending::Spent);
            }
            let (spec, number) = (planned.spec, trials.len() + 1);
            // A view that has gone away does not end the sweep.
            let _ = events.send(Event::Next { planned, number });
            let Some(trial) = self.trial_or_restart(spec, &counted, events, control).await? else {
                return Ok(Ending::Interrupted);
            };
            self.budget.spend();
            journal(&trial)?;
            counted.push(trial.clone());
            trials.push(trial.clone());
            self.tell(trial, &counted, events);
        }
        Ok(Ending::Complete)
    }

    /// Tells views of a finished trial and of what is known with it.
    fn tell(&self, trial: Trial, counted: &[Trial], events: &mpsc::Sender<Event>) {
        let replicas = trial.spec.point.replicas;
        let known = answer(&self.settings, counted)
            .per_replicas
            .into_iter()
            .find(|known| known.replicas == replicas);
        let _ =
            events.send(Event::TrialEnded { trial: Box::new(trial), known: known.map(Box::new) });
        if let Some(estimate) = estimate(&self.settings, counted, None) {
            let _ = events.send(Event::Estimate(estimate));
        }
    }
}

/// Returns the trials that say something of the service.
pub fn valid(trials: &[Trial]) -> Vec<Trial> {
    trials.iter().filter(|trial| trial.verdict != Verdict::Invalid).cloned().collect()
}
