//! The other modes, and sweeps that go on with another one.

use super::*;

#[test]
fn a_sweep_goes_on_with_other_users_and_another_mode() {
    let service = STEADY;
    let mut trials = sweep(&service, &settings(&[1], 1000), 1);
    let mut rng = Pcg32::seed_from_u64(2);
    let fewer = Settings { max_users: 5000, ..settings(&[1], 1000) };
    let before = trials.len();
    while let Next::Try(spec) = next(&fewer, &trials) {
        trials.push(service.trial(spec, &mut rng));
        assert!(trials.len() < before + 20, "no end");
    }
    let minimum = Answer::from_trials(&fewer, &trials).per_replicas[0].minimum().unwrap();
    assert_eq!(minimum.point.limits.cpus.millis, 120, "0.114 CPU are needed");
    let most = Settings { mode: Mode::Capacity, cpus: cpu_ladder(Some("0.12"), 1000).unwrap(), ..settings(&[1], 1000) };
    let before = trials.len();
    while let Next::Try(spec) = next(&most, &trials) {
        trials.push(service.trial(spec, &mut rng));
        assert!(trials.len() < before + 20, "no end");
    }
    let finding = Answer::from_trials(&most, &trials).per_replicas[0].finding.clone();
    assert!(matches!(finding, Finding::Capacity { users: 5000, .. }), "{finding:?}");
}

proptest! {
    #[test]
    fn the_most_users_are_found(demand in 40e-6..400e-6, seed: u64, noise in 0.0..0.02) {
        let service = Service { demand, noise, ..STEADY };
        let settings = Settings { mode: Mode::Capacity, ..settings(&[1], 1000) };
        let trials = sweep(&service, &settings, seed);
        let finding = Answer::from_trials(&settings, &trials).per_replicas[0].finding.clone();
        let Finding::Capacity { users, .. } = finding else { panic!("{finding:?}") };
        let truth = (1.0 / (RATE * demand) * f64::from(USERS)).min(f64::from(USERS));
        prop_assert!(f64::from(users) <= truth * (1.0 + noise) && f64::from(users) > truth * (1.0 - noise) - 1001.0, "{users}, truth {truth}");
        prop_assert!(trials.iter().filter(|t| t.spec.purpose != Purpose::Confirm).count() <= 8, "{}", trials.len());
    }
}

#[test]
fn a_grid_tries_every_point_and_those_near_the_edge_three_times() {
    let service = STEADY;
    let memory = memory_ladder(Some("32Mi:80Mi:16Mi"), 16 << 30).unwrap();
    let cpus = cpu_ladder(Some("0.1:0.5:0.1"), 1000).unwrap();
    let settings = Settings { mode: Mode::Grid, cpus, memory, ..settings(&[1], 1000) };
    let trials = sweep(&service, &settings, 1);
    // 5 x 4 points; 0.229 CPU and 40 MiB are needed.
    let made = |millis, mib: u64| trials.iter().filter(|t| t.spec.point == Point::new(1, millis, mib << 20)).count();
    assert_eq!(
        [made(100, 32), made(100, 64), made(200, 32), made(200, 64), made(300, 64), made(500, 80)],
        [1, 1, 1, 3, 3, 1]
    );
    assert_eq!([made(300, 32), made(300, 48), made(500, 32)], [3, 3, 3]);
    let finding = Answer::from_trials(&settings, &trials).per_replicas[0].finding.clone();
    assert_eq!(finding, Finding::Grid { cheapest: Some(Point::new(1, 300, 48 << 20)) });
}

#[test]
fn a_front_trades_cpu_for_memory_where_a_service_does() {
    let service = STEADY;
    let settings = Settings { mode: Mode::Frontier, ..settings(&[1, 2], 1000) };
    let trials = sweep(&service, &settings, 1);
    let front = Answer::front(&settings, &trials);
    assert_eq!(front.len(), 2, "memory is a wall: nothing is to be traded, {front:?}");
    assert_eq!(front.iter().map(|p| p.replicas).collect::<Vec<_>>(), [2, 1]);
}
