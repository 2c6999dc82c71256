//! The search for the smallest limits, on simulated services.

use super::*;

proptest! {
    #[test]
    fn without_noise_the_answer_is_the_smallest_rung(service in services()) {
        let service = Service { noise: 0.0, ..service };
        let settings = settings(&[1, 2, 4], 1000);
        let trials = sweep(&service, &settings, 1);
        for answer in Answer::from_trials(&settings, &trials).per_replicas {
            let Some(minimum) = answer.minimum() else {
                prop_assert!(service.cpus_needed(answer.replicas) > 1.0 / f64::from(answer.replicas) - 0.05);
                continue;
            };
            let Limits { cpus, memory_bytes } = minimum.point.limits;
            prop_assert!(service.holds(minimum.point, 0.0));
            let cpu = settings.cpus.at_most(u64::from(cpus.millis)).unwrap();
            if cpu > 0 {
                let lower = Point::new(answer.replicas, settings.cpus.rung(cpu - 1), memory_bytes);
                prop_assert!(!service.holds(lower, 0.0));
            }
            let memory = settings.memory.at_most(memory_bytes).unwrap();
            if memory > 0 {
                let lower = Point::new(answer.replicas, u64::from(cpus.millis), settings.memory.rung(memory - 1));
                prop_assert!(!service.holds(lower, 0.0));
            }
        }
    }

    #[test]
    fn noise_moves_the_answer_by_a_rung_and_the_winner_is_always_confirmed(service in services(), seed: u64) {
        let settings = settings(&[1, 2, 4], 1000);
        let trials = sweep(&service, &settings, seed);
        for answer in Answer::from_trials(&settings, &trials).per_replicas {
            let Some(minimum) = answer.minimum() else { continue };
            let confirmed = |t: &&Trial| t.spec.point == minimum.point && t.spec.load == Load::Ramp && t.passed();
            prop_assert!(trials.iter().find(confirmed).is_some());
            let truth = settings.cpus.at_least(service.cpus_needed(answer.replicas) * 1000.0);
            let found = settings.cpus.at_least(f64::from(minimum.point.limits.cpus.millis));
            prop_assert!(found.abs_diff(truth) <= 1, "found {found}, truth {truth}");
        }
    }
}

proptest! {
    #[test]
    fn few_trials_calibrate_and_search(service in services(), seed: u64) {
        let settings = settings(&[1, 2, 4], 1000);
        let trials = sweep(&service, &settings, seed);
        let is_search = |t: &&Trial| matches!(t.spec.purpose, Purpose::Calibrate | Purpose::Search);
        let one = trials.iter().filter(is_search).filter(|t| t.spec.point.replicas == 1).count();
        let all = trials.iter().filter(is_search).count();
        prop_assert!(one <= 8 && all <= 18, "{one} for one replica, {all} in all");
    }

    #[test]
    fn a_winner_passed_three_ramps_and_failed_none(service in services(), seed: u64) {
        let settings = settings(&[1, 2, 4], 1000);
        let trials = sweep(&service, &settings, seed);
        for answer in Answer::from_trials(&settings, &trials).per_replicas {
            let Some(minimum) = answer.minimum() else { continue };
            let ramps = trials.iter().filter(|t| t.spec.point == minimum.point && t.spec.load == Load::Ramp);
            let verdicts: Vec<Verdict> = ramps.map(|t| t.verdict).collect();
            prop_assert!(verdicts.len() >= 3 && verdicts.iter().all(|v| *v == Verdict::Pass), "{verdicts:?}");
        }
    }
}

proptest! {
    #[test]
    fn a_large_host_needs_hardly_more(demand in 100e-6..1.5e-3, split_cost in 0.0..0.3, mib in 34u64..400, ease in 1.0..2.2, saturated in 0.4..1.0, seed: u64) {
        let service = Service { demand, split_cost, memory_floor: mib << 20, ease, saturated, noise: 0.01 };
        let settings = settings(&[1, 2, 4], 16_000);
        let trials = sweep(&service, &settings, seed);
        let is_search = |t: &&Trial| matches!(t.spec.purpose, Purpose::Calibrate | Purpose::Search);
        let searched = trials.iter().filter(is_search).count();
        prop_assert!(searched <= 24, "{searched} trials to search");
        for answer in Answer::from_trials(&settings, &trials).per_replicas {
            let Some(minimum) = answer.minimum() else {
                prop_assert!(service.cpus_needed(answer.replicas) > 0.95 * 16.0 / f64::from(answer.replicas));
                continue;
            };
            let truth = settings.cpus.at_least(service.cpus_needed(answer.replicas) * 1000.0);
            let found = settings.cpus.at_least(f64::from(minimum.point.limits.cpus.millis));
            // A rung is 0.05 of up to 8.6 CPU: noise of 1% is more than one.
            prop_assert!(found.abs_diff(truth) <= 3, "found {found}, truth {truth} for {}", answer.replicas);
        }
    }
}

