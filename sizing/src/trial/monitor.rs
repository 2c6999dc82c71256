//! Monitor of a running trial: takes seconds and returns actions.

use std::time::Duration;

use loadtest::{
    measure::{Second, Window},
    verdict::{Judgement, Look, Scope, Verdict},
    workload::Plan,
};
use orchestrator::Limits;

use super::{
    Purpose, Settings, Timing, TrialSpec, UsageLog,
    deciding::DecidingWindow,
    futility::{Expectation, Futility, Watch},
    probe::{Probe, Probed},
    steps,
};

/// Next action of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Go on unchanged.
    Continue,
    /// Change the limits of all replicas in place.
    SetLimits(Limits),
    /// Stop the users.
    Stop,
}

/// Monitor of a running trial.
#[derive(Debug)]
pub struct Monitor {
    settings: Settings,
    spec: TrialSpec,
    plan: Plan,
    /// Requests per second that are due in each step's window.
    due_per_second: Vec<Option<f64>>,
    watch: Watch,
    deciding: DecidingWindow,
    probe: Option<Probe>,
    decided: Option<Judgement>,
    stopped_early: Option<Futility>,
    is_stopped: bool,
    now: Duration,
}

/// Result of a monitor.
#[derive(Debug)]
pub(super) struct Watched {
    pub deciding: DecidingWindow,
    /// Verdict on the last step that ended the trial.
    pub decided: Option<Judgement>,
    /// Futility that ended the trial.
    pub stopped_early: Option<Futility>,
    pub probed: Vec<Probed>,
}

impl Monitor {
    /// Creates the monitor of a trial that is about to begin.
    pub fn new(settings: &Settings, spec: TrialSpec) -> Self {
        let timing = Timing::new(settings.wait_time);
        let plan = timing.plan(settings, spec.purpose, spec.users);
        let times = plan.times();
        let held_from = times.last().map_or(Duration::ZERO, |t| t.measured_from);
        let planned = plan.planned_per_second(plan.steps.len() - 1);
        let watch = Watch::new(Expectation {
            objective: settings.objective.clone(),
            held_from,
            window_requests: planned.unwrap_or(f64::INFINITY)
                * timing.looks(spec.purpose).longest() as f64,
            patience: timing.patience,
        });
        let end = plan.duration();
        let deciding =
            DecidingWindow::new(timing, spec.purpose, held_from, end, settings.max_steal);
        let users = plan.steps.iter().map(loadtest::workload::Step::users).collect();
        let probe = (spec.purpose == Purpose::Probe)
            .then(|| Probe::new(settings, spec.point, times, users));
        Self {
            settings: settings.clone(),
            spec,
            due_per_second: plan.due_per_second(),
            plan,
            watch,
            deciding,
            probe,
            decided: None,
            stopped_early: None,
            is_stopped: false,
            now: Duration::ZERO,
        }
    }

    /// Returns the plan of the users.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns the time at which a replica is to be killed, if one is.
    pub fn failure_at(&self) -> Option<Duration> {
        let first = self.plan.times().first().map(|times| times.end);
        first.filter(|_| self.spec.purpose == Purpose::ReplicaFailure)
    }

    /// Takes the next second; `log` has the replicas' usage so far.
    pub fn second(&mut self, second: &Second, log: &UsageLog) -> Action {
        if self.is_stopped {
            return Action::Stop;
        }
        self.now = Duration::from_secs(second.index);
        if let Some(probe) = &mut self.probe {
            let limits = probe.second(second, log);
            return if probe.is_over() {
                self.stop()
            } else {
                limits.map_or(Action::Continue, Action::SetLimits)
            };
        }
        self.deciding.add(second);
        if !self.spec.purpose.is_judged_early() {
            return Action::Continue;
        }
        let stolen = log.steal_share(self.deciding.from(), Duration::MAX).unwrap_or(0.0);
        // Futility under steal may be the hypervisor's doing. A service that is that bad shows it
        // again once the steal is small beside the window.
        let futile = self.watch.see(second).filter(|_| stolen <= self.settings.max_steal);
        if self.deciding.restart_after_steal(stolen) {
            self.watch.begin_again(self.deciding.from());
        } else if self.deciding.is_time_to_look(stolen)
            && let Some(action) = self.look()
        {
            return action;
        }
        match futile {
            Some(why) => self.give_up(why),
            None if self.deciding.is_over() => self.stop(),
            None => Action::Continue,
        }
    }

