//! Tests of `posterior`.

use proptest::prelude::*;

use super::*;

const PRIOR: Prior = Prior { mean: 5.0, sd: 0.5 };

fn start(observations: &[(f64, Seen)]) -> Start {
    let observations =
        observations.iter().map(|(room, seen)| Observation { room: *room, seen: *seen }).collect();
    Start { observations, spread: 0.0 }
}

/// Returns a probe that held above an edge and was overloaded below it.
fn probe(edge: f64) -> Start {
    let rungs = (0..8).map(|i| edge + 0.35 - 0.1 * f64::from(i));
    let seen = |room: f64| if room > edge { Seen::AtMost(-0.8) } else { Seen::AtLeast(0.0) };
    start(&rungs.map(|room| (room, seen(room))).collect::<Vec<_>>())
}

#[test]
fn a_probe_brackets_the_edge() {
    let posterior = Posterior::new(PRIOR, &[probe(5.0)]);
    let (low, high) = (posterior.quantile(0.05), posterior.quantile(0.95));
    assert!(low > 4.8 && high < 5.2, "{low} to {high}");
    assert!(posterior.p_hold(5.5) > 0.95 && posterior.p_hold(4.5) < 0.05);
}

#[test]
fn fresh_trials_that_hold_make_a_rung_likelier() {
    let holds = || start(&[(5.1, Seen::AtMost(-0.8))]);
    let p = |count: usize| {
        let starts: Vec<Start> =
            std::iter::once(probe(5.0)).chain((0..count).map(|_| holds())).collect();
        Posterior::new(PRIOR, &starts).p_hold(5.1)
    };
    assert!(p(0) < p(1) && p(1) < p(3), "{} {} {}", p(0), p(1), p(3));
    let fails = start(&[(5.1, Seen::AtLeast(0.0))]);
    assert!(Posterior::new(PRIOR, &[probe(5.0), fails]).p_hold(5.1) < p(0));
}

#[test]
fn a_disturbed_start_tells_less() {
    let failed = |spread| Start { spread, ..start(&[(5.2, Seen::AtLeast(0.0))]) };
    let p = |spread| Posterior::new(PRIOR, &[probe(5.0), failed(spread)]).p_hold(5.2);
    assert!(p(0.3) > p(0.0) + 0.05, "{} {}", p(0.3), p(0.0));
}

#[test]
fn one_odd_start_does_not_outweigh_many() {
    let mut starts = vec![probe(5.0)];
    starts.extend((0..8).map(|_| start(&[(5.15, Seen::AtMost(-0.8))])));
    let before = Posterior::new(PRIOR, &starts).p_hold(5.15);
    starts.push(start(&[(6.5, Seen::AtLeast(0.0))]));
    let after = Posterior::new(PRIOR, &starts).p_hold(5.15);
    assert!(after > before - 0.25, "{before} {after}");
}

#[test]
fn trials_near_the_edge_are_worth_more() {
    let posterior = Posterior::new(PRIOR, &[probe(5.0)]);
    let rooms: Vec<f64> = (0..15).map(|i| 4.3 + 0.1 * f64::from(i)).collect();
    let worth = posterior.worth(&rooms, 0.95);
    let best = (0..rooms.len())
        .max_by(|a, b| worth[*a].information.total_cmp(&worth[*b].information))
        .unwrap();
    assert!((4.8..5.4).contains(&rooms[best]), "{}", rooms[best]);
    let all: f64 = worth.iter().map(|worth| worth.is_answer).sum();
    assert!(all <= 1.0 + 1e-9 && worth.iter().all(|worth| worth.information >= 0.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn more_room_never_holds_less_often(
        edge in 4.2f64..5.8,
        a in 3.0f64..7.0,
        b in 3.0f64..7.0,
    ) {
        let posterior = Posterior::new(PRIOR, &[probe(edge)]);
        let (less, more) = (a.min(b), a.max(b));
        prop_assert!(posterior.p_hold(less) <= posterior.p_hold(more) + 1e-12);
        prop_assert!((0.0..=1.0 + 1e-9).contains(&posterior.p_hold(a)));
    }

    #[test]
    fn the_order_of_starts_does_not_matter(
        edges in proptest::collection::vec(4.5f64..5.5, 1..6),
        room in 4.5f64..5.5,
    ) {
        let mut starts: Vec<Start> = edges.iter().map(|edge| probe(*edge)).collect();
        let forwards = Posterior::new(PRIOR, &starts).p_hold(room);
        starts.reverse();
        starts.iter_mut().for_each(|start| start.observations.reverse());
        prop_assert_eq!(forwards, Posterior::new(PRIOR, &starts).p_hold(room));
    }
}

/// Compares quantiles with the tables (Student, 1908).
#[test]
fn students_distribution_is_that_of_the_tables() {
    for (t, p) in [(0.0, 0.5), (2.132, 0.95), (3.747, 0.99), (-2.132, 0.05)] {
        assert!((student_t4(t) - p).abs() < 1e-4, "{t}");
        assert!((student_t4_quantile(p) - t).abs() < 1e-2, "{p}");
    }
}
