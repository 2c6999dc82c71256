//! From what was measured to what a trial says.

use std::time::Duration;

use super::Hopeless;
use crate::{
    engine::Outcome,
    measure::Window,
    slo::Objective,
    sweep::{Load, StepResult, TrialUsage},
    verdict::{Judgement, Missed, Scope, Verdict, judge},
    workload::Plan,
};

/// The steps that were reached, judged one by one; `decided` is the judgement that ended the last one early, if one did.
pub(super) fn steps(
    plan: &Plan,
    outcome: &Outcome,
    objective: &Objective,
    decided: Option<&Judgement>,
) -> Vec<StepResult> {
    let decided = |index: usize| decided.filter(|_| index + 1 == outcome.steps.len());
    plan.steps
        .iter()
        .zip(&outcome.steps)
        .enumerate()
        .map(|(index, (step, measured))| {
            step_result(plan, index, step.users(), &measured.all, objective, decided(index))
        })
        .collect()
}

/// Judges one step's window.
pub(super) fn step_result(
    plan: &Plan,
    index: usize,
    users: u32,
    window: &Window,
    objective: &Objective,
    decided: Option<&Judgement>,
) -> StepResult {
    let planned_per_second = plan.planned_per_second(index);
    let judged = judge(window, objective, planned_per_second, Scope::Step).or_decided(decided);
    let Judgement { verdict, reasons } = judged;
    StepResult {
        users,
        window_seconds: window.length.as_secs_f64(),
        planned_per_second,
        requests_per_second: window.requests_per_second(),
        requests: window.requests,
        failures: window.failed(),
        reopened: window.reopened,
        service_ms: window.service.percentiles(),
        intended_ms: window.intended.percentiles(),
        missed: Missed::of(window, objective),
        lag_p99_ms: window.lag.quantile(0.99).as_secs_f64() * 1e3,
        generator_busy: window.generator.busiest_core,
        generator_run_delay: window.generator.run_delay_share,
        generator_steal: window.generator.steal_share,
        failed: window.failures.iter().map(|(kind, failures)| (kind.to_string(), failures.count)).collect(),
        verdict,
        reasons,
        binding_resource: None,
    }
}

/// A replica that ended is what failed the last step, however late the generator was when all its users came back at once.
pub(super) fn charge_ends(steps: &mut [StepResult], ended: &[String]) {
    if let Some(step) = steps.last_mut().filter(|step| !ended.is_empty() && step.verdict != Verdict::Fail) {
        step.verdict = Verdict::Fail;
        step.reasons = ended.to_vec();
    }
}

/// The judgement, if the machine was there while the load ran, but for at most this share of its time. A replica that ended did so
/// on its own.
pub(super) fn without_steal(judgement: Judgement, usage: &TrialUsage, most: f64) -> Judgement {
    match usage.steal_share.filter(|share| *share > most && usage.ended.is_empty() && usage.oom_kills == 0) {
        None => judgement,
        Some(share) => Judgement {
            verdict: Verdict::Invalid,
            reasons: vec![format!(
                "the hypervisor gave {:.1}% of the machine's processor time to others (steal), {:.0}% at most are allowed (--max-steal): \
                 it would be taken for the server's",
                share * 100.0,
                most * 100.0
            )],
        },
    }
}

/// The verdict of the whole trial. It passes when its last step does; earlier steps can only veto, since their few
/// requests prove little; failures are judged over all steps together.
pub(super) fn overall(
    plan: &Plan,
    steps: &[StepResult],
    outcome: &Outcome,
    objective: &Objective,
    stopped_early: Option<&Hopeless>,
    load: Load,
) -> Judgement {
    let reached_all = steps.len() == plan.steps.len();
    if let Some(step) = steps.iter().find(|s| s.verdict == Verdict::Invalid) {
        return Judgement { verdict: Verdict::Invalid, reasons: at(step) };
    }
    if load == Load::Saturate {
        // There is no rate to keep and no think time: what went through is the result.
        let answered = steps.iter().any(|s| s.requests > s.failures);
        let verdict = if answered { Verdict::Pass } else { Verdict::Fail };
        return Judgement { verdict, reasons: Vec::new() };
    }
    if let (Load::Loss, Some(after)) = (load, steps.last()) {
        // What the killed one failed is told apart; the verdict is on those that are left.
        return Judgement { verdict: after.verdict, reasons: at(after) };
    }
    match stopped_early {
        Some(Hopeless::Broken(why)) => return Judgement { verdict: Verdict::Fail, reasons: vec![why.clone()] },
        Some(Hopeless::Missed(why)) => {
            let is_proved = steps.last().is_some_and(|step| step.verdict == Verdict::Fail);
            let verdict = if is_proved { Verdict::Fail } else { Verdict::Undecided };
            return Judgement { verdict, reasons: vec![why.clone()] };
        }
        // Its step was seen above; where that fails, a replica ended in it.
        Some(Hopeless::Unmeasured(_) | Hopeless::Open(_)) | None => {}
    }
    if let Some(step) = steps.iter().find(|s| s.verdict == Verdict::Fail) {
        return Judgement { verdict: Verdict::Fail, reasons: at(step) };
    }
    if !reached_all {
        return Judgement { verdict: Verdict::Fail, reasons: vec!["not every step was reached".to_owned()] };
    }
    let failures_only = Objective { latency: Vec::new(), failures: objective.failures, rate: None };
    let mut all = Window { length: Duration::ZERO, ..Window::default() };
    for window in outcome.steps.iter().map(|measured| &measured.all) {
        let slices = window.slices.clone();
        all.requests += window.requests;
        all.slices.extend(slices);
    }
    let over_all = judge(&all, &failures_only, None, Scope::Whole);
    let last = steps.last();
    match (over_all.verdict, last) {
        (Verdict::Pass, Some(step)) if step.verdict != Verdict::Pass => {
            Judgement { verdict: Verdict::Undecided, reasons: at(step) }
        }
        _ => over_all,
    }
}

