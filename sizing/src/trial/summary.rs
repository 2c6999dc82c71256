//! Summary of a trial from its measurements.

use std::time::Duration;

use loadtest::{
    measure::Outcome,
    verdict::{Judgement, Scope, Verdict, ViolationRate, explained, judge},
    workload::StepTimes,
};

use super::{
    Bottleneck, Histograms, Monitor, Point, Purpose, Reading, Settings, Trial, TrialSpec,
    TrialUsage, UsageLog, bottleneck, monitor::Watched, probe::Probed, steps,
};

/// Measurements of a trial.
#[derive(Debug)]
pub struct Measurements {
    /// Outcome of the load engine.
    pub outcome: Outcome,
    /// Usage of the replicas.
    pub log: UsageLog,
    /// Memory of the largest replica before its users came.
    pub idle: Idle,
    /// Mean milliseconds in the first replica's queue and in inference, by its own metrics.
    pub server_ms: Option<(f64, f64)>,
}

/// Memory of an idle replica.
#[derive(Debug, Clone, Copy, Default)]
pub struct Idle {
    /// Memory charged to the replica.
    pub bytes: u64,
    /// Anonymous part of it.
    pub anon_bytes: u64,
}

impl Monitor {
    /// Returns the readings of a probe that is still running.
    pub fn readings(&self, settings: &Settings, spec: TrialSpec, log: &UsageLog) -> Vec<Reading> {
        self.probed().iter().map(|probed| reading(settings, spec, probed, log)).collect()
    }
}

/// Summarizes a trial that was monitored to its end.
pub fn summarize(
    settings: &Settings,
    spec: TrialSpec,
    monitor: Monitor,
    measured: Measurements,
) -> Trial {
    let Measurements { mut outcome, log, idle, server_ms } = measured;
    let objective = &settings.objective;
    let plan = monitor.plan().clone();
    let Watched { deciding, decided, stopped_early, probed } = monitor.finish();
    let mut times = plan.times();
    times.truncate(outcome.steps.len().max(1));
    if let Some(last) =
        times.last_mut().filter(|_| deciding.is_judged_alone(stopped_early.is_some()))
    {
        deciding.narrow(&mut outcome);
        last.measured_from = deciding.from();
    }
    let readings: Vec<Reading> =
        probed.iter().map(|probed| reading(settings, spec, probed, &log)).collect();
    let (mut steps, judgement) = match spec.purpose {
        Purpose::Probe => (Vec::new(), probe_judgement(&readings)),
        _ => {
            let windows: Vec<_> = outcome.steps.iter().map(|measured| &measured.all).collect();
            let measured = times
                .iter()
                .zip(&windows)
                .map(|(t, w)| (t.measured_from, t.measured_from + w.length));
            let due = plan.due_per_second_in(&measured.collect::<Vec<_>>());
            let (mut steps, together) =
                steps::judge_all(&plan, &due, &windows, objective, decided.as_ref());
            let together = explained(together, &outcome.total.all);
            for step in &mut steps {
                let judged =
                    Judgement { verdict: step.verdict, reasons: std::mem::take(&mut step.reasons) };
                step.reasons = explained(judged, &outcome.total.all).reasons;
            }
            steps::charge_ends(&mut steps, &log.ended());
            let judged =
                steps::overall(&plan, &steps, together, stopped_early.as_ref(), spec.purpose);
            (steps, judged)
        }
    };
    for (step, times) in steps.iter_mut().zip(&times) {
        let usage = log.summary(times.measured_from, times.end, step.requests_per_second);
        if usage.cpus_used > 0.0 {
            step.cpus_used = Some(usage.cpus_used);
            step.throttled_share = Some(usage.throttled_share);
        }
        step.bottleneck = (step.verdict == Verdict::Fail).then(|| bottleneck(&usage, spec.point));
    }
    let (from, to) = judged_span(&times, &probed);
    // Another guest on the same core makes a request cost up to twice as much for seconds, without
    // being reported as steal. A saturated service answers most in seconds without it, so the
    // fastest second shows the machine.
    let rate = match spec.purpose {
        Purpose::Calibrate => deciding
            .seconds()
            .iter()
            .map(|second| second.requests - second.failures)
            .max()
            .unwrap_or(0) as f64,
        Purpose::Probe => readings.first().map_or(0.0, |reading| reading.requests_per_second),
        _ => steps.last().map_or(0.0, |s| s.requests_per_second),
    };
    let is_start = matches!(spec.purpose, Purpose::Fresh | Purpose::Ramp);
    let usage = TrialUsage {
        idle_bytes: idle.bytes,
        idle_anon_bytes: Some(idle.anon_bytes),
        server_queue_ms: server_ms.map(|(queue, _)| queue),
        server_inference_ms: server_ms.map(|(_, inference)| inference),
        steal_restarts: deciding.steal_restarts(),
        memory_growth: log.growth(from, to, spec.point.limits.memory_bytes).filter(|_| is_start),
        ..log.summary(from, to, rate)
    };
    let judgement = steps::without_steal(judgement, &usage, settings.max_steal);
    let is_missed = matches!(judgement.verdict, Verdict::Fail | Verdict::Undecided);
    let is_attributed = is_missed && spec.purpose != Purpose::ReplicaFailure;
    Trial {
        spec,
        steps,
        readings,
        bottleneck: is_attributed.then(|| bottleneck(&usage, spec.point)),
        usage,
        verdict: judgement.verdict,
        reasons: judgement.reasons,
        cold_start: false,
        warm_because: None,
        stopped_early: stopped_early.as_ref().map(|futility| futility.why().to_owned()),
        wall_seconds: 0.0,
    }
}

