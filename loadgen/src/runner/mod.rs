//! Runner of trials: deploys, drives the engine, reads the replicas' usage, tears down.
//!
//! It is the single owner of run state. The next trial comes from [`sizing::sweep`], which is pure.
//! Progress goes out as [`Event`]s, and every finished trial goes to the journal before the next
//! begins.

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

/// A sweep to run.
pub struct Sweep {
    /// Backend for the replicas.
    pub orchestrator: Arc<dyn Orchestrator>,
    /// Deployment of a replica; the number of replicas, limits and cpuset are set for each trial.
    pub deployment: Deployment,
    /// Request of the users; if it lacks a payload, a replica provides an example.
    pub request: Request,
    /// Request timeout.
    pub timeout: Duration,
    /// True if a replica has answered the request with a 2xx in some trial. From then on a failure
    /// is due to the limits, and not to the request.
    pub answered: bool,
    /// Search settings and objective.
    pub settings: Settings,
    /// Processors of the generator and of the replicas.
    pub pinning: Pinning,
    /// Budget of the sweep.
    pub budget: Budget,
}

/// Ending of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The search is complete.
    Complete,
    /// The budget of trials or time is spent.
    Spent,
    /// The sweep was stopped.
    Interrupted,
}

impl Sweep {
    /// Runs trials until the search is complete or `control` stops it. Each trial goes to `journal`
    /// as soon as it is over, and is added to `trials`, which may hold those of an earlier run.
    /// Invalid trials of an earlier run do not count: the machine may be quieter by now, and each
    /// run has retries of its own.
    ///
    /// # Errors
    /// Returns an error if something that every trial needs is missing. Earlier trials are in
    /// `trials`.
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
            // A closed view does not end the sweep.
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

    /// Sends views a finished trial and the answer with it.
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

/// Returns the valid trials.
pub fn valid(trials: &[Trial]) -> Vec<Trial> {
    trials.iter().filter(|trial| trial.verdict != Verdict::Invalid).cloned().collect()
}
