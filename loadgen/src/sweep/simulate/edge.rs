//! Services that come out otherwise near the edge than far from it.

use super::*;

pub(super) const MIB: u64 = 1 << 20;

/// The minimum of a search in which trials come out as `turned` has them.
pub(super) fn minimum(turned: impl Fn(TrialSpec, Trial) -> Trial) -> Point {
    answer(&settings(&[1], 1000), turned).point
}

/// The same, for these settings.
fn answer(settings: &Settings, turned: impl Fn(TrialSpec, Trial) -> Trial) -> Minimum {
    let made = trials(settings, turned);
    assert!(made.len() < 60, "no end");
    Answer::from_trials(settings, &made).per_replicas[0].minimum().expect("a minimum")
}

/// The trials of a search for one replica in which trials come out as `turned` has them.
pub(super) fn trials(settings: &Settings, turned: impl Fn(TrialSpec, Trial) -> Trial) -> Vec<Trial> {
    let mut rng = Pcg32::seed_from_u64(1);
    let mut trials: Vec<Trial> = Vec::new();
    while let Next::Try(spec) = next(settings, &trials) {
        trials.push(turned(spec, STEADY.trial(spec, &mut rng)));
        assert!(trials.len() < 100, "no end");
    }
    trials
}

pub(super) fn missed(trial: Trial, verdict: Verdict, binding: Binding) -> Trial {
    Trial { verdict, binding_resource: Some(binding), ..trial }
}

#[test]
fn the_services_edge_is_where_these_tests_take_it_to_be() {
    assert_eq!(minimum(|_, trial| trial), Point::new(1, 250, 48 * MIB));
}

#[test]
fn a_rung_whose_ramps_are_too_close_to_call_gives_way_to_the_next() {
    let answer = minimum(|spec, trial| match spec {
        TrialSpec { load: Load::Ramp, point, .. } if point.limits.cpus.millis == 250 => {
            missed(trial, Verdict::Undecided, Binding::Cpu)
        }
        _ => trial,
    });
    assert_eq!(answer, Point::new(1, 300, 48 * MIB));
}

#[test]
fn a_rung_that_passes_one_ramp_and_leaves_the_others_open_gives_way_too() {
    let ramps = std::cell::Cell::new(0);
    let answer = minimum(|spec, trial| match spec {
        TrialSpec { load: Load::Ramp, point, .. } if point.limits.cpus.millis == 250 => {
            ramps.set(ramps.get() + 1);
            if ramps.get() == 1 { trial } else { missed(trial, Verdict::Undecided, Binding::Cpu) }
        }
        _ => trial,
    });
    assert_eq!(answer, Point::new(1, 300, 48 * MIB));
}

/// With less CPU more requests wait, and they take memory: so much with 0.25 CPU. The search ends a rung above that, from which settling
/// goes down.
fn minimum_with_floor(floor_mib: u64) -> Point {
    minimum(|spec, trial| {
        let Limits { cpus, memory_bytes } = spec.point.limits;
        match spec.purpose {
            Purpose::Search if cpus.millis == 250 => missed(trial, Verdict::Fail, Binding::Cpu),
            Purpose::Confirm if cpus.millis == 250 && memory_bytes < floor_mib * MIB => {
                missed(trial, Verdict::Fail, Binding::Memory)
            }
            _ => trial,
        }
    })
}

#[test]
fn memory_that_less_cpu_needs_is_found() {
    for floor in [64u64, 100, 160, 330, 500] {
        let answer = minimum_with_floor(floor);
        assert_eq!(answer, Point::new(1, 250, floor.next_multiple_of(16) * MIB), "at {floor} MiB");
    }
}

#[test]
fn memory_that_costs_more_than_the_cpu_it_saves_is_not_looked_for() {
    // A rung of 0.05 CPU is worth 465 MiB at these prices.
    assert_eq!(minimum_with_floor(600), Point::new(1, 300, 48 * MIB));
}