#[test]
fn a_machine_that_drifts_has_its_trials_made_again_once() {
    let service = STEADY;
    let settings = settings(&[1, 2], 1000);
    let count = |drifts: &[f64]| {
        let mut rng = Pcg32::seed_from_u64(1);
        let mut trials: Vec<Trial> = Vec::new();
        while let Next::Try(spec) = next(&settings, &trials) {
            let mut trial = service.trial(spec, &mut rng);
            if spec.load == Load::Saturate {
                let made = trials.iter().filter(|t| t.spec.load == Load::Saturate).count();
                trial.usage.cpu_seconds_per_request = Some(13e-6 * drifts.get(made).copied().unwrap_or(1.3));
            }
            trials.push(trial);
            assert!(trials.len() < 100, "no end");
        }
        let answer = Answer::from_trials(&settings, &trials);
        assert!(answer.per_replicas.iter().all(|a| a.minimum().is_some()));
        trials.len()
    };
    // By the first one a search knows where to begin.
    let steady = count(&[1.0, 1.0, 1.0]);
    assert!(count(&[1.0, 1.05, 1.1]) == steady, "small changes are none");
    let drifted = count(&[1.0]);
    assert!(drifted > steady + 5, "{drifted} trials, {steady} without drift");
    assert!(drifted < steady * 2 - 5, "{drifted} trials, {steady} without drift: nothing is searched twice");
    assert!(count(&[1.0, 1.3, 1.3, 1.0, 1.0, 1.3, 1.3]) < steady * 2, "once");
    // With 1.3 for whatever follows.
    assert_eq!(
        count(&[1.3, 1.0]),
        count(&[1.3, 1.3, 1.25]) + 1,
        "a reference that the next one does not bear out is none"
    );
}

#[test]
fn what_was_known_before_the_machine_changed_is_told_until_it_is_known_again() {
    let service = STEADY;
    let settings = settings(&[1], 1000);
    let mut rng = Pcg32::seed_from_u64(1);
    let mut trials: Vec<Trial> = Vec::new();
    let (mut known, mut told) = (None, 0);
    while let Next::Try(spec) = next(&settings, &trials) {
        let mut trial = service.trial(spec, &mut rng);
        if spec.load == Load::Saturate {
            let is_first = !trials.iter().any(|t| t.spec.load == Load::Saturate);
            trial.usage.cpu_seconds_per_request = Some(if is_first { 13e-6 } else { 20e-6 });
        }
        trials.push(trial);
        let (now, before) = (
            Answer::from_trials(&settings, &trials).cheapest(&settings),
            Answer::before_the_change(&settings, &trials),
        );
        if before.is_some() && now.is_none() {
            told += 1;
            assert_eq!(before, known, "after {} trials", trials.len());
            assert!(matches!(next(&settings, &trials), Next::Try(spec) if spec.purpose == Purpose::Confirm));
        }
        known = now.or(known);
    }
    let now = Answer::from_trials(&settings, &trials).cheapest(&settings);
    assert!(told > 0 && now.is_some() && Answer::before_the_change(&settings, &trials) == now, "{told}, {now:?}");
}

#[test]
fn a_machine_is_as_uneven_as_the_worst_of_its_references() {
    let service = STEADY;
    let mut rng = Pcg32::seed_from_u64(1);
    let mut made = |load, mean: f64| {
        let (purpose, point) = (Purpose::Reference, Point::new(1, 1000, 1 << 30));
        let mut trial = service.trial(TrialSpec { purpose, point, load, users: 10_000 }, &mut rng);
        // 50,000 requests in the fastest second.
        trial.usage = TrialUsage { cpus_used: 1.0, cpu_seconds_per_request: Some(20e-6), ..trial.usage };
        trial.steps.last_mut().unwrap().requests_per_second = mean;
        trial
    };
    let trials = [made(Load::Saturate, 49_000.0), made(Load::Saturate, 40_000.0), made(Load::Direct, 5_714.0)];
    assert!((unevenness(&trials).unwrap() - 0.25).abs() < 1e-9, "{:?}", unevenness(&trials));
    assert_eq!(unevenness(&trials[2..]), None, "a trial that is no reference has no fastest second");
}

