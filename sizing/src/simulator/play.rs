//! Trials on a simulated service, monitored and judged like real ones.

use std::time::Duration;

use loadtest::{
    measure::{Measured, Outcome},
    measure::{Second, Window},
    workload::{Plan, StepTimes},
};

use super::World;
use crate::trial::{
    Action, Idle, Measurements, Monitor, Purpose, Settings, Trial, TrialSpec, UsageLog, summarize,
};

/// Seconds that deploying and tearing down take.
const OVERHEAD: f64 = 3.0;

impl World {
    /// Runs a trial.
    pub fn trial(&mut self, settings: &Settings, spec: TrialSpec) -> Trial {
        let limits_ms: Vec<u64> =
            settings.objective.latency.iter().map(|limit| limit.limit.as_millis() as u64).collect();
        let mut running = self.start(spec.point.replicas, spec.point.limits, &limits_ms);
        if spec.purpose == Purpose::Calibrate {
            running.saturate();
        }
        let mut monitor = Monitor::new(settings, spec);
        let plan = monitor.plan().clone();
        let times = plan.times();
        let mut victim = monitor.failure_at();
        let mut log = UsageLog::default();
        log.add(Duration::ZERO, running.usage());
        let idle = running.usage()[0].memory;
        let mut seconds: Vec<Second> = Vec::new();
        let mut step = 0;
        while !monitor.is_stopped() && (seconds.len() as u64) < plan.duration().as_secs() {
            let at = Duration::from_secs(seconds.len() as u64 + 1);
            if victim.take_if(|victim| *victim <= at).is_some() {
                let last = spec.point.replicas - 1;
                log.kill(&format!("s-{last}"));
                running.kill(last as usize);
            }
            let (second, stolen) = running.second(users(&plan, &times, at));
            log.add(at, running.usage());
            log.add_steal(at, Some(stolen));
            if let Action::SetLimits(limits) = monitor.second(&second, &log) {
                running.set_limits(limits);
            }
            seconds.push(second);
            if step + 1 < times.len() && at >= times[step].end {
                monitor.step_ended(step, &window(&seconds, times[step]));
                step += 1;
            }
            if !log.ended().is_empty() {
                monitor.replica_ended();
            }
        }
        let end = Duration::from_secs(seconds.len() as u64);
        let reached = times.iter().filter(|times| times.start < end);
        let steps = reached
            .map(|times| Measured { all: window(&seconds, *times), tasks: Vec::new() })
            .collect();
        let outcome = Outcome { steps, stopped: true, ..Outcome::default() };
        let idle = Idle { bytes: idle.current_bytes, anon_bytes: idle.anon_bytes };
        let measured = Measurements { outcome, log, idle, server_ms: None };
        let wall_seconds = seconds.len() as f64 + OVERHEAD;
        Trial { cold_start: true, wall_seconds, ..summarize(settings, spec, monitor, measured) }
    }
}

/// Returns the users at a time of the plan.
fn users(plan: &Plan, times: &[StepTimes], at: Duration) -> f64 {
    let mut before = plan.start;
    for (step, times) in plan.steps.iter().zip(times) {
        if at < times.ramped {
            let part = at.saturating_sub(times.start).as_secs_f64() / step.ramp.as_secs_f64();
            return before + (step.target - before) * part;
        }
        if at <= times.end {
            return step.target;
        }
        before = step.target;
    }
    before
}

fn window(seconds: &[Second], times: StepTimes) -> Window {
    let within = |second: &&Second| {
        let at = Duration::from_secs(second.index);
        at > times.measured_from && at <= times.end
    };
    Window::so_far(seconds.iter().filter(within))
}
