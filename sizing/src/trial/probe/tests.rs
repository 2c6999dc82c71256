//! Properties of every probe, on a simulated service.

use crate::{
    simulator::{KINDS, World},
    trial::{Mode, Point, Purpose, Reading, Settings, Trial, TrialSpec},
};

fn probe(settings: &Settings, scale: f64, start: u64) -> Trial {
    let mut world = World::new(KINDS[0].service.scaled(scale), KINDS[0].machine, 1);
    let point = Point::new(1, start, 1 << 30);
    world.trial(settings, TrialSpec { purpose: Purpose::Probe, point, users: settings.max_users })
}

fn cpus(readings: &[Reading]) -> Vec<u32> {
    readings
        .iter()
        .filter(|reading| !reading.is_memory)
        .map(|reading| reading.limits.cpus.millis)
        .collect()
}

#[test]
fn it_goes_down_to_the_first_overloaded_rung_and_returns_to_one_that_holds() {
    let trial = probe(&Settings::example(), 1.0, 1000);
    let all = cpus(&trial.readings);
    let recovery =
        trial.readings.iter().position(|reading| reading.is_recovery).expect("a recovery");
    assert!(all[..recovery].windows(2).all(|pair| pair[0] > pair[1]), "{all:?}");
    assert!(trial.readings[recovery - 1].violation_ratio() > 2.0);
    let last = trial.readings.iter().rev().find(|reading| reading.is_recovery).unwrap();
    assert!(
        last.violation_ratio() <= 0.5 && last.limits.cpus.millis > all[recovery - 1],
        "{all:?}"
    );
    assert!(trial.passed() && trial.wall_seconds < 120.0, "{} s", trial.wall_seconds);
}

#[test]
fn memory_is_lowered_under_a_limit_that_holds_until_it_is_short() {
    let trial = probe(&Settings::example(), 1.0, 1000);
    let memory: Vec<&Reading> = trial.readings.iter().filter(|reading| reading.is_memory).collect();
    assert!(
        memory.windows(2).all(|pair| pair[0].limits.memory_bytes > pair[1].limits.memory_bytes)
    );
    assert!(memory.windows(2).all(|pair| pair[0].limits.cpus == pair[1].limits.cpus));
    let last = memory.last().expect("memory was probed");
    assert!(last.lacked_memory(1) || last.limits.memory_bytes == 32 << 20, "{last:?}");
    assert!(
        memory.iter().rev().skip(1).all(|reading| !reading.lacked_memory(1)),
        "only the last one lacks it"
    );
}

#[test]
fn limits_that_do_not_hold_to_begin_with_are_not_lowered() {
    let trial = probe(&Settings::example(), 9.0, 1000);
    assert_eq!(trial.readings.len(), 1);
    assert!(!trial.passed());
}

#[test]
fn a_quota_never_falls_below_the_whole_processor_that_it_began_in() {
    let settings = Settings {
        cpus: crate::trial::cpu_ladder(Some("0.05:3:0.05"), 3000).unwrap(),
        host_cpus: 3000,
        ..Settings::example()
    };
    let trial = probe(&settings, 1.0, 2000);
    assert!(
        cpus(&trial.readings).iter().all(|millis| *millis > 1000),
        "{:?}",
        cpus(&trial.readings)
    );
}

#[test]
fn a_demand_probe_reads_several_quotas_at_each_step() {
    let settings = Settings { mode: Mode::Demand, step: 2500, ..Settings::example() };
    let trial = probe(&settings, 1.0, 1000);
    for users in [2500, 5000, 7500, 10_000] {
        let here: Vec<&Reading> =
            trial.readings.iter().filter(|reading| reading.users == users).collect();
        assert!(here.len() >= 2, "{users}: {} readings", here.len());
        let all: Vec<_> =
            here.iter().map(|r| (r.limits.cpus.millis, r.violation_ratio())).collect();
        assert!(all.windows(2).all(|pair| pair[0].0 > pair[1].0), "{users}: {all:?}");
    }
}
