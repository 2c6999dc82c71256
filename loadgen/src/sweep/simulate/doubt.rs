//! What a search makes of trials that leave a rung in doubt: whether it gets a ramp, and gives way.

use super::{
    edge::{MIB, minimum, missed, trials},
    *,
};

/// The winner, and the ramps at 0.25 CPU and 48 MiB, of which those counted in `undecided` are too close to call.
fn with_undecided_ramps(undecided: &[u32], stopped_early: Option<&str>) -> (Point, u32) {
    let ramps = std::cell::Cell::new(0);
    let answer = minimum(|spec, trial| {
        if spec.load != Load::Ramp || spec.point != Point::new(1, 250, 48 * MIB) {
            return trial;
        }
        ramps.set(ramps.get() + 1);
        if !undecided.contains(&ramps.get()) {
            return trial;
        }
        let stopped_early = stopped_early.map(str::to_owned);
        Trial { stopped_early, ..missed(trial, Verdict::Undecided, Binding::Cpu) }
    });
    (answer, ramps.get())
}

#[test]
fn an_undecided_ramp_is_made_once_more_after_one_that_passed() {
    for stopped_early in [None, Some("too many were late")] {
        let gave_way = Point::new(1, 300, 48 * MIB);
        assert_eq!(with_undecided_ramps(&[1], stopped_early), (gave_way, 1), "the first one");
        assert_eq!(with_undecided_ramps(&[2, 3], stopped_early), (gave_way, 3), "two of them");
        let kept = Point::new(1, 250, 48 * MIB);
        assert_eq!(with_undecided_ramps(&[2], stopped_early), (kept, 4), "one beside three that passed");
    }
}

#[test]
fn ramps_that_a_drift_took_away_are_not_counted() {
    let references = std::cell::Cell::new(0);
    let ramped = std::cell::Cell::new(0);
    let settings = settings(&[1], 1000);
    let point = Point::new(1, 250, 48 * MIB);
    let made = trials(&settings, |spec, mut trial| {
        if spec.load == Load::Saturate {
            references.set(references.get() + 1);
            let cost = if references.get() == 1 { 13e-6 } else { 18e-6 };
            trial.usage.cpu_seconds_per_request = Some(cost);
        }
        // The second after the drift.
        ramped.set(ramped.get() + u32::from(spec.load == Load::Ramp && spec.point == point));
        match spec.load == Load::Ramp && ramped.get() == 5 {
            true => missed(trial, Verdict::Undecided, Binding::Cpu),
            false => trial,
        }
    });
    assert_eq!(made.iter().filter(|trial| trial.spec.load == Load::Ramp && trial.passed()).count(), 6);
    assert_eq!(ramps(&settings, &made, point), (3, 1));
}

/// The winner, and the points of all trials with 0.25 CPU and not less than 48 MiB, where those that go straight to all users pass in this
/// order, or are too close to call.
fn with_directs(passed: &[bool]) -> (Point, Vec<TrialSpec>) {
    let made: std::cell::RefCell<Vec<TrialSpec>> = std::cell::RefCell::default();
    let answer = minimum(|spec, trial| {
        let Limits { cpus, memory_bytes } = spec.point.limits;
        if cpus.millis != 250 || memory_bytes < 48 * MIB {
            return trial;
        }
        let directs = made.borrow().iter().filter(|made| made.load == Load::Direct).count();
        made.borrow_mut().push(spec);
        match spec.load == Load::Direct && !passed.get(directs).copied().unwrap_or(true) {
            true => missed(trial, Verdict::Undecided, Binding::Cpu),
            false => trial,
        }
    });
    (answer, made.into_inner())
}

#[test]
fn a_rung_of_which_no_more_trials_passed_than_did_not_gets_no_ramp() {
    let ramps = |made: &[TrialSpec]| made.iter().filter(|made| made.load == Load::Ramp).count();
    // With 112, 64 and 48 MiB; in doubt once more with 48.
    let (answer, made) = with_directs(&[true, false, true]);
    assert_eq!((answer, ramps(&made)), (Point::new(1, 250, 48 * MIB), 3));
    let (answer, made) = with_directs(&[true, false, false, true]);
    assert_eq!((answer, ramps(&made)), (Point::new(1, 300, 48 * MIB), 0));
}

