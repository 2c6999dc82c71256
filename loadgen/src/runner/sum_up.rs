//! From what a trial brought to what it says of itself.

use std::time::{Duration, Instant};

use super::{Sweep, Timing, result, trial::Driven};
use crate::{
    slo::Objective,
    sweep::{Binding, Load, Settings, Trial, TrialSpec, TrialUsage, attribute},
    verdict::Verdict,
};

impl Sweep {
    pub(super) fn sum_up(&self, spec: TrialSpec, driven: Driven, began: Instant) -> Trial {
        Trial { wall_seconds: began.elapsed().as_secs_f64(), ..sum_up(&self.settings, &self.objective, spec, driven) }
    }
}

/// What a trial says of itself.
pub(super) fn sum_up(settings: &Settings, objective: &Objective, spec: TrialSpec, driven: Driven) -> Trial {
    {
        let Driven { mut outcome, readings, idle_bytes, server_ms, hold, decided, stopped_early } = driven;
        let plan = Timing::new(settings.wait_time).plan(settings, spec.load, spec.users);
        let mut times = plan.times();
        times.truncate(outcome.steps.len().max(1));
        if let Some(last) = times.last_mut().filter(|_| hold.is_judged_alone(stopped_early.is_some())) {
            hold.narrow(&mut outcome);
            last.measured_from = hold.from();
        }
        let mut steps = result::steps(&plan, &outcome, objective, decided.as_ref());
        result::charge_ends(&mut steps, &readings.ended());
        for (step, times) in steps.iter_mut().zip(&times).filter(|(step, _)| step.verdict == Verdict::Fail) {
            let usage = readings.summary(times.measured_from, times.end, step.requests_per_second);
            step.binding_resource = Some(attribute(&usage, spec.point));
        }
        let judgement = result::overall(&plan, &steps, &outcome, objective, stopped_early.as_ref(), spec.load);
        let (from, to) = times.last().map_or((Duration::ZERO, Duration::MAX), |last| (last.measured_from, last.end));
        // A guest of the hypervisor that shares the core makes a request cost up to twice as much, for seconds and untold. Without it a
        // saturated service answers most: that is the machine.
        let rate = match spec.load {
            Load::Saturate => {
                hold.seconds().iter().map(|second| second.requests - second.failures).max().unwrap_or(0) as f64
            }
            _ => steps.last().map_or(0.0, |s| s.requests_per_second),
        };
        let usage = TrialUsage {
            idle_bytes: idle_bytes.0,
            idle_anon_bytes: Some(idle_bytes.1),
            server_queue_ms: server_ms.map(|(queue, _)| queue),
            server_inference_ms: server_ms.map(|(_, inference)| inference),
            thefts: hold.thefts(),
            ..readings.summary(from, to, rate)
        };
        let judgement = result::without_steal(judgement, &usage, settings.most_steal);
        let is_attributed = is_missed(judgement.verdict) && spec.load != Load::Loss;
        let binding_resource = is_attributed.then(|| attribute(&usage, spec.point));
        Trial {
            spec,
            steps,
            usage,
            verdict: judgement.verdict,
            reasons: judgement.reasons,
            binding_resource,
            cold: false,
            warm_because: None,
            stopped_early: stopped_early.as_ref().map(|hopeless| hopeless.why().to_owned()),
            wall_seconds: 0.0,
        }
    }
}

fn is_missed(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Fail | Verdict::Undecided)
}

/// A replica that does not start under its limits has told something about them.
pub(super) fn not_started(spec: TrialSpec, error: &orchestrator::Error, began: Instant) -> Trial {
    let mut usage = TrialUsage::default();
    if let orchestrator::Error::NotReady { oom_killed, what, .. } = error {
        if *oom_killed {
            usage.oom_kills = 1;
        }
        if what.starts_with("ended") {
            usage.ended.push(what.clone());
        }
    }
    let slow = usage.ended.is_empty() && usage.oom_kills == 0;
    let trial = without_load(spec, usage, error.to_string(), began);
    // It ran, and did not become ready in time: with the largest limits it had.
    let binding_resource = if slow { Some(Binding::Cpu) } else { trial.binding_resource };
    Trial { binding_resource, warm_because: Some("no replica lived to tell".to_owned()), ..trial }
}

/// A trial that failed before its users came.
pub(super) fn without_load(spec: TrialSpec, usage: TrialUsage, why: String, began: Instant) -> Trial {
    Trial {
        spec,
        steps: Vec::new(),
        binding_resource: Some(attribute(&usage, spec.point)),
        usage,
        verdict: Verdict::Fail,
        reasons: vec![why],
        cold: false,
        warm_because: None,
        stopped_early: Some("it did not answer".to_owned()),
        wall_seconds: began.elapsed().as_secs_f64(),
    }
}
