//! Verdicts from the windows of a trial.

use loadtest::{
    measure::Window,
    slo::Slo,
    verdict::{Judgement, StepsJudgement, Verdict, ViolationRate, judge_steps},
    workload::Plan,
};

use super::{Purpose, StepResult, TrialUsage, futility::Futility, record::Histograms};

/// Judges the window of one step by itself.
pub(super) fn judge_step(
    plan: &Plan,
    due_per_second: &[Option<f64>],
    index: usize,
    window: &Window,
    objective: &Slo,
) -> StepResult {
    let scope = loadtest::verdict::scope_of(plan);
    let judged = loadtest::verdict::judge(window, objective, due_per_second[index], scope);
    step_result(plan.steps[index].users(), due_per_second[index], window, objective, judged)
}

/// Judges the steps that were reached, each and all together; `decided` is the judgement that ended
/// the last one early, if one did.
pub(super) fn judge_all(
    plan: &Plan,
    due_per_second: &[Option<f64>],
    windows: &[&Window],
    objective: &Slo,
    decided: Option<&Judgement>,
) -> (Vec<StepResult>, Judgement) {
    let StepsJudgement { steps, overall } =
        judge_steps(plan, due_per_second, windows, objective, decided);
    let results = steps.into_iter().zip(windows).enumerate();
    let result = |(index, (judged, window)): (usize, (Judgement, &&Window))| {
        step_result(plan.steps[index].users(), due_per_second[index], window, objective, judged)
    };
    (results.map(result).collect(), overall)
}

fn step_result(
    users: u32,
    planned_per_second: Option<f64>,
    window: &Window,
    objective: &Slo,
    judged: Judgement,
) -> StepResult {
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
        violation_rates: ViolationRate::of(window, objective),
        lag_p99_ms: window.lag.quantile(0.99).as_secs_f64() * 1e3,
        generator_busy: window.generator.busiest_core,
        generator_run_delay: window.generator.run_delay_share,
        generator_steal: window.generator.steal_share,
        failed: window
            .failures
            .iter()
            .map(|(kind, failures)| (kind.to_string(), failures.count))
            .collect(),
        cpus_used: None,
        throttled_share: None,
        verdict: judged.verdict,
        reasons: judged.reasons,
        bottleneck: None,
        histograms: Histograms::of(window),
    }
}

/// Fails the last step if a replica ended, however late the generator was when the lost users came
/// back at once.
pub(super) fn charge_ends(steps: &mut [StepResult], ended: &[String]) {
    if let Some(step) =
        steps.last_mut().filter(|step| !ended.is_empty() && step.verdict != Verdict::Fail)
    {
        step.verdict = Verdict::Fail;
        step.reasons = ended.to_vec();
    }
}

/// Returns the judgement, or an invalid one for a miss in which the hypervisor took more than this
/// share of the machine's time: steal can only make a service look worse. A replica that ended, or
/// was killed for memory, still fails.
pub(super) fn without_steal(judgement: Judgement, usage: &TrialUsage, max_steal: f64) -> Judgement {
    let is_excused = |share: &f64| {
        *share > max_steal
            && judgement.verdict != Verdict::Pass
            && usage.ended.is_empty()
            && usage.oom_kills == 0
    };
    match usage.steal_share.filter(is_excused) {
        None => judgement,
        Some(share) => Judgement {
            verdict: Verdict::Invalid,
            reasons: vec![format!(
                "the hypervisor gave {:.1}% of the machine's processor time to others (steal), \
                    more than --max-steal {:.0}%: a miss may be its doing",
                share * 100.0,
                max_steal * 100.0
            )],
        },
    }
}

/// Returns the verdict of the whole trial, given that of its steps together.
pub(super) fn overall(
    plan: &Plan,
    steps: &[StepResult],
    together: Judgement,
    stopped_early: Option<&Futility>,
    purpose: Purpose,
) -> Judgement {
    if let Some(step) = steps.iter().find(|s| s.verdict == Verdict::Invalid) {
        return Judgement { verdict: Verdict::Invalid, reasons: at(step) };
    }
    if purpose == Purpose::Calibrate {
        // Without a rate to keep and without think time, the throughput is the result.
        let answered = steps.iter().any(|s| s.requests > s.failures);
        let verdict = if answered { Verdict::Pass } else { Verdict::Fail };
        return Judgement { verdict, reasons: Vec::new() };
    }
    if let (Purpose::ReplicaFailure, Some(after)) = (purpose, steps.last()) {
        // The verdict is on the replicas that are left, after the kill.
        return Judgement { verdict: after.verdict, reasons: at(after) };
    }
    match stopped_early {
        Some(Futility::Broken(why)) => {
            return Judgement { verdict: Verdict::Fail, reasons: vec![why.clone()] };
        }
        Some(Futility::Missed(why)) => {
            let is_proved = steps.last().is_some_and(|step| step.verdict == Verdict::Fail);
            let verdict = if is_proved { Verdict::Fail } else { Verdict::Undecided };
            return Judgement { verdict, reasons: vec![why.clone()] };
        }
        // The check above covers an invalid step; if that step fails instead, a replica ended in
        // it.
        Some(Futility::Unmeasured(_) | Futility::Open(_)) | None => {}
    }
    if let Some(step) = steps.iter().find(|s| s.verdict == Verdict::Fail) {
        return Judgement { verdict: Verdict::Fail, reasons: at(step) };
    }
    if steps.len() < plan.steps.len() {
        return Judgement {
            verdict: Verdict::Fail,
            reasons: vec!["not every step was reached".to_owned()],
        };
    }
    together
}