#[test]
fn memory_is_no_suspect_where_more_of_it_did_not_always_help() {
    let memory =
        |made: Vec<TrialSpec>| made.iter().map(|made| made.point.limits.memory_bytes / MIB).collect::<Vec<_>>();
    let (answer, made) = with_directs(&[true, false, false, false]);
    assert_eq!((answer, memory(made)), (Point::new(1, 300, 48 * MIB), vec![112, 64, 48, 48]));
    let (answer, made) = with_directs(&[true, true, false, false]);
    assert_eq!((answer, memory(made)), (Point::new(1, 250, 64 * MIB), vec![112, 64, 48, 48, 64, 64, 64]));
}

#[test]
fn a_rung_that_was_too_close_to_call_with_more_memory_has_to_pass_twice_to_be_gone_down_to() {
    let loads = |made: Vec<TrialSpec>| made.iter().map(|made| made.load).collect::<Vec<_>>();
    let (answer, made) = with_directs(&[false, true, false]);
    assert_eq!(answer, Point::new(1, 300, 48 * MIB));
    assert!(!loads(made).contains(&Load::Ramp));
    let (answer, made) = with_directs(&[false, true, true]);
    assert_eq!(answer, Point::new(1, 250, 48 * MIB));
    assert_eq!(loads(made), [[Load::Direct; 3], [Load::Ramp; 3]].concat());
}

/// The machine was busy when the search asked, and not any more: what is below is looked at before a ramp is.
#[test]
fn no_ramp_is_spent_above_a_rung_that_holds_after_all() {
    let made = trials(&settings(&[1], 1000), |spec, trial| match spec.purpose {
        Purpose::Search if spec.point.limits.cpus.millis == 250 => missed(trial, Verdict::Undecided, Binding::Cpu),
        _ => trial,
    });
    let ramped: Vec<Point> = made.iter().map(|t| t.spec).filter(|s| s.load == Load::Ramp).map(|s| s.point).collect();
    assert_eq!(ramped, [Point::new(1, 250, 48 * MIB); 3]);
}

/// As far above it as there is, with rungs that lie close together.
#[test]
fn a_long_way_down_loses_no_answer() {
    let fine = Settings { cpus: cpu_ladder(Some("0.01:1:0.002"), 1000).expect("a ladder"), ..settings(&[1], 1000) };
    let made = trials(&fine, |spec, mut trial| {
        if matches!(spec.load, Load::Saturate) || spec.purpose == Purpose::Calibrate {
            trial.usage.cpu_seconds_per_request = Some(170e-6);
        }
        trial
    });
    let answer = Answer::from_trials(&fine, &made).per_replicas[0].minimum().expect("a minimum");
    assert_eq!(answer.point, Point::new(1, 230, 48 * MIB));
}

/// Of memory that only a ramp takes: going up is not undone by going down again, a ramp each time.
#[test]
fn what_direct_trials_do_not_tell_is_galloped_to_by_ramps() {
    let memory = memory_ladder(Some("20Mi:400Mi:2Mi"), 16 << 30).expect("a ladder");
    let fine = Settings { memory, ..settings(&[1], 1000) };
    let made = trials(&fine, |spec, trial| match spec.load {
        Load::Ramp if spec.point.limits.memory_bytes < 102 * MIB => missed(trial, Verdict::Fail, Binding::Memory),
        _ => trial,
    });
    let answer = Answer::from_trials(&fine, &made).per_replicas[0].minimum().expect("a minimum");
    assert_eq!(answer.point, Point::new(1, 250, 102 * MIB));
    let mut ramps = made.iter().filter(|trial| trial.spec.load == Load::Ramp);
    let failed = ramps.by_ref().take_while(|ramp| !ramp.passed()).count();
    assert!(failed <= 7, "with 0, 1, 2, 3, 5, 9 and 17 rungs more, and not {failed}");
}

/// A trial of which so many percent of the requests were late, and in which another part of the objective was kept for sure.
fn late(mut trial: Trial, percent: f64) -> Trial {
    let kept = Missed { over_ms: Some(50), allowed: 0.5, share: 0.2, standard_error: 0.001 };
    let missed = Missed { over_ms: Some(100), allowed: 0.05, share: percent / 100.0, standard_error: percent / 1000.0 };
    trial.steps.iter_mut().for_each(|step| step.missed = vec![kept, missed]);
    trial
}

