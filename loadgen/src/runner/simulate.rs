//! Trials on a simulated service, watched and judged as real ones are.

use std::time::Duration;

use super::{Expectation, Hold, Hopeless, Timing, Watch, result, sum_up::sum_up, trial::Driven, usage::Readings};
use crate::{
    engine::{Measured, Outcome},
    measure::{Second, Window},
    simulator::World,
    slo::Objective,
    sweep::{Load, Settings, Trial, TrialSpec},
    verdict::{LEAST_CHANCE, Scope, Verdict, chance_to_decide, judge},
    workload::Plan,
};

/// Seconds that deploying and tearing down take.
const OVERHEAD: f64 = 3.0;

/// Makes a trial on a simulated service.
pub fn simulated(world: &mut World, settings: &Settings, objective: &Objective, spec: TrialSpec) -> Trial {
    let limits_ms: Vec<u64> = objective.latency.iter().map(|l| l.limit.as_millis() as u64).collect();
    let mut running = world.start(spec.point.replicas, spec.point.limits, &limits_ms);
    if spec.load == Load::Saturate {
        running.saturate();
    }
    let timing = Timing::new(settings.wait_time);
    let plan = timing.plan(settings, spec.load, spec.users);
    let times = plan.times();
    let held_from = times.last().map_or(Duration::ZERO, |t| t.measured_from);
    let planned = plan.planned_per_second(plan.steps.len() - 1);
    let mut watch = Watch::new(Expectation {
        objective: objective.clone(),
        held_from,
        window_requests: planned.unwrap_or(f64::INFINITY) * timing.longest_look(spec.load) as f64,
        patience: timing.patience,
    });
    let mut hold = Hold::new(timing, spec.load, held_from, plan.duration(), settings.most_steal);
    let mut readings = Readings::default();
    readings.add(Duration::ZERO, running.usage());
    let idle = running.usage()[0].memory;
    let mut seconds: Vec<Second> = Vec::new();
    let (mut decided, mut stopped_early) = (None, None);
    let early = matches!(spec.load, Load::Direct | Load::Ramp);
    let mut step = 0;
    while seconds.len() as u64 <= plan.duration().as_secs() {
        let at = Duration::from_secs(seconds.len() as u64 + 1);
        if spec.load == Load::Loss && times[0].end <= at && !readings.is_killed() {
            readings.kill(&format!("s-{}", spec.point.replicas - 1));
            running.kill(spec.point.replicas as usize - 1);
        }
        let (second, stolen) = running.second(users(&plan, at));
        readings.add(at, running.usage());
        readings.add_steal(at, Some(stolen));
        hold.add(&second);
        let stolen = readings.steal_share(hold.from(), Duration::MAX).unwrap_or(0.0);
        let mut hopeless = watch.see(&second).filter(|_| stolen <= settings.most_steal);
        seconds.push(second);
        if early {
            if hold.leave_out_theft(stolen) {
                watch.begin_again(hold.from());
            } else if hold.is_time_to_look(stolen) {
                let window = Window::so_far(hold.seconds().iter());
                let judged = judge(&window, objective, planned, Scope::Whole);
                let longest = timing.longest_look(spec.load);
                if judged.verdict != Verdict::Undecided {
                    decided = Some(judged);
                } else if (hold.seconds().len() as u64) < longest
                    && chance_to_decide(&window, objective, Duration::from_secs(longest)) < LEAST_CHANCE
                {
                    hopeless = hopeless.or_else(|| Some(Hopeless::Open("too close to call".to_owned())));
                }
            }
        }
        if step + 1 < times.len() && at >= times[step].end {
            let window = window(&seconds, times[step].measured_from, times[step].end);
            let judged = result::step_result(&plan, step, plan.steps[step].users(), &window, objective, None);
            if judged.verdict == Verdict::Fail {
                hopeless = hopeless.or_else(|| Some(Hopeless::Broken("a step failed".to_owned())));
            }
            step += 1;
        }
        if !readings.ended().is_empty() {
            hopeless = hopeless.or_else(|| Some(Hopeless::Broken("a replica ended".to_owned())));
        }
        if decided.is_some() || hold.is_over() && early {
            break;
        }
        if let Some(why) = hopeless.filter(|_| early || !readings.ended().is_empty()) {
            stopped_early = Some(why);
            break;
        }
    }
    let end = Duration::from_secs(seconds.len() as u64);
    let reached = times.iter().filter(|t| t.start < end);
    let steps =
        reached.map(|t| Measured { all: window(&seconds, t.measured_from, t.end), tasks: Vec::new() }).collect();
    let wall_seconds = seconds.len() as f64 + OVERHEAD;
    let outcome = Outcome { steps, total: Measured::default(), stopped: true };
    let idle_bytes = (idle.current_bytes, idle.anon_bytes);
    let driven = Driven { outcome, readings, idle_bytes, server_ms: None, hold, decided, stopped_early };
    Trial { cold: true, wall_seconds, ..sum_up(settings, objective, spec, driven) }
}

/// Users at a time of the plan.
fn users(plan: &Plan, at: Duration) -> f64 {
    let mut before = plan.start;
    for (step, times) in plan.steps.iter().zip(plan.times()) {
        if at < times.ramped {
            let part = (at - times.start).as_secs_f64() / step.ramp.as_secs_f64();
            return before + (step.target - before) * part;
        }
        if at <= times.end {
            return step.target;
        }
        before = step.target;
    }
    before
}

fn window(seconds: &[Second], from: Duration, to: Duration) -> Window {
    let within = |second: &&Second| {
        let at = Duration::from_secs(second.index);
        at > from && at <= to
    };
    Window::so_far(seconds.iter().filter(within))
}