#[test]
fn points_that_contradict_each_other_are_made_again() {
    let service = STEADY;
    let settings = settings(&[1], 1000);
    let mut rng = Pcg32::seed_from_u64(1);
    let mut trials: Vec<Trial> = Vec::new();
    let mut missed = None;
    while let Next::Try(spec) = next(&settings, &trials) {
        let trial = service.trial(spec, &mut rng);
        // The last rung that would have passed with room in memory fails by chance.
        let edge = settings.cpus.rung(settings.cpus.at_least(service.cpus_needed(1) * 1000.0));
        let is_chance =
            u64::from(spec.point.limits.cpus.millis) == edge && missed.is_none() && spec.purpose == Purpose::Search;
        if is_chance {
            missed = Some(spec.point);
        }
        trials.push(match is_chance {
            true => Trial { verdict: Verdict::Fail, binding_resource: Some(Binding::Cpu), ..trial },
            false => trial,
        });
        assert!(trials.len() < 60, "no end");
    }
    let missed = missed.unwrap();
    assert!(trials.iter().filter(|t| t.spec.point == missed && t.spec.load == Load::Direct).count() >= 2);
    let minimum = Answer::from_trials(&settings, &trials).per_replicas[0].minimum().unwrap();
    assert_eq!(minimum.point.limits.cpus, missed.limits.cpus, "the chance failure did not cost a rung");
}

#[test]
fn memory_that_only_ramps_show_to_be_short_costs_no_cpu() {
    let service = STEADY;
    let settings = settings(&[1], 1000);
    let edge = settings.cpus.rung(settings.cpus.at_least(service.cpus_needed(1) * 1000.0));
    let mut rng = Pcg32::seed_from_u64(1);
    let mut trials: Vec<Trial> = Vec::new();
    while let Next::Try(spec) = next(&settings, &trials) {
        let Limits { cpus, memory_bytes } = spec.point.limits;
        let binding = match (spec.load, spec.purpose) {
            // The search ends a rung too high, from which settling goes down.
            (Load::Direct, Purpose::Search) if u64::from(cpus.millis) == edge => Some(Binding::Cpu),
            // With more CPU fewer requests wait, and need less memory.
            (Load::Ramp, _) if u64::from(cpus.millis) == edge && memory_bytes < 60 << 20 => Some(Binding::Memory),
            _ => None,
        };
        let trial = service.trial(spec, &mut rng);
        let verdict = if binding.is_some() { Verdict::Fail } else { trial.verdict };
        trials.push(Trial { verdict, binding_resource: binding.or(trial.binding_resource), ..trial });
        assert!(trials.len() < 60, "no end");
    }
    let minimum = Answer::from_trials(&settings, &trials).per_replicas[0].minimum().unwrap();
    assert_eq!(minimum.point, Point::new(1, edge, 64 << 20));
}

#[test]
fn a_point_that_went_through_a_ramp_is_come_back_to() {
    let service = STEADY;
    let settings = settings(&[1], 1000);
    let edge = settings.cpus.rung(settings.cpus.at_least(service.cpus_needed(1) * 1000.0));
    let mut rng = Pcg32::seed_from_u64(1);
    let mut trials: Vec<Trial> = Vec::new();
    while let Next::Try(spec) = next(&settings, &trials) {
        let Limits { cpus, memory_bytes } = spec.point.limits;
        let is_edge = u64::from(cpus.millis) == edge;
        let binding = match (spec.load, spec.purpose) {
            // The search ends with more memory than is needed,
            (Load::Direct, Purpose::Search) if memory_bytes < 90 << 20 => Some(Binding::Memory),
            // and settling goes down to one whose ramp fails for CPU by chance.
            (Load::Ramp, _) if is_edge && memory_bytes < 90 << 20 => Some(Binding::Cpu),
            _ => None,
        };
        let trial = service.trial(spec, &mut rng);
        let verdict = if binding.is_some() { Verdict::Fail } else { trial.verdict };
        trials.push(Trial { verdict, binding_resource: binding.or(trial.binding_resource), ..trial });
        assert!(trials.len() < 60, "no end");
    }
    let minimum = Answer::from_trials(&settings, &trials).per_replicas[0].minimum().unwrap();
    assert_eq!(minimum.point, Point::new(1, edge, 96 << 20), "and not the next rung of CPU");
}

#[test]
fn all_users_are_never_said_to_be_held_by_a_ramp_that_did_not_pass() {
    let service = STEADY;
    let settings = settings(&[1], 1000);
    let spec = TrialSpec {
        purpose: Purpose::Confirm,
        point: Point::new(1, 1000, 512 << 20),
        load: Load::Ramp,
        users: settings.max_users,
    };
    let mut ramp = service.trial(spec, &mut Pcg32::seed_from_u64(1));
    assert_eq!(ramp.held_users(), 10_000);
    ramp.verdict = Verdict::Undecided;
    assert_eq!(ramp.held_users(), 9_500, "failures over all steps leave it open");
    ramp.steps[3].verdict = Verdict::Undecided;
    assert_eq!(ramp.held_users(), 9_500, "too short to decide is no failure");
    ramp.steps[19].verdict = Verdict::Undecided;
    ramp.steps[18].verdict = Verdict::Undecided;
    assert_eq!(ramp.held_users(), 9_000, "and no proof");
}