/// The winner, and what was made with 0.25 CPU and not less than 48 MiB, where so many percent of the requests of trials that go straight to
/// all users are late, in this order and then as in the last one; five may be.
fn with_late(settings: &Settings, percent: &[f64], with_largest_limits: f64) -> (Point, Vec<Load>) {
    let made: std::cell::RefCell<Vec<Load>> = std::cell::RefCell::default();
    let all = trials(settings, |spec, trial| {
        let Limits { cpus, memory_bytes } = spec.point.limits;
        if spec.purpose == Purpose::Calibrate {
            return late(trial, with_largest_limits);
        }
        if spec.load == Load::Saturate || cpus.millis != 250 || memory_bytes < 48 * MIB {
            return trial;
        }
        let directs = made.borrow().iter().filter(|made| **made == Load::Direct).count();
        made.borrow_mut().push(spec.load);
        match spec.load {
            Load::Direct => late(trial, percent[directs.min(percent.len() - 1)]),
            _ => trial,
        }
    });
    let answer = Answer::from_trials(settings, &all).per_replicas[0].minimum().expect("a minimum");
    (answer.point, made.into_inner())
}

/// With 112, 64 and 48 MiB, and then with 48.
const NEAR: [f64; 5] = [3.5, 1.5, 4.0, 2.0, 3.9];

#[test]
fn a_rung_whose_direct_trials_pass_near_the_limit_gets_no_ramp() {
    let (answer, made) = with_late(&settings(&[1], 1000), &NEAR, 0.0);
    assert_eq!(answer, Point::new(1, 300, 48 * MIB));
    assert_eq!(made, [Load::Direct; 5]);
}

#[test]
fn a_rung_gets_its_ramps_where_direct_trials_near_the_limit_tell_nothing_against_it() {
    let kept = Point::new(1, 250, 48 * MIB);
    let made_of = |directs: usize| [vec![Load::Direct; directs], vec![Load::Ramp; 3]].concat();
    let settings = settings(&[1], 1000);
    let answer = |percent: &[f64], with_largest_limits| with_late(&settings, percent, with_largest_limits);
    assert_eq!(answer(&[3.5, 1.5, 4.0], 0.0), (kept, made_of(5)), "three of its own prove that it holds");
    assert_eq!(answer(&[3.5, 1.5, 4.0, 0.1], 0.0), (kept, made_of(4)), "far from the limit, once asked again");
    assert_eq!(answer(&[3.5, 1.5, 2.4], 0.0), (kept, made_of(3)), "just far enough");
    assert_eq!(answer(&NEAR, 1.6), (kept, made_of(3)), "more CPU is not much better");
    let (with_some_help, _) = answer(&NEAR, 1.3);
    assert_eq!(with_some_help, Point::new(1, 300, 48 * MIB));
    let one = Settings { cpus: cpu_ladder(Some("0.25"), 1000).expect("a ladder"), ..settings.clone() };
    assert_eq!(with_late(&one, &NEAR, 0.0).0, kept, "no rung to give way to");
}

#[test]
fn memory_is_raised_where_more_of_it_was_far_from_the_limit() {
    let memory = memory_ladder(Some("48Mi:112Mi:64Mi"), 16 << 30).expect("a ladder");
    let two = Settings { memory, ..settings(&[1], 1000) };
    assert_eq!(with_late(&two, &[0.5, 4.8, 4.0, 2.5, 0.5], 0.0).0, Point::new(1, 250, 112 * MIB));
    assert_eq!(with_late(&two, &[2.2, 4.8, 4.0, 2.5, 0.5], 0.0).0, Point::new(1, 300, 48 * MIB));
}

#[test]
fn a_first_ramp_of_the_largest_limits_that_was_given_up_is_not_made_once_more() {
    let one = Settings {
        cpus: cpu_ladder(Some("0.25"), 1000).expect("a ladder"),
        memory: memory_ladder(Some("48Mi"), 16 << 30).expect("a ladder"),
        ..settings(&[1], 1000)
    };
    let made = trials(&one, |spec, trial| match spec.load {
        Load::Ramp => {
            let given_up = Some("too many were late".to_owned());
            Trial { stopped_early: given_up, ..missed(trial, Verdict::Undecided, Binding::Cpu) }
        }
        _ => trial,
    });
    assert_eq!(made.iter().filter(|trial| trial.spec.load == Load::Ramp).count(), 1);
}

/// Of the direct trials with 48 MiB or more the second and the third are too close to call.
#[test]
fn with_one_cpu_rung_there_is_none_to_give_way_to_and_a_ramp_decides() {
    let one = Settings { cpus: cpu_ladder(Some("0.25"), 1000).expect("a ladder"), ..settings(&[1], 1000) };
    let directs = std::cell::Cell::new(0);
    let made = trials(&one, |spec, trial| {
        if spec.load != Load::Direct || spec.point.limits.memory_bytes < 48 * MIB {
            return trial;
        }
        directs.set(directs.get() + 1);
        match (2..=3).contains(&directs.get()) {
            true => missed(trial, Verdict::Undecided, Binding::Cpu),
            false => trial,
        }
    });
    let answer = Answer::from_trials(&one, &made).per_replicas[0].minimum().expect("a minimum");
    assert_eq!(answer.point, Point::new(1, 250, 48 * MIB));
}