/// Returns the interval over which a trial's own usage is taken: its last step, or a probe's first
/// limits.
fn judged_span(times: &[StepTimes], probed: &[Probed]) -> (Duration, Duration) {
    match (probed.first(), times.last()) {
        (Some(first), _) => (first.from, first.to),
        (None, Some(last)) => (last.measured_from, last.end),
        (None, None) => (Duration::ZERO, Duration::MAX),
    }
}

fn reading(settings: &Settings, spec: TrialSpec, probed: &Probed, log: &UsageLog) -> Reading {
    let window = &probed.window;
    let planned_per_second = settings.wait_time.planned_per_second(probed.users.into());
    let judged = judge(window, &settings.objective, planned_per_second, Scope::Step);
    let usage = log.window(probed.from, probed.to, window.requests_per_second());
    let point = Point { limits: probed.limits, ..spec.point };
    let verdict = if probed.refused.is_some() { Verdict::Fail } else { judged.verdict };
    Reading {
        limits: point.limits,
        users: probed.users,
        window_seconds: window.length.as_secs_f64(),
        planned_per_second,
        requests_per_second: window.requests_per_second(),
        requests: window.requests,
        failures: window.failed(),
        violation_rates: ViolationRate::of(window, &settings.objective),
        service_ms: window.service.percentiles(),
        intended_ms: window.intended.percentiles(),
        usage,
        verdict,
        is_recovery: probed.is_recovery,
        is_memory: probed.is_memory,
        refused: probed.refused.clone(),
        histograms: Histograms::of(window),
    }
}

/// Returns the judgement of a probe, which passes if its first limits hold; its result is in its
/// readings.
pub(super) fn probe_judgement(readings: &[Reading]) -> Judgement {
    match readings.first() {
        Some(first) if first.verdict == Verdict::Fail => Judgement {
            verdict: Verdict::Fail,
            reasons: vec!["its first limits do not hold the objective".to_owned()],
        },
        Some(first) => Judgement { verdict: first.verdict, reasons: Vec::new() },
        None => Judgement {
            verdict: Verdict::Fail,
            reasons: vec!["its first limits were never measured".to_owned()],
        },
    }
}

/// Returns the trial of a replica that did not start under its limits, which is evidence about
/// them.
pub fn not_started(spec: TrialSpec, error: &orchestrator::Error) -> Trial {
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
    let trial = without_load(spec, usage, error.to_string());
    // The replica ran and was not ready in time, so CPU was the bottleneck.
    let bottleneck = if slow { Some(Bottleneck::Cpu) } else { trial.bottleneck };
    Trial { bottleneck, warm_because: Some("no replica lived to tell".to_owned()), ..trial }
}

impl Trial {
    /// Returns a probe that is still running, with its readings so far.
    pub fn running(spec: TrialSpec, readings: Vec<Reading>) -> Self {
        let trial = without_load(spec, TrialUsage::default(), String::new());
        Self {
            readings,
            verdict: Verdict::Pass,
            reasons: Vec::new(),
            bottleneck: None,
            stopped_early: None,
            ..trial
        }
    }
}

/// Returns a trial that failed before its users came.
pub fn without_load(spec: TrialSpec, usage: TrialUsage, why: String) -> Trial {
    Trial {
        spec,
        steps: Vec::new(),
        readings: Vec::new(),
        bottleneck: Some(bottleneck(&usage, spec.point)),
        usage,
        verdict: Verdict::Fail,
        reasons: vec![why],
        cold_start: false,
        warm_because: None,
        stopped_early: Some("it did not answer".to_owned()),
        wall_seconds: 0.0,
    }
}