#[test]
fn a_target_out_of_reach_is_said_to_be_so() {
    let service = Service { demand: 500e-6, ..STEADY };
    let settings = settings(&[1, 2], 1000);
    let trials = sweep(&service, &settings, 1);
    let answer = Answer::from_trials(&settings, &trials);
    assert!(answer.cheapest(&settings).is_none());
    assert!(answer.per_replicas.iter().all(|a| a.held_users().is_some()));
    assert!(answer.capacity.is_some());
}

#[test]
fn the_most_it_took_is_what_the_fastest_reference_took() {
    let service = Service { memory_floor: 34 << 20, ..STEADY };
    let settings = settings(&[1], 1000);
    let mut trials = sweep(&service, &settings, 1);
    let saturated = |t: &Trial| t.spec.load == Load::Saturate;
    let (first, last) = (trials.iter().position(saturated).unwrap(), trials.iter().rposition(saturated).unwrap());
    assert!(first < last);
    trials[last].steps[0].requests_per_second *= 1.05;
    assert_eq!(Answer::from_trials(&settings, &trials).capacity, Some(&trials[last]));
}

#[test]
fn a_chance_failure_far_from_the_memory_limit_is_not_taken_for_memory() {
    let service = Service { memory_floor: 34 << 20, ..STEADY };
    let settings = settings(&[1], 1000);
    let mut rng = Pcg32::seed_from_u64(1);
    let mut trials: Vec<Trial> = Vec::new();
    while let Next::Try(spec) = next(&settings, &trials) {
        let trial = service.trial(spec, &mut rng);
        // Every memory that is searched with room to spare fails by chance, at the edge of the quota.
        let chance = trial.passed()
            && spec.purpose == Purpose::Search
            && trials.iter().any(|t| t.spec.point.limits.cpus == spec.point.limits.cpus && t.passed());
        trials.push(if chance {
            Trial { verdict: Verdict::Fail, binding_resource: Some(Binding::Cpu), ..trial }
        } else {
            trial
        });
        assert!(trials.len() < 40, "no end");
    }
    let minimum = Answer::from_trials(&settings, &trials).per_replicas[0].minimum().unwrap();
    // Above 64 MiB the peak of 64 MiB is well below the limit: no such rung may be what memory is blamed for.
    assert!(minimum.point.limits.memory_bytes <= 80 << 20, "{}", minimum.point);
}

#[test]
fn a_generator_that_is_always_the_limit_ends_the_search_without_an_answer() {
    let service = STEADY;
    let settings = settings(&[1, 2], 1000);
    let mut rng = Pcg32::seed_from_u64(1);
    let mut trials = Vec::new();
    while let Next::Try(spec) = next(&settings, &trials) {
        let verdict = if spec.load == Load::Saturate { Verdict::Pass } else { Verdict::Invalid };
        trials.push(Trial { verdict, ..service.trial(spec, &mut rng) });
        assert!(trials.len() < 20, "no end");
    }
    let answer = Answer::from_trials(&settings, &trials);
    assert!(answer.per_replicas.iter().all(|a| a.finding == Finding::Unmeasurable));
}

#[test]
fn a_calibration_that_fails_by_chance_is_not_the_end() {
    let service = STEADY;
    let settings = settings(&[1], 1000);
    let mut rng = Pcg32::seed_from_u64(1);
    let mut trials = Vec::new();
    while let Next::Try(spec) = next(&settings, &trials) {
        let trial = service.trial(spec, &mut rng);
        let verdict = if trials.is_empty() { Verdict::Undecided } else { trial.verdict };
        trials.push(Trial { verdict, ..trial });
        assert!(trials.len() < 40, "no end");
    }
    let minimum = Answer::from_trials(&settings, &trials).per_replicas[0].minimum().unwrap();
    assert!(service.holds(minimum.point, 0.0) && minimum.point.limits.cpus.millis < 300);
}

#[test]
fn the_search_replays_from_a_journal() {
    let service = Service { split_cost: 0.02, memory_floor: 50 << 20, noise: 0.02, ..STEADY };
    let settings = settings(&[1, 2], 1000);
    let trials = sweep(&service, &settings, 7);
    for made in 0..trials.len() {
        assert_eq!(next(&settings, &trials[..made]), Next::Try(trials[made].spec));
    }
}
