//! Verdict of several steps, of a run or of a sweep's ramp.

use super::{Judgement, Scope, Verdict, ViolationRate, judge, judge_by_rates};
use crate::{measure::Window, slo::Slo, workload::Plan};

/// Overall verdict of several steps, and the verdict of each.
#[derive(Debug, Clone, PartialEq)]
pub struct StepsJudgement {
    /// Verdicts of the steps that were reached, in order.
    pub steps: Vec<Judgement>,
    /// Verdict of all steps together.
    pub overall: Judgement,
}

/// Returns the scope in which a plan's steps are judged. A single step has to prove everything by
/// itself; each of several has too few requests to prove that few fail.
pub fn scope_of(plan: &Plan) -> Scope {
    if plan.steps.len() > 1 { Scope::Step } else { Scope::Whole }
}

/// Judges the windows of a plan's steps; `decided` is the judgement that ended the last one early,
/// if one did.
///
/// Any step can fail the run, and a generator-limited step makes it invalid; the first such step
/// gives the reason. Only the steps with the largest load have to prove that they pass: a larger
/// load decides a step that a smaller one leaves undecided. The share of failures must be small
/// enough over all steps together.
///
/// `due_per_second` is the rate at which each step's requests were due ([`Plan::due_per_second`]).
pub fn judge_steps(
    plan: &Plan,
    due_per_second: &[Option<f64>],
    windows: &[&Window],
    objective: &Slo,
    decided: Option<&Judgement>,
) -> StepsJudgement {
    let scope = scope_of(plan);
    let decided = |index: usize| decided.filter(|_| index + 1 == windows.len());
    let steps: Vec<Judgement> = windows
        .iter()
        .enumerate()
        .map(|(index, window)| match window.length.is_zero() {
            // Nothing was measured in a step that was cut before its window.
            true => Judgement { verdict: Verdict::Pass, reasons: Vec::new() },
            false => {
                judge(window, objective, due_per_second[index], scope).or_decided(decided(index))
            }
        })
        .collect();
    let overall = overall(plan, &steps, || judge_failures(windows, objective));
    StepsJudgement { steps, overall }
}

/// Judges the windows of a plan's steps by given violation rates, see [`judge_by_rates`].
pub fn judge_steps_by_rates(
    plan: &Plan,
    due_per_second: &[Option<f64>],
    windows: &[(Window, Vec<ViolationRate>)],
    objective: &Slo,
) -> StepsJudgement {
    let scope = scope_of(plan);
    let judged = |(index, (window, rates)): (usize, &(Window, Vec<ViolationRate>))| {
        let due = due_per_second.get(index).copied().flatten();
        judge_by_rates(window, rates, objective, due, scope)
    };
    let steps: Vec<Judgement> = windows.iter().enumerate().map(judged).collect();
    let failed: Vec<(u64, &ViolationRate)> = windows
        .iter()
        .filter_map(|(window, rates)| Some((window.requests, rates.get(objective.latency.len())?)))
        .collect();
    let over_all = || {
        let all = Window {
            requests: windows.iter().map(|(window, _)| window.requests).sum(),
            ..Window::default()
        };
        let rates: Vec<ViolationRate> = ViolationRate::pooled(&failed).into_iter().collect();
        judge_by_rates(&all, &rates, &failures_only(objective), None, Scope::Whole)
    };
    let overall = overall(plan, &steps, over_all);
    StepsJudgement { steps, overall }
}

/// Returns the judgement of all steps; `failures` judges their failures together.
fn overall(plan: &Plan, steps: &[Judgement], failures: impl FnOnce() -> Judgement) -> Judgement {
    let first = |wanted: Verdict| steps.iter().position(|step| step.verdict == wanted);
    let most = plan.steps.iter().map(|step| step.target).fold(0.0, f64::max);
    let is_largest = |index: usize| plan.steps[index].target >= most;
    let open = (0..steps.len())
        .find(|&index| steps[index].verdict == Verdict::Undecided && is_largest(index));
    match first(Verdict::Invalid).or(first(Verdict::Fail)).or(open) {
        Some(index) if plan.steps.len() > 1 => {
            let at = plan.steps[index].target;
            let reasons =
                steps[index].reasons.iter().map(|reason| format!("at {at}: {reason}")).collect();
            return Judgement { verdict: steps[index].verdict, reasons };
        }
        Some(index) => return steps[index].clone(),
        None if steps.is_empty() => {
            return Judgement {
                verdict: Verdict::Fail,
                reasons: vec!["nothing was measured".to_owned()],
            };
        }
        None => {}
    }
    if plan.steps.len() > 1 {
        let over_all = failures();
        if over_all.verdict != Verdict::Pass {
            let reasons =
                over_all.reasons.iter().map(|reason| format!("over all steps: {reason}")).collect();
            return Judgement { verdict: over_all.verdict, reasons };
        }
    }
    Judgement {
        verdict: Verdict::Pass,
        reasons: steps.iter().flat_map(|step| step.reasons.clone()).collect(),
    }
}

