//! Properties of every sweep, on simulated services.

use loadtest::verdict::Verdict;
use proptest::prelude::*;
use rand::{SeedableRng, seq::SliceRandom};
use rand_pcg::Pcg64;

use super::{Answer, Finding, Next, answer, next};
use crate::{
    simulator::{KINDS, Machine, World},
    trial::{Headroom, Mode, Point, Purpose, Settings, Trial},
};

/// Plays a sweep on a service of a kind whose requests cost `scale` times as much.
fn play(settings: &Settings, kind: usize, scale: f64, seed: u64) -> Vec<Trial> {
    let kind = KINDS[kind % KINDS.len()];
    let mut world = World::new(kind.service.scaled(scale), kind.machine, seed);
    let mut trials = Vec::new();
    while let Next::Try(planned) = next(settings, &trials) {
        assert!(!planned.reason.is_empty());
        trials.push(world.trial(settings, planned.spec));
        assert!(trials.len() < 120, "a search without end");
    }
    trials
}

fn minimum(settings: &Settings, trials: &[Trial]) -> Option<Point> {
    answer(settings, trials).cheapest(settings).map(|minimum| minimum.point)
}

#[test]
fn a_sweep_of_the_default_service_finds_its_edge() {
    let settings = Settings::example();
    let trials = play(&settings, 0, 1.0, 1);
    let found = answer(&settings, &trials);
    let known = &found.per_replicas[0];
    let minimum = known.minimum().expect("an answer");
    assert!((120..=180).contains(&minimum.point.limits.cpus.millis), "{minimum:?}");
    assert!(minimum.p_hold >= 0.95 && minimum.less_memory_lacks, "{minimum:?}");
    let estimate = known.estimate.expect("an estimate");
    assert!(estimate.interval[0] <= estimate.cpus && estimate.cpus <= estimate.interval[1]);
    let at = |purpose| {
        let is_one = |t: &&Trial| {
            t.spec.purpose == purpose
                && t.passed()
                && t.spec.point.limits.cpus == minimum.point.limits.cpus
        };
        trials.iter().filter(is_one).count()
    };
    assert!(at(Purpose::Fresh) >= 2 && at(Purpose::Ramp) >= 1);
    assert_eq!(trials[0].spec.purpose, Purpose::Calibrate);
    assert_eq!(trials[1].spec.purpose, Purpose::Probe);
    assert!(trials.len() <= 14, "{} trials", trials.len());
}

#[test]
fn other_counts_are_seeded_and_lose_a_replica() {
    let settings = Settings { replicas: vec![1, 2, 4], ..Settings::example() };
    let trials = play(&settings, 0, 1.0, 2);
    let found = answer(&settings, &trials);
    assert_eq!(found.per_replicas.iter().filter(|known| known.minimum().is_some()).count(), 3);
    for replicas in [2, 4] {
        let mine = || trials.iter().filter(move |t| t.spec.point.replicas == replicas);
        assert_eq!(mine().filter(|t| t.spec.purpose == Purpose::ReplicaFailure).count(), 1);
        let probe = mine().find(|t| t.spec.purpose == Purpose::Probe).expect("a probe");
        assert!(
            probe.spec.point.limits.cpus.millis < 500,
            "it begins near the edge: {}",
            probe.spec.point
        );
    }
}

#[test]
fn what_no_limits_hold_is_told_with_how_far_they_get() {
    let settings = Settings::example();
    let trials = play(&settings, 1, 4.0, 3);
    let found = answer(&settings, &trials);
    let Finding::NotHeld { held_users, .. } = found.per_replicas[0].finding else {
        panic!("{found:?}")
    };
    // 60 us times 4 give 4,167 requests/s, or 7,292 users; starts differ.
    assert!((5500..9000).contains(&held_users), "{held_users}");
    assert_eq!(minimum(&settings, &trials), None);
}

#[test]
fn without_probes_the_search_has_an_answer_too() {
    let settings = Settings { can_probe: false, ..Settings::example() };
    let trials = play(&settings, 0, 1.0, 4);
    assert!(trials.iter().all(|t| t.spec.purpose != Purpose::Probe));
    let found = minimum(&settings, &trials).expect("an answer");
    assert!((100..=250).contains(&found.limits.cpus.millis), "{found}");
}

#[test]
fn headroom_is_above_the_minimum_and_confirmed() {
    let settings =
        Settings { headroom: Headroom { cpu: 0.2, memory: 0.15 }, ..Settings::example() };
    let trials = play(&settings, 0, 1.0, 5);
    let found = answer(&settings, &trials);
    let (minimum, recommended) =
        (found.cheapest(&settings).unwrap().point, found.per_replicas[0].recommended.unwrap());
    assert!(minimum.is_within(recommended), "{minimum} {recommended}");
    assert!(recommended.total_cpus() >= minimum.total_cpus() * 1.2 - 1e-9);
    assert!(trials.iter().any(|t| t.spec.point == recommended && t.passed()));
    assert_eq!(found.recommended(&settings), Some(recommended));
}

#[test]
fn a_step_of_users_more_never_needs_less_cpu() {
    let settings = Settings { mode: Mode::Demand, step: 1000, ..Settings::example() };
    let trials = play(&settings, 0, 1.0, 6);
    let curve = answer(&settings, &trials).demand;
    assert_eq!(
        curve.iter().map(|point| point.users).collect::<Vec<_>>(),
        (1..=10).map(|i| i * 1000).collect::<Vec<_>>()
    );
    assert!(curve.windows(2).all(|pair| pair[0].cpus <= pair[1].cpus), "{curve:?}");
    let (first, last) = (curve[0], curve[9]);
    assert!(last.is_verified && (0.1..0.25).contains(&last.cpus) && first.cpus < 0.06, "{curve:?}");
    assert!(trials.len() <= 8, "{} trials", trials.len());
}