/// Returns the reasons for a step's verdict, with its users.
pub(super) fn at(step: &StepResult) -> Vec<String> {
    step.reasons.iter().map(|reason| format!("at {} users: {reason}", step.users)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use loadtest::measure::Slice;

    use super::*;

    /// Half a second in which every request was over the limit.
    const MISSED: Slice = Slice { requests: 5, failures: 0, over: [5, 0, 0, 0] };

    #[test]
    fn an_end_is_the_replicas_and_not_the_generators() {
        let plan =
            Plan::steady(10, 10.0, Duration::from_secs(5), "constant(1)".parse().unwrap()).unwrap();
        let in_time = Window { length: Duration::from_secs(5), requests: 50, ..Window::default() };
        let mut late = Window { slices: vec![MISSED; 10], ..in_time.clone() };
        (0..50).for_each(|_| late.lag.record(Duration::from_millis(60)));
        let objective = "p95<100ms".parse().unwrap();
        let judged_as = |window: &Window, decided: Option<&Judgement>, ended: &[String]| {
            let mut steps =
                judge_all(&plan, &plan.due_per_second(), &[window], &objective, decided).0;
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
        let one =
            Plan::steady(10, 10.0, Duration::from_secs(5), "constant(1)".parse().unwrap()).unwrap();
        let plan = Plan { steps: vec![one.steps[0]; 2], ..one };
        let objective = "p95<100ms".parse().unwrap();
        let slices = vec![MISSED; 10];
        let mut late =
            Window { length: Duration::from_secs(5), requests: 50, slices, ..Window::default() };
        (0..50).for_each(|_| late.lag.record(Duration::from_millis(60)));
        let together = Judgement { verdict: Verdict::Pass, reasons: Vec::new() };
        let mut reached = vec![judge_step(&plan, &plan.due_per_second(), 0, &late, &objective)];
        let unmeasured = Futility::Unmeasured("the generator was late".to_owned());
        let judged = |steps: &[StepResult]| {
            overall(&plan, steps, together.clone(), Some(&unmeasured), Purpose::Ramp)
        };
        assert_eq!(judged(&reached).verdict, Verdict::Invalid);
        charge_ends(&mut reached, &["a-1: out of memory".to_owned()]);
        assert_eq!(
            judged(&reached).verdict,
            Verdict::Fail,
            "a replica that ended in the step is what made it late"
        );
    }

    #[test]
    fn what_cannot_pass_any_more_fails_only_where_the_bounds_say_so() {
        let plan =
            Plan::steady(10, 10.0, Duration::from_secs(5), "constant(1)".parse().unwrap()).unwrap();
        let objective = "p95<100ms".parse().unwrap();
        let together = Judgement { verdict: Verdict::Pass, reasons: Vec::new() };
        let judged = |over: u32, futile: &Futility| {
            let slice = |over| Slice { requests: 50, over: [over, 0, 0, 0], ..Slice::default() };
            // All of them in one slice: it may be chance.
            let slices: Vec<Slice> =
                (0..10).map(|i| slice(if i == 3 { over } else { 0 })).collect();
            let window = Window {
                length: Duration::from_secs(5),
                requests: 500,
                slices,
                ..Window::default()
            };
            let steps = [judge_step(&plan, &plan.due_per_second(), 0, &window, &objective)];
            overall(&plan, &steps, together.clone(), Some(futile), Purpose::Fresh).verdict
        };
        let missed = Futility::Missed("too many".to_owned());
        assert_eq!(judged(30, &missed), Verdict::Undecided);
        assert_eq!(judged(30, &Futility::Broken("no answer".to_owned())), Verdict::Fail);
    }
}
