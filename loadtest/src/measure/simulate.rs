//! Simulation of a plan on a simulated clock, against a service that is a function.
//!
//! Queueing theory gives the expected measurements, so only the schedule, the clocks and the
//! recorder can be wrong.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use rand::SeedableRng;
use rand_pcg::Pcg32;

use super::{Finished, Recorder, Window};
use crate::workload::{Plan, Segment, Traffic, WaitTime};

/// Plays a plan against `service`, a function from the time of sending to the time of the answer.
/// In the open model every request has a connection of its own.
pub fn simulate(plan: &Plan, mut service: impl FnMut(Duration) -> Duration) -> Window {
    let mut simulated =
        Simulated { recorder: Recorder::new(plan.times(), 1, &[]), service: &mut service };
    match plan.traffic {
        Traffic::Open { .. } => {
            for due in Segment::whole(plan.clone(), Vec::new()).arrivals().into_iter().flatten() {
                simulated.request(due, due);
            }
        }
        Traffic::Closed(wait_time) => simulated.users(plan, wait_time),
    }
    let mut tasks = simulated.recorder.take_total();
    tasks.pop().unwrap_or_default()
}

struct Simulated<'a> {
    recorder: Recorder,
    service: &'a mut dyn FnMut(Duration) -> Duration,
}

impl Simulated<'_> {
    /// Records a request that was due at `due` and sent at `sent`; returns the time of its answer.
    fn request(&mut self, due: Duration, sent: Duration) -> Duration {
        let slot = self.recorder.begun(0, due);
        let end = (self.service)(sent);
        self.recorder.finished(&Finished {
            task: 0,
            target: None,
            slot,
            due,
            sent,
            end,
            bytes: 0,
            failure: None,
        });
        end
    }

    fn users(&mut self, plan: &Plan, wait_time: WaitTime) {
        let times = plan.times();
        let mut rng = Pcg32::seed_from_u64(plan.seed);
        // Ordered by the time of sending, which is after the due time for a user that is late.
        let mut next: BinaryHeap<Reverse<(Duration, u32, Duration)>> = (0..plan.max_users())
            .filter_map(|user| {
                plan.presence(user, &times, Duration::ZERO).map(|presence| (presence.from, user))
            })
            .map(|(from, user)| Reverse((from, user, from)))
            .collect();
        while let Some(Reverse((sent, user, due))) = next.pop() {
            if sent >= plan.duration() {
                continue;
            }
            let end = self.request(due, sent);
            let due = wait_time.next_due(due, end, &mut rng);
            next.push(Reverse((due.max(end), user, due)));
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, Exp1};

    use super::*;
    use crate::{
        measure::Latencies,
        workload::{Gaps, Step},
    };

    const SECOND: Duration = Duration::from_secs(1);
    const MEAN: Duration = Duration::from_millis(5);

    fn arrivals(rate: f64, seconds: u32) -> Plan {
        let step = Step {
            target: rate,
            ramp: Duration::ZERO,
            hold: SECOND * seconds,
            warm_up: Duration::ZERO,
        };
        let traffic = Traffic::Open { gaps: Gaps::Exponential, connections: 1 };
        Plan { start: 0.0, steps: vec![step], traffic, seed: 5 }
    }

    fn exponential(mean: Duration) -> impl FnMut() -> Duration {
        let mut rng = Pcg32::seed_from_u64(9);
        move || mean.mul_f64(Exp1.sample(&mut rng))
    }

    /// Asserts that percentiles up to 99.9 are `-ln(1 - q)` times the mean, as in an exponential
    /// distribution.
    fn is_exponential(times: &Latencies, mean: Duration, tolerance: f64) {
        for q in [0.5, 0.66, 0.75, 0.9, 0.95, 0.99, 0.999] {
            let (theory, seen) = (mean.mul_f64(-(1.0f64 - q).ln()), times.quantile(q));
            assert!(
                seen.abs_diff(theory) <= theory.mul_f64(tolerance),
                "p{}: {seen:?} for {theory:?}",
                q * 100.0
            );
        }
    }

    /// Returns the time of the answer from a server that freezes in the last second of every ten.
    fn thaws(sent: Duration) -> Duration {
        let into = Duration::from_nanos((sent.as_nanos() % (SECOND * 10).as_nanos()) as u64);
        if into >= SECOND * 9 {
            sent + (SECOND * 10 - into)
        } else {
            sent + Duration::from_micros(100)
        }
    }

    #[test]
    fn percentiles_are_those_of_the_distribution() {
        let plan = arrivals(5000.0, 100);
        let constant = simulate(&plan, |sent| sent + MEAN);
        for q in [0.5, 0.99, 0.999] {
            assert!(constant.service.quantile(q).abs_diff(MEAN) <= MEAN / 1000, "three digits");
        }
        let mut draw = exponential(MEAN);
        let window = simulate(&plan, |sent| sent + draw());
        assert!(window.requests.abs_diff(500_000) < 3000, "{}", window.requests);
        is_exponential(&window.service, MEAN, 0.02);
        is_exponential(&window.intended, MEAN, 0.02);
    }

    /// The time in an M/M/1 system is exponential, with mean 1 / (mu - lambda) (Kleinrock, Queueing
    /// Systems I, section 3.2).
    #[test]
    fn one_queue_is_an_mm1() {
        let mut draw = exponential(Duration::from_millis(2));
        let mut free = Duration::ZERO;
        let window = simulate(&arrivals(250.0, 4000), |sent| {
            free = free.max(sent) + draw();
            free
        });
        is_exponential(&window.intended, Duration::from_millis(4), 0.05);
    }

    #[test]
    fn a_freeze_shows_from_the_intended_start() {
        let window = simulate(&arrivals(2500.0, 200), thaws);
        let p99 = window.intended.quantile(0.99);
        assert!(p99.abs_diff(Duration::from_millis(900)) < Duration::from_millis(9), "{p99:?}");
    }

    /// In the closed model users send nothing while the server is frozen. Service times hide the
    /// freeze (coordinated omission); with pacing, times from the intended start show it.
    #[test]
    fn coordinated_omission_shows() {
        let paced = "constant_pacing(0.1)".parse().unwrap();
        let plan = Plan::steady(100, 1000.0, SECOND * 200, paced).unwrap();
        let window = simulate(&plan, thaws);
        assert!(
            window.service.quantile(0.98) < Duration::from_millis(1),
            "{:?}",
            window.service.quantile(0.98)
        );
        let p99 = window.intended.quantile(0.99);
        assert!(p99.abs_diff(Duration::from_millis(900)) < Duration::from_millis(20), "{p99:?}");
    }

    /// Each user's cycle is a think time plus a service time (the interactive response time law).
    #[test]
    fn users_send_as_often_as_the_law_says() {
        let thinking = "expovariate(2)".parse().unwrap();
        let plan = Plan::steady(1000, 100_000.0, SECOND * 100, thinking).unwrap();
        let mut draw = exponential(Duration::from_millis(500));
        let window = simulate(&plan, |sent| sent + draw());
        // 1000 users with a cycle of 0.5 s + 0.5 s.
        let rate = window.requests as f64 / 100.0;
        assert!((rate - 1000.0).abs() < 20.0, "{rate} a second");
        is_exponential(&window.service, Duration::from_millis(500), 0.05);
    }
}