#[test]
fn capacity_is_the_most_users_that_are_held() {
    let settings = Settings { mode: Mode::Capacity, ..Settings::example() };
    let trials = play(&settings, 1, 2.4, 7);
    let found = answer(&settings, &trials);
    let Finding::Capacity { users, p_hold, .. } = found.per_replicas[0].finding else {
        panic!("{found:?}")
    };
    // 144 us give 6,944 requests/s with a whole processor, or 12,152 users; all 10,000 hold.
    assert_eq!(users, 10_000);
    assert!(p_hold >= 0.95);
    let trials = play(&settings, 1, 4.0, 7);
    let found = answer(&settings, &trials);
    let Finding::Capacity { users, .. } = found.per_replicas[0].finding else {
        panic!("{found:?}")
    };
    assert!((5500..=9000).contains(&users), "{users}");
}

#[test]
fn the_frontier_trades_memory_for_cpu() {
    let settings = Settings { mode: Mode::Frontier, ..Settings::example() };
    let trials = play(&settings, 4, 1.0, 8);
    let front = Answer::front(&settings, &trials);
    assert!(!front.is_empty());
    assert!(front.windows(2).all(|pair| pair[0].total_cpus() < pair[1].total_cpus()), "{front:?}");
    assert!(
        front.windows(2).all(|pair| pair[0].total_memory_bytes() > pair[1].total_memory_bytes()),
        "{front:?}"
    );
}

#[test]
fn a_grid_tries_every_point() {
    let settings = Settings {
        mode: Mode::Grid,
        cpus: crate::trial::cpu_ladder(Some("0.1:0.2:0.05"), 1000).unwrap(),
        memory: crate::trial::memory_ladder(Some("32Mi:64Mi:16Mi"), 1 << 34).unwrap(),
        ..Settings::example()
    };
    let trials = play(&settings, 0, 1.0, 9);
    let points: std::collections::HashSet<Point> = trials.iter().map(|t| t.spec.point).collect();
    assert_eq!(points.len(), 9);
    let found = answer(&settings, &trials);
    assert!(
        matches!(found.per_replicas[0].finding, Finding::Grid { cheapest: Some(_) }),
        "{found:?}"
    );
}

#[test]
fn a_trial_that_is_invalid_again_and_again_ends_its_count() {
    let settings = Settings::example();
    let mut trials: Vec<Trial> = play(&settings, 0, 1.0, 10).into_iter().take(2).collect();
    while let Next::Try(planned) = next(&settings, &trials) {
        let mut trial = trials[0].clone();
        (trial.spec, trial.verdict, trial.readings) = (planned.spec, Verdict::Invalid, Vec::new());
        trials.push(trial);
        assert!(trials.len() < 30, "a search without end");
    }
    assert_eq!(answer(&settings, &trials).per_replicas[0].finding, Finding::Unmeasurable);
}

/// Steal does not matter in a trial that passes; a miss under steal is invalid, and no other trial
/// is lost.
#[test]
fn a_stolen_machine_still_has_an_answer() {
    let settings = Settings::example();
    let kind = KINDS[0];
    let machine = Machine { steal_bursts: 2.0, ..kind.machine };
    let mut world = World::new(kind.service, machine, 11);
    let mut trials = Vec::new();
    while let Next::Try(planned) = next(&settings, &trials) {
        trials.push(world.trial(&settings, planned.spec));
        assert!(trials.len() < 120, "a search without end");
    }
    let found = minimum(&settings, &trials).expect("an answer");
    assert!((120..=250).contains(&found.limits.cpus.millis), "{found}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// For any service the search ends, stays within the limits, has no failure at its answer, does
    /// not depend on the order of its trials, and never loses an answer.
    #[test]
    fn every_sweep_ends_well(kind in 0usize..8, scale in 0.3f64..2.2, seed in 0u64..1000) {
        let settings = Settings::example();
        let trials = play(&settings, kind, scale, seed);
        let top = settings.point(1, settings.top(1).unwrap());
        prop_assert!(trials.iter().all(|t| t.spec.point == top || t.spec.point.is_within(top)));
        if let Some(point) = minimum(&settings, &trials) {
            let failed = |t: &Trial| {
                t.spec.point.limits.cpus == point.limits.cpus
                    && matches!(t.spec.purpose, Purpose::Fresh | Purpose::Ramp)
                    && t.verdict == Verdict::Fail
                    && !t.lacked_memory()
            };
            prop_assert!(!trials.iter().any(failed));
        }
        let mut shuffled = trials.clone();
        shuffled.shuffle(&mut Pcg64::seed_from_u64(seed));
        let same = |a: &Answer<'_>, b: &Answer<'_>| a.per_replicas == b.per_replicas;
        prop_assert!(same(&answer(&settings, &trials), &answer(&settings, &shuffled)));
        prop_assert_eq!(next(&settings, &shuffled), Next::Done);
        let mut known = false;
        for made in 0..=trials.len() {
            let now = minimum(&settings, &trials[..made]).is_some();
            prop_assert!(now || !known, "an answer was lost after {made} trials");
            known = now;
        }
    }
}