/// The kernel reads a program again and again that does not fit, and kills nothing.
#[test]
fn a_program_that_is_not_ready_in_time_for_want_of_memory_gets_memory() {
    let answer = minimum(|spec, trial| match spec.point.limits.memory_bytes < 80 * MIB {
        true => Trial { steps: Vec::new(), usage: TrialUsage::default(), ..missed(trial, Verdict::Fail, Binding::Cpu) },
        false => trial,
    });
    assert_eq!(answer, Point::new(1, 250, 80 * MIB));
}

/// Page cache that does not fit is read again, which takes CPU.
#[test]
fn a_quota_that_only_runs_out_for_want_of_page_cache_gets_memory() {
    let answer_with = |major_faults_per_second| {
        minimum(|spec, trial| match spec.load == Load::Ramp && spec.point.limits.cpus.millis == 250 {
            true if spec.point.limits.memory_bytes < 64 * MIB => {
                let usage = TrialUsage { major_faults_per_second, ..trial.usage.clone() };
                missed(Trial { usage, ..trial }, Verdict::Fail, Binding::Cpu)
            }
            _ => trial,
        })
    };
    assert_eq!(answer_with(10.0), Point::new(1, 250, 64 * MIB));
    assert_eq!(answer_with(0.5), Point::new(1, 300, 48 * MIB), "a limit that is full, and no page that is missed");
}

/// Under a tight quota requests wait, and those take memory.
#[test]
fn memory_is_asked_for_again_before_the_ramp_where_cpu_was_raised() {
    let ramps = std::cell::RefCell::new(Vec::new());
    let answer = minimum(|spec, trial| {
        if spec.load == Load::Ramp {
            ramps.borrow_mut().push(spec.point);
        }
        let Limits { cpus, memory_bytes } = spec.point.limits;
        match spec.load {
            _ if cpus.millis == 250 && memory_bytes < 64 * MIB => missed(trial, Verdict::Fail, Binding::Memory),
            Load::Ramp if cpus.millis == 250 => missed(trial, Verdict::Fail, Binding::Cpu),
            _ => trial,
        }
    });
    assert_eq!(answer, Point::new(1, 300, 48 * MIB));
    let after = ramps.borrow().iter().filter(|ramp| ramp.limits.cpus.millis == 300).copied().collect::<Vec<_>>();
    assert_eq!(after, [answer; 3], "none with the memory that 0.25 CPU needed");
}

/// Direct trials with less memory do not pass, for another reason: such a point gets no ramp, and is not come back to.
#[test]
fn a_winner_that_is_lost_gives_way_though_less_memory_was_not_what_failed() {
    let ramps = std::cell::Cell::new(0);
    let answer = minimum(|spec, trial| {
        let Limits { cpus, memory_bytes } = spec.point.limits;
        if memory_bytes == 32 * MIB {
            let usage = TrialUsage { oom_kills: 0, ..trial.usage.clone() };
            return missed(Trial { usage, ..trial }, Verdict::Fail, Binding::Cpu);
        }
        if spec.load == Load::Ramp && cpus.millis == 250 {
            ramps.set(ramps.get() + 1);
            if ramps.get() > 1 {
                return missed(trial, Verdict::Undecided, Binding::Cpu);
            }
        }
        trial
    });
    assert_eq!(answer, Point::new(1, 300, 48 * MIB));
}

/// With one rung there is none to give way to.
#[test]
fn the_largest_limits_get_one_more_ramp_where_the_first_is_undecided() {
    let one = Settings {
        cpus: cpu_ladder(Some("0.25"), 1000).unwrap(),
        memory: memory_ladder(Some("48Mi"), 16 << 30).unwrap(),
        ..settings(&[1], 1000)
    };
    let ramps = std::cell::Cell::new(0);
    let answer = answer(&one, |spec, trial| match spec.load {
        Load::Ramp if ramps.replace(ramps.get() + 1) == 0 => missed(trial, Verdict::Undecided, Binding::Cpu),
        _ => trial,
    });
    assert_eq!((answer.point, ramps.get()), (Point::new(1, 250, 48 * MIB), 4));
}

