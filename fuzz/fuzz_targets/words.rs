//! Fuzz target for command-line values: an accepted value is usable and its text parses again.

#![no_main]

use std::{
    fmt::{Debug, Display},
    str::FromStr,
    time::Duration,
};

use libfuzzer_sys::fuzz_target;
use load_engine::null_server::{Delay, Freeze};
use loadtest::{
    slo::Slo,
    workload::{Arrivals, Host, Level, Pace, Shape, WaitTime, parse_run_time},
};
use rand::SeedableRng;

const MINUTE: Duration = Duration::from_secs(60);

fuzz_target!(|text: &str| {
    if let Some(objective) = again::<Slo>(text) {
        assert!(
            objective.latency.iter().all(|limit| (0.0..1.0).contains(&limit.allowed_over())),
            "{text}"
        );
    }
    if let Some(wait_time) = again::<WaitTime>(text) {
        let mut rng = rand_pcg::Pcg32::seed_from_u64(1);
        assert!(wait_time.next_due(MINUTE, 2 * MINUTE, &mut rng) >= MINUTE, "{text}");
        assert!(wait_time.mean() <= wait_time.longest(), "{text}");
        assert!(wait_time.planned_per_second(10.0).is_none_or(|rate| rate > 0.0), "{text}");
    }
    again::<Arrivals>(text);
    if let Some(level) = again::<Level>(text) {
        assert!(level.highest() > 0.0, "{text}");
    }
    if let Ok(shape) = text.parse::<Shape>() {
        let pace = Pace {
            run_time: MINUTE,
            step_duration: MINUTE,
            spawn_rate: Some(10.0),
            warm_up: Duration::ZERO,
        };
        if let Ok(steps) = shape.steps(&pace) {
            assert!(!steps.is_empty(), "{text}: a shape without a step");
        }
    }
    let _ = parse_run_time(text);
    let _ = text.parse::<Host>();
    let _ = text.parse::<Delay>();
    let _ = text.parse::<Freeze>();
});

/// Parses `text`; if that succeeds, asserts that the value's own text parses too.
fn again<T: FromStr<Err: Display> + Display + Debug>(text: &str) -> Option<T> {
    match text.parse::<T>() {
        Ok(value) => {
            let written = value.to_string();
            if let Err(error) = written.parse::<T>() {
                panic!("{text:?} was taken as {value:?} and written {written:?}: {error}");
            }
            Some(value)
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}