    /// Takes the window of a step that is over.
    pub fn step_ended(&mut self, index: usize, window: &Window) -> Action {
        let is_last = index + 1 >= self.plan.steps.len();
        if self.is_stopped || is_last || self.spec.purpose != Purpose::Ramp {
            return self.unchanged();
        }
        let step = steps::judge_step(
            &self.plan,
            &self.due_per_second,
            index,
            window,
            &self.settings.objective,
        );
        let why = format!("at {} users: {}", step.users, step.reasons.join("; "));
        match step.verdict {
            Verdict::Fail => self.give_up(Futility::Broken(why)),
            Verdict::Invalid => self.give_up(Futility::Unmeasured(why)),
            Verdict::Pass | Verdict::Undecided => Action::Continue,
        }
    }

    /// Records that a replica ended by itself.
    pub fn replica_ended(&mut self) -> Action {
        if self.is_stopped {
            return Action::Stop;
        }
        if let Some(probe) = &mut self.probe {
            probe.replica_ended(self.now);
            return self.stop();
        }
        self.give_up(Futility::Broken("a replica ended".to_owned()))
    }

    /// Records that limits could not be set in place.
    pub fn refused(&mut self, limits: Limits, why: &str) -> Action {
        if let Some(probe) = &mut self.probe {
            probe.refused(self.now, limits, why.to_owned());
        }
        self.stop()
    }

    /// Returns the number of a probe's readings so far.
    pub fn reading_count(&self) -> usize {
        self.probed().len()
    }

    /// Returns the readings of a probe so far.
    pub(super) fn probed(&self) -> &[Probed] {
        self.probe.as_ref().map_or(&[], Probe::readings)
    }

    /// Returns true if users were told to stop.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    pub(super) fn finish(self) -> Watched {
        let Self { deciding, decided, stopped_early, probe, .. } = self;
        let probed = probe.map_or_else(Vec::new, |probe| probe.readings().to_vec());
        Watched { deciding, decided, stopped_early, probed }
    }

    /// Looks at the deciding window.
    fn look(&mut self) -> Option<Action> {
        let window = Window::so_far(self.deciding.seconds().iter());
        let planned = self.due_since(self.deciding.from());
        let looks = self.deciding.looks();
        match looks.look(&window, &self.settings.objective, planned, Scope::Whole) {
            Look::Decided(judged) => {
                self.decided = Some(judged);
                Some(self.stop())
            }
            Look::Futile(_) => {
                let (so_far, longest) = (self.deciding.seconds().len(), looks.longest());
                let why = format!(
                    "undecided after {so_far} s, and not likely to be decided in {longest} s"
                );
                Some(self.give_up(Futility::Open(why)))
            }
            Look::Open(_) => None,
        }
    }

    /// Returns the requests per second that were due from `from` until now.
    fn due_since(&self, from: Duration) -> Option<f64> {
        let counted = self.plan.due_between(&[(from, self.now)]).map(|counts| counts[0] as f64);
        let counted =
            counted.map(|count| count / self.now.saturating_sub(from).as_secs_f64().max(1.0));
        counted.or_else(|| self.settings.wait_time.planned_per_second(self.spec.users.into()))
    }

    fn give_up(&mut self, why: Futility) -> Action {
        self.stopped_early = Some(why);
        self.stop()
    }

    fn stop(&mut self) -> Action {
        self.is_stopped = true;
        Action::Stop
    }

    fn unchanged(&self) -> Action {
        if self.is_stopped { Action::Stop } else { Action::Continue }
    }
}