/// Judges the failures of all windows together.
fn judge_failures(windows: &[&Window], objective: &Slo) -> Judgement {
    let mut all = Window::default();
    for window in windows {
        all.requests += window.requests;
        all.slices.extend(&window.slices);
    }
    judge(&all, &failures_only(objective), None, Scope::Whole)
}

fn failures_only(objective: &Slo) -> Slo {
    Slo { latency: Vec::new(), failures: objective.failures, rate: None }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        measure::Slice,
        workload::{Step, Traffic},
    };

    fn window(over: u32) -> Window {
        let slice = Slice { requests: 2500, failures: 0, over: [over, 0, 0, 0] };
        Window {
            length: Duration::from_secs(10),
            requests: 50_000,
            slices: vec![slice; 20],
            ..Window::default()
        }
    }

    #[test]
    fn the_first_step_that_fails_is_the_reason() {
        let step = |target| Step {
            target,
            ramp: Duration::ZERO,
            hold: Duration::from_secs(10),
            warm_up: Duration::ZERO,
        };
        let traffic = Traffic::Closed("constant(0)".parse().unwrap());
        let plan = Plan {
            start: 0.0,
            steps: vec![step(500.0), step(1000.0), step(1500.0)],
            traffic,
            seed: 1,
        };
        let objective = "p95<100ms".parse().unwrap();
        let judged = judge_steps(
            &plan,
            &plan.due_per_second(),
            &[&window(0), &window(500), &window(2000)],
            &objective,
            None,
        );
        assert_eq!(judged.overall.verdict, Verdict::Fail);
        assert!(
            judged.overall.reasons[0].starts_with("at 1000: 20.00% of requests"),
            "{:?}",
            judged.overall.reasons
        );
        assert_eq!(
            judge_steps(&plan, &plan.due_per_second(), &[&window(0); 3], &objective, None)
                .overall
                .verdict,
            Verdict::Pass
        );

        let mut failing = window(0);
        failing.slices.iter_mut().for_each(|slice| slice.requests = 50);
        failing.slices[3].failures = 1;
        failing.slices[9].failures = 1;
        failing.slices[14].failures = 1;
        let judged = judge_steps(
            &plan,
            &plan.due_per_second(),
            &[&failing; 3],
            &"failures<0.1%".parse().unwrap(),
            None,
        );
        assert!(
            judged.steps.iter().all(|step| step.verdict == Verdict::Pass),
            "too few to tell by themselves"
        );
        assert_ne!(judged.overall.verdict, Verdict::Pass, "9 of 3000 are not: {judged:?}");
    }

    #[test]
    fn an_undecided_step_matters_only_under_the_largest_load() {
        let step = |target| Step {
            target,
            ramp: Duration::ZERO,
            hold: Duration::from_secs(10),
            warm_up: Duration::ZERO,
        };
        let traffic = Traffic::Closed("constant(0)".parse().unwrap());
        let plan = |targets: &[f64]| Plan {
            start: 0.0,
            steps: targets.iter().map(|target| step(*target)).collect(),
            traffic,
            seed: 1,
        };
        let objective = "p95<100ms".parse().unwrap();
        // 4% over, all of it in two of twenty slices.
        let mut open = window(0);
        open.slices[3].over[0] = 1000;
        open.slices[11].over[0] = 1000;
        let judged = |targets: &[f64]| {
            judge_steps(&plan(targets), &[None, None], &[&open, &window(0)], &objective, None)
                .overall
                .verdict
        };
        assert_eq!(judged(&[500.0, 1000.0]), Verdict::Pass);
        assert_eq!(judged(&[1000.0, 500.0]), Verdict::Undecided);
        assert_eq!(judged(&[500.0, 500.0]), Verdict::Undecided);
    }

    #[test]
    fn what_ended_a_run_early_stands_where_its_window_is_undecided() {
        let step = Step {
            target: 500.0,
            ramp: Duration::ZERO,
            hold: Duration::from_secs(10),
            warm_up: Duration::ZERO,
        };
        let traffic = Traffic::Closed("constant(0)".parse().unwrap());
        let plan = Plan { start: 0.0, steps: vec![step], traffic, seed: 1 };
        let objective = "p95<100ms".parse().unwrap();
        let decided = Judgement {
            verdict: Verdict::Fail,
            reasons: vec!["5.40% of requests took over 100 ms".to_owned()],
        };
        let mut near = window(125);
        near.slices.truncate(2);
        let judged = |window: &Window, decided| {
            judge_steps(&plan, &plan.due_per_second(), &[window], &objective, decided).overall
        };
        assert_eq!(judged(&near, None).verdict, Verdict::Undecided);
        assert_eq!(judged(&near, Some(&decided)).verdict, Verdict::Fail);
        assert_eq!(judged(&near, Some(&decided)).reasons, decided.reasons);
        assert_eq!(
            judged(&window(0), Some(&decided)).verdict,
            Verdict::Pass,
            "what is decided needs no other"
        );
    }
}
