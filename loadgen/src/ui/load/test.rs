//! One load test of the page's session.

use std::{
    collections::VecDeque,
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
    plan: Arc<Plan>,
    /// Seconds that are over, from the start of the plan.
    pub(super) elapsed: Duration,
    /// Start of the figures: that of the test, or its last reset.
    pub(super) since: SystemTime,
    pub(super) is_over: bool,
    pub(super) log: VecDeque<LogLine>,
    /// Number of the first line that is kept.
    pub(super) first_line: usize,
    /// Latest message about the addresses.
    pub(super) spread: Option<String>,
    /// Error that ended the test.
    pub(super) problem: Option<String>,
    /// Verdict on the objective, and its reasons, once the test is over.
    verdict: Option<(String, String)>,
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
            plan: Arc::clone(&test.segment.plan),
            elapsed: Duration::ZERO,
            since: now,
            is_over: false,
            log: VecDeque::new(),
            first_line: 0,
            spread: None,
            problem: None,
            verdict: None,
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
        } else if step_at(&self.plan(&inner), inner.elapsed)
            .is_some_and(|t| inner.elapsed < t.ramped)
        {
            State::Spawning
        } else {
            State::Running
        }
    }

    /// Returns the plan with its amendments.
    pub(super) fn plan(&self, inner: &Inner) -> Arc<Plan> {
        self.control.plan().unwrap_or_else(|| Arc::clone(&inner.plan))
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
        let report = match ended {
            // After a reset, the report of the whole test would contradict the page.
            Ok(_) if inner.since != self.began => self.so_far(&inner),
            Ok(report) => report,
            Err(error) => {
                inner.log(format!("The test ended: {error}"));
                inner.problem = Some(error.to_string());
                return;
            }
        };
        report.remarks().into_iter().for_each(|remark| inner.log(remark));
        inner.log("The test is over.".to_owned());
        inner.verdict = report.objective.as_ref().map(|_| {
            let overall = &report.judged.overall;
            (overall.verdict.to_string(), overall.reasons.join("; "))
        });
        inner.report = Some(report);
    }

    pub(super) fn reset(&self) {
        let mut inner = self.inner();
        inner.progress.reset();
        inner.since = SystemTime::now();
        (inner.report, inner.verdict) = (None, None);
        inner.log("The figures were reset.".to_owned());
    }

    /// Returns the report: of the whole test once it is over, and else of the test so far.
    pub(in crate::ui) fn report(&self) -> RunReport {
        let (report, packed, earlier) = {
            let inner = self.inner();
            let report = inner.report.clone().unwrap_or_else(|| self.so_far(&inner));
            (report, inner.progress.packed(), inner.progress.earlier.clone())
        };
        // Unpacked without the lock: the test goes on meanwhile.
        let seconds = packed.iter().map(|second| second.unpacked()).collect();
        RunReport { seconds, earlier, ..report }
    }

    /// Returns the report so far, without its seconds.
    fn so_far(&self, inner: &Inner) -> RunReport {
        let plan = self.plan(inner);
        let outcome = inner.outcome(&plan, !inner.is_over);
        let objective = self.objective.clone().unwrap_or_else(default_objective);
        let (due_per_second, judged) = judge(&plan, &outcome, &objective, None);
        RunReport {
            hosts: self.hosts.clone(),
            scenario: Arc::clone(&self.scenario),
            plan: plan.as_ref().clone(),
            due_per_second,
            objective: self.objective.clone(),
            judged,
            aborted: None,
            calibrated: None,
            began: self.began,
            seconds: Vec::new(),
            earlier: Second::default(),
            outcome,
            command: command_line(),
        }
    }

    /// Returns the verdict on the objective in words, once the test is over.
    pub(super) fn verdict(&self) -> Option<(String, String)> {
        self.inner().verdict.clone()
    }
}

impl Inner {
    pub(super) fn log(&mut self, text: String) {
        if self.log.len() == LOG_LINES {
            self.log.pop_front();
            self.first_line += 1;
        }
        self.log.push_back(LogLine { time: milliseconds(SystemTime::now()), text });
    }

    /// Returns the result so far of a plan.
    fn outcome(&self, plan: &Plan, stopped: bool) -> Outcome {
        let times = plan.times();
        let begun = times.iter().filter(|times| times.measured_from < self.elapsed);
        let step = |times: &StepTimes| {
            let seconds = self.progress.between(times.measured_from, times.end);
            let mut all = Window::so_far(seconds.iter());
            all.users = self.progress.total.all.users;
            Measured { all, tasks: Vec::new() }
        };
        Outcome {
            steps: begun.map(step).collect(),
            total: self.progress.total.clone(),
            addresses: self.progress.addresses.clone(),
            words: self.progress.words.clone(),
            stopped,
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