#[test]
fn a_rung_below_that_cannot_be_measured_takes_nothing_from_what_was_confirmed() {
    let answer = answer(&settings(&[1], 1000), |spec, trial| {
        let Limits { cpus, memory_bytes } = spec.point.limits;
        match spec.load {
            _ if cpus.millis == 250 && memory_bytes < 64 * MIB => missed(trial, Verdict::Fail, Binding::Memory),
            Load::Ramp if cpus.millis == 250 => missed(trial, Verdict::Fail, Binding::Cpu),
            Load::Direct if cpus.millis == 300 => Trial { verdict: Verdict::Invalid, ..trial },
            _ => trial,
        }
    });
    assert_eq!(answer.point, Point::new(1, 300, 64 * MIB));
    assert_eq!((answer.below_cpus, answer.below_memory), (vec![Below::Fails], vec![Below::Unmeasurable]));
}

/// What trials say of 0.25 CPU, where the ramp is too close to call: so many percent of requests are late, in one after the other.
fn with_shares(late_percent: &[f64]) -> (Minimum, usize) {
    let (answer, made) = with_shares_at(&[(250, late_percent)]);
    (answer, made[0])
}

/// The same for several CPU limits, in thousandths, of which the smaller ones are too close to call in every trial; and how many were
/// made with each.
fn with_shares_at(rungs: &[(u32, &[f64])]) -> (Minimum, Vec<usize>) {
    let made = std::cell::RefCell::new(vec![0; rungs.len()]);
    let answer = answer(&settings(&[1], 1000), |spec, mut trial| {
        let Limits { cpus, memory_bytes } = spec.point.limits;
        let at = rungs.iter().position(|(millis, _)| *millis == cpus.millis && memory_bytes == 48 * MIB);
        let Some(at) = at.filter(|_| spec.load != Load::Saturate) else { return trial };
        let (late_percent, count) = (rungs[at].1, &mut made.borrow_mut()[at]);
        let share = late_percent[*count % late_percent.len()] / 100.0;
        *count += 1;
        for step in &mut trial.steps {
            step.missed = vec![Missed { over_ms: Some(100), allowed: 0.05, share, standard_error: 0.01 }];
        }
        match spec.load == Load::Ramp || at > 0 {
            true => missed(trial, Verdict::Undecided, Binding::Cpu),
            false => trial,
        }
    });
    (answer, made.into_inner())
}

#[test]
fn a_rung_below_that_no_trial_decides_is_shown_to_fail_by_all_of_them() {
    let (answer, made) = with_shares(&[6.5, 7.5]);
    assert_eq!((answer.point, answer.below_cpus), (Point::new(1, 300, 48 * MIB), vec![Below::Fails]));
    assert!(made <= 5, "{made}");
}

#[test]
fn a_rung_below_that_stays_too_close_to_call_is_told_as_that_and_the_next_one_is_shown_to_fail() {
    let made = [[5.2, 5.6], [4.5, 5.5]].map(|late_percent| {
        let (answer, made) = with_shares(&late_percent);
        let below = vec![Below::Undecided, Below::Fails];
        assert_eq!((answer.point, answer.below_cpus), (Point::new(1, 300, 48 * MIB), below));
        made
    });
    assert_eq!(made, [5, 3], "four direct trials and the ramp, or fewer where they miss no more than is allowed");
}

#[test]
fn below_a_rung_that_is_too_close_to_call_each_one_is_looked_at_until_one_fails() {
    let (answer, _) = with_shares_at(&[(250, &[5.2, 5.6]), (200, &[5.2, 5.6])]);
    let below = vec![Below::Undecided, Below::Undecided, Below::Fails];
    assert_eq!((answer.point, answer.below_cpus), (Point::new(1, 300, 48 * MIB), below));
}