#[test]
fn a_second_trial_that_cannot_be_measured_takes_nothing_from_what_held() {
    let directs = std::cell::Cell::new(0);
    let answer = minimum(|spec, trial| {
        let Limits { cpus, memory_bytes } = spec.point.limits;
        if spec.load != Load::Direct || cpus.millis != 250 || memory_bytes < 48 * MIB {
            return trial;
        }
        directs.set(directs.get() + 1);
        match directs.get() {
            1 => missed(trial, Verdict::Undecided, Binding::Cpu),
            2 => trial,
            _ => Trial { verdict: Verdict::Invalid, ..trial },
        }
    });
    assert_eq!(answer, Point::new(1, 300, 48 * MIB));
}

proptest! {
    /// Higher rungs hold, so that an answer of the largest limits would be one that was lost on the way.
    #[test]
    fn an_edge_that_comes_out_by_chance_loses_no_answer(seed: u64, undecided in 0.0..0.8, memory_undecided in 0.0..0.8, most_late in 0.1..5.0) {
        let rng = std::cell::RefCell::new(Pcg32::seed_from_u64(seed));
        let settings = settings(&[1], 1000);
        let made = trials(&settings, |spec, trial| {
            let Limits { cpus, memory_bytes } = spec.point.limits;
            if spec.load == Load::Saturate || !trial.passed() || cpus.millis > 300 {
                return trial;
            }
            let share = if memory_bytes < 60 * MIB { memory_undecided } else { undecided };
            let mut rng = rng.borrow_mut();
            match rng.random_bool(share) {
                true => late(missed(trial, Verdict::Undecided, Binding::Cpu), rng.random_range(4.0..6.0)),
                false => late(trial, rng.random_range(0.0..most_late)),
            }
        });
        let answer = Answer::from_trials(&settings, &made).per_replicas[0].minimum().expect("a minimum");
        prop_assert!(answer.point.limits.cpus.millis <= 400 && answer.below_cpus != [Below::NotTried], "{answer:?}");
        let ramps = made.iter().filter(|trial| trial.spec.point == answer.point && trial.spec.load == Load::Ramp);
        prop_assert_eq!(ramps.filter(|ramp| ramp.passed()).count(), 3);
    }
}

/// The answer of a search in which late requests become fewer by the power `steepness` of the quota.
fn with_late_by_quota(service: &Service, settings: &Settings, steepness: f64, seed: u64) -> Option<Point> {
    let mut rng = Pcg32::seed_from_u64(seed);
    let mut made: Vec<Trial> = Vec::new();
    while let Next::Try(spec) = next(settings, &made) {
        let needed = service.cpus_needed(spec.point.replicas);
        let trial = service.trial(spec, &mut rng);
        let percent = 5.0 * (needed / spec.point.limits.cpus.as_f64()).powf(steepness);
        made.push(late(trial, percent.min(100.0)));
        assert!(made.len() < 100, "no end");
    }
    Answer::from_trials(settings, &made).per_replicas[0].minimum().map(|minimum| minimum.point)
}

proptest! {
    /// On rungs that lie close together too, however far up it went at once.
    #[test]
    fn a_search_gives_way_no_further_than_to_where_half_as_many_are_late(service in services(), seed: u64, steepness in 4.0..15.0) {
        let cpus = cpu_ladder(Some("0.01:1:0.01"), 1000).expect("a ladder");
        let settings = Settings { cpus, ..settings(&[1], 1000) };
        let Some(answer) = with_late_by_quota(&service, &settings, steepness, seed) else {
            return Err(TestCaseError::fail("a processor holds every one of these"));
        };
        let needed = service.cpus_needed(1);
        let half_as_many = needed * (1.0 + service.noise) * 2_f64.powf(1.0 / steepness);
        let (found, a_rung) = (answer.limits.cpus.as_f64(), 0.01);
        prop_assert!(found >= needed * (1.0 - service.noise), "{found} of {needed}");
        prop_assert!(found <= half_as_many + 2.0 * a_rung, "{found}, where {half_as_many} is enough");
    }
}
