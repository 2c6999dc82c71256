//! What a search makes of its references.

use super::*;

#[test]
fn a_search_for_several_replicas_begins_at_what_each_of_them_needs() {
    let service = Service { demand: 70e-6, ..STEADY };
    let cpus = cpu_ladder(Some("0.05:0.3:0.05"), 1000).expect("a ladder");
    let made = sweep(&service, &Settings { cpus, ..settings(&[1, 2], 1000) }, 1);
    let first = made.iter().find(|t| t.spec.purpose == Purpose::Search).expect("one that searches").spec.point;
    assert_eq!((first.replicas, first.limits.cpus.millis), (2, 250), "one alone does not hold");
}

#[test]
fn a_reference_that_comes_after_the_search_reopens_nothing() {
    let service = STEADY;
    let settings = settings(&[1], 1000);
    let mut rng = Pcg32::seed_from_u64(1);
    let mut made: Vec<Trial> = Vec::new();
    while let Next::Try(spec) = next(&settings, &made) {
        let mut trial = service.trial(spec, &mut rng);
        if spec.load == Load::Saturate {
            trial.usage.cpu_seconds_per_request = Some(1e-6);
            if made.iter().filter(|t| t.spec.load == Load::Saturate).count() < 4 {
                trial.verdict = Verdict::Invalid;
            }
        }
        made.push(trial);
        assert!(made.len() < 100, "no end");
    }
    assert_eq!(made.iter().filter(|t| t.spec.load == Load::Saturate).count(), 5);
    assert_eq!(made.last().map(|last| last.spec.load), Some(Load::Saturate), "what was found by then stays");
    assert!(Answer::from_trials(&settings, &made).per_replicas[0].minimum().is_some());
}