#[test]
fn the_second_rung_below_is_shown_to_fail_by_all_its_trials_too() {
    let (answer, made) = with_shares_at(&[(250, &[5.2, 5.6]), (200, &[6.5, 7.5])]);
    let below = vec![Below::Undecided, Below::Fails];
    assert_eq!((answer.point, answer.below_cpus), (Point::new(1, 300, 48 * MIB), below));
    assert!(made[1] > 1, "one trial shows nothing: {made:?}");
}

#[test]
fn a_rung_that_is_too_close_to_call_may_be_the_smallest() {
    let two = Settings { cpus: cpu_ladder(Some("0.25:0.3:0.05"), 1000).expect("a ladder"), ..settings(&[1], 1000) };
    let answer = answer(&two, |spec, trial| match spec.load {
        Load::Saturate => trial,
        _ if spec.point.limits.cpus.millis == 250 => missed(trial, Verdict::Undecided, Binding::Cpu),
        _ => trial,
    });
    assert_eq!(answer.below_cpus, [Below::Undecided, Below::Lowest]);
}

/// The search's trials are spent at 46 MiB; settling finds that 40 MiB is enough for a ramp, and then that it is not for three.
#[test]
fn memory_that_a_search_had_no_trials_left_for_is_come_back_to() {
    let fine = Settings {
        cpus: cpu_ladder(Some("0.02:0.6:0.01"), 1000).unwrap(),
        memory: memory_ladder(Some("20Mi:400Mi:2Mi"), 16 << 30).unwrap(),
        ..settings(&[1], 1000)
    };
    let (searched, ramped) = (std::cell::RefCell::new(Vec::new()), std::cell::RefCell::new(Vec::new()));
    let answer = answer(&fine, |spec, trial| {
        if spec.purpose == Purpose::Search && trial.passed() {
            searched.borrow_mut().push(spec.point);
        }
        if spec.load != Load::Ramp {
            return trial;
        }
        let before = ramped.borrow().iter().filter(|point| **point == spec.point).count();
        ramped.borrow_mut().push(spec.point);
        match spec.point.limits.memory_bytes == 40 * MIB && before > 0 {
            true => missed(trial, Verdict::Undecided, Binding::Cpu),
            false => trial,
        }
    });
    assert_eq!(searched.borrow().last(), Some(&Point::new(1, 230, 46 * MIB)), "where the search ended");
    assert_eq!(ramped.borrow()[0], Point::new(1, 230, 40 * MIB), "no ramp is spent above it");
    assert_eq!(answer.point, Point::new(1, 230, 42 * MIB), "and not 240 with 40");
    assert_eq!(answer.below_memory[0], Below::Undecided);
}

#[test]
fn a_rung_below_whose_trials_come_out_either_way_gets_no_ramp() {
    let (directs, ramps) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let answer = answer(&settings(&[1], 1000), |spec, mut trial| {
        if spec.point.limits.cpus.millis != 250 {
            return trial;
        }
        if spec.purpose == Purpose::Search {
            return missed(trial, Verdict::Fail, Binding::Cpu);
        }
        let made = if spec.load == Load::Ramp { &ramps } else { &directs };
        made.set(made.get() + 1);
        let is_first = directs.get() == 1;
        let share = if is_first { 0.08 } else { 0.0 };
        for step in &mut trial.steps {
            step.missed = vec![Missed { over_ms: Some(100), allowed: 0.05, share, standard_error: 0.03 }];
        }
        if is_first { missed(trial, Verdict::Undecided, Binding::Cpu) } else { trial }
    });
    let below = vec![Below::Undecided, Below::Fails];
    assert_eq!((answer.point, answer.below_cpus), (Point::new(1, 300, 48 * MIB), below));
    assert_eq!((directs.get(), ramps.get()), (3, 0));
}
