//! Tests of charts on simulated services.

use loadtest::verdict::Verdict;
use sizing::{
    simulator::{KINDS, World},
    sweep::{Next, answer, next},
    trial::{Purpose, Settings, Trial},
};

use super::*;

fn sweep(replicas: &[u32]) -> (Settings, Vec<Trial>) {
    let settings = Settings { replicas: replicas.to_vec(), ..Settings::example() };
    let mut world = World::new(KINDS[0].service, KINDS[0].machine, 3);
    let mut trials = Vec::new();
    while let Next::Try(planned) = next(&settings, &trials) {
        trials.push(world.trial(&settings, planned.spec));
    }
    (settings, trials)
}

fn line(values: &[Option<f64>]) -> String {
    let seconds: Vec<f64> = (1..=values.len()).map(|second| second as f64).collect();
    let drawn = Timeline {
        title: "<times>",
        unit: "ms",
        seconds: &seconds,
        lines: vec![Line { name: "p95", values: values.to_vec() }],
        steps: &[Mark { start: 0.0, window: (1.0, 4.0), label: "500 users".to_owned() }],
        limit: Some((100.0, "objective: p95<100ms".to_owned())),
        scale: Scale::Log,
    };
    timeline(&drawn).map_or_else(String::new, |chart| chart.figure())
}

#[test]
fn a_second_without_an_answer_is_a_gap_and_no_zero() {
    let whole = line(&[Some(5.0); 6]);
    assert_eq!(whole.matches("<polyline class=\"l0\"").count(), 1);
    let broken = line(&[Some(5.0), Some(6.0), None, Some(7.0), Some(8.0), Some(9.0)]);
    assert_eq!(broken.matches("<polyline class=\"l0\"").count(), 2);
    let points: Vec<usize> = broken
        .split("class=\"l0\" points=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().split(' ').count())
        .collect();
    assert_eq!(points, [2, 3]);
    assert!(broken.contains("3 s: p95: no answer"), "{broken}");
    let single = line(&[None, Some(5.0), None]);
    assert!(single.contains("class=\"d0\"") && !single.contains("<polyline class=\"l0\""));
    assert_eq!(line(&[None, None]), "");
}

#[test]
fn a_timeline_shows_steps_and_the_objective_and_escapes_text() {
    let svg = line(&[Some(5.0), Some(50.0)]);
    assert!(svg.contains("class=\"slo\"") && svg.contains("objective: p95&lt;100ms"), "{svg}");
    assert!(svg.contains("500 users") && svg.contains("class=\"step\""), "{svg}");
    assert!(svg.contains("&lt;times&gt;") && !svg.contains("<times>"), "{svg}");
}

#[test]
fn the_map_has_every_start_by_verdict_and_bottleneck() {
    let (settings, trials) = sweep(&[1, 2]);
    let svg = map(&settings, &answer(&settings, &trials), &trials).unwrap().file();
    assert!(svg.contains("1 replica, MiB") && svg.contains("2 replicas, MiB each"));
    let is_start = |t: &&Trial| matches!(t.spec.purpose, Purpose::Fresh | Purpose::Ramp);
    let failed = trials.iter().filter(is_start).any(|trial| trial.verdict == Verdict::Fail);
    assert!(failed && svg.contains("failed, limit: "), "{svg}");
    assert_eq!(svg.matches("<polyline class=\"answer\"").count(), 3, "two answers, and the legend");
    assert_eq!(map(&settings, &answer(&settings, &[]), &[]), None);
}

#[test]
fn bars_compare_replica_counts() {
    let (settings, trials) = sweep(&[1, 2]);
    let svg = replicas(&answer(&settings, &trials)).unwrap().file();
    assert_eq!(svg.matches("<rect class=\"bar").count(), 4);
    let (one, trials) = sweep(&[1]);
    assert_eq!(replicas(&answer(&one, &trials)), None, "there is nothing to compare");
}

#[test]
fn the_ramp_shows_latency_and_throttling_of_every_step() {
    let (settings, trials) = sweep(&[1]);
    let svg = ramp(&settings, &answer(&settings, &trials), &trials).unwrap().file();
    assert!(svg.contains("objective: 100 ms") && svg.contains("throttled"), "{svg}");
    assert!(svg.contains("10000 users: pass at p95"), "{svg}");
    assert!(svg.matches("<polyline class=\"l").count() >= 5, "three percentiles and two shares");
}

#[test]
fn a_picture_is_a_png_of_twice_the_size() {
    let (settings, trials) = sweep(&[1]);
    let chart = curve(&settings, &answer(&settings, &trials), &trials).unwrap();
    match png(&chart, Theme::Dark) {
        Ok(bytes) => {
            assert!(bytes.starts_with(b"\x89PNG"));
            assert_eq!(bytes[16..20], 1800_u32.to_be_bytes());
        }
        Err(error) => assert!(error.to_string().contains("install one"), "{error}"),
    }
}
