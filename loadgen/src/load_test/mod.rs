//! A load test: reached targets, a plan and an objective, played by the load engine and judged.

mod watch;

use std::{
    sync::{Arc, mpsc},
    time::{Duration, SystemTime},
};

use load_engine::{Control, EngineError};
use loadtest::{
    measure::{Outcome, Second, Window},
    slo::{LatencyLimit, Slo},
    verdict::{Judgement, StepsJudgement, explained, judge_steps},
    workload::{Plan, Segment, Targets},
};

use self::watch::{Watch, Watched};
use crate::{
    Error,
    event::{Event, forward},
    output::{RunReport, command_line},
    runner::{Reached, follow},
};

/// Extent to which a report needs the seconds of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// None of them.
    Nothing,
    /// Their totals.
    Totals,
    /// Their tasks too.
    Tasks,
}

/// A load test that is ready to start.
pub struct LoadTest {
    /// Loaded hosts.
    pub reached: Vec<Reached>,
    /// Their addresses, and what is sent to them.
    pub targets: Targets,
    /// Plan of the load, and the processors that play it.
    pub segment: Segment,
    /// Objective, if one is set.
    pub objective: Option<Slo>,
    /// True if a failed step ends the test.
    pub aborts_on_failure: bool,
    /// Time added to the last hold for an undecided verdict; the plan contains it.
    pub extension: Duration,
    /// Seconds that the report needs.
    pub keeps: Keeps,
    /// Calibrated requests per second of the generator, if it was calibrated.
    pub calibrated: Option<f64>,
}

impl LoadTest {
    /// Returns the objective, or the default one, against which the generator's lateness is judged.
    pub fn judged_objective(&self) -> Slo {
        self.objective.clone().unwrap_or_else(default_objective)
    }

    /// Returns the names of the loaded hosts.
    pub fn hosts(&self) -> Vec<String> {
        self.reached.iter().map(|reached| reached.name().to_string()).collect()
    }

    /// Plays the plan until it is over or `control` stops it, and judges the result. `views`
    /// receive all events.
    ///
    /// # Errors
    /// Returns an error if this machine cannot play the plan.
    pub async fn run(
        self,
        views: Vec<mpsc::Sender<Event>>,
        control: &Control,
    ) -> Result<RunReport, Error> {
        let (sender, inbox) = mpsc::channel();
        let watch = self.watch(views, control).start(inbox);
        for remark in self.reached.iter().filter_map(Reached::remark) {
            let _ = sender.send(Event::Log(remark));
        }
        let (hosts, scenario) = (self.hosts(), Arc::clone(&self.targets.scenario));
        let (objective, given) = (self.judged_objective(), self.objective.clone());
        let planned = Arc::clone(&self.segment.plan);
        let following = follow(self.reached, self.targets.pool.clone(), sender.clone());
        let (segment, targets, limits) = (self.segment, self.targets, objective.limits());
        let (engine, began) = (control.clone(), SystemTime::now());
        let played = tokio::task::spawn_blocking(move || {
            load_engine::run(&segment, &targets, &limits, &forward(&sender), &engine)
        });
        let played = played.await.map_err(|e| EngineError::System(std::io::Error::other(e)))?;
        drop(following);
        // The watch ends with the events. Joining it here would occupy the worker on which the
        // aborted task, a sender of events, has yet to be dropped.
        let watched = tokio::task::spawn_blocking(move || watch.join().unwrap_or_default()).await;
        let Watched { seconds, aborted, decided } = watched.unwrap_or_default();
        let mut outcome = played?;
        let aborted = aborted.filter(|_| outcome.stopped);
        outcome.stopped &= decided.is_none();
        let plan = control.plan().unwrap_or(planned).as_ref().clone();
        let (due_per_second, judged) = judge(&plan, &outcome, &objective, decided.as_ref());
        Ok(RunReport {
            hosts,
            scenario,
            plan,
            due_per_second,
            objective: given,
            judged,
            aborted,
            calibrated: self.calibrated,
            began,
            seconds,
            earlier: Second::default(),
            outcome,
            command: command_line(),
        })
    }

    fn watch(&self, views: Vec<mpsc::Sender<Event>>, control: &Control) -> Watch {
        let plan: Plan = self.segment.plan.as_ref().clone();
        Watch {
            times: plan.times(),
            due_per_second: plan.due_per_second(),
            plan,
            objective: self.objective.clone(),
            aborts: self.aborts_on_failure,
            extension: self.extension,
            keeps: self.keeps,
            views,
            control: control.clone(),
        }
    }
}

/// Returns the requests per second due in each step's window, and the verdicts; `decided` is the
/// judgement that ended the last step early, if one did.
pub fn judge(
    plan: &Plan,
    outcome: &Outcome,
    objective: &Slo,
    decided: Option<&Judgement>,
) -> (Vec<Option<f64>>, StepsJudgement) {
    let windows: Vec<&Window> = outcome.steps.iter().map(|measured| &measured.all).collect();
    let lengths = windows.iter().map(|window| window.length);
    let measured = plan
        .times()
        .into_iter()
        .zip(lengths)
        .map(|(times, length)| (times.measured_from, times.measured_from + length));
    let due_per_second = plan.due_per_second_in(&measured.collect::<Vec<_>>());
    let mut judged = judge_steps(plan, &due_per_second, &windows, objective, decided);
    judged.overall = explained(judged.overall, &outcome.total.all);
    (due_per_second, judged)
}

/// Returns the objective for tests without one.
pub fn default_objective() -> Slo {
    Slo {
        latency: vec![LatencyLimit { quantile: 0.95, limit: Duration::from_millis(100) }],
        failures: None,
        rate: None,
    }
}