fn at(step: &StepResult) -> Vec<String> {
    step.reasons.iter().map(|reason| format!("at {} users: {reason}", step.users)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::Measured, measure::Slice};

    #[test]
    fn an_end_is_the_replicas_and_not_the_generators() {
        let plan = Plan::steady(10, 10.0, Duration::from_secs(5), "constant(1)".parse().unwrap()).unwrap();
        let in_time = Window { length: Duration::from_secs(5), requests: 50, ..Window::default() };
        let mut late = in_time.clone();
        (0..50).for_each(|_| late.lag.record(Duration::from_millis(60)));
        let objective = "p95<100ms".parse().unwrap();
        let judged_as = |window: &Window, decided: Option<&Judgement>, ended: &[String]| {
            let mut steps = vec![step_result(&plan, 0, 10, window, &objective, decided)];
            charge_ends(&mut steps, ended);
            (steps[0].verdict, steps[0].reasons.clone())
        };
        let ended = ["a-1: out of memory".to_owned()];
        assert_eq!(judged_as(&late, None, &[]).0, Verdict::Invalid);
        assert_eq!(judged_as(&late, None, &ended), (Verdict::Fail, ended.to_vec()));
        let passed = Judgement { verdict: Verdict::Pass, reasons: Vec::new() };
        assert_eq!(judged_as(&in_time, Some(&passed), &[]).0, Verdict::Pass);
        assert_eq!(
            judged_as(&in_time, Some(&passed), &ended).0,
            Verdict::Fail,
            "nobody is served by a replica that is no more"
        );
    }

    #[test]
    fn a_ramp_that_ended_with_a_late_generator_is_invalid_and_no_failure() {
        let one = Plan::steady(10, 10.0, Duration::from_secs(5), "constant(1)".parse().unwrap()).unwrap();
        let plan = Plan { steps: vec![one.steps[0]; 2], ..one };
        let objective = "p95<100ms".parse().unwrap();
        let mut late = Window { length: Duration::from_secs(5), requests: 50, ..Window::default() };
        (0..50).for_each(|_| late.lag.record(Duration::from_millis(60)));
        let outcome = Outcome { steps: Vec::new(), total: Measured::default(), stopped: true };
        let mut reached = vec![step_result(&plan, 0, 10, &late, &objective, None)];
        let unmeasured = Hopeless::Unmeasured("the generator was late".to_owned());
        let judged = |steps: &[StepResult]| overall(&plan, steps, &outcome, &objective, Some(&unmeasured), Load::Ramp);
        assert_eq!(judged(&reached).verdict, Verdict::Invalid);
        charge_ends(&mut reached, &["a-1: out of memory".to_owned()]);
        assert_eq!(judged(&reached).verdict, Verdict::Fail, "a replica that ended in the step is what made it late");
    }

    #[test]
    fn what_cannot_pass_any_more_fails_only_where_the_bounds_say_so() {
        let plan = Plan::steady(10, 10.0, Duration::from_secs(5), "constant(1)".parse().unwrap()).unwrap();
        let objective = "p95<100ms".parse().unwrap();
        let outcome = Outcome { steps: Vec::new(), total: Measured::default(), stopped: true };
        let judged = |over: u32, hopeless: &Hopeless| {
            let slice = |over| Slice { requests: 50, over: [over, 0, 0, 0], ..Slice::default() };
            // All of it in one slice: it may be chance.
            let slices: Vec<Slice> = (0..10).map(|i| slice(if i == 3 { over } else { 0 })).collect();
            let window = Window { length: Duration::from_secs(5), requests: 500, slices, ..Window::default() };
            let steps = [step_result(&plan, 0, 10, &window, &objective, None)];
            overall(&plan, &steps, &outcome, &objective, Some(hopeless), Load::Direct).verdict
        };
        let missed = Hopeless::Missed("too many".to_owned());
        assert_eq!(judged(30, &missed), Verdict::Undecided);
        assert_eq!(judged(30, &Hopeless::Broken("no answer".to_owned())), Verdict::Fail);
    }
}
