//! One load test of the page's session.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use load_engine::{Control, LoadEvent};
use loadtest::{
    measure::{Measured, Outcome, Second, Window},
    slo::Slo,
    workload::{Plan, Scenario, StepTimes},
};
use serde::Serialize;

use super::{Form, progress::Progress, replicas::Replicas};
use crate::{
    event::Event,
    load_test::{LoadTest, default_objective, judge},
    output::{RunReport, command_line},
};

/// State of a test, as in Locust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::ui) enum State {
    /// No test was started yet.
    Ready,
    /// Users are started or leave.
    Spawning,
    /// The load is held.
    Running,
    /// No request begins any more, and those in flight may end.
    Stopping,
    /// The test is over.
    Stopped,
}

/// A load test, running or over.
pub(in crate::ui) struct Test {
    pub(super) id: u64,
    pub(super) form: Form,
    pub(super) hosts: Vec<String>,
    pub(super) scenario: Arc<Scenario>,
    pub(super) objective: Option<Slo>,
    pub(super) began: SystemTime,
    pub(super) control: Control,
    inner: Mutex<Inner>,
}

/// Changing part of a test.
pub(super) struct Inner {
    pub(super) progress: Progress,
    pub(super) replicas: Replicas,
    pub(super) plan: Plan,
    /// Seconds that are over, from the start of the plan.
    pub(super) elapsed: Duration,
    /// Start of the figures: that of the test, or its last reset.
    pub(super) since: SystemTime,
    pub(super) is_over: bool,
    pub(super) log: Vec<LogLine>,
    /// Latest message about the addresses.
    pub(super) spread: Option<String>,
    /// Error that ended the test.
    pub(super) problem: Option<String>,
    report: Option<RunReport>,
}

/// A line of the log.
#[derive(Debug, Clone, Serialize)]
pub(super) struct LogLine {
    /// Milliseconds since 1970.
    pub(super) time: u64,
    pub(super) text: String,
}

/// Most lines of a test's log.
const LOG_LINES: usize = 1000;

impl Test {
    pub(super) fn new(id: u64, form: Form, test: &LoadTest, control: Control) -> Self {
        let now = SystemTime::now();
        let inner = Inner {
            progress: Progress::default(),
            replicas: Replicas::default(),
            plan: test.segment.plan.as_ref().clone(),
            elapsed: Duration::ZERO,
            since: now,
            is_over: false,
            log: Vec::new(),
            spread: None,
            problem: None,
            report: None,
        };
        Self {
            id,
            form,
            hosts: test.hosts(),
            scenario: Arc::clone(&test.targets.scenario),
            objective: test.objective.clone(),
            began: now,
            control,
            inner: Mutex::new(inner),
        }
    }

    /// Locks the figures, ignoring poison: a thread that panicked left figures that are at most a
    /// second old.
    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> State {
        let inner = self.inner();
        if inner.is_over {
            State::Stopped
        } else if self.control.is_stopped() {
            State::Stopping
        } else if step_at(&inner.plan, inner.elapsed).is_some_and(|t| inner.elapsed < t.ramped) {
            State::Spawning
        } else {
            State::Running
        }
    }

    /// Adds an event of the load engine.
    pub(super) fn add(&self, event: &Event) {
        let mut inner = self.inner();
        match event {
            Event::Load(LoadEvent::Second(second)) => {
                inner.elapsed = Duration::from_secs(second.index);
                let replicas = inner.replicas.sample();
                inner.progress.add(second, self.began, replicas);
            }
            Event::Load(LoadEvent::StepStarted { users, .. }) => {
                inner.log(format!("The load goes to {users} users."));
            }
            Event::Log(text) => {
                inner.spread = Some(text.clone());
                inner.log(text.clone());
            }
            _ => {}
        }
    }

    /// Ends the test with its report, or with the error that prevented it.
    pub(super) fn finish(&self, ended: Result<RunReport, crate::Error>) {
        let mut inner = self.inner();
        inner.is_over = true;
        match ended {
            Ok(report) => {
                report.remarks().into_iter().for_each(|remark| inner.log(remark));
                inner.log("The test is over.".to_owned());
                // After a reset, the report of the whole test would contradict the page.
                if inner.since == self.began {
                    let seconds = inner.progress.seconds.iter().cloned().collect();
                    inner.report = Some(RunReport { seconds, ..report });
                }
            }
            Err(error) => {
                inner.log(format!("The test ended: {error}"));
                inner.problem = Some(error.to_string());
            }
        }
    }

    pub(super) fn reset(&self) {
        let mut inner = self.inner();
        inner.progress.reset();
        inner.since = SystemTime::now();
        inner.report = None;
        inner.log("The figures were reset.".to_owned());
    }

    /// Returns the report: of the whole test once it is over, and else of the test so far.
    pub(in crate::ui) fn report(&self) -> RunReport {
        let inner = self.inner();
        if let Some(report) = &inner.report {
            return report.clone();
        }
        let outcome = inner.outcome();
        let objective = self.objective.clone().unwrap_or_else(default_objective);
        let (due_per_second, judged) = judge(&inner.plan, &outcome, &objective, None);
        RunReport {
            hosts: self.hosts.clone(),
            scenario: Arc::clone(&self.scenario),
            plan: inner.plan.clone(),
            due_per_second,
            objective: self.objective.clone(),
            judged,
            aborted: None,
            calibrated: None,
            began: self.began,
            seconds: inner.progress.seconds.iter().cloned().collect(),
            outcome,
            command: command_line(),
        }
    }

    /// Returns the verdict on the objective in words, once the test is over.
    pub(super) fn verdict(&self) -> Option<(String, String)> {
        let inner = self.inner();
        let report = inner.report.as_ref()?;
        report.objective.as_ref()?;
        let overall = &report.judged.overall;
        Some((overall.verdict.to_string(), overall.reasons.join("; ")))
    }
}

impl Inner {
    pub(super) fn log(&mut self, text: String) {
        if self.log.len() < LOG_LINES {
            self.log.push(LogLine { time: milliseconds(SystemTime::now()), text });
        }
    }

    /// Returns the result so far.
    fn outcome(&self) -> Outcome {
        let times = self.plan.times();
        let begun = times.iter().filter(|times| times.measured_from < self.elapsed);
        let step = |times: &StepTimes| {
            let is_in = |second: &&Second| {
                let end = Duration::from_secs(second.index);
                end > times.measured_from && end <= times.end
            };
            let mut all = Window::so_far(self.progress.seconds.iter().filter(is_in));
            all.users = self.progress.total.all.users;
            Measured { all, tasks: Vec::new() }
        };
        Outcome {
            steps: begun.map(step).collect(),
            total: self.progress.total.clone(),
            addresses: self.progress.addresses.clone(),
            words: self.progress.words.clone(),
            stopped: true,
        }
    }
}

/// Returns the milliseconds since 1970.
pub(super) fn milliseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn step_at(plan: &Plan, elapsed: Duration) -> Option<StepTimes> {
    plan.times().into_iter().find(|times| elapsed < times.end)
}
